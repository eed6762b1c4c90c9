//! A comparison as text.

use std::collections::BTreeSet;
use std::io::{self, Write};

use kvpaxos::Slot;
use kvpaxos_net::compare::{Comparison, Difference, Divergence, DivergenceKind, History};

use crate::log::compare::command::Readable;
use crate::log::compare::report::Report;

/// The most commands of a slot that are printed, unless all are asked for.
const SHOWN_COMMANDS: usize = 8;

impl Report<'_> {
    /// Prints everything.
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
                write!(out, "no difference: {}", agreement(*from, *below))?;
                if self
                    .histories
                    .iter()
                    .any(|history| history.only_accepted().is_some())
                {
                    write!(out, ", and in what was accepted after that")?;
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
        self.print_incomparable(out)?;
        for (number, side) in sides.iter().enumerate() {
            writeln!(out, "side {}      {}", number + 1, self.names(side))?;
        }
        if !undecided.is_empty() {
            let names = self.names(undecided);
            writeln!(
                out,
                "no side     {names}: agrees with every side that it can be compared with"
            )?;
        }
        let (slots, more) = self.slots_to_show();
        for slot in slots {
            writeln!(out, "\nslot {slot}")?;
            self.print_slot(slot, out)?;
        }
        if more {
            writeln!(
                out,
                "\nThere is more: --rest prints all slots from the first difference on."
            )?;
        }
        Ok(())
    }

    /// The digests of the states after the last slot that all hold.
    fn print_digests(&self, out: &mut impl Write) -> io::Result<()> {
        let Some(below) = self.last_common() else {
            return Ok(());
        };
        writeln!(
            out,
            "digests of the states after slot {}, the last that all know to be chosen:",
            below.0 - 1
        )?;
        for history in self.histories {
            if let Some(digest) = history.digest(below) {
                writeln!(out, "  {digest:032x}  {}", name(history))?;
            }
        }
        Ok(())
    }

    /// Says which directories are of one replica: copies, or logs that were set aside.
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
                    "note: these are all of replica {id}, and count as one vote: {}",
                    self.names(&own)
                )?;
            }
        }
        Ok(())
    }

    fn print_incomparable(&self, out: &mut impl Write) -> io::Result<()> {
        let groups = &self.comparison.comparable;
        if groups.len() > 1 {
            writeln!(
                out,
                "directories of different lines here have no slot in common, so it is not known whether they \
                 differ:"
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
            divergence: Divergence { slot, kind },
            sides: [one, other],
        } = difference;
        let sides = format!("side {} and side {}", one + 1, other + 1);
        match kind {
            DivergenceKind::Before => format!(
                "{sides} differ before slot {slot}: this is the first slot that both hold, and the states \
                 before it differ already. They diverged in a slot that a checkpoint has replaced in at \
                 least one of the logs"
            ),
            DivergenceKind::Chosen => {
                format!(
                    "{sides} differ from slot {slot} on: the states before it are equal, and different \
                     values are known to be chosen for it"
                )
            }
            DivergenceKind::State => format!(
                "{sides} differ from slot {slot} on: the values chosen for it are equal, but the states \
                 after it differ. Either the states differed before in something that the digest does not \
                 cover, or this program does not use the limits that the replicas had"
            ),
            DivergenceKind::Ballot => format!(
                "{sides} differ from slot {slot} on: different values were accepted for it in one ballot, \
                 and a ballot has one value per slot"
            ),
            DivergenceKind::Accepted => format!(
                "{sides} may differ from slot {slot} on: they hold different values for it, and not all of \
                 them are known to be chosen. A value that was only accepted may have been chosen and \
                 acknowledged, or not chosen at all, and then nothing is wrong: look how many directories \
                 hold it with the same ballot"
            ),
        }
    }

    fn print_slot(&self, slot: Slot, out: &mut impl Write) -> io::Result<()> {
        for (contents, places) in self.all_contents(slot) {
            let ballot = contents.ballot();
            let how = match (contents.chosen, ballot) {
                (Some(_), Some(ballot)) => format!("chosen; accepted there in ballot {ballot}"),
                (Some(_), None) => "chosen, as other replicas told it".to_owned(),
                (None, Some(ballot)) => format!("only accepted, in ballot {ballot}"),
                (None, None) => continue,
            };
            writeln!(out, "  {}: {how}", self.names(&places))?;
            self.print_value(contents.value(), out)?;
            if let (None, Some((ballot, value))) = (ballot, contents.accepted) {
                writeln!(
                    out,
                    "    and another value was accepted there, in ballot {ballot}:"
                )?;
                self.print_value(Some(value), out)?;
            }
        }
        let without = |history: &&History| history.contents(slot).is_none();
        for history in self.histories.iter().filter(without) {
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
                "    and {} more commands (--rest prints all)",
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
        write!(out, "holds slots {from} to {}", below.0 - 1)?;
    } else if from > Slot::ZERO {
        write!(out, "holds no slot, but the state after slot {}", from.0 - 1)?;
    } else {
        write!(out, "holds no slot")?;
    }
    if let Some(last) = history.only_accepted() {
        write!(out, "; accepted more, up to slot {last}")?;
    }
    if history.memory_lost() {
        write!(out, "; it lost its memory and has not recovered")?;
    }
    if history.torn() {
        write!(out, "; its last write is incomplete and left out")?;
    }
    writeln!(out)
}

/// `data/3 (r3)`.
fn name(history: &History) -> String {
    format!("{} ({})", history.directory().display(), history.owner().replica)
}

fn agreement(from: Slot, below: Slot) -> String {
    if from < below {
        format!(
            "they agree in every slot that two of them hold, from slot {from} to {}",
            below.0 - 1
        )
    } else {
        format!(
            "they agree in the state after slot {}, and have no further slot in common",
            below.0 - 1
        )
    }
}
