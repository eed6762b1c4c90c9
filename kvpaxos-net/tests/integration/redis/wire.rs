//! A connection that shows replies as the bytes they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::common::PATIENCE;

/// A request, as clients send it.
pub(crate) fn request<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.as_ref().len()).as_bytes());
        bytes.extend_from_slice(word.as_ref());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A connection to a replica or to a Redis.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    pub(crate) fn connect(port: u16) -> Wire {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream
            .get_mut()
            .write_all(bytes)
            .expect("the connection is up");
    }

    /// Whether the bytes were handed to the system.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_mut().write_all(bytes).is_ok()
    }

    /// Sends a command, and returns its reply.
    pub(crate) fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<u8> {
        self.send(&request(words));
        self.reply()
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> Vec<u8> {
        self.try_reply().expect("a reply, and no end of the connection")
    }

    /// The next reply; `None` if the connection ends before it.
    pub(crate) fn try_reply(&mut self) -> Option<Vec<u8>> {
        let mut reply = Vec::new();
        let read = self.stream.read_until(b'\n', &mut reply);
        if read.is_err() || !reply.ends_with(b"\r\n") {
            return None;
        }
        let number: i64 = String::from_utf8_lossy(&reply[1..reply.len() - 2])
            .parse()
            .unwrap_or(0);
        let count = usize::try_from(number).unwrap_or(0);
        match reply[0] {
            b'$' | b'=' if number >= 0 => {
                let mut text = vec![0; count + 2];
                self.stream.read_exact(&mut text).ok()?;
                reply.extend_from_slice(&text);
            }
            b'*' | b'~' | b'%' => {
                let elements = if reply[0] == b'%' { 2 * count } else { count };
                for _ in 0..elements {
                    reply.extend_from_slice(&self.try_reply()?);
                }
            }
            _ => {}
        }
        Some(reply)
    }

    /// Whether the other side has closed the connection and sends nothing more.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }
}
