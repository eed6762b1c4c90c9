//! Fuzzes `check_backup`: the file of a copy of the store.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_backup(bytes));
