//! The files of a write-ahead log: their names, and how they are created and deleted durably.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::storage::files::{self, File};
use crate::system::shortage::ShortagePolicy;

/// The names of segments begin with this.
const PREFIX: &str = "log.";
/// The name of a file that is not complete yet ends with this. If a crash leaves such a file, it is ignored.
pub(crate) const DRAFT: &str = ".new";

/// The path of a segment.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{PREFIX}{number:08}"))
}

/// The number of the segment in a file of this name; `None` if the file is no segment.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let is_number = digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| digits.parse().ok())??;
    // Each number has one name: with no more leading zeros than it takes.
    (format!("{PREFIX}{number:08}") == name).then_some(number)
}

/// The numbers of all segments in a directory, in ascending order.
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

/// The first `length` bytes of a segment, or all if it is shorter.
pub(crate) fn read_part(
    directory: &Path,
    number: u64,
    length: u64,
    on_shortage: &ShortagePolicy,
) -> io::Result<Vec<u8>> {
    let path = path(directory, number);
    let file = on_shortage.attempt(&path, || File::open(&path))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Creates a file that holds these bytes, or none: it gets its name only once it is complete and durable.
#[cfg_attr(test, track_caller)]
pub(crate) fn create(file: &Path, bytes: &[u8], on_shortage: &ShortagePolicy) -> io::Result<File> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(DRAFT);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let mut created = on_shortage.attempt(file, || options.open(&draft))?;
    created.write_all(bytes)?;
    created.sync_all()?;
    on_shortage.attempt(file, || files::rename(&draft, file))?;
    sync_directory(file.parent().unwrap_or(Path::new(".")), on_shortage)?;
    Ok(created)
}

/// Removes the incomplete files that a crash left.
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
    on_shortage: &ShortagePolicy,
) -> io::Result<()> {
    for number in numbers {
        let path = path(directory, number);
        match on_shortage.attempt(&path, || files::remove_file(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_directory(directory, on_shortage)
}

/// Makes durable which names a directory has, after files were created, renamed or deleted.
#[cfg_attr(test, track_caller)]
pub(crate) fn sync_directory(directory: &Path, on_shortage: &ShortagePolicy) -> io::Result<()> {
    // A path without a parent is relative to the current directory.
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let opened = on_shortage.attempt(directory, || File::open(directory))?;
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
