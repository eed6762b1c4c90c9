//! Whole replicas as a space to search: [`Replica`] itself is the state.
//!
//! Heartbeats and clocks make this space far larger than that of the role machines: it is not explored to the end but as deep as the limits
//! go, from a world in which a leader has been elected. What it adds is what lies between the roles: routing, elections, learners.
//!
//! Messages are delivered in any order, each once or never; those to the replica itself at once. What is to be durable is so at once.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use kvpaxos::{
    ClientId, Config, Effect, Entropy, Envelope, Event, Input, Memory, Message, Replica, ReplicaId, Request,
    RequestBody, Role, Slot, Time, Timing,
};

use crate::hashing::BuildQuick;
use crate::model::bounds::{Breach, Invariant};
use crate::model::hashing::{key_of, spread};
use crate::model::search::{Next, Space};
use crate::model::tables::guarded;

/// What is explored of whole replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WholeBounds {
    /// How many replicas.
    pub replicas: u8,
    /// How many ticks of each replica's clock.
    pub ticks: u8,
    /// How many commands of clients, each to any replica.
    pub commands: u8,
    /// How often an acceptor loses its memory, at most one at a time.
    pub losses: u8,
}

impl fmt::Display for WholeBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WholeBounds {
            replicas,
            ticks,
            commands,
            losses,
        } = self;
        write!(
            f,
            "{replicas} whole replicas, {ticks} ticks each, {commands} commands, {losses} losses of an acceptor's memory (one at a time), \
             each message delivered once or never"
        )
    }
}

/// Replicas and mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct World {
    /// By number: see [`Tables`].
    replicas: Vec<u32>,
    /// In ascending order.
    mail: Vec<u32>,
    ticks: Vec<u8>,
    commands: u8,
    losses: u8,
    /// What is known to be chosen, by slot: a key of the value.
    chosen: Vec<u128>,
}

/// Something that happens to a replica.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Action {
    Tick,
    Mail(u32),
    Command(u8),
    Loss(u8),
}

#[derive(Clone, Debug)]
struct Outcome {
    replica: u32,
    sent: Vec<u32>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Mail {
    from: ReplicaId,
    to: ReplicaId,
    message: Message,
}

/// Replicas and mail by number, and every step that was taken.
#[derive(Default)]
struct Tables {
    replicas: Vec<(Replica, Time, u128)>,
    replica_ids: HashMap<u128, u32, BuildQuick>,
    mail: Vec<(Mail, u128)>,
    mail_ids: HashMap<u128, u32, BuildQuick>,
    steps: HashMap<u128, Result<Outcome, Box<Breach>>, BuildQuick>,
}

/// Whole replicas within bounds.
pub struct Whole {
    bounds: WholeBounds,
    tables: RwLock<Tables>,
}

impl Whole {
    /// Shipping replicas, impatient, a majority of which is a quorum.
    #[must_use]
    pub fn new(bounds: WholeBounds) -> Whole {
        Whole {
            bounds,
            tables: RwLock::new(Tables::default()),
        }
    }

    fn learn<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        change(&mut self.tables.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn read<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All that can happen in a world, and to whom.
    fn actions(&self, world: &World) -> Vec<(usize, Action)> {
        let mut all = Vec::new();
        self.read(|tables| {
            for mail in &world.mail {
                let to = usize::from(tables.mail[*mail as usize].0.to.0);
                all.push((to, Action::Mail(*mail)));
            }
        });
        let has_lost = |replica: &u32| self.read(|tables| tables.has_lost_memory(*replica));
        let may_lose = world.losses > 0 && !world.replicas.iter().any(has_lost);
        for place in 0..world.replicas.len() {
            if world.ticks[place] > 0 {
                all.push((place, Action::Tick));
            }
            if world.commands > 0 {
                all.push((place, Action::Command(world.commands)));
            }
            if may_lose {
                all.push((place, Action::Loss(world.losses)));
            }
        }
        all
    }

    fn take(&self, world: &World, place: usize, what: &Action) -> Result<World, Box<Breach>> {
        let outcome = self.outcome(world.replicas[place], what)?;
        let mut next = world.clone();
        next.replicas[place] = outcome.replica;
        match what {
            Action::Tick => next.ticks[place] -= 1,
            Action::Command(_) => next.commands -= 1,
            Action::Loss(_) => next.losses -= 1,
            Action::Mail(mail) => next.mail.retain(|other| other != mail),
        }
        next.mail.extend(outcome.sent);
        next.mail.sort_unstable();
        next.mail.dedup();
        self.note_chosen(&mut next, place)?;
        Ok(next)
    }

    fn outcome(&self, replica: u32, what: &Action) -> Result<Outcome, Box<Breach>> {
        let key = key_of(&(replica, what));
        let known = self.read(|tables| tables.steps.get(&key).cloned());
        known.unwrap_or_else(|| {
            self.learn(|tables| {
                let learned = tables.take(replica, what);
                tables.steps.insert(key, learned.clone());
                learned
            })
        })
    }

    /// L1: once chosen, for ever the same value, at every replica.
    fn note_chosen(&self, world: &mut World, place: usize) -> Result<(), Box<Breach>> {
        self.read(|tables| {
            let (replica, ..) = &tables.replicas[world.replicas[place] as usize];
            for slot in 0..world.chosen.len() as u64 + 1 {
                let Some(value) = replica.chosen(Slot(slot)) else {
                    continue;
                };
                let key = key_of(value);
                match world.chosen.get(usize::try_from(slot).unwrap_or(usize::MAX)) {
                    Some(known) if *known != key => {
                        let what = format!("{} holds {value:?} for slot {slot}", replica.config().id);
                        return Err(Box::new(Breach::new(Invariant::Agreement, what)));
                    }
                    Some(_) => {}
                    None => world.chosen.push(key),
                }
            }
            Ok(())
        })
    }

    /// The steps along a way that a search found, for people.
    #[must_use]
    pub fn counterexample(&self, way: &[u128], breach: &Breach) -> Vec<String> {
        let mut lines = Vec::new();
        let mut world = self.initial();
        for print in way.iter().skip(1).map(Some).chain([None]) {
            for (place, what) in self.actions(&world) {
                let end = self.take(&world, place, &what);
                let is_next = match (&end, print) {
                    (Ok(next), Some(print)) => self.fingerprint(next) == *print,
                    (Err(wrong), None) => **wrong == *breach,
                    _ => false,
                };
                if is_next {
                    lines.push(format!("r{place}: {}", self.tell(&what)));
                    world = end.unwrap_or(world);
                    break;
                }
            }
        }
        lines
    }

    fn tell(&self, what: &Action) -> String {
        match what {
            Action::Mail(mail) => self.read(|tables| {
                let Mail { from, message, .. } = &tables.mail[*mail as usize].0;
                format!("hears {from}'s {message:?}")
            }),
            Action::Tick => "a tick passes".to_owned(),
            Action::Command(number) => format!("a client sends command {number}"),
            Action::Loss(_) => "the acceptor loses its memory".to_owned(),
        }
    }

    /// Everything is delivered in order, and clocks tick when nothing is on its way, until a leader is known to all.
    fn warm_up(&self, tables: &mut Tables) -> Vec<u32> {
        // Impatient, so that a few ticks depose a leader.
        let timing = Timing {
            heartbeat: 1,
            patience: 2,
            jitter: 1,
            resend: 1,
            ..Timing::default()
        };
        let config = |id| Config {
            timing,
            ..Config::new(ReplicaId(id), usize::from(self.bounds.replicas))
        };
        let found = |id| Replica::new(config(id), Memory::Kept(Vec::new()), Entropy([id; 32]), Time(0));
        let mut ids: Vec<u32> = (0..self.bounds.replicas)
            .map(|id| tables.replica_id(found(id).expect("the default settings are fine"), Time(0)))
            .collect();
        let mut mail: VecDeque<u32> = VecDeque::new();
        loop {
            let (place, what) = match mail.pop_front() {
                Some(id) => (usize::from(tables.mail[id as usize].0.to.0), Action::Mail(id)),
                None if tables.all_follow(&ids) => return ids,
                None => {
                    let due = |place: &usize| tables.replicas[ids[*place] as usize].0.deadline();
                    let place = (0..ids.len()).min_by_key(due).expect("there are replicas");
                    (place, Action::Tick)
                }
            };
            let outcome = tables
                .take(ids[place], &what)
                .expect("nothing goes wrong in fair weather");
            ids[place] = outcome.replica;
            mail.extend(outcome.sent);
        }
    }
}

impl Tables {
    fn has_lost_memory(&self, replica: u32) -> bool {
        let status = self.replicas[replica as usize].0.status();
        matches!(
            status.acceptor,
            kvpaxos::status::AcceptorStatus::Recovering { .. }
        )
    }

    fn all_follow(&self, ids: &[u32]) -> bool {
        let leader = |id: &u32| self.replicas[*id as usize].0.status().leader;
        let first = leader(&ids[0]);
        first.is_some() && ids.iter().all(|id| leader(id) == first)
    }

    /// Asks the core.
    fn take(&mut self, id: u32, what: &Action) -> Result<Outcome, Box<Breach>> {
        let (replica, now, _) = &self.replicas[id as usize];
        let (mut replica, mut now) = (replica.clone(), *now);
        let own = replica.config().id;
        let mut inbox: VecDeque<Event> = VecDeque::new();
        match what {
            Action::Tick => {
                now = replica.deadline().unwrap_or(now);
                inbox.push_back(Event::Clock);
            }
            Action::Mail(mail) => {
                let Mail { from, message, .. } = self.mail[*mail as usize].0.clone();
                inbox.push_back(Event::Peer {
                    from,
                    founding: None,
                    message,
                });
            }
            Action::Command(number) => inbox.push_back(Event::Client {
                from: ClientId(u64::from(*number)),
                request: Request {
                    id: 0,
                    body: RequestBody::Submit {
                        payload: Bytes::copy_from_slice(&[*number]),
                    },
                },
            }),
            Action::Loss(number) => {
                inbox.push_back(Event::Fail(Role::Acceptor));
                inbox.push_back(Event::Restart {
                    role: Role::Acceptor,
                    memory: Memory::Lost,
                    entropy: Entropy([100 + number; 32]),
                });
            }
        }
        let mut sent = Vec::new();
        while let Some(event) = inbox.pop_front() {
            let effects = guarded(|| Ok(replica.step(Input { at: now, event })))?;
            for Envelope { to, message } in envelopes(effects)? {
                if to == own {
                    inbox.push_back(Event::Peer {
                        from: own,
                        founding: None,
                        message,
                    });
                } else {
                    let from = own;
                    sent.push(self.mail_id(Mail { from, to, message }));
                }
            }
        }
        Ok(Outcome {
            replica: self.replica_id(replica, now),
            sent,
        })
    }

    fn replica_id(&mut self, replica: Replica, now: Time) -> u32 {
        let key = key_of(&(&replica, now));
        if let Some(id) = self.replica_ids.get(&key) {
            return *id;
        }
        let id = u32::try_from(self.replicas.len()).expect("fewer than 2^32 fit into memory");
        self.replicas.push((replica, now, key));
        self.replica_ids.insert(key, id);
        id
    }

    fn mail_id(&mut self, mail: Mail) -> u32 {
        let key = key_of(&mail);
        if let Some(id) = self.mail_ids.get(&key) {
            return *id;
        }
        let id = u32::try_from(self.mail.len()).expect("fewer than 2^32 fit into memory");
        self.mail.push((mail, key));
        self.mail_ids.insert(key, id);
        id
    }
}

/// What leaves: what is to be durable is so at once.
fn envelopes(effects: Vec<Effect>) -> Result<Vec<Envelope>, Box<Breach>> {
    let mut all = Vec::new();
    for effect in effects {
        match effect {
            Effect::Send(envelope) => all.push(envelope),
            Effect::Persist { then, .. } => all.extend(then),
            Effect::Halt(why) => return Err(Box::new(Breach::new(Invariant::Agreement, why.to_string()))),
            _ => {}
        }
    }
    Ok(all)
}

impl Space for Whole {
    type State = World;

    fn initial(&self) -> World {
        let replicas = self.learn(|tables| self.warm_up(tables));
        World {
            ticks: vec![self.bounds.ticks; replicas.len()],
            replicas,
            mail: Vec::new(),
            commands: self.bounds.commands,
            losses: self.bounds.losses,
            chosen: Vec::new(),
        }
    }

    fn expand(&self, world: &World, is_known: &dyn Fn(u128) -> bool, visit: &mut dyn FnMut(Next<World>)) {
        for (place, what) in self.actions(world) {
            match self.take(world, place, &what) {
                Ok(next) => {
                    let print = self.fingerprint(&next);
                    if !is_known(print) {
                        visit(Next::State(print, next));
                    }
                }
                Err(breach) => visit(Next::Breach(breach)),
            }
        }
    }

    fn fingerprint(&self, world: &World) -> u128 {
        self.read(|tables| {
            let replicas = world.replicas.iter().map(|id| tables.replicas[*id as usize].2);
            let mail = world.mail.iter().map(|id| tables.mail[*id as usize].1);
            let parts = replicas.chain(mail).chain(world.chosen.iter().copied());
            let sum = parts.fold(0u128, u128::wrapping_add);
            let ticks = world
                .ticks
                .iter()
                .fold(0u64, |sum, ticks| sum << 8 | u64::from(*ticks));
            let left = u64::from(world.commands) << 8 | u64::from(world.losses);
            sum.wrapping_add(spread(ticks)).wrapping_add(spread(left) >> 1)
        })
    }
}
