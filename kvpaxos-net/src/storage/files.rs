//! What changes files: all that a data directory is made of goes through here. It is [`std::fs`], but in this crate's tests, where
//! `power` writes down each call: from that it knows what a power failure may leave.

#[cfg(test)]
pub(crate) use crate::power::tape::{File, create_dir, create_dir_all, remove_file, rename};
#[cfg(not(test))]
pub(crate) use std::fs::{File, create_dir, create_dir_all, remove_file, rename};
