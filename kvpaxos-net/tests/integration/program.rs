//! The interface of the program: exit codes, the prompt, refusals, the demo.

use std::time::Duration;

use crate::common::{ProcessCluster, ask, code, free_ports, run, runtime, text};
use kvpaxos_net::{Client, ClientError, ClientOptions};

#[test]
fn exit_codes_tell_outcomes_apart() {
    let mut cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let servers = cluster.servers();
    let ask = |arguments: &[&str], input: &str| ask(&servers, arguments, input);
    let runtime_of_client = runtime();
    let client = runtime_of_client.block_on(async {
        let mut options = ClientOptions::new(cluster.addresses());
        options.deadline = Duration::from_secs(2);
        let client = Client::new(options).expect("a client");
        client.put("session", "opened").await.expect("it is done");
        client
    });

    let (done, revision, _) = ask(&["put", "k", "a value"], "");
    assert_eq!(done, 0);
    assert!(
        revision.trim().split_once('.').is_some(),
        "a revision: {revision:?}"
    );
    assert_eq!(ask(&["get", "k"], ""), (0, "a value".to_owned(), String::new()));
    let (missing, nothing, why) = ask(&["get", "other"], "");
    assert_eq!((missing, nothing.as_str()), (1, ""));
    assert!(why.contains("has no value"), "{why}");
    assert_eq!(ask(&["cas", "k", "a value", "next"], "").0, 0);
    assert_eq!(
        ask(&["cas", "k", "a value", "next"], "").0,
        1,
        "it holds another value"
    );
    assert_eq!(ask(&["cas", "k", "--absent", "x"], "").0, 1);
    assert_eq!(ask(&["cas", "k", "--remove", "next"], "").0, 0);
    assert_eq!(ask(&["delete", "k"], "").0, 1, "it is gone already");
    assert_eq!(ask(&["put", "k", "-"], "two\nlines\n").0, 0);
    assert_eq!(ask(&["get", "k", "--raw"], "").1, "two\nlines\n");
    bytes_and_json(&servers);
    assert_eq!(ask(&["delete", "k"], "").0, 0);

    let (refused, _, why) = ask(&["put", "k", "-"], &"x".repeat(1024 * 1024 + 1));
    assert_eq!(refused, 3);
    assert!(why.contains("1048577") && why.contains("1048576"), "{why}");
    assert_eq!(ask(&["put", &"k".repeat(4097), "v"], "").0, 3);
    let (refused, _, why) = ask(&["put", "k", "-"], &"x".repeat(3_000_000));
    assert_eq!(refused, 3, "no request holds that: {why}");
    assert_eq!(ask(&["get"], "").0, 2, "a key is missing");
    assert_eq!(ask(&["cas", "k", "old"], "").0, 2, "a value is missing");

    assert!(ask(&["status"], "").1.starts_with("good: 3 replicas"));
    let (good, object, _) = ask(&["status", "--json"], "");
    let object: serde_json::Value = serde_json::from_str(&object).expect("JSON");
    assert_eq!((good, &object["exit"]), (0, &0.into()), "{object}");
    the_last_problem_is_shown(&servers);
    #[cfg(target_os = "linux")]
    what_is_done_but_not_said(&cluster, &servers);

    nobody_listens();
    // One of three is no majority: there is no leader, or nobody answers the old one.
    cluster.kill(0);
    cluster.kill(1);
    let alone = ["--timeout", "6s", "--servers", &servers];
    let output = run(&[&["put", "k", "v"], &alone[..]].concat(), "");
    assert!([4, 5].contains(&code(&output)), "{}", text(&output.stderr));
    let (status, lines, _) = ask(&["status"], "");
    assert_eq!((status, lines.lines().count()), (12, 5), "{lines}");
    assert!(lines.starts_with("no leader"), "{lines}");
    assert!(
        lines.contains("unreachable: ") && lines.contains("\nr2 "),
        "{lines}"
    );

    // All connections are gone, and there are no new ones: the client knows that it has sent nothing.
    cluster.kill(2);
    let put = async {
        // The first call may still meet a connection of which it is not known that it is gone.
        let _ = client.get("k").await;
        client.put("k", "v").await
    };
    let error = runtime_of_client.block_on(put).expect_err("nobody is there");
    assert!(matches!(error, ClientError::Unavailable { .. }), "{error}");
}

/// A replica that warned of something tells so when it is asked.
fn the_last_problem_is_shown(servers: &str) {
    let first = servers.split(',').next().expect("there are servers");
    let mut stream = std::net::TcpStream::connect(first).expect("it listens");
    std::io::Write::write_all(&mut stream, b"this is not the protocol").expect("it reads");
    let closed = std::io::Read::read_to_end(&mut stream, &mut Vec::new());
    assert!(closed.is_ok_and(|length| length == 0), "nothing is answered");
    let (_, lines, _) = ask(servers, &["status"], "");
    assert!(
        lines.contains(" s ago: the connection of a client is closed"),
        "{lines}"
    );
    let (_, object, _) = ask(servers, &["status", "--json"], "");
    let object: serde_json::Value = serde_json::from_str(&object).expect("JSON");
    let problem = &object["replicas"][0]["last_problem"];
    assert!(problem["millis_ago"].is_u64(), "{object}");
}

/// Servers that cannot be reached, or have no address.
fn nobody_listens() {
    let nobody = format!("127.0.0.1:{}", free_ports(1)[0]);
    let gone = ["--timeout", "300ms", "--servers", &nobody];
    let output = run(&[&["put", "k", "v"], &gone[..]].concat(), "");
    let why = text(&output.stderr);
    assert_eq!(code(&output), 4, "{why}");
    assert!(why.contains(&nobody) && why.contains("refused"), "{why}");
    let unknown = ["--timeout", "300ms", "--servers", "no-such-host.invalid:1"];
    let output = run(&[&["put", "k", "v"], &unknown[..]].concat(), "");
    let why = text(&output.stderr);
    assert_eq!(code(&output), 4, "{why}");
    assert!(why.contains("no-such-host.invalid:1: "), "{why}");
}

/// Keys and values of any bytes, and answers for programs.
fn bytes_and_json(servers: &str) {
    let ask = |arguments: &[&str], input: &str| ask(servers, arguments, input);
    assert_eq!(ask(&["get", "k", "--hex"], "").0, 2, "k is no hexadecimal digit");
    assert_eq!(ask(&["put", "--hex", "00ff", "2d"], "").0, 0);
    assert_eq!(ask(&["get", "--hex", "00ff"], "").1, "2d\n");
    let (ended, object, _) = ask(&["get", "--json", "--hex", "00ff"], "");
    let object: serde_json::Value = serde_json::from_str(&object).expect("JSON");
    assert_eq!(
        (ended, &object["key"]["hex"], &object["value"]),
        (0, &"00ff".into(), &"-".into())
    );
    let (ended, object, _) = ask(&["cas", "k", "other", "x", "--json"], "");
    let object: serde_json::Value = serde_json::from_str(&object).expect("JSON");
    assert_eq!((ended, &object["applied"]), (1, &false.into()), "{object}");
    let mut from_environment = crate::common::program();
    from_environment
        .env("KVPAXOS_SERVERS", servers)
        .args(["put", "--", "-k", "--v"]);
    let output = from_environment.output().expect("it runs");
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
}

/// The write is done, the exit code says what could not be said, and no session stays open.
#[cfg(target_os = "linux")]
fn what_is_done_but_not_said(cluster: &ProcessCluster, servers: &str) {
    use std::process::Stdio;

    let full = || {
        Stdio::from(
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .expect("it exists"),
        )
    };
    let unread = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let run_into = |arguments: &[&str], out: Stdio, errors: Stdio| {
        let mut command = crate::common::program();
        command.args(arguments).args(["--servers", servers]);
        let status = command.stdin(Stdio::null()).stdout(out).stderr(errors).status();
        status.expect("the program runs").code()
    };
    for arguments in [
        &["put", "unsaid", "a"][..],
        &["cas", "unsaid", "a", "b"],
        &["get", "unsaid"],
        &["delete", "unsaid"],
        &["status"],
    ] {
        assert_eq!(
            run_into(arguments, full(), Stdio::null()),
            Some(11),
            "{arguments:?}"
        );
    }
    assert_eq!(
        run_into(&["put", "unread", "a"], unread(), Stdio::null()),
        Some(0)
    );
    assert_eq!(run_into(&["get", "no such key"], full(), full()), Some(1));
    assert_eq!(
        run_into(&["cas", "unread", "a", "b"], unread(), unread()),
        Some(0)
    );
    // The session of the test is the only one.
    crate::common::wait_for("all other sessions to be closed", || {
        let learner = runtime().block_on(cluster.status(0))?.learner;
        matches!(
            learner,
            kvpaxos::status::LearnerStatus::Learning { sessions: 1, .. }
        )
        .then_some(())
    });
}

/// Stops the processes of `kvpaxos cluster up`, also if the test fails.
struct Up<'a>(&'a str);

impl Drop for Up<'_> {
    fn drop(&mut self) {
        run(&["cluster", "down", self.0], "");
    }
}

#[test]
fn one_command_starts_a_cluster_of_processes() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("c");
    let place = place.to_str().expect("text");
    let _up = Up(place);
    let cluster = |arguments: &[&str]| {
        let output = run(&[&["cluster"], arguments].concat(), "");
        (code(&output), text(&output.stdout), text(&output.stderr))
    };
    let (none, _, why) = cluster(&["status", place]);
    assert!(none == 1 && why.contains("there is no cluster in"), "{why}");
    let (started, printed, why) = cluster(&["up", place, "--replicas", "3"]);
    assert_eq!(started, 0, "{why}");
    assert!(printed.starts_with("good: 3 replicas"), "{printed}");
    let servers = format!("@{place}");
    assert_eq!(ask(&servers, &["put", "k", "v"], "").0, 0);

    assert_eq!(cluster(&["kill", "r1", place]).0, 0);
    assert_eq!(cluster(&["kill", "1", place]).0, 1, "it does not run any more");
    assert_eq!(cluster(&["status", place]).0, 13);
    assert_eq!(ask(&servers, &["get", "k"], "").1, "v");
    assert_eq!(cluster(&["start", "1", place]).0, 0);
    assert_eq!(cluster(&["start", "7", place]).0, 1, "there is no such replica");
    // What runs goes on, and nothing is formatted again.
    assert_eq!(cluster(&["up", place]).0, 0);
    let (stopped, printed, _) = cluster(&["down", place]);
    assert!(stopped == 0 && printed.starts_with("3 replicas"), "{printed}");
    let (again, printed, why) = cluster(&["up", place]);
    assert_eq!(again, 0, "{printed}{why}");
    assert_eq!(ask(&servers, &["get", "k"], "").1, "v");
}

#[test]
fn two_phase_update_stalls_and_names_the_silent_replica() {
    let mut cluster = ProcessCluster::start(5, &["--two-phase"]);
    runtime().block_on(async {
        let leader = cluster.leader().await;
        let silent = (leader + 2) % 5;
        let servers = cluster.address(leader);
        let (done, _, why) = ask(&servers, &["put", "k", "before"], "");
        assert_eq!(done, 0, "{why}");
        let mut options = ClientOptions::new([servers.as_str()]);
        options.deadline = Duration::from_secs(8);
        let client = Client::new(options).unwrap();
        client.put("k", "before, too").await.unwrap();
        cluster.kill(silent);
        let named = format!("r{silent}");
        // A new session cannot be opened, so nothing was changed. In an open session the outcome is unknown.
        let (stalled, _, why) = ask(&servers, &["put", "k", "after", "--timeout", "2s"], "");
        assert_eq!(stalled, 4, "{why}");
        assert!(why.contains(&named), "{why}");
        let error = client.put("k", "after").await.expect_err("one replica is silent");
        assert!(matches!(error, ClientError::Unknown { .. }), "{error}");
        assert!(error.to_string().contains(&named), "{error}");
        cluster.restart(silent);
        let (again, _, why) = ask(&servers, &["put", "k", "at last"], "");
        assert_eq!(again, 0, "{why}");
    });
}

#[test]
fn datagrams_serve_as_well() {
    let cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let servers = cluster.servers();
    let ask = |arguments: &[&str], input: &str| {
        // Patient, as the machine may be busy.
        let patient = ["--udp", "--timeout", "60s"];
        ask(&servers, &[arguments, &patient].concat(), input)
    };
    assert_eq!(ask(&["put", "k", "by datagram"], "").0, 0);
    assert_eq!(ask(&["get", "k"], "").1, "by datagram");
    assert_eq!(ask(&["cas", "k", "by datagram", "swapped"], "").0, 0);
    assert_eq!(ask(&["delete", "k"], "").0, 0);
    assert_eq!(ask(&["get", "k"], "").0, 1);
    let (refused, _, why) = ask(&["put", "k", "-"], &"x".repeat(70_000));
    assert_eq!(refused, 3, "it does not fit in a datagram");
    assert!(why.contains("over UDP"), "{why}");
    let (refused, _, why) = ask(&["get", &"k".repeat(70_000)], "");
    assert_eq!(refused, 3, "nor does such a key");
    assert!(why.contains("70000"), "{why}");
    // A value that was stored over TCP can be too long for a datagram.
    let long = "x".repeat(70_000);
    assert_eq!(common_put(&servers, &long), 0);
    let (refused, _, why) = ask(&["get", "k"], "");
    assert_eq!(refused, 3, "{why}");
}

fn common_put(servers: &str, value: &str) -> i32 {
    ask(servers, &["put", "k", "-"], value).0
}

#[test]
fn the_prompt_obeys_a_pipe() {
    let cluster = ProcessCluster::start(3, &[]);
    runtime().block_on(cluster.leader());
    let servers = cluster.servers();
    let commands = "# a comment\nPUT k \"two words\"\nGET k\nCAS k \"two words\" one\nGET k\nDELETE k\nGET k\nSTATUS\nHELP\nEXIT\nPUT never done\n";
    let output = run(&["client", "--servers", &servers], commands);
    let printed = text(&output.stdout);
    assert_eq!(
        (code(&output), text(&output.stderr).as_str()),
        (0, ""),
        "{printed}"
    );
    for line in [
        "ok, revision",
        "\"two words\"",
        "swapped",
        "\"one\"",
        "deleted",
        "no value",
        "leads with",
    ] {
        assert!(printed.contains(line), "{line:?} is not in\n{printed}");
    }
    let never = ask(&servers, &["get", "never"], "");
    assert_eq!(never.0, 1, "nothing is done after EXIT");

    errors_of_the_prompt(&servers);
    a_walk_is_printed_and_logged(&servers);

    // Nobody is there, which it says at its start.
    let nobody = format!("127.0.0.1:{}", free_ports(1)[0]);
    let output = run(&["client", "--servers", &nobody], "EXIT\n");
    assert!(text(&output.stderr).contains("unavailable: none of 1 servers answers"));
}

/// What is wrong is told on standard error; the first error gives the code, and the rest is done.
fn errors_of_the_prompt(servers: &str) {
    let long = "k".repeat(5000);
    let commands = [
        b"NONSENSE\nGET\nPUT bytes \xff\xfe\nPUT ",
        long.as_bytes(),
        b" v\nGET bytes\n",
    ]
    .concat();
    let output = run(&["client", "--servers", servers], commands);
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(code(&output), 2, "{errors}");
    for error in ["\"NONSENSE\" is no command", "GET key", "over the limit of 4096"] {
        assert!(
            errors.contains(error) && !printed.contains(error),
            "{error}\n{errors}\n{printed}"
        );
    }
    assert!(printed.contains(r#""\xff\xfe""#), "{printed}");
}

/// The walk through the commands, and the log of what was asked and answered.
fn a_walk_is_printed_and_logged(servers: &str) {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("client.log");
    let log_name = log.to_str().expect("text");
    let walk = [
        "client",
        "alice",
        "--walkthrough",
        "--servers",
        servers,
        "--log-file",
        log_name,
    ];
    let output = run(&walk, "GET colour/red\n");
    let printed = text(&output.stdout);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    for (what, count) in [
        ("ok, revision", 10),
        ("\"red\"", 1),
        ("deleted, revision", 5),
        ("\"apple\"", 1),
    ] {
        assert_eq!(printed.matches(what).count(), count, "{what}\n{printed}");
    }
    let logged = std::fs::read_to_string(&log).expect("a log");
    for line in [
        "put fruit/apple=red",
        "get fruit/apple",
        "answer: red as of",
        "delete fruit/apple",
        "alice",
    ] {
        assert!(logged.contains(line), "{line:?} is not in\n{logged}");
    }
}

#[test]
fn the_demo_shows_and_ends() {
    let output = run(&["demo", "--no-prompt"], "");
    let printed = text(&output.stdout);
    assert_eq!(code(&output), 0, "{printed}{}", text(&output.stderr));
    for word in ["PUT", "GET", "DELETE", "the acceptor of", "fails", "comes back"] {
        assert!(printed.contains(word), "{word:?} is not in\n{printed}");
    }
    assert!(!printed.contains("error"), "{printed}");
    let output = run(&["demo"], "PUT k v\nGET k\n");
    assert_eq!(code(&output), 0, "the end of the input is the end");
    assert!(text(&output.stdout).contains("\"v\""));

    // A signal ends it, and its data directory does not stay.
    let temporary = tempfile::tempdir().expect("a directory");
    let entries = || std::fs::read_dir(temporary.path()).expect("a directory").count();
    let mut child = crate::common::program()
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    crate::common::wait_for("the data of the demo", || (entries() > 0).then_some(()));
    let told = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(told.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(entries(), 0, "the directory stays");
}

#[test]
fn a_wrong_log_level_is_a_wrong_command_line() {
    let output = run(
        &["get", "k", "--servers", "127.0.0.1:1", "--log-level", "inof"],
        "",
    );
    assert_eq!(code(&output), 2);
    assert!(
        text(&output.stderr).contains("\"inof\" is no log level; write off, error"),
        "{}",
        text(&output.stderr)
    );
}
