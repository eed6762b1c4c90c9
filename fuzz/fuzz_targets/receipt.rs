//! Fuzzes `check_receipt`: the receipt of a sweep.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_receipt(bytes));
