//! Postcard, read strictly: what the encodings of messages, records and snapshots have in common.

mod error;
mod format;
pub(crate) mod plain;
mod reader;
mod writer;

pub use error::{DecodeError, EncodeError};
pub use format::{
    HEADER, Kind, MAGIC, MAX_COMMANDS, MAX_COUNTER, MAX_DATAGRAM, MAX_PART, MAX_PARTS, MAX_PEER_PAYLOAD,
    MAX_REPLY_PAYLOAD, MAX_REQUEST_PAYLOAD, MAX_SMALL_COUNTER, MAX_VALUES, VERSION,
};
pub(crate) use reader::{Elements, Reader};
pub(crate) use writer::append_payload;

/// A type that can be decoded.
pub trait Decode: Sized {
    /// Reads a value at the position of the reader.
    #[doc(hidden)]
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError>;
}
