//! Standard output and standard error.
//!
//! A write that fails must neither end a command half-way nor hide what became of a request, as a panic of
//! `println!` does. So nothing here fails: [`say!`] prints a line, what could not be written is remembered,
//! and [`finish`] makes an exit code of it at the end. A pipe whose reader has left is no failure: the reader
//! has seen enough.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use crate::exit::Exit;

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::print(format_args!("{}\n", format_args!($($text)*))) };
}
pub(crate) use say;

/// Whether standard output still takes anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Output {
    Open = 0,
    /// The reader of the pipe has left.
    Left = 1,
    Failed = 2,
}

impl Output {
    fn of(written: &io::Result<()>) -> Output {
        match written {
            Ok(()) => Output::Open,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Output::Left,
            Err(_) => Output::Failed,
        }
    }
}

static OUTPUT: AtomicU8 = AtomicU8::new(Output::Open as u8);

/// Whether somebody may still read what is printed.
pub(crate) fn is_read() -> bool {
    OUTPUT.load(Ordering::Relaxed) == Output::Open as u8
}

/// Prints to standard output, at once. After the first write that fails nothing more is printed, so that what
/// is there has no gap.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    to_stdout(|out| out.write_fmt(text));
}

/// Prints to standard output, like [`print`].
pub(crate) fn to_stdout(write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>) {
    if !is_read() {
        return;
    }
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    // What is left in the buffer was refused already.
    let (_, _) = out.into_parts();
    let output = Output::of(&written);
    if output != Output::Open {
        OUTPUT.store(output as u8, Ordering::Relaxed);
    }
    if let (Output::Failed, Err(error)) = (output, written) {
        complain(format_args!("standard output cannot be written: {error}"));
    }
}

/// Clears the screen, if there is one; else leaves a line free.
pub(crate) fn clear() {
    if io::stdout().is_terminal() {
        print(format_args!("\x1b[H\x1b[2J"));
    } else {
        print(format_args!("\n"));
    }
}

/// Prints an error to standard error; if that fails there is nobody left to tell.
pub(crate) fn complain(error: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "kvpaxos: {error}");
}

/// The exit code of a command: its own, except that what was done but could not be printed is
/// [`Exit::Unsaid`].
pub(crate) fn finish(exit: Exit) -> Exit {
    code(exit, OUTPUT.load(Ordering::Relaxed) == Output::Failed as u8)
}

fn code(exit: Exit, failed: bool) -> Exit {
    if exit == Exit::Done && failed {
        Exit::Unsaid
    } else {
        exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_but_not_said_has_a_code_of_its_own() {
        assert_eq!(code(Exit::Done, false), Exit::Done);
        assert_eq!(code(Exit::Done, true), Exit::Unsaid);
        assert_eq!(
            code(Exit::Unknown, true),
            Exit::Unknown,
            "what became of the request counts more"
        );
    }

    #[test]
    fn a_reader_that_leaves_is_no_failure() {
        let error = |kind| Output::of(&Err(io::Error::from(kind)));
        assert_eq!(error(io::ErrorKind::BrokenPipe), Output::Left);
        assert_eq!(error(io::ErrorKind::StorageFull), Output::Failed);
        assert_eq!(Output::of(&Ok(())), Output::Open);
    }
}
