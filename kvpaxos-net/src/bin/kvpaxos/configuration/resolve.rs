//! The command line, completed by the environment and the configuration file.
//!
//! What is set elsewhere becomes words of the command line, unless the command line sets it too. So clap checks
//! all values in the same way, and flags that exclude or need each other do so wherever they are set.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::schema::flags;
use super::sources::{ConfigurationFile, PREFIX, Value, Variables, find};

/// Why there are no arguments.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line alone is wrong; or it asks for help.
    CommandLine(clap::Error),
    /// A file or a variable is wrong.
    Configuration(String),
}

/// A command line, and what completes it.
#[derive(Debug)]
pub(super) struct Resolved {
    /// All words, the name of the program first.
    pub(super) words: Vec<OsString>,
    /// The names of the command and of those around it, the outermost first.
    pub(super) command: Vec<String>,
    /// What is set outside the command line, by the names of the flags.
    pub(super) values: BTreeMap<String, Value>,
    pub(super) file: Option<ConfigurationFile>,
    /// What the command line alone says; what it lacks, or has too much, does not matter.
    pub(super) given: ArgMatches,
}

/// Completes a command line.
pub(super) fn resolve(
    program: &Command,
    words: &[OsString],
    variables: &dyn Variables,
) -> Result<Resolved, Failure> {
    let given = lenient(program)
        .try_get_matches_from(words)
        .map_err(Failure::CommandLine)?;
    let (command, leaf) = path(&given);
    let mut built = program.clone();
    built.build();
    let file = match file_path(leaf, variables) {
        Some(path) => Some(ConfigurationFile::read(&path, &built).map_err(Failure::Configuration)?),
        None => None,
    };
    let mut values = BTreeMap::new();
    // Without a command there is nothing to set.
    for arg in flags(subcommand(&built, &command)).filter(|_| !command.is_empty()) {
        if leaf.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let value = find(&command, arg, variables, file.as_ref()).map_err(Failure::Configuration)?;
        if let (Some(name), Some(value)) = (arg.get_long(), value) {
            values.insert(name.to_owned(), value);
        }
    }
    let at = end_of_command(program, words, command.len());
    let mut completed = words[..at].to_vec();
    completed.extend(values.values().flat_map(|value| value.words.clone()));
    completed.extend_from_slice(&words[at..]);
    Ok(Resolved {
        words: completed,
        command,
        values,
        file,
        given,
    })
}

/// The program, when it takes of a command line what it can.
fn lenient(program: &Command) -> Command {
    program.clone().ignore_errors(true)
}

/// The names of the command that is called, and what is given to it.
pub(super) fn path(given: &ArgMatches) -> (Vec<String>, &ArgMatches) {
    let (mut names, mut leaf) = (Vec::new(), given);
    while let Some((name, inner)) = leaf.subcommand() {
        names.push(name.to_owned());
        leaf = inner;
    }
    (names, leaf)
}

/// The command of these names.
pub(super) fn subcommand<'c>(program: &'c Command, names: &[String]) -> &'c Command {
    names.iter().fold(program, |command, name| {
        command.find_subcommand(name).expect("clap found it")
    })
}

/// The configuration file that a command line or a variable names.
fn file_path(given: &ArgMatches, variables: &dyn Variables) -> Option<PathBuf> {
    let flag = given
        .get_one::<PathBuf>("config")
        .map(PathBuf::as_path)
        .map(Path::to_owned);
    let variable = || variables.get(&format!("{PREFIX}_CONFIG"));
    flag.or_else(|| variable().filter(|path| !path.is_empty()).map(PathBuf::from))
}

/// How many words there are up to the name of the command: the fewest with which clap finds it.
fn end_of_command(program: &Command, words: &[OsString], depth: usize) -> usize {
    let found = |count: &usize| match lenient(program).try_get_matches_from(&words[..*count]) {
        Ok(given) => path(&given).0.len() == depth,
        Err(_) => false,
    };
    (1..words.len()).find(found).unwrap_or(words.len())
}

impl Resolved {
    /// Parses the completed command line.
    pub(super) fn matches(&self, program: &Command) -> Result<ArgMatches, clap::Error> {
        program.clone().try_get_matches_from(&self.words)
    }

    /// An error of clap, with the sources of the settings that it is about.
    pub(super) fn explain(&self, error: clap::Error) -> Failure {
        let about: Vec<(&String, &Value)> = names(&error)
            .iter()
            .filter_map(|name| self.values.get_key_value(name))
            .collect();
        if let ([(name, value)], Some(why)) = (&about[..], reason(&error)) {
            let wrong = invalid_value(&error);
            return Failure::Configuration(format!("{}: {name} = {wrong:?}: {why}", value.source));
        }
        let mut notes: Vec<String> = about
            .iter()
            .map(|(name, value)| format!("note: --{name} is set by {}\n", value.source))
            .collect();
        if error.kind() == ErrorKind::MissingRequiredArgument && !names(&error).is_empty() {
            notes.push(format!(
                "note: flags can also be set by a configuration file (--config) and by variables ({PREFIX}_...)\n"
            ));
        }
        if notes.is_empty() {
            return Failure::CommandLine(error);
        }
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        Failure::Configuration(format!("{text}\n\n{}", notes.concat().trim_end()))
    }
}

/// The names of the flags that an error is about.
pub(super) fn names(error: &clap::Error) -> Vec<String> {
    let mut texts = Vec::new();
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        match error.get(kind) {
            Some(ContextValue::String(text)) => texts.push(text.clone()),
            Some(ContextValue::Strings(all)) => texts.extend(all.iter().cloned()),
            _ => {}
        }
    }
    let words = texts
        .iter()
        .flat_map(|text| text.split([' ', '=', '[', '|', '<']));
    let mut names: Vec<String> = words
        .filter_map(|word| word.strip_prefix("--"))
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

fn invalid_value(error: &clap::Error) -> String {
    match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.clone(),
        _ => String::new(),
    }
}

/// Why a value is refused; `None` if the error is about anything else.
pub(super) fn reason(error: &clap::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::ValueValidation => Some(std::error::Error::source(error)?.to_string()),
        ErrorKind::InvalidValue => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(values)) if !values.is_empty() => {
                Some(format!("possible values are {}", values.join(", ")))
            }
            _ => Some("a value is required".to_owned()),
        },
        ErrorKind::InvalidUtf8
        | ErrorKind::NoEquals
        | ErrorKind::TooManyValues
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            Some(line.strip_prefix("error: ").unwrap_or(line).to_owned())
        }
        _ => None,
    }
}
