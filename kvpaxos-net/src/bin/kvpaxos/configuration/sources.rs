//! Where settings come from, beside the command line.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command};
use kvpaxos_net::configuration::{MAX_BYTES, Setting, SettingValue, read};

use super::schema::{is_optional, kinds, schema};

/// How the names of all variables begin.
pub(super) const PREFIX: &str = "KVPAXOS";

/// Where a setting comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Source {
    Flag,
    /// A variable of this name.
    Environment(String),
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("the flag"),
            Source::Environment(name) => write!(f, "the variable {name}"),
            Source::File { path, line, column } => {
                write!(f, "{}, line {line}, column {column}", path.display())
            }
        }
    }
}

/// A flag that is set outside the command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Value {
    pub(super) source: Source,
    /// The words that set it on a command line; none if it is off.
    pub(super) words: Vec<OsString>,
    pub(super) value: SettingValue,
}

/// The variables of the environment, or those of a test.
pub(super) trait Variables {
    fn get(&self, name: &str) -> Option<OsString>;
}

/// The environment of this process.
pub(super) struct Environment;

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

/// This program as a process, with the settings on its command line and no others.
pub(crate) fn process(program: impl AsRef<OsStr>) -> std::process::Command {
    let mut process = std::process::Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_ours(&name.to_string_lossy()) {
            process.env_remove(name);
        }
    }
    process
}

/// Whether a variable of this name is for this program.
pub(super) fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.starts_with('_'))
}

/// A configuration file, whose keys are known and whose values are of the right kinds.
#[derive(Debug)]
pub(super) struct ConfigurationFile {
    pub(super) path: PathBuf,
    pub(super) settings: Vec<Setting>,
}

impl ConfigurationFile {
    /// Reads a file. The error is a sentence that names it.
    pub(super) fn read(path: &Path, program: &Command) -> Result<ConfigurationFile, String> {
        let failed =
            |error: std::io::Error| format!("cannot read the configuration {}: {error}", path.display());
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        let settings =
            read(&bytes, &schema(program)).map_err(|error| format!("{}, {error}", path.display()))?;
        Ok(ConfigurationFile {
            path: path.to_owned(),
            settings,
        })
    }

    /// Where a setting of this file stands.
    pub(super) fn source(&self, setting: &Setting) -> Source {
        Source::File {
            path: self.path.clone(),
            line: setting.line,
            column: setting.column,
        }
    }

    /// The setting of a flag of a command: in the command's own table, or else in one around it.
    fn find(&self, command: &[String], name: &str) -> Option<&Setting> {
        (0..=command.len()).rev().find_map(|depth| {
            let mut settings = self.settings.iter();
            settings.find(|setting| setting.key == name && setting.table == command[..depth])
        })
    }
}

/// The names of the variables of a flag: those of the command itself, of the commands around it, and of all
/// commands.
pub(super) fn variables(command: &[String], name: &str) -> Vec<String> {
    (0..=command.len())
        .rev()
        .map(|depth| {
            let words = [PREFIX]
                .into_iter()
                .chain(command[..depth].iter().map(String::as_str))
                .chain([name]);
            words
                .collect::<Vec<_>>()
                .join("_")
                .replace('-', "_")
                .to_ascii_uppercase()
        })
        .collect()
}

/// What a flag of a command is set to outside the command line.
///
/// # Errors
/// If the value is of a kind that this flag does not take.
pub(super) fn find(
    command: &[String],
    arg: &Arg,
    variables: &dyn Variables,
    file: Option<&ConfigurationFile>,
) -> Result<Option<Value>, String> {
    let name = arg.get_long().expect("flags have names");
    for variable in self::variables(command, name) {
        // An empty variable is as good as none: that is how scripts and containers leave one out.
        if let Some(text) = variables.get(&variable).filter(|text| !text.is_empty()) {
            return from_variable(arg, variable, &text).map(Some);
        }
    }
    let Some((file, setting)) = file.and_then(|file| Some((file, file.find(command, name)?))) else {
        return Ok(None);
    };
    let source = file.source(setting);
    // A key outside the command's own table may be meant for a flag of another command that has the same name.
    match words(arg, &setting.value) {
        Some(words) => Ok(Some(Value {
            source,
            words,
            value: setting.value.clone(),
        })),
        None => Err(format!(
            "{source}: this value of {name} is not for kvpaxos {0}, which takes another kind; write it into the tables of \
             the commands that it is for",
            command.join(" ")
        )),
    }
}

fn from_variable(arg: &Arg, variable: String, text: &OsStr) -> Result<Value, String> {
    let shown = text.to_string_lossy().into_owned();
    let switch = switch(text);
    let name = arg.get_long().expect("flags have names");
    let (words, value) = match switch {
        _ if is_switch(arg) => {
            let on = switch.ok_or_else(|| {
                format!(
                    "the variable {variable} is {shown:?}: --{name} takes no value here; write true or false"
                )
            })?;
            let value = SettingValue::Switch(on);
            (words(arg, &value).unwrap_or_default(), value)
        }
        Some(on) if is_optional(arg) => {
            let value = SettingValue::Switch(on);
            (words(arg, &value).unwrap_or_default(), value)
        }
        _ => (vec![word(name, text)], SettingValue::One(shown)),
    };
    Ok(Value {
        source: Source::Environment(variable),
        words,
        value,
    })
}

/// What the text of a variable says about a flag that is there or not.
pub(super) fn switch(text: &OsStr) -> Option<bool> {
    match text.to_str() {
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        _ => None,
    }
}

/// Whether a flag has no value on a command line.
fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

fn word(name: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// The words that set a flag to a value; `None` if it takes no values of that kind.
pub(super) fn words(arg: &Arg, value: &SettingValue) -> Option<Vec<OsString>> {
    let name = arg.get_long().expect("flags have names");
    let alone = || OsString::from(format!("--{name}"));
    Some(match value {
        SettingValue::Switch(on) if is_switch(arg) || is_optional(arg) => {
            on.then(alone).into_iter().collect()
        }
        SettingValue::Switch(on) => {
            let takes = kinds(arg).contains(&kvpaxos_net::configuration::KeyKind::Switch);
            return takes.then(|| vec![word(name, on.to_string().as_ref())]);
        }
        SettingValue::One(_) | SettingValue::Many(_) if is_switch(arg) => return None,
        SettingValue::One(count) if matches!(arg.get_action(), ArgAction::Count) => {
            let count: u8 = count.parse().ok()?;
            (0..count).map(|_| alone()).collect()
        }
        SettingValue::One(text) => vec![word(name, text.as_ref())],
        SettingValue::Many(texts) => texts.iter().map(|text| word(name, text.as_ref())).collect(),
    })
}
