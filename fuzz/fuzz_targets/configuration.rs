//! Fuzzes `check_configuration`: a configuration file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_configuration(bytes));
