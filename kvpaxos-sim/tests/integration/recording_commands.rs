//! `kvpaxos-sim replay`, `shrink`, `explain` and `report` of recordings, as people and scripts see them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kvpaxos::recording::{FileName, Header, Writer};
use kvpaxos::{Config, Effect, Entropy, Envelope, Event, Founding, Input, Memory, Message, Record, Replica};
use kvpaxos::{ReplicaId, Time};

const ALONE: ReplicaId = ReplicaId(0);

/// A cluster of one replica that records, whose clock is all that it hears.
struct Shell {
    replica: Replica,
    writer: Writer,
    bytes: Vec<u8>,
    log: Vec<Record>,
    own: Vec<Message>,
    batch: u64,
}

impl Shell {
    fn start(life: u64, log: Vec<Record>, at: Time) -> Shell {
        let config = Config::new(ALONE, 1);
        let header = Header {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: 7,
            life,
            segment: 1,
            began: 1_000_000,
            durable: true,
            config: config.clone(),
        };
        let (mut writer, bytes) = Writer::begin(&header);
        let entropy = Entropy([5; 32]);
        log.iter().for_each(|record| writer.remember(record));
        writer.start(at, true, entropy);
        Shell {
            replica: Replica::new(config, Memory::Kept(log.clone()), entropy, at).expect("it is valid"),
            writer,
            bytes,
            log,
            own: Vec::new(),
            batch: 0,
        }
    }

    /// Lets the clock tick when it is due, and makes durable what is written by that.
    fn tick(&mut self) -> Time {
        let at = self.replica.deadline().expect("it waits for its clock");
        self.writer.input(at, &Event::Clock);
        let mut waiting = self.step(at, Event::Clock);
        while !waiting.is_empty() {
            self.batch += 1;
            self.writer.flush();
            self.writer.durable(self.batch);
            self.own = std::mem::take(&mut waiting);
            for message in std::mem::take(&mut self.own) {
                self.writer.own(at);
                let (from, founding) = (ALONE, None);
                let event = Event::Peer {
                    from,
                    founding,
                    message,
                };
                waiting.extend(self.step(at, event));
            }
        }
        at
    }

    /// Steps an input. Returns the messages that wait for a write.
    fn step(&mut self, at: Time, event: Event) -> Vec<Message> {
        let effects = self.replica.step(Input { at, event });
        self.writer.effects(&effects);
        let mut waiting = Vec::new();
        for effect in effects {
            if let Effect::Persist { records, then, .. } = effect {
                self.log.extend(records);
                waiting.extend(then.into_iter().map(|Envelope { message, .. }| message));
            }
        }
        waiting
    }

    fn write(mut self, directory: &Path, life: u64) -> Vec<Record> {
        self.bytes.extend_from_slice(self.writer.seal());
        let name = FileName::first(ALONE, life);
        fs::write(directory.join(name.to_string()), self.bytes).expect("it can be written");
        self.log
    }
}

/// A replica that elects itself, is stopped, and starts with a disk that has forgotten so many records.
fn record(directory: &Path, forgotten: usize) {
    let founding = Founding(1);
    let mut shell = Shell::start(1, vec![Record::Founded { founding }], Time(1_000));
    let mut at = Time(0);
    for _ in 0..200 {
        at = shell.tick();
    }
    let mut log = shell.write(directory, 1);
    assert!(log.len() > 2, "{log:?}");
    log.truncate(log.len() - forgotten);
    let mut shell = Shell::start(2, log, at);
    for _ in 0..10 {
        shell.tick();
    }
    shell.write(directory, 2);
}

fn simulator(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvpaxos-sim"));
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .current_dir(directory)
        .args(arguments)
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (status.code(), text(stdout), text(stderr))
}

/// The arguments of the command that is printed for something.
fn printed<'a>(says: &'a str, what: &str) -> Vec<&'a str> {
    let command = says
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{what} it with: kvpaxos-sim ")));
    let command = command.unwrap_or_else(|| panic!("no command to {what} it: {says}"));
    command.split(' ').collect()
}

/// Who sees a violation gets everything else with one printed command each, and again from what is left.
#[test]
fn a_violation_is_shrunk_explained_and_drawn_by_printed_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    fs::create_dir(here.join("recorded")).expect("it can be made");
    record(&here.join("recorded"), 1);
    let (code, says, why) = simulator(here, &["replay", "--recording", "recorded"]);
    assert_eq!(code, Some(1), "{says}{why}");
    assert!(says.contains("Contract is violated"), "{says}");

    let (code, trace, _) = simulator(here, &printed(&says, "repeat"));
    assert_eq!(code, Some(1));
    assert!(
        trace.lines().count() > says.lines().count(),
        "every event has a line"
    );
    let (code, shrunk, why) = simulator(here, &printed(&says, "shrink"));
    assert_eq!(code, Some(0), "{shrunk}{why}");
    assert!(shrunk.contains("nothing more was found to leave out"), "{shrunk}");
    assert!(shrunk.lines().count() < 40, "it is on one screen: {shrunk}");
    let mut explain = printed(&says, "explain");
    explain.extend(["--samples", "2", "--grace", "50"]);
    let (code, explained, why) = simulator(here, &explain);
    assert_eq!(code, Some(0), "{explained}{why}");
    assert!(explained.contains("(r0 crashes"), "{explained}");
    assert!(explained.contains("From there on it was certain"), "{explained}");
    let (code, _, why) = simulator(here, &printed(&says, "see"));
    assert_eq!(code, Some(0), "{why}");
    let page = fs::read_to_string(here.join("recording.html")).expect("the page is written");
    assert!(page.contains("Contract"));

    let (code, replayed, _) = simulator(here, &printed(&shrunk, "repeat"));
    assert_eq!(code, Some(1));
    assert!(replayed.contains("Contract is violated"), "{replayed}");
    let (code, _, why) = simulator(here, &printed(&says, "shrink"));
    assert_eq!(code, Some(4), "the directory is taken");
    assert!(why.contains("shrunk-recording is not empty"), "{why}");
}

#[test]
fn a_recording_in_which_everything_holds_has_nothing_to_shrink_or_explain() {
    let directory = tempfile::tempdir().expect("a directory");
    record(directory.path(), 0);
    for command in [
        &["shrink", "--recording", ".", "-o", "small"][..],
        &["explain", "--recording", "."],
    ] {
        let (code, says, why) = simulator(directory.path(), command);
        assert_eq!(code, Some(5), "{says}{why}");
        assert!(why.contains("there is nothing to"), "{why}");
    }
}
