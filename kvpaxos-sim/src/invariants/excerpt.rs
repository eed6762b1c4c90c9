//! The part of a trace that explains a violation: the lines that mention what its sentence mentions.

use super::violation::Violation;

/// How many lines an excerpt has at most.
const MOST: usize = 30;

/// Of these lines, the last ones that mention a slot or a ballot of the violation's explanation, or simply
/// the last ones if it mentions none.
#[must_use]
pub fn excerpt(violation: &Violation, lines: &[String]) -> Vec<String> {
    excerpt_of(&violation.explanation, lines)
}

/// Like [`excerpt`], for the explanation of a violation that is not that of a seed.
#[must_use]
pub fn excerpt_of(explanation: &str, lines: &[String]) -> Vec<String> {
    let names = names(explanation);
    let telling: Vec<&String> = lines
        .iter()
        .filter(|line| names.iter().any(|name| has_word(line, name)))
        .collect();
    let from: Vec<&String> = if telling.is_empty() {
        lines.iter().collect()
    } else {
        telling
    };
    from.iter()
        .skip(from.len().saturating_sub(MOST))
        .map(|line| (*line).clone())
        .collect()
}

/// The ballots (`b3.r1`) and slots (`slot 7`, which a trace writes `s7`) in a sentence.
fn names(sentence: &str) -> Vec<String> {
    let words: Vec<&str> = sentence
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .collect();
    let ballots = words
        .iter()
        .filter(|word| word.starts_with('b') && word.contains(".r"))
        .map(|word| word.trim_end_matches('.').to_owned());
    let slots = words
        .windows(2)
        .filter(|pair| {
            pair[0] == "slot" && pair[1].bytes().all(|b| b.is_ascii_digit()) && !pair[1].is_empty()
        })
        .map(|pair| format!("s{}", pair[1]));
    let slots: Vec<String> = slots.collect();
    // Slots select better than ballots: a ballot stands in every line of its leader.
    if slots.is_empty() {
        ballots.collect()
    } else {
        slots
    }
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .any(|other| other == word)
}

#[cfg(test)]
mod tests {
    use kvpaxos::Time;

    use super::*;
    use crate::invariants::violation::Property;

    #[test]
    fn lines_about_the_slot_are_kept() {
        let violation = Violation {
            property: Property::L1,
            seed: 1,
            at: Time(0),
            explanation: "slot 12 has two values in b3.r1".to_owned(),
            history: Vec::new(),
        };
        let lines = ["r1 slot: s12, x", "r2 slot: s1, b3.r1", "r3 slot: s123"].map(str::to_owned);
        assert_eq!(excerpt(&violation, &lines), ["r1 slot: s12, x"]);
        assert_eq!(names("r1 promises b3.r1.0.2, but"), ["b3.r1.0.2"]);
    }
}
