//! What a search for a smaller scenario tries beside what the scenario says: fates by the time at which a message is
//! sent, and decisions that are drawn.

use std::collections::{BTreeMap, HashMap, VecDeque};

use kvpaxos::{Random, ReplicaId, Time};

use super::names::MessageName;
use crate::engine::{Choice, Decider, Fate, LinkProfile, Node, Seeded, Sending, Table, draw_fate};
use crate::hashing::BuildQuick;

/// What the network does with a message of this link and kind that is sent at about this time. The
/// search for a smaller scenario uses it where names change because calls are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Anchor {
    pub(crate) name: MessageName,
    pub(crate) at: Time,
    pub(crate) fate: Fate,
}

/// Fates by the times at which the messages were sent, without those before `from`; `moved` says when such messages
/// are expected instead.
pub(crate) fn anchors<'a>(
    fates: impl IntoIterator<Item = (&'a MessageName, &'a Fate)>,
    sent: &BTreeMap<MessageName, Time>,
    from: Time,
    moved: impl Fn(Time) -> Time,
) -> Vec<Anchor> {
    let anchor = |(name, fate): (&MessageName, &Fate)| {
        let at = sent.get(name).filter(|at| **at >= from)?;
        Some(Anchor {
            name: *name,
            at: moved(*at),
            fate: *fate,
        })
    };
    let mut anchors: Vec<Anchor> = fates.into_iter().filter_map(anchor).collect();
    anchors.sort_by_key(|anchor| anchor.at);
    anchors
}

/// Decisions that are drawn where the scenario names none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sampling {
    /// The seed of the draws.
    pub(crate) seed: u64,
    /// How many of a million decisions are drawn; the others are the default.
    pub(crate) share: u32,
    /// How links treat messages in the draws, whatever the scenario says.
    pub(crate) links: LinkProfile,
    /// The latency of syncs in the draws.
    pub(crate) sync: Table,
}

/// What is tried beside what a scenario says.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Variation {
    /// Fates of messages by their times, in the order of the times.
    pub(crate) anchors: Vec<Anchor>,
    /// Draws for what nothing is said about.
    pub(crate) sampling: Option<Sampling>,
}

/// A variation in use.
pub(super) struct Varying {
    anchors: HashMap<(Node, Node, &'static str), VecDeque<Anchor>, BuildQuick>,
    sampler: Option<Sampler>,
}

struct Sampler {
    sampling: Sampling,
    coin: Random,
    seeded: Seeded,
}

/// A message may be sent so many microseconds before its anchor, or after it.
const EARLY: u64 = 2_000;
const LATE: u64 = 100_000;

impl Varying {
    pub(super) fn new(variation: Variation) -> Varying {
        let mut anchors = HashMap::<_, VecDeque<Anchor>, BuildQuick>::default();
        for anchor in variation.anchors {
            let MessageName { from, to, label, .. } = anchor.name;
            anchors
                .entry((from, to, label.kind))
                .or_default()
                .push_back(anchor);
        }
        let sampler = |sampling: Sampling| Sampler {
            sampling,
            coin: Random::from_seed(sampling.seed),
            seeded: Seeded::new(sampling.seed),
        };
        Varying {
            anchors,
            sampler: variation.sampling.map(sampler),
        }
    }

    /// The fate of a message, if it has an anchor or is drawn.
    pub(super) fn fate(&mut self, sending: &Sending<'_>) -> Option<Fate> {
        self.anchored(sending).or_else(|| {
            let sampler = self.sampler.as_mut()?.toss()?;
            let links = sampler.sampling.links;
            let sending = Sending {
                profile: &links,
                ..*sending
            };
            Some(draw_fate(&mut sampler.seeded, &sending))
        })
    }

    fn anchored(&mut self, sending: &Sending<'_>) -> Option<Fate> {
        let of_kind = (sending.from, sending.to, sending.label.kind);
        let anchors = self.anchors.get_mut(&of_kind)?;
        while anchors.front()?.at.0 + LATE < sending.at.0 {
            anchors.pop_front();
        }
        if anchors.front()?.at.0 > sending.at.0 + EARLY {
            return None;
        }
        anchors.pop_front().map(|anchor| anchor.fate)
    }

    /// The length of a sync, if it is drawn.
    pub(super) fn sync(&mut self, id: ReplicaId) -> Option<u64> {
        let sampler = self.sampler.as_mut()?.toss()?;
        let sync = sampler.sampling.sync;
        Some(sampler.seeded.sync(id, &sync))
    }

    /// The answer to another question, if it is drawn.
    pub(super) fn decide(&mut self, choice: &Choice<'_>) -> Option<u64> {
        Some(self.sampler.as_mut()?.toss()?.seeded.decide(choice))
    }
}

impl Sampler {
    /// Itself, if the next decision is to be drawn.
    fn toss(&mut self) -> Option<&mut Sampler> {
        (self.coin.below(1_000_000) < u64::from(self.sampling.share)).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Label, latency};

    const LINK: LinkProfile = LinkProfile {
        drop: 500_000,
        duplicate: 0,
        delay: latency::LAN,
        reorder: true,
    };

    fn sending(at: u64, kind: &'static str) -> Sending<'static> {
        Sending {
            at: Time(at),
            from: Node::replica(ReplicaId(0)),
            to: Node::replica(ReplicaId(1)),
            label: Label { kind, about: 3 },
            profile: &LINK,
            connected: false,
        }
    }

    fn anchored_at(times: &[u64]) -> Varying {
        let fates: BTreeMap<MessageName, Fate> = (1..)
            .zip(times)
            .map(|(count, _)| {
                let Sending { from, to, label, .. } = sending(0, "Accept");
                let name = MessageName {
                    from,
                    to,
                    label,
                    count,
                };
                (name, Fate::Lost)
            })
            .collect();
        let sent = fates
            .keys()
            .copied()
            .zip(times.iter().copied().map(Time))
            .collect();
        let anchors = anchors(&fates, &sent, Time(1_000), |at| Time(at.0 + 5));
        Varying::new(Variation {
            anchors,
            sampling: None,
        })
    }

    #[test]
    fn an_anchor_is_for_one_message_of_its_kind_at_about_its_time() {
        let mut varying = anchored_at(&[999, 10_000, 500_000]);
        assert_eq!(varying.fate(&sending(1_000, "Accept")), None, "too early");
        assert_eq!(varying.fate(&sending(10_000, "Promise")), None, "another kind");
        assert_eq!(varying.fate(&sending(9_000, "Accept")), Some(Fate::Lost));
        assert_eq!(varying.fate(&sending(10_500, "Accept")), None, "for one only");
        assert_eq!(varying.fate(&sending(700_000, "Accept")), None, "too late");
    }

    #[test]
    fn a_share_of_the_decisions_is_drawn_and_the_same_seed_draws_the_same() {
        let drawn = |seed, share| {
            let mut varying = Varying::new(Variation {
                anchors: Vec::new(),
                sampling: Some(Sampling {
                    seed,
                    share,
                    links: LINK,
                    sync: latency::FLASH,
                }),
            });
            let fates = (0..200).map(|at| varying.fate(&sending(at, "Accept")));
            fates.collect::<Vec<_>>()
        };
        let count = |fates: &[Option<Fate>]| fates.iter().flatten().count();
        assert_eq!(count(&drawn(1, 0)), 0);
        assert_eq!(count(&drawn(1, 1_000_000)), 200);
        assert!((50..150).contains(&count(&drawn(1, 500_000))));
        assert_eq!(drawn(1, 500_000), drawn(1, 500_000));
        assert_ne!(drawn(1, 500_000), drawn(2, 500_000));
    }
}
