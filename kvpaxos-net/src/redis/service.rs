//! The connections of Redis clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kvpaxos::ReplicaId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::listen::accept::Listener;
use crate::listen::admission::{Activity, Admitted};
use crate::listen::bounds::Shared;
use crate::redis::connection::{Connection, Ended};
use crate::redis::conversation::{Conversation, Server};
use crate::redis::options::RedisOptions;
use crate::redis::reader::RequestReader;
use crate::replica::gateway::Gateway;
use crate::replica::leaving::Service;
use crate::system::repeats::{Repeats, Subject, info_repeated, warn_repeated};
use crate::tls::accept;
use crate::tls::fault::TlsFault;
use crate::tls::replica::ReplicaTls;
use crate::tls::stream::{ReadHalf, WriteHalf};
use crate::wire::frames::ReadError;
use crate::wire::outbox::Outbox;
use crate::wire::write::write_queued;

/// A client that takes in nothing for this long while replies wait is disconnected.
const STALL: Duration = Duration::from_secs(10);

/// What a client is told that must speak TLS and does not.
const FAREWELL: &[u8] = b"-ERR this port speaks TLS only: connect with --tls\r\n";
/// How long a client may take to hear that its connection ends.
const LINGER: Duration = Duration::from_millis(100);

/// Serves the connections of Redis clients.
pub(crate) struct RedisService {
    pub(crate) id: ReplicaId,
    pub(crate) options: RedisOptions,
    pub(crate) tls: Option<ReplicaTls>,
    pub(crate) gateway: Gateway,
    pub(crate) server: Arc<Server>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) repeats: Arc<Repeats>,
}

/// What INFO tells of the front end.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) began: Instant,
    pub(crate) port: u16,
    /// Connections at present.
    pub(crate) connected: AtomicUsize,
    /// Connections since the start.
    pub(crate) accepted: AtomicU64,
    /// Commands since the start.
    pub(crate) commands: AtomicU64,
}

/// Why a connection ended, if the client did not end it.
#[derive(Debug, thiserror::Error)]
enum CloseReason {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Tls(#[from] TlsFault),
    #[error("it was idle, and there is no room for another client")]
    Idle,
}

impl RedisService {
    /// Accepts connections until it is dropped.
    pub(crate) async fn serve(self, socket: TcpListener) {
        let listener = Listener {
            socket,
            id: self.id,
            from: "redis client",
            repeats: Arc::clone(&self.repeats),
        };
        let shared = Arc::clone(&self.shared);
        let service = Arc::new(self);
        let serve = |stream, address, admitted| Arc::clone(&service).connection(stream, address, admitted);
        listener.serve(&shared, Service::NoGuests, serve).await;
    }

    /// Serves one client until it disconnects, breaks the protocol or stops reading its replies.
    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, admitted: Admitted) {
        info_repeated!(self.repeats, Subject::ANY, {replica = %self.id, %address}, "a redis client has connected");
        let number = self.facts.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        self.facts.connected.fetch_add(1, Ordering::Relaxed);
        let guest = self.shared.closing.guest();
        let result = self.converse(stream, address, number, admitted).await;
        drop(guest);
        self.facts.connected.fetch_sub(1, Ordering::Relaxed);
        let why = match result {
            Ok(()) => {
                tracing::debug!(replica = %self.id, %address, "redis client disconnected");
                return;
            }
            Err(why) => why,
        };
        let subject = match &why {
            CloseReason::Read(error) if error.is_disconnect() => {
                tracing::debug!(replica = %self.id, %address, %why, "redis client disconnected");
                return;
            }
            CloseReason::Tls(TlsFault::Io(error)) => {
                tracing::debug!(replica = %self.id, %address, %error, "redis client disconnected");
                return;
            }
            CloseReason::Read(error) => error.subject(),
            CloseReason::Tls(fault) => Subject::cause(fault),
            CloseReason::Idle => Subject::cause(&why),
        };
        warn_repeated!(
            self.repeats,
            subject,
            {replica = %self.id, %address, %why},
            "the connection of a redis client is closed"
        );
    }

    async fn converse(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        number: u64,
        mut admitted: Admitted,
    ) -> Result<(), CloseReason> {
        stream.set_nodelay(true).map_err(ReadError::from)?;
        let activity = Activity::new();
        let stream = tokio::select! {
            stream = accept::client(self.tls.as_ref(), stream, FAREWELL) => stream?,
            () = admitted.must_make_room(&activity) => return Err(CloseReason::Idle),
        };
        let local = stream.local_addr().map_err(ReadError::from)?;
        let (reader, mut writer) = stream.into_split();
        let outbox = Outbox::one_of_many(
            self.shared.bounds.client_outbox,
            Arc::clone(&self.shared.outboxes),
        );
        outbox.open();
        let ends = format!("addr={address} laddr={local}");
        let conversation = Conversation::new(Arc::clone(&self.server), number, ends);
        let mut connection = Connection::new(
            &self.gateway,
            &self.facts,
            &outbox,
            conversation,
            &self.shared.long_replies,
        );
        let bounds = self.options.request_bounds(connection.is_authenticated());
        let mut reader = RequestReader::new(reader, bounds, &self.shared);
        let read = {
            let writing = write_queued(&outbox, &mut writer, STALL);
            tokio::pin!(writing);
            let read = tokio::select! {
                read = self.read(&mut reader, &mut connection, &activity) => read,
                written = &mut writing => return written.map_err(|error| CloseReason::Read(error.into())),
                () = admitted.must_make_room(&activity) => return Err(CloseReason::Idle),
            };
            if matches!(read, Err(ReadError::NotTaken)) {
                return Ok(read?);
            }
            // What is answered is still written, however else the connection ends.
            outbox.finish();
            writing.await.map_err(ReadError::from)?;
            read
        };
        if read.is_ok() {
            linger(reader.into_inner(), writer).await;
        }
        Ok(read?)
    }

    /// Reads requests and answers them, until the connection ends or is to be closed.
    async fn read(
        &self,
        reader: &mut RequestReader,
        connection: &mut Connection<'_>,
        activity: &Activity,
    ) -> Result<(), ReadError> {
        let mut is_first = true;
        loop {
            let authenticated = connection.is_authenticated();
            match connection.answer(&mut reader.decoder).await {
                Ended::No => {}
                Ended::Yes => return Ok(()),
                Ended::GivesWay => return Err(ReadError::NotTaken),
            }
            if connection.is_authenticated() != authenticated {
                let bounds = self.options.request_bounds(connection.is_authenticated());
                reader.decoder.set_bounds(bounds);
                continue;
            }
            reader.on_requests();
            // What has arrived is answered first.
            let is_open = tokio::select! {
                biased;
                read = reader.read() => read?,
                () = self.shared.closing.reached(Service::NoGuests) => false,
            };
            if !is_open {
                return Ok(());
            }
            if std::mem::take(&mut is_first) && reader.speaks_tls() {
                return Err(ReadError::SpeaksTls);
            }
            activity.on_request();
        }
    }
}

/// Says that nothing more will come, and then hears for a moment what the client still sends. Closed at once,
/// with something unread, the connection would be reset, and the client might lose the last replies.
async fn linger(mut reader: ReadHalf, mut writer: WriteHalf) {
    let hear_out = async {
        writer.shutdown().await?;
        let mut dropped = [0; 4096];
        while reader.read(&mut dropped).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // Whatever goes wrong, the connection ends here.
    let _ = timeout(LINGER, hear_out).await;
}
