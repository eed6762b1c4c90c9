//! Server processes that end with this one.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server(Mutex<Child>);

impl Server {
    /// Starts a server, with its output in a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Server, String> {
        let file =
            std::fs::File::create(log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let errors = file
            .try_clone()
            .map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        let name = command.get_program().to_string_lossy().into_owned();
        child
            .map(|child| Server(Mutex::new(child)))
            .map_err(|error| format!("cannot start {name}: {error}"))
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child().try_wait(), Ok(None))
    }

    /// Kills it, as kill -9 does, while a load may still use it.
    pub(crate) fn kill(&self) -> Result<(), String> {
        let killed = self.child().kill();
        killed.map_err(|error| format!("cannot kill a server: {error}"))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The output of a command that has succeeded.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {name}: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name}: {}: {}", output.status, why.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Ports that nobody listens at now.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, String> {
    let failed = |error| format!("there is no free port: {error}");
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    listeners
        .iter()
        .map(|listener| Ok(listener.local_addr().map_err(failed)?.port()))
        .collect()
}
