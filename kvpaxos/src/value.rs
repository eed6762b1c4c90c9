//! What can be chosen for a slot: commands in batches.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::command::Command;

/// Commands that are chosen together in one slot. Clones share them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Batch(Arc<BatchContent>);

/// Commands with the sum of their sizes, which is asked for again and again.
#[derive(PartialEq, Eq, Hash)]
struct BatchContent {
    commands: Vec<Command>,
    size: usize,
}

impl Batch {
    /// A batch of these commands, in this order.
    #[must_use]
    pub fn new(commands: Vec<Command>) -> Batch {
        let size = commands.iter().map(Command::size).sum();
        Batch(Arc::new(BatchContent { commands, size }))
    }

    /// The commands in order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.0.commands
    }
}

/// What can be chosen for a slot.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Fills a gap and does nothing (*Paxos Made Simple*, section 3).
    Noop,
    /// Commands, applied in order.
    Batch(Batch),
}

impl Value {
    /// What identifies its memory, for as long as it is borrowed: values with the same memory are equal. A no-op has none.
    pub(crate) fn place(&self) -> Option<usize> {
        match self {
            Value::Noop => None,
            Value::Batch(batch) => Some(Arc::as_ptr(&batch.0).addr()),
        }
    }

    /// The commands in order; none for a no-op.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        match self {
            Value::Noop => &[],
            Value::Batch(batch) => batch.commands(),
        }
    }

    /// The approximate size in bytes, encoded or in memory. Bounds on chunks and queues use it.
    #[must_use]
    pub fn size(&self) -> usize {
        let commands = match self {
            Value::Noop => 0,
            Value::Batch(batch) => batch.0.size,
        };
        16 + commands
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.commands()).finish()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Noop => write!(f, "noop"),
            Value::Batch(batch) => batch.fmt(f),
        }
    }
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.commands().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Batch, D::Error> {
        Ok(Batch::new(Vec::deserialize(deserializer)?))
    }
}
