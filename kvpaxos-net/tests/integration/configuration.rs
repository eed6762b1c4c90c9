//! Settings from flags, variables and a file; completions and man pages.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{code, program, run, text};

/// Runs the program with variables: the exit code, the output, and the errors.
fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = program();
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    let output = command.output().expect("it runs");
    (code(&output), text(&output.stdout), text(&output.stderr))
}

fn write(dir: &Path, name: &str, contents: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    std::fs::write(&path, contents).expect("it is written");
    path.to_str().expect("text").to_owned()
}

#[test]
fn settings_come_from_flags_then_variables_then_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let contents = "servers = ['127.0.0.1:1']\ntimeout = '4s'\n\n[get]\nattempt = '1s'\n";
    let file = write(dir.path(), "k.toml", contents);
    let place = |line: usize| serde_json::json!({"kind": "file", "path": file, "line": line});
    let set = [("KVPAXOS_CONFIG", file.as_str()), ("KVPAXOS_TIMEOUT", "3s")];
    let (ended, printed, errors) = run_with(&["config", "--json", "get", "--hex"], &set);
    assert_eq!(ended, 0, "{errors}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&printed).expect("JSON");
    let row = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name).expect(name);
        (row["value"].clone(), row["source"].clone())
    };
    assert_eq!(row("hex"), (true.into(), serde_json::json!({"kind": "flag"})));
    let variable = serde_json::json!({"kind": "variable", "name": "KVPAXOS_TIMEOUT"});
    assert_eq!(row("timeout"), ("3s".into(), variable));
    assert_eq!(row("servers"), ("127.0.0.1:1".into(), place(1)));
    assert_eq!(row("attempt"), ("1s".into(), place(5)));
    assert_eq!(
        row("transport"),
        ("tcp".into(), serde_json::json!({"kind": "default"}))
    );

    // The command itself goes by them: nobody listens there.
    let (unavailable, _, why) = run_with(&["get", "k", "--timeout", "300ms"], &set);
    assert!(
        unavailable == 4 && why.contains("127.0.0.1:1"),
        "{unavailable} {why}"
    );
    let (wrong, _, why) = run_with(&["get", "k"], &[("KVPAXOS_SERVERS", "nonsense")]);
    assert_eq!(wrong, 2);
    assert!(
        why.contains("the variable KVPAXOS_SERVERS: servers = \"nonsense\": "),
        "{why}"
    );
    // Variables that nobody asks for are named, and are no error.
    let (ended, printed, why) = run_with(
        &["config"],
        &[("KVPAXOS_SERVICE_HOST", "a"), ("KVPAXOS_SEED", "5")],
    );
    assert_eq!(
        (ended, printed.as_str()),
        (0, "seed = 5  # the variable KVPAXOS_SEED\n"),
        "{why}"
    );
    assert!(
        why.contains("the variable KVPAXOS_SERVICE_HOST is no setting"),
        "{why}"
    );
}

#[test]
fn files_that_are_wrong_are_refused_before_anything_is_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str, contents: &[u8]| write(dir.path(), name, contents);
    let missing = dir.path().join("none.toml").display().to_string();
    for (file, told) in [
        (
            at("key", b"[get]\n\n  sevrers = 'a:1'"),
            "key, line 3, column 3: unknown key \"sevrers\" in [get]",
        ),
        (
            at("table", b"[gett]\nhex = true"),
            "table, line 1, column 2: unknown table [gett]: no such command; the nearest is \"get\"",
        ),
        (
            at("kind", b"[bench]\nclients = 'many'"),
            "kind, line 2, column 1: clients = 'many' in [bench]: clients takes an integer",
        ),
        (
            at("value", b"timeout = 'soon'"),
            "value, line 1, column 1: timeout = \"soon\": \"soon\" is not a length of time",
        ),
        (
            at("bytes", b"# \xff\n"),
            "bytes, line 1, column 3: the byte 0xff is no UTF-8",
        ),
        (at("syntax", b"servers = ["), "syntax, line 1, column 1"),
        (dir.path().display().to_string(), "cannot read the configuration"),
        (missing, "cannot read the configuration"),
        #[cfg(unix)]
        (
            "/dev/zero".to_owned(),
            "a configuration has at most 1048576 bytes",
        ),
    ] {
        for command in [&["config"][..], &["get", "k", "--servers", "127.0.0.1:1"]] {
            let output = run(&[&["--config", &file], command].concat(), "");
            let why = text(&output.stderr);
            assert_eq!(code(&output), 2, "{file}: {why}");
            assert!(why.contains(told), "{command:?}: {why}");
        }
    }
    // An empty file sets nothing.
    let empty = at("empty", b"");
    let output = run(&["config", "--config", &empty], "");
    assert_eq!(
        (code(&output), text(&output.stdout).as_str()),
        (0, ""),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_replica_starts_from_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data").display().to_string();
    let contents =
        format!("id = 0\npeers = ['0=127.0.0.1:1', '1=127.0.0.1:2', '2=127.0.0.1:3']\ndata = {data:?}\n");
    let file = write(dir.path(), "k.toml", contents);
    let output = run(&["format", "--config", &file], "");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(Path::new(&data).is_dir());
    // The same file would do for serve, but for where it listens.
    let output = run(&["serve", "--config", &file], "");
    let why = text(&output.stderr);
    assert!(code(&output) == 2 && why.contains("--client <ADDR>"), "{why}");
    assert!(why.contains("can also be set by a configuration file"), "{why}");
}

#[test]
fn the_configuration_of_the_service_is_good() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/systemd/kvpaxos.toml");
    let output = run(
        &["config", "--config", example, "serve", "--id", "0", "--data", "d"],
        "",
    );
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(!printed.contains("though it must be"), "{printed}");
    // With the lines for TLS instead of the two for plaintext.
    let plain = std::fs::read_to_string(example).expect("it is there");
    let dropped = |line: &&str| !line.starts_with("udp") && !line.starts_with("plaintext");
    let lines: Vec<_> = plain
        .lines()
        .filter(dropped)
        .map(|line| line.replace("# tls-", "tls-"))
        .collect();
    let dir = tempfile::tempdir().expect("a directory");
    let file = write(dir.path(), "tls.toml", lines.join("\n"));
    let output = run(&["config", "--config", &file], "");
    let printed = text(&output.stdout);
    assert!(
        printed.contains("tls-key = ") && !printed.contains("plaintext"),
        "{printed}"
    );
}

#[test]
fn shells_complete_command_lines() {
    let script = |shell: &str| {
        let output = run(&["completions", shell], "");
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        text(&output.stdout)
    };
    for shell in ["zsh", "fish"] {
        assert!(script(shell).contains("memory-only"), "{shell}");
    }
    let complete = "_kvpaxos kvpaxos \"$2\" serve; echo ${COMPREPLY[@]}";
    let lines = format!(
        "{}\nCOMP_WORDS=(kvpaxos serve --mem); COMP_CWORD=2; set -- serve --mem\n{complete}\n",
        script("bash")
    );
    let output = Command::new("bash").args(["-euc", &lines]).output();
    match output {
        Ok(output) => {
            assert_eq!(
                text(&output.stdout),
                "--memory-only\n",
                "{}",
                text(&output.stderr)
            );
        }
        Err(error) => eprintln!("skipped: bash does not run: {error}"),
    }
}

#[test]
fn man_pages_render_without_warnings() {
    let dir = tempfile::tempdir().expect("a directory");
    let pages = dir.path().join("man/man1");
    let output = run(&["man", pages.to_str().expect("text")], "");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let mut names: Vec<String> = std::fs::read_dir(&pages)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    for name in ["kvpaxos.1", "kvpaxos-serve.1", "kvpaxos-log-inspect.1"] {
        assert!(
            names.iter().any(|page| page == name),
            "{name} is not in {names:?}"
        );
    }
    let paths: Vec<_> = names.iter().map(|name| pages.join(name)).collect();
    let groff = Command::new("groff")
        .args(["-man", "-ww", "-Tutf8"])
        .args(&paths)
        .output();
    match groff {
        Ok(output) => {
            assert_eq!(text(&output.stderr), "");
            assert!(text(&output.stdout).contains("--memory-only"));
        }
        Err(error) => eprintln!("skipped: groff does not run: {error}"),
    }
    // A file is in the way.
    let file = write(dir.path(), "file", "");
    assert_eq!(code(&run(&["man", &file], "")), 1);
}
