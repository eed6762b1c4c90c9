//! Reading a configuration file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::{ConfigurationError, ConfigurationFault, KeyKind, Schema};

/// The most bytes that a configuration has.
pub const MAX_BYTES: usize = 1024 * 1024;
/// How much of a value is shown in an error, in characters.
const SHOWN: usize = 60;

/// A setting in a configuration file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The names of the tables around it, the outermost first; none at the top.
    pub table: Vec<String>,
    /// The key.
    pub key: String,
    /// What it is set to.
    pub value: SettingValue,
    /// The line of the key, from 1 on.
    pub line: usize,
    /// The character of the key in its line, from 1 on.
    pub column: usize,
}

/// What a key is set to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SettingValue {
    /// The flag is there, or not.
    Switch(bool),
    /// The flag has this value.
    One(String),
    /// The flag is given once for each of these values.
    Many(Vec<String>),
}

/// Reads a configuration. An empty one has no settings.
///
/// ```
/// use kvpaxos_net::configuration::{KeyKind, Schema, SettingValue, read};
///
/// let mut serve = Schema::new();
/// serve.add_key("client", KeyKind::Text);
/// let mut schema = Schema::new();
/// schema.add_table("serve", serve);
///
/// let settings = read(b"[serve]\nclient = '127.0.0.1:8000'\n", &schema).unwrap();
/// assert_eq!(settings[0].value, SettingValue::One("127.0.0.1:8000".to_owned()));
/// let error = read(b"[serve]\nclints = 1\n", &schema).unwrap_err();
/// assert_eq!((error.line, error.column), (2, 1));
/// ```
///
/// # Errors
/// The first thing that is wrong, and where: bytes that are no TOML in UTF-8, an unknown key or table, or a
/// value of another kind than its key takes.
pub fn read(bytes: &[u8], schema: &Schema) -> Result<Vec<Setting>, ConfigurationError> {
    let text = text(bytes)?;
    let mut reader = Reader {
        text,
        settings: Vec::new(),
        first: None,
    };
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        reader.error(at, ConfigurationFault::Syntax(one_line(error.message())))
    })?;
    reader.table(document.get_ref(), schema, &mut Vec::new());
    if let Some((_, error)) = reader.first {
        return Err(error);
    }
    reader
        .settings
        .sort_by_key(|setting| (setting.line, setting.column));
    Ok(reader.settings)
}

/// The bytes as text.
fn text(bytes: &[u8]) -> Result<&str, ConfigurationError> {
    if bytes.len() > MAX_BYTES {
        let fault = ConfigurationFault::TooLong { limit: MAX_BYTES };
        return Err(ConfigurationError {
            line: 1,
            column: 1,
            fault,
        });
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let (good, bad) = bytes.split_at(error.valid_up_to());
        let good = std::str::from_utf8(good).expect("valid up to there");
        let (line, column) = position(good, good.len());
        let fault = ConfigurationFault::NotText { byte: bad[0] };
        ConfigurationError { line, column, fault }
    })
}

/// The line and the character at a byte of a text, both from 1 on.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[start..].chars().count() + 1,
    )
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(", ")
}

/// The beginning of a text, in one line of bounded length.
fn cut(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown + "..."
    } else {
        shown
    }
}

struct Reader<'t> {
    text: &'t str,
    settings: Vec<Setting>,
    /// What is wrong, and at which byte. The parser sorts keys by their names, a person reads from the top.
    first: Option<(usize, ConfigurationError)>,
}

impl Reader<'_> {
    fn error(&self, at: usize, fault: ConfigurationFault) -> ConfigurationError {
        let (line, column) = position(self.text, at);
        ConfigurationError { line, column, fault }
    }

    fn fail(&mut self, at: usize, fault: ConfigurationFault) {
        if self.first.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
            self.first = Some((at, self.error(at, fault)));
        }
    }

    /// What stands in the file there, in one line of bounded length.
    fn shown(&self, span: Range<usize>) -> String {
        cut(self.text.get(span).unwrap_or_default())
    }

    fn table(&mut self, table: &DeTable<'_>, schema: &Schema, path: &mut Vec<String>) {
        for (name, value) in table {
            let (at, name) = (name.span().start, name.get_ref().as_ref());
            let kinds = schema.kinds(name);
            match (value.get_ref(), schema.tables.get(name)) {
                (DeValue::Table(inner), Some(schema)) => {
                    path.push(name.to_owned());
                    self.table(inner, schema, path);
                    path.pop();
                }
                (DeValue::Table(_), None) if kinds.is_none() => {
                    let mut table = path.clone();
                    table.push(cut(name));
                    let nearest = Schema::nearest(schema.tables.keys(), name);
                    self.fail(at, ConfigurationFault::UnknownTable { table, nearest });
                }
                (_, command) => match kinds {
                    Some(kinds) => self.key(at, name, value, kinds, path),
                    None => {
                        let nearest = if command.is_some() {
                            Some(format!("[{name}]"))
                        } else {
                            Schema::nearest(schema.keys.keys(), name)
                        };
                        let (key, table) = (cut(name), path.clone());
                        self.fail(at, ConfigurationFault::UnknownKey { key, table, nearest });
                    }
                },
            }
        }
    }

    fn key(
        &mut self,
        at: usize,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        kinds: &[KeyKind],
        path: &[String],
    ) {
        let taken = kinds.iter().find_map(|kind| convert(value.get_ref(), *kind));
        let (key, table) = (key.to_owned(), path.to_vec());
        match taken {
            Some(Ok(value)) => {
                let (line, column) = position(self.text, at);
                self.settings.push(Setting {
                    table,
                    key,
                    value,
                    line,
                    column,
                });
            }
            Some(Err((element, separator))) => {
                let fault = ConfigurationFault::Separator {
                    key,
                    element,
                    table,
                    separator,
                };
                self.fail(at, fault);
            }
            None => {
                let mut wanted: Vec<&str> = kinds.iter().map(|kind| kind.how()).collect();
                wanted.dedup();
                let fault = ConfigurationFault::Kind {
                    key,
                    value: self.shown(value.span()),
                    table,
                    wanted: wanted.join(", or "),
                };
                self.fail(at, fault);
            }
        }
    }
}

/// A value as one of this kind; `None` if it is of another. The error is an element that holds the separator.
fn convert(value: &DeValue<'_>, kind: KeyKind) -> Option<Result<SettingValue, (String, char)>> {
    let one = |text: String| Some(Ok(SettingValue::One(text)));
    match (kind, value) {
        (KeyKind::Switch, DeValue::Boolean(on)) => Some(Ok(SettingValue::Switch(*on))),
        (KeyKind::Integer | KeyKind::Number, DeValue::Integer(_)) => scalar(value).and_then(one),
        (KeyKind::Number, DeValue::Float(number)) => one(number.as_str().to_owned()),
        (KeyKind::Text, DeValue::String(_)) => scalar(value).and_then(one),
        (KeyKind::Repeated, DeValue::Array(elements)) => {
            elements_of(elements).map(|texts| Ok(SettingValue::Many(texts)))
        }
        (KeyKind::List(separator), DeValue::Array(elements)) => {
            let texts = elements_of(elements)?;
            Some(match texts.iter().find(|text| text.contains(separator)) {
                Some(wrong) => Err((cut(wrong), separator)),
                None => Ok(SettingValue::One(texts.join(&separator.to_string()))),
            })
        }
        _ => None,
    }
}

fn elements_of(elements: &DeArray<'_>) -> Option<Vec<String>> {
    elements.iter().map(|element| scalar(element.get_ref())).collect()
}

/// A text or an integer, as a flag takes it.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(number.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
