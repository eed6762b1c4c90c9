//! Long searches end early, and with what they have found, when they are asked to.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvpaxos_sim::note;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// By convention a program that a signal ends returns this and the number of the signal.
const ENDED_BY: i32 = 128;

/// Whether Ctrl-C or SIGTERM came. The next one ends the program.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for Ctrl-C and SIGTERM from now on.
    pub(crate) fn watched() -> Interrupt {
        let asked = Arc::new(AtomicBool::new(false));
        if let Err(why) = watch(&asked) {
            note!("Ctrl-C will end this at once, without what was found by then: {why}");
        }
        Interrupt(asked)
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a search goes on.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.is_asked() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn watch(asked: &Arc<AtomicBool>) -> io::Result<()> {
    // In this order: the first signal finds the flag as it was, and sets it.
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, ENDED_BY + signal, Arc::clone(asked))?;
        flag::register(signal, Arc::clone(asked))?;
    }
    Ok(())
}
