//! Fuzzes `check_history`: histories in JSON lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_history(bytes));
