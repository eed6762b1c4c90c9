//! A [`kvpaxos::Replica`], or a machine that can stand in its place.

use kvpaxos::{
    Config, Effect, Entropy, Founding, Input, Memory, Message, Observation, Reason, Record, Replica, Reply,
    Request, Slot, Status, Time, Value,
};

use crate::engine::{Label, Machine};
use crate::subject::label;
use crate::subject::log::ReplicaLog;
use crate::subject::mutated::Mutated;

/// A machine that sends and receives the messages of kvpaxos, and whose state checks can inspect.
///
/// A [mutant](crate::mutants) is one as well: it wraps a [`Replica`] and changes its inputs or effects.
pub trait Subject:
    Machine<
        Message = Message,
        Record = Record,
        Request = Request,
        Reply = Reply,
        Observation = Observation,
        Reason = Reason,
    >
{
    /// The configuration of a replica, with the mutation that the setup of its world names.
    fn config(replica: Config, mutated: Option<Mutated>) -> Self::Config;

    /// Its status, as it reports it.
    fn status(&self) -> Status;

    /// The value that is chosen for a slot; `None` if it does not know that.
    fn chosen(&self, slot: Slot) -> Option<&Value>;
}

impl Subject for Replica {
    fn config(replica: Config, mutated: Option<Mutated>) -> Config {
        assert!(
            mutated.is_none(),
            "a replica is correct, and no mutant: {mutated:?}"
        );
        replica
    }

    fn status(&self) -> Status {
        Replica::status(self)
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        Replica::chosen(self, slot)
    }
}

impl Machine for Replica {
    type Config = Config;
    type Message = Message;
    type Record = Record;
    type Request = Request;
    type Reply = Reply;
    type Observation = Observation;
    type Reason = Reason;
    type Log = ReplicaLog;

    fn start(config: &Config, memory: Memory, entropy: Entropy, at: Time) -> Replica {
        Replica::new(config.clone(), memory, entropy, at)
            .expect("the setup was checked before the world was built")
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        Replica::step(self, input)
    }

    fn step_into(&mut self, input: Input, effects: &mut Vec<Effect>) {
        Replica::step_into(self, input, effects);
    }

    fn founds(draw: u64) -> Vec<Record> {
        let founding = Founding(draw);
        vec![Record::Founded { founding }]
    }

    fn founding(&self) -> Option<Founding> {
        Replica::founding(self)
    }

    fn deadline(&self) -> Option<Time> {
        Replica::deadline(self)
    }

    fn label(message: &Message) -> Label {
        label::message(message)
    }

    fn request_label(request: &Request) -> Label {
        label::request(request)
    }

    fn reply_label(reply: &Reply) -> Label {
        label::reply(reply)
    }

    fn corrupt(message: &mut Message, before: Option<&Message>, draw: u64) -> bool {
        corrupt(message, before, draw)
    }
}

/// Changes the content of a part of a snapshot, which the snapshot's digest covers. If the sender sent the
/// same part of an older snapshot before, the content becomes that of the older part, so that the receiver
/// mixes two states; otherwise one bit is flipped.
pub(crate) fn corrupt(message: &mut Message, before: Option<&Message>, draw: u64) -> bool {
    let Message::SnapshotPart(part) = message else {
        return false;
    };
    match before {
        Some(Message::SnapshotPart(old)) if old.at == part.at && old.bytes != part.bytes => {
            part.bytes = old.bytes.clone();
            part.next = old.next;
        }
        _ if !part.bytes.is_empty() => {
            let mut bytes = part.bytes.to_vec();
            let bit = usize::try_from(draw % (bytes.len() as u64 * 8))
                .expect("a number below a length is an index");
            bytes[bit / 8] ^= 1 << (bit % 8);
            part.bytes = bytes.into();
        }
        _ => {}
    }
    true
}
