//! The actions of a schedule, and what must hold at its end.

use std::collections::BTreeSet;

use kvpaxos::status::LearnerStatus;
use kvpaxos::{ClientId, Config, Outcome, ReplicaId, Role};
use proptest::prelude::*;

use crate::clients::{Clients, Wish};
use crate::support::{Found, Seen, World};

/// An action. Its numbers choose, modulo their count, among the possible replicas, links and messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// A message is delivered. `place` need not be the oldest, so messages overtake each other.
    Deliver { link: u8, place: u8 },
    /// A copy of a message is delivered.
    Repeat { link: u8, place: u8 },
    /// A message is lost.
    Lose { link: u8, place: u8 },
    /// Time passes, and everything is synced and delivered.
    Flow { ticks: u8 },
    /// The clock of a replica ticks.
    Tick { who: u8, ticks: u8 },
    /// The oldest write of a replica becomes durable.
    Sync { who: u8 },
    /// A replica stops. The first `keep` of its unsynced records reach the disk.
    Crash { who: u8, keep: u8 },
    /// A replica starts with the records on its disk.
    Start { who: u8 },
    /// A replica starts with a new, empty disk.
    Replace { who: u8 },
    /// A role fails.
    Fail { who: u8, role: u8 },
    /// A role restarts with its records, except for up to `unseen` of its last unsynced writes.
    Restart { who: u8, role: u8, unseen: u8 },
    /// A role restarts without its memory.
    Lost { who: u8, role: u8 },
    /// A client sends a request.
    Ask {
        who: u8,
        client: u8,
        wish: Wish,
        key: u8,
    },
    /// A client disconnects from a replica.
    Gone { who: u8, client: u8 },
    /// A link begins to lose all messages, or works again.
    Cut { from: u8, to: u8, cut: bool },
}

/// A random action. Most actions let the protocol make progress.
pub(crate) fn action() -> impl Strategy<Value = Action> {
    let number = any::<u8>;
    let wish = prop::sample::select(vec![
        Wish::Put,
        Wish::Put,
        Wish::Put,
        Wish::Delete,
        Wish::Cas,
        Wish::Get,
        Wish::Get,
        Wish::Submit,
        Wish::Again,
        Wish::Again,
        Wish::Close,
    ]);
    prop_oneof![
        30 => (number(), number()).prop_map(|(link, place)| Action::Deliver { link, place }),
        5 => (number(), number()).prop_map(|(link, place)| Action::Repeat { link, place }),
        5 => (number(), number()).prop_map(|(link, place)| Action::Lose { link, place }),
        8 => (1..12u8).prop_map(|ticks| Action::Flow { ticks }),
        6 => (number(), 1..8u8).prop_map(|(who, ticks)| Action::Tick { who, ticks }),
        12 => number().prop_map(|who| Action::Sync { who }),
        2 => (number(), 0..4u8).prop_map(|(who, keep)| Action::Crash { who, keep }),
        4 => number().prop_map(|who| Action::Start { who }),
        1 => number().prop_map(|who| Action::Replace { who }),
        3 => (number(), number()).prop_map(|(who, role)| Action::Fail { who, role }),
        5 => (number(), number(), 0..3u8).prop_map(|(who, role, unseen)| Action::Restart { who, role, unseen }),
        1 => (number(), number()).prop_map(|(who, role)| Action::Lost { who, role }),
        20 => (number(), 0..4u8, wish, number()).prop_map(|(who, client, wish, key)| Action::Ask { who, client, wish, key }),
        1 => (number(), 0..4u8).prop_map(|(who, client)| Action::Gone { who, client }),
        2 => (number(), number(), any::<bool>()).prop_map(|(from, to, cut)| Action::Cut { from, to, cut }),
    ]
}

/// A world, and clients, to which actions are applied.
#[derive(Debug)]
pub(crate) struct Schedule {
    world: World,
    clients: Clients,
    /// The number of acceptors that may still lose their memory. The others are enough for both quorums.
    may_lose: usize,
    /// The roles that failed and have not restarted.
    failed: BTreeSet<(ReplicaId, Role)>,
}

impl Schedule {
    pub(crate) fn new(configs: Vec<Config>, seed: u64) -> Schedule {
        let quorums = configs[0].quorums;
        let may_lose = configs.len() - quorums.phase1.max(quorums.phase2);
        Schedule {
            world: World::new(configs, seed, false),
            clients: Clients::default(),
            may_lose,
            failed: BTreeSet::new(),
        }
    }

    pub(crate) fn play_all(&mut self, actions: &[Action]) {
        for action in actions {
            self.play(*action);
            self.hear();
        }
    }

    fn play(&mut self, action: Action) {
        match action {
            Action::Deliver { link, place } => {
                if let Some((from, to, place)) = self.message(link, place) {
                    self.world.deliver(from, to, place);
                }
            }
            Action::Repeat { link, place } => {
                if let Some((from, to, place)) = self.message(link, place) {
                    self.world.deliver_copy(from, to, place);
                }
            }
            Action::Lose { link, place } => {
                // A running replica does not lose messages to itself.
                if let Some((from, to, place)) = self.message(link, place).filter(|(from, to, _)| from != to)
                {
                    self.world.lose(from, to, place);
                }
            }
            Action::Flow { ticks } => self.flow(ticks.into()),
            Action::Tick { who, ticks } => {
                let who = self.replica(who);
                (0..ticks).for_each(|_| self.world.tick(who));
            }
            Action::Sync { who } => {
                self.world.sync_one(self.replica(who));
            }
            Action::Cut { from, to, cut } => {
                let (from, to) = (self.replica(from), self.replica(to));
                self.world.cut(from, to, cut && from != to);
            }
            Action::Ask {
                who,
                client,
                wish,
                key,
            } => {
                let at = self.replica(who);
                let client = ClientId(client.into());
                self.clients.ask(&mut self.world, at, client, wish, key);
            }
            Action::Gone { who, client } => {
                let (at, client) = (self.replica(who), ClientId(client.into()));
                self.world.client_gone(at, client);
            }
            _ => self.play_failure(action),
        }
    }

    fn play_failure(&mut self, action: Action) {
        match action {
            Action::Crash { who, keep } => {
                let who = self.replica(who);
                self.world.crash(who, keep.into());
                self.failed.retain(|(id, _)| *id != who);
            }
            Action::Start { who } => self.world.start(self.replica(who), Found::Kept),
            Action::Replace { who } => {
                let who = self.replica(who);
                if !self.world.is_up(who) && self.may_lose > 0 {
                    self.may_lose -= 1;
                    self.world.start(who, Found::Lost);
                }
            }
            Action::Fail { who, role } => {
                let (who, role) = (self.replica(who), self.role(role));
                if self.world.is_up(who) && self.failed.insert((who, role)) {
                    self.world.fail(who, role);
                }
            }
            Action::Restart { who, role, unseen } => {
                let (who, role) = (self.replica(who), self.role(role));
                if self.failed.remove(&(who, role)) {
                    self.world.restart(who, role, Found::Kept, unseen.into());
                }
            }
            Action::Lost { who, role } => {
                let (who, role) = (self.replica(who), self.role(role));
                let allowed = role != Role::Acceptor || self.may_lose > 0;
                if allowed && self.failed.remove(&(who, role)) {
                    self.may_lose -= usize::from(role == Role::Acceptor);
                    self.world.restart(who, role, Found::Lost, 0);
                }
            }
            _ => unreachable!("{action:?} is played elsewhere"),
        }
    }

    fn replica(&self, number: u8) -> ReplicaId {
        let ids = self.world.ids();
        ids[usize::from(number) % ids.len()]
    }

    fn role(&self, number: u8) -> Role {
        Role::ALL[usize::from(number) % Role::ALL.len()]
    }

    /// A message in flight: its link and its place there. `None` if nothing is in flight.
    fn message(&self, link: u8, place: u8) -> Option<(ReplicaId, ReplicaId, usize)> {
        let links = self.world.busy_links();
        let (from, to) = *links.get(usize::from(link) % links.len().max(1))?;
        let count = self.world.in_flight(from, to).count();
        Some((from, to, usize::from(place) % count))
    }

    /// Time passes, and everything is synced and delivered.
    fn flow(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for id in self.world.ids() {
                self.world.tick(id);
            }
            self.settle();
            self.hear();
        }
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            for id in self.world.ids() {
                while self.world.sync_one(id) {}
            }
            let links = self.world.busy_links();
            if links.is_empty() {
                return;
            }
            for (from, to) in links {
                self.world.deliver(from, to, 0);
            }
        }
        panic!("the replicas never stop sending");
    }

    /// Clients receive their answers. No replica may halt, because no message and no disk is faulty.
    fn hear(&mut self) {
        for seen in self.world.take_seen() {
            match seen {
                Seen::Reply { reply, .. } => self.clients.on_reply(&reply),
                Seen::Halt(reason) => panic!("a replica halts: {reason}"),
                _ => {}
            }
        }
    }

    /// Every request is answered by its deadline, whatever faults there are (4.6).
    pub(crate) fn everybody_is_answered(&mut self, deadline: u32) {
        for _ in 0..=deadline {
            for id in self.world.ids() {
                self.world.tick(id);
            }
            self.hear();
        }
        let open: Vec<_> = self.world.checks.unanswered().collect();
        assert!(open.is_empty(), "4.6: not answered by the deadline: {open:?}");
    }

    /// Faults stop: all links work, and all replicas and roles run.
    pub(crate) fn heal(&mut self) {
        let ids = self.world.ids();
        for from in &ids {
            ids.iter().for_each(|to| self.world.cut(*from, *to, false));
            self.world.start(*from, Found::Kept);
        }
        for (id, role) in std::mem::take(&mut self.failed) {
            self.world.restart(id, role, Found::Kept, 0);
        }
        self.flow(60);
    }

    /// Every replica serves a write and a read (S4).
    pub(crate) fn everybody_is_served(&mut self) {
        for id in self.world.ids() {
            for wish in [Wish::Submit, Wish::Get] {
                let client = ClientId(100 + u64::from(id.0));
                self.clients.ask(&mut self.world, id, client, wish, 0);
                self.world.take_seen();
                let outcome = self.answer(client);
                assert!(
                    matches!(outcome, Some(Outcome::Done { .. } | Outcome::Value { .. })),
                    "S4: {id} answers {wish:?} with {outcome:?}"
                );
            }
        }
    }

    /// The answer that the client receives within a few ticks, if any.
    fn answer(&mut self, client: ClientId) -> Option<Outcome> {
        for _ in 0..20 {
            for id in self.world.ids() {
                self.world.tick(id);
            }
            self.settle();
            for seen in self.world.take_seen() {
                match seen {
                    Seen::Reply { to, reply } if to == client => return Some(reply.outcome),
                    Seen::Halt(reason) => panic!("a replica halts: {reason}"),
                    _ => {}
                }
            }
        }
        None
    }

    /// All replicas have learned and applied the same log (L1, L3).
    pub(crate) fn all_replicas_agree(&mut self) {
        self.flow(10);
        let state = |id| match self.world.replica(id).expect("all are up").status().learner {
            LearnerStatus::Learning { applied, digest, .. } => (applied, digest),
            LearnerStatus::Failed => panic!("all learners run"),
        };
        let states: Vec<_> = self.world.ids().into_iter().map(state).collect();
        assert!(
            states.windows(2).all(|pair| pair[0] == pair[1]),
            "the replicas differ: {states:?}"
        );
        assert_eq!(
            states[0].0,
            self.world.checks.chosen_up_to(),
            "the replicas have not applied all chosen slots"
        );
    }
}
