use serde_json::{Value, json};

use super::page;
use crate::mutants::{self, Mutant};
use crate::timeline::{Builder, Found, Kind, NodeKind, Pointer, Timeline, Words};
use crate::world::scenario::Scenario;
use crate::world::{FailingRun, Origin};
use crate::{Setup, Trace};

const STALE_READ: &str = include_str!("../../../tests/integration/scenario_files/stale-read.txt");

/// The data of a page, as a browser reads it.
fn data(page: &str) -> Value {
    let begin = "<script type=\"application/json\" id=\"data\">";
    let (_, rest) = page.split_once(begin).expect("the page has data");
    let (data, _) = rest.split_once("</script>").expect("the data ends");
    serde_json::from_str(data).expect("the data is JSON")
}

fn stale_read() -> Timeline {
    let scenario = Scenario::read(STALE_READ).expect("the file is a scenario");
    mutants::replay_pictured(&scenario)
        .expect("it can be played")
        .timeline
}

fn length(of: &Value) -> usize {
    of.as_array().expect("a column").len()
}

#[test]
fn the_data_of_a_page_is_the_timeline() {
    let timeline = stale_read();
    let data = data(&page(&timeline));
    let (events, messages) = (timeline.events.len(), timeline.messages.len());
    for (name, column) in data["events"].as_object().expect("columns") {
        assert_eq!(length(column), events, "{name}");
    }
    for (name, column) in data["messages"].as_object().expect("columns") {
        assert_eq!(length(column), messages, "{name}");
    }
    let strings = &data["strings"];
    let first = usize::try_from(data["calls"]["text"][0].as_u64().expect("a place")).expect("fits");
    assert_eq!(strings[first], "put k0=4-76");
    assert_eq!(data["scenario"], timeline.scenario.expect("it was played"));
}

#[test]
fn what_a_message_names_exists_and_comes_later() {
    let timeline = stale_read();
    let mut arrived = 0;
    for message in &timeline.messages {
        assert!((message.sent.0 as usize) < timeline.events.len());
        assert!(usize::from(message.to.0) < timeline.nodes.len());
        for arrival in &message.arrived {
            assert!(*arrival > message.sent);
            let event = &timeline.events[arrival.0 as usize];
            assert_eq!((event.node, event.cause), (message.to, Some(message.sent)));
            arrived += 1;
        }
    }
    assert!(arrived > 20, "{arrived}");
    let lost = timeline
        .messages
        .iter()
        .filter(|message| message.lost.is_some())
        .count();
    assert!(lost > 0, "links are cut in this run");
    let times = timeline.events.iter().map(|event| event.at);
    assert!(times.is_sorted());
}

#[test]
fn the_violation_names_its_event_and_its_operations() {
    let timeline = stale_read();
    let found = timeline.violation.as_ref().expect("the scenario violates S2");
    assert_eq!(found.property, "S2");
    let event = &timeline.events[found.event.expect("an event").0 as usize];
    assert_eq!(event.kind, Kind::End);
    let parts: Vec<(&str, bool)> = timeline
        .calls
        .iter()
        .map(|call| (call.text.as_str(), call.part.is_some()))
        .collect();
    assert_eq!(parts, [("put k0=4-76", true), ("get k0", true)]);
}

/// An event of the engine is found by its number, and what it is called and why stands on the page.
#[test]
fn marked_events_are_those_that_the_trace_numbers() {
    let scenario = Scenario::read(STALE_READ).expect("the file is a scenario");
    let traced = mutants::replay(&scenario, Trace::Off).expect("it can be played");
    let origin = Origin::Scenario(Box::new(scenario.clone()));
    let run = FailingRun::new(origin, &traced, FailingRun::GRACE).expect("it fails");
    let numbers: Vec<u64> = (1..=run.events).collect();
    let lines = mutants::lines_of_events(&run, Mutant::named("unconfirmed-read"), &numbers);
    let is_cut = |event: &u64| lines.at(*event).1.iter().any(|line| line.contains(": cut: "));
    let cut = numbers.iter().copied().find(is_cut).expect("links are cut");
    let mut pictured = mutants::replay_pictured(&scenario).expect("it can be played");
    pictured.point_out(cut, "likely", "why".to_owned());
    pictured.point_out(0, "before all events", String::new());
    pictured.point_out(run.events + 1, "behind the last one", String::new());
    let timeline = &pictured.timeline;
    let [pointer] = timeline.pointers.as_slice() else {
        panic!("{:?}", timeline.pointers);
    };
    assert_eq!(timeline.events[pointer.event.0 as usize].kind, Kind::FaultBegins);
    let data = data(&page(timeline));
    let [event, name, text] = [0, 1, 2].map(|place| &data["pointers"][0][place]);
    assert_eq!((event, name), (&json!(pointer.event), &json!("likely")));
    let text = usize::try_from(text.as_u64().expect("a place")).expect("fits");
    assert_eq!(data["strings"][text], "why");
}

#[test]
fn a_timeline_changes_no_digest() {
    let setup = Setup::quiet(3);
    let plain = mutants::record(setup.clone(), None).expect("it can be played");
    let pictured = mutants::record_pictured(setup, None).expect("it can be played");
    assert_eq!(plain.report.digest, pictured.recording.report.digest);
    assert!(pictured.timeline.events.len() > 100);
}

#[test]
fn what_a_run_holds_is_never_markup() {
    let evil =
        "</script><script>alert('1')</script><!--<img src=x onerror=\"x\">&amp;{DATA}\u{0}\u{1b}\u{202e}";
    let mut builder = Builder::default();
    let node = builder.node(evil, NodeKind::Client);
    let event = builder.event(0, node, Kind::Start, evil);
    builder.state(event, [(evil, evil.to_owned())]);
    let words = Words {
        name: evil.to_owned(),
        text: evil.to_owned(),
        ballot: Some(evil.to_owned()),
        slots: vec![u64::MAX],
        keys: vec![evil.to_owned()],
    };
    builder.note(event, words.clone(), None);
    let message = builder.sent(event, node, words);
    builder.arrived(5, node, message, evil);
    let call = builder.call(6, node, evil, vec![evil.to_owned()]);
    builder.ended(7, call, evil);
    builder.violated(Found {
        property: evil.to_owned(),
        says: evil.to_owned(),
        at: 7,
        explanation: evil.to_owned(),
        lines: vec![evil.to_owned()],
        event: None,
    });
    let timeline = builder.timeline();
    timeline.title = evil.to_owned();
    timeline.pointers = vec![Pointer {
        event,
        name: evil.to_owned(),
        text: evil.to_owned(),
    }];
    timeline.facts = vec![(evil.to_owned(), evil.to_owned())];
    timeline.scenario = Some("# </script>".to_owned());
    let page = page(&builder.finish());
    // The element of the data, and that of the script.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    for bad in ["<img src=x", "<!--", "\u{0}", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    assert_eq!(data(&page)["scenario"], "# </script>");
}

#[test]
fn nothing_comes_from_elsewhere() {
    let page = page(&Builder::default().finish());
    for outside in [
        "http:",
        "https:",
        " src=",
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
        "innerHTML",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn long_text_is_cut_and_says_its_length() {
    let mut builder = Builder::default();
    let node = builder.node("r0", NodeKind::Replica);
    builder.event(0, node, Kind::Other, "x".repeat(1_000_000));
    let page = page(&builder.finish());
    assert!(page.contains("(1000000 characters in all)"));
    assert!(page.len() < 150_000, "{}", page.len());
}
