//! Variations of stretches of the run.
//!
//! A sample takes a stretch of the best run, leaves out some of its faults and calls, and keeps some of the fates of
//! its messages; what is not kept is drawn, or is the default. Nothing is certain about a sample, but a short
//! one takes a thousandth of the time of a long run. So each length gets the same number of *events*: the short
//! ones are tried thousands of times, and the long ones a few times.

use std::ops::ControlFlow;

use kvpaxos::{Micros, Random, Time};

use super::Shrinker;
use super::window::Window;
use crate::decisions::{Anchor, Sampling, anchors};
use crate::shrinking::{Player, Progress};
use crate::world::scenario::play::Recording;
use crate::world::scenario::{End, Scenario};

/// The shortest stretch of a run that is tried.
const SHORTEST: u64 = 100_000;

/// So many samples are tried at most before a smaller one is found.
const TRIES: u64 = 3_000;

/// So many eighths of something are kept.
const KEPT: [u64; 6] = [8, 8, 7, 6, 4, 2];

/// So many of a million decisions are drawn.
const SHARES: [u32; 8] = [0, 0, 1_000, 4_000, 16_000, 60_000, 250_000, 1_000_000];

/// How a run leads up to the stretch.
const LEADS: [Micros; 3] = [Micros(0), Micros(300_000), Micros(1_000_000)];

/// What is drawn about a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// How many eighths are kept.
    faults: u64,
    calls: u64,
    clients: u64,
    fates: u64,
    /// How many of a million decisions are drawn.
    share: u32,
    lead: Micros,
    /// Whether the stretch ends where the run ends.
    at_end: bool,
    /// Whether random bits are others.
    reseeded: bool,
    /// By how many microseconds faults and calls may come sooner or later.
    jitter: u64,
    /// How many times as fast everything happens.
    squeeze: u64,
}

impl Shape {
    fn draw(random: &mut Random) -> Shape {
        let mut kept = || KEPT[pick(random, KEPT.len())];
        let (faults, calls, clients) = (kept(), kept(), kept());
        let fates = [8, 8, 7, 4, 0, 0][pick(random, 6)];
        Shape {
            faults,
            calls,
            clients,
            fates,
            share: SHARES[pick(random, SHARES.len())],
            lead: LEADS[pick(random, LEADS.len())],
            at_end: random.below(4) > 0,
            reseeded: random.below(2) == 0,
            jitter: [0, 0, 50_000, 500_000][pick(random, 4)],
            squeeze: [1, 1, 1, 2, 4][pick(random, 5)],
        }
    }

    /// The shape, with one part drawn anew.
    fn varied(self, random: &mut Random) -> Shape {
        let mut shape = self;
        let other = Shape::draw(random);
        match random.below(10) {
            0 => shape.faults = other.faults,
            1 => shape.calls = other.calls,
            2 => shape.clients = other.clients,
            3 => shape.fates = other.fates,
            4 => shape.share = other.share,
            5 => shape.lead = other.lead,
            6 => shape.at_end = other.at_end,
            8 => shape.squeeze = other.squeeze,
            7 => shape.jitter = other.jitter,
            _ => shape.reseeded = other.reseeded,
        }
        shape
    }
}

fn pick(random: &mut Random, length: usize) -> usize {
    usize::try_from(random.below(length as u64)).unwrap_or(0)
}

/// Moves faults and calls by at most so many microseconds.
fn jitter(scenario: &mut Scenario, most: u64, random: &mut Random) {
    if most == 0 {
        return;
    }
    let mut moved = |at: Time| Time((at.0 + random.below(2 * most)).saturating_sub(most));
    for fault in &mut scenario.faults {
        // A clock that is wrong from the beginning on stays so.
        if fault.at > Time(0) {
            fault.at = moved(fault.at);
        }
    }
    for call in &mut scenario.calls {
        call.at = moved(call.at);
    }
    scenario.faults.sort_by_key(|fault| fault.at);
    scenario.calls.sort_by_key(|call| call.at);
}

impl<P, H> Shrinker<P, H>
where
    P: Player<Scenario = Scenario, Outcome = Recording>,
    H: FnMut(&Progress<'_, Recording>) -> ControlFlow<()>,
{
    /// Looks for a smaller run, until one is found or so many events are played.
    pub(super) fn sample(&mut self, patience: u64) -> bool {
        let began = self.search.events();
        let (End::Stop(end) | End::Heal(end)) = self.search.scenario().end;
        let scales = u64::from((end.0 / SHORTEST).max(1).ilog2()) + 1;
        let mut spent = vec![0; usize::try_from(scales).unwrap_or(1)];
        let mut random = Random::from_seed(self.search.runs());
        let best = self.search.best();
        let fates = anchors(&best.scenario.deviations.fates, &best.sent, Time(0), |at| at);
        let mut tries = 0;
        while !self.search.is_stopped() && self.search.events() < began + patience && tries < TRIES {
            tries += 1;
            // The scale on which the fewest events were played.
            let Some(scale) = (0..spent.len()).min_by_key(|scale| spent[*scale]) else {
                return false;
            };
            let shape = match self.lucky {
                Some(shape) if random.below(2) == 0 => shape.varied(&mut random),
                _ => Shape::draw(&mut random),
            };
            let sample = self.stretch(shape, end.0 >> scale, &fates, &mut random);
            let before = self.search.events();
            if self.search.attempt(&sample) {
                self.lucky = Some(shape);
                return true;
            }
            spent[scale] += (self.search.events() - before).max(1);
        }
        false
    }

    /// A stretch of this length as the shape says. `fates` are those of the best run, in the order of their times.
    fn stretch(&self, shape: Shape, length: u64, fates: &[Anchor], random: &mut Random) -> Scenario {
        let best = self.search.best();
        let (End::Stop(end) | End::Heal(end)) = best.scenario.end;
        let to = if shape.at_end {
            end.0
        } else {
            length + random.below(end.0.saturating_sub(length) + 1)
        };
        let window = Window {
            from: Time(to.saturating_sub(length)),
            to: Time(to),
            lead: shape.lead,
            squeeze: shape.squeeze,
        };
        let mut scenario = window.of(best, fates);
        let mut keeps = |eighths: u64| eighths == 8 || random.below(8) < eighths;
        scenario.faults.retain(|_| keeps(shape.faults));
        let kept: Vec<bool> = (0..scenario.setup.clients.count)
            .map(|_| keeps(shape.clients))
            .collect();
        let is_kept = |client: u32| kept.get(client as usize).copied().unwrap_or(true);
        scenario
            .calls
            .retain(|call| is_kept(call.client) && keeps(shape.calls));
        scenario.variation.anchors.retain(|_| keeps(shape.fates));
        jitter(&mut scenario, shape.jitter, random);
        let seed = random.next_u64();
        if shape.reseeded {
            scenario.setup.seed = seed % 1_000_000;
        }
        scenario.variation.sampling = (shape.share > 0).then_some(Sampling {
            seed,
            share: shape.share,
            links: self.origin.links,
            sync: self.origin.sync,
        });
        scenario
    }

    /// Looks for a run with fewer decisions in the place of some of them, until one is found or so many events are played.
    pub(super) fn vary(&mut self, patience: u64) -> bool {
        let began = self.search.events();
        let mut random = Random::from_seed(self.search.runs());
        let mut tries = 0;
        while !self.search.is_stopped() && self.search.events() < began + patience && tries < TRIES {
            tries += 1;
            let variant = self.variant(&mut random);
            if self.search.attempt(&variant) {
                return true;
            }
        }
        false
    }

    /// The best scenario without some of its decisions, and with fewer drawn ones in their place.
    fn variant(&self, random: &mut Random) -> Scenario {
        let best = self.search.best();
        let mut scenario = best.scenario.clone();
        let before = scenario.faults.len() + scenario.calls.len() + scenario.deviations.len();
        // Out of 64.
        let mut rates = || [0, 1, 4, 16, 32, 64][pick(random, 6)];
        let (faults, calls, fates, others) = (rates(), rates(), rates(), rates());
        let mut goes = |rate: u64| random.below(64) < rate;
        scenario.faults.retain(|_| !goes(faults.min(32)));
        scenario.calls.retain(|_| !goes(calls.min(32)));
        let Scenario { deviations, .. } = &mut scenario;
        deviations.fates.retain(|_, _| !goes(fates));
        deviations.syncs.retain(|_, _| !goes(others));
        deviations.draws.retain(|_, _| !goes(others));
        let after = scenario.faults.len() + scenario.calls.len() + scenario.deviations.len();
        let gone = (before - after) as u64;
        let seed = random.next_u64();
        if random.below(2) == 0 {
            scenario.setup.seed = seed % 1_000_000;
            if !scenario.deviations.fates.is_empty() {
                let fates = std::mem::take(&mut scenario.deviations.fates);
                scenario.variation.anchors = anchors(&fates, &best.sent, Time(0), |at| at);
            }
        }
        let events = best.report.counts.events.max(1);
        let most = gone * 1_000_000 / events;
        let share = [0, most / 4, most / 2, most][pick(random, 4)];
        let share = u32::try_from(share.min(1_000_000)).unwrap_or(0);
        scenario.variation.sampling = (share > 0).then_some(Sampling {
            seed,
            share,
            links: self.origin.links,
            sync: self.origin.sync,
        });
        scenario
    }
}
