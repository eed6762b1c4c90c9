//! The thread that writes log lines. Whoever logs only puts the line into a queue: a disk that is full, slow or
//! gone costs lines, which are counted, and nothing else. When lines can be written again, one says how many
//! are missing, and why.
//!
//! It is our own rather than a crate's because the crates that have such a thread rotate by time, and do not say
//! what was lost.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::file::LogFile;
use crate::args::LogFormat;

/// Lines that may wait to be written.
const QUEUE: usize = 8192;
/// How long the program waits at its end for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Output {
    StandardError,
    File(LogFile),
}

enum Message {
    Line(Vec<u8>),
    /// Open the file again.
    Reopen,
    /// Answer when all that came before is written.
    Flush(SyncSender<()>),
}

/// The log of the program. When it is dropped, the last lines are written.
#[derive(Debug)]
pub(crate) struct Log {
    is_file: bool,
    messages: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// Starts the thread.
    pub(super) fn start(output: Output, format: LogFormat) -> io::Result<Log> {
        let is_file = matches!(output, Output::File(_));
        let (messages, queue) = mpsc::sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer = Writer {
            output,
            format,
            lost: Arc::clone(&lost),
            failed: None,
        };
        let thread = std::thread::Builder::new().name("kvpaxos-log".to_owned());
        thread.spawn(move || writer.run(&queue))?;
        Ok(Log {
            is_file,
            messages,
            lost,
        })
    }

    /// Whether it goes to a file.
    pub(crate) fn is_file(&self) -> bool {
        self.is_file
    }

    /// Where lines are put.
    pub(super) fn lines(&self) -> Lines {
        Lines {
            messages: self.messages.clone(),
            lost: Arc::clone(&self.lost),
        }
    }

    /// Opens the file again: it was moved away.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no signal for it"))]
    pub(crate) fn reopen(&self) {
        // If the queue is full, the next signal will do.
        let _ = self.messages.try_send(Message::Reopen);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let (done, wait) = mpsc::sync_channel(1);
        if self.messages.try_send(Message::Flush(done)).is_ok() {
            // A disk that takes longer keeps nobody from ending.
            let _ = wait.recv_timeout(PATIENCE);
        }
    }
}

/// Puts lines into the queue. Never fails and never waits.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    messages: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Write for Lines {
    /// One call brings one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let sent = self.messages.try_send(Message::Line(line.to_vec()));
        if let Err(TrySendError::Full(_)) = sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

struct Writer {
    output: Output,
    format: LogFormat,
    /// Lines that were not written since the last one that was.
    lost: Arc<AtomicU64>,
    failed: Option<io::Error>,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Message>) {
        for message in queue {
            match message {
                Message::Line(line) => self.write(&line),
                Message::Reopen => {
                    if let Output::File(file) = &mut self.output
                        && let Err(error) = file.reopen()
                    {
                        self.failed = Some(error);
                    }
                }
                Message::Flush(done) => {
                    let _ = done.try_send(());
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut written = Ok(());
        if lost > 0 {
            written = self.append(self.what_is_missing(lost).as_bytes());
        }
        match written.and_then(|()| self.append(line)) {
            Ok(()) => self.failed = None,
            Err(error) => {
                self.lost.fetch_add(lost + 1, Ordering::Relaxed);
                self.failed = Some(error);
            }
        }
    }

    fn what_is_missing(&self, lost: u64) -> String {
        let why = match &self.failed {
            Some(error) => error.to_string(),
            None => "they came faster than they were written".to_owned(),
        };
        let text = format!("{lost} log lines are missing here: {why}");
        match self.format {
            LogFormat::Text => format!("{text}\n"),
            LogFormat::Json => format!("{}\n", serde_json::json!({ "level": "WARN", "message": text })),
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        match &mut self.output {
            Output::StandardError => io::stderr().lock().write_all(line),
            Output::File(file) => file.append(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn log(path: &Path) -> Log {
        Log::start(Output::File(LogFile::open(path, 0, 0).unwrap()), LogFormat::Text).unwrap()
    }

    #[test]
    fn the_last_lines_are_written_when_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = log(&path);
        for number in 0..1000 {
            log.lines().write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((text.lines().count(), text.lines().last()), (1000, Some("999")));
    }

    /// Every write to this device fails because no space is left.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_costs_lines_and_they_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let log = log(&path);
        for _ in 0..10 {
            log.lines().write_all(b"lost\n").unwrap();
        }
        std::fs::remove_file(&path).unwrap();
        log.reopen();
        log.lines().write_all(b"kept\n").unwrap();
        drop(log);
        let text = std::fs::read_to_string(&path).unwrap();
        let (missing, kept) = text.split_once('\n').unwrap();
        assert!(
            missing.contains("10 log lines are missing here: No space left"),
            "{text}"
        );
        assert_eq!(kept, "kept\n");
    }
}
