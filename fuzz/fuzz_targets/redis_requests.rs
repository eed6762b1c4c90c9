//! Fuzzes `check_redis_requests`: what a Redis client sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_redis_requests(bytes));
