//! Which faults are drawn, how they begin, and how they end.

use std::collections::{BTreeMap, VecDeque};

use kvpaxos::{Micros, ReplicaId};

use crate::engine::{Alarm, Decision, Engine, EntryKind, Machine, Observer, RIGHT_SPEED, Stream};
use crate::protocol::setup::Setup;
use crate::world::{Fault, FaultKind, LastingFault, PlannedFault, inflict, partition};

/// The faults of a run.
pub(super) struct Nemesis {
    setup: Setup,
    /// Those of a scenario that have not begun; `None` if faults are drawn.
    plan: Option<VecDeque<PlannedFault>>,
    active: BTreeMap<u32, LastingFault>,
    next: u32,
    /// Those that have begun.
    pub(super) begun: Vec<PlannedFault>,
}

const STREAM: Stream = Stream::Nemesis;

/// The speeds of wrong clocks, in local microseconds per million simulated ones.
const SPEEDS: [u64; 4] = [250_000, 900_000, RIGHT_SPEED + 100_000, 3_000_000];

impl Nemesis {
    pub(super) fn new(setup: &Setup, plan: Option<Vec<PlannedFault>>) -> Nemesis {
        Nemesis {
            setup: setup.clone(),
            plan: plan.map(VecDeque::from),
            active: BTreeMap::new(),
            next: 0,
            begun: Vec::new(),
        }
    }

    /// Sets the alarm for the next fault.
    pub(super) fn schedule<M: Machine, O: Observer<M>>(&self, engine: &mut Engine<M, O>) {
        let at = match &self.plan {
            Some(plan) => plan.front().map(|next| next.at.max(engine.now())),
            None if self.setup.faults.kinds.is_empty() => None,
            None => {
                let pause = self.setup.faults.pause.0;
                let pause = engine.decider().below(STREAM, Decision::FaultPause, pause);
                Some(engine.now().after(Micros(pause + 1)))
            }
        };
        if let Some(at) = at {
            engine.alarm(at, Alarm::NextFault);
        }
    }

    /// The next fault begins.
    pub(super) fn on_next_fault<M: Machine, O: Observer<M>>(&mut self, engine: &mut Engine<M, O>) {
        let planned = match &mut self.plan {
            Some(plan) => plan.pop_front(),
            None => self.draw(engine),
        };
        if let Some(planned) = planned.filter(|planned| is_possible(&planned.fault, engine)) {
            self.begin(planned, engine);
        }
        self.schedule(engine);
    }

    fn begin<M: Machine, O: Observer<M>>(&mut self, planned: PlannedFault, engine: &mut Engine<M, O>) {
        let number = planned.number;
        self.next = self.next.max(number + 1);
        engine.add_to_digest(EntryKind::Fault, [engine.now().0, number.into(), planned.lasts.0]);
        match &planned.fault {
            Fault::Lasting(fault) => {
                engine.decider().set_fault(Some(number));
                inflict::begin(fault, engine);
                engine.decider().set_fault(None);
                self.active.insert(number, fault.clone());
                engine.alarm(engine.now().after(planned.lasts), Alarm::FaultEnd(number));
            }
            instant => inflict::begin_instant(instant, engine),
        }
        self.begun.push(planned);
    }

    /// A fault ends.
    pub(super) fn on_end<M: Machine, O: Observer<M>>(&mut self, number: u32, engine: &mut Engine<M, O>) {
        let Some(fault) = self.active.remove(&number) else {
            return;
        };
        engine.add_to_digest(EntryKind::FaultEnd, [engine.now().0, number.into(), 0]);
        engine.decider().set_fault(Some(number));
        inflict::end(&fault, self.setup.sync, engine);
        // The process stopped while the fault lasted, and no other fault will start it.
        if let LastingFault::Full(id) | LastingFault::CrashAtSync(id) = fault
            && !self.is_down(id)
        {
            engine.start(id, false);
        }
        engine.decider().set_fault(None);
    }

    fn is_down(&self, id: ReplicaId) -> bool {
        let mut active = self.active.values();
        active.any(|fault| matches!(fault, LastingFault::Down { id: other, .. } if *other == id))
    }

    fn draw<M: Machine, O: Observer<M>>(&mut self, engine: &mut Engine<M, O>) -> Option<PlannedFault> {
        let hosts = engine.ids().count();
        let ids: Vec<ReplicaId> = engine.ids().collect();
        let (number, at) = (self.next, engine.now());
        let decider = engine.decider();
        let kind = decider.pick(STREAM, Decision::FaultKind, &self.setup.faults.kinds);
        let id = decider.pick(STREAM, Decision::FaultTarget, &ids);
        let lasts = decider.below(STREAM, Decision::FaultLength, self.setup.faults.length.0);
        let planned = |fault| PlannedFault {
            number,
            at,
            lasts: Micros(lasts + 1),
            fault: Fault::Lasting(fault),
        };
        let down = |id, lost| LastingFault::Down {
            id,
            lost,
            damage: None,
        };
        let fault = match kind {
            FaultKind::Crash => down(id, false),
            FaultKind::LoseDisk => down(id, true),
            FaultKind::CrashAll => {
                // All but one begin here, each as a fault of its own.
                for (number, other) in (number..).zip(ids.iter().filter(|other| **other != id)) {
                    let crash = PlannedFault {
                        number,
                        ..planned(down(*other, false))
                    };
                    if is_possible(&crash.fault, engine) {
                        self.begin(crash, engine);
                    }
                }
                let number = self.next;
                return Some(PlannedFault {
                    number,
                    ..planned(down(id, false))
                });
            }
            FaultKind::CrashAtSync => LastingFault::CrashAtSync(id),
            FaultKind::FullDisk => LastingFault::Full(id),
            FaultKind::SlowDisk => LastingFault::Slow(id),
            FaultKind::DegradeLinks => LastingFault::DegradedLinks(id),
            FaultKind::Pause => LastingFault::Paused(id),
            FaultKind::DriftClock => {
                let speed = decider.pick(STREAM, Decision::FaultDetail, &SPEEDS);
                LastingFault::Drift { id, speed }
            }
            FaultKind::JumpClock => {
                let by = Micros(decider.below(STREAM, Decision::FaultDetail, 5_000_000));
                let fault = Fault::Jump { id, by };
                return Some(PlannedFault {
                    number,
                    at,
                    lasts: Micros(0),
                    fault,
                });
            }
            FaultKind::Split
            | FaultKind::Isolate
            | FaultKind::OneWay
            | FaultKind::Partial
            | FaultKind::Hub
            | FaultKind::CutClient => {
                LastingFault::Cut(partition::draw(kind, id, hosts, self.setup.clients, decider))
            }
            // These concern roles, files or messages of replicas of kvpaxos.
            _ => return None,
        };
        match &fault {
            LastingFault::Cut(cuts) if cuts.is_empty() => None,
            _ => Some(planned(fault)),
        }
    }
}

/// Whether a fault can begin now: only a process that runs can crash or be paused.
fn is_possible<M: Machine, O: Observer<M>>(fault: &Fault, engine: &Engine<M, O>) -> bool {
    match fault {
        Fault::Lasting(
            LastingFault::Down { id, .. } | LastingFault::Paused(id) | LastingFault::Stopping { id, .. },
        ) => engine.machine(*id).is_some() && !engine.is_paused(*id),
        _ => true,
    }
}
