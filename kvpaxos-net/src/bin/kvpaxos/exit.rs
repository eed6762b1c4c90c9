//! Exit codes. Scripts can tell by them what became of a request.

use std::process::ExitCode;

use kvpaxos_net::{ClientError, DirectoryError, NodeError, StartError};

/// For `--help`.
pub(crate) const TABLE: &str = "Exit codes:
  0  done (serve: stopped by a signal)
  1  get, delete: the key has no value; cas: not swapped; otherwise: another error, and
     nothing was changed
  2  the command line is wrong
  3  refused: over a limit, or not acceptable; nothing was changed; snapshot restore: the
     cluster is not empty
  4  unavailable: no replica that could be reached reaches a leader; nothing was changed
  5  outcome unknown: it may have been done, or may still be
  6  serve: the replica halted, because it met something that only a lying peer or disk can
     cause; or because its directory was formatted although it had been a member before
  7  serve, format, recover, demo: the disk failed or is full; snapshot save: the file cannot
     be written
  8  log inspect, log compare: something that was synced is damaged or missing;
     serve, recover: the superblock is damaged; snapshot: the file is damaged
  9  status, log compare: replicas differ
 10  log compare: it is not certain whether they differ
 11  done, but standard output could not be written
 12  status: no leader is known
 13  status: the cluster serves, but a replica cannot be reached, or a role does not work";

/// The result of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Done = 0,
    /// Not found, not swapped; or another error.
    Negative = 1,
    Usage = 2,
    Refused = 3,
    Unavailable = 4,
    Unknown = 5,
    Halted = 6,
    Disk = 7,
    Damaged = 8,
    Differ = 9,
    Undecided = 10,
    /// Done, but it could not be printed.
    Unsaid = 11,
    /// No leader is known.
    Leaderless = 12,
    /// The cluster serves, but not all of it works.
    Impaired = 13,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<&ClientError> for Exit {
    fn from(error: &ClientError) -> Exit {
        match error {
            ClientError::Refused(_) | ClientError::Failed(_) | ClientError::TooLong { .. } => Exit::Refused,
            ClientError::Unavailable { .. } => Exit::Unavailable,
            ClientError::Unknown { .. } | ClientError::Gone => Exit::Unknown,
        }
    }
}

impl From<&StartError> for Exit {
    fn from(error: &StartError) -> Exit {
        match error {
            StartError::Config(_) | StartError::Plaintext { .. } | StartError::Datagrams { .. } => {
                Exit::Usage
            }
            StartError::Directory(DirectoryError::Superblock { .. }) => Exit::Damaged,
            error if error.is_disk_failure() => Exit::Disk,
            _ => Exit::Negative,
        }
    }
}

impl From<&NodeError> for Exit {
    fn from(error: &NodeError) -> Exit {
        match error {
            NodeError::Halted { .. } => Exit::Halted,
            NodeError::Disk(_) => Exit::Disk,
            NodeError::Broken { .. } => Exit::Negative,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;

    use kvpaxos_net::LogError;

    use super::*;

    /// No line of the table is wrapped on a terminal of 100 columns.
    #[test]
    fn the_table_is_narrow() {
        assert!(TABLE.lines().all(|line| line.len() <= 98), "{TABLE}");
    }

    /// A failure of the disk has its own exit code, when the replica starts and while it runs; a shortage of
    /// descriptors has not.
    #[test]
    fn a_disk_that_fails_has_one_code() {
        let (eio, emfile, enospc, eacces) = (5, 24, 28, 13);
        let log = |code| LogError::Io {
            what: "open",
            path: "log".into(),
            error: io::Error::from_raw_os_error(code),
        };
        let directory = |code| DirectoryError::Io {
            what: "open",
            path: "lock".into(),
            error: io::Error::from_raw_os_error(code),
        };
        for code in [eio, enospc] {
            assert_eq!(Exit::from(&NodeError::Disk(log(code))), Exit::Disk);
            assert_eq!(
                Exit::from(&StartError::from(DirectoryError::from(log(code)))),
                Exit::Disk
            );
            assert_eq!(Exit::from(&StartError::from(directory(code))), Exit::Disk);
        }
        for code in [emfile, eacces] {
            assert_eq!(
                Exit::from(&StartError::from(DirectoryError::from(log(code)))),
                Exit::Negative
            );
            assert_eq!(Exit::from(&StartError::from(directory(code))), Exit::Negative);
        }
        let advice = [log(emfile).to_string(), log(eio).to_string()];
        assert!(
            advice[0].contains("ulimit -n") && !advice[0].contains("Check the disk"),
            "{advice:?}"
        );
        assert!(advice[1].contains("Check the disk"), "{advice:?}");
    }
}
