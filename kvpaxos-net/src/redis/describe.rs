//! The replies of COMMAND.

use bytes::Bytes;

use crate::redis::glob::matches;
use crate::redis::reply::Reply;
use crate::redis::table::{self, CommandInfo};

/// COMMAND and COMMAND INFO: all commands, or those named.
pub(crate) fn info(names: &[Bytes]) -> Reply {
    if names.is_empty() {
        return Reply::Array(table::commands().map(entry).collect());
    }
    let named = |name: &Bytes| table::find(&name.to_ascii_lowercase()).map_or(Reply::Null, entry);
    Reply::Array(names.iter().map(named).collect())
}

/// COMMAND DOCS: of all commands, or of those named that there are.
pub(crate) fn docs(names: &[Bytes]) -> Reply {
    let pair = |info: &CommandInfo| (name_of(info), documentation(info));
    let pairs = if names.is_empty() {
        table::commands().map(pair).collect()
    } else {
        let found = names
            .iter()
            .filter_map(|name| table::find(&name.to_ascii_lowercase()));
        found.map(pair).collect()
    };
    Reply::Map(pairs)
}

pub(crate) fn count() -> Reply {
    Reply::count(table::commands().count() as u64)
}

/// COMMAND LIST, with FILTERBY and what it is to be filtered by.
pub(crate) fn list(filter: Option<(&Bytes, &Bytes)>) -> Option<Reply> {
    let listed = |keep: &dyn Fn(&CommandInfo) -> bool| {
        Reply::Array(table::commands().filter(|info| keep(info)).map(name_of).collect())
    };
    let Some((kind, wanted)) = filter else {
        return Some(listed(&|_| true));
    };
    match kind.to_ascii_lowercase().as_slice() {
        b"module" => Some(listed(&|_| false)),
        b"aclcat" => Some(listed(&|info| {
            let is_wanted = |category: &&str| category.as_bytes()[1..].eq_ignore_ascii_case(wanted);
            info.categories.iter().any(is_wanted)
        })),
        b"pattern" => Some(listed(&|info| matches(wanted, info.name.as_bytes(), true))),
        _ => None,
    }
}

/// COMMAND GETKEYS, of a whole command.
pub(crate) fn keys(command: &[Bytes]) -> Reply {
    let name = command
        .first()
        .map(|name| name.to_ascii_lowercase())
        .unwrap_or_default();
    let Some(info) = table::find(&name).filter(|info| !info.name.contains('|')) else {
        return Reply::error("ERR Invalid command specified");
    };
    if info.keys[0] == 0 {
        return Reply::error("ERR The command has no key arguments");
    }
    if !info.takes(command.len()) {
        return Reply::error("ERR Invalid number of arguments specified for command");
    }
    let places = info.key_places(command.len());
    Reply::Array(
        places
            .filter_map(|place| command.get(place))
            .cloned()
            .map(Reply::Bulk)
            .collect(),
    )
}

fn name_of(info: &CommandInfo) -> Reply {
    Reply::text(info.name)
}

fn statuses(words: &[&'static str]) -> Vec<Reply> {
    words.iter().copied().map(Reply::Status).collect()
}

fn entry(info: &CommandInfo) -> Reply {
    Reply::Array(vec![
        name_of(info),
        Reply::Integer(info.arity),
        Reply::Set(statuses(&info.flags)),
        Reply::Integer(info.keys[0]),
        Reply::Integer(info.keys[1]),
        Reply::Integer(info.keys[2]),
        Reply::Set(statuses(&info.categories)),
        Reply::Set(info.tips.iter().copied().map(Reply::text).collect()),
        Reply::Set(key_specification(info).into_iter().collect()),
        Reply::Set(info.subcommands().map(entry).collect()),
    ])
}

fn key_specification(info: &CommandInfo) -> Option<Reply> {
    let [first, last, step] = info.keys;
    if first == 0 {
        return None;
    }
    let map = |pairs: Vec<(&'static str, Reply)>| {
        Reply::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (Reply::text(key), value))
                .collect(),
        )
    };
    let mut pairs = Vec::new();
    if !info.notes.is_empty() {
        pairs.push(("notes", Reply::text(info.notes)));
    }
    // Here the last key is counted from the first one.
    let last = if last < 0 { last } else { last - first };
    pairs.extend([
        ("flags", Reply::Set(statuses(&info.key_flags))),
        (
            "begin_search",
            map(vec![
                ("type", Reply::text("index")),
                ("spec", map(vec![("index", Reply::Integer(first))])),
            ]),
        ),
        (
            "find_keys",
            map(vec![
                ("type", Reply::text("range")),
                (
                    "spec",
                    map(vec![
                        ("lastkey", Reply::Integer(last)),
                        ("keystep", Reply::Integer(step)),
                        ("limit", Reply::Integer(0)),
                    ]),
                ),
            ]),
        ),
    ]);
    Some(map(pairs))
}

fn documentation(info: &CommandInfo) -> Reply {
    let mut pairs = vec![
        (Reply::text("summary"), Reply::text(info.summary)),
        (Reply::text("since"), Reply::text(info.since)),
        (Reply::text("group"), Reply::text(info.group)),
    ];
    let subcommands: Vec<(Reply, Reply)> = info
        .subcommands()
        .map(|info| (name_of(info), documentation(info)))
        .collect();
    if !subcommands.is_empty() {
        pairs.push((Reply::text("subcommands"), Reply::Map(subcommands)));
    }
    Reply::Map(pairs)
}
