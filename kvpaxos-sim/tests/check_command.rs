//! `kvpaxos-sim check`: what it says of histories, and the exit codes that scripts rely on.

use std::io::Write;
use std::process::{Command, Stdio};

const HEADER: &str = r#"{"type":"header","format":"kv-history","version":1,"initial":null}"#;
const PUT: &str = r#"{"type":"invoke","process":1,"op":"put","key":"k","value":"a","time":1}
{"type":"ok","process":1,"op":"put","key":"k","time":2}"#;

fn check(lines: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"))
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    writeln!(stdin, "{}", lines.join("\n")).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), text)
}

fn read(value: &str) -> String {
    format!(
        r#"{{"type":"invoke","process":2,"op":"get","key":"k","time":3}}
{{"type":"ok","process":2,"op":"get","key":"k","value":{value},"time":4}}"#
    )
}

#[test]
fn a_linearizable_history_is_0() {
    let (code, text) = check(&[HEADER, PUT, &read("\"a\"")]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("linearizable: 2 operations on 1 keys"), "{text}");
}

#[test]
fn a_lost_write_is_1_and_its_key_is_named() {
    let (code, text) = check(&[HEADER, PUT, &read("null")]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT linearizable"), "{text}");
    assert!(text.contains("key \"k\""), "{text}");
}

#[test]
fn a_malformed_history_is_3_with_its_line_and_is_never_called_not_linearizable() {
    let (code, text) = check(&[HEADER, PUT, r#"{"type":"ok","process":9,"op":"get","key":"k"}"#]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("line 4 is malformed: process 9"), "{text}");
    assert!(!text.contains("linearizable"), "{text}");
}
