//! Observations of a replica, as log lines.

use std::sync::Arc;

use kvpaxos::{Observation, ReplicaId, ReplicaSet, Slot};

use crate::system::repeats::{Repeats, Subject, info_repeated};

/// Logs the observations of a replica.
pub(crate) struct ObservationLog {
    id: ReplicaId,
    repeats: Arc<Repeats>,
    /// The replicas of which it was said that they differ. A differing one that restarts is forgotten by the
    /// replica until it is found to differ again, which is no news.
    differing: ReplicaSet,
    /// Whether this replica served when that was said.
    serves: bool,
}

impl ObservationLog {
    pub(crate) fn new(id: ReplicaId, repeats: Arc<Repeats>) -> ObservationLog {
        ObservationLog {
            id,
            repeats,
            differing: ReplicaSet::EMPTY,
            serves: true,
        }
    }

    /// Logs one observation. What happens in every slot is logged at the finest level only.
    pub(crate) fn log(&mut self, observation: &Observation) {
        match observation {
            Observation::Differs { with, slot, serves } => self.log_differing(*with, *slot, *serves),
            other => log(self.id, other),
        }
    }

    /// Logs which replicas are known to differ from this one, and whether this one still serves: in full the
    /// first time and when this replica begins or ceases to serve, else only what is new.
    fn log_differing(&mut self, with: ReplicaSet, slot: Slot, serves: bool) {
        let id = self.id;
        let was_known = std::mem::replace(&mut self.serves, serves) == serves && !self.differing.is_empty();
        let further: ReplicaSet = with.iter().filter(|id| !self.differing.contains(*id)).collect();
        for id in further.iter() {
            self.differing.insert(id);
        }
        if with.is_empty() {
            info_repeated!(
                self.repeats,
                Subject::ANY,
                {replica = %id},
                "no other replica's state is known to differ any more"
            );
        } else if !was_known {
            log_differing(id, with, slot, serves);
        } else if !further.is_empty() {
            tracing::warn!(replica = %id, with = %further, slot = slot.0, "the state of further replicas differs");
        } else {
            info_repeated!(
                self.repeats,
                Subject::ANY,
                {replica = %id, %with, slot = slot.0},
                "the state of these replicas differs still"
            );
        }
    }
}

fn log(id: ReplicaId, observation: &Observation) {
    match observation {
        Observation::Candidate { ballot } => {
            tracing::info!(replica = %id, %ballot, "stands for election: phase 1 begins");
        }
        Observation::Elected {
            ballot,
            carried_over,
            gaps,
        } => tracing::info!(replica = %id, %ballot, carried_over, gaps, "leads: phase 1 is complete"),
        Observation::Deposed { ballot, why } => {
            tracing::info!(replica = %id, %ballot, %why, "gives up its ballot");
        }
        Observation::CaughtUp { from, slots } => {
            tracing::debug!(replica = %id, from = from.0, slots, "caught up from another replica");
        }
        Observation::StaysOut => tracing::warn!(
            replica = %id,
            "the acceptor lost its memory and never votes again: with these quorum sizes the others cannot \
             give it back"
        ),
        Observation::FoundedAnew {
            replica,
            known,
            claimed,
        } => tracing::error!(
            replica = %id, refused = %replica, %known, %claimed,
            "a replica claims to be new but was a member before: its directory was formatted, and it has \
             forgotten its promises. Its messages are ignored until it is recovered (kvpaxos recover \
             --discard)"
        ),
        Observation::Outlived { incarnation } => tracing::warn!(
            replica = %id, life = incarnation.0,
            "the others know a later life of this acceptor than its disk does: the disk lost something that \
             was synced, and its contents are not used any more"
        ),
        Observation::Recovering { incarnation } => tracing::warn!(
            replica = %id, life = incarnation.0,
            "the acceptor lost its memory; it asks the others what it may have promised before it votes again"
        ),
        Observation::Recovered { incarnation } => {
            tracing::info!(replica = %id, life = incarnation.0, "the acceptor has recovered and votes again");
        }
        Observation::Installed { slot, .. } => {
            tracing::info!(replica = %id, slot = slot.0, "installed the snapshot of another replica");
        }
        Observation::SnapshotTaken { slot, .. } => {
            tracing::debug!(replica = %id, slot = slot.0, "took a snapshot");
        }
        Observation::Checkpointed { slot } => {
            tracing::debug!(replica = %id, slot = slot.0, "a checkpoint is durable: the log before it can be deleted");
        }
        Observation::SessionsDropped { count } => {
            tracing::debug!(replica = %id, count, "sessions were dropped to make room");
        }
        Observation::Chosen { .. } | Observation::Applied { .. } | Observation::Differs { .. } => {
            tracing::trace!(replica = %id, %observation);
        }
    }
}

/// The same in full, with what it means.
fn log_differing(id: ReplicaId, with: ReplicaSet, slot: Slot, serves: bool) {
    if with.is_empty() {
        tracing::info!(replica = %id, "no other replica's state is known to differ any more");
    } else if serves {
        tracing::warn!(
            replica = %id, %with, slot = slot.0,
            "the state of these replicas differs from that of this one and of a quorum; their messages are \
             ignored. A disk has lost synced writes, and acknowledged writes may be on their side only: \
             compare the logs before one of them is recovered"
        );
    } else {
        tracing::error!(
            replica = %id, %with, slot = slot.0,
            "the state of these replicas differs from that of this one, which no quorum is known to share: \
             this replica serves nobody. A disk has lost synced writes, and acknowledged writes may be on \
             one side only: compare the logs, and decide which side is to be recovered from the other"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The long explanation stands in the log once, not whenever a peer restarts.
    #[test]
    fn what_is_known_to_differ_is_not_explained_again() {
        let set = |ids: &[u8]| ids.iter().copied().map(ReplicaId).collect::<ReplicaSet>();
        let mut log = ObservationLog::new(ReplicaId(0), Repeats::new(ReplicaId(0)));
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for with in [
                set(&[1]),
                set(&[1, 2]),
                set(&[2]),
                set(&[]),
                set(&[1]),
                set(&[1, 2]),
            ] {
                let (slot, serves) = (Slot(3), true);
                log.log(&Observation::Differs { with, slot, serves });
            }
            let (with, slot, serves) = (set(&[1, 2]), Slot(3), false);
            log.log(&Observation::Differs { with, slot, serves });
        });
        let text = lines.text();
        let said: Vec<usize> = [
            "compare the logs before",
            "further replicas differs replica=r0 with=r2",
            "differs still",
            "any more",
            "serves nobody",
        ]
        .map(|what| text.matches(what).count())
        .to_vec();
        assert_eq!((said, text.lines().count()), (vec![1, 1, 1, 1, 1], 5), "{text}");
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl tracing_subscriber::fmt::MakeWriter<'_> for Lines {
        type Writer = Lines;

        fn make_writer(&self) -> Lines {
            self.clone()
        }
    }
}
