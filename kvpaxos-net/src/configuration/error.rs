//! What is wrong with a configuration file.

/// What is wrong with a configuration file, and where. It names no file, since [`read`](super::read) is given
/// the contents only.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ConfigurationError {
    /// The line, from 1 on.
    pub line: usize,
    /// The character in the line, from 1 on.
    pub column: usize,
    /// What is wrong there.
    pub fault: ConfigurationFault,
}

/// What is wrong at one place of a configuration file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationFault {
    /// The file is too long.
    #[error("a configuration has at most {limit} bytes")]
    TooLong {
        /// The most bytes that are read.
        limit: usize,
    },
    /// The file is not UTF-8.
    #[error("the byte {byte:#04x} is no UTF-8; save the file as UTF-8")]
    NotText {
        /// The first byte that is not.
        byte: u8,
    },
    /// The file is not TOML.
    #[error("this is no TOML: {0}")]
    Syntax(String),
    /// A key that the table does not have.
    #[error("unknown key {key:?} {}: no such flag{}", place(table), advice(nearest.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// The names of the tables around it.
        table: Vec<String>,
        /// The known key that looks most like it, if one does.
        nearest: Option<String>,
    },
    /// A table that there is not.
    #[error("unknown table [{}]: no such command{}", table.join("."), advice(nearest.as_deref()))]
    UnknownTable {
        /// The names of the table and of those around it.
        table: Vec<String>,
        /// The known table that looks most like it, if one does.
        nearest: Option<String>,
    },
    /// A value of another kind than the flag takes.
    #[error("{key} = {value} {}: {key} takes {wanted}", place(table))]
    Kind {
        /// The key.
        key: String,
        /// The value as it stands in the file.
        value: String,
        /// The names of the tables around it.
        table: Vec<String>,
        /// What is taken instead.
        wanted: String,
    },
    /// An element of a list that holds the character which separates elements.
    #[error(
        "{element:?} in {key} {}: an element holds no {separator:?}; write two elements",
        place(table)
    )]
    Separator {
        /// The key.
        key: String,
        /// The element.
        element: String,
        /// The names of the tables around it.
        table: Vec<String>,
        /// The character.
        separator: char,
    },
}

fn place(table: &[String]) -> String {
    if table.is_empty() {
        "at the top".to_owned()
    } else {
        format!("in [{}]", table.join("."))
    }
}

fn advice(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; the nearest is {name:?}"))
        .unwrap_or_default()
}
