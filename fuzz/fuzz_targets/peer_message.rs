//! Fuzzes `check_peer_payload`: payloads of frames between replicas.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_peer_payload(bytes));
