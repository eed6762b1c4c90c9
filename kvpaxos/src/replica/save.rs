//! Writing checkpoints: piece by piece, each one when the last is durable.

use crate::io::{Effect, Envelope, Observation};
use crate::memory::checkpoint::{CheckpointContent, CheckpointProgress, CheckpointWriter};
use crate::message::Message;
use crate::replica::{AcceptorMemory, AcceptorRole, Replica, observe, persist};
use crate::state::snapshot::Snapshot;
use crate::types::Slot;

impl Replica {
    /// Begins a checkpoint if there is something to write: a newer snapshot than the last one on the disk, or
    /// the memory of an acceptor that has recovered. The latter waits until this replica has learned every
    /// slot below the acceptor's cut.
    pub(super) fn begin_checkpoint(&mut self, out: &mut Vec<Effect>) {
        let (memory, returning) = match &mut self.acceptor {
            AcceptorRole::Voting(memory) => (memory, false),
            AcceptorRole::Returning(memory) => (memory, true),
            _ => return,
        };
        let Some(learner) = self.learner.as_ref().filter(|_| memory.checkpoint.is_none()) else {
            return;
        };
        let slot = learner.snapshot().map_or(Slot::ZERO, Snapshot::slot);
        let due = if returning {
            learner.next() >= memory.acceptor.cut()
        } else {
            slot > memory.archive.slot()
        };
        if !due {
            return;
        }
        self.checkpoints += 1;
        let content = CheckpointContent {
            acceptor: &memory.acceptor,
            snapshot: learner.snapshot().cloned(),
            chosen: learner.log(),
            archived: memory.archive.chosen.next(),
            proposed: self.proposed,
            members: self.config.members,
            founding: self.founding,
            met: self.met.clone(),
        };
        memory.checkpoint = Some(CheckpointWriter::new(self.checkpoints, content));
        self.save_next(out);
    }

    /// Hands out the next piece.
    fn save_next(&mut self, out: &mut Vec<Effect>) {
        let (AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory)) = &mut self.acceptor else {
            return;
        };
        let Some(checkpoint) = &mut memory.checkpoint else {
            return;
        };
        let (records, pieces) = checkpoint.next_piece(self.config.limits.chunk_bytes);
        let message = Message::Saved {
            number: self.checkpoints,
            pieces,
        };
        let to = self.config.id;
        persist(records, vec![Envelope { to, message }], out);
    }

    pub(super) fn on_saved(&mut self, number: u64, pieces: u64, out: &mut Vec<Effect>) {
        let (AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory)) = &mut self.acceptor else {
            return;
        };
        let Some(checkpoint) = &mut memory.checkpoint else {
            return;
        };
        match checkpoint.on_saved(number, pieces) {
            CheckpointProgress::Nothing => {}
            CheckpointProgress::Next => self.save_next(out),
            CheckpointProgress::Complete => self.on_checkpoint(out),
        }
    }

    /// A checkpoint is durable: the snapshot before it is no longer needed, and a recovering acceptor has its
    /// memory.
    fn on_checkpoint(&mut self, out: &mut Vec<Effect>) {
        let (AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory)) = &mut self.acceptor else {
            return;
        };
        let Some(checkpoint) = memory.checkpoint.take() else {
            return;
        };
        let (saved, missed) = checkpoint.into_content();
        let slot = saved.as_ref().map_or(Slot::ZERO, Snapshot::slot);
        memory.acceptor.cut_below(slot);
        let replaced = memory.archive.replace(saved, &missed);
        replaced
            .into_iter()
            .for_each(|snapshot| self.to_free.push(snapshot));
        self.learn_what_is_kept(out);
        observe(Observation::Checkpointed { slot }, out);
        if matches!(self.acceptor, AcceptorRole::Returning(_)) {
            self.become_voting(out);
        } else {
            self.remember_missed(out);
        }
    }

    /// Sends the message about the last piece again: it may have been lost.
    pub(super) fn on_tick_of_checkpoint(&mut self, out: &mut Vec<Effect>) {
        let (AcceptorRole::Voting(memory) | AcceptorRole::Returning(memory)) = &mut self.acceptor else {
            return;
        };
        let patience = self.config.timing.resend;
        if let Some((number, pieces)) = memory
            .checkpoint
            .as_mut()
            .and_then(|checkpoint| checkpoint.on_tick(patience))
        {
            let to = self.config.id;
            let message = Message::Saved { number, pieces };
            persist(Vec::new(), vec![Envelope { to, message }], out);
        }
    }

    /// Copies to the acceptor's archive what the learner learned while the acceptor was down or without
    /// memory, or while an installed snapshot was not durable.
    pub(super) fn remember_missed(&mut self, out: &mut Vec<Effect>) {
        if let AcceptorRole::Voting(memory) = &self.acceptor {
            let AcceptorMemory { archive, .. } = &**memory;
            let from = archive.chosen.next();
            self.remember(from, None, out);
        }
    }
}
