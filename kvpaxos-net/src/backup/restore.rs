//! Bringing a copy back into an empty cluster.
//!
//! Keys and values are written by transactions, as any client writes them. So the new cluster has its own
//! revisions and sessions: nothing that a client of the old one still asks for can be taken for something that
//! was done.
//!
//! A mark under [`RESTORING`] stands in the store from the first transaction to the last, and each requires
//! it. So a restore that was interrupted can be repeated, two cannot mix, and a store that was not restored to
//! its end can be told.

use bytes::Bytes;
use kvpaxos::{Condition, Holds, Step, Transaction, When};

use super::SavedState;
use crate::client::{Client, ClientError};

/// The key of the mark, whose value names the copy.
pub const RESTORING: &str = "kvpaxos/restoring";

/// Of how many bytes of keys and values a transaction is made, but for one with a single longer value.
const BYTES: usize = 512 * 1024;
/// Of how many keys.
const KEYS: usize = 1000;

/// Why a copy was not restored, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The cluster holds something already. Nothing was changed.
    #[error(
        "the cluster is not empty: it holds {keys} keys. Restore into a new cluster; nothing was changed"
    )]
    NotEmpty {
        /// How many keys there are.
        keys: u64,
    },
    /// Another copy is being restored, or was not restored to its end. Nothing was changed.
    #[error(
        "the restore of another copy ({found}) was begun here and not completed: complete it, or restore into a \
         new cluster; nothing was changed"
    )]
    Other {
        /// What names the other copy.
        found: String,
    },
    /// The copy was taken while a restore was under way.
    #[error("this copy was taken of a cluster that was not restored to its end itself; nothing was changed")]
    Unfinished,
    /// Somebody else has written to the cluster meanwhile.
    #[error(
        "somebody else writes to the cluster: there should be {expected} keys, and there are {found}. Restore into \
         a new cluster, before its clients know it"
    )]
    Disturbed {
        /// How many keys there should be, with the mark.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The mark has gone: another process has restored the same copy to its end, or somebody has removed it.
    #[error(
        "the mark {RESTORING} has gone: another process has completed the restore, or somebody removed it"
    )]
    MarkGone,
    /// A request failed. The restore can be repeated.
    #[error("{error}. Repeat the restore of the same copy: it goes on")]
    Client {
        /// Why.
        #[from]
        error: ClientError,
    },
}

/// Writes all keys and values of a copy into an empty cluster. Returns whether it went on with an earlier
/// restore of the same copy.
///
/// Until it has returned, clients see a part of the copy.
///
/// # Errors
/// If the cluster is not empty, or was disturbed, or a request fails.
pub async fn restore(client: &Client, saved: &SavedState) -> Result<bool, RestoreError> {
    if saved.get(RESTORING.as_bytes()).is_some() {
        return Err(RestoreError::Unfinished);
    }
    let mark = Bytes::from(format!("slot {} digest {:032x}", saved.slot(), saved.digest()));
    let goes_on = begin(client, &mark).await?;
    let mut steps = Vec::new();
    let mut bytes = 0;
    for (key, value) in saved.entries() {
        let more = key.len() + value.len();
        if !steps.is_empty() && (steps.len() >= KEYS || bytes + more > BYTES) {
            write(client, &mark, std::mem::take(&mut steps)).await?;
            bytes = 0;
        }
        bytes += more;
        steps.push(put(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
    }
    if !steps.is_empty() {
        write(client, &mark, steps).await?;
    }
    let (expected, found) = (saved.keys() + 1, client.count().await?);
    if found != expected {
        return Err(RestoreError::Disturbed { expected, found });
    }
    let key = Bytes::from_static(RESTORING.as_bytes());
    let previous = false;
    write(client, &mark, vec![Step::Delete { key, previous }]).await?;
    Ok(goes_on)
}

/// Sets the mark. Returns whether it was set already.
async fn begin(client: &Client, mark: &Bytes) -> Result<bool, RestoreError> {
    if let Some(found) = client.get(RESTORING).await?.value {
        if found == *mark {
            return Ok(true);
        }
        let found = String::from_utf8_lossy(&found).into_owned();
        return Err(RestoreError::Other { found });
    }
    match client.count().await? {
        0 => {}
        keys => return Err(RestoreError::NotEmpty { keys }),
    }
    let set = put(Bytes::from_static(RESTORING.as_bytes()), mark.clone());
    if execute(client, Holds::Absent, vec![set]).await? {
        return Ok(false);
    }
    // Somebody else was faster, and may restore something else.
    match client.get(RESTORING).await?.value {
        Some(found) if found == *mark => Ok(true),
        Some(found) => {
            let found = String::from_utf8_lossy(&found).into_owned();
            Err(RestoreError::Other { found })
        }
        None => Err(RestoreError::MarkGone),
    }
}

async fn write(client: &Client, mark: &Bytes, steps: Vec<Step>) -> Result<(), RestoreError> {
    match execute(client, Holds::Equals(mark.clone()), steps).await? {
        true => Ok(()),
        false => Err(RestoreError::MarkGone),
    }
}

/// Executes steps if the mark is as it should be.
async fn execute(client: &Client, holds: Holds, steps: Vec<Step>) -> Result<bool, ClientError> {
    let key = Bytes::from_static(RESTORING.as_bytes());
    let conditions = vec![Condition { key, holds }];
    let executed = client.transaction(Transaction { conditions, steps }).await?;
    Ok(executed.results.is_some())
}

fn put(key: Bytes, value: Bytes) -> Step {
    Step::Put {
        key,
        value,
        when: When::Always,
        previous: false,
    }
}
