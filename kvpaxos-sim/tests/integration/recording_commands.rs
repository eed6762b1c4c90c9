//! `kvpaxos-sim replay`, `shrink`, `explain` and `report` of recordings, as people and scripts see them.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use kvpaxos::recording::{Checkpoint, FileName, Header, Writer, Writes};
use kvpaxos::{Config, Effect, Entropy, Envelope, Event, Founding, Input, Memory, Message, Record, Replica};
use kvpaxos::{ReplicaId, Time};

const ALONE: ReplicaId = ReplicaId(0);

/// A cluster of one replica that records, whose clock is all that it hears.
struct Shell {
    header: Header,
    replica: Replica,
    writer: Writer,
    bytes: Vec<u8>,
    log: Vec<Record>,
    own: VecDeque<Message>,
    writes: Writes,
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
            header,
            replica: Replica::new(config, Memory::Kept(log.clone()), entropy, at).expect("it is valid"),
            writer,
            bytes,
            log,
            own: VecDeque::new(),
            writes: Writes::default(),
        }
    }

    /// Lets the clock tick when it is due, and makes durable what is written by that.
    fn tick(&mut self) -> Time {
        let at = self.replica.deadline().expect("it waits for its clock");
        self.writer.input(at, &Event::Clock);
        self.step(at, Event::Clock);
        self.hear_itself(at);
        loop {
            let batch = self.writes.batch();
            self.writer.flush();
            self.writes.flush();
            if self.writes.batch() == batch {
                return at;
            }
            self.writer.durable(batch);
            self.writes.settle(batch).expect("it was written");
            while let Some(envelopes) = self.writes.next_due() {
                self.send(envelopes);
                self.hear_itself(at);
            }
        }
    }

    fn hear_itself(&mut self, at: Time) {
        while let Some(message) = self.own.pop_front() {
            self.writer.own(at);
            let (from, founding) = (ALONE, None);
            let event = Event::Peer {
                from,
                founding,
                message,
            };
            self.step(at, event);
        }
    }

    fn step(&mut self, at: Time, event: Event) {
        let effects = self.replica.step(Input { at, event });
        self.writer.effects(&effects);
        for effect in effects {
            match effect {
                Effect::Persist { role, records, then } => {
                    self.log.extend_from_slice(&records);
                    let free = self.writes.persist(role, records, then);
                    self.send(free);
                }
                Effect::Send(envelope) => self.send(vec![envelope]),
                _ => {}
            }
        }
    }

    fn send(&mut self, envelopes: Vec<Envelope>) {
        let messages = envelopes.into_iter().map(|Envelope { message, .. }| message);
        self.own.extend(messages);
    }

    /// Begins a segment with a checkpoint. The one before is forgotten, as if there had been no room for it.
    fn next_segment(&mut self, at: Time) {
        let _ = self.writer.seal();
        self.header.segment += 1;
        let checkpoint = Checkpoint {
            at,
            writes: self.writes.clone(),
            state: self.replica.export(usize::MAX).expect("it can be written"),
        };
        self.bytes = self.writer.next_segment(&self.header);
        self.bytes
            .extend(self.writer.whole_checkpoint(&checkpoint.encode()));
    }

    fn write(mut self, directory: &Path) -> Vec<Record> {
        self.bytes.extend_from_slice(self.writer.seal());
        let Header { life, segment, .. } = self.header;
        let name = FileName {
            replica: ALONE,
            life,
            segment,
        };
        fs::write(directory.join(name.to_string()), self.bytes).expect("it can be written");
        self.log
    }
}

/// Where the recording of a replica begins.
#[derive(Clone, Copy)]
enum Begins {
    WithItsStart,
    WithACheckpoint,
}

/// A replica that elects itself, is stopped, and starts with a disk that has forgotten so many records.
fn record(directory: &Path, begins: Begins, forgotten: usize) {
    let founding = Founding(1);
    let mut shell = Shell::start(1, vec![Record::Founded { founding }], Time(1_000));
    let mut at = Time(0);
    if let Begins::WithACheckpoint = begins {
        at = shell.tick();
        shell.next_segment(at);
    }
    for _ in 0..200 {
        at = shell.tick();
    }
    let mut log = shell.write(directory);
    assert!(log.len() > 2, "{log:?}");
    log.truncate(log.len() - forgotten);
    let mut shell = Shell::start(2, log, at);
    for _ in 0..10 {
        shell.tick();
    }
    shell.write(directory);
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
    shrinks_and_explains(Begins::WithItsStart);
}

#[test]
fn so_is_one_in_a_recording_that_begins_with_a_checkpoint() {
    shrinks_and_explains(Begins::WithACheckpoint);
}

fn shrinks_and_explains(begins: Begins) {
    let directory = tempfile::tempdir().expect("a directory");
    let here = directory.path();
    fs::create_dir(here.join("recorded")).expect("it can be made");
    record(&here.join("recorded"), begins, 1);
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
    explain.push("--json");
    let (_, found, _) = simulator(here, &explain);
    fs::write(here.join("explained.json"), found).expect("it can be written");
    let mut marked = printed(&says, "see");
    marked.extend(["--explained", "explained.json"]);
    let (code, drawn, why) = simulator(here, &marked);
    assert_eq!(code, Some(0), "{why}");
    assert!(drawn.contains("marked as certain: "), "{drawn}");
    let page = fs::read_to_string(here.join("recording.html")).expect("the page is written");
    assert!(page.contains("from here on failure was certain"));

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
    record(directory.path(), Begins::WithItsStart, 0);
    for command in [
        &["shrink", "--recording", ".", "-o", "small"][..],
        &["explain", "--recording", "."],
    ] {
        let (code, says, why) = simulator(directory.path(), command);
        assert_eq!(code, Some(5), "{says}{why}");
        assert!(why.contains("there is nothing to"), "{why}");
    }
}
