//! Runs as timelines.

use super::play::Recording;
use crate::engine::Traffic;
use crate::subject::Subject;
use crate::timeline::Timeline;
use crate::world::clients::OperationCounts;
use crate::world::report::Report;
use crate::world::state::World;

/// A run, with its timeline.
#[derive(Clone, Debug)]
pub struct Pictured {
    /// The outcome, and the scenario.
    pub recording: Recording,
    /// What happened.
    pub timeline: Timeline,
    /// How many events the timeline had when each event of the engine began.
    begun: Vec<usize>,
}

impl Pictured {
    /// Marks what happened in an event of the engine; the first one is 1. See [`Timeline::point_out`].
    pub fn point_out(&mut self, event: u64, name: &str, text: String) {
        self.timeline.point_out(&self.begun, event, name, text);
    }
}

/// Takes the timeline of a world that has been played. It is empty if the world has none.
pub(super) fn pictured<M: Subject>(world: &mut World<M>, recording: Recording) -> Pictured {
    let (mut timeline, begun) = match world.engine.observer.take_timeline() {
        Some((observer, begun)) => (observer.finish(), begun),
        None => (Timeline::default(), Vec::new()),
    };
    let Recording { scenario, report, .. } = &recording;
    timeline.title = format!("seed {}", report.setup.seed);
    if let Some(mutant) = &scenario.mutant {
        timeline.title += &format!(", mutant {mutant}");
    }
    timeline.facts = facts(report);
    timeline.scenario = Some(scenario.to_string());
    timeline.replay = Some("kvpaxos-sim replay FILE --trace".to_owned());
    if let (Some(found), Some(violation)) = (&mut timeline.violation, &report.violation) {
        found.lines.clone_from(&violation.history);
    }
    world.recorder.mark_parts(&mut timeline);
    Pictured {
        recording,
        timeline,
        begun,
    }
}

fn facts(report: &Report) -> Vec<(String, String)> {
    let setup = &report.setup;
    let quorums = setup.cluster.quorums;
    let Traffic {
        sent,
        dropped,
        duplicated,
        cut,
    } = report.traffic;
    let OperationCounts {
        begun,
        done,
        refused,
        unknown,
    } = report.operations;
    let facts = [
        (
            "cluster",
            format!(
                "{} replicas, quorums {} and {}, {:?} update",
                setup.cluster.replicas, quorums.phase1, quorums.phase2, setup.cluster.update
            ),
        ),
        (
            "network",
            format!("{} delays, {} syncs", setup.links.delay.name, setup.sync.name),
        ),
        (
            "messages",
            format!("{sent} sent, {dropped} lost, {duplicated} repeated, {cut} cut off"),
        ),
        (
            "operations",
            format!("{begun} begun, {done} done, {refused} refused, {unknown} unknown"),
        ),
        (
            "events",
            format!(
                "{} of the simulator, digest {}",
                report.counts.events, report.digest
            ),
        ),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
}
