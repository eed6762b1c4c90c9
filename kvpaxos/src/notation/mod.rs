//! The notation: how messages, records, effects and observations are written down for people, one line each.
//!
//! The interaction scripts (`tests/scripts`), traces, logs and reports all use it. It is `Display`, and only ever written: it leaves
//! out what the reader of a line does not need (digests, foundings that nobody knows, crash vectors before the first loss).
//!
//! | what | notation |
//! | --- | --- |
//! | replica | `r1` |
//! | client of one replica | `c7` |
//! | ballot | `b3.r1`: round 3 of replica 1; `b3.r1.0.2` in its life of incarnation 0 and 2 restarts |
//! | slot | `s12`; "below s12" means all slots before it |
//! | revision, session | `12.0`: slot and place in its batch |
//! | nonce, number of a question | `#41` |
//! | key, value | as it is if it is short text, else `<300 bytes>` |
//! | command | `open c9#0`, `12.0#3 put k=v` (session, sequence, operation), `close 12.0`, `submit #4 bytes` |
//! | transaction | conditions and steps: `12.0#5 if k=v, l unchanged since 9.0: get k; put l=w if absent, telling; add n 1` |
//! | value of a slot | `noop`, or its commands: `[12.0#3 put k=v, 12.0#4 delete k]` |
//! | message | its name, ballot and slot, then what it carries: `Accept b3.r1 s12 [...]; chosen below s11` |
//! | what an acceptor accepted | `{s12 b3.r1 noop; s13 b2.r0 [...]}`, and `, more from s14` if a chunk ends there |
//! | crash vector | `{r1:2}`; nothing while nobody has lost its memory |
//! | record | as the message of the same name |
//! | effect | `-> r1: Accept ...`, `writes Promised b3.r1; then -> r1: Promise ...`, `answers c7: done at 12.0`, `(applied s12)`, `halts: ...` |

mod commands;
mod effects;
mod messages;
mod records;
mod status;
mod transactions;

use std::fmt;

use crate::crash_vector::CrashVector;
use crate::founding::KnownFoundings;
use crate::message::{Accepted, Watermark};
use crate::types::Slot;

/// Writes the items with the separator between them.
fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    separator: &str,
) -> fmt::Result {
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

/// What an acceptor accepted, and where the next chunk begins.
struct Chunk<'a>(&'a [Accepted], Option<Slot>);

impl fmt::Display for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        list(f, self.0, "; ")?;
        f.write_str("}")?;
        match self.1 {
            Some(slot) => write!(f, ", more from {slot:?}"),
            None => Ok(()),
        }
    }
}

/// Nothing if nothing is cut.
struct Cut(Slot);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Slot::ZERO => Ok(()),
            cut => write!(f, ", cut below {cut:?}"),
        }
    }
}

/// Nothing if nobody has lost its memory.
struct Vector<'a>(&'a CrashVector);

impl fmt::Display for Vector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.iter().next() {
            None => Ok(()),
            Some(_) => write!(f, " {}", self.0),
        }
    }
}

/// Nothing if no founding is known.
struct Foundings<'a>(&'a KnownFoundings);

impl fmt::Display for Foundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, ", met {}", self.0)
        }
    }
}

/// `s12 b3.r1 noop`
impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {}", self.slot, self.ballot, self.value)
    }
}

/// `chosen below s12`, and what is settled if that is another slot.
impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chosen below {:?}", self.chosen)?;
        if self.settled != self.chosen {
            write!(f, ", settled below {:?}", self.settled)?;
        }
        Ok(())
    }
}
