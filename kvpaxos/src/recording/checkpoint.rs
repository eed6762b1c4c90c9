//! What a segment may begin with that is not the first of its life: the state of the replica, and what waits for its disk.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::encoding::append_payload;
use crate::export::ImportError;
use crate::io::{Envelope, Record};
use crate::replica::Replica;
use crate::types::{Role, Time};

/// The writes of a replica that are not known to be durable, and the messages that wait for them. A driver and whoever executes
/// its recording keep the same account, each with this type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Writes {
    /// The batch that is being gathered, and whether it has anything.
    batch: u64,
    gathered: bool,
    /// The last batch that has records.
    last_written: u64,
    /// The last batch that is known to be durable.
    settled: u64,
    deferred: VecDeque<Deferred>,
    /// Records that are not known to be durable, with their batches.
    undurable: VecDeque<(u64, Record)>,
}

/// Messages that leave once a batch of records is durable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deferred {
    /// The batch.
    pub batch: u64,
    /// The role that wrote. If it fails meanwhile, the messages are void.
    pub role: Role,
    /// The messages.
    pub envelopes: Vec<Envelope>,
}

impl Default for Writes {
    fn default() -> Writes {
        Writes {
            batch: 1,
            gathered: false,
            last_written: 0,
            settled: 0,
            deferred: VecDeque::new(),
            undurable: VecDeque::new(),
        }
    }
}

impl Writes {
    /// The batch that is being gathered. The first is 1.
    #[must_use]
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// Whether that batch has anything: then no checkpoint can be written.
    #[must_use]
    pub fn is_gathering(&self) -> bool {
        self.gathered
    }

    /// The last batch that is known to be durable.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// How many records are not known to be durable.
    #[must_use]
    pub fn undurable(&self) -> usize {
        self.undurable.len()
    }

    /// A role writes records, and messages wait for them. Returns those that wait for nothing.
    pub fn persist(&mut self, role: Role, records: Vec<Record>, then: Vec<Envelope>) -> Vec<Envelope> {
        let batch = self.batch;
        if !records.is_empty() {
            self.last_written = batch;
            self.gathered = true;
            self.undurable
                .extend(records.into_iter().map(|record| (batch, record)));
        }
        if then.is_empty() || self.settled >= self.last_written {
            return then;
        }
        self.gathered = true;
        self.deferred.push_back(Deferred {
            batch,
            role,
            envelopes: then,
        });
        Vec::new()
    }

    /// What was gathered becomes a batch.
    pub fn flush(&mut self) {
        self.batch += u64::from(self.gathered);
        self.gathered = false;
    }

    /// A batch and all before it are durable. Returns their records; `None` if it was not written.
    pub fn settle(&mut self, batch: u64) -> Option<Vec<Record>> {
        if batch >= self.batch {
            return None;
        }
        self.settled = self.settled.max(batch);
        let count = self.undurable.partition_point(|(of, _)| *of <= batch);
        Some(self.undurable.drain(..count).map(|(_, record)| record).collect())
    }

    /// The next messages whose records are durable.
    pub fn next_due(&mut self) -> Option<Vec<Envelope>> {
        let is_due = self.deferred.front()?.batch <= self.settled;
        is_due
            .then(|| self.deferred.pop_front())?
            .map(|deferred| deferred.envelopes)
    }

    /// A role has failed: its messages are void.
    pub fn void(&mut self, role: Role) {
        for deferred in self.deferred.iter_mut().filter(|deferred| deferred.role == role) {
            deferred.envelopes.clear();
        }
    }

    /// What waits, and the records that are not known to be durable, with their batches.
    #[must_use]
    pub fn into_parts(self) -> (VecDeque<Deferred>, VecDeque<(u64, Record)>) {
        (self.deferred, self.undurable)
    }
}

/// A replica in the middle of a life, at a moment at which no message to itself is under way and nothing is gathered for its disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The time of its last input.
    pub at: Time,
    /// What waits for the disk.
    pub writes: Writes,
    /// The state: [`Replica::export`].
    pub state: Vec<u8>,
}

impl Checkpoint {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Checkpoint::beginning(self.at, &self.writes);
        bytes.extend_from_slice(&self.state);
        bytes
    }

    /// The bytes before the state.
    #[must_use]
    pub fn beginning(at: Time, writes: &Writes) -> Vec<u8> {
        let mut bytes = Vec::new();
        append_payload(&(at, writes), &mut bytes);
        bytes
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// If they do not begin as a checkpoint does. The state is not read.
    pub fn decode(bytes: &[u8]) -> Result<Checkpoint, ImportError> {
        let read = postcard::take_from_bytes::<(Time, Writes)>(bytes);
        let ((at, writes), state) = read.map_err(|why| ImportError::Bytes {
            at: 0,
            length: bytes.len(),
            why: why.to_string(),
        })?;
        // Batches are counted from there on: see `MAX_COUNTER`.
        if writes.batch == 0 || writes.batch > crate::encoding::MAX_COUNTER || writes.gathered {
            let why = "its account of the disk is not one that a checkpoint has";
            return Err(ImportError::Inconsistent { why });
        }
        Ok(Checkpoint {
            at,
            writes,
            state: state.to_vec(),
        })
    }

    /// The replica.
    ///
    /// # Errors
    /// If the state is not that of a replica with this configuration.
    pub fn replica(&self, config: &Config) -> Result<Replica, ImportError> {
        Replica::import(config, &self.state)
    }
}
