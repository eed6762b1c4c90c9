//! The first pass: each replica alone is executed again, and must do what it did.

use std::collections::BTreeMap;

use kvpaxos::recording::{Checkpoint, Entry};
use kvpaxos::{Memory, Record, ReplicaId, Slot, Time};

use super::error::{Place, RecordingError};
use super::execution::{Execution, Fault, Outside};
use super::files::{Found, LifeFile};
use super::memory::{Beginning, Written};
use super::report::{Ending, Played};
use super::tape::{Next, Tape};

/// What the first pass found.
pub(super) struct Checked {
    pub(super) replicas: BTreeMap<ReplicaId, Vec<CheckedLife>>,
    /// The highest slot that a replica named in its records.
    pub(super) highest: Slot,
}

/// A life that was executed.
pub(super) struct CheckedLife {
    pub(super) beginning: Beginning,
    /// If it begins with a checkpoint: what was durable on the disk then, if a later memory shows that.
    pub(super) log: Option<Vec<Record>>,
    pub(super) played: Played,
    /// An assertion of the replica that failed, and where.
    pub(super) panicked: Option<(Place, String)>,
}

/// Executes each replica.
pub(super) fn check(found: &Found) -> Result<Checked, RecordingError> {
    let mut checked = Checked {
        replicas: BTreeMap::new(),
        highest: Slot::ZERO,
    };
    for (replica, lives) in found {
        let mut written = Written::default();
        let lives = check_replica(*replica, lives, &mut written)?;
        checked.highest = checked.highest.max(written.highest);
        checked.replicas.insert(*replica, lives);
    }
    Ok(checked)
}

fn check_replica(
    replica: ReplicaId,
    lives: &[LifeFile],
    written: &mut Written,
) -> Result<Vec<CheckedLife>, RecordingError> {
    let mut tape = Tape::new(lives);
    let mut checked = Vec::new();
    let mut present: Option<(Execution, CheckedLife)> = None;
    while let Some(next) = tape.next()? {
        match next {
            Next::Life { at, memory, entropy } => {
                let life = begin(replica, &tape, &memory, at, written)?;
                let Some(file) = lives.get(checked.len()) else {
                    break;
                };
                let started = Execution::start(&file.header, memory, entropy, at);
                let execution = started.map_err(|error| RecordingError::Config {
                    path: file.path.clone(),
                    error,
                })?;
                present = Some((execution, life));
            }
            Next::Resume { checkpoint, digest } => {
                let Some(file) = lives.get(checked.len()) else {
                    break;
                };
                present = Some(resume(&tape, file, &checkpoint, digest, written)?);
            }
            Next::Checkpoint(checkpoint) => {
                if let Some((execution, life)) = &present
                    && life.panicked.is_none()
                    && !execution.is_at(&checkpoint)
                {
                    let (place, why) = (tape.place(), builds(&tape));
                    return Err(RecordingError::OtherState { place, why });
                }
            }
            Next::LifeEnd(ending) => {
                let life = match present.take() {
                    Some((_, mut life)) => {
                        life.played.ending = ending;
                        life
                    }
                    None => CheckedLife::empty(ending),
                };
                checked.push(life);
            }
            Next::BlockEnd(digest) => {
                if let Some((execution, life)) = &present
                    && life.panicked.is_none()
                    && execution.digest() != digest
                {
                    return Err(differs(&tape));
                }
            }
            Next::Entry(entry) => take(&mut present, entry, Memory::Lost, &tape, written)?,
            Next::Restart(entry, memory) => {
                if !written.restart(&memory) {
                    let place = tape.place();
                    return Err(RecordingError::Unrecorded { place, replica });
                }
                take(&mut present, entry, memory, &tape, written)?;
            }
        }
    }
    if let Some(first) = checked.first_mut() {
        first.log = written.learned().map(<[Record]>::to_vec);
    }
    Ok(checked)
}

fn begin(
    replica: ReplicaId,
    tape: &Tape<'_>,
    memory: &Memory,
    at: Time,
    written: &mut Written,
) -> Result<CheckedLife, RecordingError> {
    let Some(beginning) = written.begin(memory) else {
        let place = tape.place();
        return Err(RecordingError::Unrecorded { place, replica });
    };
    Ok(CheckedLife {
        beginning,
        log: None,
        played: Played::starting(at),
        panicked: None,
    })
}

/// The recording begins in the middle of a life.
fn resume(
    tape: &Tape<'_>,
    file: &LifeFile,
    checkpoint: &[u8],
    digest: u64,
    written: &mut Written,
) -> Result<(Execution, CheckedLife), RecordingError> {
    let resumed = Checkpoint::decode(checkpoint).and_then(|checkpoint| {
        let at = checkpoint.at;
        Ok((at, Execution::resume(&file.header, checkpoint, digest)?))
    });
    let (at, execution) = resumed.map_err(|error| RecordingError::State {
        place: tape.place(),
        error: Box::new(error),
    })?;
    let (_, undurable) = execution.writes().clone().into_parts();
    written.resume(None, undurable.iter().map(|(_, record)| record));
    let life = CheckedLife {
        beginning: Beginning::Resumed,
        log: None,
        played: Played::starting(at),
        panicked: None,
    };
    Ok((execution, life))
}

fn take(
    present: &mut Option<(Execution, CheckedLife)>,
    entry: Entry,
    memory: Memory,
    tape: &Tape<'_>,
    written: &mut Written,
) -> Result<(), RecordingError> {
    let Some((execution, life)) = present else {
        return Ok(());
    };
    if life.panicked.is_some() {
        return Ok(());
    }
    life.played.count(&entry);
    let mut outside = Outside {
        now: life.played.last,
        observer: written,
        outlet: &mut (),
    };
    match execution.take(entry, memory, &mut outside) {
        Ok(()) => Ok(()),
        Err(Fault::Misplaced(why)) => Err(RecordingError::Order {
            place: tape.place(),
            why: why.to_owned(),
        }),
        // What came before is judged first.
        Err(Fault::Panicked(why)) => {
            life.panicked = Some((tape.place(), why));
            Ok(())
        }
    }
}

fn differs(tape: &Tape<'_>) -> RecordingError {
    RecordingError::Differs {
        place: tape.place(),
        why: builds(tape),
    }
}

/// Which builds are involved.
fn builds(tape: &Tape<'_>) -> String {
    let (ours, theirs) = (
        env!("CARGO_PKG_VERSION"),
        tape.header().map_or("", |header| &header.release),
    );
    if ours == theirs {
        format!("the recording was changed, or another build of release {ours} recorded it")
    } else {
        format!("release {theirs} recorded it, and this is {ours}")
    }
}

impl CheckedLife {
    /// The process ended before its replica started.
    fn empty(ending: Ending) -> CheckedLife {
        CheckedLife {
            beginning: Beginning::New,
            log: None,
            played: Played {
                ending,
                ..Played::starting(Time(0))
            },
            panicked: None,
        }
    }
}
