//! A setup as lines `set PATH VALUE`, one for each part that differs from a default.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The lines.
pub(crate) fn lines<S: Serialize>(setup: &S, default: &S) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", &json(setup), &json(default), &mut lines);
    lines
}

fn json(setup: &impl Serialize) -> Value {
    serde_json::to_value(setup).expect("a setup is plain data")
}

fn compare(path: &str, value: &Value, default: &Value, lines: &mut Vec<String>) {
    if value == default {
        return;
    }
    match value {
        Value::Object(parts) => {
            for (name, part) in parts {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                compare(&path, part, &default[name.as_str()], lines);
            }
        }
        leaf => lines.push(format!("set {path} {leaf}")),
    }
}

/// Sets one part of a setup. The error says what is wrong with the path or the value.
pub(crate) fn set<S>(setup: &mut S, path: &str, value: &str) -> Result<(), String>
where
    S: Serialize + DeserializeOwned,
{
    let mut all = json(setup);
    let mut part = &mut all;
    for name in path.split('.') {
        let names: Vec<String> = part
            .as_object()
            .map(|parts| parts.keys().cloned().collect())
            .unwrap_or_default();
        part = match part.get_mut(name) {
            Some(part) => part,
            None if names.is_empty() => return Err(format!("{path:?} names no part of a setup")),
            None => {
                return Err(format!(
                    "{path:?} names no part of a setup: {name:?} is none of {}",
                    names.join(", ")
                ));
            }
        };
    }
    if part.is_object() {
        return Err(format!("{path} has parts: set one of them"));
    }
    if path == "seed" {
        return Err("the seed has a line of its own: seed N".to_owned());
    }
    *part = serde_json::from_str(value)
        .map_err(|_| format!("{value:?} is no number, no word in quotation marks, and not true or false"))?;
    let changed =
        serde_json::from_value(all).map_err(|error| format!("{path} cannot be {value}: {error}"))?;
    *setup = changed;
    Ok(())
}

/// The paths of the parts that differ from the default.
pub(crate) fn paths<S: Serialize>(setup: &S, default: &S) -> Vec<String> {
    let path = |line: String| line.split(' ').nth(1).map(str::to_owned);
    lines(setup, default).into_iter().filter_map(path).collect()
}

/// Gives a part the value of the default. Returns whether that is possible.
pub(crate) fn reset<S>(setup: &mut S, default: &S, path: &str) -> bool
where
    S: Serialize + DeserializeOwned,
{
    let default = json(default);
    let value = path.split('.').fold(&default, |part, name| &part[name]);
    set(setup, path, &value.to_string()).is_ok()
}
