//! Looks into data directories from outside, and changes nothing.

pub(crate) mod compare;
pub(crate) mod history;
pub(crate) mod inspect;
