//! The network: every link, in each direction, loses, repeats, delays and reorders; and it can be cut.

use kvpaxos::Time;
use serde::Serialize;

use crate::engine::decider::{Decider, Decision, Stream};
use crate::engine::latency::{self, Table};
use crate::engine::node::Node;

/// How links behave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct LinkProfile {
    /// Messages lost, in a million.
    pub drop: u32,
    /// Messages that arrive twice, in a million.
    pub duplicate: u32,
    /// How long messages take.
    pub delay: Table,
    /// Whether messages of one link overtake each other.
    pub reorder: bool,
}

impl LinkProfile {
    /// The same network when it is well. Delays beyond what replicas have patience for are faults too.
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

    /// Nothing is lost, repeated or reordered.
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

/// Counts of what the network did.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Traffic {
    /// Messages handed in.
    pub sent: u64,
    /// Lost by chance.
    pub dropped: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Lost because the link was cut.
    pub cut: u64,
}

/// All links.
pub struct Network {
    /// How links behave where nothing else is said.
    pub links: LinkProfile,
    /// The profiles of nodes whose links behave otherwise.
    own_profiles: Vec<Option<LinkProfile>>,
    /// How many faults cut each link: `from * LIMIT + to`.
    cuts: Vec<u8>,
    /// When the last message of a link arrives, for links that keep order.
    last: Vec<u64>,
    /// Whether a node is a client that speaks over connections: a bit for each.
    connected: u64,
    /// What happened.
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
            traffic: Traffic::default(),
        }
    }

    /// The client speaks over connections from now on, as over TCP, and not by datagrams: its links repeat nothing and keep order.
    /// What they lose is lost with the connection, of which whoever asks [`send`](Network::send) must tell both ends.
    pub fn connect(&mut self, client: Node) {
        self.connected |= 1 << client.index();
    }

    /// Whether this is a client that speaks over connections.
    #[must_use]
    pub fn is_connected(&self, client: Node) -> bool {
        self.connected & (1 << client.index()) != 0
    }

    /// When copies of a message that is sent now arrive: none if it is lost, two if it is repeated.
    pub fn send(
        &mut self,
        now: Time,
        from: Node,
        to: Node,
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
        let link = Stream::Link(from, to);
        if decider.chance(link, Decision::Drop, profile.drop) {
            self.traffic.dropped += 1;
            return [None, None];
        }
        if self.is_connected(from) || self.is_connected(to) {
            let in_order = LinkProfile {
                reorder: false,
                ..profile
            };
            return [Some(self.arrival(now, from, to, &in_order, decider)), None];
        }
        let first = self.arrival(now, from, to, &profile, decider);
        let second = decider
            .chance(link, Decision::Duplicate, profile.duplicate)
            .then(|| self.arrival(now, from, to, &profile, decider));
        self.traffic.duplicated += u64::from(second.is_some());
        [Some(first), second]
    }

    fn arrival(
        &mut self,
        now: Time,
        from: Node,
        to: Node,
        profile: &LinkProfile,
        decider: &mut (dyn Decider + Send),
    ) -> Time {
        let delay = decider.spread(Stream::Link(from, to), Decision::Delay, &profile.delay);
        let mut at = now.0 + delay.max(1);
        if !profile.reorder {
            let last = &mut self.last[from.index() * Node::LIMIT + to.index()];
            at = at.max(*last);
            *last = at;
        }
        Time(at)
    }

    /// Whether a message that arrives now is lost because the link is cut meanwhile.
    pub fn arrives(&mut self, from: Node, to: Node) -> bool {
        let cut = self.is_cut(from, to);
        self.traffic.cut += u64::from(cut);
        !cut
    }

    /// Whether the link is cut in this direction.
    #[must_use]
    pub fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cuts[from.index() * Node::LIMIT + to.index()] > 0
    }

    /// Cuts one direction; cuts add up, and each is mended on its own.
    pub fn cut(&mut self, from: Node, to: Node) {
        let cuts = &mut self.cuts[from.index() * Node::LIMIT + to.index()];
        *cuts = cuts
            .checked_add(1)
            .expect("fewer than 256 faults cut one link at a time");
    }

    /// Mends one cut of one direction.
    pub fn mend(&mut self, from: Node, to: Node) {
        let cuts = &mut self.cuts[from.index() * Node::LIMIT + to.index()];
        // None is left if every cut was mended at once.
        *cuts = cuts.saturating_sub(1);
    }

    /// Mends every cut of one direction.
    pub fn mend_all(&mut self, from: Node, to: Node) {
        self.cuts[from.index() * Node::LIMIT + to.index()] = 0;
    }

    /// Gives all links of a node a profile of their own; `None`: that of the network again.
    pub fn set_profile(&mut self, node: Node, profile: Option<LinkProfile>) {
        self.own_profiles[node.index()] = profile;
    }
}
