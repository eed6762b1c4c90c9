//! Accepts connections, of peers and of clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kvpaxos::ReplicaId;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::listen::admission::Admitted;
use crate::listen::bounds::Shared;
use crate::replica::leaving::Service;
use crate::system::repeats::{Repeats, Subject, warn_repeated};

/// The pause after a failed accept: a failure that lasts must not spin.
const PAUSE: Duration = Duration::from_millis(20);

/// A port of a replica.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    /// The replica, for the log.
    pub(crate) id: ReplicaId,
    /// Who connects here, for the log.
    pub(crate) from: &'static str,
    pub(crate) repeats: Arc<Repeats>,
}

impl Listener {
    /// Accepts connections of clients and serves each in a task of its own. One that is not admitted is
    /// closed. Runs until the port closes and these tasks have ended, or until it is dropped, which drops them.
    pub(crate) async fn serve<F>(
        self,
        shared: &Shared,
        closes_at: Service,
        serve: impl Fn(TcpStream, SocketAddr, Admitted) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let admission = &shared.admission;
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let (stream, address) = tokio::select! {
                accepted = self.accept() => accepted,
                () = shared.closing.reached(closes_at) => break,
            };
            let Some(admitted) = admission.admit() else {
                warn_repeated!(
                    self.repeats,
                    Subject::ANY,
                    {replica = %self.id, %address, from = self.from, limit = admission.limit()},
                    "too many connections; one more was closed"
                );
                continue;
            };
            connections.spawn(serve(stream, address, admitted));
        }
        // Who comes now is told that nobody listens.
        drop(self);
        while connections.join_next().await.is_some() {}
    }

    /// The next connection. Accepting fails if the process is out of descriptors, or if the other side is
    /// gone already.
    pub(crate) async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    warn_repeated!(
                        self.repeats,
                        Subject::ANY,
                        {replica = %self.id, from = self.from, %error},
                        "cannot accept a connection; trying again. If the process is out of descriptors, raise the \
                         limit: ulimit -n, or LimitNOFILE= of a systemd unit"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
