//! `kvpaxos snapshot`: copies of the store in files.

use std::path::Path;

use kvpaxos::Limits;
use kvpaxos_net::backup::{self, BackupError, RestoreError, SaveError, SavedState};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::args::{ServerArguments, SnapshotCommand};
use crate::exit::Exit;
use crate::terminal::{complain, say};

pub(crate) fn run(command: &SnapshotCommand, runtime: &Runtime) -> Result<Exit, String> {
    match command {
        SnapshotCommand::Save { file, servers, json } => runtime.block_on(save(file, servers, *json)),
        SnapshotCommand::Inspect { file, json } => Ok(match read(file) {
            Ok(saved) => {
                describe(file, &saved, *json);
                Exit::Done
            }
            Err(exit) => exit,
        }),
        SnapshotCommand::Restore { file, servers } => runtime.block_on(restore(file, servers)),
    }
}

async fn save(file: &Path, servers: &ServerArguments, json: bool) -> Result<Exit, String> {
    match backup::save(&servers.options()?, file).await {
        Ok(saved) => {
            describe(file, &saved, json);
            Ok(Exit::Done)
        }
        Err(error) => {
            complain(&error);
            Ok(match error {
                SaveError::File { .. } => Exit::Disk,
                SaveError::Refused(_) => Exit::Refused,
                SaveError::Unavailable { .. } => Exit::Unavailable,
                _ => Exit::Usage,
            })
        }
    }
}

/// Reads a copy. If it is none, that has been said.
fn read(file: &Path) -> Result<SavedState, Exit> {
    backup::read(file, Limits::default()).map_err(|error| {
        complain(format_args!("{}: {error}", file.display()));
        match error {
            BackupError::Io(_) => Exit::Negative,
            _ => Exit::Damaged,
        }
    })
}

fn describe(file: &Path, saved: &SavedState, json: bool) {
    let (slot, digest, revision) = (saved.slot(), saved.digest(), saved.revision());
    let (keys, bytes) = (saved.keys(), saved.bytes());
    if json {
        let object = json!({
            "file": file.to_string_lossy(),
            "slot": slot.0,
            "revision": revision.to_string(),
            "digest": format!("{digest:032x}"),
            "keys": keys,
            "bytes": bytes,
        });
        say!("{object}");
        return;
    }
    say!(
        "{}: whole, {keys} keys as of revision {revision}; the state before slot {slot}, digest {digest:032x}; {bytes} bytes",
        file.display()
    );
}

async fn restore(file: &Path, servers: &ServerArguments) -> Result<Exit, String> {
    let saved = match read(file) {
        Ok(saved) => saved,
        Err(exit) => return Ok(exit),
    };
    let client = servers.client()?;
    match backup::restore(&client, &saved).await {
        Ok(went_on) => {
            let how = if went_on {
                ", after an earlier restore that was not completed"
            } else {
                ""
            };
            say!("{} keys are restored{how}", saved.keys());
            client.close().await;
            Ok(Exit::Done)
        }
        Err(error) => {
            complain(&error);
            client.close().await;
            Ok(match &error {
                RestoreError::NotEmpty { .. } | RestoreError::Other { .. } | RestoreError::Unfinished => {
                    Exit::Refused
                }
                RestoreError::Client { error } => Exit::from(error),
                _ => Exit::Unknown,
            })
        }
    }
}
