//! What a report of a comparison is made from, and which slots it shows.

use std::collections::BTreeSet;

use kvpaxos::Slot;
use kvpaxos_net::compare::{Comparison, Divergence, DivergenceKind, History, SlotContents};

/// The most slots of a difference that are shown, unless all are asked for: a client that writes once opens a
/// session before the write and closes it afterwards.
const SHOWN_SLOTS: usize = 4;

/// What a report is made from. `rest` asks for all slots from the first difference on.
pub(crate) struct Report<'a> {
    pub(crate) histories: &'a [History],
    pub(crate) comparison: &'a Comparison,
    pub(crate) rest: bool,
}

impl Report<'_> {
    /// The slot before which all histories know the state, if there is one: the highest.
    pub(crate) fn last_common(&self) -> Option<Slot> {
        let below = self.histories.iter().map(History::below).min()?;
        let from = self.histories.iter().map(History::from).max()?;
        (from <= below && below > Slot::ZERO).then_some(below)
    }

    /// The slots to show, and whether there are more: the first slots of each difference in which values
    /// differ, or all.
    pub(crate) fn slots_to_show(&self) -> (BTreeSet<Slot>, bool) {
        let from = |slot: Slot| -> BTreeSet<Slot> {
            let slots = self.histories.iter().flat_map(|history| history.slots_from(slot));
            slots.collect()
        };
        let differences = &self.comparison.differences;
        let all = differences
            .first()
            .map_or_else(BTreeSet::new, |first| from(first.divergence.slot));
        if self.rest {
            return (all, false);
        }
        let shown: BTreeSet<Slot> = differences
            .iter()
            .flat_map(|difference| {
                let Divergence { slot, kind } = difference.divergence;
                // Where they diverged before the slot, the next values may be equal.
                let is_shown = move |slot: &Slot| kind != DivergenceKind::Before || self.values_differ(*slot);
                from(slot)
                    .into_iter()
                    .skip_while(move |slot| !is_shown(slot))
                    .take(SHOWN_SLOTS)
            })
            .collect();
        let more = shown.last() < all.last();
        (shown, more)
    }

    fn values_differ(&self, slot: Slot) -> bool {
        let all_contents = self.all_contents(slot);
        all_contents
            .windows(2)
            .any(|pair| pair[0].0.value() != pair[1].0.value())
    }

    /// The different contents of a slot, each with the places of the histories that hold it.
    pub(crate) fn all_contents(&self, slot: Slot) -> Vec<(SlotContents<'_>, Vec<usize>)> {
        let mut all_contents: Vec<(SlotContents<'_>, Vec<usize>)> = Vec::new();
        for (place, history) in self.histories.iter().enumerate() {
            let Some(contents) = history.contents(slot) else {
                continue;
            };
            match all_contents.iter_mut().find(|(known, _)| *known == contents) {
                Some((_, places)) => places.push(place),
                None => all_contents.push((contents, vec![place])),
            }
        }
        all_contents
    }
}
