//! What is compared, and which slots of it are shown.

use std::collections::BTreeSet;

use kvpaxos::Slot;
use kvpaxos_net::compare::{Comparison, History, How, Parting, Standing};

/// So many slots of a difference likewise: a client that writes once opens a session before, and closes it behind.
const SHOWN_SLOTS: usize = 4;

/// What there is to print.
pub(crate) struct Report<'a> {
    pub(crate) histories: &'a [History],
    pub(crate) comparison: &'a Comparison,
    pub(crate) rest: bool,
}

impl Report<'_> {
    /// Below this slot, and not before it, all tell the state.
    pub(crate) fn last_common(&self) -> Option<Slot> {
        let below = self.histories.iter().map(History::below).min()?;
        let from = self.histories.iter().map(History::from).max()?;
        (from <= below && below > Slot::ZERO).then_some(below)
    }

    /// The first slots of each difference in which something can be seen, or all from the first on; and whether there are more.
    pub(crate) fn slots_to_show(&self) -> (BTreeSet<Slot>, bool) {
        let from = |slot: Slot| -> BTreeSet<Slot> {
            let slots = self.histories.iter().flat_map(|history| history.slots_from(slot));
            slots.collect()
        };
        let differences = &self.comparison.differences;
        let all = differences
            .first()
            .map_or_else(BTreeSet::new, |first| from(first.parting.slot));
        if self.rest {
            return (all, false);
        }
        let shown: BTreeSet<Slot> = differences
            .iter()
            .flat_map(|difference| {
                let Parting { slot, how } = difference.parting;
                // Where they parted before, the first slots may well be the same.
                let seen = move |slot: &Slot| how != How::Before || self.values_differ(*slot);
                from(slot)
                    .into_iter()
                    .skip_while(move |slot| !seen(slot))
                    .take(SHOWN_SLOTS)
            })
            .collect();
        let more = shown.last() < all.last();
        (shown, more)
    }

    fn values_differ(&self, slot: Slot) -> bool {
        let standings = self.standings(slot);
        standings
            .windows(2)
            .any(|pair| pair[0].0.value() != pair[1].0.value())
    }

    /// What stands in a slot, and in which histories; each value once for each way it is known.
    pub(crate) fn standings(&self, slot: Slot) -> Vec<(Standing<'_>, Vec<usize>)> {
        let mut standings: Vec<(Standing<'_>, Vec<usize>)> = Vec::new();
        for (place, history) in self.histories.iter().enumerate() {
            let Some(standing) = history.standing(slot) else {
                continue;
            };
            match standings.iter_mut().find(|(known, _)| *known == standing) {
                Some((_, places)) => places.push(place),
                None => standings.push((standing, vec![place])),
            }
        }
        standings
    }
}
