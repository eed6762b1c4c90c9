//! Standard output and standard error.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Prints an error to standard error.
pub(crate) fn complain(error: &str) {
    eprintln!("kvpaxos: {error}");
}

/// Prints to standard output. It is no error if the reader closes the pipe early.
pub(crate) fn to_stdout(
    print: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>,
) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}
