//! `kvpaxos format` and `kvpaxos recover`, and advice about directories that cannot be used.

use kvpaxos_net::{DirectoryError, StartError};

use crate::args::MemberArguments;
use crate::exit::Exit;
use crate::terminal::{complain, say};

pub(crate) fn format(member: &MemberArguments, if_missing: bool) -> Exit {
    let options = member.options();
    if if_missing {
        match options.is_formatted() {
            Ok(true) => {
                say!("{} is formatted already", member.data.display());
                return Exit::Done;
            }
            Ok(false) => {}
            Err(error) => return report(&error, member),
        }
    }
    match options.format() {
        Ok(()) => {
            say!(
                "{} is formatted for replica {}",
                member.data.display(),
                member.identity.id
            );
            Exit::Done
        }
        Err(error) => report(&error, member),
    }
}

pub(crate) fn recover(member: &MemberArguments, discard: bool) -> Exit {
    match member.options().recover(discard) {
        Ok(aside) => {
            if let Some(aside) = aside {
                say!("the old log is now in {}", aside.display());
            }
            say!(
                "{} is ready for replica {} to recover: serve it, and it gets back from the others what it \
                 may have promised",
                member.data.display(),
                member.identity.id
            );
            Exit::Done
        }
        Err(error) => report(&error, member),
    }
}

fn report(error: &StartError, member: &MemberArguments) -> Exit {
    complain(with_advice(error, member));
    Exit::from(error)
}

/// The error, and the command that helps if there is one.
pub(crate) fn with_advice(error: &StartError, member: &MemberArguments) -> String {
    let flags = member.flags();
    let StartError::Directory(directory) = error else {
        return error.to_string();
    };
    let advice = match directory {
        DirectoryError::NotFormatted { .. } => format!(
            "if the cluster is new:\n  kvpaxos format {flags}\nif the replica has lost its disk:\n  kvpaxos \
             recover {flags}"
        ),
        DirectoryError::Unfinished { .. } => format!("run:\n  kvpaxos format {flags}"),
        DirectoryError::Superblock { .. } | DirectoryError::Healthy { .. } => {
            format!("to discard what is there:\n  kvpaxos recover --discard {flags}")
        }
        _ => return error.to_string(),
    };
    format!("{error}\n{advice}")
}
