//! `kvpaxos-sim check`: its output, and the exit codes that scripts rely on.

use std::io::Write;
use std::process::{Command, Stdio};

const HEADER: &str = r#"{"type":"header","format":"kv-history","version":1,"initial":null}"#;
const PUT: &str = r#"{"type":"invoke","process":1,"op":"put","key":"k","value":"a","time":1}
{"type":"ok","process":1,"op":"put","key":"k","time":2}"#;

fn check(lines: &[&str]) -> (Option<i32>, String) {
    check_with(&[], lines)
}

fn check_with(flags: &[&str], lines: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"))
        .args(["check", "-"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The program does not read its input if the command line is wrong.
    let _ = writeln!(stdin, "{}", lines.join("\n"));
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
fn what_follows_the_first_bad_key_is_not_read_if_one_is_enough() {
    let lines = [HEADER, PUT, &read("null"), "x"];
    let (code, text) = check(&lines);
    assert_eq!(code, Some(3), "{text}");
    let (code, text) = check_with(&["--first"], &lines);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT linearizable (1 keys)"), "{text}");
    assert!(text.contains("key \"k\""), "{text}");
    let (code, text) = check_with(&["--first"], &[HEADER, PUT, &read("\"a\"")]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_malformed_history_is_3_with_its_line_and_is_never_called_not_linearizable() {
    let (code, text) = check(&[HEADER, PUT, r#"{"type":"ok","process":9,"op":"get","key":"k"}"#]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("line 4 is malformed: process 9"), "{text}");
    assert!(!text.contains("linearizable"), "{text}");
}

#[test]
fn json_is_one_object_on_one_line_with_the_same_exit_codes() {
    let (code, text) = check_with(&["--json"], &[HEADER, PUT, &read("null")]);
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let object: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(object["verdict"], "not_linearizable");
    assert_eq!(object["per_key"][0]["evidence"]["culprit"]["process"], 2);
    let (code, text) = check_with(&["--json"], &[HEADER, "x"]);
    assert_eq!(code, Some(3), "{text}");
    let object: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&object["verdict"], &object["line"]),
        (&"malformed".into(), &2.into())
    );
}

#[test]
fn positions_that_decide_nothing_are_5() {
    let (code, text) = check_with(&["--witness"], &[HEADER, PUT]);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("an answer does not say its position"), "{text}");
}

#[test]
fn a_command_line_that_is_wrong_is_2_and_no_verdict() {
    for flags in [
        &["--budget", "0"][..],
        &["--no-such-flag"],
        &["--witness", "--json"],
    ] {
        let (code, text) = check_with(flags, &[HEADER, PUT]);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{flags:?}");
    }
}

#[test]
fn a_page_is_written_and_the_verdict_printed_all_the_same() {
    let file = format!("kvpaxos-page-{}.html", std::process::id());
    let file = std::env::temp_dir().join(file);
    let name = file.to_str().expect("text");
    let (code, text) = check_with(&["--html", name], &[HEADER, PUT, &read("null")]);
    let page = std::fs::read_to_string(&file);
    // The file may not exist.
    let _ = std::fs::remove_file(&file);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT linearizable"), "{text}");
    assert!(page.expect("the page").contains("culprit"));
}

#[test]
fn a_page_that_cannot_be_written_is_4_after_the_verdict() {
    let flags = ["--html", "/nowhere/at/all/page.html"];
    let (code, text) = check_with(&flags, &[HEADER, PUT, &read("null")]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("NOT linearizable"), "{text}");
}

#[test]
fn a_budget_that_is_too_small_leaves_a_history_undecided() {
    // Both put the same value, side by side, so that there is something to search.
    let begins =
        |process| format!(r#"{{"type":"invoke","process":{process},"op":"put","key":"k","value":"a"}}"#);
    let ends = |process| format!(r#"{{"type":"ok","process":{process},"op":"put","key":"k"}}"#);
    let puts = [begins(1), begins(2), ends(1), ends(2)].join("\n");
    let (code, text) = check_with(&["--budget", "1,1"], &[HEADER, &puts]);
    assert_eq!(code, Some(5), "{text}");
    assert!(
        text.contains("not decided within 1 steps and 1 MiB for these keys together: k; --budget"),
        "{text}"
    );
}

/// Runs `check` on a history, with its standard output or standard error going there.
#[cfg(target_os = "linux")]
fn check_into(lines: &[&str], out: Stdio, errors: Stdio) -> Option<i32> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"))
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(out)
        .stderr(errors)
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    writeln!(stdin, "{}", lines.join("\n")).expect("it reads");
    drop(stdin);
    child.wait().expect("it ends").code()
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_nobody_reads_or_that_is_full_does_not_change_a_verdict() {
    let full = || {
        Stdio::from(
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .expect("it exists"),
        )
    };
    let unread = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let (good, bad) = ([HEADER, PUT, &read("\"a\"")], [HEADER, PUT, &read("null")]);
    assert_eq!(check_into(&good, unread(), Stdio::null()), Some(0));
    assert_eq!(
        check_into(&good, full(), Stdio::null()),
        Some(4),
        "it is not told"
    );
    assert_eq!(check_into(&good, full(), full()), Some(4));
    for out in [unread(), full()] {
        assert_eq!(check_into(&bad, out, Stdio::null()), Some(1));
    }
}
