//! How each type is read and checked: postcard's encoding of its serde derive, variant by variant.
//!
//! The order here must be that of the declarations. The tests compare the result with what postcard decodes
//! from the derives.

mod clients;
mod commands;
mod messages;
mod records;
mod status;
pub(crate) mod transactions;
