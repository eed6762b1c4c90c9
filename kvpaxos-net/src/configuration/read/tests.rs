use super::super::write_value;
use super::*;

fn schema() -> Schema {
    let mut serve = Schema::new();
    for (key, kind) in [
        ("client", KeyKind::Text),
        ("udp", KeyKind::Text),
        ("memory-only", KeyKind::Switch),
        ("log-bytes", KeyKind::Integer),
        ("fail", KeyKind::List(',')),
        ("fail", KeyKind::Text),
        ("chaos", KeyKind::Repeated),
        ("rate", KeyKind::Number),
    ] {
        serve.add_key(key, kind);
    }
    let mut get = Schema::new();
    get.add_key("udp", KeyKind::Switch);
    let mut up = Schema::new();
    up.add_key("replicas", KeyKind::Integer);
    let mut cluster = Schema::new();
    cluster.add_table("up", up);
    let mut schema = Schema::new();
    schema.add_key("cluster", KeyKind::Text);
    schema.add_table("serve", serve);
    schema.add_table("get", get);
    schema.add_table("cluster", cluster);
    schema
}

fn settings(text: &str) -> Vec<Setting> {
    read(text.as_bytes(), &schema()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: impl AsRef<[u8]>) -> String {
    match read(text.as_ref(), &schema()) {
        Err(error) => error.to_string(),
        Ok(settings) => panic!("{settings:?}"),
    }
}

#[test]
fn settings_have_their_places() {
    let text = "# comment\nclient = 'a:1'\n[serve]\n  memory-only = true\nlog-bytes = 0x1_0\nfail = ['acceptor', \
                'learner']\nchaos = [\n'a,b',\n 'c']\nrate = 1.5\n[cluster.up]\nreplicas = 3\n[get]\nudp = false";
    let found: Vec<_> = settings(text)
        .into_iter()
        .map(|setting| {
            (
                setting.table.join("."),
                setting.key,
                setting.value,
                setting.line,
                setting.column,
            )
        })
        .collect();
    let one = |text: &str| SettingValue::One(text.to_owned());
    let many = ["a,b", "c"].map(str::to_owned).to_vec();
    let expected = [
        ("", "client", one("a:1"), 2, 1),
        ("serve", "memory-only", SettingValue::Switch(true), 4, 3),
        ("serve", "log-bytes", one("16"), 5, 1),
        ("serve", "fail", one("acceptor,learner"), 6, 1),
        ("serve", "chaos", SettingValue::Many(many), 7, 1),
        ("serve", "rate", one("1.5"), 10, 1),
        ("cluster.up", "replicas", one("3"), 12, 1),
        ("get", "udp", SettingValue::Switch(false), 14, 1),
    ];
    let expected = expected
        .map(|(table, key, value, line, column)| (table.to_owned(), key.to_owned(), value, line, column));
    assert_eq!(found, expected);
    assert_eq!(settings(""), []);
    assert_eq!(settings("\n# nothing\n"), []);
}

#[test]
fn a_name_may_be_a_key_and_a_table_and_a_key_may_have_two_kinds() {
    assert_eq!(settings("cluster = 'name'")[0].key, "cluster");
    assert_eq!(settings("cluster.up.replicas = 5")[0].table, ["cluster", "up"]);
    assert_eq!(settings("[cluster]\nreplicas = 5")[0].table, ["cluster"]);
    assert_eq!(settings("udp = true").len() + settings("udp = 'a:1'").len(), 2);
    assert_eq!(settings("[serve]\nfail = 'acceptor'").len(), 1);
    assert!(error("udp = 1").contains("udp takes a text in quotation marks, or true or false"));
    assert!(error("[serve]\nudp = true").contains("in [serve]: udp takes a text in quotation marks"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, told) in [
        (
            "\n  sreve = 1",
            "line 2, column 3: unknown key \"sreve\" at the top: no such flag",
        ),
        (
            "[serve]\nclint = 'a'",
            "line 2, column 1: unknown key \"clint\" in [serve]: no such flag; the nearest is \"client\"",
        ),
        (
            "[sreve]",
            "line 1, column 2: unknown table [sreve]: no such command; the nearest is \"serve\"",
        ),
        (
            "[cluster.pu]\nx = 1",
            "line 1, column 10: unknown table [cluster.pu]",
        ),
        (
            "serve = 1",
            "line 1, column 1: unknown key \"serve\" at the top: no such flag; the nearest is \"[serve]\"",
        ),
        ("[[serve]]", "the nearest is \"[serve]\""),
        ("[serve.client]", "client takes a text in quotation marks"),
        (
            "[serve]\nclient = 5",
            "line 2, column 1: client = 5 in [serve]: client takes a text in quotation marks",
        ),
        (
            "[serve]\nlog-bytes = '5'",
            "log-bytes = '5' in [serve]: log-bytes takes an integer",
        ),
        ("[serve]\nlog-bytes = 5.0", "log-bytes takes an integer"),
        ("[serve]\nmemory-only = 'yes'", "memory-only takes true or false"),
        ("[serve]\nclient = 1979-05-27", "client = 1979-05-27"),
        (
            "[serve]\nfail = ['a,b']",
            "\"a,b\" in fail in [serve]: an element holds no ','",
        ),
        ("[serve]\nchaos = [['a']]", "chaos takes an array of texts"),
        (
            "[serve]\nclient = 'a'\nclient = 'b'",
            "line 3, column 1: this is no TOML: duplicate key",
        ),
        ("client", "line 1, column 7: this is no TOML"),
        ("udp = 'ä', x", "column 10: this is no TOML"),
    ] {
        let error = error(text);
        assert!(error.contains(told), "{text:?}: {error}");
    }
    let long = format!("[serve]\nlog-bytes = {:?}", "ü".repeat(300));
    assert!(error(&long).len() < 250);
    assert_eq!(
        error(b"[serve]\n# \xc3\xa4\xff"),
        "line 2, column 4: the byte 0xff is no UTF-8; save the file as UTF-8"
    );
    assert!(error(vec![b'#'; MAX_BYTES + 1]).contains("at most 1048576 bytes"));
    assert!(error("a = ".to_owned() + &"[".repeat(100_000)).contains("this is no TOML"));
}

/// Of several faults the one that stands first is told, whatever its name.
#[test]
fn the_first_fault_is_told() {
    assert!(error("zz = 1\naa = 1").starts_with("line 1,"));
    assert!(error("[serve]\nzz = 1\n[get]\naa = 1").starts_with("line 2,"));
}

#[test]
fn values_are_written_as_they_are_read() {
    for (kinds, value) in [
        (vec![KeyKind::Switch, KeyKind::Text], SettingValue::Switch(true)),
        (
            vec![KeyKind::Switch, KeyKind::Text],
            SettingValue::One("2s".to_owned()),
        ),
        (
            vec![KeyKind::Text],
            SettingValue::One("a\"b\\c\n\u{7f}\u{1}ä'".to_owned()),
        ),
        (vec![KeyKind::Integer], SettingValue::One("-5".to_owned())),
        (vec![KeyKind::Number], SettingValue::One("0.25".to_owned())),
        (
            vec![KeyKind::List(','), KeyKind::Text],
            SettingValue::One("a,b".to_owned()),
        ),
        (
            vec![KeyKind::Repeated],
            SettingValue::Many(vec!["a,b".to_owned(), String::new()]),
        ),
    ] {
        let mut schema = Schema::new();
        for kind in &kinds {
            schema.add_key("key", *kind);
        }
        let text = format!("key = {}", write_value(&value, &kinds));
        let read = read(text.as_bytes(), &schema).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read[0].value, value, "{text}");
    }
}
