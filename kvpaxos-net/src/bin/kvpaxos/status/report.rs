//! What all replicas say together: whether the cluster serves, and what is wrong.

use std::collections::BTreeMap;

use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use kvpaxos::{Ballot, ReplicaSet, Slot, Status};
use kvpaxos_net::DriverStatus;
use serde_json::{Value, json};

use crate::exit::Exit;

/// What the servers of a list answered, in the order of the list.
pub(crate) struct Report(pub(crate) Vec<Row>);

pub(crate) struct Row {
    pub(crate) server: String,
    /// The status, and what the shell tells of itself; or why there is none.
    pub(crate) answer: Result<(Status, DriverStatus), String>,
}

impl Report {
    fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.0
            .iter()
            .filter_map(|row| row.answer.as_ref().ok())
            .map(|(status, _)| status)
    }

    /// Whether the server at this place of the list answers, and knows a leader.
    #[cfg(unix)]
    pub(crate) fn serves(&self, place: usize) -> bool {
        let answer = self.0.get(place).and_then(|row| row.answer.as_ref().ok());
        answer.is_some_and(|(status, _)| status.leader.is_some() && status.doubt.is_none())
    }

    /// The exit code, and the verdict in a line that gives the reason.
    pub(crate) fn verdict(&self) -> (Exit, String) {
        let asked = self.0.len();
        let answered = self.statuses().count();
        if answered == 0 {
            return (
                Exit::Unavailable,
                format!("unavailable: none of {asked} servers answers"),
            );
        }
        if let Some(why) = self.difference() {
            return (Exit::Differ, format!("replicas differ: {why}"));
        }
        let Some(leader) = self.leader() else {
            let why = match answered {
                1 => "no leader: the one replica that answers knows none".to_owned(),
                _ => format!("no leader: none of {answered} replicas that answer knows one"),
            };
            return (Exit::Leaderless, why);
        };
        let leads = format!("{} leads with {leader}", leader.replica);
        let mut faults = Vec::new();
        if answered < asked {
            let silent: Vec<&str> = self
                .0
                .iter()
                .filter(|row| row.answer.is_err())
                .map(|row| row.server.as_str())
                .collect();
            faults.push(format!("{} cannot be reached", silent.join(", ")));
        }
        let impaired: ReplicaSet = self
            .statuses()
            .filter(|it| impaired(it))
            .map(|it| it.id)
            .collect();
        if !impaired.is_empty() {
            faults.push(format!("not all roles of {impaired} work"));
        }
        let disturbed = self.disturbed();
        if !disturbed.is_empty() {
            faults.push(format!("{disturbed} disturbed on purpose"));
        }
        if faults.is_empty() {
            let plural = if answered == 1 { "" } else { "s" };
            (Exit::Done, format!("good: {answered} replica{plural}, {leads}"))
        } else {
            (
                Exit::Impaired,
                format!("impaired: {}; {leads}", faults.join("; ")),
            )
        }
    }

    /// The replicas at which something is disturbed on purpose.
    fn disturbed(&self) -> ReplicaSet {
        let answers = self.0.iter().filter_map(|row| row.answer.as_ref().ok());
        answers
            .filter(|(_, driver)| driver.disturbance.is_some())
            .map(|(status, _)| status.id)
            .collect()
    }

    /// The replicas that others have not heard from.
    pub(super) fn silent(&self) -> ReplicaSet {
        self.statuses().flat_map(|status| status.silent.iter()).collect()
    }

    /// The ballot of the leader, by what the replicas say; the highest counts.
    pub(crate) fn leader(&self) -> Option<Ballot> {
        let own = |status: &Status| match status.proposer {
            ProposerStatus::Leading { ballot } => Some(ballot),
            _ => status.leader,
        };
        self.statuses().filter_map(own).max()
    }

    /// Which replicas differ, if any do: by what they say themselves, or by their digests at one slot.
    fn difference(&self) -> Option<String> {
        if let Some(status) = self.statuses().find(|status| !status.differing.is_empty()) {
            return Some(format!("{} from {}", status.id, status.differing));
        }
        let mut digests: BTreeMap<Slot, &Status> = BTreeMap::new();
        for status in self.statuses() {
            let LearnerStatus::Learning { applied, digest, .. } = status.learner else {
                continue;
            };
            let first = *digests.entry(applied).or_insert(status);
            if matches!(first.learner, LearnerStatus::Learning { digest: other, .. } if other != digest) {
                return Some(format!(
                    "{} and {} have different digests after the same slots, up to {applied}",
                    first.id, status.id
                ));
            }
        }
        None
    }

    /// The most slots that any replica has applied.
    pub(super) fn highest_applied(&self) -> u64 {
        self.statuses().filter_map(applied).max().unwrap_or(0)
    }

    /// The report as a JSON object.
    pub(crate) fn as_value(&self) -> Value {
        let (exit, verdict) = self.verdict();
        let highest = self.highest_applied();
        let rows = self.0.iter().map(|row| match &row.answer {
            Err(why) => json!({ "server": row.server, "unreachable": why }),
            Ok((status, driver)) => {
                let mut value = status_value(status);
                value["version"] = driver.version.clone().into();
                value["log_bytes"] = driver.log_bytes.into();
                value["connections"] = driver.connections.into();
                value["disturbance"] = driver.disturbance.as_ref().map_or(Value::Null, |it| {
                    json!({ "what": it.what, "millis_left": u64::try_from(it.left.as_millis()).unwrap_or(u64::MAX) })
                });
                value["last_problem"] = driver.last_problem.as_ref().map_or(Value::Null, |last| {
                    json!({ "text": last.text, "millis_ago": u64::try_from(last.ago.as_millis()).unwrap_or(u64::MAX) })
                });
                value["server"] = row.server.clone().into();
                value["lag"] = applied(status).map(|applied| highest - applied).into();
                value
            }
        });
        json!({
            "exit": exit as u8,
            "verdict": verdict,
            "leader": self.leader().map(|ballot| ballot.replica.0),
            "ballot": self.leader().map(|ballot| ballot.to_string()),
            "replicas": rows.collect::<Vec<Value>>(),
        })
    }
}

/// The number of slots that a replica has applied; `None` if its learner has failed.
pub(super) fn applied(status: &Status) -> Option<u64> {
    match status.learner {
        LearnerStatus::Learning { applied, .. } => Some(applied.0),
        LearnerStatus::Failed => None,
    }
}

/// Whether a role of it does not work, for now or for good.
fn impaired(status: &Status) -> bool {
    status.proposer == ProposerStatus::Failed
        || !matches!(status.acceptor, AcceptorStatus::Voting { .. })
        || status.learner == LearnerStatus::Failed
}

fn status_value(status: &Status) -> Value {
    let ids = |set: ReplicaSet| set.iter().map(|id| id.0).collect::<Vec<u8>>();
    let (proposer, ballot) = match status.proposer {
        ProposerStatus::Failed => ("failed", None),
        ProposerStatus::Following => ("following", None),
        ProposerStatus::Preparing { ballot } => ("preparing", Some(ballot)),
        ProposerStatus::Leading { ballot } => ("leading", Some(ballot)),
    };
    let (acceptor, promised, incarnation, unanswered) = match status.acceptor {
        AcceptorStatus::Failed => ("failed", None, None, None),
        AcceptorStatus::Voting { promised } => ("voting", Some(promised), None, None),
        AcceptorStatus::Out => ("out", None, None, None),
        AcceptorStatus::Recovering {
            incarnation,
            unanswered,
        } => ("recovering", None, incarnation, Some(unanswered)),
    };
    let learner = match status.learner {
        LearnerStatus::Failed => json!({ "state": "failed" }),
        LearnerStatus::Learning {
            applied,
            keys,
            sessions,
            digest,
        } => json!({
            "state": "learning", "applied": applied.0, "keys": keys, "sessions": sessions,
            "digest": format!("{digest:032x}"),
        }),
    };
    json!({
        "replica": status.id.0,
        "members": ids(status.members),
        "proposer": { "state": proposer, "ballot": ballot.map(|ballot| ballot.to_string()) },
        "acceptor": {
            "state": acceptor, "promised": promised.map(|ballot| ballot.to_string()),
            "incarnation": incarnation.map(|it| it.0), "unanswered": unanswered.map(ids),
        },
        "learner": learner,
        "leader": status.leader.map(|ballot| ballot.to_string()),
        "pending": status.pending,
        "silent": ids(status.silent),
        "waiting_for": ids(status.waiting_for),
        "lost": ids(status.lost),
        "differing": ids(status.differing),
        "serves": status.doubt.is_none(),
        "stopping": status.stopping,
        "chosen": status.chosen.0,
        "life": status.life.map(|life| json!({ "incarnation": life.incarnation.0, "restarts": life.restarts })),
        "snapshot": status.snapshot.map(|snapshot| json!({ "slot": snapshot.slot.0, "bytes": snapshot.bytes })),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use kvpaxos::status::SnapshotStatus;
    use kvpaxos::{Incarnation, Life, ReplicaId};

    use std::time::Duration;

    use kvpaxos_net::PresentDisturbance;

    use super::*;

    /// A replica that follows r0, or leads.
    pub(in super::super) fn status(id: u8, applied: u64, digest: u128) -> Status {
        let ballot = Ballot {
            round: 3,
            replica: ReplicaId(0),
            ..Ballot::ZERO
        };
        Status {
            id: ReplicaId(id),
            members: ReplicaSet::first(3),
            proposer: match id {
                0 => ProposerStatus::Leading { ballot },
                _ => ProposerStatus::Following,
            },
            acceptor: AcceptorStatus::Voting { promised: ballot },
            learner: LearnerStatus::Learning {
                applied: Slot(applied),
                keys: 2,
                sessions: 1,
                digest,
            },
            leader: Some(ballot),
            silent: ReplicaSet::EMPTY,
            waiting_for: ReplicaSet::EMPTY,
            pending: 0,
            lost: ReplicaSet::EMPTY,
            differing: ReplicaSet::EMPTY,
            doubt: None,
            stopping: false,
            life: Some(Life {
                incarnation: Incarnation(0),
                restarts: 4,
            }),
            chosen: Slot(applied + 1),
            snapshot: (applied > 9).then_some(SnapshotStatus {
                slot: Slot(10),
                bytes: 5_500,
            }),
        }
    }

    pub(in super::super) fn report(answers: Vec<Result<Status, &str>>) -> Report {
        let row = |(port, answer): (usize, Result<Status, &str>)| Row {
            server: format!("127.0.0.1:{port}"),
            answer: answer
                .map(|status| (status, DriverStatus::default()))
                .map_err(str::to_owned),
        };
        Report((7200..).zip(answers).map(row).collect())
    }

    #[test]
    fn what_is_wrong_has_a_code_and_stands_in_the_first_line() {
        let verdict = |answers| report(answers).verdict();
        let (exit, line) = verdict(vec![
            Ok(status(0, 9, 7)),
            Ok(status(1, 8, 5)),
            Ok(status(2, 9, 7)),
        ]);
        assert_eq!(
            (exit, line.as_str()),
            (Exit::Done, "good: 3 replicas, r0 leads with b3.r0")
        );

        let (exit, line) = verdict(vec![Ok(status(0, 9, 7)), Err("refused"), Ok(status(2, 9, 7))]);
        assert_eq!(exit, Exit::Impaired);
        assert!(
            line.contains("127.0.0.1:7201 cannot be reached") && line.contains("r0 leads"),
            "{line}"
        );

        let (exit, line) = verdict(vec![Ok(status(0, 9, 7)), Ok(status(1, 9, 8))]);
        assert_eq!(exit, Exit::Differ);
        assert!(line.contains("r0 and r1 have different digests"), "{line}");

        let mut alone = status(2, 9, 7);
        alone.leader = None;
        let (exit, line) = verdict(vec![Ok(alone), Err("refused")]);
        assert_eq!(exit, Exit::Leaderless, "{line}");

        let (exit, line) = verdict(vec![Err("refused"), Err("refused")]);
        assert_eq!(exit, Exit::Unavailable, "{line}");

        let mut recovers = status(1, 9, 7);
        recovers.acceptor = AcceptorStatus::Recovering {
            incarnation: Some(Incarnation(2)),
            unanswered: ReplicaSet::EMPTY,
        };
        let (exit, line) = verdict(vec![Ok(status(0, 9, 7)), Ok(recovers)]);
        assert_eq!(exit, Exit::Impaired);
        assert!(line.contains("not all roles of r1 work"), "{line}");
    }

    #[test]
    fn json_tells_all() {
        let value = report(vec![Ok(status(0, 9, 7)), Ok(status(1, 4, 5)), Err("refused")]).as_value();
        assert_eq!(value["exit"], 13);
        assert_eq!(value["leader"], 0);
        assert_eq!(value["replicas"][1]["lag"], 5);
        assert_eq!(
            value["replicas"][0]["learner"]["digest"],
            "00000000000000000000000000000007"
        );
        assert_eq!(value["replicas"][2]["unreachable"], "refused");
    }

    #[test]
    fn what_is_disturbed_on_purpose_stands_in_the_verdict_and_in_json() {
        let mut report = report(vec![Ok(status(0, 9, 7)), Ok(status(1, 9, 7))]);
        let Ok((_, driver)) = &mut report.0[1].answer else {
            panic!("a status");
        };
        driver.disturbance = Some(PresentDisturbance {
            what: "learner memory=kept".to_owned(),
            left: Duration::from_millis(420),
        });
        let (exit, line) = report.verdict();
        assert_eq!(exit, Exit::Impaired);
        assert_eq!(line, "impaired: r1 disturbed on purpose; r0 leads with b3.r0");
        let value = report.as_value();
        assert_eq!(value["replicas"][0]["disturbance"], Value::Null);
        assert_eq!(
            value["replicas"][1]["disturbance"],
            json!({ "what": "learner memory=kept", "millis_left": 420 })
        );
        let table = report.table();
        assert!(
            table[2].ends_with("on purpose: learner memory=kept, for 0.4 s more"),
            "{table:?}"
        );
    }
}
