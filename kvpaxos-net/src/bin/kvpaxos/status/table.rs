//! The report as a table.

use std::time::Duration;

use kvpaxos::Status;
use kvpaxos::status::{AcceptorStatus, LearnerStatus, ProposerStatus};
use kvpaxos_net::{DriverStatus, PresentDisturbance};

use super::report::{Report, applied};

const TITLES: [&str; 15] = [
    "id", "server", "proposer", "acceptor", "life", "leader", "chosen", "applied", "lag", "keys", "log",
    "snapshot", "clients", "pending", "digest",
];
/// From which column on numbers stand, to the right.
const NUMBERS: std::ops::Range<usize> = 6..14;

/// The version of this program. That of a replica stands in its row if it is another, and in `--json` always.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// An older problem is in `--json` and in the log only.
const RECENT: Duration = Duration::from_secs(60);
/// How much of a problem stands in the table, in letters.
const PROBLEM: usize = 80;

impl Report {
    /// A line with titles, and one for each server. What is out of the ordinary stands at the end of its
    /// line.
    pub(crate) fn table(&self) -> Vec<String> {
        let highest = self.highest_applied();
        let rows: Vec<(Vec<String>, String)> = self
            .0
            .iter()
            .map(|row| match &row.answer {
                Err(why) => {
                    let cells = vec!["-".to_owned(), row.server.clone()];
                    (cells, format!("unreachable: {why}"))
                }
                Ok((status, driver)) => (cells(&row.server, status, driver, highest), notes(status, driver)),
            })
            .collect();
        let titles: Vec<String> = TITLES.map(str::to_owned).to_vec();
        let width = |column: usize| {
            let cells = rows.iter().map(|(cells, _)| cells).chain([&titles]);
            let widths = cells
                .filter_map(|cells| cells.get(column))
                .map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
        let lines = std::iter::once((titles.clone(), String::new())).chain(rows.iter().cloned());
        lines
            .map(|(cells, notes)| line(&cells, &notes, &widths))
            .collect()
    }
}

fn line(cells: &[String], notes: &str, widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if NUMBERS.contains(&column) {
            line += &format!("{cell:>width$}  ");
        } else {
            line += &format!("{cell:<width$}  ");
        }
    }
    line += notes;
    line.trim_end().to_owned()
}

fn cells(server: &str, status: &Status, driver: &DriverStatus, highest: u64) -> Vec<String> {
    let proposer = match status.proposer {
        ProposerStatus::Failed => "failed".to_owned(),
        ProposerStatus::Following => "following".to_owned(),
        ProposerStatus::Preparing { ballot } => format!("preparing {ballot}"),
        ProposerStatus::Leading { ballot } => format!("leading {ballot}"),
    };
    let acceptor = match status.acceptor {
        AcceptorStatus::Failed => "failed".to_owned(),
        AcceptorStatus::Voting { promised } => format!("promised {promised}"),
        AcceptorStatus::Out => "out".to_owned(),
        AcceptorStatus::Recovering {
            incarnation: Some(incarnation),
            ..
        } => format!("recovers as i{}", incarnation.0),
        AcceptorStatus::Recovering { .. } => "recovers".to_owned(),
    };
    let leader = status
        .leader
        .map_or("none".to_owned(), |ballot| ballot.replica.to_string());
    let [applied, lag, keys] = match status.learner {
        LearnerStatus::Failed => ["failed", "-", "-"].map(str::to_owned),
        LearnerStatus::Learning { applied, keys, .. } => {
            [applied.0, highest.saturating_sub(applied.0), keys].map(|number| number.to_string())
        }
    };
    let life = status.life.map_or("-".to_owned(), |life| {
        format!("{}.{}", life.incarnation.0, life.restarts)
    });
    let snapshot = status.snapshot.map(|snapshot| snapshot.bytes);
    let digest = match status.learner {
        LearnerStatus::Failed => "-".to_owned(),
        // Enough to compare by eye; --json has all of it.
        LearnerStatus::Learning { digest, .. } => format!("{digest:032x}")[..8].to_owned(),
    };
    vec![
        status.id.to_string(),
        server.to_owned(),
        proposer,
        acceptor,
        life,
        leader,
        status.chosen.0.to_string(),
        applied,
        lag,
        keys,
        size(driver.log_bytes),
        size(snapshot),
        driver
            .connections
            .map_or("-".to_owned(), |count| count.to_string()),
        status.pending.to_string(),
        digest,
    ]
}

/// A number of bytes in few characters: `5.5k` is about 5,500. `--json` has all digits.
fn size(bytes: Option<u64>) -> String {
    let Some(bytes) = bytes else {
        return "-".to_owned();
    };
    let units = [1u64, 1000, 1_000_000, 1_000_000_000, 1_000_000_000_000];
    let place = units.iter().rposition(|unit| bytes >= *unit).unwrap_or(0);
    let (whole, tenth) = (bytes / units[place], bytes % units[place] * 10 / units[place]);
    let name = ["", "k", "M", "G", "T"][place];
    if place == 0 || whole >= 10 {
        format!("{whole}{name}")
    } else {
        format!("{whole}.{tenth}{name}")
    }
}

/// What is out of the ordinary.
fn notes(status: &Status, driver: &DriverStatus) -> String {
    let mut notes = Vec::new();
    match &driver.disturbance {
        Some(PresentDisturbance { what, left }) if left.is_zero() => {
            notes.push(format!("recovers from what was on purpose: {what}"));
        }
        Some(PresentDisturbance { what, left }) => {
            notes.push(format!(
                "on purpose: {what}, for {:.1} s more",
                left.as_secs_f64()
            ));
        }
        None => {}
    }
    match status.acceptor {
        AcceptorStatus::Recovering { unanswered, .. } if unanswered.is_empty() => {
            notes.push("lost its memory, and has almost recovered".to_owned());
        }
        AcceptorStatus::Recovering { unanswered, .. } => {
            notes.push(format!("lost its memory, and waits for answers of {unanswered}"));
        }
        AcceptorStatus::Out => notes.push("lost its memory, and never votes again".to_owned()),
        AcceptorStatus::Failed | AcceptorStatus::Voting { .. } => {}
    }
    for (what, replicas) in [("silent", status.silent), ("waits for", status.waiting_for)] {
        if !replicas.is_empty() {
            notes.push(format!("{what} {replicas}"));
        }
    }
    if !status.differing.is_empty() {
        let serves = if status.doubt.is_some() {
            ", and does not serve"
        } else {
            ""
        };
        notes.push(format!("differs from {}{serves}", status.differing));
    }
    if let Some(version) = driver.version.as_deref().filter(|it| *it != VERSION) {
        notes.push(format!("version {version}, this program is {VERSION}"));
    }
    if status.stopping {
        notes.push("is to stop".to_owned());
    }
    if applied(status).is_none() {
        notes.push("applies nothing".to_owned());
    }
    if let Some(last) = driver.last_problem.as_ref().filter(|last| last.ago < RECENT) {
        let text: String = last.text.chars().take(PROBLEM).collect();
        let cut = if text.len() < last.text.len() { "..." } else { "" };
        notes.push(format!("{} s ago: {text}{cut}", last.ago.as_secs()));
    }
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kvpaxos::{ReplicaId, ReplicaSet};
    use kvpaxos_net::{DriverStatus, LastProblem};

    use super::super::report::tests::{report, status};

    #[test]
    fn columns_are_aligned_and_no_row_is_long() {
        let mut lacks = status(0, 123_456, 0xabcd_ef01 << 96);
        lacks.waiting_for = ReplicaSet::from_iter([ReplicaId(2)]);
        let table = report(vec![Ok(lacks), Ok(status(1, 9, 7)), Err("no answer")]).table();
        assert_eq!(
            table,
            [
                "id  server          proposer       acceptor        life  leader  chosen  applied     lag  keys  log  snapshot  clients  pending  digest",
                "r0  127.0.0.1:7200  leading b3.r0  promised b3.r0  0.4   r0      123457   123456       0     2    -      5.5k        -        0  abcdef01  waits for r2",
                "r1  127.0.0.1:7201  following      promised b3.r0  0.4   r0          10        9  123447     2    -         -        -        0  00000000",
                "-   127.0.0.1:7202  unreachable: no answer",
            ]
        );
    }

    #[test]
    fn another_version_stands_at_the_end() {
        let of = |version: &str| {
            let driver = DriverStatus {
                version: Some(version.to_owned()),
                ..DriverStatus::default()
            };
            super::notes(&status(0, 1, 1), &driver)
        };
        assert_eq!(of(super::VERSION), "");
        assert!(
            of("0.0.1").starts_with("version 0.0.1, this program is "),
            "{}",
            of("0.0.1")
        );
    }

    #[test]
    fn a_recent_problem_stands_at_the_end() {
        let of = |seconds, text: &str| {
            let driver = DriverStatus {
                last_problem: Some(LastProblem {
                    text: text.to_owned(),
                    ago: Duration::from_secs(seconds),
                }),
                ..DriverStatus::default()
            };
            super::notes(&status(0, 1, 1), &driver)
        };
        assert_eq!(of(12, "the disk is full"), "12 s ago: the disk is full");
        assert_eq!(of(60, "the disk is full"), "");
        assert_eq!(of(0, &"x".repeat(90)), format!("0 s ago: {}...", "x".repeat(80)));
    }

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1000, 1_999, 10_500, 999_999, 1_000_000, u64::MAX];
        assert_eq!(
            sizes.map(|bytes| super::size(Some(bytes))),
            ["0", "999", "1.0k", "1.9k", "10k", "999k", "1.0M", "18446744T"]
        );
        assert_eq!(super::size(None), "-");
    }
}
