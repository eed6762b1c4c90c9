//! Data directories: preparing one, and saying what to do with one that cannot be used.

use kvpaxos_net::{DirectoryError, StartError};

use crate::args::MemberArguments;
use crate::exit::Exit;
use crate::terminal::complain;

pub(crate) fn format(member: &MemberArguments) -> Exit {
    match member.options().format() {
        Ok(()) => {
            println!(
                "{} is formatted for replica {}",
                member.data.display(),
                member.identity.id
            );
            Exit::Done
        }
        Err(error) => failed(&error, member),
    }
}

pub(crate) fn recover(member: &MemberArguments, discard: bool) -> Exit {
    match member.options().recover(discard) {
        Ok(aside) => {
            if let Some(aside) = aside {
                println!("the log that was there is in {} now", aside.display());
            }
            println!(
                "{} is ready for replica {} to recover: serve it, and it gets back from the others what counts",
                member.data.display(),
                member.identity.id
            );
            Exit::Done
        }
        Err(error) => failed(&error, member),
    }
}

fn failed(error: &StartError, member: &MemberArguments) -> Exit {
    complain(&advised(error, member));
    Exit::from(error)
}

/// The error, and the command that helps where there is one.
pub(crate) fn advised(error: &StartError, member: &MemberArguments) -> String {
    let flags = member.flags();
    let StartError::Directory(directory) = error else {
        return error.to_string();
    };
    let advice = match directory {
        DirectoryError::NotFormatted { .. } => format!(
            "if the cluster is new:\n  kvpaxos format {flags}\nif the replica's disk is gone:\n  kvpaxos recover {flags}"
        ),
        DirectoryError::Unfinished { .. } => format!("run:\n  kvpaxos format {flags}"),
        DirectoryError::Superblock { .. } | DirectoryError::Healthy { .. } => {
            format!("to give up what is there:\n  kvpaxos recover --discard {flags}")
        }
        _ => return error.to_string(),
    };
    format!("{error}\n{advice}")
}
