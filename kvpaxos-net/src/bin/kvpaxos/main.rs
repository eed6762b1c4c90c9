//! The program `kvpaxos`.
fn main() {}
