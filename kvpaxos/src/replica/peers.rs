//! What a replica knows of the others: who is connected, who leads, and whether it may stand for election.
//!
//! Every replica sends every other a heartbeat at a steady pace. A peer counts as *connected* while its heartbeats come
//! and echo recent ones of ours, so that the link is known to work both ways. Leader election follows the idea of Ng, Haridi
//! and Carbone, *Omni-Paxos* (2023), section 5: what counts is being connected to a quorum. A replica stands when it hears no
//! leader, is connected to a quorum of voting acceptors, and enough of these hear no leader either. So
//!
//! - *quorum loss* (the leader lives, is heard, and has lost its quorum): the leader finds itself disconnected, resigns, and
//!   says so in its heartbeats; whoever still has a quorum stands;
//! - *constrained election* (the only one with a quorum lags behind): it stands all the same, for phase 1 brings what it lacks;
//! - *chained* (two replicas hear each other only through a third): the one cut off from the leader sees that the third
//!   follows a live leader, and does not depose it.
//!
//! All of it decides only who tries to lead, and when: safety is the ballots' business.

use std::collections::BTreeMap;

use crate::config::Timing;
use crate::crash_vector::CrashVector;
use crate::message::{AcceptorHealth, Heartbeat};
use crate::types::{Ballot, ReplicaId, ReplicaSet, Slot};

/// See the module.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Peers {
    /// Drawn anew in each life.
    nonce: u64,
    /// Heartbeats sent in this life.
    beat: u64,
    table: BTreeMap<ReplicaId, Peer>,
    /// The leader that was heard last, until patience ends.
    leader: Option<LastLeader>,
    /// The highest ballot met.
    highest: Ballot,
    /// Which lives of acceptors have begun, as anybody has told. A rumour, which is not kept on any disk: it reaches an acceptor whose
    /// life is over by way of others where those that know of it do not reach it themselves.
    heard: CrashVector,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Peer {
    /// Its last heartbeat.
    said: Heartbeat,
    /// Ticks since it came.
    age: u32,
    /// The latest of our heartbeats that it has echoed.
    echoed: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct LastLeader {
    ballot: Ballot,
    age: u32,
}

impl Peers {
    pub(crate) fn new(nonce: u64) -> Peers {
        Peers {
            nonce,
            beat: 0,
            table: BTreeMap::new(),
            leader: None,
            highest: Ballot::ZERO,
            heard: CrashVector::default(),
        }
    }

    /// Notes a ballot that was met in a message.
    pub(crate) fn note(&mut self, ballot: Ballot) {
        self.highest = self.highest.max(ballot);
    }

    /// The highest ballot met.
    pub(crate) fn highest(&self) -> Ballot {
        self.highest
    }

    /// Notes which lives of acceptors have begun.
    pub(crate) fn hear(&mut self, vector: &CrashVector) {
        self.heard.merge(vector);
    }

    /// Which lives of acceptors have begun, as anybody has told.
    pub(crate) fn heard(&self) -> &CrashVector {
        &self.heard
    }

    /// The ballot of the leader that was heard a short while ago.
    pub(crate) fn leader(&self) -> Option<Ballot> {
        self.leader.as_ref().map(|heard| heard.ballot)
    }

    /// The leader of `ballot` was heard itself. Returns whether it is another than before. An older leader than the one known
    /// is not listened to.
    pub(crate) fn on_leader(&mut self, ballot: Ballot) -> bool {
        self.note(ballot);
        match &mut self.leader {
            Some(heard) if heard.ballot > ballot => false,
            Some(heard) if heard.ballot == ballot => {
                heard.age = 0;
                false
            }
            _ => {
                self.leader = Some(LastLeader { ballot, age: 0 });
                true
            }
        }
    }

    /// The leader is not followed any longer: it resigned, or this replica leads itself.
    pub(crate) fn forget_leader(&mut self) {
        self.leader = None;
    }

    /// A heartbeat. One that is older than another from the same life is dropped; returns whether it was news.
    pub(crate) fn on_heartbeat(&mut self, from: ReplicaId, heartbeat: &Heartbeat) -> bool {
        self.note(heartbeat.highest);
        let before = self.table.get(&from);
        if before.is_some_and(|peer| peer.said.nonce == heartbeat.nonce && peer.said.beat >= heartbeat.beat) {
            return false;
        }
        let echoed = match heartbeat.echo {
            Some((nonce, beat)) if nonce == self.nonce => beat.min(self.beat),
            _ => before.map_or(0, |peer| peer.echoed),
        };
        self.table.insert(
            from,
            Peer {
                said: heartbeat.clone(),
                age: 0,
                echoed,
            },
        );
        let resigned =
            |heard: &LastLeader| heard.ballot.replica == from && heartbeat.leader != Some(heard.ballot);
        if self.leader.as_ref().is_some_and(resigned) {
            self.leader = None;
        }
        true
    }

    /// A peer has shown, by other means than its heartbeat, that it knows every slot below `learned` to be chosen.
    pub(crate) fn note_learned(&mut self, peer: ReplicaId, learned: Slot) {
        if let Some(peer) = self.table.get_mut(&peer) {
            peer.said.learned = peer.said.learned.max(learned);
        }
    }

    /// The number of the next heartbeat; the same for all receivers.
    pub(crate) fn next_beat(&mut self) -> (u64, u64) {
        self.beat += 1;
        (self.nonce, self.beat)
    }

    /// The latest heartbeat heard of a peer, to be echoed to it.
    pub(crate) fn echo_for(&self, peer: ReplicaId) -> Option<(u64, u64)> {
        self.table
            .get(&peer)
            .map(|peer| (peer.said.nonce, peer.said.beat))
    }

    /// A tick has passed. Returns whether the leader's silence has become too long by it.
    pub(crate) fn on_tick(&mut self, patience: u32) -> bool {
        for peer in self.table.values_mut() {
            peer.age = peer.age.saturating_add(1);
        }
        let Some(heard) = &mut self.leader else {
            return false;
        };
        heard.age += 1;
        let gone = heard.age >= patience;
        if gone {
            self.leader = None;
        }
        gone
    }

    fn is_connected(&self, peer: &Peer, timing: &Timing) -> bool {
        // Heartbeats are also sent between the regular ones, and take their time to be echoed.
        let beats = u64::from(timing.patience / timing.heartbeat) + 3;
        peer.age < timing.patience && peer.echoed > 0 && peer.echoed + beats >= self.beat
    }

    fn connected(&self, timing: &Timing) -> impl Iterator<Item = (ReplicaId, &Heartbeat)> {
        let timing = *timing;
        let connected = move |(_, peer): &(_, &Peer)| self.is_connected(peer, &timing);
        self.table
            .iter()
            .filter(connected)
            .map(|(id, peer)| (*id, &peer.said))
    }

    /// The connected peers whose acceptors vote.
    pub(crate) fn voters(&self, timing: &Timing) -> ReplicaSet {
        self.connected(timing)
            .filter(|(_, said)| said.acceptor == AcceptorHealth::Votes)
            .map(|(id, _)| id)
            .collect()
    }

    /// The connected peers whose acceptors vote and that hear no leader.
    pub(crate) fn leaderless(&self, timing: &Timing) -> ReplicaSet {
        let leaderless = |said: &Heartbeat| said.acceptor == AcceptorHealth::Votes && said.leader.is_none();
        self.connected(timing)
            .filter(|(_, said)| leaderless(said))
            .map(|(id, _)| id)
            .collect()
    }

    /// The peers whose acceptors were without memory when they were heard last.
    pub(crate) fn lost(&self) -> ReplicaSet {
        let lost = |peer: &Peer| peer.said.acceptor == AcceptorHealth::Lost;
        let table = self.table.iter().filter(|(_, peer)| lost(peer));
        table.map(|(id, _)| *id).collect()
    }

    /// Who of `members`, but for `me`, has not been heard for a while.
    pub(crate) fn silent(&self, members: ReplicaSet, me: ReplicaId, timing: &Timing) -> ReplicaSet {
        let heard = |id: &ReplicaId| self.table.get(id).is_some_and(|peer| peer.age < timing.patience);
        members.iter().filter(|id| *id != me && !heard(id)).collect()
    }

    /// A connected peer that says it learned more than `next`, but for `not`: the leader if it is one, else who knows most.
    pub(crate) fn ahead_of(&self, next: Slot, not: ReplicaSet, timing: &Timing) -> Option<ReplicaId> {
        let leader = self.leader().map(|ballot| ballot.replica);
        self.connected(timing)
            .filter(|(id, said)| said.learned > next && !not.contains(*id))
            .max_by_key(|(id, said)| (Some(*id) == leader, said.learned, *id))
            .map(|(id, _)| id)
    }
}
