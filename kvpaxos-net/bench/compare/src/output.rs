//! Standard output and standard error. A reader who has left is no reason to stop.

use std::io::{self, Write};

/// Prints a line.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints an error.
pub(crate) fn complain(error: &str) {
    let _ = writeln!(io::stderr().lock(), "kvpaxos-compare: {error}");
}
