//! Fuzzes `check_replicas`: scripts for a cluster.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kvpaxos_fuzz::check_replicas(bytes));
