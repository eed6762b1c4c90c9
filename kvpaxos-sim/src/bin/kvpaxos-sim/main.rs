//! The program `kvpaxos-sim`.
fn main() {}
