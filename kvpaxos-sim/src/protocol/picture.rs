//! The timeline of a run, for its page.

use super::play::{Recording, decider_of, judged};
use super::seam::Protocol;
use super::world::World;
use crate::decisions::Record;
use crate::timeline::{Found, Timeline};

/// Plays a run again, and draws it: see [`page`](crate::timeline::page()).
#[must_use]
pub fn timeline<P: Protocol>(protocol: &P, run: &Recording<P>) -> Timeline {
    let scenario = &run.scenario;
    let decider = decider_of(scenario, Record::default());
    let mut world = World::new(protocol, &scenario.setup, Some(scenario), Box::new(decider));
    world
        .engine
        .observer
        .draw(protocol.configs().len(), scenario.setup.clients);
    let violation = judged(&mut world, scenario.stop);
    let Some(mut drawn) = world.engine.observer.timeline.take() else {
        return Timeline::default();
    };
    if let Some(violation) = violation {
        drawn.violated(Found {
            property: P::NAME.to_owned(),
            says: violation.says.clone(),
            at: violation.at.0,
            explanation: violation.lines.first().cloned().unwrap_or(violation.says),
            lines: violation.lines,
            event: None,
        });
    }
    let mut timeline = drawn.finish();
    timeline.title = format!("{}, seed {}", P::NAME, scenario.setup.seed);
    timeline.scenario = Some(scenario.to_string());
    timeline.replay = Some("replay FILE".to_owned());
    timeline
}
