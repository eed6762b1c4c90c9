//! The commands of the scripts. `*` stands for every replica.
//!
//! ```text
//! cluster 3 [setting] ...     new replicas r0, r1, r2; settings: `sync=manual`, and those in `word::option`
//! stand r0, elect r0          holds back the heartbeats of the others until r0 stands, or leads
//! open r1 c1                  client c1 opens a session through r1, and uses it for its later writes
//! put r1 c1 k v, delete r1 c1 k, cas r1 c1 k old new, get r1 c1 k, submit r1 c1 bytes
//! close r1 c1, gone r1 c1     c1 closes its session; c1 disconnects from r1
//! again r2 c1                 c1 sends its last write again, to r2
//! deliver r0->r1 [Kind] [n]   delivers the messages in flight on the link (of one kind, the first n)
//! copy, lose r0->r1 ...       the same for copies, which leave the messages in flight; loses the messages
//! garble r0->r1               changes a bit of each snapshot part in flight on the link
//! settle                      delivers until nothing is in flight
//! tick r0 [n]                 n ticks of r0's clock
//! pass n                      n ticks of all clocks; after each tick only heartbeats are delivered
//! run n                       n ticks of all clocks; after each tick everything is delivered
//! hold r0, release r0         `tick *`, settle, pass and run leave out r0 and its links until its release
//! cut r0 [r1], heal r0 [r1]   loses messages between r0 and r1 (or all), both ways; `cut r0->r1` is one way
//! sync r1                     makes the writes of r1 durable
//! disk r1 manual|auto         from now on r1's writes become durable by `sync` only, or at once
//! handover r0                 r0 is to stop
//! fail r1 acceptor            the role fails
//! restart r1 acceptor kept|lost [unseen]   the role restarts (unseen: its last write did not reach the disk)
//! crash r0 [keep n]           r0 stops; the first n of its unsynced records reach the disk
//! start r0 kept|lost          r0 starts
//! status, log r0, records r0, inflight     show state, and change none
//! answered c1                 asserts that all requests of c1 are answered
//! ```
//!
//! `quietly` before a command shows its results only, without the messages and records that lead to them.
//! `heartbeats` shows heartbeats, too. A message of a replica to itself is delivered at once.

use std::collections::{BTreeMap, BTreeSet};

use kvpaxos::status::ProposerStatus;
use kvpaxos::{ClientId, Config, Message, ReplicaId, RequestBody, Slot};

use crate::client::Client;
use crate::show::{Detail, Show};
use crate::support::{Seen, World};
use crate::word;

/// After so many rounds of deliveries with messages still in flight, a script has failed.
const NEVER_QUIET: usize = 20_000;

/// Plays commands.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    world: Option<World>,
    show: Show,
    clients: BTreeMap<ClientId, Client>,
    held: BTreeSet<ReplicaId>,
    /// What has happened and is not shown yet.
    seen: Vec<Seen>,
    /// The line of the present command, for messages of failed assertions.
    line: usize,
}

impl Driver {
    /// Plays one command. Returns its effects as text.
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

    /// Ends the script, which must have created a cluster.
    pub(crate) fn finish(self) {
        assert!(self.world.is_some(), "a script begins with `cluster`");
    }

    /// Plays a command that only shows state. Returns `None` for another command.
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
            ["handover" | "fail" | "restart" | "crash" | "start", ..] => self.play_failure(words),
            _ => self.play_client(words),
        }
    }

    fn play_failure(&mut self, words: &[&str]) {
        match words {
            ["handover", id] => {
                let id = word::replica(id);
                self.act(|world| world.hand_over(id));
            }
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

    /// Lets `who` stand, and no other replica. `who` receives all heartbeats. The others receive none that
    /// would show them both that they are connected and that no leader is known.
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
                    "line {}: {id} stands first",
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
        // The replicas exchange heartbeats again.
        self.run_ticks(4);
    }

    fn phase(&mut self, id: ReplicaId) -> ProposerStatus {
        let replica = self.look().replica(id).expect("the replica is up");
        replica.status().proposer
    }

    fn is_preparing(&mut self, id: ReplicaId) -> bool {
        matches!(self.phase(id), ProposerStatus::Preparing { .. })
    }

    /// Delivers the heartbeats in flight that are `wanted`, and loses the others. All other messages stay in
    /// flight.
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

    /// Applies `act` to each matching message that is in flight on the links now, oldest first.
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
            _ => panic!("line {}: expected a kind, a number, or both", self.line),
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
                let place = from_place + find.expect("the message was counted");
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
        panic!("line {line}: messages are still in flight: {in_flight:#?}");
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
            _ => panic!("line {}: expected r0, r0 r1 or r0->r1", self.line),
        };
        for (from, to) in links {
            self.world().cut(from, to, cut);
        }
    }

    /// Asserts that all requests of the client are answered.
    fn answered(&self, client: ClientId) {
        let open = self.look().checks.unanswered();
        let open: Vec<_> = open.filter(|(_, asker, _)| *asker == client).collect();
        assert!(open.is_empty(), "line {}: not answered: {open:?}", self.line);
    }

    /// Applies `act` to the world, and then delivers the messages that replicas sent to themselves.
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

    /// Takes what has happened, and hands the answers to their clients.
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

    /// The replicas that are up and not held.
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

    /// The links that this word means: `r0->r1`, `r0->*`, `*->r1` or `*->*`.
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
        let replica = self.look().replica(id).expect("the replica is up");
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
