//! `kvpaxos-sim shrink`, as people and scripts see it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn simulator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it prints text")
}

fn lines(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).expect("the scenario was written");
    text.lines().count()
}

/// A search ends at its limit, says how it goes on, and goes on from its file.
#[test]
fn a_search_that_came_to_its_limit_goes_on_from_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("small.txt");
    let path = file.to_str().expect("a name in UTF-8");
    let first = simulator(&[
        "shrink",
        "--seed",
        "0",
        "--mutant",
        "misplaced-answer",
        "--runs",
        "3",
        "-o",
        path,
    ]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let says = text(&first.stdout);
    assert!(
        says.contains("3 runs with ") && says.contains("which is the limit"),
        "{says}"
    );
    let on = format!("kvpaxos-sim shrink {path} -o {path}");
    assert!(says.contains(&on), "{says}");
    // Standard error is no terminal here: it gets a line from time to time, and no signs that move a cursor.
    let told = text(&first.stderr);
    assert!(told.lines().count() <= 3 && !told.contains('\x1b'), "{told:?}");
    let before = lines(&file);

    let second = simulator(&["shrink", path, "-o", path, "--events", "30000"]);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second.stderr));
    let says = text(&second.stdout);
    assert!(says.contains("nothing more was found to leave out"), "{says}");
    assert!(
        lines(&file) < before.min(15),
        "{} lines, of {before}",
        lines(&file)
    );
    let replayed = simulator(&["replay", path]);
    assert_eq!(replayed.status.code(), Some(1), "it still violates its property");
}

/// Ctrl-C ends a search, with the smallest scenario that was found.
#[test]
fn a_search_that_is_interrupted_keeps_what_it_has_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("small.txt");
    let mut search = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"))
        .args(["shrink", "--seed", "0", "--mutant", "misplaced-answer", "-o"])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut says = BufReader::new(search.stdout.take().expect("it is piped"));
    let mut violation = String::new();
    says.read_line(&mut violation).expect("it prints text");
    assert!(violation.contains("is violated"), "{violation}");
    let interrupted = Command::new("kill")
        .args(["-INT", &search.id().to_string()])
        .status();
    assert!(interrupted.expect("there is such a program").success());
    let mut rest = String::new();
    says.read_to_string(&mut rest).expect("it prints text");
    assert_eq!(search.wait().expect("it ends").code(), Some(0));
    assert!(rest.contains("and was interrupted"), "{rest}");
    assert!(rest.contains("go on from there with"), "{rest}");
    assert!(lines(&file) > 3, "a scenario");
}

#[test]
fn a_run_in_which_everything_holds_has_nothing_to_shrink() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("good.txt");
    std::fs::write(&file, "kvpaxos-scenario 1\nseed 1\nstop 0.1s\n").expect("it can be written");
    let path = file.to_str().expect("a name in UTF-8");
    let shrunk = simulator(&["shrink", path, "-o", path]);
    assert_eq!(shrunk.status.code(), Some(5));
    assert!(text(&shrunk.stderr).contains("nothing to shrink"));
}
