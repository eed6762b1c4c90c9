//! A log file that does not grow without bound. When it is full it is renamed to `FILE.1`, what was there to
//! `FILE.2`, and so on; the oldest is removed. It can be opened again, for programs that rotate logs themselves.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A log file. See the module's docs.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// How long it is.
    length: u64,
    /// How long it may become; 0 if as long as it will.
    limit: u64,
    /// How many earlier files are kept.
    kept: u32,
}

impl LogFile {
    /// Opens a file to append to.
    pub(super) fn open(path: &Path, limit: u64, kept: u32) -> io::Result<LogFile> {
        let (file, length) = append_to(path)?;
        Ok(LogFile {
            path: path.to_owned(),
            file,
            length,
            limit,
            kept,
        })
    }

    /// Opens the file again, which has another name now or none. If that fails, the old one goes on.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.length) = append_to(&self.path)?;
        Ok(())
    }

    /// Appends a line.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.limit > 0 && self.length > 0 && self.length + line.len() as u64 > self.limit {
            // If it cannot be rotated it goes on growing: a long log is better than none.
            let rotated = self.rotate();
            if rotated.is_err() {
                self.length = 0;
            }
        }
        self.file.write_all(line)?;
        self.length += line.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        // Only what is there is moved on, so that a second attempt loses no file.
        if self.path.exists() {
            for number in (1..self.kept).rev() {
                if self.earlier(number).exists() {
                    fs::rename(self.earlier(number), self.earlier(number + 1))?;
                }
            }
            if self.kept == 0 {
                fs::remove_file(&self.path)?;
            } else {
                fs::rename(&self.path, self.earlier(1))?;
            }
        }
        self.reopen()
    }

    fn earlier(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_rotated_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = LogFile::open(&path, 10, 2).unwrap();
        for line in [
            "first\n",
            "two\n",
            "third\n",
            "fourth\n",
            "fifth is long\n",
            "6\n",
        ] {
            file.append(line.as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (read("log").as_str(), read("log.1").as_str()),
            ("6\n", "fifth is long\n")
        );
        assert_eq!(read("log.2"), "fourth\n");
        assert!(!dir.path().join("log.3").exists());
        // The length that a file has when it is opened counts.
        let mut file = LogFile::open(&path, 10, 0).unwrap();
        file.append(b"seventh line\n").unwrap();
        assert_eq!(read("log"), "seventh line\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = LogFile::open(&path, 0, 4).unwrap();
        file.append(b"old\n").unwrap();
        fs::rename(&path, dir.path().join("moved")).unwrap();
        file.append(b"still old\n").unwrap();
        file.reopen().unwrap();
        file.append(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(
            fs::read_to_string(dir.path().join("moved")).unwrap(),
            "old\nstill old\n"
        );
    }
}
