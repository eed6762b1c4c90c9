use std::collections::BTreeMap;

use expect_test::expect;
use xxhash_rust::xxh3::xxh3_64;

use super::hard::hard_family;
use super::*;
use crate::history::{Action, Answer, Event, EventKind, Operation, Writer};
use crate::linearizability::{Budget, check};

/// Small histories with every kind of operation, outcome and duration.
fn mixed(seed: u64) -> Settings {
    Settings {
        seed,
        operations: 120,
        keys: 3,
        hot: Fraction::percent(50),
        clients: 5,
        mix: Mix {
            append: 20,
            ..Mix::default()
        },
        values: [Values::Unique, Values::Twice, Values::Few(4)][place(seed % 3)],
        unknown: Fraction::percent(5),
        failed: Fraction::percent(3),
        long: Fraction::percent(10),
        pause: 500,
        ..Settings::default()
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// The bytes of a history, written event by event as the program does.
fn bytes(settings: &Settings) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &settings.initial).unwrap();
    for event in Generator::new(settings.clone()).unwrap() {
        writer.write(&event).unwrap();
    }
    bytes
}

/// Pins what settings generate: if these numbers change, every history that is known by its seed changes.
#[test]
fn histories_are_pinned() {
    let digests = [1, 2, 3].map(|seed| format!("{:016x}", xxh3_64(&bytes(&mixed(seed)))));
    expect!["1bddbcca8c2e85fa 6162175ed3aa8153 8a23f4629924fcdb"].assert_eq(&digests.join(" "));
    // The name of a member, and how its history begins.
    let mut family = Vec::new();
    for member in hard_family() {
        family.extend(member.name.as_bytes());
        let mut writer = Writer::new(&mut family, &member.settings.initial).unwrap();
        let mut beginning = Generator::new(member.settings).unwrap().take(100);
        beginning.try_for_each(|event| writer.write(&event)).unwrap();
    }
    let digest = format!("{} {:016x}", hard_family().len(), xxh3_64(&family));
    expect!["63 ab8683ce2f19cd6d"].assert_eq(&digest);
}

#[test]
fn the_first_events_of_a_seed() {
    let settings = Settings {
        operations: 6,
        clients: 2,
        ..mixed(1)
    };
    let text = String::from_utf8(bytes(&settings)).unwrap();
    expect![[r#"
        {"type":"header","format":"kv-history","version":1,"initial":null}
        {"type":"invoke","process":0,"op":"cas","key":"k0","expect":null,"value":0,"time":425}
        {"type":"invoke","process":1,"op":"cas","key":"k0","expect":null,"value":1,"time":1065}
        {"type":"ok","process":1,"op":"cas","key":"k0","applied":true,"time":1753}
        {"type":"invoke","process":1,"op":"put","key":"k0","value":0,"time":1766}
        {"type":"ok","process":1,"op":"put","key":"k0","time":1967}
        {"type":"invoke","process":1,"op":"get","key":"k2","time":2075}
        {"type":"ok","process":1,"op":"get","key":"k2","value":null,"time":3981}
        {"type":"invoke","process":1,"op":"put","key":"k2","value":0,"time":4785}
        {"type":"ok","process":1,"op":"put","key":"k2","time":6629}
        {"type":"invoke","process":1,"op":"cas","key":"k0","expect":null,"value":1,"time":6911}
        {"type":"ok","process":1,"op":"cas","key":"k0","applied":false,"time":8376}
        {"type":"ok","process":0,"op":"cas","key":"k0","applied":false,"time":11965}
    "#]]
    .assert_eq(&text);
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_one_another() {
    let history = |seed| mixed(seed).history().unwrap();
    assert_eq!(history(5), history(5));
    assert_ne!(history(5), history(8));
    let streamed: Vec<Event> = Generator::new(mixed(5)).unwrap().collect();
    assert_eq!(history(5).events(), streamed);
}

#[test]
fn a_history_without_flaw_is_judged_good() {
    for seed in 0..150 {
        let report = check(&mixed(seed).history().unwrap(), Budget::default());
        assert!(report.is_good(), "seed {seed}: {report}");
    }
}

#[test]
fn an_impossible_answer_is_judged_bad() {
    for seed in 0..60 {
        let initial = [Datum::Null, 7.into(), "?".into()][place(seed % 3)].clone();
        let settings = Settings {
            flaw: Flaw::Impossible,
            initial,
            ..mixed(seed)
        };
        let report = check(&settings.history().unwrap(), Budget::default());
        assert!(report.is_bad(), "seed {seed}: {report}");
    }
}

#[test]
fn most_stale_answers_are_judged_bad() {
    let is_bad = |seed| {
        let settings = Settings {
            flaw: Flaw::Stale,
            ..mixed(seed)
        };
        check(&settings.history().unwrap(), Budget::default()).is_bad()
    };
    let bad = (0..60).filter(|seed| is_bad(*seed)).count();
    assert!(bad > 40, "{bad} of 60");
}

/// If there is no get to spoil, the last operation becomes one, even if all outcomes are to be unknown.
#[test]
fn a_flaw_finds_its_get() {
    let settings = Settings {
        operations: 1,
        unknown: Fraction::ALL,
        mix: Mix {
            put: 1,
            ..Mix::NOTHING
        },
        flaw: Flaw::Impossible,
        ..Settings::default()
    };
    assert!(check(&settings.history().unwrap(), Budget::default()).is_bad());
}

#[test]
fn a_flaw_changes_one_answer_and_says_which() {
    for flaw in [Flaw::Stale, Flaw::Impossible] {
        let good: Vec<Event> = Generator::new(mixed(4)).unwrap().collect();
        let mut generator = Generator::new(Settings { flaw, ..mixed(4) }).unwrap();
        let bad: Vec<Event> = generator.by_ref().collect();
        let others: Vec<_> = good.iter().zip(&bad).filter(|(good, bad)| good != bad).collect();
        assert_eq!((good.len(), others.len()), (bad.len(), 1), "{flaw:?}");
        let number = generator.flawed().expect("a get was changed");
        let invoked = bad.iter().filter_map(|event| match &event.kind {
            EventKind::Invoke(operation) => Some((event.process, operation)),
            _ => None,
        });
        let (process, operation) = invoked.clone().nth(place(number)).unwrap();
        assert_eq!((process, &operation.action), (others[0].1.process, &Action::Get));
    }
}

/// The operations, applied in the order in which they take effect, give every answer.
#[test]
fn the_witness_explains_all_answers() {
    let settings = Settings {
        operations: 2000,
        clients: 20,
        ..mixed(3)
    };
    let mut generator = Generator::new(settings).unwrap();
    let mut values: BTreeMap<String, Datum> = BTreeMap::new();
    let mut invoked: Vec<Operation> = Vec::new();
    let (mut open, mut answers) = (BTreeMap::new(), BTreeMap::new());
    let mut late = 0;
    while let Some(step) = generator.next_step() {
        match step {
            Step::Event(Event { process, kind, .. }) => match kind {
                EventKind::Invoke(operation) => {
                    open.insert(process, invoked.len() as u64);
                    invoked.push(operation);
                }
                EventKind::Ok(answer) => {
                    assert_eq!(
                        open.remove(&process).and_then(|number| answers.remove(&number)),
                        Some(answer)
                    );
                }
                EventKind::Fail | EventKind::Info => {
                    open.remove(&process).unwrap();
                }
            },
            Step::Effect(number) => {
                late += usize::from(!open.values().any(|open| *open == number));
                let operation = &invoked[place(number)];
                let value = values.entry(operation.key.clone()).or_default();
                answers.insert(number, apply(value, &operation.action));
            }
        }
    }
    assert!(open.is_empty());
    assert!(late > 20, "{late} of unknown outcome took effect late");
}

fn apply(value: &mut Datum, action: &Action) -> Answer {
    match action {
        Action::Get => return Answer::Value(value.clone()),
        Action::Put(new) => *value = new.clone(),
        Action::Append(tail) => *value = value.appended(tail),
        Action::Delete => *value = Datum::Null,
        Action::Cas { expect, value: new } => {
            let applied = value == expect;
            if applied {
                *value = new.clone();
            }
            return Answer::Swapped { applied };
        }
    }
    Answer::Done
}

#[test]
fn what_is_open_is_all_that_is_held_and_strings_stay_short() {
    let settings = Settings {
        operations: 50_000,
        keys: 1,
        clients: 8,
        unknown: Fraction::percent(1),
        mix: Mix {
            get: 1,
            append: 9,
            ..Mix::NOTHING
        },
        ..Settings::default()
    };
    let mut generator = Generator::new(settings).unwrap();
    let mut longest = 0;
    while let Some(event) = generator.next() {
        assert!(generator.held() < 100);
        if let EventKind::Ok(Answer::Value(Datum::Text(text))) = event.kind {
            longest = longest.max(text.len());
        }
    }
    assert!((24..100).contains(&longest), "{longest}");
}

#[test]
fn written_and_read_again_it_is_the_same() {
    for seed in 0..20 {
        let (streamed, mut whole) = (bytes(&mixed(seed)), Vec::new());
        let history = mixed(seed).history().unwrap();
        history.write(&mut whole).unwrap();
        assert_eq!(streamed, whole);
        assert_eq!(History::read(&whole[..]).unwrap(), history);
    }
}

#[test]
fn each_value_is_written_as_often_as_was_asked() {
    let times = |values| {
        let settings = Settings {
            operations: 4000,
            keys: 1,
            mix: Mix {
                put: 1,
                ..Mix::NOTHING
            },
            values,
            ..Settings::default()
        };
        let mut times: BTreeMap<Datum, u32> = BTreeMap::new();
        for event in Generator::new(settings).unwrap() {
            if let EventKind::Invoke(Operation {
                action: Action::Put(value),
                ..
            }) = event.kind
            {
                *times.entry(value).or_default() += 1;
            }
        }
        (times.len(), times.values().max().copied())
    };
    assert_eq!(times(Values::Unique), (4000, Some(1)));
    assert_eq!(times(Values::Few(7)).0, 7);
    let (different, most) = times(Values::Twice);
    assert!((2000..2020).contains(&different), "{different}");
    assert_eq!(most, Some(2));
}

#[test]
fn what_makes_no_history_is_refused() {
    let refused = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.history().unwrap_err().to_string()
    };
    let refusals = [
        refused(|settings| settings.clients = 0),
        refused(|settings| settings.keys = 0),
        refused(|settings| settings.length = 0),
        refused(|settings| settings.length = 2_000_000),
        refused(|settings| settings.mix = Mix::NOTHING),
        refused(|settings| settings.values = Values::Few(0)),
        refused(|settings| {
            (settings.unknown, settings.failed) = (Fraction::percent(60), Fraction::percent(41));
        }),
        refused(|settings| (settings.operations, settings.flaw) = (0, Flaw::Stale)),
    ];
    expect![[r#"
        clients is 0; it must be 1 or more
        keys is 0; it must be 1 or more
        length is 0; it must be 1 or more
        length is 2000000; at most 1000000 ticks can be had
        all weights of the mix are 0; give one to get, put, append, delete or cas
        values is 0; it must be 1 or more
        60% of unknown outcome and 41% that failed are more than all operations
        a history without operations cannot be made bad; let it have one at least, or no flaw"#]]
    .assert_eq(&refusals.join("\n"));
}

#[test]
fn shares_mixes_and_values_are_read() {
    let share = |text: &str| {
        text.parse::<Fraction>()
            .map(|share| (share.millionths(), share.to_string()))
    };
    assert_eq!(share("2.5%"), Ok((25_000, "2.5%".into())));
    assert_eq!(share("100%"), Ok((1_000_000, "100%".into())));
    assert_eq!(share("0.0001%"), Ok((1, "0.0001%".into())));
    for wrong in [
        "",
        "%",
        "5",
        "101%",
        "-1%",
        "+1%",
        "1.%",
        "0.00001%",
        "1e1%",
        "100.0001%",
    ] {
        assert!(
            share(wrong).unwrap_err().contains("write it like 2.5%"),
            "{wrong}"
        );
    }
    let mix = "get=3,cas=1".parse();
    assert_eq!(
        mix,
        Ok(Mix {
            get: 3,
            cas: 1,
            ..Mix::NOTHING
        })
    );
    for wrong in ["", "get", "get=", "get=-1", "got=1"] {
        assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
    }
    assert_eq!("12".parse(), Ok(Values::Few(12)));
    assert!(
        "thrice"
            .parse::<Values>()
            .unwrap_err()
            .contains("neither unique, nor twice")
    );
}

#[test]
fn tails_can_be_told_apart() {
    let tails = [0, 25, 26, 51, 52, 701, 702].map(|number| key::tail(number).to_string());
    assert_eq!(tails.join(" "), r#""A" "Z" "aA" "aZ" "bA" "zZ" "aaA""#);
}
