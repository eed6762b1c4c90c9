//! Completions for shells, and man pages.

use std::path::Path;

use clap::CommandFactory;

use crate::args::{Arguments, ShellName};
use crate::exit::Exit;
use crate::terminal::{complain, say, to_stdout};

/// Prints the script that completes command lines in a shell.
pub(crate) fn completions(shell: ShellName) -> Exit {
    let shell = match shell {
        ShellName::Bash => clap_complete::Shell::Bash,
        ShellName::Zsh => clap_complete::Shell::Zsh,
        ShellName::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut Arguments::command(),
        env!("CARGO_BIN_NAME"),
        &mut script,
    );
    to_stdout(|out| std::io::Write::write_all(out, &script));
    Exit::Done
}

/// Writes a man page for each command into a directory, which is made if there is none.
pub(crate) fn man(dir: &Path) -> Exit {
    let written =
        std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Arguments::command(), dir));
    match written {
        Ok(()) => {
            say!(
                "the man pages are in {0}; man {0}/kvpaxos.1 shows the first",
                dir.display()
            );
            Exit::Done
        }
        Err(error) => {
            complain(format_args!(
                "cannot write man pages to {}: {error}",
                dir.display()
            ));
            Exit::Negative
        }
    }
}
