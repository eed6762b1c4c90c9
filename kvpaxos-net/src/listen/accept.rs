//! The loop that accepts connections, for peers and for clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::ReplicaId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The pause after a failed accept: a failure that lasts must not spin.
const PAUSE: Duration = Duration::from_millis(20);

/// A port of a replica, and how many connections it serves at once.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// The replica, for the log.
    pub(crate) id: ReplicaId,
    /// Who connects here, for the log.
    pub(crate) from: &'static str,
    /// The most connections served at once; a further one is closed as soon as it is accepted.
    pub(crate) limit: usize,
}

impl Listener {
    /// Accepts connections and serves each in a task of its own. Runs until it is dropped, and then drops
    /// these tasks.
    pub(crate) async fn serve<F>(self, serve: impl Fn(TcpStream, SocketAddr) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(self.limit));
        let mut connections = JoinSet::new();
        let mut failing = false;
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, address) = self.accept(&mut failing).await;
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                tracing::warn!(
                    replica = %self.id, %address, from = self.from, limit = self.limit,
                    "too many connections; this one is closed"
                );
                continue;
            };
            let connection = serve(stream, address);
            connections.spawn(async move {
                let _permit = permit;
                connection.await;
            });
        }
    }

    /// The next connection. Accepting fails if the process is out of descriptors, or if the other side is
    /// gone already.
    async fn accept(&self, failing: &mut bool) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok(accepted) => {
                    *failing = false;
                    return accepted;
                }
                Err(error) => {
                    // Logged once until the next success: the cause may last.
                    if !std::mem::replace(failing, true) {
                        tracing::warn!(
                            replica = %self.id, from = self.from, %error,
                            "cannot accept a connection; trying again. If the process is out of descriptors, \
                             raise the limit: ulimit -n, or LimitNOFILE= of a systemd unit"
                        );
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
