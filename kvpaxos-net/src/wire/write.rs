//! Writes to a socket, and gives up when the other side takes in nothing.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// Writes all, and fails if for `stall` nothing could be written.
pub(crate) async fn write_all(
    writer: &mut (impl AsyncWriteExt + Unpin),
    mut bytes: &[u8],
    stall: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = match timeout(stall, writer.write(bytes)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(result) => result?,
            Err(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the other side takes in nothing",
                ));
            }
        };
        bytes = &bytes[written..];
    }
    Ok(())
}
