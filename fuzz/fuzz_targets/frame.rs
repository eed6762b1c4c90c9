//! Fuzzes `check_stream`: frames in a stream.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_stream(bytes));
