//! Arguments of the commands that send one request.

use std::ffi::OsString;

use bytes::Bytes;
use clap::Args;

use crate::args::client::ServerArguments;
use crate::text::from_hex;

/// What all of them have.
#[derive(Args, Debug)]
pub(crate) struct RequestArguments {
    #[command(flatten)]
    pub(crate) servers: ServerArguments,
    /// Keys and values are hexadecimal digits, here and in what is printed: for those that are no text.
    /// Standard input is still read as it is.
    #[arg(long)]
    pub(crate) hex: bool,
    /// Print one JSON object, also if the request fails. What is no text is {"hex": "..."} in it.
    #[arg(long)]
    pub(crate) json: bool,
}

impl RequestArguments {
    /// A key or a value as it stands on the command line.
    ///
    /// # Errors
    /// If it is no text in hexadecimal, though --hex says so; or if this system has no bytes for it.
    pub(crate) fn bytes(&self, word: &OsString) -> Result<Bytes, String> {
        if !self.hex {
            return plain(word);
        }
        let text = word.to_str().and_then(from_hex);
        text.map(Bytes::from).ok_or_else(|| {
            format!(
                "{} is not an even number of hexadecimal digits, as --hex wants",
                word.display()
            )
        })
    }
}

/// The bytes of a word as they are.
#[cfg(unix)]
#[allow(clippy::unnecessary_wraps, reason = "other systems have words without bytes")]
fn plain(word: &OsString) -> Result<Bytes, String> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Bytes::copy_from_slice(word.as_bytes()))
}

/// The bytes of a word in UTF-8.
#[cfg(not(unix))]
fn plain(word: &OsString) -> Result<Bytes, String> {
    let text = word.to_str();
    text.map(|text| Bytes::copy_from_slice(text.as_bytes()))
        .ok_or_else(|| format!("{} is no text; write it with --hex", word.display()))
}

#[derive(Args, Debug)]
pub(crate) struct GetArguments {
    /// The key. Put one that begins with a hyphen after `--`.
    pub(crate) key: OsString,
    /// Print the bytes of the value and nothing else, also on a terminal. A pipe or a file gets them in any
    /// case.
    #[arg(long, conflicts_with_all = ["hex", "json"])]
    pub(crate) raw: bool,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
}

#[derive(Args, Debug)]
pub(crate) struct PutArguments {
    /// The key. Put one that begins with a hyphen after `--`.
    pub(crate) key: OsString,
    /// The value; `-` reads it from standard input, to the end. Put any other value that begins with a
    /// hyphen after `--`. A value that is one hyphen is `--hex 2d`, and comes from standard input too.
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: OsString,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArguments {
    /// The key. Put one that begins with a hyphen after `--`.
    pub(crate) key: OsString,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
}

#[derive(Args, Debug)]
pub(crate) struct CasArguments {
    /// The key. Put one that begins with a hyphen after `--`.
    pub(crate) key: OsString,
    /// OLD and NEW, unless --absent or --remove replaces one; `-` reads one of them from standard input.
    #[arg(allow_negative_numbers = true, num_args = 0..=2, value_names = ["OLD", "NEW"])]
    pub(crate) values: Vec<OsString>,
    /// Swap only if the key has no value.
    #[arg(long)]
    pub(crate) absent: bool,
    /// Remove the key instead of setting it.
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) request: RequestArguments,
}

impl CasArguments {
    /// What is expected and what is set; `None` stands for no value.
    ///
    /// # Errors
    /// If there are too few or too many values, or both come from standard input.
    pub(crate) fn swap(&self) -> Result<[Option<&OsString>; 2], String> {
        let wanted = 2 - usize::from(self.absent) - usize::from(self.remove);
        let given = self.values.len();
        if given != wanted {
            return Err(format!(
                "cas takes OLD and NEW, with --absent instead of OLD and --remove instead of NEW: here \
                 {wanted} values, not {given}"
            ));
        }
        if self.values.iter().filter(|value| *value == "-").count() > 1 {
            return Err("only one of OLD and NEW can be read from standard input".to_owned());
        }
        let mut values = self.values.iter();
        let expect = if self.absent { None } else { values.next() };
        Ok([expect, values.next()])
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn cas(line: &str) -> CasArguments {
        let line = format!("kvpaxos cas k --servers a:1 {line}");
        match Arguments::try_parse_from(line.split(' ').filter(|word| !word.is_empty())) {
            Ok(Arguments {
                command: Command::Cas(arguments),
                ..
            }) => arguments,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn flags_stand_for_values() {
        let (a, b) = (OsString::from("a"), OsString::from("b"));
        assert_eq!(cas("a b").swap(), Ok([Some(&a), Some(&b)]));
        assert_eq!(cas("--absent b").swap(), Ok([None, Some(&b)]));
        assert_eq!(cas("--remove a").swap(), Ok([Some(&a), None]));
        assert!(cas("a").swap().is_err());
        assert!(cas("- -").swap().is_err());
    }

    #[test]
    #[cfg(unix)]
    fn keys_and_values_are_bytes() {
        use std::os::unix::ffi::OsStringExt;
        let word = OsString::from_vec(b"\xff-".to_vec());
        assert_eq!(
            cas("a b").request.bytes(&word).unwrap(),
            Bytes::from_static(b"\xff-")
        );
        let hex = cas("--hex 2d 00").request;
        assert_eq!(hex.bytes(&"2dFF".into()).unwrap(), Bytes::from_static(b"-\xff"));
        for wrong in ["2", "xx", "+1", "2d "] {
            assert!(hex.bytes(&wrong.into()).is_err(), "{wrong}");
        }
    }
}
