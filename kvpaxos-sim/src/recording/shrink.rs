//! The search for fewer inputs that violate the same property in the same way.
//!
//! A candidate leaves inputs out, and the replicas are executed with the rest: a message is lost, a client does not ask, a
//! clock does not tick, a role or a process does not fail. A message can arrive only if it was sent in that very
//! execution, with what it says there. What happened in an execution that violates the property takes the place of the
//! script, so that everything that could not happen is gone as well. To be taken, it must also be found as a recording: it is
//! written as one, and that is read, executed and audited as [`replay`](super::replay) does.
//!
//! Of recordings that begin with checkpoints, the search begins with other ones, which are nearer to the violation.
//!
//! What stays as it was recorded: the configuration, the times of inputs, the random bits, what clients ask.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use kvpaxos::recording::FileName;
use kvpaxos::{Event, ReplicaId};

use super::failing::FailingRecording;
use super::files::{Found, LifeFile, belong_together};
use super::play::Play;
use super::script::{Item, ItemId, Script, ScriptSize, What};
use super::{RecordingError, Report, check, merge};
use crate::invariants::Trace;
use crate::shrinking::{Cost, Goal, Limits, Player, Progress, Search};
use crate::world::scenario::Manner;

/// A search in recordings that begin with checkpoints tries to begin so many items before the violation, then twice as many.
const LEAST_BACK: usize = 64;

/// A recording that was made by the search.
#[derive(Clone, Debug)]
pub struct ShrunkRecording {
    pub(super) script: Script,
    /// The files, with their names.
    pub files: Vec<(FileName, Vec<u8>)>,
    /// The verdict on them, unless they show nothing of interest.
    pub report: Option<Report>,
    /// How large it is.
    pub size: ScriptSize,
}

/// The outcome of a search.
#[derive(Clone, Debug)]
pub struct RecordingShrinking {
    /// The smallest recording that was found.
    pub smallest: ShrunkRecording,
    /// How large the first one was, up to the violation.
    pub before: ScriptSize,
    /// How many candidates were played.
    pub runs: u64,
    /// How many steps they had.
    pub events: u64,
    /// Whether nothing more was found to leave out.
    pub is_complete: bool,
}

/// Leaves out inputs of a recording that violates a property. `progress` is told of each run, and may stop the search: the
/// smallest recording so far is kept. Returns `None` if the violation is not found again when the script is played.
///
/// # Errors
/// If what was left cannot be read again.
pub fn shrink(
    recording: &FailingRecording,
    limits: Limits,
    progress: impl FnMut(&Progress<'_, ShrunkRecording>) -> ControlFlow<()>,
) -> Result<Option<RecordingShrinking>, RecordingError> {
    let mut player = Candidates {
        recording,
        manner: Manner::of_finding(&recording.violation),
    };
    let mut first = player.play(&recording.script)?;
    let before = first.size;
    if let Some(later) = player.begin_later(&first)? {
        first = later;
    }
    let Some(mut search) = Search::new(first, limits, player, progress) else {
        return Ok(None);
    };
    search.aim(Goal::Parts);
    let patience = limits.events / 8;
    loop {
        let cost = search.cost();
        for sort in sorts(search.scenario()) {
            search.minimize(
                patience,
                |best| best.script.droppable(|item| sort.holds(item)),
                |search, gone: &BTreeSet<ItemId>| search.attempt_with(|script| script.leave_out(gone)),
            );
        }
        if search.is_stopped() || search.cost() == cost {
            break;
        }
    }
    let (runs, events, is_complete) = (search.runs(), search.events(), !search.is_stopped());
    Ok(Some(RecordingShrinking {
        smallest: search.end()?,
        before,
        runs,
        events,
        is_complete,
    }))
}

/// The items that a pass leaves out.
#[derive(Clone, Copy)]
enum Sort {
    Any,
    Of(ReplicaId),
    Failures,
    Requests,
    Clocks,
    Messages,
}

impl Sort {
    fn holds(self, item: &Item) -> bool {
        match self {
            Sort::Any => true,
            Sort::Of(id) => item.replica == id,
            Sort::Failures => matches!(
                item.what,
                What::Start { .. } | What::End | What::Restart { .. } | What::Input(Event::Fail(_))
            ),
            Sort::Requests => matches!(item.what, What::Request { .. }),
            Sort::Clocks => item.what == What::Input(Event::Clock),
            Sort::Messages => matches!(item.what, What::Message { .. }),
        }
    }
}

/// What is left out, in this order: stretches of time, whole replicas, and then one kind after the other.
fn sorts(script: &Script) -> Vec<Sort> {
    let replicas: BTreeSet<ReplicaId> = script.items.iter().map(|item| item.replica).collect();
    let mut sorts = vec![Sort::Any];
    sorts.extend(replicas.into_iter().map(Sort::Of));
    sorts.extend([Sort::Failures, Sort::Requests, Sort::Clocks, Sort::Messages]);
    sorts
}

/// Plays scripts that must violate a property in the manner of the first.
struct Candidates<'a> {
    recording: &'a FailingRecording,
    manner: Manner,
}

impl Candidates<'_> {
    /// If recordings begin with checkpoints: the violation from checkpoints that are as much later as possible. `None` if it is not
    /// found from others.
    fn begin_later(&mut self, whole: &ShrunkRecording) -> Result<Option<ShrunkRecording>, RecordingError> {
        let script = &whole.script;
        if script.fixed == 0 || self.cost(whole).is_none() {
            return Ok(None);
        }
        let (least, end) = (script.common_beginning(), script.items.len());
        let mut back = LEAST_BACK;
        let mut place = end;
        while place > least {
            place = end.saturating_sub(back).max(least);
            back = back.saturating_mul(2);
            if let Some(later) = script.beginning_at(place, self.recording.audit()) {
                let played = self.play(&later)?;
                if self.cost(&played).is_some() {
                    return Ok(Some(played));
                }
            }
        }
        Ok(None)
    }
}

impl Player for Candidates<'_> {
    type Scenario = Script;
    type Outcome = ShrunkRecording;
    type Error = RecordingError;

    fn play(&mut self, candidate: &Script) -> Result<ShrunkRecording, RecordingError> {
        let mut play = Play::new(candidate, self.recording.audit(), true);
        play.run(&candidate.items, u64::MAX);
        let finding = play.audit.finding();
        let is_found = finding.is_some_and(|finding| Manner::of_finding(finding) == self.manner);
        let (script, files) = play.end();
        let report = if is_found { judge(&files)? } else { None };
        Ok(ShrunkRecording {
            size: script.size(),
            script,
            files,
            report,
        })
    }

    fn scenario(outcome: &ShrunkRecording) -> &Script {
        &outcome.script
    }

    fn cost(&self, outcome: &ShrunkRecording) -> Option<Cost> {
        let violation = outcome.report.as_ref()?.violation.as_ref()?;
        let ScriptSize {
            inputs,
            failures,
            steps,
            ..
        } = outcome.size;
        (Manner::of_finding(violation) == self.manner).then(|| Cost {
            parts: [inputs, failures, steps, outcome.script.length()],
            weight: steps,
        })
    }

    fn events(outcome: &ShrunkRecording) -> u64 {
        outcome.size.steps
    }
}

/// The verdict on files, as on those of a directory; `None` if they are no recordings that can be judged.
fn judge(files: &[(FileName, Vec<u8>)]) -> Result<Option<Report>, RecordingError> {
    let mut found = Found::new();
    for (name, bytes) in files {
        let file = LifeFile::in_memory(PathBuf::from(name.to_string()), bytes.clone())?;
        found.entry(name.replica).or_default().push(file);
    }
    belong_together(&found)?;
    let Ok(checked) = check::check(&found) else {
        return Ok(None);
    };
    let wanted = merge::Wanted {
        trace: Trace::Off,
        timeline: false,
        script: false,
    };
    Ok(merge::merge(&found, &checked, wanted)
        .ok()
        .map(|merged| merged.report))
}
