//! The files that `check` reads.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Seek};
use std::path::Path;

use kvpaxos_sim::history::{ReadError, Reader};
use kvpaxos_sim::note;

/// How many bytes of a history are read at a time.
const BUFFER: usize = 1 << 17;

/// A history that can be read more than once.
pub(crate) struct Source(File);

impl Source {
    /// Reads it from its beginning.
    pub(crate) fn reader(&mut self) -> Result<Reader<BufReader<File>>, ReadError> {
        Reader::new(self.bytes()?)
    }

    /// Reads its bytes from the beginning.
    pub(crate) fn bytes(&mut self) -> io::Result<BufReader<File>> {
        self.0.rewind()?;
        Ok(BufReader::with_capacity(BUFFER, self.0.try_clone()?))
    }
}

/// Opens a history. One that comes from a pipe is copied into a temporary file, which disappears when it is
/// closed.
pub(crate) fn source(file: &Path) -> io::Result<Source> {
    if is_stdin(file) {
        if io::stdin().is_terminal() {
            note!("reading a history from standard input, a JSON object a line; Ctrl-D ends it");
        }
        return copied(io::stdin().lock());
    }
    let opened = File::open(file)?;
    if opened.metadata()?.is_file() {
        return Ok(Source(opened));
    }
    copied(opened)
}

fn copied(mut source: impl Read) -> io::Result<Source> {
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut source, &mut copy)?;
    Ok(Source(copy))
}

/// The name of the file in messages.
pub(crate) fn name(file: &Path) -> String {
    if is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}
