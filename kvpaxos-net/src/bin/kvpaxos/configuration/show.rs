//! `kvpaxos config`: the settings of a command, or of a file, and where each comes from.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory};
use kvpaxos_net::configuration::{KeyKind, Schema, SettingValue, write_value};
use serde_json::json;

use super::resolve::{Failure, Resolved, names, path, resolve, subcommand};
use super::schema::{flags, kinds, schema};
use super::sources::{ConfigurationFile, Environment, PREFIX, Source, Variables, is_ours, switch, variables};
use crate::args::{Arguments, ConfigArguments};
use crate::exit::Exit;
use crate::terminal::{complain, print, say};

/// A setting, for printing.
pub(super) struct Row {
    table: Vec<String>,
    name: String,
    kinds: Vec<KeyKind>,
    value: Option<SettingValue>,
    /// `None` for the default.
    source: Option<Source>,
    required: bool,
}

/// Prints the settings.
pub(crate) fn config(arguments: &ConfigArguments, file: Option<&Path>) -> Exit {
    match rows(arguments, file) {
        Ok(rows) if arguments.json => {
            let rows: Vec<_> = rows.iter().map(Row::json).collect();
            say!("{:#}", json!(rows));
            Exit::Done
        }
        Ok(rows) => {
            print(format_args!("{}", toml(&rows)));
            Exit::Done
        }
        Err(Failure::CommandLine(error)) => error.exit(),
        Err(Failure::Configuration(error)) => {
            complain(error);
            Exit::Usage
        }
    }
}

fn rows(arguments: &ConfigArguments, file: Option<&Path>) -> Result<Vec<Row>, Failure> {
    let program = Arguments::command();
    let mut words = vec![OsString::from(env!("CARGO_BIN_NAME"))];
    if let Some(path) = file {
        words.extend(["--config".into(), path.into()]);
    }
    if !arguments.command.is_empty() {
        words.extend(arguments.command.iter().cloned());
        return of_command(&program, &words, &Environment);
    }
    let rows = of_file(&program, &words, &Environment)?;
    let known: Vec<String> = rows
        .iter()
        .flat_map(|row| variables(&row.table, &row.name))
        .collect();
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
        if is_ours(&name) && !known.contains(&name) && name != format!("{PREFIX}_CONFIG") {
            complain(format_args!("note: the variable {name} is no setting"));
        }
    }
    Ok(rows.into_iter().filter(|row| row.source.is_some()).collect())
}

/// All settings of a command, those with their defaults too.
pub(super) fn of_command(
    program: &Command,
    words: &[OsString],
    variables: &dyn Variables,
) -> Result<Vec<Row>, Failure> {
    let resolved = resolve(program, words, variables)?;
    let missing = check(program, &resolved)?;
    let mut built = program.clone();
    built.build();
    let (_, leaf) = path(&resolved.given);
    let row = |arg: &Arg| {
        let name = arg.get_long().expect("flags have names").to_owned();
        let (value, source) = match resolved.values.get(&name) {
            Some(value) => (Some(value.value.clone()), Some(value.source.clone())),
            None => match given(leaf, arg) {
                Some(value) => (Some(value), Some(Source::Flag)),
                None => (default(arg), None),
            },
        };
        Row {
            table: resolved.command.clone(),
            kinds: kinds(arg),
            value,
            source,
            required: missing.contains(&name),
            name,
        }
    };
    Ok(flags(subcommand(&built, &resolved.command)).map(row).collect())
}

/// Whether a command line would be accepted. That flags are missing is no error here; their names are returned.
fn check(program: &Command, resolved: &Resolved) -> Result<Vec<String>, Failure> {
    match resolved.matches(program) {
        Ok(_) => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => Ok(names(&error)),
        Err(error) => Err(resolved.explain(error)),
    }
}

/// What the command line itself sets a flag to.
fn given(matches: &ArgMatches, arg: &Arg) -> Option<SettingValue> {
    let id = arg.get_id().as_str();
    if matches.value_source(id) != Some(ValueSource::CommandLine) {
        return None;
    }
    if matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse) {
        return Some(SettingValue::Switch(true));
    }
    let values = matches
        .get_raw(id)?
        .map(|value| value.to_string_lossy().into_owned());
    Some(join(values.collect(), &kinds(arg)))
}

fn default(arg: &Arg) -> Option<SettingValue> {
    if matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse) {
        return Some(SettingValue::Switch(false));
    }
    let values: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    (!values.is_empty()).then(|| join(values, &kinds(arg)))
}

/// Several values as a file has them.
fn join(mut values: Vec<String>, kinds: &[KeyKind]) -> SettingValue {
    if kinds.contains(&KeyKind::Repeated) {
        return SettingValue::Many(values);
    }
    let separator = kinds.iter().find_map(|kind| match kind {
        KeyKind::List(separator) => Some(*separator),
        _ => None,
    });
    match separator {
        Some(separator) => SettingValue::One(values.join(&separator.to_string())),
        None => SettingValue::One(values.pop().unwrap_or_default()),
    }
}

/// Everything that the file and the environment can set, in the tables where it may stand. All values are
/// checked with all commands that they are for.
pub(super) fn of_file(
    program: &Command,
    words: &[OsString],
    variables: &dyn Variables,
) -> Result<Vec<Row>, Failure> {
    let mut built = program.clone();
    built.build();
    let mut commands = Vec::new();
    leaves(&built, &mut Vec::new(), &mut commands);
    let mut file = None;
    for command in commands {
        let words: Vec<OsString> = words
            .iter()
            .cloned()
            .chain(command.into_iter().map(OsString::from))
            .collect();
        let resolved = resolve(program, &words, variables)?;
        check(program, &resolved)?;
        file = resolved.file;
    }
    let mut rows = Vec::new();
    collect(
        &schema(&built),
        &mut Vec::new(),
        variables,
        file.as_ref(),
        &mut rows,
    );
    Ok(rows)
}

/// The names of all commands that have no commands in them.
fn leaves(command: &Command, names: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if !command.has_subcommands() {
        found.push(names.clone());
    }
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        names.push(inner.get_name().to_owned());
        leaves(inner, names, found);
        names.pop();
    }
}

fn collect(
    schema: &Schema,
    table: &mut Vec<String>,
    variables: &dyn Variables,
    file: Option<&ConfigurationFile>,
    rows: &mut Vec<Row>,
) {
    for (name, kinds) in schema.keys() {
        let variable = self::variables(table, name).swap_remove(0);
        let text = variables.get(&variable).filter(|text| !text.is_empty());
        let in_file = file.and_then(|file| {
            let setting = file
                .settings
                .iter()
                .find(|setting| setting.key == name && setting.table == *table)?;
            Some((setting.value.clone(), file.source(setting)))
        });
        let found = match text {
            Some(text) => {
                let on = switch(&text).filter(|_| kinds.contains(&KeyKind::Switch));
                let one = || SettingValue::One(text.to_string_lossy().into_owned());
                Some((
                    on.map_or_else(one, SettingValue::Switch),
                    Source::Environment(variable),
                ))
            }
            None => in_file,
        };
        let (value, source) = found.unzip();
        rows.push(Row {
            table: table.clone(),
            name: name.to_owned(),
            kinds: kinds.to_vec(),
            value,
            source,
            required: false,
        });
    }
    for (name, schema) in schema.tables() {
        table.push(name.to_owned());
        collect(schema, table, variables, file, rows);
        table.pop();
    }
}

impl Row {
    fn json(&self) -> serde_json::Value {
        let source = match &self.source {
            None => json!({"kind": "default"}),
            Some(Source::Flag) => json!({"kind": "flag"}),
            Some(Source::Environment(name)) => json!({"kind": "variable", "name": name}),
            Some(Source::File { path, line, .. }) => {
                json!({"kind": "file", "path": path.to_string_lossy(), "line": line})
            }
        };
        let value = match &self.value {
            None => json!(null),
            Some(SettingValue::Switch(on)) => json!(on),
            Some(SettingValue::One(text)) => json!(text),
            Some(SettingValue::Many(texts)) => json!(texts),
        };
        json!({
            "command": self.table.join(" "),
            "name": self.name,
            "value": value,
            "source": source,
            "missing": self.required,
        })
    }

    fn toml(&self) -> String {
        let value = self.value.as_ref().map(|value| write_value(value, &self.kinds));
        match (value, &self.source) {
            (Some(value), Some(source)) => format!("{} = {value}  # {source}", self.name),
            (Some(value), None) => format!("# {} = {value}  # default", self.name),
            (None, _) if self.required => format!("# {} is not set, though it must be", self.name),
            (None, _) => format!("# {} is not set", self.name),
        }
    }
}

/// The settings as a configuration file, which sets what is set and has the defaults as comments.
fn toml(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut table: &[String] = &[];
    for row in rows {
        if row.table != table {
            table = &row.table;
            let blank = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{blank}[{}]", table.join("."));
        }
        let _ = writeln!(text, "{}", row.toml());
    }
    text
}

#[cfg(test)]
pub(super) fn printed(rows: &[Row]) -> String {
    toml(rows)
}
