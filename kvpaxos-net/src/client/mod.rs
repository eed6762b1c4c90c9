//! The client of a cluster.

mod answer;
mod calls;
mod connection;
mod driver;
mod options;

pub use answer::{ClientError, Deleted, Read, Swapped};
pub use calls::Client;
pub use options::{ClientOptions, ClientOptionsError, Transport};
