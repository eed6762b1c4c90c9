//! A comparison for people.

use std::collections::BTreeSet;
use std::io::{self, Write};

use kvpaxos::Slot;
use kvpaxos_net::compare::{Comparison, Difference, History, How, Parting};

use crate::log::compare::command::Readable;
use crate::log::compare::report::Report;

/// So many commands of a slot likewise.
const SHOWN_COMMANDS: usize = 8;

impl Report<'_> {
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for history in self.histories {
            print_history(history, out)?;
        }
        self.print_digests(out)?;
        self.print_repeated(out)?;
        writeln!(out)?;
        let Comparison {
            differences,
            sides,
            undecided,
            told,
            ..
        } = self.comparison;
        match (differences.first(), told) {
            (None, Some((from, below))) => {
                write!(out, "no difference: {}", same(*from, *below))?;
                if self
                    .histories
                    .iter()
                    .any(|history| history.only_accepted().is_some())
                {
                    write!(out, "; nor do they differ in what was accepted behind that")?;
                }
                writeln!(out)?;
            }
            (None, None) => writeln!(out, "no difference is known")?,
            (Some(_), _) => {
                for difference in differences {
                    writeln!(out, "{}", self.described(difference))?;
                }
            }
        }
        self.print_apart(out)?;
        for (number, side) in sides.iter().enumerate() {
            writeln!(out, "side {}      {}", number + 1, self.names(side))?;
        }
        if !undecided.is_empty() {
            let names = self.names(undecided);
            writeln!(
                out,
                "no side     {names}: what is told there fits every side that it can be compared with"
            )?;
        }
        let (slots, more) = self.slots_to_show();
        for slot in slots {
            writeln!(out, "\nslot {slot}")?;
            self.print_slot(slot, out)?;
        }
        if more {
            writeln!(out, "\nand more: --rest prints all slots from there on")?;
        }
        Ok(())
    }

    /// The state of all of them after the last slot that all tell.
    fn print_digests(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(below) = self.last_common() else {
            return Ok(());
        };
        writeln!(
            out,
            "digests of the states after slot {}, the last that all tell:",
            below.0 - 1
        )?;
        for history in self.histories {
            if let Some(digest) = history.digest(below) {
                writeln!(out, "  {digest:032x}  {}", name(history))?;
            }
        }
        Ok(())
    }

    /// Directories of one replica: a copy, or what was set aside.
    fn print_repeated(&self, out: &mut impl Write) -> io::Result<()> {
        let replica = |history: &History| history.owner().replica;
        let replicas: BTreeSet<_> = self.histories.iter().map(replica).collect();
        for id in replicas {
            let places = self.histories.iter().enumerate();
            let own: Vec<usize> = places
                .filter(|(_, history)| replica(history) == id)
                .map(|(place, _)| place)
                .collect();
            if own.len() > 1 {
                writeln!(
                    out,
                    "note: all of these are of replica {id}, and count as one vote: {}",
                    self.names(&own)
                )?;
            }
        }
        Ok(())
    }

    fn print_apart(&self, out: &mut impl Write) -> io::Result<()> {
        let groups = &self.comparison.comparable;
        if groups.len() > 1 {
            writeln!(
                out,
                "those of different lines here have no slot in common that both can tell: whether they differ is not known"
            )?;
            for group in groups {
                writeln!(out, "  {}", self.names(group))?;
            }
        }
        Ok(())
    }

    fn names(&self, places: &[usize]) -> String {
        let names: Vec<String> = places.iter().map(|place| name(&self.histories[*place])).collect();
        names.join(", ")
    }

    fn described(&self, difference: &Difference) -> String {
        let Difference {
            parting: Parting { slot, how },
            sides: [one, other],
        } = difference;
        let sides = format!("side {} and side {}", one + 1, other + 1);
        match how {
            How::Before => format!(
                "{sides} differ before slot {slot}: it is the first that both tell, and the states before it differ already. They parted in a slot \
                 that a checkpoint has taken out of at least one of the logs"
            ),
            How::Chosen => {
                format!(
                    "{sides} differ from slot {slot} on: the states before it are the same, and different values are known to be chosen for it"
                )
            }
            How::State => format!(
                "{sides} differ from slot {slot} on: the values in it are the same, and the states after it differ all the same. Either they \
                 differed before, in what the digest does not show, or this program has limits that the replicas did not have"
            ),
            How::Ballot => format!(
                "{sides} differ from slot {slot} on: different values were accepted for it in one ballot, which has one value for each slot"
            ),
            How::Accepted => format!(
                "{sides} may differ from slot {slot} on: different values stand in it, and not all of them are known to be chosen. A value that was \
                 only accepted may have been chosen and acknowledged, or have lost, in which case nothing is wrong: see in how many directories \
                 it stands with one ballot"
            ),
        }
    }

    fn print_slot(&self, slot: Slot, out: &mut impl Write) -> io::Result<()> {
        for (standing, places) in self.standings(slot) {
            let ballot = standing.ballot();
            let how = match (standing.chosen, ballot) {
                (Some(_), Some(ballot)) => format!("chosen; accepted there in ballot {ballot}"),
                (Some(_), None) => "chosen; others told so".to_owned(),
                (None, Some(ballot)) => format!("only accepted, in ballot {ballot}"),
                (None, None) => continue,
            };
            writeln!(out, "  {}: {how}", self.names(&places))?;
            self.print_value(standing.value(), out)?;
            if let (None, Some((ballot, value))) = (ballot, standing.accepted) {
                writeln!(
                    out,
                    "    and what was accepted there, in ballot {ballot}, is another value:"
                )?;
                self.print_value(Some(value), out)?;
            }
        }
        let silent = |history: &&History| history.standing(slot).is_none();
        for history in self.histories.iter().filter(silent) {
            let why = if slot < history.from() {
                "in the snapshot of a checkpoint"
            } else {
                "nothing"
            };
            writeln!(out, "  {}: {why}", name(history))?;
        }
        Ok(())
    }

    fn print_value(&self, value: Option<&kvpaxos::Value>, out: &mut impl Write) -> io::Result<()> {
        let commands = value.map_or(&[][..], kvpaxos::Value::commands);
        if commands.is_empty() {
            writeln!(out, "    no-op")?;
        }
        let shown = if self.rest { commands.len() } else { SHOWN_COMMANDS };
        for command in commands.iter().take(shown) {
            writeln!(
                out,
                "    {}",
                Readable {
                    command,
                    full: self.rest
                }
            )?;
        }
        if commands.len() > shown {
            writeln!(
                out,
                "    and {} commands more (--rest prints all)",
                commands.len() - shown
            )?;
        }
        Ok(())
    }
}

fn print_history(history: &History, out: &mut impl Write) -> io::Result<()> {
    let (from, below) = (history.from(), history.below());
    write!(out, "{}: ", name(history))?;
    if below > from {
        write!(out, "tells slots {from} to {}", below.0 - 1)?;
    } else if from > Slot::ZERO {
        write!(out, "tells no slot, but the state after slot {}", from.0 - 1)?;
    } else {
        write!(out, "tells no slot")?;
    }
    if let Some(last) = history.only_accepted() {
        write!(out, "; accepted more, up to slot {last}")?;
    }
    if history.memory_lost() {
        write!(out, "; it lost its memory, and has not got it back")?;
    }
    if history.torn() {
        write!(out, "; its last write is not whole, and left out")?;
    }
    writeln!(out)
}

/// `data/3 (r3)`.
fn name(history: &History) -> String {
    format!("{} ({})", history.directory().display(), history.owner().replica)
}

fn same(from: Slot, below: Slot) -> String {
    if from < below {
        format!(
            "they are the same in every slot that two of them tell, from slot {from} to {}",
            below.0 - 1
        )
    } else {
        format!(
            "they are the same in the state after slot {}, and tell nothing more in common",
            below.0 - 1
        )
    }
}
