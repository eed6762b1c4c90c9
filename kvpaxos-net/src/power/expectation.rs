//! What a replica must find in its directory after a power failure.

use kvpaxos::{Ballot, Record};

use super::tape::Note;

/// What a replica must find after a failure.
#[derive(Clone, Hash, Debug)]
pub(super) struct Expectation {
    pub(super) stage: Stage,
    /// The contents of segments that are being set aside. Some may be lost if power fails meanwhile: where a
    /// file is becomes certain only when both directories of a rename are synced, and nobody is told before
    /// that. They are kept for people; no replica needs them.
    leaving: Vec<Vec<u8>>,
    /// The segments that were set aside, which must exist somewhere.
    pub(super) aside: Vec<Vec<u8>>,
}

#[derive(Clone, Hash, Debug)]
pub(super) enum Stage {
    /// The directory was not formatted, or nobody was told so yet.
    Unfounded,
    /// The directory was formatted.
    Founded,
    /// These records were appended to the log, and this many of them must be there.
    Kept {
        appended: Vec<Record>,
        acknowledged: usize,
    },
    /// The log is lost or is being discarded; its records, if it was intact.
    Replacing(Option<Vec<Record>>),
}

impl Expectation {
    pub(super) const NOTHING: Expectation = Expectation {
        stage: Stage::Unfounded,
        leaving: Vec::new(),
        aside: Vec::new(),
    };

    pub(super) fn take(&mut self, note: &Note) {
        let all = |records: &Vec<Record>| Stage::Kept {
            appended: records.clone(),
            acknowledged: records.len(),
        };
        if matches!(note, Note::Opened(_) | Note::Replaced(_)) {
            self.aside.append(&mut self.leaving);
        }
        match (note, &mut self.stage) {
            (Note::Founded, _) => self.stage = Stage::Founded,
            (Note::Opened(records) | Note::Replaced(records), _) => self.stage = all(records),
            (Note::Appending(records), Stage::Kept { appended, .. }) => appended.extend_from_slice(records),
            (
                Note::Acknowledged,
                Stage::Kept {
                    appended,
                    acknowledged,
                },
            ) => *acknowledged = appended.len(),
            (Note::Replacing(segments), stage) => {
                self.leaving.clone_from(segments);
                let before = match stage {
                    Stage::Kept { appended, .. } => Some(appended.clone()),
                    _ => None,
                };
                *stage = Stage::Replacing(before);
            }
            (note, stage) => panic!("{note:?} in {stage:?}"),
        }
    }

    /// What must be there after a power failure.
    pub(super) fn after_failure(&self) -> Expectation {
        Expectation {
            leaving: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether a replica may find these records.
    pub(super) fn allows(&self, found: &[Record]) -> bool {
        match &self.stage {
            Stage::Unfounded | Stage::Founded => matches!(found, [Record::Founded { .. }]),
            Stage::Kept {
                appended,
                acknowledged,
            } => (*acknowledged..=appended.len()).any(|end| from_cut(&appended[..end]) == found),
            Stage::Replacing(before) => {
                is_beginning(found) || before.as_ref().is_some_and(|it| from_cut(it) == found)
            }
        }
    }
}

impl Stage {
    pub(super) fn expected(&self) -> String {
        match self {
            Stage::Unfounded | Stage::Founded => "nothing was written but that it is founded".to_owned(),
            Stage::Kept {
                appended,
                acknowledged,
            } => format!("{acknowledged} count of {}", kinds(appended)),
            Stage::Replacing(_) => "its memory is lost".to_owned(),
        }
    }
}

/// The records from the last complete checkpoint on.
fn from_cut(records: &[Record]) -> &[Record] {
    let mut cut = 0;
    let mut begun = None;
    for (at, record) in records.iter().enumerate() {
        match record {
            Record::Checkpoint(checkpoint) => begun = Some((checkpoint.number, at)),
            Record::CheckpointEnd { number } => {
                if let Some((_, at)) = begun.filter(|(begun, _)| begun == number) {
                    cut = at;
                }
            }
            _ => {}
        }
    }
    &records[cut..]
}

/// Whether these are the first records of a log of a replica that lost its memory.
fn is_beginning(records: &[Record]) -> bool {
    let is_counter = |record: &Record| matches!(record, Record::Proposed { .. } | Record::Heard { .. });
    let last = records.split_last();
    last.is_some_and(|(last, rest)| *last == Record::DiskLost && rest.iter().all(is_counter))
}

/// The record that the life after a power failure writes.
pub(super) fn next_life() -> Record {
    let ballot = Ballot {
        round: 1_000_000,
        ..Ballot::ZERO
    };
    Record::Promised { ballot }
}

/// Records in short: promises by their rounds, all others by their kinds.
pub(super) fn kinds(records: &[Record]) -> String {
    let words = records.iter().map(|record| match record {
        Record::Promised { ballot } => ballot.round.to_string(),
        other => {
            let text = format!("{other:?}");
            text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
        }
    });
    format!("[{}]", words.collect::<Vec<_>>().join(" "))
}
