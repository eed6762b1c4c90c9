//! The configuration file: TOML whose keys are the flags of a program, in a table for each command.
//!
//! What the keys are is data ([`Schema`]), which the program derives from its command line, so that file and
//! flags cannot differ. [`read`] checks a file against it, and says where each setting stands. Whether a text
//! is good for its flag is up to the command line.

mod error;
mod read;
mod schema;
mod write;

pub use error::{ConfigurationError, ConfigurationFault};
pub use read::{MAX_BYTES, Setting, SettingValue, read};
pub use schema::{KeyKind, Schema};
pub use write::write_value;
