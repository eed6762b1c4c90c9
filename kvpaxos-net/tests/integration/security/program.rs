//! TLS and passwords on the command line.

use std::path::Path;

use crate::common::{code, free_ports, run, text};

fn kvpaxos(arguments: &[&str]) -> (i32, String, String) {
    let output = run(&[&["--log-level", "error"], arguments].concat(), "");
    (code(&output), text(&output.stdout), text(&output.stderr))
}

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_port_beyond_loopback_needs_tls_or_a_word() {
    let [peers, clients] = free_ports(2)[..] else {
        unreachable!("two")
    };
    let own = format!("0=127.0.0.1:{peers}");
    let loopback = format!("127.0.0.1:{clients}");
    let everywhere = format!("0.0.0.0:{clients}");
    let serve = |client: &str, more: &[&str]| {
        let serve = [
            "serve",
            "--memory-only",
            "--new-cluster",
            "--id",
            "0",
            "--peers",
            &own,
            "--client",
            client,
        ];
        kvpaxos(&[&serve, more].concat())
    };
    for (client, more, part) in [
        (
            &everywhere,
            &[][..],
            format!("{everywhere}, for clients, is not a loopback address"),
        ),
        (
            &loopback,
            &["--redis", "0.0.0.0:0"],
            ", for redis clients, is not".to_owned(),
        ),
        (
            &loopback,
            &["--udp", "0.0.0.0:0"],
            ", for datagrams, is not".to_owned(),
        ),
        (
            &loopback,
            &["--http", "0.0.0.0:0"],
            ", for HTTP, is not".to_owned(),
        ),
        (
            &loopback,
            &["--listen", "0.0.0.0:0"],
            ", for peers, is not".to_owned(),
        ),
    ] {
        let (code, _, error) = serve(client, more);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(&part), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn certificates_are_made_once_and_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let dir = utf8(dir.path());
    let (code, _, error) = kvpaxos(&["cert", "replica", dir, "--id", "0", "--host", "localhost"]);
    assert!(code == 1 && error.contains("kvpaxos cert authority"), "{error}");
    let commands = [
        &["cert", "authority", dir][..],
        &[
            "cert",
            "replica",
            dir,
            "--id",
            "0",
            "--host",
            "localhost,127.0.0.1",
        ],
        &["cert", "client", dir, "alice"],
    ];
    for command in commands {
        let (code, _, error) = kvpaxos(command);
        assert_eq!(code, 0, "{error}");
    }
    let contents = || {
        ["ca.pem", "ca.key", "r0.pem", "r0.key", "alice.pem", "alice.key"].map(|name| {
            let path = Path::new(dir).join(name);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            std::fs::read(path).unwrap()
        })
    };
    let before = contents();
    for command in commands {
        let (code, _, error) = kvpaxos(command);
        assert!(code == 1 && error.contains("is not overwritten"), "{error}");
    }
    assert_eq!(contents(), before);
    for command in [
        &["cert", "client", dir, "r0"][..],
        &["cert", "replica", dir, "--id", "16", "--host", "a"],
        &["cert", "authority", dir, "--days", "0"],
    ] {
        assert_eq!(kvpaxos(command).0, 2);
    }
    let (code, _, error) = kvpaxos(&["cert", "replica", dir, "--id", "1", "--host", "two words"]);
    assert!(
        code == 1 && error.contains("neither a name of a host nor an address"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_cluster_of_processes_speaks_tls_by_one_word() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = dir.path().join("cluster");
    let at = format!("@{}", cluster.display());
    let cluster = utf8(&cluster);
    let (code, _, error) = kvpaxos(&["cluster", "up", cluster, "--replicas", "3", "--tls"]);
    assert_eq!(code, 0, "{error}");
    let asked = std::panic::catch_unwind(|| {
        assert_eq!(kvpaxos(&["put", "--servers", &at, "k", "v"]).0, 0);
        let file = std::fs::read_to_string(format!("{cluster}/cluster.json")).unwrap();
        let ports: serde_json::Value = serde_json::from_str(&file).unwrap();
        let address = format!("127.0.0.1:{}", ports["clients"][1]);
        let authority = format!("{cluster}/tls/ca.pem");
        let get = ["get", "--timeout", "2s", "--servers", &address, "k"];
        assert_eq!(kvpaxos(&[&get[..], &["--tls-ca", &authority]].concat()).1, "v");
        let (code, _, error) = kvpaxos(&get);
        assert!(code == 4 && error.contains("speaks TLS only"), "{error}");
        // SIGHUP ends a process that does not expect it.
        let pid = std::fs::read_to_string(format!("{cluster}/r1.pid")).unwrap();
        let hung_up = std::process::Command::new("kill")
            .args(["-HUP", pid.trim()])
            .status();
        assert!(hung_up.unwrap().success());
        assert_eq!(kvpaxos(&["cluster", "status", cluster]).0, 0);
    });
    assert_eq!(kvpaxos(&["cluster", "down", cluster]).0, 0);
    if let Err(panic) = asked {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn arguments_that_keep_nothing_secret_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let password = utf8(&password);
    let [peers, clients] = free_ports(2)[..] else {
        unreachable!("two")
    };
    let (peers, address) = (format!("0=127.0.0.1:{peers}"), format!("127.0.0.1:{clients}"));
    let serve = [
        "serve",
        "--memory-only",
        "--new-cluster",
        "--id",
        "0",
        "--peers",
        &peers,
        "--client",
        &address,
    ];
    let authority = utf8(dir.path());
    assert_eq!(kvpaxos(&["cert", "authority", authority]).0, 0);
    assert_eq!(
        kvpaxos(&["cert", "replica", authority, "--id", "0", "--host", "127.0.0.1"]).0,
        0
    );
    let file = |name: &str| format!("{authority}/{name}");
    let (ca, certificate, key) = (file("ca.pem"), file("r0.pem"), file("r0.key"));
    let tls = ["--tls-ca", &ca, "--tls-cert", &certificate, "--tls-key", &key];
    let get = ["get", "--servers", &address, "k"];
    for (command, part) in [
        (
            [&serve[..], &["--udp", &address, "--password-file", password]].concat(),
            "clients must show a password",
        ),
        (
            [&serve[..], &tls, &["--udp", &address]].concat(),
            "clients must speak TLS",
        ),
        ([&serve[..], &["--tls-ca", &ca]].concat(), "--tls-cert"),
        ([&serve[..], &["--tls-verify-clients"]].concat(), "--tls-ca"),
        (
            [&serve[..], &["--password-file", "/nowhere/at/all"]].concat(),
            "cannot read the password file",
        ),
        (
            [
                &serve[..],
                &["--tls-ca", &ca, "--tls-cert", &ca, "--tls-key", &key],
            ]
            .concat(),
            "cannot be used",
        ),
        (
            [&get[..], &["--udp", "--password-file", password]].concat(),
            "datagrams are not encrypted",
        ),
        ([&get[..], &["--tls-cert", &certificate]].concat(), "--tls-key"),
    ] {
        let (code, _, error) = kvpaxos(&command);
        assert!(code != 0 && error.contains(part), "{part}: {code} {error}");
    }
}
