//! Sweeps that go on from where runs came into rare situations.
//!
//! A seed always begins at the start, where nothing has happened yet. Most bugs hide behind situations that few runs
//! come into, such as an acceptor that loses its memory while another recovers, and behind orders of them. So half of
//! the runs of a guided sweep are [forks](crate::engine::Fork) of earlier ones: up to the event at which a rare
//! [turn] occurred they are that run, and from there on a new seed decides. [`crate::model`] shows by how much this
//! reaches more states than beginning anew; American fuzzy lop does the same with the inputs of a
//! program: it changes those that reached new code.
//!
//! Nothing depends on threads or time: the same first seed gives the same runs.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `lineage` | [`Lineage`]: the name of a run, by which it is repeated |
//! | `guide` | [`Guide`]: which run comes next |
//!
//! [turn]: crate::invariants::Turn

mod guide;
mod lineage;

pub use guide::{Guide, Guided, guided, play};
pub use lineage::{Lineage, LineageError};
