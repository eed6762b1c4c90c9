//! The event after which the failure of a run was likely, and the one after which it was certain.

use std::fmt;

use kvpaxos::Time;

use super::play::{judged, record};
use super::seam::Protocol;
use super::world::World;
use crate::decisions::words::seconds;
use crate::engine::Seeded;
use crate::explain::{Explanation, Future, Plan, Turn, explain as search};

/// What was found, with the events in words.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What was found.
    pub explanation: Explanation,
    /// The event after which the failure was likely.
    pub likely: Option<String>,
    /// The event after which it was certain.
    pub certain: Option<String>,
}

/// Draws the future of a seed's run again and again, from points of it; see [`crate::explain`]. Returns `None` if the
/// run violates nothing.
pub fn explain<P: Protocol>(
    protocol: &P,
    seed: u64,
    plan: &Plan,
    progress: impl FnMut(u64),
) -> Option<Explained> {
    let recording = record(protocol, seed);
    let manner = recording.violation?.manner();
    let setup = protocol.setup().drawn(seed);
    let until = Time(0).after(setup.length);
    let explanation = search(
        recording.counts.events,
        plan,
        |fork| {
            let decider = fork.decider(Box::new(Seeded::new(seed)));
            let mut world = World::new(protocol, &setup, None, decider);
            match judged(&mut world, until) {
                None => Future::Holds,
                Some(violation) if violation.manner() == manner => Future::Fails,
                Some(_) => Future::FailsOtherwise,
            }
        },
        progress,
    );
    let event = |turn: &Turn| {
        let mut world = World::new(protocol, &setup, None, Box::new(Seeded::new(seed)));
        world
            .engine
            .observer
            .draw(protocol.configs().len(), setup.clients);
        world.last_event = Some(turn.event);
        let _ = judged(&mut world, until);
        let timeline = world.engine.observer.timeline.take()?.finish();
        let event = timeline.events.last()?;
        let node = &timeline.nodes.get(usize::from(event.node.0))?.name;
        let mut text = format!("{} {node} {}", seconds(event.at), event.text);
        for note in &event.notes {
            text.push_str("; ");
            text.push_str(note);
        }
        Some(text)
    };
    Some(Explained {
        likely: explanation.likely.as_ref().and_then(event),
        certain: explanation.certain.as_ref().and_then(event),
        explanation,
    })
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation {
            futures,
            likely,
            certain,
            ..
        } = &self.explanation;
        writeln!(
            f,
            "{futures} futures were drawn; from the start {} fail",
            self.explanation.from_the_start()
        )?;
        let turns = [
            ("likely", likely, &self.likely),
            ("certain", certain, &self.certain),
        ];
        for (what, turn, text) in turns {
            let Some(turn) = turn else {
                writeln!(f, "no event made it {what}")?;
                continue;
            };
            let Turn { event, before, after } = turn;
            let text = text.as_deref().unwrap_or_default();
            writeln!(
                f,
                "event {event} made it {what}: before {before} fail, after {after}\n  {text}"
            )?;
        }
        Ok(())
    }
}
