//! Reads the requests of one connection, within what all clients of the replica may take of its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncReadExt;

use crate::listen::bounds::Shared;
use crate::redis::decode::{RequestBounds, RequestDecoder};
use crate::tls::stream::ReadHalf;
use crate::wire::budget::{self, Budget, FREE, Share};
use crate::wire::frames::ReadError;
use crate::wire::unfinished::{Pieces, Unfinished, read_on};

/// How many bytes a read asks for at first, as there may be thousands of connections that are mostly idle, and
/// at most, so that a pipeline is decoded in large pieces.
const PIECES: (usize, usize) = (4 * 1024, 128 * 1024);

/// The requests that a connection brings. See [`Frames`](crate::wire::frames::Frames), which does the same for
/// frames.
pub(crate) struct RequestReader {
    reader: ReadHalf,
    pub(crate) decoder: RequestDecoder,
    budget: Budget,
    /// For what the decoder holds.
    share: Share,
    piece: usize,
    unfinished: Unfinished,
    /// Bytes received over TCP, of all clients.
    received: Arc<AtomicU64>,
}

impl RequestReader {
    pub(crate) fn new(reader: ReadHalf, bounds: RequestBounds, shared: &Shared) -> RequestReader {
        RequestReader {
            reader,
            decoder: RequestDecoder::new(bounds),
            budget: shared.requests.clone(),
            share: Share::default(),
            piece: PIECES.0,
            unfinished: Unfinished::default(),
            received: Arc::clone(&shared.received),
        }
    }

    /// The connection, without what was read of it.
    pub(crate) fn into_inner(self) -> ReadHalf {
        self.reader
    }

    /// The requests that were whole are taken out; what is left is the beginning of another.
    pub(crate) fn on_requests(&mut self) {
        let needed = self.decoder.needed();
        self.unfinished = Unfinished::next(needed > 0);
        drop(self.share.split_to(if needed > FREE { needed } else { 0 }));
    }

    /// Whether what has come begins like a handshake of TLS. No command does.
    pub(crate) fn speaks_tls(&mut self) -> bool {
        self.decoder.buffer().starts_with(&[22, 3])
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
        match self.decoder.needed() {
            0 => self.read_piece().await,
            length => {
                let budget = Some(self.budget.clone());
                read_on(self, length, budget::TIME, budget).await
            }
        }
    }
}

impl Pieces for RequestReader {
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
    fn unfinished(&mut self) -> &mut Unfinished {
        &mut self.unfinished
    }

    fn share(&mut self) -> &mut Share {
        &mut self.share
    }
}
