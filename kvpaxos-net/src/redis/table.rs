//! The table of the commands: their names, how many arguments they take, and what COMMAND tells of them.

use std::sync::LazyLock;

/// A command, or a subcommand such as `client|id`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CommandInfo {
    pub(crate) name: &'static str,
    /// The number of arguments with the name (and that of the subcommand); if negative, the least number.
    pub(crate) arity: i64,
    pub(crate) flags: Vec<&'static str>,
    /// The places of the first and the last key (from the end, if negative), and the step between keys; zeros
    /// if there are none.
    pub(crate) keys: [i64; 3],
    pub(crate) categories: Vec<&'static str>,
    pub(crate) tips: Vec<&'static str>,
    pub(crate) key_flags: Vec<&'static str>,
    pub(crate) notes: &'static str,
    pub(crate) group: &'static str,
    pub(crate) since: &'static str,
    pub(crate) summary: &'static str,
}

/// All of them, sorted by name. A row that does not parse is left out, which a test excludes.
static TABLE: LazyLock<Vec<CommandInfo>> = LazyLock::new(|| rows().filter_map(parse).collect());

fn rows() -> impl Iterator<Item = &'static str> {
    include_str!("commands.txt")
        .lines()
        .filter(|row| !row.starts_with('#'))
}

fn parse(row: &'static str) -> Option<CommandInfo> {
    let fields: Vec<&str> = row.split(';').map(str::trim).collect();
    let [
        name,
        arity,
        flags,
        keys,
        categories,
        tips,
        key_flags,
        notes,
        group,
        since,
        summary,
    ] = fields[..]
    else {
        return None;
    };
    let words = |text: &'static str| text.split_ascii_whitespace().collect();
    let keys: Vec<i64> = keys.split(' ').filter_map(|number| number.parse().ok()).collect();
    Some(CommandInfo {
        name,
        arity: arity.parse().ok()?,
        flags: words(flags),
        keys: keys.try_into().ok()?,
        categories: words(categories),
        tips: words(tips),
        key_flags: words(key_flags),
        notes,
        group,
        since,
        summary,
    })
}

/// The command of this name, in lower case.
pub(crate) fn find(name: &[u8]) -> Option<&'static CommandInfo> {
    let place = TABLE
        .binary_search_by(|info| info.name.as_bytes().cmp(name))
        .ok()?;
    TABLE.get(place)
}

/// The commands, without subcommands.
pub(crate) fn commands() -> impl Iterator<Item = &'static CommandInfo> {
    TABLE.iter().filter(|info| !info.name.contains('|'))
}

impl CommandInfo {
    /// Whether so many arguments, with the command's name, are right.
    pub(crate) fn takes(&self, arguments: usize) -> bool {
        let least = usize::try_from(self.arity.unsigned_abs()).unwrap_or(usize::MAX);
        if self.arity < 0 {
            arguments >= least
        } else {
            arguments == least
        }
    }

    pub(crate) fn subcommands(&self) -> impl Iterator<Item = &'static CommandInfo> + use<> {
        let name = self.name;
        let of_this = move |info: &&CommandInfo| {
            info.name
                .split_once('|')
                .is_some_and(|(container, _)| container == name)
        };
        TABLE.iter().filter(of_this)
    }

    /// The places of the keys among so many arguments.
    pub(crate) fn key_places(&self, arguments: usize) -> impl Iterator<Item = usize> + use<> {
        let [first, last, step] = self.keys.map(|place| isize::try_from(place).unwrap_or(0));
        let arguments = isize::try_from(arguments).unwrap_or(isize::MAX);
        let last = if last < 0 { arguments + last } else { last };
        let places = (first > 0).then_some(first..=last);
        places
            .into_iter()
            .flatten()
            .step_by(usize::try_from(step).unwrap_or(1).max(1))
            .filter_map(|place| usize::try_from(place).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_command_and_is_found() {
        let names: Vec<&str> = TABLE.iter().map(|info| info.name).collect();
        assert_eq!(names.len(), rows().count(), "every row parses");
        assert!(names.is_sorted());
        for name in names {
            assert_eq!(find(name.as_bytes()).map(|info| info.name), Some(name));
        }
        assert_eq!(find(b"GET"), None, "names are in lower case");
    }

    #[test]
    fn keys_have_their_places() {
        let places = |name: &[u8], arguments| find(name).unwrap().key_places(arguments).collect::<Vec<_>>();
        assert_eq!(places(b"get", 2), [1]);
        assert_eq!(places(b"mset", 7), [1, 3, 5]);
        assert_eq!(places(b"del", 4), [1, 2, 3]);
        assert_eq!(places(b"ping", 2), [0; 0]);
    }
}
