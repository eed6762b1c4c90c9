//! Log lines that anybody who reaches a port can cause as often as they like. The first of a kind is logged at
//! once; those that follow are counted, and one line every [`WINDOW`] says how many there were. So a flood of
//! garbage costs a line now and then, and no disk is filled by it. At level debug each is logged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kvpaxos::ReplicaId;

/// How often the repeats of a kind are summed up.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// How bad the lines of a kind are, and so their sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Severity {
    Info,
    Warn,
}

/// The lines of a kind have the same text and the same subject. The texts are constants and there are few
/// subjects, whatever is received.
type Kind = (&'static str, Subject);

/// What tells lines of one text apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Subject {
    /// A member of the cluster that the line is about.
    peer: Option<ReplicaId>,
    /// The name of an error's variant.
    cause: Option<String>,
}

impl Subject {
    /// Lines of this text are all alike.
    pub(crate) const ANY: Subject = Subject {
        peer: None,
        cause: None,
    };

    /// A member of the cluster.
    pub(crate) fn peer(peer: ReplicaId) -> Subject {
        Subject {
            peer: Some(peer),
            cause: None,
        }
    }

    /// The variant of an error, by its derived `Debug`.
    pub(crate) fn cause(error: &impl fmt::Debug) -> Subject {
        let mut name = format!("{error:?}");
        let end = name
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(name.len());
        name.truncate(end);
        Subject {
            peer: None,
            cause: Some(name),
        }
    }
}

/// Counts the repeats of log lines of one replica.
#[derive(Debug)]
pub(crate) struct Repeats {
    /// The replica, for the log.
    id: ReplicaId,
    /// The kinds of which a line was logged or counted since the last sum.
    kinds: Mutex<BTreeMap<Kind, Repeated>>,
    /// The lines that were left out since the beginning.
    total: AtomicU64,
}

#[derive(Debug)]
struct Repeated {
    severity: Severity,
    /// How many lines were left out since the last sum.
    count: u64,
}

/// How often a line was left out.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Sum {
    kind: Kind,
    severity: Severity,
    count: u64,
}

impl Repeats {
    pub(crate) fn new(id: ReplicaId) -> Arc<Repeats> {
        Arc::new(Repeats {
            id,
            kinds: Mutex::default(),
            total: AtomicU64::new(0),
        })
    }

    /// Whether a line with this text is logged now; if not, it is counted.
    pub(crate) fn admits(&self, severity: Severity, text: &'static str, subject: Subject) -> bool {
        match self.lock().entry((text, subject)) {
            Entry::Vacant(entry) => {
                entry.insert(Repeated { severity, count: 0 });
                true
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().count += 1;
                self.total.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// The lines that were left out since the beginning.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// The sums since the last call. A kind that was not repeated since then is forgotten, so that its next
    /// line is logged at once.
    fn sums(&self) -> Vec<Sum> {
        let mut sums = Vec::new();
        self.lock().retain(|kind, repeated| {
            let count = std::mem::take(&mut repeated.count);
            if count > 0 {
                sums.push(Sum {
                    kind: kind.clone(),
                    severity: repeated.severity,
                    count,
                });
            }
            count > 0
        });
        sums
    }

    /// Logs the sums every [`WINDOW`], until it is dropped.
    pub(crate) async fn sum_up(self: Arc<Repeats>) {
        loop {
            tokio::time::sleep(WINDOW).await;
            self.log_sums();
        }
    }

    fn log_sums(&self) {
        for sum in self.sums() {
            let (text, Subject { peer, cause }) = sum.kind;
            let (count, seconds) = (sum.count, WINDOW.as_secs());
            let peer = peer.map(tracing::field::display);
            match sum.severity {
                Severity::Warn => {
                    tracing::warn!(replica = %self.id, peer, cause, count, "again in the last {seconds} s: {text}");
                }
                Severity::Info => {
                    tracing::info!(replica = %self.id, peer, cause, count, "again in the last {seconds} s: {text}");
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Repeated>> {
        // Nothing that runs under the lock can panic half-way through a change.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was counted last is not lost when the replica stops.
impl Drop for Repeats {
    fn drop(&mut self) {
        self.log_sums();
    }
}

/// Logs a line that may be caused often: `warn_repeated!(repeats, subject, {fields}, "text")`. Text and
/// [`Subject`] are its kind; whatever else it says stands in the fields.
macro_rules! warn_repeated {
    ($repeats:expr, $subject:expr, {$($fields:tt)*}, $text:literal) => {
        if $repeats.admits($crate::system::repeats::Severity::Warn, $text, $subject) {
            tracing::warn!($($fields)*, $text);
        } else {
            tracing::debug!($($fields)*, $text);
        }
    };
}

/// As `warn_repeated!`, for what is no fault.
macro_rules! info_repeated {
    ($repeats:expr, $subject:expr, {$($fields:tt)*}, $text:literal) => {
        if $repeats.admits($crate::system::repeats::Severity::Info, $text, $subject) {
            tracing::info!($($fields)*, $text);
        } else {
            tracing::debug!($($fields)*, $text);
        }
    };
}

pub(crate) use {info_repeated, warn_repeated};

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ReplicaId = ReplicaId(0);

    #[test]
    fn the_first_line_is_logged_and_the_rest_is_counted() {
        let repeats = Repeats::new(ID);
        let garbage = || repeats.admits(Severity::Warn, "garbage", Subject::ANY);
        assert!(garbage());
        assert!((0..20_000).all(|_| !garbage()));
        assert!(repeats.admits(Severity::Info, "another text", Subject::ANY));
        assert!(
            repeats.admits(Severity::Warn, "garbage", Subject::peer(ID)),
            "another peer"
        );
        let sum = Sum {
            kind: ("garbage", Subject::ANY),
            severity: Severity::Warn,
            count: 20_000,
        };
        assert_eq!(repeats.sums()[0], sum);
        // As long as the flood lasts, there is one line per window.
        assert!(!garbage());
        assert_eq!(repeats.sums()[0].count, 1);
        // After a window without it, the next line is logged at once.
        assert_eq!(repeats.sums(), []);
        assert!(garbage());
    }
}
