//! The timeline of a question: what a search meets, in order.

use super::lookahead::Lookahead;
use super::op_set::OpIndex;
use super::question::Question;
use super::transitions::{Transition, Values, transition};
use super::window::OpenOperation;

/// What happens at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimelineEvent {
    /// An operation begins.
    Opens(OpIndex, OpenOperation),
    /// An operation completes: it has taken effect by now.
    Completes(OpIndex, OpenOperation),
    /// An operation of unknown outcome is of no further use.
    Leaves(OpIndex, OpenOperation),
}

/// All events of a key, each with its moment, and the values in them.
pub(super) struct Timeline {
    pub(super) moments: Vec<(usize, TimelineEvent)>,
    pub(super) first: u32,
    pub(super) values: Values,
    pub(super) lookahead: Lookahead,
}

impl Timeline {
    /// The timeline of what was known before the question's end.
    pub(super) fn new(question: Question<'_>) -> Timeline {
        let Question {
            initial,
            operations,
            end,
            ..
        } = question;
        let mut values = Values::default();
        let first = values.number(initial);
        let mut opens: Vec<OpenOperation> = Vec::new();
        for (number, operation) in (0..).zip(operations) {
            if operation.invoked >= end {
                continue;
            }
            let answered = operation.answered.filter(|(place, _)| *place < end);
            let answer = answered.map(|(_, answer)| answer);
            let Some(transition) = transition(&mut values, &operation.operation.action, answer) else {
                continue;
            };
            // Moments are counted from 1: at 0 the key has its first value.
            let until = answered.map_or(usize::MAX, |(place, _)| place + 1);
            let invoked = operation.invoked + 1;
            let open = OpenOperation {
                transition,
                invoked,
                until,
                useful: usize::MAX,
                number,
            };
            if !open.is_optional() || !transition.is_pure() {
                opens.push(open);
            }
        }
        let mut lookahead = Lookahead::new(&values, opens.iter().map(|open| (open.transition, open.until)));
        for open in opens.iter_mut().filter(|open| open.is_optional()) {
            open.useful = match open.transition {
                Transition::Put { value } | Transition::Swap { value, .. } => lookahead.last(value),
                Transition::Append { tail } => lookahead.last_with(values.get(tail)),
                Transition::Get { .. } | Transition::Differ { .. } => usize::MAX,
            };
        }
        Timeline {
            moments: moments(&opens),
            first,
            values,
            lookahead,
        }
    }
}

fn moments(opens: &[OpenOperation]) -> Vec<(usize, TimelineEvent)> {
    let differs = opens
        .iter()
        .filter(|open| matches!(open.transition, Transition::Differ { .. }));
    let differ = differs.map(|open| open.until).max().unwrap_or(0);
    let mut ends: Vec<(usize, bool, usize)> = Vec::new();
    for (place, open) in opens.iter().enumerate() {
        let end = if open.is_optional() {
            open.useful.max(differ).saturating_add(1)
        } else {
            open.until
        };
        if end > open.invoked {
            ends.push((open.invoked, false, place));
            ends.push((end, true, place));
        }
    }
    ends.sort_unstable();
    let mut indices = vec![0; opens.len()];
    let (mut free, mut used) = (Vec::new(), 0);
    let mut moments = Vec::new();
    for (now, ends, place) in ends.into_iter().filter(|(now, ..)| *now < usize::MAX) {
        let open = opens[place];
        let moment = if !ends {
            indices[place] = free.pop().unwrap_or_else(|| {
                used += 1;
                used - 1
            });
            TimelineEvent::Opens(indices[place], open)
        } else {
            free.push(indices[place]);
            if open.is_optional() {
                TimelineEvent::Leaves(indices[place], open)
            } else {
                TimelineEvent::Completes(indices[place], open)
            }
        };
        moments.push((now, moment));
    }
    moments
}
