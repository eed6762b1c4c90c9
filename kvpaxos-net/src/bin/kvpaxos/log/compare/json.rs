//! A comparison as JSON.

use kvpaxos::Slot;
use kvpaxos_net::compare::{ComparisonVerdict, Difference, DivergenceKind, History};
use serde_json::{Value, json};

use crate::log::compare::command::command_value;
use crate::log::compare::report::Report;

impl Report<'_> {
    /// The whole report as one object.
    pub(crate) fn as_value(&self) -> Value {
        let comparison = self.comparison;
        let names = |places: &Vec<usize>| -> Vec<String> {
            places
                .iter()
                .map(|place| self.histories[*place].directory().display().to_string())
                .collect()
        };
        let directory = |history: &History| {
            json!({
                "directory": history.directory().display().to_string(),
                "replica": history.owner().replica.0,
                "cluster": format!("{:016x}", history.owner().cluster),
                "from": history.from().0,
                "chosen_below": history.below().0,
                "only_accepted_up_to": history.only_accepted().map(|slot| slot.0),
                "digest": history.digest(history.below()).map(|digest| format!("{digest:032x}")),
                "common_digest": self.last_common().and_then(|below| history.digest(below)).map(|digest| format!("{digest:032x}")),
                "memory_lost": history.memory_lost(),
                "torn": history.torn(),
            })
        };
        let difference = |difference: &Difference| {
            json!({
                "slot": difference.divergence.slot.0,
                "how": match difference.divergence.kind {
                    DivergenceKind::Before => "before",
                    DivergenceKind::Chosen => "chosen",
                    DivergenceKind::State => "state",
                    DivergenceKind::Ballot => "ballot",
                    DivergenceKind::Accepted => "accepted",
                },
                "sides": difference.sides,
            })
        };
        json!({
            "verdict": match comparison.verdict {
                ComparisonVerdict::Same => "same",
                ComparisonVerdict::Differ => "differ",
                ComparisonVerdict::Unknown => "unknown",
            },
            "directories": self.histories.iter().map(directory).collect::<Vec<_>>(),
            "told": comparison.told.map(|(from, below)| json!({ "from": from.0, "below": below.0 })),
            "common_below": self.last_common().map(|below| below.0),
            "differences": comparison.differences.iter().map(difference).collect::<Vec<_>>(),
            "sides": comparison.sides.iter().map(names).collect::<Vec<_>>(),
            "undecided": names(&comparison.undecided),
            "comparable": comparison.comparable.iter().map(names).collect::<Vec<_>>(),
            "slots": self.slots_to_show().0.into_iter().map(|slot| self.slot_value(slot)).collect::<Vec<_>>(),
        })
    }

    fn slot_value(&self, slot: Slot) -> Value {
        let commands =
            |value: &kvpaxos::Value| value.commands().iter().map(command_value).collect::<Vec<_>>();
        let all_contents = self.all_contents(slot).into_iter().map(|(contents, places)| {
            let directories = places
                .iter()
                .map(|place| self.histories[*place].directory().display().to_string());
            json!({
                "directories": directories.collect::<Vec<_>>(),
                "chosen": contents.chosen.map(commands),
                "accepted": contents.accepted.map(|(ballot, value)| json!({
                    "ballot": ballot.to_string(), "commands": commands(value),
                })),
            })
        });
        json!({ "slot": slot.0, "values": all_contents.collect::<Vec<_>>() })
    }
}
