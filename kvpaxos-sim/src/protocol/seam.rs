//! What one has to write for a protocol.

use std::fmt::Debug;

use kvpaxos::{ReplicaId, Time};
use serde::de::DeserializeOwned;

use crate::engine::{Decider, Decision, Machine, Observer, Stream};
use crate::protocol::setup::Setup;

/// A protocol, and what a world needs to know of it.
pub trait Protocol: Sync {
    /// The machine that every host runs. Requests and replies of one call have the same number in their
    /// [labels](Machine::request_label): by that a client knows the answer to what it asked.
    type Machine: Machine<Request: DeserializeOwned + PartialEq>;

    /// Checks every event by assertions: one that fails is a violation. `()` checks nothing.
    type Observer: Observer<Self::Machine> + Default;

    /// Its name, a word. It stands in the first line of scenario files.
    const NAME: &'static str;

    /// The configuration of each host.
    fn configs(&self) -> Vec<<Self::Machine as Machine>::Config>;

    /// The setup from which seeds draw theirs: see [`Setup::drawn`].
    fn setup(&self) -> Setup {
        Setup::default()
    }

    /// What a client asks next. The number is that of the call: no other call of the run has it.
    fn request(&self, number: u64, draws: &mut Draws<'_>) -> RequestOf<Self>;

    /// What a machine is in at present: a name and a value for each line, for the page of a run.
    fn state(machine: &Self::Machine) -> Vec<(&'static str, String)> {
        let _ = machine;
        Vec::new()
    }

    /// Judges the calls of a whole run; [`linearizable`](crate::protocol::linearizable) does it by a model.
    ///
    /// # Errors
    /// What is wrong. The first line says in which way, the others give the particulars.
    fn judge(&self, calls: &[CallOf<Self>]) -> Result<(), String> {
        let _ = calls;
        Ok(())
    }
}

/// What clients of the protocol ask for.
pub type RequestOf<P> = <<P as Protocol>::Machine as Machine>::Request;

/// What they are answered.
pub type ReplyOf<P> = <<P as Protocol>::Machine as Machine>::Reply;

/// A call of the protocol.
pub type CallOf<P> = Call<RequestOf<P>, ReplyOf<P>>;

/// A call of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call<Q, A> {
    /// The client.
    pub client: u32,
    /// When it asks.
    pub at: Time,
    /// The host that it asks.
    pub to: ReplicaId,
    /// What it asks.
    pub request: Q,
    /// When it is answered, and what; `None` if it never is, or not within its patience. Whether such a call had an effect is unknown.
    pub reply: Option<(Time, A)>,
}

/// Random decisions about a client's next request.
pub struct Draws<'a> {
    pub(super) decider: &'a mut (dyn Decider + Send + 'static),
    pub(super) client: u32,
}

impl Draws<'_> {
    /// The client that asks.
    #[must_use]
    pub fn client(&self) -> u32 {
        self.client
    }

    /// A number below this; 0 if it is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let stream = Stream::Client(self.client);
        self.decider.below(stream, Decision::Operation, bound)
    }

    /// Whether something happens that has so many chances in a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        let stream = Stream::Client(self.client);
        self.decider.chance(stream, Decision::Operation, percent * 10_000)
    }

    /// One of these.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn pick<T: Copy + Debug>(&mut self, of: &[T]) -> T {
        self.decider
            .pick(Stream::Client(self.client), Decision::Operation, of)
    }
}
