//! The client of a cluster: its calls, the task that drives it, and its connections.

mod answer;
mod calls;
pub(crate) mod connection;
mod driver;
mod failures;
mod options;

pub use answer::{
    CasResult, ClientError, DeleteResult, GetManyResult, GetResult, LengthsResult, Page, ServerFailure,
    TransactionResult,
};
pub use calls::Client;
pub use options::{ClientOptions, ClientOptionsError, Transport};
