//! `kvpaxos-sim exhaust`: correct replicas hold in every run within small bounds, and mutants are found.

use std::process::Command;

/// The exit code, and what was printed.
fn exhaust(arguments: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_kvpaxos-sim");
    let output = Command::new(program)
        .args(["exhaust", "--messages", "0", "--until", "500"])
        .args(arguments)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn one_fault_breaks_nothing() {
    let (code, said) = exhaust(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("holds in every run within the bounds"), "{said}");
    let (code, said) = exhaust(&["--runs", "3"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("there are more within the bounds"), "{said}");
}

#[test]
fn one_fault_finds_mutants() {
    for (mutant, property) in [
        ("forgetful-acceptor", "A1 is violated"),
        ("hasty-sender", "A3 is violated"),
    ] {
        let (code, said) = exhaust(&["--mutant", mutant]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(property), "{mutant}: {said}");
    }
}
