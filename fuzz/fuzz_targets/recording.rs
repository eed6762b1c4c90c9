//! Fuzzes `check_recording`: the recording of a replica.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_recording(bytes));
