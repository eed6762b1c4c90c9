//! What faults do to an engine, whichever machines it drives.

use crate::engine::{Engine, LinkProfile, Machine, Observer, RIGHT_SPEED, Table, latency};
use crate::world::partition;

use super::fault::{Fault, LastingFault};

/// The profile of degraded links: they lose and delay most messages.
const DEGRADED: LinkProfile = LinkProfile {
    drop: 600_000,
    duplicate: 100_000,
    delay: latency::WILD,
    reorder: true,
};

/// Does what a fault does when it begins.
pub(crate) fn begin<M: Machine, O: Observer<M>>(fault: &LastingFault, engine: &mut Engine<M, O>) {
    match fault {
        LastingFault::Down { id, .. } => engine.crash(*id),
        LastingFault::Stopping { id, .. } => engine.hand_over(*id),
        LastingFault::Paused(id) => engine.pause(*id),
        LastingFault::Role { id, role, .. } => engine.fail_role(*id, *role),
        LastingFault::Cut(cuts) | LastingFault::Flapping { cuts, .. } => {
            partition::cut(cuts, &mut engine.network);
        }
        LastingFault::Drift { id, speed } => engine.set_speed(*id, *speed),
        LastingFault::Slow(id) => engine.set_latency(*id, latency::BUSY),
        LastingFault::Full(id) => engine.set_full(*id, true),
        LastingFault::CrashAtSync(id) => engine.set_crash_at_sync(*id, true),
        LastingFault::Corrupting(id) => engine.set_corrupting(*id, true),
        LastingFault::DegradedLinks(id) => engine.network.set_profile((*id).into(), Some(DEGRADED)),
    }
}

/// Does what a fault does that does not last. A client whose connection it breaks must be told.
pub(crate) fn begin_instant<M: Machine, O: Observer<M>>(fault: &Fault, engine: &mut Engine<M, O>) {
    match *fault {
        Fault::Lasting(_) => {}
        Fault::Speed { id, speed } => engine.set_speed(id, speed),
        Fault::Jump { id, by } => engine.jump_clock(id, by),
        Fault::HangUp { client, id } => engine.hang_up(id, client),
    }
}

/// Undoes what a fault did. Disks are as fast again as `sync` says.
pub(crate) fn end<M: Machine, O: Observer<M>>(fault: &LastingFault, sync: Table, engine: &mut Engine<M, O>) {
    match fault {
        LastingFault::Down { id, lost, damage } => {
            let lost = damage.map_or(*lost, |damage| engine.damage(*id, damage));
            engine.start(*id, lost);
        }
        LastingFault::Stopping { id, .. } => {
            engine.crash(*id);
            engine.start(*id, false);
        }
        LastingFault::Paused(id) => engine.resume(*id),
        LastingFault::Role { id, role, lost } => engine.restart_role(*id, *role, *lost),
        LastingFault::Cut(cuts) => partition::mend(cuts, &mut engine.network),
        LastingFault::Flapping { cuts, cut, .. } => {
            if *cut {
                partition::mend(cuts, &mut engine.network);
            }
        }
        LastingFault::Drift { id, .. } => engine.set_speed(*id, RIGHT_SPEED),
        LastingFault::Slow(id) => engine.set_latency(*id, sync),
        LastingFault::Full(id) => engine.set_full(*id, false),
        LastingFault::CrashAtSync(id) => engine.set_crash_at_sync(*id, false),
        LastingFault::Corrupting(id) => engine.set_corrupting(*id, false),
        LastingFault::DegradedLinks(id) => engine.network.set_profile((*id).into(), None),
    }
}
