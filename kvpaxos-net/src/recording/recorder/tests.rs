//! A replica that is alone in its cluster records; what it wrote is executed again.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;

use kvpaxos::{
    Founding, Input, Message, Op, Outcome, Record, Request, RequestBody, Sequence, SessionId, Tag,
};
use kvpaxos_sim::Trace;
use kvpaxos_sim::recording::{Ending, Report, replay};
use tempfile::TempDir;

use super::*;

const ID: ReplicaId = ReplicaId(0);
const CLIENT: ClientId = ClientId(1);
const MIB: usize = 1024 * 1024;

/// A replica, and what its event loop does.
struct Scene {
    directory: TempDir,
    replica: Replica,
    recorder: Recorder,
    now: Time,
    own: VecDeque<Message>,
    outcome: Option<Outcome>,
    session: Option<SessionId>,
    requests: u64,
    inputs: u64,
}

impl Scene {
    fn new(bytes: u64) -> Scene {
        Scene::with(tempfile::tempdir().unwrap(), bytes, Config::new(ID, 1))
    }

    fn with(directory: TempDir, bytes: u64, config: Config) -> Scene {
        let options = RecordOptions {
            directory: directory.path().to_owned(),
            bytes,
        };
        let (at, entropy) = (Time(5), Entropy([3; 32]));
        let founding = Founding(7);
        let memory = Memory::Kept(vec![Record::Founded { founding }]);
        let life = Life {
            cluster: 7,
            config: &config,
            durable: false,
            at,
            memory: &memory,
            entropy,
        };
        let recorder = Recorder::begin(&options, &life).unwrap();
        Scene {
            directory,
            replica: Replica::new(config, memory, entropy, at).unwrap(),
            recorder,
            now: at,
            own: VecDeque::new(),
            outcome: None,
            session: None,
            requests: 0,
            inputs: 0,
        }
    }

    /// Steps an input and what follows from it, and writes the block. No checkpoint is begun.
    fn take(&mut self, event: Event) {
        self.step(event);
        while let Some(message) = self.own.pop_front() {
            self.step(Event::Peer {
                from: ID,
                founding: None,
                message,
            });
        }
        self.recorder.flush();
        self.recorder.release();
    }

    fn step(&mut self, event: Event) {
        self.inputs += 1;
        let at = self.now;
        self.recorder.input(at, &event);
        let effects = self.replica.step(Input { at, event });
        self.recorder.effects(&effects);
        for effect in effects {
            match effect {
                Effect::Send(envelope) => self.own.push_back(envelope.message),
                Effect::Persist { then, .. } => {
                    self.own.extend(then.into_iter().map(|envelope| envelope.message));
                }
                Effect::Reply { reply, .. } => self.outcome = Some(reply.outcome),
                Effect::Observe(_) => {}
                Effect::Halt(reason) => panic!("{reason}"),
            }
        }
    }

    /// Asks until there is an answer that is no refusal.
    fn ask(&mut self, body: &RequestBody) -> Outcome {
        loop {
            self.requests += 1;
            let request = Request {
                id: self.requests,
                body: body.clone(),
            };
            let from = CLIENT;
            self.take(Event::Client { from, request });
            let outcome = loop {
                if let Some(outcome) = self.outcome.take() {
                    break outcome;
                }
                self.now = self.replica.deadline().unwrap();
                self.take(Event::Clock);
            };
            if !matches!(outcome, Outcome::Refused(_) | Outcome::Unknown { .. }) {
                return outcome;
            }
        }
    }

    /// Writes so many values of this length, under as many keys.
    fn write(&mut self, count: usize, length: usize) {
        for _ in 0..count {
            let session = self.session.unwrap_or_else(|| {
                let tag = Tag { nonce: 7, number: 0 };
                let Outcome::Opened { session } = self.ask(&RequestBody::Open { tag }) else {
                    panic!("no session");
                };
                session
            });
            self.session = Some(session);
            let number = self.requests + 1;
            self.ask(&RequestBody::Apply {
                session,
                sequence: Sequence(number),
                lowest_unanswered: Sequence(number),
                op: Op::Put {
                    key: format!("key-{}", number % 64).into(),
                    value: vec![b'v'; length].into(),
                },
            });
        }
    }

    /// Ends the segment.
    fn end_segment(&mut self) {
        self.recorder.tape.as_mut().unwrap().ends_at = 0;
        self.recorder.checkpoint(&self.replica);
        assert!(self.is_under_way());
    }

    fn is_under_way(&self) -> bool {
        self.recorder
            .tape
            .as_ref()
            .is_some_and(|tape| tape.checkpoint.is_some())
    }

    /// Waits until the thread has ended, if there is one.
    fn wait(&mut self) {
        self.recorder.tape(|tape| {
            if let Some(under_way) = tape.checkpoint.take() {
                tape.on_checkpoint(ID, under_way.end());
            }
            Ok(())
        });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The names of all files, and what they take together.
    fn files(&self) -> (Vec<String>, u64) {
        let listed = self.directory.path().read_dir().unwrap();
        let files = listed.map(|file| file.unwrap());
        let files = files.map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, file.metadata().unwrap().len())
        });
        let (mut names, lengths): (Vec<String>, Vec<u64>) = files.unzip();
        names.sort();
        (names, lengths.iter().sum())
    }

    fn replay(&self) -> Report {
        let report = replay(&[self.directory.path()], Trace::Off).unwrap();
        assert!(report.violation.is_none(), "{report}");
        report
    }

    fn executed(&self) -> u64 {
        self.replay().replicas[0].1.iter().map(|life| life.inputs).sum()
    }
}

const FIRST: &str = "r0-000001.recording";
const SECOND: &str = "r0-000001-000002.recording";
const CHECKPOINT: &str = "r0-000001-000002.checkpoint";
const UNFINISHED: &str = "r0-000001-000002.checkpoint.part";

#[test]
fn inputs_go_on_while_a_large_checkpoint_is_written() {
    let mut scene = Scene::new(RecordOptions::BYTES);
    scene.write(40, MIB / 4);
    scene.end_segment();
    let before = scene.inputs;
    scene.write(10, 100);
    scene.wait();
    scene.write(10, 100);
    scene.recorder.stopped();

    let (names, _) = scene.files();
    assert_eq!(names, [CHECKPOINT, SECOND, FIRST]);
    let state = fs::metadata(scene.path(CHECKPOINT)).unwrap().len();
    assert!(state > 8 * MIB as u64, "{state} bytes");
    // The replica has come to the checkpoint, and no input is executed twice.
    assert_eq!(scene.executed(), scene.inputs);
    fs::remove_file(scene.path(FIRST)).unwrap();
    assert_eq!(scene.executed(), scene.inputs - before);
}

#[test]
fn a_kill_while_a_checkpoint_is_written_loses_nothing() {
    let mut scene = Scene::new(RecordOptions::BYTES);
    scene.write(20, 1000);
    scene.end_segment();
    scene.write(10, 100);
    scene.wait();
    scene.write(10, 100);
    // As a kill would have left it.
    let whole = fs::read(scene.path(CHECKPOINT)).unwrap();
    fs::write(scene.path(UNFINISHED), &whole[..whole.len() / 2]).unwrap();
    fs::remove_file(scene.path(CHECKPOINT)).unwrap();
    assert_eq!(scene.executed(), scene.inputs);

    let next = Scene::with(scene.directory, RecordOptions::BYTES, Config::new(ID, 1));
    let (names, _) = next.files();
    assert_eq!(names, [SECOND, FIRST, "r0-000002.recording"]);
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_nothing() {
    let mut scene = Scene::new(RecordOptions::BYTES);
    scene.write(20, 1000);
    fs::create_dir(scene.path(UNFINISHED)).unwrap();
    scene.end_segment();
    scene.write(10, 100);
    scene.wait();
    assert!(scene.recorder.tape.is_some(), "it goes on");
    fs::remove_dir(scene.path(UNFINISHED)).unwrap();
    let second = scene.inputs;
    scene.write(10, 100);
    scene.end_segment();
    scene.wait();
    scene.write(10, 100);
    scene.recorder.stopped();

    let (names, _) = scene.files();
    let third = ["r0-000001-000003.checkpoint", "r0-000001-000003.recording"];
    assert_eq!(names, [SECOND, third[0], third[1], FIRST]);
    assert_eq!(scene.executed(), scene.inputs);
    // The second segment has lost its beginning.
    fs::remove_file(scene.path(FIRST)).unwrap();
    assert!(scene.executed() < scene.inputs - second);
}

#[test]
fn a_state_that_takes_too_much_has_no_checkpoint() {
    let mut scene = Scene::new(4 * MIB as u64);
    scene.write(12, MIB / 8);
    scene.end_segment();
    scene.wait();
    let (names, _) = scene.files();
    assert_eq!(names, [SECOND, FIRST]);
    while scene.recorder.tape.is_some() {
        scene.write(1, MIB / 8);
        scene.recorder.checkpoint(&scene.replica);
        scene.wait();
    }
    // The replica goes on, unrecorded.
    scene.write(1, 100);
    let (names, taken) = scene.files();
    assert!(names.iter().all(|name| name.ends_with(".recording")), "{names:?}");
    assert!(taken < 5 * MIB as u64, "{taken} bytes in {names:?}");
    let report = scene.replay();
    assert_eq!(report.replicas[0].1[0].ending, Ending::Full, "{report}");
}

#[test]
fn a_replica_that_stops_leaves_no_half_of_a_checkpoint() {
    let mut scene = Scene::new(RecordOptions::BYTES);
    scene.write(20, MIB / 4);
    scene.end_segment();
    scene.write(5, 100);
    scene.recorder.stopped();
    let (names, _) = scene.files();
    assert!(!names.iter().any(|name| name == UNFINISHED), "{names:?}");
    let report = scene.replay();
    assert_eq!(report.replicas[0].1[0].ending, Ending::Stopped, "{report}");
    assert_eq!(report.replicas[0].1[0].inputs, scene.inputs, "{report}");
}

#[test]
fn the_oldest_segments_are_removed_with_their_checkpoints() {
    let bound = MIB as u64;
    let mut config = Config::new(ID, 1);
    config.limits.log_bytes = 32 * 1024;
    let mut scene = Scene::with(tempfile::tempdir().unwrap(), bound, config);
    for _ in 0..2000 {
        scene.write(1, 1024);
        scene.recorder.checkpoint(&scene.replica);
        scene.wait();
        let (names, taken) = scene.files();
        assert!(taken <= bound + 64 * 1024, "{taken} bytes in {names:?}");
    }
    scene.recorder.stopped();
    let (names, taken) = scene.files();
    assert!(!names.iter().any(|name| name == FIRST), "{names:?}");
    assert!(taken >= bound / 2, "{taken} bytes in {names:?}");
    assert!(names[0].ends_with(".checkpoint"), "{names:?}");
    scene.replay();
}
