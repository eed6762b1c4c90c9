//! What was found.

use std::fmt;

use kvpaxos::recording::Entry;
use kvpaxos::{ReplicaId, Time};
use serde::Serialize;

use crate::invariants::{Coverage, Finding, Property, ProtocolCounts, seconds};

/// How the recording of a life ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Ending {
    /// The process stopped in order.
    Stopped,
    /// The recording had reached its bound; the replica went on.
    Full,
    /// Without a mark: the process was killed, or is still running.
    Open,
    /// Within a block: the process was killed while it wrote it.
    Torn,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ending::Stopped => "stopped in order",
            Ending::Full => "reached the bound of its recording",
            Ending::Open => "ended without a word",
            Ending::Torn => "ended while it wrote a block",
        })
    }
}

/// What one life of a replica took in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Played {
    /// How many inputs it took.
    pub inputs: u64,
    /// How many of them were messages of other replicas.
    pub messages: u64,
    /// How many of them were requests of clients.
    pub requests: u64,
    /// When it began, on its own clock.
    pub first: Time,
    /// When its last input came.
    pub last: Time,
    /// How its recording ends.
    pub ending: Ending,
}

impl Played {
    pub(super) fn starting(at: Time) -> Played {
        Played {
            inputs: 0,
            messages: 0,
            requests: 0,
            first: at,
            last: at,
            ending: Ending::Open,
        }
    }

    /// Counts an entry.
    pub(super) fn count(&mut self, entry: &Entry) {
        let at = match entry {
            Entry::Input { at, .. } | Entry::Own { at } | Entry::Restart { at, .. } => *at,
            _ => return,
        };
        self.inputs += 1;
        self.last = at;
        if let Entry::Input { event, .. } = entry {
            self.messages += u64::from(matches!(event, kvpaxos::Event::Peer { .. }));
            self.requests += u64::from(matches!(event, kvpaxos::Event::Client { .. }));
        }
    }
}

/// The verdict on recordings.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The number of the cluster.
    pub cluster: u64,
    /// The releases that recorded.
    pub releases: Vec<String>,
    /// For each replica, its lives.
    pub replicas: Vec<(ReplicaId, Vec<Played>)>,
    /// How many messages left for other replicas.
    pub sent: u64,
    /// How many messages arrived of which no recording knows that they were sent: from before it, or from a replica
    /// that is not recorded.
    pub unknown: u64,
    /// What the replicas did.
    pub protocol: ProtocolCounts,
    /// How often each situation occurred.
    pub coverage: Coverage,
    /// The properties that were judged.
    pub judged: Vec<Property>,
    /// Those that were not, and why.
    pub unjudged: Vec<(Property, String)>,
    /// Where the audit stopped early, and why.
    pub stopped_early: Option<String>,
    /// The first property that does not hold.
    pub violation: Option<Finding>,
    /// The end of the trace, if it was kept.
    #[serde(skip)]
    pub trace: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "recordings of cluster {:016x}, by release {}",
            self.cluster,
            self.releases.join(" and ")
        )?;
        for (id, lives) in &self.replicas {
            for (number, life) in lives.iter().enumerate() {
                let name = if number == 0 {
                    id.to_string()
                } else {
                    String::new()
                };
                writeln!(
                    f,
                    "  {name:11} {} inputs ({} messages, {} requests) in {} s, {}",
                    life.inputs,
                    life.messages,
                    life.requests,
                    seconds(Time(life.last.0.saturating_sub(life.first.0))).trim(),
                    life.ending
                )?;
            }
        }
        writeln!(f, "  executed    again, every block as it was recorded")?;
        writeln!(
            f,
            "  messages    {} sent, {} arrived that no recording sends",
            self.sent, self.unknown
        )?;
        writeln!(f, "  replicas    {}", self.protocol)?;
        let coverage: Vec<String> = self
            .coverage
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(situation, count)| format!("{situation} {count}"))
            .collect();
        writeln!(f, "  coverage    {}", coverage.join(", "))?;
        let names = |properties: &[Property]| {
            let names: Vec<String> = properties.iter().map(Property::to_string).collect();
            names.join(" ")
        };
        writeln!(f, "  judged      {}", names(&self.judged))?;
        let mut left: Vec<(Property, String)> = self.unjudged.clone();
        while let Some((_, why)) = left.first().cloned() {
            let same: Vec<Property> = left
                .iter()
                .filter(|(_, other)| *other == why)
                .map(|(property, _)| *property)
                .collect();
            left.retain(|(_, other)| *other != why);
            writeln!(f, "  not judged  {}: {why}", names(&same))?;
        }
        if let Some(why) = &self.stopped_early {
            writeln!(f, "  ended early {why}")?;
        }
        match &self.violation {
            None => writeln!(f, "  verdict     good"),
            Some(found) => writeln!(
                f,
                "  verdict     {} is violated ({}): at {} s: {}",
                found.property,
                found.property.says(),
                seconds(found.at).trim_start(),
                found.explanation
            ),
        }
    }
}
