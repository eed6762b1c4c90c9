//! From which slot on directories tell different histories, for people and for programs.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use kvpaxos::{Command, Limits, Op, Slot};
use kvpaxos_net::compare::{
    Comparison, Difference, History, HistoryError, How, Parting, Standing, Verdict, compare, read,
};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::terminal::{complain, to_stdout};

/// So many bytes of a key or a value are printed, unless all are asked for.
const SHOWN: usize = 64;
/// So many slots of a difference likewise: a client that writes once opens a session before, and closes it behind.
const SHOWN_SLOTS: usize = 4;
/// So many commands of a slot likewise.
const SHOWN_COMMANDS: usize = 8;

pub(crate) fn run(directories: &[PathBuf], rest: bool, as_json: bool) -> Result<Exit, String> {
    let mut histories = Vec::new();
    for directory in directories {
        match read(directory, Limits::default()) {
            Ok(history) => histories.push(history),
            Err(error @ HistoryError::Damaged { .. }) => {
                complain(&error.to_string());
                return Ok(Exit::Damaged);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    let comparison = compare(&histories).map_err(|error| error.to_string())?;
    let report = Report {
        histories: &histories,
        comparison: &comparison,
        rest,
    };
    to_stdout(|out| {
        if as_json {
            writeln!(out, "{}", report.as_value())
        } else {
            report.print(out)
        }
    })?;
    Ok(match comparison.verdict {
        Verdict::Same => Exit::Done,
        Verdict::Differ => Exit::Differ,
        Verdict::Unknown => Exit::Untold,
    })
}

struct Report<'a> {
    histories: &'a [History],
    comparison: &'a Comparison,
    rest: bool,
}

impl Report<'_> {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
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

    /// Below this slot, and not before it, all tell the state.
    fn last_common(&self) -> Option<Slot> {
        let below = self.histories.iter().map(History::below).min()?;
        let from = self.histories.iter().map(History::from).max()?;
        (from <= below && below > Slot::ZERO).then_some(below)
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

    /// The first slots of each difference in which something can be seen, or all from the first on; and whether there are more.
    fn slots_to_show(&self) -> (BTreeSet<Slot>, bool) {
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
    fn standings(&self, slot: Slot) -> Vec<(Standing<'_>, Vec<usize>)> {
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

    fn as_value(&self) -> Value {
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
                "slot": difference.parting.slot.0,
                "how": match difference.parting.how {
                    How::Before => "before",
                    How::Chosen => "chosen",
                    How::State => "state",
                    How::Ballot => "ballot",
                    How::Accepted => "accepted",
                },
                "sides": difference.sides,
            })
        };
        json!({
            "verdict": match comparison.verdict {
                Verdict::Same => "same",
                Verdict::Differ => "differ",
                Verdict::Unknown => "unknown",
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
        let standings = self.standings(slot).into_iter().map(|(standing, places)| {
            let directories = places
                .iter()
                .map(|place| self.histories[*place].directory().display().to_string());
            json!({
                "directories": directories.collect::<Vec<_>>(),
                "chosen": standing.chosen.map(commands),
                "accepted": standing.accepted.map(|(ballot, value)| json!({
                    "ballot": ballot.to_string(), "commands": commands(value),
                })),
            })
        });
        json!({ "slot": slot.0, "values": standings.collect::<Vec<_>>() })
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

/// A command for people.
struct Readable<'a> {
    command: &'a Command,
    full: bool,
}

impl fmt::Display for Readable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| quoted(bytes, if self.full { usize::MAX } else { SHOWN });
        match self.command {
            Command::Open { tag } => write!(
                f,
                "OPEN a session, for client {:016x}, number {}",
                tag.nonce, tag.number
            ),
            Command::Close { session } => write!(f, "CLOSE session {session}"),
            Command::Opaque { payload, .. } => write!(f, "OPAQUE {}", text(payload)),
            Command::Apply {
                session,
                sequence,
                op,
                ..
            } => {
                match op {
                    Op::Put { key, value } => write!(f, "PUT {} = {}", text(key), text(value))?,
                    Op::Delete { key } => write!(f, "DELETE {}", text(key))?,
                    Op::Cas { key, expect, value } => {
                        let content = |value: &Option<bytes::Bytes>| {
                            value.as_ref().map_or("nothing".to_owned(), |value| text(value))
                        };
                        write!(
                            f,
                            "CAS {} from {} to {}",
                            text(key),
                            content(expect),
                            content(value)
                        )?;
                    }
                }
                write!(f, "   (session {session}, sequence {})", sequence.0)
            }
        }
    }
}

/// Bytes in quotation marks, with escapes for what cannot be read; only the first `most` of them.
fn quoted(bytes: &[u8], most: usize) -> String {
    let shown = &bytes[..bytes.len().min(most)];
    let text = match str::from_utf8(shown) {
        Ok(text) => format!("{text:?}"),
        // A character that is cut in two is left out, other bytes are escaped.
        Err(error) if error.error_len().is_none() && shown.len() < bytes.len() => {
            format!("{:?}", String::from_utf8_lossy(&shown[..error.valid_up_to()]))
        }
        Err(_) => format!("\"{}\"", shown.escape_ascii()),
    };
    if shown.len() < bytes.len() {
        format!("{text}... ({} bytes)", bytes.len())
    } else {
        text
    }
}

fn command_value(command: &Command) -> Value {
    match command {
        Command::Open { tag } => {
            json!({ "command": "open", "nonce": format!("{:016x}", tag.nonce), "number": tag.number })
        }
        Command::Close { session } => json!({ "command": "close", "session": session.to_string() }),
        Command::Opaque { payload, .. } => json!({ "command": "opaque", "payload": bytes_value(payload) }),
        Command::Apply {
            session,
            sequence,
            op,
            ..
        } => {
            let mut value = match op {
                Op::Put { key, value } => {
                    json!({ "command": "put", "key": bytes_value(key), "value": bytes_value(value) })
                }
                Op::Delete { key } => json!({ "command": "delete", "key": bytes_value(key) }),
                Op::Cas { key, expect, value } => json!({
                    "command": "cas", "key": bytes_value(key),
                    "expect": expect.as_ref().map(|bytes| bytes_value(bytes)), "value": value.as_ref().map(|bytes| bytes_value(bytes)),
                }),
            };
            value["session"] = session.to_string().into();
            value["sequence"] = sequence.0.into();
            value
        }
    }
}

/// Text as it is; other bytes as `{"hex": "..."}`.
fn bytes_value(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex.concat() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_people_read_them() {
        assert_eq!(quoted(b"plain", 64), r#""plain""#);
        assert_eq!(
            quoted("two\nlines \u{e9}".as_bytes(), 64),
            "\"two\\nlines \u{e9}\""
        );
        assert_eq!(quoted(b"\x1b[2J\xff\"", 64), r#""\x1b[2J\xff\"""#);
        assert_eq!(
            quoted(b"\x1b[2J", 64),
            r#""\u{1b}[2J""#,
            "no terminal is told anything"
        );
        assert_eq!(quoted(b"0123456789", 4), r#""0123"... (10 bytes)"#);
        assert_eq!(quoted("\u{e9}\u{e9}".as_bytes(), 3), "\"\u{e9}\"... (4 bytes)");
        assert_eq!(quoted(b"", 64), r#""""#);
        assert_eq!(bytes_value(b"\xff\x00"), json!({ "hex": "ff00" }));
    }
}
