//! Results in the JUnit format, for systems of continuous integration: one test case for each property that is
//! checked, and one for the situations that must occur.

use std::fmt::Write as _;
use std::path::Path;

use kvpaxos_sim::invariants::{Property, Sometimes};
use kvpaxos_sim::mutants::Mutant;
use kvpaxos_sim::output::UNWRITTEN;
use kvpaxos_sim::world::ENOUGH_FOR_COVERAGE;
use kvpaxos_sim::{Violation, note};

use crate::run::violation_text;

/// What is written.
pub(crate) struct Results<'a> {
    /// Its command and seeds.
    pub(crate) name: String,
    pub(crate) violations: &'a [Violation],
    pub(crate) mutant: Option<Mutant>,
    /// How many seeds were played, and the situations that never occurred. A single run has none.
    pub(crate) situations: Option<(u64, Vec<Sometimes>)>,
    /// How long it took.
    pub(crate) micros: u64,
}

/// Writes the results. Returns the exit code if they cannot be written.
pub(crate) fn write(path: &Path, results: &Results<'_>) -> Result<(), u8> {
    std::fs::write(path, text(results)).map_err(|why| {
        note!("cannot write {}: {why}", path.display());
        UNWRITTEN
    })
}

fn text(results: &Results<'_>) -> String {
    let mut cases = String::new();
    let (mut tests, mut failures, mut skipped) = (0, 0, 0);
    for property in Property::ALL {
        // Sweeps do not judge D1, and runs do not play a seed twice, unless somebody found a violation.
        let broken: Vec<&Violation> = results
            .violations
            .iter()
            .filter(|one| one.property == property)
            .collect();
        let is_judged = match property {
            Property::D1 => false,
            Property::Determinism => results.situations.is_some(),
            _ => true,
        };
        if !is_judged && broken.is_empty() {
            continue;
        }
        tests += 1;
        failures += u64::from(!broken.is_empty());
        let failure = broken.first().map(|first| {
            let all: String = broken
                .iter()
                .map(|one| violation_text(one, results.mutant))
                .collect();
            (format!("{} seeds: {first}", broken.len()), all)
        });
        case(&mut cases, &format!("{property}: {}", property.says()), failure);
    }
    if let Some((seeds, missing)) = &results.situations {
        tests += 1;
        let name = "every situation occurred";
        if *seeds < ENOUGH_FOR_COVERAGE {
            skipped += 1;
            let why = format!("{seeds} seeds are too few to ask: it takes {ENOUGH_FOR_COVERAGE}");
            let _ = writeln!(
                cases,
                "    <testcase classname=\"kvpaxos-sim\" name=\"{name}\"><skipped message=\"{}\"/></testcase>",
                escaped(&why)
            );
        } else {
            failures += u64::from(!missing.is_empty());
            let names: Vec<&str> = missing.iter().map(|one| one.says()).collect();
            let failure = (!missing.is_empty()).then(|| ("some never occurred".to_owned(), names.join("\n")));
            case(&mut cases, name, failure);
        }
    }
    let name = escaped(&results.name);
    let seconds = format!("{}.{:06}", results.micros / 1_000_000, results.micros % 1_000_000);
    let counts = format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\"");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"kvpaxos-sim\" {counts} time=\"{seconds}\">\n  \
         <testsuite name=\"{name}\" {counts} skipped=\"{skipped}\" time=\"{seconds}\">\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

/// Adds a test case, with what failed in it: a line and the details. Writing to a String does not fail.
fn case(cases: &mut String, name: &str, failure: Option<(String, String)>) {
    let _ = write!(
        cases,
        "    <testcase classname=\"kvpaxos-sim\" name=\"{}\"",
        escaped(name)
    );
    let _ = match failure {
        None => writeln!(cases, "/>"),
        Some((message, details)) => writeln!(
            cases,
            ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
            escaped(&message),
            escaped(&details)
        ),
    };
}

/// The text for an element or an attribute. XML 1.0 has no way to write most control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Attributes would show them as spaces.
            '\n' | '\t' => {
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(seed: u64, explanation: &str) -> Violation {
        Violation {
            property: Property::S2,
            seed,
            at: kvpaxos::Time(1_000_000),
            explanation: explanation.to_owned(),
            history: vec!["get \"k\" -> <none> & more".to_owned()],
        }
    }

    fn results(violations: &[Violation], situations: Option<(u64, Vec<Sometimes>)>) -> String {
        text(&Results {
            name: "sweep 0..9".to_owned(),
            violations,
            mutant: None,
            situations,
            micros: 1_500_000,
        })
    }

    #[test]
    fn every_property_that_is_judged_is_a_test() {
        let good = results(&[], Some((ENOUGH_FOR_COVERAGE, Vec::new())));
        // All but D1, and the situations.
        let count = Property::ALL.len();
        let suite = format!(
            "<testsuite name=\"sweep 0..9\" tests=\"{count}\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"1.500000\">"
        );
        assert!(good.contains(&suite), "{good}");
        assert!(
            good.contains("name=\"S2: the history is linearizable\"/>"),
            "{good}"
        );
        assert!(!good.contains("D1"), "{good}");
        assert_eq!(good.matches("<testcase").count(), count);
        let run = results(&[], None);
        assert!(run.contains(&format!("tests=\"{}\"", count - 2)), "{run}");
        assert!(!run.contains("Determinism"), "{run}");
    }

    #[test]
    fn a_property_that_was_violated_fails_with_the_commands_that_repeat_it() {
        let text = results(&[violation(3, "a < b"), violation(7, "\u{1b}[31m")], None);
        assert!(text.contains("failures=\"1\""), "{text}");
        assert!(
            text.contains("<failure message=\"2 seeds: S2 is violated"),
            "{text}"
        );
        assert!(
            text.contains("a &lt; b") && text.contains("\u{fffd}[31m"),
            "{text}"
        );
        assert!(
            text.contains("get &quot;k&quot; -&gt; &lt;none&gt; &amp; more"),
            "{text}"
        );
        for seed in [3, 7] {
            assert!(
                text.contains(&format!("kvpaxos-sim run --seed {seed} --trace")),
                "{text}"
            );
        }
    }

    #[test]
    fn situations_are_asked_for_where_there_are_enough_seeds() {
        let few = results(&[], Some((10, vec![Sometimes::LeaderChange])));
        assert!(
            few.contains("skipped=\"1\"") && few.contains("failures=\"0\""),
            "{few}"
        );
        let enough = results(&[], Some((ENOUGH_FOR_COVERAGE, vec![Sometimes::LeaderChange])));
        assert!(
            enough.contains("failures=\"1\"") && enough.contains(">leader change</failure>"),
            "{enough}"
        );
    }
}
