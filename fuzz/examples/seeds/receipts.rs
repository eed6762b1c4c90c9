//! The seeds of the target `receipt`.

use kvpaxos_sim::receipts::{Build, Receipt, Shard};

use super::Seeds;

/// A receipt of nothing yet, one with seeds and a violation, and one that is wrong in each way that the reader names.
pub(crate) fn receipts() -> Seeds {
    let build = Build {
        version: "0.1.0".to_owned(),
        behaviour: "0123456789abcdef0123456789abcdef".to_owned(),
    };
    let nothing = Receipt::new(build, None, 0..3000, Shard::WHOLE).to_string();
    let some = nothing
        .replacen("\"shard\": \"0/1\"", "\"shard\": \"1/3\"", 1)
        .replacen("\"sources\": {}", "\"sources\": {\"0123456789abcdef\": 3}", 1)
        .replacen("    \"seeds\": 0,", "    \"seeds\": 3,", 1)
        .replacen("\"mutant\": null", "\"mutant\": \"one-ballot\"", 1)
        .replacen(
            "\"swept\": []",
            "\"swept\": [\"1000..1003 0123456789abcdef0123456789abcdef\"]",
            1,
        )
        .replacen(
            "\"violations\": []",
            "\"violations\": [{\"property\": \"S2\", \"seed\": 1001, \"at\": 7, \"explanation\": \"a get\"}]",
            1,
        );
    let wrong = |from: &str, to: &str| {
        assert!(some.contains(from), "{from} is not in {some}");
        some.replacen(from, to, 1)
    };
    let files = [
        ("good-nothing", nothing),
        ("cut-off", some[..some.len() / 2].to_owned()),
        ("version", wrong("receipt\": 1", "receipt\": 2")),
        ("shard", wrong("1/3", "3/3")),
        ("mutant", wrong("one-ballot", "three-ballots")),
        ("situation", wrong("leader change", "eclipse")),
        ("field", wrong("\"repeated\"", "\"doubled\"")),
        ("block", wrong("1000..1003", "999..1003")),
        ("count", wrong("1000..1003", "1000..1004")),
        ("other-shard", wrong("1000..1003", "2000..2003")),
        ("other-seed", wrong("1001", "1003")),
        ("number", wrong("\"events\": 0", "\"events\": -1")),
        ("good-some", some),
    ];
    let named = files.into_iter();
    named
        .map(|(name, file)| (format!("receipt/{name}").into(), file.into_bytes()))
        .collect()
}
