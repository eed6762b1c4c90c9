//! Reads a socket in large pieces and takes them apart into frames.

use std::io;

use kvpaxos::codec::{DecodeError, Decoder, Frame};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes asked of the socket in one call, at first: there may be thousands of connections that say little.
const PIECE: usize = 4 * 1024;
/// Grown to this, step by step, when much comes at once, so that large batches take few calls.
const LARGEST_PIECE: usize = 256 * 1024;

/// What is wrong with a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It brought bytes that are not what is spoken here.
    #[error("bad bytes: {0}")]
    Decode(#[from] DecodeError),
    /// It ended within a frame.
    #[error("the connection ended within a frame")]
    Cut,
}

impl ReadError {
    /// Whether the other side is simply gone, which is nobody's fault and no news.
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
    pub(crate) fn new(reader: R) -> Frames<F, R> {
        Frames {
            reader,
            decoder: Decoder::new(),
            piece: vec![0; PIECE],
        }
    }

    /// Waits for at least one frame and appends all that have come whole. `false` at the end of the stream.
    ///
    /// Bad bytes after good frames are told with the next call: what came before them counts. May be cancelled without
    /// losing anything.
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
                // A full piece: there is more where this came from.
                self.piece = vec![0; (read * 4).min(LARGEST_PIECE)];
            }
        }
    }

    /// The stream, for who has something to say on it.
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
