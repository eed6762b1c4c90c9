//! The operations that change files. Everything that a data directory is made of goes through these. They are
//! those of [`std::fs`]; in this crate's tests, `power` records each call, and so knows what a power failure
//! may leave.

#[cfg(test)]
pub(crate) use crate::power::tape::{File, create_dir, create_dir_all, remove_file, rename};
#[cfg(not(test))]
pub(crate) use std::fs::{File, create_dir, create_dir_all, remove_file, rename};
