//! The drawing of evidence: a row for each process, a bar for each operation, a line for the order that was
//! found.

use std::borrow::Cow;

use super::layout::{Bar, Layout, OrderPlace};
use super::text::{action, answer, clip, label};
use crate::history::Action;
use crate::markup::escape;

const TOP: f64 = 26.0;
const ROW: f64 = 48.0;
const BAR: f64 = 20.0;
/// The space before the first event and after the last, in pixels.
const MARGIN: f64 = 14.0;
/// The width of a character of labels, in pixels.
const WIDE: f64 = 7.3;

/// The scale of a drawing, in pixels.
struct Scale {
    /// The distance between two events.
    step: f64,
    width: f64,
    height: f64,
    /// The number of rows of operations.
    rows: usize,
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
impl Scale {
    fn of(layout: &Layout<'_>) -> Scale {
        let rows = layout.lanes.iter().map(|(_, rows)| rows).sum();
        let events = layout.times.len() as f64;
        let step = (1150.0 / events).clamp(36.0, 130.0);
        let below = if layout.line.is_empty() { 0.0 } else { ROW };
        Scale {
            step,
            width: 2.0 * MARGIN + events * step,
            height: TOP + rows as f64 * ROW + below,
            rows,
        }
    }

    fn x(&self, event: usize) -> f64 {
        self.between(event as f64)
    }

    fn between(&self, moment: f64) -> f64 {
        MARGIN + moment * self.step
    }

    /// The upper end of a row.
    fn y(&self, row: usize) -> f64 {
        TOP + row as f64 * ROW
    }
}

/// The drawing: the names of the processes at the left, which stay, and everything else, which can be
/// scrolled.
pub(super) fn drawing(layout: &Layout<'_>) -> String {
    let scale = Scale::of(layout);
    let parts = [
        bands(layout, &scale, scale.width),
        times(layout, &scale),
        guides(layout, &scale),
        layout
            .bars
            .iter()
            .map(|bar| operation(layout, &scale, bar))
            .collect(),
        line(layout, &scale),
        layout.bars.iter().map(|bar| name(layout, &scale, bar)).collect(),
        numbers(layout, &scale),
        values(layout, &scale),
    ];
    let Scale { width, height, .. } = scale;
    format!(
        "<div class=\"drawing\">{}<div class=\"scroll\"><svg role=\"img\" aria-label=\"operations over time\" width=\"{width:.0}\" \
         height=\"{height:.0}\">\n{}</svg></div></div>\n",
        names(layout, &scale),
        parts.concat()
    )
}

fn names(layout: &Layout<'_>, scale: &Scale) -> String {
    const WIDTH: f64 = 108.0;
    let mut row = 0;
    let mut names = bands(layout, scale, WIDTH);
    for (process, rows) in &layout.lanes {
        let y = scale.y(row) + 33.0;
        let name = format!("process {process}");
        let shown = clip(&name, 13);
        names += &format!("<text x=\"10\" y=\"{y}\">{shown}<title>{name}</title></text>\n");
        row += rows;
    }
    if !layout.line.is_empty() {
        let y = scale.y(row) + 28.0;
        names += &format!("<text x=\"10\" y=\"{y}\" class=\"dim\">value after</text>\n");
    }
    names += "<text x=\"10\" y=\"17\" class=\"dim\">time</text>\n";
    format!(
        "<svg width=\"{WIDTH}\" height=\"{:.0}\">\n{names}</svg>",
        scale.height
    )
}

/// The background of every second process.
fn bands(layout: &Layout<'_>, scale: &Scale, width: f64) -> String {
    let mut bands = String::new();
    let mut row = 0;
    for (nth, (_, rows)) in layout.lanes.iter().enumerate() {
        let (y, height) = (scale.y(row), scale.y(row + rows) - scale.y(row));
        if nth % 2 == 0 {
            bands += &format!(
                "<rect class=\"band\" x=\"0\" y=\"{y}\" width=\"{width:.0}\" height=\"{height}\"/>\n"
            );
        }
        row += rows;
    }
    bands
}

/// The times of as many events as have room.
fn times(layout: &Layout<'_>, scale: &Scale) -> String {
    let mut free = 0.0;
    let mut times = String::new();
    for (event, time) in layout.times.iter().enumerate() {
        let (x, text) = (scale.x(event), time.to_string());
        if x < free {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "a time has 20 digits at most")]
        let width = text.len() as f64 * 6.8 + 8.0;
        free = x + width;
        times += &format!("<text class=\"dim\" x=\"{x:.1}\" y=\"17\">{text}</text>\n");
    }
    times
}

/// A line at each completion: everything to the right of it comes later in every order.
fn guides(layout: &Layout<'_>, scale: &Scale) -> String {
    let bottom = scale.y(scale.rows);
    let guide = |bar: &Bar<'_>| {
        let class = if bar.is_culprit { "end" } else { "guide" };
        let x = scale.x(bar.to);
        format!("<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\n")
    };
    let completed = layout.bars.iter().filter(|bar| bar.to < layout.times.len());
    completed.map(guide).collect()
}

fn operation(layout: &Layout<'_>, scale: &Scale, bar: &Bar<'_>) -> String {
    let (x, end, top) = (scale.x(bar.from), scale.x(bar.to), scale.y(bar.row) + 20.0);
    let class = match &bar.shown.operation.action {
        _ if bar.is_bad() => "bad",
        Action::Get => "read",
        _ => "write",
    };
    let shape = if bar.to < layout.times.len() {
        let width = end - x;
        format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"3\"/>"
        )
    } else {
        let bottom = top + BAR;
        format!("<path class=\"{class} open\" d=\"M{end:.1} {top}H{x:.1}V{bottom}H{end:.1}\"/>")
    };
    let (title, mark) = (escape(&tooltip(bar)), mark(scale, bar));
    format!("<g class=\"bar\"><title>{title}</title>{shape}{mark}</g>\n")
}

/// The label above a bar, as much of it as has room up to the next bar.
fn name(layout: &Layout<'_>, scale: &Scale, bar: &Bar<'_>) -> String {
    let (x, y) = (scale.x(bar.from), scale.y(bar.row));
    let next = layout
        .bars
        .iter()
        .filter(|other| other.row == bar.row && other.from > bar.from);
    let room = next.map(|other| scale.x(other.from)).fold(scale.width, f64::min) - x - 4.0;
    let class = if bar.is_bad() { "name bad-text" } else { "name" };
    let (text, title) = (escape(&fitting(&label(bar.shown), room)), escape(&tooltip(bar)));
    format!(
        "<svg x=\"{x:.1}\" y=\"{y}\" width=\"{room:.1}\" height=\"20\"><text class=\"{class}\" x=\"0\" y=\"15\">{text}\
         <title>{title}</title></text></svg>\n"
    )
}

/// The mark in the bar of the culprit or of an operation without a place.
fn mark(scale: &Scale, bar: &Bar<'_>) -> String {
    let word = match (bar.is_culprit, bar.is_unplaced) {
        (true, _) => "✗ culprit",
        (false, true) => "✗ no place",
        (false, false) => return String::new(),
    };
    let (x, width) = (scale.x(bar.from), scale.x(bar.to) - scale.x(bar.from));
    // The operation's number in the order stands at the left.
    let word = if width < 80.0 || bar.placed.is_some() && width < 150.0 {
        "✗"
    } else {
        word
    };
    let end = x + width - 6.0;
    let y = scale.y(bar.row) + 34.0;
    format!("<text class=\"inbar\" text-anchor=\"end\" x=\"{end:.1}\" y=\"{y}\">{word}</text>")
}

fn tooltip(bar: &Bar<'_>) -> String {
    let shown = bar.shown;
    let end = shown
        .completed
        .map_or_else(String::new, |time| format!(" {time}"));
    let what = format!(
        "process {}: {} = {} [{} ..{end}]",
        shown.process,
        clip(&action(shown), 500),
        clip(&answer(shown), 500),
        shown.invoked
    );
    match &bar.placed {
        Some(OrderPlace { number, .. }) => format!("{number}. {what}"),
        None => what,
    }
}

/// As much of a text as has room.
fn fitting(text: &str, room: f64) -> Cow<'_, str> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a drawing's width, cut off at zero"
    )]
    let most = (room / WIDE).max(0.0) as usize;
    clip(text, most)
}

/// The line that connects the operations of the order.
fn line(layout: &Layout<'_>, scale: &Scale) -> String {
    let point = |(x, y, _): (f64, f64, usize)| format!("{x:.1},{y}");
    let points: Vec<String> = points(layout, scale).map(point).collect();
    if points.is_empty() {
        return String::new();
    }
    format!("<polyline class=\"order\" points=\"{}\"/>\n", points.join(" "))
}

/// The numbers in the order, where the line touches the bars.
fn numbers(layout: &Layout<'_>, scale: &Scale) -> String {
    let chip = |(x, y, number): (f64, f64, usize)| {
        let number = number.to_string();
        #[expect(clippy::cast_precision_loss, reason = "some digits")]
        let width = 10.0 + 6.5 * number.len() as f64;
        let (left, top, base) = (x - width / 2.0, y - 8.0, y + 4.0);
        format!(
            "<rect class=\"chip\" x=\"{left:.1}\" y=\"{top}\" width=\"{width}\" height=\"16\" rx=\"8\"/>\
             <text class=\"chip-text\" x=\"{x:.1}\" y=\"{base}\">{number}</text>\n"
        )
    };
    points(layout, scale).map(chip).collect()
}

fn points(layout: &Layout<'_>, scale: &Scale) -> impl Iterator<Item = (f64, f64, usize)> {
    let bars = layout.line.iter().map(|place| &layout.bars[*place]);
    bars.filter_map(|bar| {
        let placed = bar.placed.as_ref()?;
        let y = scale.y(bar.row) + 20.0 + BAR / 2.0;
        Some((scale.between(placed.at), y, placed.number))
    })
}

/// Below all processes: the value after each operation of the order, where it changes.
fn values(layout: &Layout<'_>, scale: &Scale) -> String {
    let placed = layout
        .line
        .iter()
        .filter_map(|place| layout.bars[*place].placed.as_ref());
    let mut changes: Vec<&OrderPlace> = placed.collect();
    changes.dedup_by(|later, earlier| later.value == earlier.value);
    let y = scale.y(scale.rows);
    let mut values = String::new();
    for (nth, change) in changes.iter().enumerate() {
        let x = scale.between(change.at);
        let end = changes
            .get(nth + 1)
            .map_or(scale.width, |next| scale.between(next.at));
        let room = end - x - 8.0;
        values += &format!(
            "<line class=\"value\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>\
             <svg x=\"{:.1}\" y=\"{y}\" width=\"{room:.1}\" height=\"{ROW}\"><text x=\"0\" y=\"28\">{}<title>{}</title></text></svg>\n",
            y + 12.0,
            y + 36.0,
            x + 5.0,
            escape(&fitting(&change.value.to_string(), room)),
            escape(&clip(&change.value.to_string(), 500)),
        );
    }
    values
}
