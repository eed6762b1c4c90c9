//! Reads a stream in large pieces, and cuts them into frames.

use std::io;

use kvpaxos::codec::{DecodeError, Decoder, Frame};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How many bytes one read asks for at first: there may be thousands of connections that are mostly idle.
const PIECE: usize = 4 * 1024;
/// How many a read asks for at most. The size grows step by step while reads fill it, so that large batches
/// take few calls.
const LARGEST_PIECE: usize = 256 * 1024;

/// Why a connection cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It brought bytes that are no frames of this protocol.
    #[error("bad bytes: {0}")]
    Decode(#[from] DecodeError),
    /// It ended within a frame.
    #[error("the connection ended within a frame")]
    Cut,
}

impl ReadError {
    /// Whether the other side has simply disconnected, which is no news.
    pub(crate) fn is_disconnect(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match self {
            ReadError::Io(error) => matches!(
                error.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
            ),
            ReadError::Cut => true,
            ReadError::Decode(_) => false,
        }
    }
}

/// The frames of one kind that a stream brings.
#[derive(Debug)]
pub(crate) struct Frames<F, R> {
    reader: R,
    decoder: Decoder<F>,
    piece: Vec<u8>,
}

impl<F: Frame, R: AsyncRead + Unpin> Frames<F, R> {
    /// Reads frames from this stream.
    pub(crate) fn new(reader: R) -> Frames<F, R> {
        Frames {
            reader,
            decoder: Decoder::new(),
            piece: vec![0; PIECE],
        }
    }

    /// Waits for at least one frame, and appends all that are complete. Returns `false` at the end of the
    /// stream.
    ///
    /// Frames before bad bytes are returned; the next call fails. Cancelling a call loses nothing.
    pub(crate) async fn fill(&mut self, frames: &mut Vec<F>) -> Result<bool, ReadError> {
        let before = frames.len();
        loop {
            loop {
                match self.decoder.next() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(_) if frames.len() > before => return Ok(true),
                    Err(error) => return Err(error.into()),
                }
            }
            if frames.len() > before {
                return Ok(true);
            }
            let read = self.reader.read(&mut self.piece).await?;
            if read == 0 {
                return if self.decoder.is_within_a_frame() {
                    Err(ReadError::Cut)
                } else {
                    Ok(false)
                };
            }
            self.decoder.extend(&self.piece[..read]);
            if read == self.piece.len() && read < LARGEST_PIECE {
                // The piece was filled, so more is waiting.
                self.piece = vec![0; (read * 4).min(LARGEST_PIECE)];
            }
        }
    }

    /// The stream itself, to write to.
    pub(crate) fn stream(&mut self) -> &mut R {
        &mut self.reader
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::codec::encode_into;
    use kvpaxos::{Request, RequestBody};

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
}
