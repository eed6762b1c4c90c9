//! What the fuzz targets share: how bytes become decisions, and the checks themselves. The targets are a line each, and the
//! examples run the same checks without a fuzzer.

mod bytes_of;
mod codec;
mod history;
mod log;
mod replicas;
mod snapshot;

pub use bytes_of::Bytes;
pub use codec::{check_client_payload, check_peer_payload, check_stream};
pub use history::check_history;
pub use log::check_log;
pub use replicas::check_replicas;
pub use snapshot::check_snapshot;
