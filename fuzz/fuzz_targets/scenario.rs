//! Fuzzes `check_scenario`: a scenario file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_scenario(bytes));
