//! Fuzzes `check_snapshot`: snapshots in parts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_snapshot(bytes));
