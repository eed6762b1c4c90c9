//! Standard output and standard error of the program and of [`Trace::Print`](crate::Trace::Print).
//!
//! A write that fails must neither end a run nor hide its verdict, as a panic of `println!` does. So nothing
//! here fails: [`say!`](crate::say) prints a line, what could not be written is remembered, and
//! [`finish`] makes an exit code of it at the end. A pipe whose reader has left is no failure: the reader has
//! seen enough.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, Ordering};

/// The exit code if everything was done and good, but could not be written.
pub const UNWRITTEN: u8 = 4;

/// Prints a line to standard output.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints to standard output, without a newline.
#[macro_export]
macro_rules! say_part {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

/// Prints a line to standard error.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => { $crate::output::print_error(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints to standard error, without a newline.
#[macro_export]
macro_rules! note_part {
    ($($text:tt)*) => { $crate::output::print_error(format_args!($($text)*)) };
}

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

/// Prints to standard output. After the first write that fails nothing more is printed, so that what is there
/// has no gap.
pub fn print(text: fmt::Arguments<'_>) {
    if OUTPUT.load(Ordering::Relaxed) == Output::Open as u8 {
        remember(&io::stdout().lock().write_fmt(text));
    }
}

/// Prints to standard error; if that fails there is nobody left to tell.
pub fn print_error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Notes what became of a write to standard output.
pub fn remember(written: &io::Result<()>) {
    let output = Output::of(written);
    if output == Output::Open {
        return;
    }
    OUTPUT.store(output as u8, Ordering::Relaxed);
    if let (Output::Failed, Err(error)) = (output, written) {
        note!("standard output cannot be written: {error}");
    }
}

/// Writes what is buffered, and returns the exit code: that of the verdict, except that a good verdict which
/// could not be printed is [`UNWRITTEN`].
#[must_use]
pub fn finish(verdict: u8) -> u8 {
    if OUTPUT.load(Ordering::Relaxed) == Output::Open as u8 {
        remember(&io::stdout().lock().flush());
    }
    code(verdict, OUTPUT.load(Ordering::Relaxed) == Output::Failed as u8)
}

fn code(verdict: u8, failed: bool) -> u8 {
    if verdict == 0 && failed {
        UNWRITTEN
    } else {
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_that_is_bad_is_told_by_the_exit_code_in_any_case() {
        assert_eq!([code(0, false), code(1, false)], [0, 1]);
        assert_eq!([code(0, true), code(1, true), code(5, true)], [UNWRITTEN, 1, 5]);
    }

    #[test]
    fn a_reader_that_leaves_is_no_failure() {
        let error = |kind| Output::of(&Err(io::Error::from(kind)));
        assert_eq!(error(io::ErrorKind::BrokenPipe), Output::Left);
        assert_eq!(error(io::ErrorKind::StorageFull), Output::Failed);
        assert_eq!(Output::of(&Ok(())), Output::Open);
    }
}
