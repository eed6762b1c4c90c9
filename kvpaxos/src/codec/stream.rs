//! Takes a stream of bytes apart into frames.

use std::marker::PhantomData;

use super::frame::{Frame, decode_frame};
use crate::encoding::DecodeError;

/// A buffer larger than this is given back once it is empty.
const KEPT: usize = 256 * 1024;

/// Collects the bytes of a stream and gives out its frames.
///
/// It holds at most one incomplete frame, besides what was added last and not yet asked for: whoever calls [`next`](Decoder::next)
/// until it yields `None` before adding more is bound by the limit of the kind.
///
/// ```
/// use kvpaxos::codec::{Decoder, encode_into};
/// use kvpaxos::{Request, RequestBody};
///
/// let request = Request { id: 7, body: RequestBody::Status };
/// let mut bytes = Vec::new();
/// encode_into(&request, &mut bytes)?;
///
/// let mut decoder = Decoder::<Request>::new();
/// decoder.extend(&bytes[..5]);
/// assert_eq!(decoder.next()?, None);
/// decoder.extend(&bytes[5..]);
/// assert_eq!(decoder.next()?, Some(request));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Decoder<F> {
    buffer: Vec<u8>,
    /// How much of the buffer was given out already.
    taken: usize,
    /// The first offence: a stream has no place at which it could be picked up again.
    failed: Option<DecodeError>,
    frames: PhantomData<fn() -> F>,
}

impl<F: Frame> Decoder<F> {
    /// At the start of a stream.
    #[must_use]
    pub fn new() -> Decoder<F> {
        Decoder {
            buffer: Vec::new(),
            taken: 0,
            failed: None,
            frames: PhantomData,
        }
    }

    /// Adds what the stream brought.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame's content, or `None` until more bytes come.
    ///
    /// # Errors
    /// Names the offence, and does so again whenever it is asked: the stream is to be closed.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator that ends would not go on when bytes come"
    )]
    pub fn next(&mut self) -> Result<Option<F>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match decode_frame(&self.buffer[self.taken..]) {
            Ok(Some((content, length))) => {
                self.taken += length;
                Ok(Some(content))
            }
            Ok(None) => {
                self.discard_taken();
                Ok(None)
            }
            Err(error) => {
                self.buffer = Vec::new();
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Whether bytes of an incomplete frame are waiting: a stream that ends now was cut.
    #[must_use]
    pub fn is_within_a_frame(&self) -> bool {
        self.taken < self.buffer.len()
    }

    fn discard_taken(&mut self) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }
}

impl<F: Frame> Default for Decoder<F> {
    fn default() -> Decoder<F> {
        Decoder::new()
    }
}
