//! What a configuration file may hold.

use std::collections::BTreeMap;

/// What the value of a key looks like.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyKind {
    /// `true` or `false`, for a flag that is there or not.
    Switch,
    /// An integer.
    Integer,
    /// An integer or a decimal fraction.
    Number,
    /// A text in quotation marks; lengths of time are such texts.
    Text,
    /// An array of texts or integers whose elements are joined by this character for the flag.
    List(char),
    /// An array of texts or integers, for a flag that is given once for each element.
    Repeated,
}

impl KeyKind {
    /// How such a value is written, for a sentence.
    pub(super) fn how(self) -> &'static str {
        match self {
            KeyKind::Switch => "true or false",
            KeyKind::Integer => "an integer",
            KeyKind::Number => "a number",
            KeyKind::Text => "a text in quotation marks",
            KeyKind::List(_) | KeyKind::Repeated => "an array of texts",
        }
    }
}

/// The keys and tables of a table of the file. A key may have several kinds, of which its value must have one.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Schema {
    pub(super) keys: BTreeMap<String, Vec<KeyKind>>,
    pub(super) tables: BTreeMap<String, Schema>,
}

impl Schema {
    /// A table in which nothing may stand yet.
    pub fn new() -> Schema {
        Schema::default()
    }

    /// Lets a key have one more kind.
    pub fn add_key(&mut self, name: &str, kind: KeyKind) {
        let kinds = self.keys.entry(name.to_owned()).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }

    /// Adds a table. The keys of the table may then stand in this one too, where they hold for all tables.
    pub fn add_table(&mut self, name: &str, table: Schema) {
        for (key, kinds) in &table.keys {
            for kind in kinds {
                self.add_key(key, *kind);
            }
        }
        self.tables.insert(name.to_owned(), table);
    }

    /// The kinds of a key of this table; `None` if there is no such key.
    pub fn kinds(&self, key: &str) -> Option<&[KeyKind]> {
        self.keys.get(key).map(Vec::as_slice)
    }

    /// The keys of this table, those of its tables among them, with their kinds.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &[KeyKind])> {
        self.keys
            .iter()
            .map(|(name, kinds)| (name.as_str(), kinds.as_slice()))
    }

    /// The tables of this one, with their names.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Schema)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }

    /// The known name that looks most like another.
    pub(super) fn nearest<'a>(names: impl Iterator<Item = &'a String>, name: &str) -> Option<String> {
        // As alike as clap wants names to be before it proposes one.
        const ALIKE: f64 = 0.7;
        names
            .map(|known| (strsim::jaro(known, name), known))
            .filter(|(alike, _)| *alike > ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known.clone())
    }
}
