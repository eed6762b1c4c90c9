//! `kvpaxos-sim generate`: `check` reads what it writes, and settings that make no sense are refused with a
//! reason.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use kvpaxos_sim::history::History;
use kvpaxos_sim::history::generate::{Flaw, Fraction, Settings};
use kvpaxos_sim::linearizability::{Budget, check};

fn program(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"));
    command.arg("generate").args(flags);
    command
}

fn generate(flags: &[&str]) -> Output {
    program(flags).output().expect("the program runs")
}

fn history(output: &Output) -> History {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    History::read(&output.stdout[..]).expect("it is well-formed")
}

/// What it prints to standard error. It must end with 2 and write nothing to standard output.
fn refused(flags: &[&str]) -> String {
    let output = generate(flags);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn its_defaults_are_those_of_the_library() {
    let settings = Settings::default();
    assert_eq!(history(&generate(&[])), settings.history().expect("there is one"));
}

#[test]
fn flags_say_what_is_made() {
    let flags = "--seed 3 --operations 300 --keys 4 --hot 50% --clients 6 --mix get=2,append=1 --values 5 --unknown 2.5% \
                 --failed 1% --length 100 --long 3% --pause 10 --initial -5 --rev --flaw impossible";
    let made = history(&generate(&flags.split_whitespace().collect::<Vec<_>>()));
    let share = |text: &str| text.parse::<Fraction>().expect("a share");
    let settings = Settings {
        seed: 3,
        operations: 300,
        keys: 4,
        hot: share("50%"),
        clients: 6,
        mix: "get=2,append=1".parse().expect("a mix"),
        values: "5".parse().expect("values"),
        unknown: share("2.5%"),
        failed: share("1%"),
        length: 100,
        long: share("3%"),
        pause: 10,
        initial: (-5).into(),
        rev: true,
        flaw: Flaw::Impossible,
    };
    assert_eq!(made, settings.history().expect("there is one"));
    assert!(check(&made, Budget::default()).is_bad());
}

#[test]
fn a_file_holds_what_standard_output_would() {
    let file = std::env::temp_dir().join(format!("kvpaxos-generate-{}.jsonl", std::process::id()));
    let path = file.to_str().expect("text");
    assert_eq!(generate(&["--out", path]).status.code(), Some(0));
    let written = std::fs::read(&file).expect("it is there");
    std::fs::remove_file(&file).expect("it can go");
    assert_eq!(written, generate(&[]).stdout);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    assert!(refused(&["--clients", "0"]).contains("clients is 0; it must be 1 or more"));
    assert!(refused(&["--keys", "0"]).contains("keys is 0"));
    assert!(refused(&["--mix", "get=0"]).contains("all weights of the mix are 0"));
    assert!(refused(&["--mix", "got=1"]).contains("there is no operation \"got\""));
    assert!(refused(&["--values", "0"]).contains("values is 0"));
    assert!(refused(&["--values", "thrice"]).contains("neither unique, nor twice"));
    assert!(refused(&["--unknown", "5"]).contains("write it like 2.5%"));
    assert!(refused(&["--unknown", "60%", "--failed", "60%"]).contains("more than all operations"));
    assert!(refused(&["--operations", "0", "--flaw", "stale"]).contains("cannot be made bad"));
    assert!(refused(&["--flaw", "subtle"]).contains("impossible"));
}

#[test]
fn a_file_that_cannot_be_written_is_4_and_no_wrong_command_line() {
    let output = generate(&["--out", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(why.contains("cannot write to /nowhere/at/all"), "{why}");
}

/// A reader that has seen enough closes the pipe. This history alone would fill a disk.
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mut child = program(&["--operations", "1000000000000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let header = lines.next().expect("a line").expect("text");
    assert!(header.contains("kv-history"), "{header}");
    drop(lines);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
