//! Replicas that claim to be new although they are not: see [`crate::founding`].

use crate::founding::{KnownFounding, KnownFoundings};
use crate::io::{Effect, Observation, Reason, Record};
use crate::replica::{AcceptorRole, Replica, observe, persist};
use crate::roles::recovery::Progress;
use crate::types::{Founding, ReplicaId};

impl Replica {
    /// The founding of this replica, which its driver must send along with every message. `None` if it has
    /// lost its disk since, or never had a founding.
    #[must_use]
    pub fn founding(&self) -> Option<Founding> {
        self.founding
    }

    /// Whether a message of another replica is accepted. Its founding is written to the log before the
    /// message has any effect.
    pub(super) fn hears(
        &mut self,
        from: ReplicaId,
        founding: Option<Founding>,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(claimed) = founding.filter(|_| from != self.config.id) else {
            return true;
        };
        match self.met.get(from) {
            None => {
                self.met.note(from, KnownFounding::Founded(claimed));
                self.write_met(out);
                true
            }
            Some(known) if known.admits(claimed) => true,
            Some(known) => {
                if self.refused.insert(from, claimed) != Some(claimed) {
                    let replica = from;
                    observe(
                        Observation::FoundedAnew {
                            replica,
                            known,
                            claimed,
                        },
                        out,
                    );
                }
                false
            }
        }
    }

    /// A peer has sent the foundings that it knows.
    pub(super) fn on_foundings_heard(
        &mut self,
        peer: ReplicaId,
        theirs: &KnownFoundings,
        out: &mut Vec<Effect>,
    ) -> Result<(), Reason> {
        let id = self.config.id;
        if let (Some(own), Some(known)) = (self.founding, theirs.get(id))
            && !known.admits(own)
        {
            return Err(Reason::FoundedAnew { peer, known, own });
        }
        let members = self.config.members;
        let of_others = theirs.iter().filter(|(of, _)| *of != id && members.contains(*of));
        let (mut is_news, mut is_contested) = (false, false);
        for (of, known) in of_others {
            let is_known = self.met.get(of).is_some();
            if self.met.note(of, known) {
                is_news = true;
                is_contested |= is_known;
            }
        }
        if is_news {
            self.write_met(out);
        }
        if is_contested {
            // The recovery may have taken an answer of a replica whose messages are dropped from now on.
            self.on_recovery(Progress::Again, out);
        }
        Ok(())
    }

    /// Writes the known foundings to the log that are not there yet. While the acceptor has failed, it writes
    /// nothing; the rest follows when the acceptor restarts.
    pub(super) fn write_met(&mut self, out: &mut Vec<Effect>) {
        if matches!(self.acceptor, AcceptorRole::Failed(_)) {
            return;
        }
        let missing = |(replica, known)| {
            let is_news = self.met_written.note(replica, known);
            is_news.then_some(Record::Met { replica, known })
        };
        let records: Vec<Record> = self.met.iter().filter_map(missing).collect();
        if !records.is_empty() {
            persist(records, Vec::new(), out);
        }
    }
}
