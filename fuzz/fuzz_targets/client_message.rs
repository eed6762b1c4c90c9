//! Fuzzes `check_client_payload`: payloads of requests and replies.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_client_payload(bytes));
