//! What a replica knows of its peers: which are connected, which one leads, and whether it may stand for
//! election.
//!
//! Every replica regularly sends every other a heartbeat. A peer counts as *connected* while its heartbeats
//! arrive and echo recent heartbeats of this replica, so that the link works in both directions. Leader
//! election follows Ng, Haridi and Carbone, *Omni-Paxos* (2023), section 5: a leader must be connected to a
//! quorum. A replica stands when it hears no leader, is connected to a quorum of voting acceptors, and enough
//! of these hear no leader either. This handles the partial partitions of that paper:
//!
//! - *quorum loss* (the leader runs and is heard, but has lost its quorum): the leader notices that it is
//!   disconnected, resigns, and says so in its heartbeats; a replica that still has a quorum stands;
//! - *constrained election* (the only replica with a quorum lags behind): it stands nevertheless, because
//!   phase 1 brings the values that it lacks;
//! - *chained* (two replicas are connected only through a third): the one that does not hear the leader sees
//!   that the third one follows it, and does not stand.
//!
//! All this only decides which replica tries to lead, and when. Ballots keep it safe.

use std::collections::BTreeMap;

use crate::config::Timing;
use crate::crash_vector::CrashVector;
use crate::export::export_fields;
use crate::message::{AcceptorHealth, Heartbeat};
use crate::types::{Ballot, ReplicaId, ReplicaSet, Slot};

/// What is known of the peers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Peers {
    /// Drawn at random in each life.
    nonce: u64,
    /// The number of heartbeats sent in this life.
    beat: u64,
    table: BTreeMap<ReplicaId, Peer>,
    /// The peers whose last heartbeat said that the acceptor has no memory. It follows from `table`, but each request asks.
    lost: ReplicaSet,
    /// The leader that was heard last, unless it has been silent for too long.
    leader: Option<LastLeader>,
    /// The highest ballot seen.
    highest: Ballot,
    /// The highest incarnation of each acceptor that any message has reported. It is not durable. It is
    /// passed on in heartbeats, so that an acceptor hears that its incarnation is over even if the replicas
    /// that know it are not connected to it.
    heard: CrashVector,
}

export_fields!(Peers {
    nonce,
    beat,
    table,
    lost,
    leader,
    highest,
    heard
});

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Peer {
    /// Its last heartbeat.
    heartbeat: Heartbeat,
    /// Ticks since it arrived.
    age: u32,
    /// The latest heartbeat of this replica that it has echoed.
    echoed: u64,
}

export_fields!(Peer {
    heartbeat,
    age,
    echoed
});

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct LastLeader {
    ballot: Ballot,
    age: u32,
}

export_fields!(LastLeader { ballot, age });

impl Peers {
    pub(crate) fn new(nonce: u64) -> Peers {
        Peers {
            nonce,
            beat: 0,
            table: BTreeMap::new(),
            lost: ReplicaSet::EMPTY,
            leader: None,
            highest: Ballot::ZERO,
            heard: CrashVector::default(),
        }
    }

    /// Notes a ballot that was seen in a message.
    pub(crate) fn note(&mut self, ballot: Ballot) {
        self.highest = self.highest.max(ballot);
    }

    /// The highest ballot seen.
    pub(crate) fn highest(&self) -> Ballot {
        self.highest
    }

    /// Merges a crash vector that was seen in a message.
    pub(crate) fn hear(&mut self, vector: &CrashVector) {
        self.heard.merge(vector);
    }

    /// The highest incarnation of each acceptor that any message has reported.
    pub(crate) fn heard(&self) -> &CrashVector {
        &self.heard
    }

    /// The ballot of the leader that was heard recently.
    pub(crate) fn leader(&self) -> Option<Ballot> {
        self.leader.as_ref().map(|heard| heard.ballot)
    }

    /// A message of the leader of `ballot` has arrived. Returns whether it is a new leader. A leader with a
    /// lower ballot than the known one is ignored.
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

    /// The leader is no longer followed: it resigned, or this replica leads.
    pub(crate) fn forget_leader(&mut self) {
        self.leader = None;
    }

    /// A heartbeat has arrived. Returns whether it is newer than the last one of the same life; older ones
    /// are ignored.
    pub(crate) fn on_heartbeat(&mut self, from: ReplicaId, heartbeat: &Heartbeat) -> bool {
        self.note(heartbeat.highest);
        let before = self.table.get(&from);
        if before.is_some_and(|peer| {
            peer.heartbeat.nonce == heartbeat.nonce && peer.heartbeat.beat >= heartbeat.beat
        }) {
            return false;
        }
        let echoed = match heartbeat.echo {
            Some((nonce, beat)) if nonce == self.nonce => beat.min(self.beat),
            _ => before.map_or(0, |peer| peer.echoed),
        };
        self.table.insert(
            from,
            Peer {
                heartbeat: heartbeat.clone(),
                age: 0,
                echoed,
            },
        );
        let lost = |peer: &Peer| peer.heartbeat.acceptor == AcceptorHealth::Lost;
        let of_table = self.table.iter().filter(|(_, peer)| lost(peer));
        self.lost = of_table.map(|(id, _)| *id).collect();
        let resigned =
            |heard: &LastLeader| heard.ballot.replica == from && heartbeat.leader != Some(heard.ballot);
        if self.leader.as_ref().is_some_and(resigned) {
            self.leader = None;
        }
        true
    }

    /// Another message has shown that the peer knows the values of all slots below `learned`.
    pub(crate) fn note_learned(&mut self, peer: ReplicaId, learned: Slot) {
        if let Some(peer) = self.table.get_mut(&peer) {
            peer.heartbeat.learned = peer.heartbeat.learned.max(learned);
        }
    }

    /// The nonce and number of the next heartbeat, which are the same for all receivers.
    pub(crate) fn next_beat(&mut self) -> (u64, u64) {
        self.beat += 1;
        (self.nonce, self.beat)
    }

    /// The latest heartbeat of a peer, to be echoed to it.
    pub(crate) fn echo_for(&self, peer: ReplicaId) -> Option<(u64, u64)> {
        self.table
            .get(&peer)
            .map(|peer| (peer.heartbeat.nonce, peer.heartbeat.beat))
    }

    /// A tick has passed. Returns whether the leader has now been silent for too long.
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
        // Heartbeats are also sent between the regular ones, and echoes take time.
        let beats = u64::from(timing.patience / timing.heartbeat) + 3;
        peer.age < timing.patience && peer.echoed > 0 && peer.echoed + beats >= self.beat
    }

    fn connected(&self, timing: &Timing) -> impl Iterator<Item = (ReplicaId, &Heartbeat)> {
        let timing = *timing;
        let connected = move |(_, peer): &(_, &Peer)| self.is_connected(peer, &timing);
        self.table
            .iter()
            .filter(connected)
            .map(|(id, peer)| (*id, &peer.heartbeat))
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
        let leaderless =
            |heard: &Heartbeat| heard.acceptor == AcceptorHealth::Votes && heard.leader.is_none();
        self.connected(timing)
            .filter(|(_, heard)| leaderless(heard))
            .map(|(id, _)| id)
            .collect()
    }

    /// The peers whose last heartbeat said that the acceptor has no memory.
    pub(crate) fn lost(&self) -> ReplicaSet {
        self.lost
    }

    /// The members, except for `me`, that have not been heard recently.
    pub(crate) fn silent(&self, members: ReplicaSet, me: ReplicaId, timing: &Timing) -> ReplicaSet {
        let heard = |id: &ReplicaId| self.table.get(id).is_some_and(|peer| peer.age < timing.patience);
        members.iter().filter(|id| *id != me && !heard(id)).collect()
    }

    /// The peer that is best asked to lead: a connected one, not in `not`, whose acceptor votes, and of these the
    /// one that has learned most.
    pub(crate) fn successor(&self, not: ReplicaSet, timing: &Timing) -> Option<ReplicaId> {
        self.connected(timing)
            .filter(|(id, said)| said.acceptor == AcceptorHealth::Votes && !not.contains(*id))
            .max_by_key(|(id, said)| (said.learned, *id))
            .map(|(id, _)| id)
    }

    /// A connected peer, not in `not`, that has learned more than `next`: the leader if it is one of them,
    /// otherwise the one that has learned most.
    pub(crate) fn ahead_of(&self, next: Slot, not: ReplicaSet, timing: &Timing) -> Option<ReplicaId> {
        let leader = self.leader().map(|ballot| ballot.replica);
        self.connected(timing)
            .filter(|(id, said)| said.learned > next && !not.contains(*id))
            .max_by_key(|(id, said)| (Some(*id) == leader, said.learned, *id))
            .map(|(id, _)| id)
    }
}
