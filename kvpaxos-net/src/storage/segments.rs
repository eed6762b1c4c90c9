//! The files of a write-ahead log in their directory: names, and how one comes into being or goes, durably.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::storage::files::{self, File};
use crate::system::shortage::Patience;

/// What the names of a log's files begin with.
const PREFIX: &str = "log.";
/// A file that is not whole yet bears a name that ends so. Whatever is left of it after a crash means nothing.
pub(crate) const DRAFT: &str = ".new";

/// The file of a segment.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{number:08}"))
}

/// The number of the segment that a file of this name holds; `None` if it holds none.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| digits.parse().ok())??;
    // One name for each number: no more zeros in front than it takes.
    (format!("{PREFIX}{number:08}") == name).then_some(number)
}

/// The numbers of all segments in a directory, ascending.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        numbers.extend(entry?.file_name().to_str().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The bytes of all segments in a directory.
pub(crate) fn read_all(directory: &Path) -> io::Result<BTreeMap<u64, Vec<u8>>> {
    let numbers = list(directory)?.into_iter();
    numbers
        .map(|number| Ok((number, std::fs::read(path(directory, number))?)))
        .collect()
}

/// The first `length` bytes of a segment, or as many as there are.
pub(crate) fn read_part(
    directory: &Path,
    number: u64,
    length: u64,
    patience: &Patience,
) -> io::Result<Vec<u8>> {
    let path = path(directory, number);
    let file = patience.attempt(&path, || File::open(&path))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a file that holds these bytes, all or nothing: it bears another name until it is whole and durable.
#[cfg_attr(test, track_caller)]
pub(crate) fn create(file: &Path, bytes: &[u8], patience: &Patience) -> io::Result<File> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(DRAFT);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let mut created = patience.attempt(file, || options.open(&draft))?;
    created.write_all(bytes)?;
    created.sync_all()?;
    patience.attempt(file, || files::rename(&draft, file))?;
    sync_directory(file.parent().unwrap_or(Path::new(".")), patience)?;
    Ok(created)
}

/// Removes what a crash left of files that were being made.
pub(crate) fn remove_drafts(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let segment = name.to_str().and_then(|name| number(name.strip_suffix(DRAFT)?));
        if segment.is_some() {
            files::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Deletes segments, oldest first.
pub(crate) fn delete(
    directory: &Path,
    numbers: impl Iterator<Item = u64>,
    patience: &Patience,
) -> io::Result<()> {
    for number in numbers {
        let path = path(directory, number);
        match patience.attempt(&path, || files::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_directory(directory, patience)
}

/// Makes names durable: those of files that were created, renamed or deleted.
#[cfg_attr(test, track_caller)]
pub(crate) fn sync_directory(directory: &Path, patience: &Patience) -> io::Result<()> {
    // The parent of a name without one is the directory that the process is in.
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let opened = patience.attempt(directory, || File::open(directory))?;
    opened.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segments_are_taken_for_segments() {
        assert_eq!(number("log.00000012"), Some(12));
        assert_eq!(number("log.1234567890"), Some(1_234_567_890));
        for other in [
            "log",
            "log.1",
            "log.00000012.new",
            "log.0000000012",
            "log.+0000012",
            "log.99999999999999999999999",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
