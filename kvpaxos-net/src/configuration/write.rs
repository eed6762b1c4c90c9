//! Values as a configuration file has them.

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_writer::{ToTomlValue, TomlStringBuilder};

use super::{KeyKind, SettingValue};

/// Writes a value as it stands in a file, so that [`read`](super::read) takes it for a key of these kinds and
/// gives it back.
pub fn write_value(value: &SettingValue, kinds: &[KeyKind]) -> String {
    match value {
        SettingValue::Switch(on) => on.to_string(),
        SettingValue::One(text) => one(text, kinds),
        SettingValue::Many(texts) => array(texts.iter().map(String::as_str)),
    }
}

fn one(text: &str, kinds: &[KeyKind]) -> String {
    for kind in kinds {
        match kind {
            // As TOML writes numbers: a flag takes +5 and 007 too.
            KeyKind::Integer | KeyKind::Number
                if text.parse().is_ok_and(|number: i128| number.to_string() == text) =>
            {
                return text.to_owned();
            }
            KeyKind::Number if is_float(text) => return text.to_owned(),
            KeyKind::List(separator) => return array(text.split(*separator)),
            _ => {}
        }
    }
    quoted(text)
}

/// Whether a text is a number in TOML that is no integer, and is read as it stands.
fn is_float(text: &str) -> bool {
    let line = format!("x = {text}");
    let Ok(table) = DeTable::parse(&line) else {
        return false;
    };
    let table = table.get_ref();
    let value = table.get("x").map(Spanned::get_ref);
    table.len() == 1 && matches!(value, Some(DeValue::Float(number)) if number.as_str() == text)
}

fn array<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let elements: Vec<String> = texts.map(quoted).collect();
    format!("[{}]", elements.join(", "))
}

fn quoted(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number stands as TOML has it where TOML has it so, and in quotation marks elsewhere.
    #[test]
    fn numbers_are_written_as_they_are_read() {
        let write = |text: &str| write_value(&SettingValue::One(text.to_owned()), &[KeyKind::Number]);
        for number in [
            "0", "-7", "1.5", "-0.25", "+1.05", "1e5", "6.02E+23", "inf", "-nan",
        ] {
            assert_eq!(write(number), number);
        }
        for text in [
            "+5",
            "007",
            "1.",
            ".5",
            "1.5\ny = 2",
            "1.5 # five",
            "1_0.5",
            "one",
        ] {
            assert_eq!(write(text), quoted(text));
        }
    }
}
