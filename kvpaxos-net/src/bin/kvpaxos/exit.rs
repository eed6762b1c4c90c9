//! Exit codes, so that scripts can tell fates apart.

use std::process::ExitCode;

use kvpaxos_net::{ClientError, NodeError};

/// For `--help`.
pub(crate) const TABLE: &str = "Exit codes:
  0  done (serve: stopped by a signal)
  1  get, delete: the key has no value; cas: not swapped; otherwise: another error, nothing was changed
  2  the command line is wrong
  3  refused: over a limit, or not acceptable; nothing was changed
  4  unavailable: no replica could be reached that reaches a leader; nothing was changed
  5  outcome unknown: it may have been done, or may still be
  6  serve: the replica met what only a lying peer or disk can cause, and halted
  7  serve: the disk failed, and nothing more could be promised
  8  log inspect: something that was synced is damaged or gone";

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    Done = 0,
    /// Not found, not swapped; or another error.
    Not = 1,
    Usage = 2,
    Refused = 3,
    Unavailable = 4,
    Unknown = 5,
    Halted = 6,
    Disk = 7,
    Damaged = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl From<&ClientError> for Exit {
    fn from(error: &ClientError) -> Exit {
        match error {
            ClientError::Refused(_) => Exit::Refused,
            ClientError::Unavailable { .. } => Exit::Unavailable,
            ClientError::Unknown { .. } | ClientError::Gone => Exit::Unknown,
        }
    }
}

impl From<&NodeError> for Exit {
    fn from(error: &NodeError) -> Exit {
        match error {
            NodeError::Halted { .. } => Exit::Halted,
            NodeError::Disk(_) => Exit::Disk,
            NodeError::Broken { .. } => Exit::Not,
        }
    }
}
