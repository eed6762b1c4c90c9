//! What the fuzz targets share: how bytes become decisions, and the checks. Each target is one line that
//! calls a check.

mod backup;
mod bytes;
mod cluster;
mod codec;
mod configuration;
mod history;
mod http;
mod log;
mod receipt;
mod recording;
mod redis;
mod scenario;
mod script;
mod snapshot;
mod world;

pub use backup::{check_backup, sealed};
pub use bytes::Bytes;
pub use codec::{check_client_payload, check_peer_payload, check_stream};
pub use configuration::check_configuration;
pub use history::check_history;
pub use http::check_http_requests;
pub use log::check_log;
pub use receipt::check_receipt;
pub use recording::{check_recording, correct_checksums};
pub use redis::check_redis_requests;
pub use scenario::check_scenario;
pub use script::check_replicas;
pub use snapshot::check_snapshot;
pub use world::check_world;
