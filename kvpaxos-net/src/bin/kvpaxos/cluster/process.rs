//! The processes of a cluster, by the numbers that were written down when they were started.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::layout::Layout;
use crate::configuration;

/// How often it is looked whether a process has ended.
const POLL: Duration = Duration::from_millis(20);
/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many lines of a log are shown.
const LINES: usize = 10;

impl Layout {
    /// The number of a replica's process, if it runs.
    pub(super) fn running(&self, id: u8) -> Option<u32> {
        let text = fs::read_to_string(self.pid(id)).ok()?;
        let pid: u32 = text.trim().parse().ok()?;
        // The number may be that of another process by now.
        let line = command_line(pid)?;
        let data = self.data(id);
        (line.contains("serve") && line.contains(data.to_str()?)).then_some(pid)
    }

    /// Starts a replica, with further arguments, as a process that goes on when this one ends. Does nothing if it
    /// runs.
    pub(super) fn start(&self, id: u8, more: &[String]) -> Result<(), String> {
        let arguments = self.serve(id)?;
        if self.running(id).is_some() {
            return Ok(());
        }
        let failed = |error: std::io::Error| format!("r{id} does not start: {error}");
        let program = std::env::current_exe().map_err(failed)?;
        let errors = File::options()
            .create(true)
            .append(true)
            .open(self.errors(id))
            .map_err(failed)?;
        let child = configuration::process(program)
            .args(arguments)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            // A group of its own, so that Ctrl-C at the terminal does not end it.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        fs::write(self.pid(id), format!("{}\n", child.id())).map_err(failed)
    }

    /// Sends a signal to the process of a replica, and waits until it has ended. Returns whether it ran.
    pub(super) fn end(&self, id: u8, signal: &str) -> Result<bool, String> {
        // A replica of another number is a mistake.
        self.serve(id)?;
        let Some(pid) = self.running(id) else {
            return Ok(false);
        };
        let told = Command::new("kill")
            .args([format!("-{signal}"), pid.to_string()])
            .status();
        let told = told.map_err(|error| format!("cannot run kill: {error}"))?;
        let began = Instant::now();
        while self.running(id) == Some(pid) {
            if !told.success() || began.elapsed() > PATIENCE {
                return Err(format!("r{id}, process {pid}, does not end on SIG{signal}"));
            }
            std::thread::sleep(POLL);
        }
        // It may be gone already.
        let _ = fs::remove_file(self.pid(id));
        Ok(true)
    }

    /// The last lines that a replica has written.
    pub(super) fn last_words(&self, id: u8) -> String {
        let mut words = String::new();
        for path in [self.log(id), self.errors(id)] {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES)..];
            words += &format!("--- {}\n{}\n", path.display(), last.join("\n"));
        }
        words
    }
}

/// The command line of a process; `None` if there is no such process, or it has ended.
fn command_line(pid: u32) -> Option<String> {
    if let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) {
        return Some(String::from_utf8_lossy(&line).replace('\0', " "));
    }
    let output = Command::new("ps")
        .args(["-o", "command=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
