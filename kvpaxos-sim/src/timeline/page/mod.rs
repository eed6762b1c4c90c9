//! A timeline as a page: one file of HTML that asks for nothing else.
//!
//! The data is JSON in an element of its own, and the script writes it into the page as text only. So keys and values, which may be
//! any bytes, are never markup. A policy in the head forbids the page to load anything.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `columns` | the data of the page |
//! | `page.html`, `style.css` | the frame, on a screen and on paper |
//! | `data.js` | the data in the browser: what follows from what, spans of time, the causal past |
//! | `filter.js` | which events and messages are shown |
//! | `draw.js`, `glyphs.js` | the diagram |
//! | `panels.js` | the event, the states, the history, the scenario |
//! | `main.js` | pointer, keys, address, paper |

mod columns;
#[cfg(test)]
mod tests;

use super::model::Timeline;
use crate::markup::escape;

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");

/// The parts of the script, which share one scope.
const SCRIPT: [&str; 6] = [
    include_str!("data.js"),
    include_str!("filter.js"),
    include_str!("draw.js"),
    include_str!("glyphs.js"),
    include_str!("panels.js"),
    include_str!("main.js"),
];

/// The page of a timeline.
#[must_use]
pub fn page(timeline: &Timeline) -> String {
    // No `<` of the data stands in the page, so nothing in it ends its element or begins another one.
    let data = columns::columns(timeline).to_string().replace('<', "\\u003c");
    let title = escape(&timeline.title);
    let script = SCRIPT.concat();
    let parts = [
        ("{TITLE}", title.as_str()),
        ("{STYLE}", STYLE),
        ("{DATA}", &data),
        ("{SCRIPT}", &script),
    ];
    let mut page = String::with_capacity(FRAME.len() + data.len() + script.len() + STYLE.len());
    let mut rest = FRAME;
    for (place, content) in parts {
        let (before, after) = rest
            .split_once(place)
            .expect("the frame has a place for each part");
        page += before;
        page += content;
        rest = after;
    }
    page + rest
}
