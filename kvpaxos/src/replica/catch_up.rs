//! Help for a learner that lags: with values, or with a snapshot if the log is cut above the slot that it
//! needs.

use crate::command::Value;
use crate::io::{Effect, Observation, Reason, Record};
use crate::message::{Message, SnapshotPart};
use crate::replica::{Replica, observe, send};
use crate::roles::learner::TransferProgress;
use crate::state::snapshot::Cursor;
use crate::types::{ReplicaId, Role, Slot};

impl Replica {
    /// Requests what the learner lacks from a peer that knows more, unless a request is unanswered.
    pub(super) fn catch_up(&mut self, not: Option<ReplicaId>, out: &mut Vec<Effect>) {
        let Some(learner) = self.learner.as_ref().filter(|learner| learner.lacks()) else {
            return;
        };
        // A replica that differs would not answer, and must not be learned from.
        let mut without = self.agreement.differing();
        not.into_iter().for_each(|id| _ = without.insert(id));
        if let Some(whom) = self.peers.ahead_of(learner.next(), without, &self.config.timing) {
            self.ask_to_learn(whom, out);
        }
    }

    fn ask_to_learn(&mut self, whom: ReplicaId, out: &mut Vec<Effect>) {
        let Some(learner) = &mut self.learner else { return };
        learner.ask(whom);
        let from = learner.next();
        let question = match learner.wanted_part().filter(|_| learner.insists()) {
            Some((slot, at)) => Message::Fetch { slot, at },
            None => Message::Learn { from },
        };
        send(whom, question, out);
    }

    pub(super) fn on_learn(&mut self, asker: ReplicaId, from: Slot, out: &mut Vec<Effect>) {
        let Some(learner) = &mut self.learner else { return };
        match learner.values_for(asker, from, &mut self.to_free) {
            Some(values) => send(asker, Message::Learned { from, values }, out),
            None => self.send_part(asker, None, out),
        }
    }

    /// Another replica requests the next part of a snapshot. If this replica has dropped it for a newer one, it sends the
    /// first part of that.
    pub(super) fn on_fetch(&mut self, asker: ReplicaId, slot: Slot, at: Cursor, out: &mut Vec<Effect>) {
        self.send_part(asker, Some((slot, at)), out);
    }

    /// Sends the part of a snapshot at which a transfer is, or the first part of the last snapshot.
    fn send_part(&mut self, to: ReplicaId, begun: Option<(Slot, Cursor)>, out: &mut Vec<Effect>) {
        let Some(learner) = &mut self.learner else { return };
        let slot = begun.map(|(slot, _)| slot);
        let Some(snapshot) = learner.snapshot_for(to, slot, &mut self.to_free) else {
            return;
        };
        let at = match begun {
            Some((slot, at)) if slot == snapshot.slot() => at,
            _ => Cursor::START,
        };
        let part = SnapshotPart::of(&snapshot, at, self.config.limits.chunk_bytes);
        send(to, Message::SnapshotPart(Box::new(part)), out);
    }

    pub(super) fn on_part(&mut self, from: ReplicaId, part: SnapshotPart, out: &mut Vec<Effect>) {
        let Some(learner) = &mut self.learner else { return };
        let SnapshotPart {
            slot,
            digest,
            at,
            next,
            bytes,
        } = &part;
        let (slot, digest) = (*slot, *digest);
        match learner.on_part((slot, digest), *at, bytes, *next, &mut self.to_free) {
            TransferProgress::Nothing => {}
            TransferProgress::More => {
                // So that the transfer continues after a restart. Nothing waits for this record.
                out.push(Effect::Persist {
                    role: Role::Learner,
                    records: vec![Record::Received(Box::new(part))],
                    then: Vec::new(),
                });
                // One part is in flight at a time, so the sender never gets ahead of this replica.
                self.ask_to_learn(from, out);
            }
            TransferProgress::Broken => {
                self.catch_up(Some(from), out);
                // No other peer can help. To ask the same one again at once would never end.
                if let Some(learner) = self.learner.as_mut().filter(|learner| learner.lacks()) {
                    learner.ask(from);
                }
            }
            TransferProgress::Installed => {
                observe(Observation::Installed { slot, digest }, out);
                self.on_installed(out);
            }
        }
        if let Some(candidacy) = self
            .proposer
            .as_mut()
            .and_then(|proposer| proposer.preparing_mut())
        {
            candidacy.on_learning();
        }
    }

    pub(super) fn on_learned(
        &mut self,
        from: Slot,
        values: &[Value],
        out: &mut Vec<Effect>,
    ) -> Result<(), Reason> {
        let Some(learner) = &mut self.learner else {
            return Ok(());
        };
        let before = learner.next();
        learner.on_learned(from, values, &mut self.to_free)?;
        let slots = learner.next().0 - before.0;
        if slots > 0 {
            observe(Observation::CaughtUp { from: before, slots }, out);
            self.remember(before, None, out);
            if let Some(candidacy) = self
                .proposer
                .as_mut()
                .and_then(|proposer| proposer.preparing_mut())
            {
                candidacy.on_learning();
            }
        }
        Ok(())
    }
}
