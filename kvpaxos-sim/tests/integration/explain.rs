//! `explain`: mutants of which it is known what breaks them.

use std::process::Command;

use kvpaxos_sim::Trace;
use kvpaxos_sim::explain::{Explanation, Plan};
use kvpaxos_sim::invariants::EventLines;
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::world::scenario::Scenario;
use kvpaxos_sim::world::{FailingRun, Origin};

const STALE_READ: &str = include_str!("scenario_files/stale-read.txt");
const FORGOTTEN_PROMISE: &str = include_str!("scenario_files/forgotten-promise.txt");

/// What is found with so many samples, and the lines of all events.
fn explained(text: &str, samples: u64, threads: usize) -> (Explanation, EventLines) {
    let scenario = Scenario::read(text).unwrap();
    let mutant = scenario.mutant.as_deref().and_then(Mutant::named);
    let recording = mutants::replay(&scenario, Trace::Off).unwrap();
    let origin = Origin::Scenario(Box::new(scenario));
    let run = FailingRun::new(origin, &recording, FailingRun::GRACE).unwrap();
    let explanation = mutants::explain(&run, mutant, &Plan::new(2, samples, threads), |_| ());
    let events: Vec<u64> = (1..=run.events).collect();
    let lines = mutants::lines_of_events(&run, mutant, &events);
    (explanation, lines)
}

/// While the leader is not cut off, no future has a stale read; after the cut some have.
#[test]
fn a_stale_read_is_likely_after_the_cut() {
    let (explanation, lines) = explained(STALE_READ, 2, 1);
    let is_cut = |event: &u64| {
        lines
            .at(*event)
            .1
            .iter()
            .any(|line| line.starts_with("fault 13: cut: "))
    };
    let cut = (1..1_000).find(is_cut).expect("the cut has a line");
    let likely = explanation.likely.expect("one event");
    assert!(likely.event > cut, "{likely:?}, cut in event {cut}");
    let before = explanation.points.iter().take_while(|point| point.after < cut);
    assert!(before.clone().count() > 5 && before.into_iter().all(|point| point.share.failing == 0));
}

/// The mutant forgets at a restart what it promised. Nothing but the failure of the acceptor makes that happen.
#[test]
fn the_failure_of_an_acceptor_makes_it_forget() {
    let (explanation, lines) = explained(FORGOTTEN_PROMISE, 8, 1);
    let likely = explanation.likely.expect("one event");
    let (_, lines) = lines.at(likely.event);
    assert!(lines[0].contains("the acceptor of r0 fails"), "{lines:?}");
    assert_eq!((likely.before.failing, likely.after.is_all()), (0, true));
    assert_eq!(explanation.certain.map(|turn| turn.event), Some(likely.event));
    // The same on three threads.
    assert_eq!(explained(FORGOTTEN_PROMISE, 8, 3).0, explanation);
}

#[test]
fn a_run_that_violates_nothing_is_not_explained() {
    let head = |line: &&str| !line.starts_with("mutant") && !line.starts_with("violates");
    let correct: Vec<&str> = STALE_READ.lines().filter(head).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, correct.join("\n").as_bytes()).unwrap();
    let program = env!("CARGO_BIN_EXE_kvpaxos-sim");
    let output = Command::new(program)
        .arg("explain")
        .arg(file.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("every property holds"), "{said}");
}

/// `report --explained` marks what `explain --json` found, and refuses what was found in another run.
#[test]
fn what_is_found_is_marked_on_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let run = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"));
        program.args(arguments).output().unwrap()
    };
    let [scenario, other, explained, page] =
        ["promise.txt", "read.txt", "explained.json", "page.html"].map(file);
    std::fs::write(&scenario, FORGOTTEN_PROMISE).unwrap();
    std::fs::write(&other, STALE_READ).unwrap();
    let found = run(&["explain", &scenario, "--samples", "4", "--json"]);
    std::fs::write(&explained, &found.stdout).unwrap();

    let reported = run(&["report", &scenario, "--explained", &explained, "-o", &page]);
    let said = String::from_utf8(reported.stdout).unwrap();
    assert!(
        said.contains("marked as certain: from here on failure was certain"),
        "{said}"
    );
    assert!(
        std::fs::read_to_string(&page)
            .unwrap()
            .contains("from here on failure was certain")
    );

    let refused = run(&["report", &other, "--explained", &explained, "-o", &page]);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(3), "{why}");
    assert!(why.contains("explains another run"), "{why}");
    let refused = run(&["report", &other, "--explained", &scenario, "-o", &page]);
    assert_eq!(refused.status.code(), Some(3));
}
