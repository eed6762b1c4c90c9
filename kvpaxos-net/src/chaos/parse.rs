//! Reads the rules of `--chaos`.
//!
//! ```text
//! rules     = rule *( ";" rule )
//! rule      = role  [ ":" option *( "," option ) ]        option of a role:  every, down, memory
//!           | "link" [ ":" option *( "," option ) ]       option of a link:  every, for, drop, delay, cut, direction
//! role      = "acceptor" | "proposer" | "learner" | "replica" | "all"
//! every     = "every=" times        down = "down=" times        for = "for=" times
//! memory    = "memory=" ( "lost" | "kept" )
//! drop      = "drop=" number "%"    delay = "delay=" times      cut = "cut"
//! direction = "direction=" ( "both" | "out" | "in" )
//! times     = time [ ".." time ]    time = number ( "ms" | "s" | "m" )
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::chaos::rule::{ChaosRule, RoleChoice, Target};
use crate::links::faults::{LinkDirection, LinkFault};
use crate::replica::inbox::RestartMemory;
use crate::system::times::TimeRange;

/// How often there is a disturbance, unless a rule says it.
const EVERY: TimeRange = TimeRange::millis(5_000, 20_000);
/// How long it lasts.
const LENGTH: TimeRange = TimeRange::millis(1_000, 3_000);
/// The shortest time between two.
const SHORTEST: Duration = Duration::from_millis(10);

/// Some rules, as they are written on one line: with `;` between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChaosRules(pub Vec<ChaosRule>);

/// Why a text is no rule for chaos.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChaosRuleError {
    /// There is nothing where a rule should be.
    #[error(
        "a rule is empty; write one as acceptor:every=5s..20s,down=1s..3s,memory=lost, with ; between two"
    )]
    Empty,
    /// It does not begin with what is to be disturbed.
    #[error(
        "{word:?} is nothing that can be disturbed; write acceptor, proposer, learner, replica, all or link"
    )]
    Target {
        /// The first word of the rule.
        word: String,
    },
    /// An option that rules of this kind do not have.
    #[error("a rule for {target} has no option {word:?}; it has {options}")]
    Option {
        /// What is disturbed.
        target: String,
        /// The option.
        word: String,
        /// The options that there are.
        options: &'static str,
    },
    /// An option stands twice in a rule.
    #[error("{option} stands twice in a rule for {target}; write it once")]
    Twice {
        /// What is disturbed.
        target: String,
        /// The option.
        option: String,
    },
    /// The value of an option is none.
    #[error("{option}={value:?} makes no sense; write {expect}")]
    Value {
        /// The option.
        option: String,
        /// Its value.
        value: String,
        /// What it may be.
        expect: &'static str,
    },
    /// Two faults for one link at once.
    #[error("a link has one fault at a time, not {first} and {second}; write two rules, with ; between them")]
    TwoFaults {
        /// The fault that stands first.
        first: String,
        /// The next one.
        second: String,
    },
}

const TIMES: &str = "250ms, 2s or 1m, or a range such as 1s..3s, up to 24 hours";
const TIMES_BETWEEN: &str = "250ms, 2s or 1m, or a range such as 5s..20s, from 10ms to 24 hours";
const MEMORY: &str = "memory=lost or memory=kept";
const PERCENT: &str = "a whole number from drop=1% to drop=100%";
const DIRECTION: &str = "direction=both, direction=out or direction=in";
const CUT: &str = "cut alone";

impl FromStr for ChaosRules {
    type Err = ChaosRuleError;

    fn from_str(text: &str) -> Result<ChaosRules, ChaosRuleError> {
        text.split(';')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(ChaosRules)
    }
}

/// As they are parsed.
impl fmt::Display for ChaosRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, rule) in self.0.iter().enumerate() {
            write!(f, "{}{rule}", if place == 0 { "" } else { ";" })?;
        }
        Ok(())
    }
}

impl FromStr for ChaosRule {
    type Err = ChaosRuleError;

    fn from_str(text: &str) -> Result<ChaosRule, ChaosRuleError> {
        let (word, options) = match text.trim().split_once(':') {
            Some((word, options)) => (word.trim(), Some(options)),
            None => (text.trim(), None),
        };
        if word.is_empty() && options.is_none() {
            return Err(ChaosRuleError::Empty);
        }
        let options = OptionList::split(word, options)?;
        match RoleChoice::EACH.into_iter().find(|choice| choice.name() == word) {
            Some(choice) => role_rule(choice, options),
            None if word == "link" => link_rule(options),
            None => Err(ChaosRuleError::Target {
                word: word.to_owned(),
            }),
        }
    }
}

fn role_rule(choice: RoleChoice, mut options: OptionList<'_>) -> Result<ChaosRule, ChaosRuleError> {
    let (every, length) = (options.every()?, options.times("down", LENGTH)?);
    let memory = match options.take("memory") {
        None | Some("lost") => RestartMemory::Lost,
        Some("kept") => RestartMemory::Kept,
        Some(value) => return Err(unexpected("memory", value, MEMORY)),
    };
    options.end("every, down and memory")?;
    let target = Target::Roles { choice, memory };
    Ok(ChaosRule {
        target,
        every,
        length,
    })
}

fn link_rule(mut options: OptionList<'_>) -> Result<ChaosRule, ChaosRuleError> {
    let (every, length) = (options.every()?, options.times("for", LENGTH)?);
    let fault = options.fault()?;
    let direction = match options.take("direction") {
        None | Some("both") => LinkDirection::Both,
        Some("out") => LinkDirection::Out,
        Some("in") => LinkDirection::In,
        Some(value) => return Err(unexpected("direction", value, DIRECTION)),
    };
    options.end("every, for, drop, delay, cut and direction")?;
    let target = Target::Link { fault, direction };
    Ok(ChaosRule {
        target,
        every,
        length,
    })
}

fn unexpected(option: &str, value: &str, expect: &'static str) -> ChaosRuleError {
    ChaosRuleError::Value {
        option: option.to_owned(),
        value: value.to_owned(),
        expect,
    }
}

/// The options of a rule that are not used yet, in their order. The value of a single word is empty.
struct OptionList<'a> {
    target: &'a str,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> OptionList<'a> {
    fn split(target: &'a str, text: Option<&'a str>) -> Result<OptionList<'a>, ChaosRuleError> {
        let mut options: Vec<(&str, &str)> = Vec::new();
        for option in text.into_iter().flat_map(|text| text.split(',')) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let name = name.trim();
            if options.iter().any(|(other, _)| *other == name) {
                return Err(ChaosRuleError::Twice {
                    target: target.to_owned(),
                    option: name.to_owned(),
                });
            }
            options.push((name, value.trim()));
        }
        Ok(OptionList { target, options })
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let place = self.options.iter().position(|(found, _)| *found == name)?;
        Some(self.options.remove(place).1)
    }

    fn times(&mut self, option: &str, default: TimeRange) -> Result<TimeRange, ChaosRuleError> {
        match self.take(option) {
            None => Ok(default),
            Some(value) => TimeRange::parse(value).ok_or_else(|| unexpected(option, value, TIMES)),
        }
    }

    fn every(&mut self) -> Result<TimeRange, ChaosRuleError> {
        match self.take("every") {
            None => Ok(EVERY),
            Some(value) => TimeRange::parse(value)
                .filter(|every| every.least() >= SHORTEST)
                .ok_or_else(|| unexpected("every", value, TIMES_BETWEEN)),
        }
    }

    /// The one fault of a link; a cut, if none is named.
    fn fault(&mut self) -> Result<LinkFault, ChaosRuleError> {
        let is_fault = |name: &str| ["drop", "delay", "cut"].contains(&name);
        let mut named = self
            .options
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| is_fault(name));
        let Some(name) = named.next() else {
            return Ok(LinkFault::Cut);
        };
        if let Some(second) = named.next() {
            return Err(ChaosRuleError::TwoFaults {
                first: name.to_owned(),
                second: second.to_owned(),
            });
        }
        let value = self.take(name).unwrap_or_default();
        match name {
            "drop" => {
                let percent = value.strip_suffix('%').and_then(|number| number.parse().ok());
                percent
                    .filter(|percent| (1..=100).contains(percent))
                    .map(LinkFault::Drop)
                    .ok_or_else(|| unexpected(name, value, PERCENT))
            }
            "delay" => TimeRange::parse(value)
                .map(LinkFault::Delay)
                .ok_or_else(|| unexpected(name, value, TIMES)),
            _ if value.is_empty() => Ok(LinkFault::Cut),
            _ => Err(unexpected(name, value, CUT)),
        }
    }

    /// No option is left.
    fn end(self, options: &'static str) -> Result<(), ChaosRuleError> {
        match self.options.first() {
            None => Ok(()),
            Some((word, _)) => Err(ChaosRuleError::Option {
                target: self.target.to_owned(),
                word: (*word).to_owned(),
                options,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use kvpaxos::Random;

    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<ChaosRules>()
            .map_or_else(|error| error.to_string(), |rules| rules.to_string())
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        for (text, whole) in [
            ("acceptor", "acceptor:every=5s..20s,down=1s..3s,memory=lost"),
            ("all:memory=kept", "all:every=5s..20s,down=1s..3s,memory=kept"),
            ("link", "link:every=5s..20s,for=1s..3s,cut,direction=both"),
            (
                "proposer:every=2s..60s,down=0ms; link:drop=20%,direction=in,every=1500ms,for=3m",
                "proposer:every=2s..1m,down=0s,memory=lost;link:every=1500ms,for=3m,drop=20%,direction=in",
            ),
            (
                " replica : down = 90s , every=10ms ",
                "replica:every=10ms,down=90s,memory=lost",
            ),
            (
                "link:delay=10ms..50ms,direction=out",
                "link:every=5s..20s,for=1s..3s,delay=10ms..50ms,direction=out",
            ),
        ] {
            assert_eq!(shown(text), whole);
            assert_eq!(shown(whole), whole);
        }
    }

    #[test]
    fn an_error_names_the_word_and_what_is_allowed() {
        for (text, error) in [
            ("", "a rule is empty"),
            ("acceptor;", "a rule is empty"),
            (
                "acceptors",
                "\"acceptors\" is nothing that can be disturbed; write acceptor, proposer,",
            ),
            (":every=1s", "\"\" is nothing that can be disturbed"),
            (
                "acceptor:",
                "a rule for acceptor has no option \"\"; it has every, down and memory",
            ),
            ("acceptor:for=1s", "no option \"for\""),
            (
                "link:down=1s",
                "a rule for link has no option \"down\"; it has every, for, drop,",
            ),
            (
                "learner:every=1s,every=2s",
                "every stands twice in a rule for learner",
            ),
            (
                "learner:every=5",
                "every=\"5\" makes no sense; write 250ms, 2s or 1m, or a range",
            ),
            ("learner:every=0s", "from 10ms to 24 hours"),
            ("learner:down=3s..1s", "down=\"3s..1s\" makes no sense"),
            (
                "all:memory=some",
                "memory=\"some\" makes no sense; write memory=lost or memory=kept",
            ),
            (
                "link:drop=0%",
                "drop=\"0%\" makes no sense; write a whole number from drop=1%",
            ),
            ("link:drop=101%", "drop=\"101%\""),
            ("link:drop=20", "drop=\"20\""),
            ("link:delay", "delay=\"\" makes no sense"),
            ("link:cut=yes", "cut=\"yes\" makes no sense; write cut alone"),
            (
                "link:cut,drop=5%",
                "a link has one fault at a time, not cut and drop; write two rules",
            ),
            ("link:cut,cut", "cut stands twice"),
            (
                "link:direction=up",
                "write direction=both, direction=out or direction=in",
            ),
        ] {
            let found = shown(text);
            assert!(found.contains(error), "{text:?}: {found}");
        }
    }

    /// No text makes it panic, and what it prints is what it reads.
    #[test]
    fn random_words_are_refused_or_read_as_they_are_shown() {
        const WORDS: [&str; 24] = [
            "every=1s..5s",
            "every=90s",
            "down=10ms",
            "down=0s..1m",
            "for=3s",
            "memory=kept",
            "memory=lost",
            "drop=20%",
            "delay=5ms..7ms",
            "cut",
            "direction=in",
            "direction=both",
            "every",
            "for=",
            "=",
            ":",
            ";",
            "acceptor:",
            "link:",
            "all",
            "..",
            "0",
            " ",
            "ü",
        ];
        let mut random = Random::from_seed(3);
        let mut draw = |below: usize| usize::try_from(random.below(below as u64)).unwrap();
        let mut good = 0;
        for _ in 0..20_000 {
            let mut text = ["acceptor", "all", "link", "replica"][draw(4)].to_owned();
            for place in 0..draw(5) {
                text += [if place == 0 { ":" } else { "," }, ",", ";", ""][draw(16) / 12];
                text += WORDS[draw(WORDS.len())];
            }
            if let Ok(rules) = text.parse::<ChaosRules>() {
                good += 1;
                assert_eq!(rules.to_string().parse(), Ok(rules), "{text}");
            }
        }
        assert!(good > 100, "{good}");
    }
}
