//! `kvpaxos-sim replay --recording` and `shrink --recording`: executes what real replicas took in, judges it, and leaves out
//! what does not matter.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kvpaxos_sim::invariants::excerpt_of;
use kvpaxos_sim::output::UNWRITTEN;
use kvpaxos_sim::recording::{self, FailingRecording, FileName, RecordingShrinking};
use kvpaxos_sim::shrinking::Limits;
use kvpaxos_sim::{Trace, note, say, say_part};

use crate::interrupt::Interrupt;
use crate::scenario::{HELD, UNREADABLE, why_ended};

/// How many lines of a trace are kept to choose an excerpt from.
const TRACE_LINES: usize = 50_000;

/// How many lines of a trace are on one screen.
const SCREEN: usize = 60;

/// How often `shrink` says how far it is.
const PAUSE: Duration = Duration::from_secs(5);

/// Executes the recordings in these directories and prints the report.
pub(crate) fn replay(directories: &[PathBuf], trace: bool, json: bool) -> u8 {
    // A failed assertion is a finding like any other.
    std::panic::set_hook(Box::new(|_| ()));
    let trace = if trace {
        Trace::Print
    } else {
        Trace::keep(TRACE_LINES)
    };
    let report = match recording::replay(directories, trace) {
        Ok(report) => report,
        Err(why) => return unreadable(&why),
    };
    if json {
        say!("{}", serde_json::json!(report));
    } else {
        say_part!("{report}");
        if let Some(found) = &report.violation {
            for line in excerpt_of(&found.explanation, &report.trace) {
                say!("  {line}");
            }
            for (what, command) in commands(directories) {
                say!("{what} it with: {command}");
            }
        }
    }
    u8::from(report.violation.is_some())
}

/// What shows more of a violation, and the command for it.
fn commands(directories: &[PathBuf]) -> [(&'static str, String); 4] {
    let named = named(directories);
    [
        (
            "repeat",
            format!("kvpaxos-sim replay --recording {named} --trace"),
        ),
        (
            "shrink",
            format!("kvpaxos-sim shrink --recording {named} -o shrunk-recording"),
        ),
        ("explain", format!("kvpaxos-sim explain --recording {named}")),
        (
            "see",
            format!("kvpaxos-sim report --recording {named} -o recording.html"),
        ),
    ]
}

/// Directories as a shell takes them.
fn named(directories: &[PathBuf]) -> String {
    let quoted = |directory: &PathBuf| {
        let name = directory.display().to_string();
        let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+=:,@%".contains(letter);
        if !name.is_empty() && name.chars().all(is_plain) {
            name
        } else {
            format!("'{}'", name.replace('\'', r"'\''"))
        }
    };
    let names: Vec<String> = directories.iter().map(quoted).collect();
    names.join(" ")
}

/// Reads recordings in which a property is violated.
pub(crate) fn failing(directories: &[PathBuf], what_for: &str) -> Result<FailingRecording, u8> {
    match FailingRecording::read(directories) {
        Ok(Ok(failing)) => Ok(failing),
        Ok(Err(_)) => {
            note!("everything that can be judged holds in these recordings: there is nothing to {what_for}");
            Err(HELD)
        }
        Err(why) => Err(unreadable(&why)),
    }
}

/// Says why recordings cannot be judged.
pub(crate) fn unreadable(why: &recording::RecordingError) -> u8 {
    note!("{why}");
    UNREADABLE
}

/// Leaves out inputs of recordings, and writes what is left into a directory.
pub(crate) fn shrink(directories: &[PathBuf], limits: Limits, output: &Path, interrupt: &Interrupt) -> u8 {
    if let Err(code) = free(output) {
        return code;
    }
    let recording = match failing(directories, "shrink") {
        Ok(recording) => recording,
        Err(code) => return code,
    };
    let violation = &recording.violation;
    say!(
        "{} is violated ({}): {}",
        violation.property,
        violation.property.says(),
        violation.explanation
    );
    let began = Instant::now();
    let mut last = began;
    let shrunk = recording::shrink(&recording, limits, |progress| {
        if last.elapsed() > PAUSE {
            last = Instant::now();
            note!("{} runs: {}", progress.runs, progress.best.size);
        }
        interrupt.flow()
    });
    match shrunk {
        Ok(Some(shrunk)) => told(&shrunk, output, interrupt, began),
        Ok(None) => {
            note!(
                "{} is not violated in the same way when the inputs are executed in one order: it cannot be shrunk",
                violation.property
            );
            UNREADABLE
        }
        Err(why) => unreadable(&why),
    }
}

/// Whether there is room for a recording: there is no such directory yet, or it is empty.
fn free(output: &Path) -> Result<(), u8> {
    let is_free = match output.read_dir() {
        Ok(mut files) => files.next().is_none(),
        Err(why) if why.kind() == io::ErrorKind::NotFound => true,
        Err(why) => return Err(unwritten(output, &why)),
    };
    if !is_free {
        note!(
            "{} is not empty: name a new directory for what is left of the recording",
            output.display()
        );
        return Err(UNWRITTEN);
    }
    Ok(())
}

fn unwritten(path: &Path, why: &io::Error) -> u8 {
    note!("cannot write {}: {why}", path.display());
    UNWRITTEN
}

/// Writes what is left, and tells of it.
fn told(shrunk: &RecordingShrinking, output: &Path, interrupt: &Interrupt, began: Instant) -> u8 {
    if let Err(why) = std::fs::create_dir_all(output) {
        return unwritten(output, &why);
    }
    for (name, bytes) in &shrunk.smallest.files {
        if let Err(why) = write(output, *name, bytes) {
            return unwritten(output, &why);
        }
    }
    say!("before: {}", shrunk.before);
    say!("after:  {}", shrunk.smallest.size);
    let written = [output.to_owned()];
    let output = named(&written);
    say!(
        "{} runs with {} steps in {} s{}; the recording is in {output}",
        shrunk.runs,
        shrunk.events,
        began.elapsed().as_secs(),
        why_ended(shrunk.is_complete, interrupt),
    );
    if let Ok(report) = recording::replay(&written, Trace::keep(TRACE_LINES))
        && report.trace.len() <= SCREEN
    {
        say!("what is left:");
        for line in &report.trace {
            say!("{line}");
        }
    }
    if !shrunk.is_complete {
        say!("go on from there with: kvpaxos-sim shrink --recording {output} -o {output}-smaller");
    }
    for (what, command) in commands(&written) {
        if what != "shrink" {
            say!("{what} it with: {command}");
        }
    }
    0
}

/// Writes a file that only its owner may read, as those of a replica are: it holds keys and values.
fn write(directory: &Path, name: FileName, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(directory.join(name.to_string()))?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_named_as_a_shell_takes_them() {
        let text = |names: &[&str]| named(&names.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(text(&["a/r0", "b-1"]), "a/r0 b-1");
        assert_eq!(text(&["my dir", "it's"]), r"'my dir' 'it'\''s'");
    }
}
