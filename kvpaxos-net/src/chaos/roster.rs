//! The roster: which replicas of the cluster are disturbed on purpose now. It is the value of one key of the
//! replicated store, [`KEY`].

use std::fmt;

use bytes::Bytes;
use kvpaxos::{ReplicaId, ReplicaSet};

/// The key under which the roster stands in the store, while anyone is on it. Clients leave it alone.
pub const KEY: &str = "kvpaxos/chaos";

/// A replica on the roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) replica: ReplicaId,
    /// What is disturbed, in one word, for people.
    pub(crate) what: String,
    /// Whether its acceptor is without memory for a time.
    pub(crate) loses_memory: bool,
    /// Drawn at random for each entry, so that a change that is late never meets the roster that it expects:
    /// see [`crate::chaos::admission`].
    pub(crate) token: u64,
}

/// See the module's docs. A replica is on it once at most.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Roster(Vec<Entry>);

/// The key holds something else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NoRoster;

impl Roster {
    /// Reads the value of the key.
    pub(crate) fn parse(value: Option<&[u8]>) -> Result<Roster, NoRoster> {
        let text = str::from_utf8(value.unwrap_or_default()).map_err(|_| NoRoster)?;
        let entries: Vec<Entry> = text.lines().map(entry).collect::<Option<_>>().ok_or(NoRoster)?;
        let replicas: ReplicaSet = entries.iter().map(|entry| entry.replica).collect();
        (replicas.len() == entries.len())
            .then_some(Roster(entries))
            .ok_or(NoRoster)
    }

    /// The value of the key; `None` if nobody is on the roster, and the key is to have no value.
    pub(crate) fn value(&self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| Bytes::from(self.to_string()))
    }

    /// With this entry in the place of any other of its replica.
    pub(crate) fn with(&self, entry: Entry) -> Roster {
        let mut roster = self.without(entry.replica);
        roster.0.push(entry);
        roster
    }

    /// Without the entry of this replica.
    pub(crate) fn without(&self, replica: ReplicaId) -> Roster {
        let others = self.0.iter().filter(|entry| entry.replica != replica);
        Roster(others.cloned().collect())
    }

    /// Who is on it.
    pub(crate) fn replicas(&self) -> ReplicaSet {
        self.0.iter().map(|entry| entry.replica).collect()
    }

    /// Whose acceptors are without memory for a time.
    pub(crate) fn memories(&self) -> ReplicaSet {
        let losers = self.0.iter().filter(|entry| entry.loses_memory);
        losers.map(|entry| entry.replica).collect()
    }
}

/// A line for each: `r1 acceptor memory=lost token=1f0c9a7e22b4d6e1`.
impl fmt::Display for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry {
            replica,
            what,
            loses_memory,
            token,
        } in &self.0
        {
            let memory = if *loses_memory { "lost" } else { "kept" };
            writeln!(f, "{replica} {what} memory={memory} token={token:016x}")?;
        }
        Ok(())
    }
}

fn entry(line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let (replica, what, memory, token) = (word()?, word()?, word()?, word()?);
    let replica = ReplicaId(replica.strip_prefix('r')?.parse().ok()?);
    let known = usize::from(replica.0) < kvpaxos::types::MAX_REPLICAS;
    let loses_memory = match memory {
        "memory=lost" => true,
        "memory=kept" => false,
        _ => return None,
    };
    let token = u64::from_str_radix(token.strip_prefix("token=")?, 16).ok()?;
    (known && word().is_none()).then(|| Entry {
        replica,
        what: what.to_owned(),
        loses_memory,
        token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u8, loses_memory: bool, token: u64) -> Entry {
        Entry {
            replica: ReplicaId(id),
            what: "acceptor".to_owned(),
            loses_memory,
            token,
        }
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let empty = Roster::default();
        assert_eq!((empty.value(), Roster::parse(None)), (None, Ok(empty.clone())));
        let roster = empty.with(entry(1, true, 7)).with(entry(4, false, u64::MAX));
        let text = "r1 acceptor memory=lost token=0000000000000007\nr4 acceptor memory=kept token=ffffffffffffffff\n";
        assert_eq!(roster.value(), Some(Bytes::from(text)));
        assert_eq!(Roster::parse(Some(text.as_bytes())), Ok(roster.clone()));
        let set = |ids: &[u8]| ids.iter().copied().map(ReplicaId).collect::<ReplicaSet>();
        assert_eq!((roster.replicas(), roster.memories()), (set(&[1, 4]), set(&[1])));
        let again = roster.with(entry(1, false, 8));
        assert_eq!((again.replicas(), again.memories()), (set(&[1, 4]), set(&[])));
        assert_eq!(again.without(ReplicaId(1)).without(ReplicaId(4)), empty);
    }

    #[test]
    fn what_is_no_roster_is_told_apart() {
        for text in [
            "red",
            "\n",
            "r1 acceptor memory=lost",
            "r1 acceptor memory=some token=7",
            "r1 acceptor memory=lost token=7 more",
            "r255 acceptor memory=lost token=7",
            "x1 acceptor memory=lost token=7",
            "r1 acceptor memory=lost token=7\nr1 acceptor memory=lost token=8",
        ] {
            assert_eq!(Roster::parse(Some(text.as_bytes())), Err(NoRoster), "{text}");
        }
        assert_eq!(Roster::parse(Some(&[0xff])), Err(NoRoster));
    }
}
