//! A world whose replicas ran elsewhere, and go on in it: the future of a recording.

use kvpaxos::{Config, Founding, Message, Micros, Replica, ReplicaId, Role, Time};

use crate::engine::{Adopted, Decision, PacketId, Seeded, Stream};
use crate::invariants::{Property, Violation};
use crate::world::audited::Watch;
use crate::world::report::caught;
use crate::world::setup::{Setup, SetupError};
use crate::world::state::World;

/// A process that is down starts again within this time.
const LONGEST_DOWN: Micros = Micros(2_000_000);

/// What becomes of a replica that is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Down {
    /// It has not been started yet, and starts at once; its memory may be lost.
    New { lost: bool },
    /// It starts again before long.
    Restarts,
    /// It stays down, and so does a role that has failed.
    ForGood,
}

/// A process or a role starts again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Start {
    at: Time,
    id: ReplicaId,
    /// The role; `None` for the process.
    role: Option<Role>,
}

/// A replica of such a world.
pub(crate) struct Guest {
    /// Its configuration.
    pub(crate) config: Config,
    /// Its state.
    pub(crate) adopted: Adopted<Replica>,
    /// What becomes of it if it is down.
    pub(crate) down: Down,
}

impl World {
    /// A world that begins at `now` with these replicas, in the order of their ids, and with what was seen of them so far.
    ///
    /// # Errors
    /// If the setup is not valid.
    pub(crate) fn resumed(
        setup: Setup,
        watch: Watch,
        now: Time,
        guests: Vec<Guest>,
    ) -> Result<(World, Vec<Start>), SetupError> {
        setup.check()?;
        let configs = guests.iter().map(|guest| guest.config.clone()).collect();
        let decider = Box::new(Seeded::new(setup.seed));
        let mut engine = World::<Replica>::engine(&setup, configs, decider, watch);
        engine.begin_at(now);
        let mut starts = Vec::new();
        for (id, guest) in (0u8..).map(ReplicaId).zip(guests) {
            let is_down = guest.adopted.machine.is_none();
            let failed = guest.adopted.failed.clone();
            engine.adopt(id, guest.adopted);
            let mut later = |role| {
                let pause = engine
                    .decider()
                    .below(Stream::Nemesis, Decision::FaultLength, LONGEST_DOWN.0);
                let at = now.after(Micros(pause));
                starts.push(Start { at, id, role });
            };
            match guest.down {
                Down::New { lost } if is_down => engine.start(id, lost),
                Down::Restarts if is_down => later(None),
                Down::ForGood => {}
                _ => failed.into_iter().for_each(|role| later(Some(role))),
            }
        }
        starts.sort();
        Ok((World::around(setup, engine), starts))
    }

    /// A message is on its way, and arrives at this time.
    pub(crate) fn on_its_way(
        &mut self,
        ends: [ReplicaId; 2],
        founding: Option<Founding>,
        message: Message,
        at: Time,
    ) {
        self.engine
            .on_its_way(ends, founding, message, PacketId::default(), at);
    }

    /// Lets clients come, and processes that are down start at these times. Ends at the `horizon`, or with the first property
    /// that does not hold.
    pub(crate) fn play_on(&mut self, starts: &[Start], horizon: Time) -> Result<(), Violation> {
        caught(self, |world| {
            world.start_clients();
            for Start { at, id, role } in starts {
                world.run_to((*at).min(horizon));
                match role {
                    _ if world.now() >= horizon || world.finding().is_some() => {}
                    None => world.start(*id),
                    Some(role) => world.engine.restart_role(*id, *role, false),
                }
            }
            world.run_to(horizon);
            world.check_findings()
        })
    }

    fn run_to(&mut self, at: Time) {
        if at > self.now() {
            self.run_for(Micros(at.0 - self.now().0));
        }
    }
}

/// What a violation of a recording and one of its future have in common: of an assertion, which replica fails is none of
/// it.
pub(crate) fn without_replica(property: Property, explanation: &str) -> &str {
    if property != Property::Assertion {
        return explanation;
    }
    let is_replica = |name: &str| {
        name.strip_prefix('r')
            .is_some_and(|number| number.parse::<u8>().is_ok())
    };
    match explanation.split_once(": ") {
        Some((name, why)) if is_replica(name) => why,
        _ => explanation,
    }
}
