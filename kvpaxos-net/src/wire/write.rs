//! Writes to a socket, and gives up if the other side takes in nothing.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::wire::outbox::Outbox;

/// Writes what the outbox holds and will hold, one write for all that is queued. Returns when the outbox is
/// closed.
///
/// # Errors
/// If the connection broke, or nothing could be written for `stall`.
pub(crate) async fn write_queued(
    outbox: &Outbox,
    writer: &mut (impl AsyncWrite + Unpin),
    stall: Duration,
) -> io::Result<()> {
    write_held(outbox, writer, stall, || None).await
}

/// As [`write_queued`], but holds back what it has taken for as long as `hold` says.
///
/// # Errors
/// As [`write_queued`].
pub(crate) async fn write_held(
    outbox: &Outbox,
    writer: &mut (impl AsyncWrite + Unpin),
    stall: Duration,
    hold: impl Fn() -> Option<Duration>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while outbox.take(&mut buffer).await {
        if let Some(pause) = hold() {
            tokio::time::sleep(pause).await;
        }
        write_all(writer, &buffer, stall, outbox).await?;
    }
    // TLS says goodbye, so that the other side can tell an end from a cut. Who does not listen misses it.
    let _ = timeout(stall, writer.shutdown()).await;
    Ok(())
}

async fn write_all(
    writer: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    stall: Duration,
    outbox: &Outbox,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = match timeout(stall, writer.write(bytes)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(result) => result?,
            Err(_) => return Err(stalled()),
        };
        outbox.on_progress(written);
        bytes = &bytes[written..];
    }
    // Within TLS some of it may still wait to be sent.
    timeout(stall, writer.flush()).await.map_err(|_| stalled())?
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the other side does not read")
}
