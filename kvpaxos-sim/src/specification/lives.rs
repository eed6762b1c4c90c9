//! Which lives of acceptors have begun, and sets of messages that count together.

use kvpaxos::{Incarnation, ReplicaId};

/// For each acceptor the latest life that is known to have begun: the *crash vector* of Michael et al.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Lives(
    /// By acceptor, without zeros at the end.
    Vec<Incarnation>,
);

impl Lives {
    /// The latest known life of an acceptor.
    #[must_use]
    pub fn of(&self, acceptor: ReplicaId) -> Incarnation {
        let known = self.0.get(usize::from(acceptor.0));
        known.copied().unwrap_or_default()
    }

    /// An acceptor has begun this life.
    pub fn raise(&mut self, acceptor: ReplicaId, life: Incarnation) {
        if life <= self.of(acceptor) {
            return;
        }
        let place = usize::from(acceptor.0);
        if self.0.len() <= place {
            self.0.resize(place + 1, Incarnation::default());
        }
        self.0[place] = life;
    }

    /// Takes the later life of each acceptor.
    pub fn merge(&mut self, other: &Lives) {
        for (id, life) in (0..).map(ReplicaId).zip(&other.0) {
            self.raise(id, *life);
        }
    }

    /// The same under other names of the acceptors.
    pub(super) fn renamed(&self, name: impl Fn(ReplicaId) -> ReplicaId) -> Lives {
        let known = (0..).map(ReplicaId).zip(&self.0);
        known.map(|(id, life)| (name(id), *life)).collect()
    }

    /// Whether every life in `other` is known, or a later one.
    #[must_use]
    pub fn include(&self, other: &Lives) -> bool {
        let mut others = (0..).map(ReplicaId).zip(&other.0);
        others.all(|(id, life)| self.of(id) >= *life)
    }
}

impl FromIterator<(ReplicaId, Incarnation)> for Lives {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, Incarnation)>>(known: I) -> Lives {
        let mut lives = Lives::default();
        for (acceptor, life) in known {
            lives.raise(acceptor, life);
        }
        lives
    }
}

/// A message, as far as it decides which others it counts with: its sender, and the lives that the sender had
/// heard of.
pub(super) type Stamp<'a> = (ReplicaId, &'a Lives);

/// The size of the largest set of these messages that is *crash-consistent* (Michael et al., section 4): they
/// come from different acceptors, and none of the senders had heard of a later life of another than the one
/// in which that one's message was sent.
pub(super) fn largest_consistent(messages: &[Stamp<'_>]) -> usize {
    let same = |messages: &[Stamp<'_>]| messages.windows(2).all(|pair| pair[0].1 == pair[1].1);
    if same(messages) {
        return distinct(messages);
    }
    let mut set = Vec::new();
    extend(messages, &mut set)
}

/// How many acceptors sent these messages, which are in the order of their senders.
pub(super) fn distinct(messages: &[Stamp<'_>]) -> usize {
    let changes = messages.windows(2).filter(|pair| pair[0].0 != pair[1].0);
    changes.count() + usize::from(!messages.is_empty())
}

fn extend<'a>(rest: &[Stamp<'a>], set: &mut Vec<Stamp<'a>>) -> usize {
    let mut largest = set.len();
    for (place, message) in rest.iter().enumerate() {
        if set.iter().all(|other| consistent(*other, *message)) {
            set.push(*message);
            largest = largest.max(extend(&rest[place + 1..], set));
            set.pop();
        }
    }
    largest
}

fn consistent((x, x_knows): Stamp<'_>, (y, y_knows): Stamp<'_>) -> bool {
    x != y && y_knows.of(x) <= x_knows.of(x) && x_knows.of(y) <= y_knows.of(y)
}
