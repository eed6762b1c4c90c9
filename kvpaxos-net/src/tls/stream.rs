//! A connection over TCP, plain or within TLS. What is above reads and writes both alike.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{self as tokio_io, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::{client, server};

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    /// Within TLS, and the other end has connected.
    Accepted(Box<server::TlsStream<TcpStream>>),
    /// Within TLS, and this end has connected.
    Made(Box<client::TlsStream<TcpStream>>),
}

/// What reads of a connection that was split.
#[derive(Debug)]
pub(crate) enum ReadHalf {
    Plain(OwnedReadHalf),
    Accepted(tokio_io::ReadHalf<server::TlsStream<TcpStream>>),
    Made(tokio_io::ReadHalf<client::TlsStream<TcpStream>>),
}

/// What writes of a connection that was split.
#[derive(Debug)]
pub(crate) enum WriteHalf {
    Plain(OwnedWriteHalf),
    Accepted(tokio_io::WriteHalf<server::TlsStream<TcpStream>>),
    Made(tokio_io::WriteHalf<client::TlsStream<TcpStream>>),
}

impl Stream {
    /// Splits it, so that one can read and another can write.
    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Stream::Plain(stream) => {
                let (reader, writer) = stream.into_split();
                (ReadHalf::Plain(reader), WriteHalf::Plain(writer))
            }
            Stream::Accepted(stream) => {
                let (reader, writer) = tokio_io::split(*stream);
                (ReadHalf::Accepted(reader), WriteHalf::Accepted(writer))
            }
            Stream::Made(stream) => {
                let (reader, writer) = tokio_io::split(*stream);
                (ReadHalf::Made(reader), WriteHalf::Made(writer))
            }
        }
    }

    /// This end of it.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Stream::Plain(stream) => stream.local_addr(),
            Stream::Accepted(stream) => stream.get_ref().0.local_addr(),
            Stream::Made(stream) => stream.get_ref().0.local_addr(),
        }
    }
}

/// Reads like whatever is within. There is no call through a table, and nothing is copied.
macro_rules! reads {
    ($type:ident: $($variant:ident),+) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $($type::$variant(inner) => Pin::new(inner).poll_read(context, buffer)),+
                }
            }
        }
    };
}

/// Writes like whatever is within.
macro_rules! writes {
    ($type:ident: $($variant:ident),+) => {
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $($type::$variant(inner) => Pin::new(inner).poll_write(context, bytes)),+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $($type::$variant(inner) => Pin::new(inner).poll_flush(context)),+
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $($type::$variant(inner) => Pin::new(inner).poll_shutdown(context)),+
                }
            }
        }
    };
}

reads!(Stream: Plain, Accepted, Made);
reads!(ReadHalf: Plain, Accepted, Made);
writes!(Stream: Plain, Accepted, Made);
writes!(WriteHalf: Plain, Accepted, Made);
