//! Checks of what Redis clients send: it is read in the same way in whatever pieces it comes, and every request
//! is answered.

use kvpaxos_net::redis::{ProtocolError, Request, RequestBounds, RequestDecoder, converse};

use crate::Bytes;

/// Low enough that short inputs exceed each of them.
const BOUNDS: RequestBounds = RequestBounds {
    arguments: 64,
    argument: 1000,
    bytes: 4000,
};

/// Decodes a stream in pieces, of the lengths that the first four bytes are, and at once.
pub fn check_redis_requests(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let lengths = [(); 4].map(|()| usize::from(bytes.byte()) + 1);
    let stream = bytes.rest();
    let (at_once, error) = decode(stream, &[stream.len().max(1)]);
    let in_pieces = decode(stream, &lengths);
    assert_eq!(
        in_pieces,
        (at_once.clone(), error),
        "pieces of {lengths:?} make a difference"
    );
    for request in &at_once {
        let bytes: usize = request.iter().map(|argument| argument.len() + 64).sum();
        assert!(!request.is_empty(), "an empty request");
        // An inline command is bounded by its line.
        assert!(bytes <= BOUNDS.bytes || !stream.contains(&b'*') || bytes <= 65 * stream.len());
    }
    let answer = converse(at_once);
    assert!(answer.is_empty() || answer.ends_with(b"\r\n"), "half an answer");
}

fn decode(mut stream: &[u8], lengths: &[usize]) -> (Vec<Request>, Option<ProtocolError>) {
    let mut decoder = RequestDecoder::new(BOUNDS);
    let mut requests = Vec::new();
    let mut lengths = lengths.iter().cycle();
    while !stream.is_empty() {
        let length = lengths.next().map_or(1, |length| (*length).min(stream.len()));
        let (piece, rest) = stream.split_at(length);
        decoder.buffer().extend_from_slice(piece);
        stream = rest;
        loop {
            match decoder.next() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
        let held = decoder.needed();
        assert!(
            held <= 2 * 64 * 1024 + BOUNDS.bytes,
            "{held} bytes are held for one request"
        );
    }
    (requests, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds hold requests, but for those that are called otherwise.
    #[test]
    fn the_seeds_are_what_they_are_called() {
        let seeds = format!("{}/seeds/redis_requests", env!("CARGO_MANIFEST_DIR"));
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let path = seed.expect("a file").path();
            let bytes = std::fs::read(&path).expect("it can be read");
            let (requests, error) = decode(&bytes[4..], &[1]);
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let is_broken = ["nested", "lengths"].contains(&name.as_str());
            assert_eq!(error.is_some(), is_broken, "{name}");
            assert!(is_broken || !requests.is_empty(), "{name}");
            check_redis_requests(&bytes);
        }
    }
}
