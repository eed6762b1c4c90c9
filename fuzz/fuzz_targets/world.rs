//! Fuzzes `check_world`: whole worlds that bytes decide.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_world(bytes));
