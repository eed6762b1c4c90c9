//! What requests print. The demo and the walkthrough print the same.

use bytes::Bytes;
use kvpaxos_net::{Client, ClientError};

use crate::text::quoted;

/// How many bytes of a value are printed.
const SHOWN: usize = 4096;

/// Puts, and returns the line to print.
pub(crate) async fn put(
    client: &Client,
    key: impl Into<Bytes>,
    value: impl Into<Bytes>,
) -> Result<String, ClientError> {
    let revision = client.put(key, value).await?;
    Ok(format!("ok, revision {revision}"))
}

/// Gets, and returns the line to print.
pub(crate) async fn get(client: &Client, key: impl Into<Bytes>) -> Result<String, ClientError> {
    Ok(match client.get(key).await?.value {
        Some(value) => quoted(&value, SHOWN),
        None => "no value".to_owned(),
    })
}

/// Deletes, and returns the line to print.
pub(crate) async fn delete(client: &Client, key: impl Into<Bytes>) -> Result<String, ClientError> {
    let deleted = client.delete(key).await?;
    let what = if deleted.existed {
        "deleted"
    } else {
        "there was no value"
    };
    Ok(format!("{what}, revision {}", deleted.revision))
}

/// Compares and swaps, and returns the line to print.
pub(super) async fn cas(
    client: &Client,
    key: Bytes,
    expect: Option<Bytes>,
    value: Option<Bytes>,
) -> Result<String, ClientError> {
    let swapped = client.cas(key, expect, value).await?;
    let what = if swapped.applied {
        "swapped"
    } else {
        "not swapped: the key holds something else"
    };
    Ok(format!("{what}, revision {}", swapped.revision))
}
