//! Five replicas as processes, for benchmarks.

use std::io::Result;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) const REPLICAS: usize = 5;

/// Five processes, which are killed when this is dropped.
pub(crate) struct Processes {
    directory: PathBuf,
    /// For peers, then for clients.
    ports: Vec<u16>,
    /// `None` for a replica that is down.
    pub(crate) children: Vec<Option<Child>>,
}

impl Processes {
    /// Formats a directory for each in this one, and starts them.
    pub(crate) fn start(directory: &Path) -> Result<Processes> {
        // Below the range that the system uses for outgoing connections, so that a port is still free when its
        // replica comes back.
        let first = 20_000 + u16::try_from(std::process::id() % 400).expect("small") * 20;
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let ports: Vec<u16> = (first..32_000).filter(is_free).take(2 * REPLICAS).collect();
        assert_eq!(
            ports.len(),
            2 * REPLICAS,
            "too few ports are free from {first} on"
        );
        let mut processes = Processes {
            directory: directory.to_owned(),
            ports,
            children: (0..REPLICAS).map(|_| None).collect(),
        };
        for replica in 0..REPLICAS {
            let formatted = processes.command("format", replica).status()?;
            assert!(formatted.success(), "replica {replica} cannot be formatted");
            processes.serve(replica)?;
        }
        Ok(processes)
    }

    fn command(&self, verb: &str, replica: usize) -> Command {
        let peers = self.ports[..REPLICAS].iter().enumerate();
        let peers: Vec<String> = peers.map(|(id, port)| format!("{id}=127.0.0.1:{port}")).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvpaxos"));
        command
            .args([
                verb,
                "--id",
                &replica.to_string(),
                "--peers",
                &peers.join(","),
                "--data",
            ])
            .arg(self.directory.join(format!("r{replica}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Where a replica serves clients.
    pub(crate) fn address(&self, replica: usize) -> String {
        format!("127.0.0.1:{}", self.ports[REPLICAS + replica])
    }

    /// Starts a replica, and waits until its port is open.
    pub(crate) fn serve(&mut self, replica: usize) -> Result<()> {
        let (address, log) = (
            self.address(replica),
            self.directory.join(format!("r{replica}.log")),
        );
        let child = self
            .command("serve", replica)
            .args(["--client", &address, "--udp", &address, "--log-file"])
            .arg(log)
            .spawn()?;
        self.children[replica] = Some(child);
        while TcpStream::connect(&address).is_err() {
            let child = self.children[replica].as_mut().expect("it was started");
            assert!(child.try_wait()?.is_none(), "replica {replica} ended at once");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for mut child in self.children.iter_mut().filter_map(Option::take) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
