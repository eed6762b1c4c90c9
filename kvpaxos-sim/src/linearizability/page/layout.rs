//! The layout of a drawing: the row of each operation, the events that it lasts, and the moment when it takes
//! effect in the order.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Datum;
use crate::linearizability::{Evidence, EvidenceOperation};

/// The contents of a drawing. Events are numbered as they happened and drawn at even distances, as times may
/// be equal or far apart.
pub(super) struct Layout<'a> {
    /// The operations, in the order of their invocations.
    pub(super) bars: Vec<Bar<'a>>,
    /// The processes, and how many rows each takes.
    pub(super) lanes: Vec<(u64, usize)>,
    /// The time of each event.
    pub(super) times: Vec<i64>,
    /// The bars that the order connects.
    pub(super) line: Vec<usize>,
    /// The value after the whole order.
    pub(super) last: Datum,
}

/// An operation of the drawing.
pub(super) struct Bar<'a> {
    pub(super) shown: &'a EvidenceOperation,
    pub(super) is_culprit: bool,
    /// Whether the operation completed and has no place in the order.
    pub(super) is_unplaced: bool,
    /// The number of the event of its invocation.
    pub(super) from: usize,
    /// The number of the event of its completion; one after the last if there is none.
    pub(super) to: usize,
    /// Its row, from the top.
    pub(super) row: usize,
    pub(super) placed: Option<OrderPlace>,
}

impl Bar<'_> {
    /// Whether it is drawn as wrong.
    pub(super) fn is_bad(&self) -> bool {
        self.is_culprit || self.is_unplaced
    }
}

/// The place of an operation in the order.
pub(super) struct OrderPlace {
    /// Its number, from 1.
    pub(super) number: usize,
    /// The moment when it takes effect, in events.
    pub(super) at: f64,
    /// The value after it.
    pub(super) value: Datum,
}

impl Layout<'_> {
    pub(super) fn of(evidence: &Evidence) -> Layout<'_> {
        let mut bars = bars(evidence);
        let times = events(&mut bars);
        let lanes = rows(&mut bars);
        let (line, last) = places(evidence, &mut bars);
        moments(&mut bars, &line);
        Layout {
            bars,
            lanes,
            times,
            line,
            last,
        }
    }

    /// Whether the times leave the order of some events open.
    pub(super) fn has_ties(&self) -> bool {
        self.times.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// At most so many of the other operations are drawn; nobody would look through more.
const MOST: usize = 400;
/// In addition at most so many without a place in the order are drawn.
const MOST_UNPLACED: usize = 40;

/// The operations that are drawn, in the order of their invocations. Of those at the same time the culprit is
/// the last.
fn bars(evidence: &Evidence) -> Vec<Bar<'_>> {
    let culprit = &evidence.culprit;
    let mut unplaced: Vec<&EvidenceOperation> = evidence.unplaced.iter().collect();
    let mut bar = |shown| {
        let found = unplaced.iter().position(|other| *other == shown);
        let is_unplaced = found.map(|place| unplaced.swap_remove(place)).is_some();
        Bar {
            shown,
            is_culprit: false,
            is_unplaced,
            from: 0,
            to: 0,
            row: 0,
            placed: None,
        }
    };
    let mut last = bar(culprit);
    last.is_culprit = true;
    let near = evidence.others.len().saturating_sub(MOST);
    let mut bars: Vec<Bar<'_>> = evidence.others[near..].iter().map(&mut bar).collect();
    let rest = evidence.unplaced.iter().filter(|one| *one != culprit);
    let rest = rest.filter(|one| !evidence.others.contains(one));
    bars.extend(rest.take(MOST_UNPLACED).map(bar));
    bars.push(last);
    bars.sort_by_key(|bar| bar.shown.invoked);
    bars
}

/// Numbers the events. At the same time invocations come first, as far as each process has one operation open
/// at a time.
fn events(bars: &mut [Bar<'_>]) -> Vec<i64> {
    let mut times = Vec::new();
    let mut open: BTreeSet<(i64, usize)> = BTreeSet::new();
    for next in 0..bars.len() {
        let (process, now) = (bars[next].shown.process, bars[next].shown.invoked);
        let done =
            |(time, bar): &(i64, usize)| *time < now || *time == now && bars[*bar].shown.process == process;
        let done: Vec<(i64, usize)> = open.iter().copied().filter(done).collect();
        for ended in done {
            open.remove(&ended);
            bars[ended.1].to = times.len();
            times.push(ended.0);
        }
        bars[next].from = times.len();
        times.push(now);
        if let Some(completed) = bars[next].shown.completed {
            open.insert((completed, next));
        }
    }
    // The culprit is the last to complete.
    let mut open: Vec<(i64, usize)> = open.into_iter().collect();
    open.sort_by_key(|(time, bar)| (bars[*bar].is_culprit, *time));
    for (time, bar) in open {
        bars[bar].to = times.len();
        times.push(time);
    }
    for bar in bars.iter_mut().filter(|bar| bar.shown.completed.is_none()) {
        bar.to = times.len();
    }
    times
}

/// Assigns rows. A process that went on after an operation of unknown outcome takes another row.
fn rows(bars: &mut [Bar<'_>]) -> Vec<(u64, usize)> {
    let mut ends: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for bar in bars.iter_mut() {
        let rows = ends.entry(bar.shown.process).or_default();
        bar.row = rows.iter().position(|end| *end <= bar.from).unwrap_or(rows.len());
        rows.resize(rows.len().max(bar.row + 1), 0);
        rows[bar.row] = bar.to;
    }
    let lanes: Vec<(u64, usize)> = ends
        .iter()
        .map(|(process, rows)| (*process, rows.len()))
        .collect();
    let mut above = 0;
    let above: BTreeMap<u64, usize> = lanes
        .iter()
        .map(|(process, rows)| {
            above += rows;
            (*process, above - rows)
        })
        .collect();
    for bar in bars.iter_mut() {
        bar.row += above[&bar.shown.process];
    }
    lanes
}

/// Finds the bars that stand in the order. Returns them, and the value after the whole order.
fn places(evidence: &Evidence, bars: &mut [Bar<'_>]) -> (Vec<usize>, Datum) {
    let mut begun: BTreeMap<(u64, i64), Vec<usize>> = BTreeMap::new();
    for (place, bar) in bars.iter().enumerate().filter(|(_, bar)| !bar.is_unplaced) {
        let name = (bar.shown.process, bar.shown.invoked);
        begun.entry(name).or_default().push(place);
    }
    let mut line = Vec::new();
    let mut value = evidence.initial.clone();
    for (number, shown) in (1..).zip(&evidence.order) {
        shown.operation.action.clone().apply(&mut value);
        let same = |place: &usize| {
            let bar = &bars[*place];
            bar.placed.is_none() && bar.shown.operation == shown.operation
        };
        let named = begun.get(&(shown.process, shown.invoked));
        let Some(place) = named.and_then(|places| places.iter().copied().find(same)) else {
            continue;
        };
        let (at, value) = (0.0, value.clone());
        bars[place].placed = Some(OrderPlace { number, at, value });
        line.push(place);
    }
    (line, value)
}

/// Lets each operation take effect as soon as it can: it has begun, and those before it in the order have
/// taken effect. That is before it completes, since nothing in the order begins after something behind it has
/// completed. Those between the same two events share the space there.
#[expect(clippy::cast_precision_loss, reason = "for people to look at")]
fn moments(bars: &mut [Bar<'_>], line: &[usize]) {
    let mut gap = 0;
    let gaps: Vec<usize> = line
        .iter()
        .map(|place| {
            gap = gap.max(bars[*place].from);
            gap.min(bars[*place].to.saturating_sub(1))
        })
        .collect();
    let mut line = line.iter();
    for same in gaps.chunk_by(|one, next| one == next) {
        for (nth, place) in (1..).zip(line.by_ref().take(same.len())) {
            let share = f64::from(nth) / (same.len() + 1) as f64;
            if let Some(placed) = &mut bars[*place].placed {
                placed.at = same[0] as f64 + share;
            }
        }
    }
}
