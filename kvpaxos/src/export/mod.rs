//! The complete state of a replica as bytes, so that a later execution can begin in the middle of a life.
//!
//! [`Replica::export`](crate::Replica::export) writes everything that decides what a replica will do: two replicas with the same
//! bytes behave alike, and equal replicas have the same bytes, on every machine. [`crate::recording`] keeps them as the checkpoints
//! of a recording.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `exporter` | [`Exporter`]: state to bytes |
//! | `importer` | [`Importer`]: bytes to state; [`ImportError`]: what can be wrong with them |
//! | `plain` | how numbers, lists and maps are written |
//!
//! ```text
//! export      item | item ... | 0 | state
//!
//! item        1 | slot | digest | part | part ... | 0     a snapshot
//!             2 | value                                   a value that is chosen, accepted or proposed
//! part        1 | length | bytes | the cursor of the next part (option)
//! state       the fields of the replica, in the order of their declaration
//! ```
//!
//! The roles share memory: the acceptor and the learner hold the same snapshot, and mostly the same values. So each snapshot and
//! each value is written once, in the order in which the state first names it, and the state holds its number among the snapshots or
//! among the values. So items need not be kept until the rest is known: a state of any size is
//! [exported in pieces](crate::Replica::export_in_pieces). What follows from
//! the rest is not written: the state machine is the last snapshot and the values after it. A state
//! that waits to be freed is left out, because it has no influence.
//!
//! The bytes belong to one release: they have no version of their own, and whoever keeps them adds one.

mod exporter;
mod importer;
mod plain;

pub use exporter::ExportError;
pub(crate) use exporter::Exporter;
pub use importer::ImportError;
pub(crate) use importer::Importer;

/// What stands before each item, and before the state.
mod item {
    pub(super) const END: u8 = 0;
    pub(super) const SNAPSHOT: u8 = 1;
    pub(super) const VALUE: u8 = 2;
}

/// A part of the state of a replica.
pub(crate) trait Export: Sized {
    /// Writes everything that influences behaviour.
    fn export_to(&self, to: &mut Exporter);

    /// Reads what [`export_to`](Export::export_to) wrote.
    fn import_from(from: &mut Importer<'_>) -> Result<Self, ImportError>;
}

/// Exports a struct field by field. A field that is missing here does not compile.
macro_rules! export_fields {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::export::Export for $type {
            fn export_to(&self, to: &mut $crate::export::Exporter) {
                let Self { $($field),* } = self;
                $($crate::export::Export::export_to($field, to);)*
            }

            fn import_from(
                from: &mut $crate::export::Importer<'_>,
            ) -> Result<Self, $crate::export::ImportError> {
                Ok(Self { $($field: $crate::export::Export::import_from(from)?),* })
            }
        }
    };
}

/// Exports an enum: the number of the variant, and its content if it has any.
macro_rules! export_variants {
    ($type:ident { $($number:literal => $variant:ident $(($content:ident))?),* $(,)? }) => {
        impl $crate::export::Export for $type {
            fn export_to(&self, to: &mut $crate::export::Exporter) {
                match self {
                    $($type::$variant $(($content))? => {
                        $crate::export::Export::export_to(&($number as u8), to);
                        $($crate::export::Export::export_to($content, to);)?
                    })*
                }
            }

            fn import_from(
                from: &mut $crate::export::Importer<'_>,
            ) -> Result<Self, $crate::export::ImportError> {
                match <u8 as $crate::export::Export>::import_from(from)? {
                    $($number => {
                        $(let $content = $crate::export::Export::import_from(from)?;)?
                        Ok($type::$variant $(($content))?)
                    })*
                    found => Err($crate::export::ImportError::Variant {
                        what: stringify!($type),
                        found,
                    }),
                }
            }
        }
    };
}

pub(crate) use {export_fields, export_variants};
