//! Fuzzes `check_log`: damaged write-ahead logs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_log(bytes));
