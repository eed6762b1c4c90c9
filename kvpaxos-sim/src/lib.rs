//! Deterministic simulation of kvpaxos.
