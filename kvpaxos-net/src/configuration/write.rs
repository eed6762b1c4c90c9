//! Values as a configuration file has them.

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
            KeyKind::Number if is_fraction(text) => return text.to_owned(),
            KeyKind::List(separator) => return array(text.split(*separator)),
            _ => {}
        }
    }
    quoted(text)
}

/// Whether a text is a number with a fraction in TOML, written as flags take it.
fn is_fraction(text: &str) -> bool {
    let Some((whole, fraction)) = text.split_once('.') else {
        return false;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

fn array<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let elements: Vec<String> = texts.map(quoted).collect();
    format!("[{}]", elements.join(", "))
}

fn quoted(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}
