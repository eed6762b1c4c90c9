//! Accepts connections, through times when the system gives none.

use std::net::SocketAddr;
use std::time::Duration;

use kvpaxos::ReplicaId;
use tokio::net::{TcpListener, TcpStream};

/// Between two attempts: a lasting failure must not spin.
const PAUSE: Duration = Duration::from_millis(20);

/// See the module.
pub(crate) struct Listener {
    socket: TcpListener,
    id: ReplicaId,
    /// Who calls here.
    whom: &'static str,
    /// A failure was told, and nobody was accepted since.
    told: bool,
}

impl Listener {
    pub(crate) fn new(socket: TcpListener, id: ReplicaId, whom: &'static str) -> Listener {
        Listener {
            socket,
            id,
            whom,
            told: false,
        }
    }

    /// The next connection. To accept fails when the process is out of descriptors, or the caller has gone already.
    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok(accepted) => {
                    self.told = false;
                    return accepted;
                }
                Err(error) => {
                    // Once: whatever it is, it may last.
                    if !std::mem::replace(&mut self.told, true) {
                        tracing::warn!(
                            replica = %self.id, whom = self.whom, %error,
                            "a connection could not be accepted; trying on. If descriptors are what is missing: ulimit -n, or LimitNOFILE= of a \
                             unit, says how many there are"
                        );
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
