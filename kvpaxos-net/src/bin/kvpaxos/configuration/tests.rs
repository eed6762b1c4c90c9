use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Command;

use super::schema::{flags, schema};
use super::show::{of_command, of_file, printed};
use super::sources::variables;
use super::*;
use crate::args::Command as Called;

impl Variables for BTreeMap<&str, &str> {
    fn get(&self, name: &str) -> Option<OsString> {
        BTreeMap::get(self, name).map(OsString::from)
    }
}

/// A file with these contents, and the directory that it is in.
fn file(contents: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("kvpaxos.toml");
    std::fs::write(&path, contents).expect("it is written");
    (dir, path)
}

fn words(line: &str, file: Option<&PathBuf>) -> Vec<OsString> {
    let mut words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    if let Some(path) = file {
        words.splice(1..1, ["--config".into(), path.into()]);
    }
    words
}

fn called(line: &str, set: &[(&'static str, &'static str)], contents: &str) -> Result<Called, String> {
    let (_dir, path) = file(contents);
    let set: BTreeMap<_, _> = set.iter().copied().collect();
    match parse(&words(line, Some(&path)), &set) {
        Ok(arguments) => Ok(arguments.command),
        Err(Failure::CommandLine(error)) => Err(error.to_string()),
        Err(Failure::Configuration(error)) => Err(error),
    }
}

/// The servers and the clients of a bench, after all.
fn bench(line: &str, set: &[(&'static str, &'static str)], contents: &str) -> (Vec<String>, usize) {
    match called(line, set, contents) {
        Ok(Called::Bench(bench)) => (
            bench
                .servers
                .map(|servers| servers.list().to_vec())
                .unwrap_or_default(),
            bench.clients,
        ),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_flag_counts_more_than_a_variable_than_the_own_table_than_the_top_than_the_default() {
    let clients = |line: &str, set: &[(&'static str, &'static str)], contents: &str| {
        bench(
            &format!("kvpaxos {line}"),
            set,
            &format!("servers = ['a:1', 'b:2']\n{contents}"),
        )
        .1
    };
    let (all, own) = (("KVPAXOS_CLIENTS", "4"), ("KVPAXOS_BENCH_CLIENTS", "5"));
    let (top, table) = ("clients = 2", "clients = 2\n[bench]\nclients = 3");
    assert_eq!(clients("bench", &[], ""), 64);
    assert_eq!(clients("bench", &[], top), 2);
    assert_eq!(clients("bench", &[], table), 3);
    assert_eq!(clients("bench", &[all], table), 4);
    assert_eq!(clients("bench", &[all, own], table), 5);
    assert_eq!(clients("bench --clients 6", &[all, own], table), 6);
    assert_eq!(clients("bench --clients=6", &[all, own], table), 6);
    // An empty variable is as good as none.
    assert_eq!(clients("bench", &[("KVPAXOS_CLIENTS", "")], table), 3);
    // What has a form of its own, such as a length or a range of lengths, may be a number.
    assert_eq!(
        clients(
            "bench",
            &[],
            "clients = 2\n[bench]\nvalue-size = 5\ntargets = ['x=tcp://a:1', 'y=tcp://a:2']"
        ),
        2
    );
    // The file itself is named by a flag or a variable.
    let (_dir, path) = file("servers = 'c:3'\nclients = 7");
    let named: BTreeMap<_, _> = [("KVPAXOS_CONFIG", path.to_str().expect("text"))].into();
    let Ok(arguments) = parse(&words("kvpaxos bench", None), &named) else {
        panic!("a file");
    };
    let Called::Bench(bench) = arguments.command else {
        panic!("a bench");
    };
    assert_eq!(
        (
            bench.servers.map(|servers| servers.list().to_vec()),
            bench.clients
        ),
        (Some(vec!["c:3".to_owned()]), 7)
    );
}

#[test]
fn switches_can_be_turned_on_and_off_again() {
    let udp = |set: &[(&'static str, &'static str)], contents: &str| match called(
        "kvpaxos get k --servers a:1",
        set,
        contents,
    ) {
        Ok(Called::Get(get)) => get.request.servers.udp,
        other => panic!("{other:?}"),
    };
    assert!(!udp(&[], "[get]\nudp = false"));
    assert!(udp(&[], "[get]\nudp = true"));
    assert!(!udp(&[("KVPAXOS_UDP", "false")], "[get]\nudp = true"));
    assert!(udp(&[("KVPAXOS_GET_UDP", "1")], "[get]\nudp = false"));
    let error = called("kvpaxos get k", &[("KVPAXOS_UDP", "a:1")], "").expect_err("no switch");
    assert!(error.contains("the variable KVPAXOS_UDP is \"a:1\""), "{error}");
}

#[test]
fn words_stand_where_they_belong() {
    // After the command, before what is given to it, and before what no flag may follow.
    let set = [("KVPAXOS_SERVERS", "a:1,b:2"), ("KVPAXOS_LOG_LEVEL", "debug")];
    let put = |line: &str| match called(line, &set, "") {
        Ok(Called::Put(put)) => (put.key, put.value, put.request.servers.list().len()),
        other => panic!("{line}: {other:?}"),
    };
    let expected = |key: &str, value: &str| (key.into(), value.into(), 2);
    assert_eq!(put("kvpaxos put -- -k --servers"), expected("-k", "--servers"));
    assert_eq!(put("kvpaxos --log-level info put k put"), expected("k", "put"));
    assert_eq!(put("kvpaxos --log-level=info put k -"), expected("k", "-"));
    match called("kvpaxos cluster up dir", &[], "[cluster.up]\nreplicas = 3\n") {
        Ok(Called::Cluster(crate::args::ClusterCommand::Up { replicas, .. })) => assert_eq!(replicas, 3),
        other => panic!("{other:?}"),
    }
    match called("kvpaxos del k", &[], "[delete]\nservers = 'a:1'\n") {
        Ok(Called::Delete(delete)) => assert_eq!(delete.request.servers.list().len(), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn flags_exclude_and_need_each_other_wherever_they_are_set() {
    let serve = "kvpaxos serve --id 0 --peers 0=a:1,1=a:2,2=a:3 --client a:4";
    let contents = "[serve]\ndata = 'd'";
    assert!(called(serve, &[], contents).is_ok());
    let error = called(&format!("{serve} --memory-only"), &[], contents).expect_err("both");
    assert!(error.contains("cannot be used with"), "{error}");
    assert!(
        error.contains("--data is set by ") && error.contains("kvpaxos.toml, line 2"),
        "{error}"
    );
    let error = called(serve, &[("KVPAXOS_SERVE_MEMORY_ONLY", "true")], contents).expect_err("both");
    assert!(
        error.contains("--memory-only is set by the variable KVPAXOS_SERVE_MEMORY_ONLY"),
        "{error}"
    );
    let error = called(serve, &[], "").expect_err("neither");
    assert!(error.contains("--data <DIR>"), "{error}");
    let needs = "data = 'd'\nchaos-seed = 5";
    let error = called(serve, &[], needs).expect_err("needs --chaos");
    assert!(error.contains("--chaos <RULES>"), "{error}");
    assert!(called(serve, &[("KVPAXOS_CHAOS", "acceptor")], needs).is_ok());
}

#[test]
fn a_wrong_value_is_told_with_its_place_and_its_reason() {
    for (set, contents, told) in [
        (
            &[][..],
            "clients = 0",
            "kvpaxos.toml, line 1, column 1: clients = \"0\": \"0\" is no number from 1",
        ),
        (
            &[("KVPAXOS_CLIENTS", "x")],
            "",
            "the variable KVPAXOS_CLIENTS: clients = \"x\": \"x\" is no number",
        ),
        (
            &[],
            "[bench]\n transport = 'ftp'",
            "line 2, column 2: transport = \"ftp\": possible values are tcp, udp",
        ),
        (
            &[],
            "timeout = '5 weeks'",
            "timeout = \"5 weeks\": \"5 weeks\" is not a length of time",
        ),
        (
            &[],
            "timeout = 5",
            "timeout = 5 at the top: timeout takes a text in quotation marks",
        ),
        (&[], "config = 'other'", "unknown key \"config\" at the top"),
        (&[], "help = true", "unknown key \"help\" at the top"),
        (
            &[],
            "[bench]\nsevers = 'a:1'",
            "unknown key \"severs\" in [bench]: no such flag; the nearest is \"servers\"",
        ),
        (
            &[],
            "[bensh]\n",
            "unknown table [bensh]: no such command; the nearest is \"bench\"",
        ),
        // It is good for another command.
        (
            &[],
            "udp = 'a:1'",
            "line 1, column 1: this value of udp is not for kvpaxos bench",
        ),
    ] {
        let error = called("kvpaxos bench --servers a:1", set, contents).expect_err(contents);
        assert!(error.contains(told), "{contents:?}: {error}");
    }
}

/// Every command that can be called, with its names.
fn each(command: &Command, names: &mut Vec<String>, then: &mut dyn FnMut(&[String], &Command)) {
    then(names, command);
    for inner in command.get_subcommands() {
        names.push(inner.get_name().to_owned());
        each(inner, names, then);
        names.pop();
    }
}

/// Every flag that there is, or will be, is a key and a variable.
#[test]
fn all_flags_can_be_set_by_a_file_and_by_a_variable() {
    let mut program = Arguments::command();
    program.build();
    let schema = schema(&program);
    let mut count = 0;
    each(&program, &mut Vec::new(), &mut |names, command| {
        let mut taken = Vec::new();
        for arg in command.get_arguments() {
            let Some(name) = arg
                .get_long()
                .filter(|name| !["help", "version", "config"].contains(name))
            else {
                continue;
            };
            let table = names.iter().try_fold(&schema, |schema, name| {
                schema
                    .tables()
                    .find(|(table, _)| table == name)
                    .map(|(_, schema)| schema)
            });
            if !names.contains(&"help".to_owned()) {
                assert!(
                    table.is_some_and(|table| table.kinds(name).is_some()),
                    "{names:?} {name}"
                );
                assert!(schema.kinds(name).is_some(), "{name} at the top");
                count += 1;
            }
            taken.extend(variables(names, name));
            // Everybody can read the environment and the arguments of a process.
            let secret = ["password", "secret", "token"]
                .iter()
                .any(|word| name.contains(word));
            assert!(
                !secret || name.ends_with("-file"),
                "{names:?} --{name}: secrets come from files"
            );
        }
        let all = taken.len();
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), all, "{names:?} has a variable for two flags");
    });
    assert!(count > 100, "{count}");
}

/// What `kvpaxos config` prints is a file that sets the same.
#[test]
fn what_is_printed_can_be_read_again() {
    let contents = "servers = ['a:1', 'b:2']\nlog-level = 'info'\n[serve]\nid = 3\npeers = '0=a:1,1=a:2,2=a:3'\n\
                    memory-only = true\nclient = \"a:4\"\nchaos = ['acceptor:every=5s..20s', 'link:cut']\n\
                    [status]\nwatch = true\n[cluster.up]\nports = 5000\n";
    let (_dir, path) = file(contents);
    let program = Arguments::command();
    let set: BTreeMap<_, _> = [("KVPAXOS_SERVE_UDP", "a:5"), ("KVPAXOS_JSON", "true")].into();
    let lines = [
        "kvpaxos",
        "kvpaxos serve --id 4 --http a:6",
        "kvpaxos status",
        "kvpaxos cluster up",
    ];
    for line in lines {
        let print = |words: &[OsString], set: &BTreeMap<&str, &str>| {
            let rows = if line == "kvpaxos" {
                of_file(&program, words, set)
            } else {
                of_command(&program, words, set)
            };
            let text = printed(&rows.expect("good settings"));
            let without_source = |line: &str| line.split("  #").next().unwrap_or_default().to_owned();
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .map(without_source)
                .collect::<Vec<_>>()
        };
        let first = print(&words(line, Some(&path)), &set);
        let bare = line.split(" --").next().expect("a command");
        let (_dir, again) = file(&first.join("\n"));
        let second = print(&words(bare, Some(&again)), &BTreeMap::new());
        assert_eq!(first, second, "{line}");
        assert!(first.len() > 1, "{line}: {first:?}");
    }
    let rows = of_command(
        &program,
        &words("kvpaxos serve --id 4 --http a:6", Some(&path)),
        &set,
    )
    .expect("good");
    let text = printed(&rows);
    for line in [
        "id = 4  # the flag",
        "udp = \"a:5\"  # the variable KVPAXOS_SERVE_UDP",
        "memory-only = true  # ",
        "kvpaxos.toml, line 6, column 1",
        "# cluster = \"kvpaxos\"  # default",
        "# redis is not set",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn what_is_missing_is_told_and_what_is_wrong_anywhere_in_a_file_is_an_error() {
    let program = Arguments::command();
    let none = BTreeMap::new();
    let text =
        printed(&of_command(&program, &words("kvpaxos serve", None), &none).expect("nothing is wrong"));
    for name in ["id", "peers", "client", "data"] {
        assert!(
            text.contains(&format!("# {name} is not set, though it must be\n")),
            "{name}\n{text}"
        );
    }
    for wrong in [
        "[bench]\nclients = 0",
        "seed = -1",
        "[serve]\nmemory-only = true\ndata = 'd'",
        "udp = 'a:1'",
    ] {
        let (_dir, path) = file(wrong);
        let found = of_file(&program, &words("kvpaxos", Some(&path)), &none);
        assert!(found.is_err(), "{wrong}");
    }
    assert_eq!(
        flags(&program)
            .filter(|arg| arg.get_long() == Some("config"))
            .count(),
        0
    );
}
