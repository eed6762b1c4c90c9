//! The page: draws reports as one file of HTML that needs no other file. Whatever a history holds is shown as
//! text.

use crate::linearizability::json::{FileReport, evidence, overall, word};
use crate::linearizability::{Budget, Evidence, KeyReport, KeyVerdict, Report};

use crate::markup::escape;
use drawing::drawing;
use layout::{Bar, Layout};
use text::{action, answer, long};

mod drawing;
mod layout;
#[cfg(test)]
mod tests;
mod text;

/// A table lists at most so many keys; nobody would read more, so the rest is counted.
const MOST_KEYS: usize = 200;

/// The page for these files, which were judged within this budget.
#[must_use]
pub fn page(files: &[FileReport], budget: Budget) -> String {
    let sections: String = files.iter().map(|judged| section(judged, budget)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Linearizability</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<h1>Is there an order that explains all answers?</h1>\n{sections}</body>\n</html>\n",
        include_str!("style.css")
    )
}

fn section(judged: &FileReport, budget: Budget) -> String {
    let file = escape(&long(&judged.file));
    let title =
        |class, verdict| format!("<h2>{file} <span class=\"verdict {class}\">{verdict}</span></h2>\n");
    let report = match &judged.result {
        Ok(report) => report,
        Err(error) => {
            let reason = escape(&long(&error.to_string()));
            return format!("{}<p>{reason}</p>\n", title("malformed", "malformed"));
        }
    };
    let verdict = overall(report);
    let drawn: String = evidence(report).iter().map(proof).collect();
    format!(
        "{}{}{drawn}{}",
        title(word(verdict), plain(verdict)),
        summary(report, budget),
        keys(report)
    )
}

fn plain(verdict: KeyVerdict) -> &'static str {
    match verdict {
        KeyVerdict::Linearizable => "linearizable",
        KeyVerdict::NotLinearizable => "NOT linearizable",
        KeyVerdict::Undecided => "undecided",
    }
}

fn summary(report: &Report, budget: Budget) -> String {
    let Report {
        keys,
        operations,
        unknown,
        steps,
        ..
    } = report;
    let mut text = format!(
        "<p>{operations} operations on {keys} keys, {unknown} of unknown fate; the checker took {steps} steps."
    );
    let is_undecided = |key: &&KeyReport| key.verdict == KeyVerdict::Undecided;
    let undecided = report.per_key.iter().filter(is_undecided).count();
    if undecided > 0 {
        text += &format!(
            " Of these keys {undecided} could not be decided within {} steps or {} MiB for each.",
            budget.steps,
            budget.memory >> 20
        );
    }
    text + "</p>\n"
}

/// The table of keys, the worst first.
fn keys(report: &Report) -> String {
    let mut keys: Vec<&KeyReport> = report.per_key.iter().collect();
    keys.sort_by_key(|key| match key.verdict {
        KeyVerdict::NotLinearizable => 0,
        KeyVerdict::Undecided => 1,
        KeyVerdict::Linearizable => 2,
    });
    let row = |key: &&KeyReport| {
        format!(
            "<tr><td class=\"text\"><div>{}</div></td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td></tr>\n",
            escape(&long(&format!("{:?}", key.key))),
            plain(key.verdict),
            key.operations,
            key.unknown,
            key.steps
        )
    };
    let rows: String = keys.iter().take(MOST_KEYS).map(row).collect();
    let more = keys.len().saturating_sub(MOST_KEYS);
    let more = if more > 0 {
        format!("<p class=\"dim\">{more} keys more are not listed.</p>\n")
    } else {
        String::new()
    };
    format!(
        "<h3>All keys</h3>\n<table><tr><th>key</th><th>verdict</th><th class=\"number\">operations</th>\
         <th class=\"number\">unknown fate</th><th class=\"number\">steps</th></tr>\n{rows}</table>\n{more}"
    )
}

fn proof(evidence: &Evidence) -> String {
    let layout = Layout::of(evidence);
    let key = escape(&long(&format!("{:?}", evidence.key)));
    format!(
        "<h3>Key <code>{key}</code></h3>\n{}{}{}{}{}",
        explanation(evidence, &layout),
        drawing(&layout),
        LEGEND,
        operations(&layout),
        lines(evidence)
    )
}

/// The drawing in words.
fn explanation(evidence: &Evidence, layout: &Layout<'_>) -> String {
    let culprit = &evidence.culprit;
    let end = culprit
        .completed
        .map_or_else(String::new, |time| format!(" at {time}"));
    let mut text = format!(
        "<p>First value: <code>{}</code>. When process {} completed <code>{}</code> with <code>{}</code>{end}, no order could explain \
         all answers any more.</p>\n",
        escape(&long(&evidence.initial.to_string())),
        culprit.process,
        escape(&long(&action(culprit))),
        escape(&long(&answer(culprit))),
    );
    if !evidence.order.is_empty() {
        text += &format!(
            "<p>The longest order that was found has {} operations ({} of them drawn, with their places) and no place for {} that completed. \
             After it the value is <code>{}</code>.</p>\n",
            evidence.order.len(),
            layout.line.len(),
            evidence.unplaced.len(),
            escape(&long(&layout.last.to_string()))
        );
    }
    let all = evidence.others.len() + 1 + evidence.left_out;
    let more = all.saturating_sub(layout.bars.len());
    if more > 0 {
        text += &format!("<p class=\"dim\">{more} operations more on the key are not drawn.</p>\n");
    }
    if layout.has_ties() {
        text += "<p class=\"dim\">Some events have the same time. Operations are drawn to overlap there, and may have followed each other.</p>\n";
    }
    text
}

/// The signs of the drawing.
const LEGEND: &str = "<div class=\"legend\">\
    <span><svg width=\"26\" height=\"12\"><rect class=\"write\" width=\"26\" height=\"12\" rx=\"3\"/></svg>write, from invocation to completion</span>\
    <span><svg width=\"26\" height=\"12\"><rect class=\"read\" width=\"26\" height=\"12\" rx=\"3\"/></svg>read</span>\
    <span><svg width=\"26\" height=\"12\"><rect class=\"bad\" width=\"26\" height=\"12\" rx=\"3\"/></svg>✗ culprit, or no place in the order</span>\
    <span><svg width=\"26\" height=\"13\"><path class=\"write open\" d=\"M26 1H1V12H26\"/></svg>not completed: running on, or of unknown fate</span>\
    <span><svg width=\"26\" height=\"16\"><path class=\"order\" d=\"M0 8H26\"/><rect class=\"chip\" x=\"5\" y=\"1\" width=\"16\" height=\"14\" rx=\"7\"/>\
    <text class=\"chip-text\" x=\"13\" y=\"12\">1</text></svg>takes effect here, in this place of the order</span>\
    <span>┊ a completion: what begins to the right of it comes later in every order</span></div>\n";

/// The table of all operations that are drawn.
fn operations(layout: &Layout<'_>) -> String {
    let rows: String = layout.bars.iter().map(operation).collect();
    format!(
        "<details open><summary>The operations in full</summary>\n<table><tr><th>place</th><th class=\"number\">process</th>\
         <th>operation</th><th>answer</th><th class=\"number\">invoked</th><th class=\"number\">completed</th><th>value after it</th></tr>\n\
         {rows}</table></details>\n"
    )
}

fn operation(bar: &Bar<'_>) -> String {
    let mut place: Vec<String> = bar
        .placed
        .iter()
        .map(|placed| placed.number.to_string())
        .collect();
    place.extend(bar.is_culprit.then(|| "✗ culprit".to_owned()));
    place.extend(bar.is_unplaced.then(|| "no place".to_owned()));
    let value = bar
        .placed
        .as_ref()
        .map_or_else(String::new, |placed| placed.value.to_string());
    let shown = bar.shown;
    format!(
        "<tr{}><td>{}</td><td class=\"number\">{}</td>{}{}<td class=\"number\">{}</td><td class=\"number\">{}</td>{}</tr>\n",
        if bar.is_bad() { " class=\"bad\"" } else { "" },
        place.join(", "),
        shown.process,
        cell(&action(shown)),
        cell(&answer(shown)),
        shown.invoked,
        shown
            .completed
            .map_or_else(|| "-".to_owned(), |time| time.to_string()),
        cell(&value)
    )
}

fn cell(text: &str) -> String {
    format!("<td class=\"text\"><div>{}</div></td>", escape(&long(text)))
}

fn lines(evidence: &Evidence) -> String {
    let lines = evidence.lines();
    let lines: Vec<String> = lines.iter().map(|line| escape(&long(line))).collect();
    format!(
        "<details><summary>As text</summary><pre>{}</pre></details>\n",
        lines.join("\n")
    )
}
