//! Fuzzes `check_http_requests`: what is sent to the port for metrics and probes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_http_requests(bytes));
