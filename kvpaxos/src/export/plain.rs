//! How numbers, lists and maps are written. What has an encoding for the wire or the log is written in that encoding.

use std::collections::{BTreeMap, VecDeque};

use super::{Export, Exporter, ImportError, Importer};
use crate::command::{Command, Outcome, Query, Stream};
use crate::config::Config;
use crate::crash_vector::CrashVector;
use crate::founding::KnownFoundings;
use crate::io::{Envelope, Record};
use crate::message::{Heartbeat, Message, Watermark};
use crate::state::snapshot::{Cursor, DeferredFree, Snapshot};
use crate::types::{Ballot, ClientId, Founding, Incarnation, Life, ReplicaId, ReplicaSet, Role, Slot, Time};
use crate::value::Value;

macro_rules! export_encoded {
    ($($type:ty),* $(,)?) => {
        $(impl Export for $type {
            fn export_to(&self, to: &mut Exporter) {
                to.put(self);
            }

            fn import_from(from: &mut Importer<'_>) -> Result<Self, ImportError> {
                from.get()
            }
        })*
    };
}

export_encoded!(
    bool,
    u8,
    u32,
    u64,
    u128,
    usize,
    Ballot,
    ClientId,
    Command,
    CrashVector,
    Cursor,
    Envelope,
    Founding,
    Heartbeat,
    Incarnation,
    KnownFoundings,
    Life,
    Message,
    Outcome,
    Query,
    Record,
    ReplicaId,
    ReplicaSet,
    Role,
    Slot,
    Stream,
    Time,
    Watermark,
);

/// Both ends have the same one.
impl Export for Config {
    fn export_to(&self, _: &mut Exporter) {}

    fn import_from(from: &mut Importer<'_>) -> Result<Config, ImportError> {
        Ok(from.config().clone())
    }
}

impl Export for Value {
    fn export_to(&self, to: &mut Exporter) {
        to.put_value(self);
    }

    fn import_from(from: &mut Importer<'_>) -> Result<Value, ImportError> {
        from.value()
    }
}

impl Export for Snapshot {
    fn export_to(&self, to: &mut Exporter) {
        to.put_snapshot(self);
    }

    fn import_from(from: &mut Importer<'_>) -> Result<Snapshot, ImportError> {
        from.known_snapshot()
    }
}

/// It has no influence.
impl Export for DeferredFree {
    fn export_to(&self, _: &mut Exporter) {}

    fn import_from(_: &mut Importer<'_>) -> Result<DeferredFree, ImportError> {
        Ok(DeferredFree::default())
    }
}

impl<T: Export> Export for Box<T> {
    fn export_to(&self, to: &mut Exporter) {
        (**self).export_to(to);
    }

    fn import_from(from: &mut Importer<'_>) -> Result<Box<T>, ImportError> {
        T::import_from(from).map(Box::new)
    }
}

impl<T: Export> Export for Option<T> {
    fn export_to(&self, to: &mut Exporter) {
        self.is_some().export_to(to);
        if let Some(content) = self {
            content.export_to(to);
        }
    }

    fn import_from(from: &mut Importer<'_>) -> Result<Option<T>, ImportError> {
        bool::import_from(from)?.then(|| T::import_from(from)).transpose()
    }
}

impl<A: Export, B: Export> Export for (A, B) {
    fn export_to(&self, to: &mut Exporter) {
        self.0.export_to(to);
        self.1.export_to(to);
    }

    fn import_from(from: &mut Importer<'_>) -> Result<(A, B), ImportError> {
        Ok((A::import_from(from)?, B::import_from(from)?))
    }
}

/// Every element takes a byte at least, so that a count that is too large ends with the bytes; nothing is reserved for it.
macro_rules! export_list {
    ($($list:ident by $push:ident),*) => {
        $(impl<T: Export> Export for $list<T> {
            fn export_to(&self, to: &mut Exporter) {
                self.len().export_to(to);
                self.iter().for_each(|element| element.export_to(to));
            }

            fn import_from(from: &mut Importer<'_>) -> Result<$list<T>, ImportError> {
                let mut list = $list::new();
                for _ in 0..usize::import_from(from)? {
                    list.$push(T::import_from(from)?);
                }
                Ok(list)
            }
        })*
    };
}

export_list!(Vec by push, VecDeque by push_back);

impl<K: Export + Ord, V: Export> Export for BTreeMap<K, V> {
    fn export_to(&self, to: &mut Exporter) {
        self.len().export_to(to);
        for (key, value) in self {
            key.export_to(to);
            value.export_to(to);
        }
    }

    fn import_from(from: &mut Importer<'_>) -> Result<BTreeMap<K, V>, ImportError> {
        let mut map = BTreeMap::new();
        for _ in 0..usize::import_from(from)? {
            let key = K::import_from(from)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                let why = "the keys of a map do not ascend";
                return Err(ImportError::Inconsistent { why });
            }
            map.insert(key, V::import_from(from)?);
        }
        Ok(map)
    }
}
