//! Looks into data directories from outside, and changes nothing: what a log holds ([`inspect`]), what it
//! tells of the history of slots ([`history`]), and where the histories of several directories diverge
//! ([`compare`]).

pub(crate) mod compare;
pub(crate) mod history;
pub(crate) mod inspect;
