//! The second reading of a history that is not in memory: extracts the events of the keys that are still
//! open.

use std::collections::HashMap;

use crate::history::{Action, Answer, Datum, Event, EventKind, History};

/// Extracts the events of these keys, and tells for each whether it was lost: the keys that take the most
/// memory are dropped if all together take more than there is.
///
/// If all events have the same time, as in a file without times, the excerpt has the numbers of the events as
/// times: evidence without times would not tell what came before what.
pub(super) fn excerpt<E>(
    initial: Datum,
    events: impl Iterator<Item = Result<Event, E>>,
    keys: &[&str],
    memory: usize,
) -> Result<(History, Vec<bool>), E> {
    // The events that are kept, each with the place of its key and its number, and the bytes that each key
    // takes.
    let mut kept: Vec<(usize, i64, Event)> = Vec::new();
    let mut bytes = vec![Some(0); keys.len()];
    let (mut open, mut all) = (HashMap::new(), 0);
    let (mut first, mut last) = (None, None);
    for (number, event) in (1..).zip(events) {
        let event = event?;
        last = Some(event.time);
        first = first.or(last);
        let place = match &event.kind {
            EventKind::Invoke(operation) => keys.binary_search(&&*operation.key).ok(),
            _ => open.remove(&event.process),
        };
        let Some(place) = place else { continue };
        if matches!(event.kind, EventKind::Invoke(_)) {
            open.insert(event.process, place);
        }
        let Some(taken) = &mut bytes[place] else { continue };
        let more = size(&event);
        *taken += more;
        all += more;
        kept.push((place, number, event));
        if all > memory {
            let most = (0..keys.len()).max_by_key(|place| bytes[*place]);
            let most = most.expect("the event is one of a key");
            all -= bytes[most]
                .take()
                .expect("a key that is lost takes less than any other");
            kept.retain(|(place, ..)| *place != most);
        }
    }
    let mut history = History::starting_with(initial);
    for (_, number, event) in kept {
        let time = if first == last { number } else { event.time };
        // An event that does not fit here did not fit the whole history either, and asserts nothing.
        let _ = history.add(Event { time, ..event });
    }
    let lost = bytes.iter().map(Option::is_none).collect();
    Ok((history, lost))
}

/// The memory that an event takes, about.
fn size(event: &Event) -> usize {
    let text = |datum: &Datum| match datum {
        Datum::Text(text) => text.len(),
        Datum::Null | Datum::Integer(_) => 0,
    };
    let more = match &event.kind {
        EventKind::Invoke(operation) => {
            let value = match &operation.action {
                Action::Get | Action::Delete => 0,
                Action::Put(value) | Action::Append(value) => text(value),
                Action::Cas { expect, value } => text(expect) + text(value),
            };
            operation.key.len() + value
        }
        EventKind::Ok(Answer::Value(value)) => text(value),
        EventKind::Ok(_) | EventKind::Fail | EventKind::Info => 0,
    };
    // The event is moved once, so it counts twice. The rest is what the search makes of it.
    2 * size_of::<Event>() + 2 * more + 200
}
