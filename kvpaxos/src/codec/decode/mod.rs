//! How each type is read and checked: postcard's encoding of its serde derive, variant by variant.
//!
//! What is read here must mirror the types' declarations; the tests compare it with postcard's own decoding of the derives.

mod clients;
mod commands;
mod messages;
mod records;
mod status;
