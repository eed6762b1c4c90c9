//! What a configuration file may hold: the flags of the command line.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};
use kvpaxos_net::configuration::{KeyKind, Schema};

/// What a list of addresses is called in `--help`. Such a flag takes one word, with commas.
const LIST: &str = "LIST";

/// The keys and tables of a file: the flags of a command, and its subcommands.
pub(super) fn schema(command: &Command) -> Schema {
    let mut schema = Schema::new();
    for arg in flags(command) {
        let name = arg.get_long().expect("flags have names");
        for kind in kinds(arg) {
            schema.add_key(name, kind);
        }
    }
    for command in command.get_subcommands() {
        schema.add_table(command.get_name(), self::schema(command));
    }
    schema
}

/// The flags of a command that can be set by a file or a variable.
pub(super) fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let shown_only = matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        arg.get_long().is_some_and(|name| name != "config") && !shown_only
    })
}

/// The kinds of values that a flag takes in a file.
pub(super) fn kinds(arg: &Arg) -> Vec<KeyKind> {
    match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => return vec![KeyKind::Switch],
        ArgAction::Count => return vec![KeyKind::Integer],
        _ => {}
    }
    let mut kinds = Vec::new();
    if is_optional(arg) {
        kinds.push(KeyKind::Switch);
    }
    let is_list = |names: &[clap::builder::Str]| names.iter().any(|name| name.as_str() == LIST);
    match arg.get_value_delimiter() {
        Some(separator) => kinds.push(KeyKind::List(separator)),
        None if arg.get_value_names().is_some_and(is_list) => kinds.push(KeyKind::List(',')),
        None if matches!(arg.get_action(), ArgAction::Append) => kinds.push(KeyKind::Repeated),
        None => {}
    }
    let is_list = !kinds.is_empty() && kinds != [KeyKind::Switch];
    let scalar = scalar_kind(arg.get_value_parser());
    kinds.push(scalar);
    if scalar == KeyKind::Text && !is_list && has_own_form(arg) {
        kinds.push(KeyKind::Integer);
    }
    kinds
}

/// Whether the values of a flag have a form of their own, of which a number may be one.
fn has_own_form(arg: &Arg) -> bool {
    let parsed = arg.get_value_parser().type_id();
    let texts = [
        TypeId::of::<String>(),
        TypeId::of::<OsString>(),
        TypeId::of::<PathBuf>(),
        // Five what?
        TypeId::of::<Duration>(),
    ];
    arg.get_possible_values().is_empty() && !texts.iter().any(|of| parsed == *of)
}

/// Whether a flag can stand without its value.
pub(super) fn is_optional(arg: &Arg) -> bool {
    arg.get_num_args()
        .is_some_and(|count| count.min_values() == 0 && count.max_values() > 0)
}

fn scalar_kind(parser: &ValueParser) -> KeyKind {
    let parsed = parser.type_id();
    let is_any = |types: &[TypeId]| types.iter().any(|of| parsed == *of);
    let integers = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<u128>(),
        TypeId::of::<usize>(),
        TypeId::of::<i8>(),
        TypeId::of::<i16>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<isize>(),
    ];
    if is_any(&integers) {
        KeyKind::Integer
    } else if is_any(&[TypeId::of::<f32>(), TypeId::of::<f64>()]) {
        KeyKind::Number
    } else if is_any(&[TypeId::of::<bool>()]) {
        KeyKind::Switch
    } else {
        KeyKind::Text
    }
}
