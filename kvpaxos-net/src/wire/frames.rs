//! Reads a stream in large pieces, and cuts them into frames.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use kvpaxos::codec::{DecodeError, Decoder, Frame};
use tokio::io::{AsyncRead, ReadBuf};

use crate::system::repeats::Subject;
use crate::tls::fault::explained;
use crate::wire::budget::{self, Budget, FREE, Share};
use crate::wire::unfinished::{Pieces, Unfinished, read_on};

/// How many bytes one read asks for at most.
const PIECE: usize = 256 * 1024;

thread_local! {
    /// Where reads put their bytes, before they go to the connection that they are for. One for all
    /// connections of a thread: thousands of them may be idle, and each read is over at once.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE]);
}

/// How long a connection may take for a frame, and how much memory.
#[derive(Clone, Debug)]
pub(crate) struct ReadLimits {
    /// From the first byte of a frame to its last.
    pub(crate) time: Duration,
    /// The longest frame, in bytes, if that is less than the limit of its kind.
    pub(crate) longest: usize,
    /// What all connections may hold together; `None` if their number bounds it.
    pub(crate) budget: Option<Budget>,
    /// Counts the bytes that are read.
    pub(crate) received: Option<Arc<AtomicU64>>,
}

impl ReadLimits {
    /// For connections whose number bounds what they hold.
    pub(crate) const ALONE: ReadLimits = ReadLimits {
        time: budget::TIME,
        longest: usize::MAX,
        budget: None,
        received: None,
    };

    /// For one of many connections.
    pub(crate) fn shared(budget: Budget, received: Arc<AtomicU64>) -> ReadLimits {
        ReadLimits {
            budget: Some(budget),
            received: Some(received),
            ..ReadLimits::ALONE
        }
    }
}

/// Why a connection cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The connection broke.
    #[error("{}", explained(.0))]
    Io(#[from] io::Error),
    /// It brought bytes that are no frames of this protocol.
    #[error("bad bytes: {0}")]
    Decode(DecodeError),
    /// It began with a handshake of TLS.
    #[error("the other side speaks TLS, and this one does not")]
    SpeaksTls,
    /// It brought an alert of TLS.
    #[error("the other side speaks TLS only, and this one does not")]
    WantsTls,
    /// It ended within a frame.
    #[error("the connection ended within a frame")]
    Cut,
    /// A frame took too long.
    #[error("a frame was not finished in {} s", .0.as_secs())]
    Slow(Duration),
    /// A frame is longer than this connection may send now.
    #[error("a frame of {length} bytes, where at most {limit} are expected")]
    TooLong { length: usize, limit: usize },
    /// A slow frame gives way to others.
    #[error("a frame of {length} bytes comes slowly, and others wait for its memory")]
    GivesWay { length: usize },
    /// Replies that are not read give way to others.
    #[error("it does not read a long reply, and others wait for its memory")]
    NotTaken,
}

impl From<DecodeError> for ReadError {
    fn from(error: DecodeError) -> ReadError {
        match error {
            DecodeError::Magic { found: [22, 3] } => ReadError::SpeaksTls,
            DecodeError::Magic { found: [21, 3] } => ReadError::WantsTls,
            error => ReadError::Decode(error),
        }
    }
}

impl ReadError {
    /// What tells log lines about it apart.
    pub(crate) fn subject(&self) -> Subject {
        match self {
            ReadError::Decode(error) => Subject::cause(error),
            error => Subject::cause(error),
        }
    }

    /// Whether the other side has simply disconnected, which is no news.
    pub(crate) fn is_disconnect(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match self {
            ReadError::Io(error) => matches!(
                error.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
            ),
            ReadError::Cut => true,
            ReadError::Decode(_)
            | ReadError::SpeaksTls
            | ReadError::WantsTls
            | ReadError::Slow(_)
            | ReadError::TooLong { .. }
            | ReadError::GivesWay { .. }
            | ReadError::NotTaken => false,
        }
    }
}

/// The frames of one kind that a stream brings.
#[derive(Debug)]
pub(crate) struct Frames<F, R> {
    reader: R,
    decoder: Decoder<F>,
    limits: ReadLimits,
    /// For what the decoder holds.
    share: Share,
    /// For the frames that the last call returned.
    returned: Share,
    unfinished: Unfinished,
}

impl<F: Frame, R: AsyncRead + Unpin> Frames<F, R> {
    /// Reads frames from one of a few streams.
    pub(crate) fn new(reader: R) -> Frames<F, R> {
        Frames::within(reader, ReadLimits::ALONE)
    }

    /// Reads frames from this stream, within these limits.
    pub(crate) fn within(reader: R, limits: ReadLimits) -> Frames<F, R> {
        let decoder = match limits.budget {
            Some(_) => Decoder::keeping(FREE),
            None => Decoder::new(),
        };
        Frames {
            reader,
            decoder,
            limits,
            share: Share::default(),
            returned: Share::default(),
            unfinished: Unfinished::default(),
        }
    }

    /// Waits for at least one frame, and appends all that are complete. Returns `false` at the end of the
    /// stream.
    ///
    /// Frames before bad bytes are returned; the next call fails. Cancelling a call loses nothing.
    pub(crate) async fn fill(&mut self, frames: &mut Vec<F>) -> Result<bool, ReadError> {
        let before = frames.len();
        loop {
            let failed = loop {
                match self.decoder.next() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            if frames.len() > before {
                self.on_frames();
                return Ok(true);
            }
            if let Some(error) = failed {
                return Err(error.into());
            }
            let read = self.read().await?;
            if read == 0 {
                return if self.decoder.is_within_a_frame() {
                    Err(ReadError::Cut)
                } else {
                    Ok(false)
                };
            }
        }
    }

    /// The share of the budget that belongs to the frames that the last call of [`fill`](Frames::fill)
    /// returned. To be dropped with them.
    pub(crate) fn take_share(&mut self) -> Share {
        std::mem::take(&mut self.returned)
    }

    /// The stream itself, to write to.
    pub(crate) fn stream(&mut self) -> &mut R {
        &mut self.reader
    }

    /// From now on other limits hold.
    pub(crate) fn set_limits(&mut self, limits: ReadLimits) {
        self.limits = limits;
    }

    /// Whole frames were taken out; what is left is the beginning of another.
    fn on_frames(&mut self) {
        let left = self.decoder.buffered();
        self.unfinished = Unfinished::next(left > 0);
        self.returned = self.share.split_to(if left > FREE { left } else { 0 });
    }

    /// Reads once, within the limits.
    async fn read(&mut self) -> Result<usize, ReadError> {
        let held = self.decoder.buffered();
        if held == 0 {
            return self.read_piece().await;
        }
        let length = self.decoder.next_length().unwrap_or(held);
        if length > self.limits.longest {
            let limit = self.limits.longest;
            return Err(ReadError::TooLong { length, limit });
        }
        let (time, budget) = (self.limits.time, self.limits.budget.clone());
        read_on(self, length, time, budget).await
    }
}

impl<F: Frame, R: AsyncRead + Unpin> Pieces for Frames<F, R> {
    async fn read_piece(&mut self) -> Result<usize, ReadError> {
        let Frames {
            reader,
            decoder,
            limits,
            share,
            ..
        } = self;
        let read = poll_fn(|context| {
            SCRATCH.with_borrow_mut(|scratch| {
                // Asked now, as the answer may have changed while nothing came.
                let tight = limits.budget.as_ref().is_some_and(Budget::is_tight);
                let piece = if tight { FREE } else { PIECE };
                let mut buffer = ReadBuf::new(&mut scratch[..piece]);
                match Pin::new(&mut *reader).poll_read(context, &mut buffer) {
                    Poll::Ready(Ok(())) => {
                        decoder.extend(buffer.filled());
                        Poll::Ready(Ok(buffer.filled().len()))
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                }
            })
        })
        .await?;
        if let Some(received) = &limits.received {
            received.fetch_add(read as u64, Ordering::Relaxed);
        }
        if let Some(budget) = &limits.budget
            && decoder.buffered() > FREE
        {
            budget.try_raise(share, decoder.buffered());
        }
        Ok(read)
    }

    fn unfinished(&mut self) -> &mut Unfinished {
        &mut self.unfinished
    }

    fn share(&mut self) -> &mut Share {
        &mut self.share
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::codec::encode_into;
    use kvpaxos::{Request, RequestBody};
    use tokio::io::{AsyncWriteExt, DuplexStream};

    use super::*;

    #[tokio::test]
    async fn good_frames_count_and_then_the_bad_bytes_are_named() {
        let mut bytes = Vec::new();
        for id in 0..3 {
            let request = Request {
                id,
                body: RequestBody::Status,
            };
            encode_into(&request, &mut bytes).unwrap();
        }
        bytes.extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
        let mut frames = Frames::<Request, _>::new(&bytes[..]);
        let mut requests = Vec::new();
        assert!(frames.fill(&mut requests).await.unwrap());
        assert_eq!(requests.len(), 3);
        let error = frames.fill(&mut requests).await.unwrap_err();
        assert!(
            matches!(error, ReadError::Decode(DecodeError::Magic { .. })),
            "{error}"
        );
    }

    /// A request that is a little longer than this many bytes.
    fn request(length: usize) -> Vec<u8> {
        let body = RequestBody::Submit {
            payload: vec![7; length].into(),
        };
        let mut bytes = Vec::new();
        encode_into(&Request { id: 1, body }, &mut bytes).unwrap();
        bytes
    }

    fn stream(limits: &ReadLimits) -> (DuplexStream, Frames<Request, DuplexStream>) {
        let (near, far) = tokio::io::duplex(1 << 20);
        (near, Frames::within(far, limits.clone()))
    }

    #[tokio::test]
    async fn a_frame_must_be_finished_in_time_and_be_short_enough() {
        let limits = ReadLimits {
            time: Duration::from_millis(20),
            longest: 100,
            ..ReadLimits::ALONE
        };
        let mut requests = Vec::new();
        let (mut near, mut frames) = stream(&limits);
        near.write_all(&request(1)[..5]).await.unwrap();
        let error = frames.fill(&mut requests).await.unwrap_err();
        assert!(matches!(error, ReadError::Slow(_)), "{error}");
        let (mut near, mut frames) = stream(&limits);
        near.write_all(&request(200)[..50]).await.unwrap();
        let error = frames.fill(&mut requests).await.unwrap_err();
        assert!(matches!(error, ReadError::TooLong { limit: 100, .. }), "{error}");
    }

    /// One that sends half a large frame cannot keep others from sending theirs, nor small ones at all.
    #[tokio::test]
    async fn a_large_frame_that_stands_still_gives_way() {
        let large = request(200_000);
        let budget = Budget::new(0, large.len() + 1000);
        let limits = ReadLimits::shared(budget.clone(), Arc::default());
        let (mut stalls, mut stalled) = stream(&limits);
        stalls.write_all(&large[..100_000]).await.unwrap();
        let stalled = tokio::spawn(async move { stalled.fill(&mut Vec::new()).await });
        while budget.taken() < large.len() {
            tokio::task::yield_now().await;
        }
        let (mut near, mut frames) = stream(&limits);
        let mut requests = Vec::new();
        near.write_all(&request(10)).await.unwrap();
        assert!(frames.fill(&mut requests).await.unwrap());
        near.write_all(&large).await.unwrap();
        assert!(frames.fill(&mut requests).await.unwrap());
        assert_eq!(requests.len(), 2);
        let error = stalled.await.unwrap().unwrap_err();
        assert!(matches!(error, ReadError::GivesWay { .. }), "{error}");
        // The share leaves with the frames.
        let share = frames.take_share();
        assert_eq!(share.size(), budget.taken());
        drop((share, frames));
        assert_eq!(budget.taken(), 0);
    }
}
