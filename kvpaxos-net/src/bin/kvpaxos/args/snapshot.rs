//! Arguments of `kvpaxos snapshot`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::args::client::ServerArguments;

#[derive(Subcommand, Debug)]
pub(crate) enum SnapshotCommand {
    /// Copy the store into a file: its state at one moment, with everything that was acknowledged before. The
    /// cluster serves meanwhile.
    ///
    /// The file is written as FILE.new, and gets its name once it is complete and on disk. If a replica fails on
    /// the way, the next one is asked for all of it.
    Save {
        /// The file. An earlier copy of this name is replaced.
        file: PathBuf,
        #[command(flatten)]
        servers: ServerArguments,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Check the file of a copy in full, and print what it holds.
    Inspect {
        /// The file.
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Write all keys and values of a copy into an empty cluster. If it is interrupted, repeat it: it goes on.
    ///
    /// The new cluster has revisions and sessions of its own. Until the restore is done, its clients see a part
    /// of the copy, so keep them away.
    Restore {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        servers: ServerArguments,
    },
}
