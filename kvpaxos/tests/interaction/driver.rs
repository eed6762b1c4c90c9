//! The commands of the scripts.
//!
//! ```text
//! cluster 3 [two-phase] [sync=manual] [deadline=20] ...   new replicas r0, r1, r2; see `options` for all settings
//! stand r0, elect r0          others and their heartbeats are held back until r0 stands, or leads
//! open r1 c1                  client c1 opens a session through r1; it is used for its writes from then on
//! put r1 c1 k v, delete r1 c1 k, cas r1 c1 k old new, get r1 c1 k, submit r1 c1 bytes, close r1 c1, gone r1 c1
//! again r2 c1                 c1 asks r2 for its last write once more
//! deliver r0->r1 [Kind] [n]   what is in flight on the link (of one kind, the first n); also lose, copy; `*` is everybody
//! garble r0->r1               changes a bit of each snapshot part in flight on the link, and leaves it there
//! settle                      delivers until nothing is in flight
//! tick r0 [n]                 n ticks of r0's clock; `*` is everybody
//! pass n                      n ticks of everybody, after each of which heartbeats, and only they, are delivered
//! run n                       n ticks of everybody, after each of which all is delivered
//! hold r0, release r0         r0 is left out of `*`, settle, pass and run, as are its links; what is in flight stays so
//! cut r0 [r1], heal r0 [r1]   what goes between r0 and r1 (or anybody) is lost, both ways; cut r0->r1 is one way
//! sync r1                     what r1 wrote becomes durable; `disk r1 manual|auto` says whether that happens by itself
//! fail r1 acceptor            the role fails; `restart r1 acceptor kept|lost [unseen]` restarts it (unseen: the last
//!                             write of its earlier life did not reach the disk)
//! crash r0 [keep n]           r0 stops; n of its unsynced records reached the disk; `start r0 kept|lost` starts it
//! status, log r0, records r0, inflight
//! answered c1                 asserts that nothing that c1 asked is unanswered
//! ```
//!
//! `quietly` before a command leaves out what is on the way to its results; `heartbeats` shows these too. What a replica sends
//! to itself is delivered at once.

use std::collections::{BTreeMap, BTreeSet};

use kvpaxos::status::ProposerStatus;
use kvpaxos::{ClientId, Config, Message, ReplicaId, RequestBody, Slot};

use crate::client::Client;
use crate::show::{Detail, Show};
use crate::support::{Seen, World};
use crate::word;

/// Steps without coming to rest after which a script is taken to be stuck.
const NEVER_QUIET: usize = 20_000;

/// Plays commands.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    world: Option<World>,
    show: Show,
    clients: BTreeMap<ClientId, Client>,
    held: BTreeSet<ReplicaId>,
    /// What was seen and is not written down yet.
    seen: Vec<Seen>,
    /// The line of the script, for messages.
    line: usize,
}

impl Driver {
    /// Plays one command; returns what came of it.
    pub(crate) fn run(&mut self, command: &str, line: usize) -> String {
        self.line = line;
        let words: Vec<&str> = command.split_whitespace().collect();
        let (detail, words) = match words.as_slice() {
            ["quietly", rest @ ..] => (Detail::Results, rest),
            ["heartbeats", rest @ ..] => (Detail::Heartbeats, rest),
            ["elect", ..] => (Detail::Results, &words[..]),
            rest => (Detail::Plain, rest),
        };
        if let Some(answer) = self.ask(words) {
            return answer;
        }
        self.play(words);
        self.gather();
        let seen = std::mem::take(&mut self.seen);
        self.show.story(seen, detail)
    }

    /// At the end of a script, nothing.
    pub(crate) fn finish(self) {
        assert!(self.world.is_some(), "a script begins with `cluster`");
    }

    /// Commands that ask and change nothing.
    fn ask(&mut self, words: &[&str]) -> Option<String> {
        let lines: Vec<String> = match words {
            ["status"] => self.ids().into_iter().map(|id| self.status(id)).collect(),
            ["status", id] => vec![self.status(word::replica(id))],
            ["log", id] => vec![self.log(word::replica(id))],
            ["records", id] => {
                let disk = self.look().disk(word::replica(id));
                disk.records().iter().map(ToString::to_string).collect()
            }
            ["inflight"] => self.in_flight(),
            _ => return None,
        };
        Some(lines.iter().map(|line| format!("  {line}\n")).collect())
    }

    fn play(&mut self, words: &[&str]) {
        match words {
            ["cluster", count, options @ ..] => self.cluster(word::number(count), options),
            ["stand", id] => self.stand(word::replica(id)),
            ["elect", id] => self.elect(word::replica(id)),
            ["deliver", link, which @ ..] => self.each_in_flight(link, which, World::deliver),
            ["copy", link, which @ ..] => self.each_in_flight(link, which, World::deliver_copy),
            ["lose", link, which @ ..] => self.each_in_flight(link, which, |world, from, to, place| {
                world.lose(from, to, place);
            }),
            ["garble", link, which @ ..] => self.each_in_flight(link, which, World::garble),
            ["settle"] => self.settle(),
            ["tick", who] => self.tick(who, 1),
            ["tick", who, count] => self.tick(who, word::number(count)),
            ["pass", count] => self.pass(word::number(count)),
            ["run", count] => self.run_ticks(word::number(count)),
            ["hold", id] => {
                self.held.insert(word::replica(id));
            }
            ["release", id] => {
                self.held.remove(&word::replica(id));
            }
            ["cut", link @ ..] => self.cut(link, true),
            ["heal", link @ ..] => self.cut(link, false),
            ["answered", client] => self.answered(word::client(client)),
            ["sync", id] => {
                let id = word::replica(id);
                self.act(|world| world.sync(id));
            }
            ["disk", id, mode] => {
                let id = word::replica(id);
                self.world().disk_mut(id).auto = *mode == "auto";
            }
            ["fail" | "restart" | "crash" | "start", ..] => self.play_failure(words),
            _ => self.play_client(words),
        }
    }

    fn play_failure(&mut self, words: &[&str]) {
        match words {
            ["fail", id, role] => {
                let (id, role) = (word::replica(id), word::role(role));
                self.act(|world| world.fail(id, role));
            }
            ["restart", id, role, memory, rest @ ..] => {
                let (id, role, found) = (word::replica(id), word::role(role), word::found(memory));
                let unseen = usize::from(*rest == ["unseen"]);
                self.act(|world| world.restart(id, role, found, unseen));
            }
            ["crash", id] => {
                let id = word::replica(id);
                self.act(|world| world.crash(id, 0));
            }
            ["crash", id, "keep", count] => {
                let (id, count) = (word::replica(id), word::number(count));
                self.act(|world| world.crash(id, count));
            }
            ["start", id, memory] => {
                let (id, found) = (word::replica(id), word::found(memory));
                self.act(|world| world.start(id, found));
            }
            _ => self.complain(words),
        }
    }

    fn play_client(&mut self, words: &[&str]) {
        let [verb, at, client, arguments @ ..] = words else {
            return self.complain(words);
        };
        let (at, client) = (word::replica(at), word::client(client));
        if *verb == "gone" {
            self.act(|world| world.client_gone(at, client));
            return;
        }
        let Some(body) = self
            .clients
            .entry(client)
            .or_default()
            .ask(client, verb, arguments)
        else {
            return self.complain(words);
        };
        let sequence = match &body {
            RequestBody::Apply { sequence, .. } => Some(*sequence),
            _ => None,
        };
        let id = self.world().request(at, client, body);
        self.clients.entry(client).or_default().asked(id, sequence);
        self.rest();
    }

    fn complain(&self, words: &[&str]) {
        panic!("line {}: no such command: {}", self.line, words.join(" "));
    }

    fn cluster(&mut self, count: usize, words: &[&str]) {
        let mut configs: Vec<Config> = (0..count)
            .map(|id| Config::new(ReplicaId(u8::try_from(id).expect("few replicas")), count))
            .collect();
        let mut auto = true;
        for word in words {
            auto &= *word != "sync=manual";
            configs = configs
                .into_iter()
                .map(|config| word::option(config, word))
                .collect();
        }
        *self = Driver {
            world: Some(World::new(configs, 1, auto)),
            line: self.line,
            ..Driver::default()
        };
    }

    /// Lets `who` stand, and nobody else: it sees all heartbeats, the others none that would tell them that they are
    /// connected and leaderless.
    fn stand(&mut self, who: ReplicaId) {
        let mut order = vec![who];
        order.extend(self.free().into_iter().filter(|id| *id != who));
        for _ in 0..100 {
            for id in &order {
                let id = *id;
                self.act(|world| world.tick(id));
                if self.phase(who) != ProposerStatus::Following {
                    return;
                }
                assert!(
                    id == who || !self.is_preparing(id),
                    "line {}: {id} stood first",
                    self.line
                );
                self.deliver_heartbeats(|to, said| to == who || said.leader.is_some() || said.echo.is_none());
            }
        }
        panic!("line {}: {who} does not stand: {}", self.line, self.status(who));
    }

    fn elect(&mut self, who: ReplicaId) {
        self.stand(who);
        self.settle();
        let phase = self.phase(who);
        assert!(
            matches!(phase, ProposerStatus::Leading { .. }),
            "line {}: {who} is not elected: {phase:?}",
            self.line
        );
        // Everybody hears everybody again.
        self.run_ticks(4);
    }

    fn phase(&mut self, id: ReplicaId) -> ProposerStatus {
        let replica = self.look().replica(id).expect("it is up");
        replica.status().proposer
    }

    fn is_preparing(&mut self, id: ReplicaId) -> bool {
        matches!(self.phase(id), ProposerStatus::Preparing { .. })
    }

    /// Delivers the heartbeats in flight that `wanted` lets through, and loses the others. All else stays in flight.
    fn deliver_heartbeats(&mut self, wanted: impl Fn(ReplicaId, &kvpaxos::message::Heartbeat) -> bool) {
        for (from, to) in self.free_links() {
            loop {
                let find = |message: &Message| matches!(message, Message::Heartbeat(_));
                let Some(place) = self.look().in_flight(from, to).position(find) else {
                    break;
                };
                let message = self.look().in_flight(from, to).nth(place);
                if matches!(message, Some(Message::Heartbeat(said)) if wanted(to, said)) {
                    self.act(|world| world.deliver(from, to, place));
                } else {
                    self.world().lose(from, to, place);
                }
            }
        }
    }

    /// Does something with each message that is in flight now on the links, from the oldest on.
    fn each_in_flight(
        &mut self,
        link: &str,
        which: &[&str],
        act: impl Fn(&mut World, ReplicaId, ReplicaId, usize),
    ) {
        let (kind, most) = match which {
            [] => (None, usize::MAX),
            [word] if word.parse::<usize>().is_ok() => (None, word::number(word)),
            [kind] => (Some(*kind), usize::MAX),
            [kind, count] => (Some(*kind), word::number(count)),
            _ => panic!("line {}: a kind and a number", self.line),
        };
        for (from, to) in self.links(link) {
            let matching = |message: &Message| kind.is_none_or(|kind| message.name() == kind);
            let mut rest = self
                .look()
                .in_flight(from, to)
                .filter(|message| matching(message))
                .count();
            rest = rest.min(most);
            let mut from_place = 0;
            while rest > 0 {
                let before = self.look().in_flight(from, to).count();
                let find = self
                    .look()
                    .in_flight(from, to)
                    .skip(from_place)
                    .position(matching);
                let place = from_place + find.expect("it was counted");
                self.act(|world| act(world, from, to, place));
                let taken = self.look().in_flight(from, to).count() < before;
                from_place = if taken { place } else { place + 1 };
                rest -= 1;
            }
        }
    }

    /// Delivers one message of each link in turn until nothing is in flight.
    fn settle(&mut self) {
        for _ in 0..NEVER_QUIET {
            let links = self.free_links();
            if links.is_empty() {
                return;
            }
            for (from, to) in links {
                self.act(|world| world.deliver(from, to, 0));
            }
        }
        let (line, in_flight) = (self.line, self.in_flight());
        panic!("line {line}: never quiet; in flight: {in_flight:#?}");
    }

    fn tick(&mut self, who: &str, count: usize) {
        for _ in 0..count {
            let ids = if who == "*" {
                self.free()
            } else {
                vec![word::replica(who)]
            };
            for id in ids {
                self.act(|world| world.tick(id));
            }
        }
    }

    fn pass(&mut self, count: usize) {
        for _ in 0..count {
            self.tick("*", 1);
            self.deliver_heartbeats(|_, _| true);
        }
    }

    fn run_ticks(&mut self, count: usize) {
        for _ in 0..count {
            self.tick("*", 1);
            self.settle();
        }
    }

    fn cut(&mut self, link: &[&str], cut: bool) {
        let links = match link {
            [link] if link.contains("->") => self.links(link),
            [id] => {
                let mut links = self.links(&format!("{id}->*"));
                links.extend(self.links(&format!("*->{id}")));
                links
            }
            [left, right] => {
                let (left, right) = (word::replica(left), word::replica(right));
                vec![(left, right), (right, left)]
            }
            _ => panic!("line {}: cut r0, cut r0 r1 or cut r0->r1", self.line),
        };
        for (from, to) in links {
            self.world().cut(from, to, cut);
        }
    }

    /// Asserts that nothing that the client asked is unanswered.
    fn answered(&self, client: ClientId) {
        let open = self.look().checks.unanswered();
        let open: Vec<_> = open.filter(|(_, asker, _)| *asker == client).collect();
        assert!(open.is_empty(), "line {}: not answered: {open:?}", self.line);
    }

    /// Does something to the world, and lets what replicas say to themselves come to rest.
    fn act(&mut self, act: impl FnOnce(&mut World)) {
        act(self.world());
        self.rest();
    }

    fn rest(&mut self) {
        loop {
            let own = self.look().busy_links();
            let Some((id, _)) = own.into_iter().find(|(from, to)| from == to) else {
                break;
            };
            self.world().deliver(id, id, 0);
        }
        self.gather();
    }

    /// Takes what was seen, and lets the clients hear their answers.
    fn gather(&mut self) {
        let seen = self.world().take_seen();
        for happening in &seen {
            if let Seen::Reply { to, reply } = happening {
                self.clients.entry(*to).or_default().hears(reply);
            }
        }
        self.seen.extend(seen);
    }

    fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("a script begins with `cluster`")
    }

    fn look(&self) -> &World {
        self.world.as_ref().expect("a script begins with `cluster`")
    }

    fn ids(&self) -> Vec<ReplicaId> {
        self.look().ids()
    }

    /// Replicas that are up and not held.
    fn free(&self) -> Vec<ReplicaId> {
        let free = |id: &ReplicaId| self.look().is_up(*id) && !self.held.contains(id);
        self.ids().into_iter().filter(free).collect()
    }

    fn free_links(&self) -> Vec<(ReplicaId, ReplicaId)> {
        let held = |id: &ReplicaId| self.held.contains(id);
        let mut links = self.look().busy_links();
        links.retain(|(from, to)| !held(from) && !held(to));
        links
    }

    /// `r0->r1`, `r0->*`, `*->r1` or `*->*`.
    fn links(&self, link: &str) -> Vec<(ReplicaId, ReplicaId)> {
        let Some((from, to)) = link.split_once("->") else {
            panic!("line {}: not a link: {link}", self.line);
        };
        let ends = |word: &str| {
            if word == "*" {
                self.ids()
            } else {
                vec![word::replica(word)]
            }
        };
        let (from, to) = (ends(from), ends(to));
        let pairs = from.iter().flat_map(|from| to.iter().map(|to| (*from, *to)));
        pairs.filter(|(from, to)| from != to).collect()
    }

    fn status(&self, id: ReplicaId) -> String {
        let replica = self.look().replica(id);
        replica.map_or_else(|| format!("{id} is down"), |replica| replica.status().to_string())
    }

    fn log(&self, id: ReplicaId) -> String {
        let replica = self.look().replica(id).expect("it is up");
        let slots = (0..).map_while(|slot| replica.chosen(Slot(slot)).map(|value| (slot, value.to_string())));
        let slots: Vec<String> = slots.map(|(slot, value)| format!("s{slot} {value}")).collect();
        slots.join("; ")
    }

    fn in_flight(&mut self) -> Vec<String> {
        let world = self.world.as_ref().expect("a script begins with `cluster`");
        let mut lines = Vec::new();
        for (from, to) in world.busy_links() {
            for message in world.in_flight(from, to) {
                if !matches!(message, Message::Heartbeat(_)) {
                    lines.push(format!("{from} -> {to}: {}", self.show.message(message)));
                }
            }
        }
        lines
    }
}
