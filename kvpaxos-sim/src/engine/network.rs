//! The network. Each direction of a link loses, duplicates, delays and reorders messages, and can be cut.

use kvpaxos::Time;
use serde::{Deserialize, Serialize};

use crate::engine::decider::{Decider, Fate, Sending};
use crate::engine::label::Label;
use crate::engine::latency::{self, Table};
use crate::engine::node::Node;
use crate::engine::regions;

/// How links treat messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkProfile {
    /// How many of a million messages are lost.
    pub drop: u32,
    /// How many of a million messages arrive twice.
    pub duplicate: u32,
    /// The delay of messages.
    pub delay: Table,
    /// Whether messages on a link overtake each other.
    pub reorder: bool,
}

impl LinkProfile {
    /// The same profile without faults. Delays that exceed the patience of replicas are faults too.
    #[must_use]
    pub fn without_faults(self) -> LinkProfile {
        let wild = [latency::WILD, latency::STRAGGLING].contains(&self.delay);
        LinkProfile {
            drop: 0,
            duplicate: 0,
            delay: if wild { latency::REGION } else { self.delay },
            reorder: self.reorder,
        }
    }

    /// Links of a rack that lose, duplicate and reorder nothing.
    #[must_use]
    pub fn lossless() -> LinkProfile {
        LinkProfile {
            drop: 0,
            duplicate: 0,
            delay: latency::LAN,
            reorder: false,
        }
    }
}

/// How many messages the network handled, and how.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Traffic {
    /// Messages sent.
    pub sent: u64,
    /// Lost by chance.
    pub dropped: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Lost because the link was cut.
    pub cut: u64,
}

/// All links between nodes.
pub struct Network {
    /// The profile of links whose nodes have no profile of their own.
    pub links: LinkProfile,
    /// The profiles of single nodes.
    own_profiles: Vec<Option<LinkProfile>>,
    /// How many faults cut each link, at `from * LIMIT + to`.
    cuts: Vec<u8>,
    /// When the last message of each link arrives, for links that keep order.
    last: Vec<u64>,
    /// The clients that use connections: a bit for each node.
    connected: u64,
    /// The nodes are spread over so many regions: see [`regions`].
    regions: usize,
    /// What happened to messages so far.
    pub traffic: Traffic,
}

impl Network {
    /// A network whose links have this profile, none of them cut.
    #[must_use]
    pub fn new(links: LinkProfile) -> Network {
        Network {
            links,
            own_profiles: vec![None; Node::LIMIT],
            cuts: vec![0; Node::LIMIT * Node::LIMIT],
            last: vec![0; Node::LIMIT * Node::LIMIT],
            connected: 0,
            regions: 1,
            traffic: Traffic::default(),
        }
    }

    /// Makes a client use connections, as over TCP, and not datagrams. Its links duplicate nothing and keep
    /// order. They lose a message only if the connection breaks: when [`send`](Network::send) returns no
    /// arrival, the caller must tell both ends.
    pub fn connect(&mut self, client: Node) {
        self.connected |= 1 << client.index();
    }

    /// Spreads the nodes over so many regions: see [`regions::distance`].
    pub fn spread_over(&mut self, regions: usize) {
        self.regions = regions;
    }

    /// Whether this is a client that uses connections.
    #[must_use]
    pub fn is_connected(&self, client: Node) -> bool {
        self.connected & (1 << client.index()) != 0
    }

    /// When the copies of a message arrive that is sent now: none if it is lost, two if it is duplicated.
    pub fn send(
        &mut self,
        now: Time,
        from: Node,
        to: Node,
        label: Label,
        decider: &mut (dyn Decider + Send),
    ) -> [Option<Time>; 2] {
        self.traffic.sent += 1;
        if self.is_cut(from, to) {
            self.traffic.cut += 1;
            return [None, None];
        }
        let profile = self.own_profiles[from.index()]
            .or(self.own_profiles[to.index()])
            .unwrap_or(self.links);
        let connected = self.is_connected(from) || self.is_connected(to);
        let fate = decider.fate(&Sending {
            at: now,
            from,
            to,
            label,
            profile: &profile,
            connected,
        });
        let reorders = profile.reorder && !connected;
        let far = regions::distance(self.regions, from, to);
        let mut arrival = |delay| Some(self.arrival(now, from, to, reorders, far + delay));
        match fate {
            Fate::Lost => {
                self.traffic.dropped += 1;
                [None, None]
            }
            Fate::Arrives(delay) => [arrival(delay), None],
            Fate::ArrivesTwice(first, second) => {
                let copies = [arrival(first), arrival(second)];
                self.traffic.duplicated += 1;
                copies
            }
        }
    }

    fn arrival(&mut self, now: Time, from: Node, to: Node, reorders: bool, delay: u64) -> Time {
        let mut at = now.0 + delay.max(1);
        if !reorders {
            let last = &mut self.last[from.index() * Node::LIMIT + to.index()];
            at = at.max(*last);
            *last = at;
        }
        Time(at)
    }

    /// Whether a message that is due now arrives. It is lost if the link has been cut meanwhile.
    pub fn arrives(&mut self, from: Node, to: Node) -> bool {
        let cut = self.is_cut(from, to);
        self.traffic.cut += u64::from(cut);
        !cut
    }

    /// Whether this direction of a link is cut.
    #[must_use]
    pub fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cuts[from.index() * Node::LIMIT + to.index()] > 0
    }

    /// Cuts one direction of a link. Cuts add up: each must be mended.
    pub fn cut(&mut self, from: Node, to: Node) {
        let cuts = &mut self.cuts[from.index() * Node::LIMIT + to.index()];
        *cuts = cuts
            .checked_add(1)
            .expect("fewer than 256 faults cut one link at a time");
    }

    /// Mends one cut of one direction of a link.
    pub fn mend(&mut self, from: Node, to: Node) {
        let cuts = &mut self.cuts[from.index() * Node::LIMIT + to.index()];
        // No cut is left if `mend_all` came first.
        *cuts = cuts.saturating_sub(1);
    }

    /// Mends all cuts of one direction of a link.
    pub fn mend_all(&mut self, from: Node, to: Node) {
        self.cuts[from.index() * Node::LIMIT + to.index()] = 0;
    }

    /// Gives the links of a node a profile of their own, or (`None`) the network's profile again.
    pub fn set_profile(&mut self, node: Node, profile: Option<LinkProfile>) {
        self.own_profiles[node.index()] = profile;
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::ReplicaId;

    use super::*;
    use crate::engine::decider::Seeded;

    #[test]
    fn a_message_takes_as_long_as_its_way_is_far() {
        let node = |number| Node::replica(ReplicaId(number));
        let arrival = |regions, to| {
            let mut network = Network::new(LinkProfile::lossless());
            network.spread_over(regions);
            let label = Label::new("Accept", 1);
            let sent = network.send(Time(7), node(0), node(to), label, &mut Seeded::new(1));
            sent[0].expect("nothing is lost").0
        };
        for to in 1..7 {
            let distance = regions::distance(regions::REGIONS, node(0), node(to));
            assert_eq!(arrival(regions::REGIONS, to), arrival(1, to) + distance, "{to}");
        }
    }
}
