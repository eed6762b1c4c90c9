//! Taking a copy of a store.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kvpaxos::codec;
use kvpaxos::message::SnapshotPart;
use kvpaxos::snapshot::{Builder, Cursor, SnapshotError};
use kvpaxos::{Limits, Outcome, Refusal, Reply, Request, RequestBody, Revision};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::file::{Draft, SavedState};
use crate::client::connection::{ConnectionError, Way, dial};
use crate::client::{ClientOptions, ClientOptionsError, Transport};
use crate::tls::stream::{ReadHalf, WriteHalf};
use crate::wire::frames::Frames;

/// How often all servers are tried.
const ROUNDS: usize = 2;
/// How long to wait before asking the same replica again.
const PAUSE: Duration = Duration::from_millis(10);

/// Why there is no copy. An earlier file of the same name is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The options of the client are wrong.
    #[error(transparent)]
    Options(#[from] ClientOptionsError),
    /// Over datagrams no copy can be sent.
    #[error("a copy is too long for datagrams; give the addresses for TCP")]
    Datagrams,
    /// The file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The replicas do not let this client in.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// No replica has sent all of its state.
    #[error("unavailable: no replica has sent a whole copy{}", listed(failures))]
    Unavailable {
        /// What became of each attempt.
        failures: Vec<CopyFailure>,
    },
}

/// A replica that has sent no whole copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyFailure {
    /// Its address.
    pub server: String,
    /// Why not.
    pub why: String,
}

fn listed(failures: &[CopyFailure]) -> String {
    failures
        .iter()
        .map(|failure| format!("; {}: {}", failure.server, failure.why))
        .collect()
}

/// Why one replica has not sent a copy.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("no answer within {} ms", .0.as_millis())]
    Slow(Duration),
    #[error("{0}")]
    Refused(Refusal),
    #[error("it answers with something else")]
    Other,
    #[error("it does not reach its leader")]
    Unknown,
    #[error("its state is from before what it has answered")]
    Old,
    #[error("it let the state go, or has restarted")]
    Changed,
    #[error("it sent what is no state: {0}")]
    Parts(SnapshotError),
    #[error("cannot write the file: {0}")]
    File(io::Error),
}

/// Copies the state of a cluster into a file. The file gets its name once it is complete and on disk.
///
/// If a replica fails on the way, the next one of the list is asked for all of it. The options say how long to
/// wait for each answer, and for a replica to begin; the whole takes as long as it takes.
///
/// # Errors
/// If no replica has sent all of its state, or the file cannot be written.
pub async fn save(options: &ClientOptions, path: &Path) -> Result<SavedState, SaveError> {
    options.check()?;
    if options.transport == Transport::Udp {
        return Err(SaveError::Datagrams);
    }
    let mut failures = Vec::new();
    for _ in 0..ROUNDS {
        for server in &options.servers {
            match copy(options, server, path).await {
                Ok(saved) => return Ok(saved),
                Err(Trouble::File(error)) => {
                    let path = path.to_owned();
                    return Err(SaveError::File { path, error });
                }
                Err(Trouble::Refused(refusal @ (Refusal::PasswordRequired | Refusal::WrongPassword))) => {
                    return Err(SaveError::Refused(refusal));
                }
                Err(trouble) => {
                    let why = trouble.to_string();
                    tracing::info!(%server, %why, "no copy was taken here");
                    failures.retain(|failure: &CopyFailure| failure.server != *server);
                    let server = server.clone();
                    failures.push(CopyFailure { server, why });
                }
            }
        }
    }
    Err(SaveError::Unavailable { failures })
}

/// Copies the state of one replica.
async fn copy(options: &ClientOptions, server: &str, path: &Path) -> Result<SavedState, Trouble> {
    let mut replica = Dialogue::begin(options, server).await?;
    let until = Instant::now() + options.deadline;
    let read = replica.barrier(until).await?;
    let first = replica.first_part(until).await?;
    // Before the first write there is nothing to be seen.
    if first.slot <= read.slot && read != Revision::default() {
        return Err(Trouble::Old);
    }
    let mut state = Builder::new(Limits::default(), first.slot, first.digest);
    let mut draft = Draft::begin(path).map_err(Trouble::File)?;
    let mut part = first;
    loop {
        if (part.slot, part.digest) != (state.slot(), state.digest()) {
            return Err(Trouble::Changed);
        }
        let is_last = state
            .add(part.at, &part.bytes, part.next)
            .map_err(Trouble::Parts)?;
        draft.add(&part).map_err(Trouble::File)?;
        if is_last {
            break;
        }
        let at = state.next();
        part = match replica.ask(RequestBody::SnapshotPart { at }).await? {
            Outcome::SnapshotPart(part) => *part,
            Outcome::Refused(refusal) => return Err(Trouble::Refused(refusal)),
            _ => return Err(Trouble::Other),
        };
    }
    let snapshot = state
        .finish()
        .map_err(|rejected| Trouble::Parts(rejected.error))?;
    let bytes = draft.finish().map_err(Trouble::File)?;
    Ok(SavedState::new(snapshot, bytes))
}

/// A connection on which one question is asked at a time.
struct Dialogue {
    frames: Frames<Reply, ReadHalf>,
    writer: WriteHalf,
    patience: Duration,
    id: u64,
}

impl Dialogue {
    async fn begin(options: &ClientOptions, server: &str) -> Result<Dialogue, Trouble> {
        let way = Way::new(options.transport, options.tls.clone(), options.password.clone());
        let stream = dial(server, way.tls).await?;
        let (reader, mut writer) = stream.into_split();
        writer
            .write_all(&way.greeting)
            .await
            .map_err(ConnectionError::Broken)?;
        Ok(Dialogue {
            frames: Frames::new(reader),
            writer,
            patience: options.attempt.unwrap_or(options.transport.attempt()),
            id: 0,
        })
    }

    async fn ask(&mut self, body: RequestBody) -> Result<Outcome, Trouble> {
        self.id += 1;
        let id = self.id;
        let mut frame = Vec::new();
        codec::encode_into(&Request { id, body }, &mut frame).expect("these requests are short");
        let answer = async {
            self.writer
                .write_all(&frame)
                .await
                .map_err(ConnectionError::Broken)?;
            let mut replies = Vec::new();
            while self
                .frames
                .fill(&mut replies)
                .await
                .map_err(|error| ConnectionError::broken(error, Transport::Tcp))?
            {
                if let Some(reply) = replies.drain(..).find(|reply: &Reply| reply.id == id) {
                    return Ok(reply.outcome);
                }
            }
            Err(Trouble::Connection(ConnectionError::Closed))
        };
        timeout(self.patience, answer)
            .await
            .map_err(|_| Trouble::Slow(self.patience))?
    }

    /// Reads, and returns the revision that the read saw: everything that was acknowledged before is below it.
    async fn barrier(&mut self, until: Instant) -> Result<Revision, Trouble> {
        loop {
            let trouble = match self.ask(RequestBody::Count).await? {
                Outcome::Count { revision, .. } => return Ok(revision),
                Outcome::Refused(refusal) => Trouble::Refused(refusal),
                Outcome::Unknown { .. } => Trouble::Unknown,
                _ => return Err(Trouble::Other),
            };
            pause(trouble, until).await?;
        }
    }

    async fn first_part(&mut self, until: Instant) -> Result<SnapshotPart, Trouble> {
        loop {
            let trouble = match self.ask(RequestBody::SnapshotPart { at: Cursor::START }).await? {
                Outcome::SnapshotPart(part) => return Ok(*part),
                Outcome::Refused(refusal) => Trouble::Refused(refusal),
                _ => return Err(Trouble::Other),
            };
            pause(trouble, until).await?;
        }
    }
}

/// Waits before a question is asked again, if that makes sense.
async fn pause(trouble: Trouble, until: Instant) -> Result<(), Trouble> {
    match trouble {
        Trouble::Refused(Refusal::Busy { .. } | Refusal::Unavailable { .. }) | Trouble::Unknown
            if Instant::now() < until =>
        {
            tokio::time::sleep(PAUSE).await;
            Ok(())
        }
        trouble => Err(trouble),
    }
}
