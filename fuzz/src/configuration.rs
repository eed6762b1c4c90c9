//! Checks of configuration files: errors have their places, and settings survive being written.

use kvpaxos_net::configuration::{KeyKind, Schema, Setting, SettingValue, read, write_value};

/// Every kind of key, a table in a table, a key of two kinds, and a key that is the name of a table.
fn schema() -> Schema {
    let mut serve = Schema::new();
    for (key, kind) in [
        ("client", KeyKind::Text),
        ("udp", KeyKind::Text),
        ("memory-only", KeyKind::Switch),
        ("log-bytes", KeyKind::Integer),
        ("rate", KeyKind::Number),
        ("fail", KeyKind::List(',')),
        ("fail", KeyKind::Text),
        ("chaos", KeyKind::Repeated),
    ] {
        serve.add_key(key, kind);
    }
    let mut up = Schema::new();
    up.add_key("replicas", KeyKind::Integer);
    let mut cluster = Schema::new();
    cluster.add_table("up", up);
    let mut schema = Schema::new();
    schema.add_key("cluster", KeyKind::Text);
    schema.add_key("udp", KeyKind::Switch);
    schema.add_table("serve", serve);
    schema.add_table("cluster", cluster);
    schema
}

/// Reads a configuration file. What it sets is written as another file, which must set the same.
pub fn check_configuration(bytes: &[u8]) {
    let schema = schema();
    let settings = match read(bytes, &schema) {
        Ok(settings) => settings,
        Err(error) => {
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!(
                (1..=lines).contains(&error.line),
                "{error}: there are {lines} lines"
            );
            assert!((1..=bytes.len() + 1).contains(&error.column), "{error}");
            assert!(error.to_string().len() < 2000, "{error}");
            return;
        }
    };
    let text: String = settings.iter().map(|setting| line(setting, &schema)).collect();
    let again = match read(text.as_bytes(), &schema) {
        Ok(again) => again,
        Err(error) => panic!("{error} in\n{text}"),
    };
    assert_eq!(contents(&again), contents(&settings), "{text}");
}

/// A setting as a line of a file, which is the same wherever it stands.
fn line(setting: &Setting, schema: &Schema) -> String {
    let mut table = schema;
    for name in &setting.table {
        let found = table.tables().find(|(known, _)| known == name);
        table = found.expect("a table of the schema").1;
    }
    let kinds = table.kinds(&setting.key).expect("a key of the schema");
    let path = [&setting.table[..], std::slice::from_ref(&setting.key)].concat();
    format!("{} = {}\n", path.join("."), write_value(&setting.value, kinds))
}

fn contents(settings: &[Setting]) -> Vec<(&[String], &str, &SettingValue)> {
    settings
        .iter()
        .map(|setting| (setting.table.as_slice(), setting.key.as_str(), &setting.value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first seeds set something, or nothing; the others are wrong in the ways that they are called.
    #[test]
    fn the_seeds_are_what_they_are_called() {
        let seeds = format!("{}/seeds/configuration", env!("CARGO_MANIFEST_DIR"));
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let path = seed.expect("a file").path();
            let bytes = std::fs::read(&path).expect("it can be read");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let is_good = ["empty", "tables", "lists", "inline", "signed"].contains(&name.as_str());
            match read(&bytes, &schema()) {
                Ok(settings) => assert!(is_good && settings.is_empty() == (name == "empty"), "{name}"),
                Err(error) => assert!(!is_good, "{name}: {error}"),
            }
            check_configuration(&bytes);
        }
    }
}
