//! `kvpaxos-sim sweep` in shards, `--resume` and `merge`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kvpaxos::{Micros, Replica};
use kvpaxos_sim::receipts::{Build, Receipt, Shard, merge};
use kvpaxos_sim::world::{Length, Player, Summary, Sweep, sweep, sweep_on};
use kvpaxos_sim::{Setup, run};

/// Worlds as seeds draw them, but short.
const SHORT: Player = |setup, trace| {
    let length = Length {
        faults: Micros(500_000),
        operations: 0,
        events: 0,
    };
    run::<Replica>(Setup { length, ..setup }, trace)
};

fn build() -> Build {
    Build {
        version: "1.2.3".to_owned(),
        behaviour: "short".to_owned(),
    }
}

/// Without what depends on the machine.
fn timeless(summary: &Summary) -> Summary {
    Summary {
        cpu_micros: 0,
        wall_micros: 0,
        ..summary.clone()
    }
}

#[test]
fn parts_of_a_sweep_on_any_number_of_threads_are_the_sweep() {
    let seeds = 995..1004;
    let played = |seeds, jobs| Sweep {
        player: SHORT,
        ..Sweep::of(seeds, jobs)
    };
    let mut heard = Vec::new();
    let whole = sweep(&played(seeds.clone(), 1), |_, report| {
        heard.push(report.setup.seed);
    });
    assert_eq!(heard, seeds.clone().collect::<Vec<_>>());
    let mut receipts = Vec::new();
    for index in 0..3 {
        let shard = Shard::new(index, 3).unwrap();
        let part = shard.of(&seeds).unwrap();
        let mut receipt = Receipt::new(build(), None, seeds.clone(), shard);
        // Stopped after two seeds, and continued.
        let middle = part.start + 2;
        let begun = sweep(&played(part.start..middle, 3), |_, _| ());
        receipt.update(&begun);
        assert!(receipt.missing().iter().eq([&(middle..part.end)]));
        receipt.update(&sweep_on(&played(middle..part.end, 2), begun, |_, _| ()));
        let kept = Receipt::read(receipt.to_string().as_bytes()).unwrap();
        receipts.push((format!("shard {index}"), kept));
    }
    receipts.rotate_left(1);
    let merged = merge(receipts).unwrap();
    assert_eq!(timeless(&merged.receipt.summary), timeless(&whole));
    assert!(merged.gaps.is_empty() && whole.seeds == 9, "{:?}", merged.gaps);
}

fn program(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"));
    command
        .env_remove("JOB_COMPLETION_INDEX")
        .env_remove("SLURM_ARRAY_TASK_ID");
    command.args(arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What it prints to standard error when it ends with this code.
fn fails(code: i32, arguments: &[&str]) -> String {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    text(&output.stderr)
}

/// A path in a directory of this test, which goes when the test ends.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Directory {
        Directory(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn str(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn a_sweep_that_was_stopped_goes_on_where_it_was() {
    let directory = Directory::new();
    let file = directory.path("receipt.json");
    let sweep = ["sweep", "--seeds", "9..11", "--receipt", str(&file), "--json"];
    let begun = program(&[&sweep[..], &["--at-most", "1"]].concat());
    assert_eq!(begun.status.code(), Some(0), "{begun:?}");
    let incomplete = program(&["merge", str(&file)]);
    assert_eq!(incomplete.status.code(), Some(5), "{incomplete:?}");
    assert!(text(&incomplete.stdout).contains("good so far, and 1 seeds are missing"));

    assert!(fails(2, &sweep).contains("--resume goes on with it"));
    let other = ["sweep", "--seeds", "0..7", "--resume", "--receipt", str(&file)];
    assert!(fails(3, &other).contains("it is of shard 0/1 of 9..11, and this sweep is of shard 0/1 of 0..7"));

    let ended = program(&[&sweep[..], &["--resume"]].concat());
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let merged = program(&["merge", "--json", str(&file)]);
    assert_eq!(merged.status.code(), Some(0), "{merged:?}");
    let json = |output: &Output| serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON");
    assert_eq!(json(&merged)["digest"], json(&ended)["digest"]);
    assert_eq!(json(&ended)["seeds"], 2);
}

/// A receipt that no sweep wrote.
fn receipt(shard: &str, behaviour: &str) -> String {
    let build = Build {
        behaviour: behaviour.to_owned(),
        ..build()
    };
    Receipt::new(build, None, 0..10, shard.parse().unwrap()).to_string()
}

#[test]
fn receipts_that_cannot_be_merged_are_3_and_name_the_file_and_the_reason() {
    let directory = Directory::new();
    let written = |name: &str, content: &str| {
        let path = directory.path(name);
        std::fs::write(&path, content).expect("it can be written");
        path
    };
    let good = written("good.json", &receipt("0/2", "a"));
    let other = written("other.json", &receipt("1/2", "b"));
    let cut = written("cut.json", &receipt("1/2", "a")[..300]);
    let refused = |path: &Path| fails(3, &["merge", str(&good), str(path)]);
    assert!(
        refused(&other).contains("other.json of build 1.2.3 with behaviour b: merge receipts of one build")
    );
    let why = refused(&cut);
    assert!(
        why.contains("cut.json: it is no receipt") && why.contains("EOF") && why.contains("line"),
        "{why}"
    );
    assert!(refused(&written("text.json", "seeds!")).contains("expected value at line 1 column 1"));
    assert!(refused(&directory.path("none.json")).contains("cannot read"));
    assert!(fails(2, &["merge"]).contains("RECEIPT"));
    assert!(
        fails(4, &["merge", str(&good), "-o", "/nowhere/at/all"]).contains("cannot write /nowhere/at/all")
    );
}

#[test]
fn a_shard_that_is_not_there_is_2() {
    let shard = |shard: &str| fails(2, &["sweep", "--seeds", "0..3", "--shard", shard]);
    assert!(shard("3/3").contains("there is no shard 3 of 3"));
    assert!(shard("auto").contains("neither JOB_COMPLETION_INDEX"));
    assert!(shard("0/4").contains("shard 0/4 of 3 seeds is empty"));
    let output = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"))
        .args(["sweep", "--seeds", "0..3", "--shard", "auto/3"])
        .env("JOB_COMPLETION_INDEX", "3")
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("there is no shard 3 of 3"));
}

#[test]
fn a_violation_is_a_failed_test_in_a_file_for_continuous_integration() {
    let directory = Directory::new();
    let file = directory.path("junit.xml");
    let sweep = [
        "sweep",
        "--seeds",
        "0..1",
        "--mutant",
        "hasty-sender",
        "--junit",
        str(&file),
    ];
    let output = program(&[&sweep[..], &["--color", "always"]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let printed = text(&output.stdout);
    assert!(
        printed.contains("\u{1b}[1;31mverdict: 1 of 1 seeds failed\u{1b}[0m"),
        "{printed}"
    );
    let junit = text(&std::fs::read(&file).expect("it is there"));
    assert!(
        junit.contains("<failure message=\"1 seeds: A3 is violated"),
        "{junit}"
    );
    assert!(
        junit.contains("kvpaxos-sim run --seed 0 --mutant hasty-sender --trace"),
        "{junit}"
    );
    assert!(!junit.contains('\u{1b}'), "{junit}");
}
