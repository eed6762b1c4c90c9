//! Reads the requests of one connection, within what all clients of the replica may take of its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, timeout_at};

use crate::listen::bounds::Shared;
use crate::redis::decode::{RequestBounds, RequestDecoder};
use crate::wire::budget::{self, Budget, FREE, Progress, Share};
use crate::wire::frames::ReadError;

/// How many bytes a read asks for at first, as there may be thousands of connections that are mostly idle, and
/// at most, so that a pipeline is decoded in large pieces.
const PIECES: (usize, usize) = (4 * 1024, 128 * 1024);

/// The requests that a connection brings. See [`Frames`](crate::wire::frames::Frames), which does the same for
/// frames.
pub(crate) struct RequestReader {
    reader: OwnedReadHalf,
    pub(crate) decoder: RequestDecoder,
    budget: Budget,
    /// For what the decoder holds.
    share: Share,
    piece: usize,
    /// When the first byte of the unfinished request came.
    began: Option<Instant>,
    /// How the unfinished request comes on since it had its share.
    progress: Option<Progress>,
    /// Bytes received over TCP, of all clients.
    received: Arc<AtomicU64>,
}

impl RequestReader {
    pub(crate) fn new(reader: OwnedReadHalf, bounds: RequestBounds, shared: &Shared) -> RequestReader {
        RequestReader {
            reader,
            decoder: RequestDecoder::new(bounds),
            budget: shared.requests.clone(),
            share: Share::default(),
            piece: PIECES.0,
            began: None,
            progress: None,
            received: Arc::clone(&shared.received),
        }
    }

    /// The requests that were whole are taken out; what is left is the beginning of another.
    pub(crate) fn on_requests(&mut self) {
        let needed = self.decoder.needed();
        self.began = (needed > 0).then(Instant::now);
        self.progress = None;
        drop(self.share.split_to(if needed > FREE { needed } else { 0 }));
    }

    /// Reads once. Returns `false` at the end of the stream.
    pub(crate) async fn read(&mut self) -> Result<bool, ReadError> {
        let read = self.read_within_limits().await?;
        match read {
            0 if self.decoder.needed() > 0 => Err(ReadError::Cut),
            0 => Ok(false),
            _ => Ok(true),
        }
    }

    async fn read_within_limits(&mut self) -> Result<usize, ReadError> {
        let length = self.decoder.needed();
        if length == 0 {
            return self.read_piece().await;
        }
        let deadline = *self.began.get_or_insert_with(Instant::now) + budget::TIME;
        let slow = || ReadError::Slow(budget::TIME);
        if length <= FREE {
            return timeout_at(deadline, self.read_piece())
                .await
                .map_err(|_| slow())?;
        }
        let budget = self.budget.clone();
        timeout_at(deadline, budget.raise(&mut self.share, length))
            .await
            .map_err(|_| slow())?;
        // While it waited for its share it was not read, so nothing could come.
        let progress = self.progress.get_or_insert_with(|| Progress::new(Instant::now()));
        let mut progress = *progress;
        loop {
            let now = Instant::now();
            if progress.is_slow(now) && budget.is_short() {
                return Err(ReadError::GivesWay { length });
            }
            let look = now + budget::PAUSE;
            match timeout_at(look.min(deadline), self.read_piece()).await {
                Ok(read) => {
                    let read = read?;
                    progress.on_read(read, Instant::now());
                    self.progress = Some(progress);
                    return Ok(read);
                }
                Err(_) if look >= deadline => return Err(slow()),
                Err(_) => {}
            }
        }
    }

    /// Reads once. Cancelling it loses nothing.
    async fn read_piece(&mut self) -> Result<usize, ReadError> {
        let piece = if self.budget.is_tight() {
            PIECES.0
        } else {
            self.piece
        };
        let buffer = self.decoder.buffer();
        buffer.reserve(piece);
        let room = buffer.capacity() - buffer.len();
        let read = self.reader.read_buf(buffer).await?;
        self.received.fetch_add(read as u64, Ordering::Relaxed);
        // A piece that was filled has more behind it.
        self.piece = if read == room {
            (piece * 4).min(PIECES.1)
        } else {
            PIECES.0
        };
        Ok(read)
    }
}
