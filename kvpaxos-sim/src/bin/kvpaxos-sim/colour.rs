//! Colours on a terminal.

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

/// The value of `--color`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum ColourArgument {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    Auto,
    Always,
    Never,
}

static IS_ON: AtomicBool = AtomicBool::new(false);

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const GREEN: &str = "\x1b[1;32m";
const YELLOW: &str = "\x1b[33m";

/// Decides whether what this program prints has colours.
pub(crate) fn set(argument: ColourArgument) {
    let is_on = is_on(argument, io::stdout().is_terminal(), |name| env::var(name).ok());
    IS_ON.store(is_on, Ordering::Relaxed);
}

/// See <https://no-color.org>: a flag counts more than the variable.
fn is_on(argument: ColourArgument, is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    match argument {
        ColourArgument::Always => true,
        ColourArgument::Never => false,
        ColourArgument::Auto => {
            let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
            is_terminal && !refused && variable("TERM").as_deref() != Some("dumb")
        }
    }
}

/// The text of a report, with colours if there are to be any: labels of rows, verdicts, situations that never occurred.
pub(crate) fn painted(text: &str) -> String {
    if !IS_ON.load(Ordering::Relaxed) {
        return text.to_owned();
    }
    text.split_inclusive('\n').map(painted_line).collect()
}

fn painted_line(line: &str) -> String {
    let (content, end) = match line.strip_suffix('\n') {
        Some(content) => (content, "\n"),
        None => (line, ""),
    };
    let whole = |colour: &str| format!("{colour}{content}{RESET}{end}");
    if let Some(verdict) = content
        .strip_prefix("verdict: ")
        .or(content.strip_prefix("  verdict     "))
    {
        let is_good = verdict.starts_with("good");
        return whole(if is_good { GREEN } else { RED });
    }
    if content.contains(" is violated (") || content.starts_with("situations that never occurred") {
        return whole(RED);
    }
    if content.trim_start().starts_with("0  ") {
        return whole(YELLOW);
    }
    let label = content
        .strip_prefix("  ")
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()));
    if let Some((label, rest)) = label.and_then(|rest| rest.split_once(' ')) {
        return format!("  {BOLD}{label}{RESET} {rest}{end}");
    }
    if let Some((label, rest)) = content.split_once(" it with: ") {
        return format!("{label} it with: {BOLD}{rest}{RESET}{end}");
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_counts_more_than_the_variable_and_that_more_than_the_terminal() {
        let with = |argument, is_terminal, variables: &[(&str, &str)]| {
            is_on(argument, is_terminal, |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let no_color = [("NO_COLOR", "1")];
        assert!(with(
            ColourArgument::Auto,
            true,
            &[("TERM", "xterm"), ("NO_COLOR", "")]
        ));
        assert!(!with(ColourArgument::Auto, true, &no_color));
        assert!(!with(ColourArgument::Auto, true, &[("TERM", "dumb")]));
        assert!(!with(ColourArgument::Auto, false, &[]));
        assert!(with(ColourArgument::Always, false, &no_color));
        assert!(!with(ColourArgument::Never, true, &[]));
    }

    /// Without its colours a line is what it was.
    #[test]
    fn colours_add_nothing_but_themselves() {
        for line in [
            "verdict: good\n",
            "  verdict     S2 is violated (x): seed 1\n",
            "            0  leader change\n",
            "           10  leader change\n",
            "  events      12 in all",
            "shrink it with: kvpaxos-sim shrink\n",
            "\n",
            "",
        ] {
            let mut plain = painted_line(line);
            for code in [RESET, BOLD, RED, GREEN, YELLOW] {
                plain = plain.replace(code, "");
            }
            assert_eq!(plain, line);
        }
        assert!(painted_line("verdict: good\n").starts_with(GREEN));
        assert!(painted_line("verdict: 1 of 2 seeds failed").starts_with(RED));
        assert!(painted_line("            0  leader change\n").starts_with(YELLOW));
    }
}
