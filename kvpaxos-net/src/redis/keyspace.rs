//! SCAN and KEYS.

use bytes::Bytes;
use kvpaxos::Query;
use kvpaxos::transaction::MAX_PAGE;

use crate::redis::conversation::Page;
use crate::redis::glob::matches;
use crate::redis::reply::Reply;

/// The reply to SCAN.
pub(crate) fn page(page: &Page, keys: Vec<Bytes>, next: u64) -> Reply {
    let wanted = |key: &Bytes| {
        let pattern = page.pattern.as_ref();
        page.strings && pattern.is_none_or(|pattern| matches(pattern, key, false))
    };
    let keys = keys.into_iter().filter(wanted).map(Reply::Bulk).collect();
    Reply::Array(vec![
        Reply::Bulk(Bytes::from(next.to_string())),
        Reply::Array(keys),
    ])
}

/// The keys that match a pattern, page by page. As with SCAN, what is there all the while is there, once; a
/// key that comes or goes meanwhile may be or not. Redis' KEYS sees one state; here it would stall every
/// other request for as long as it takes.
#[derive(Debug)]
pub(crate) struct Collected {
    pattern: Bytes,
    keys: Vec<Reply>,
    /// The bytes of the reply.
    bytes: usize,
    most: usize,
    cursor: u64,
}

impl Collected {
    pub(crate) fn new(pattern: Bytes, most: usize) -> Collected {
        Collected {
            pattern,
            keys: Vec::new(),
            bytes: 0,
            most,
            cursor: 0,
        }
    }

    /// The page that is missing.
    pub(crate) fn query(&self) -> Query {
        Query::Scan {
            cursor: self.cursor,
            limit: MAX_PAGE,
        }
    }

    /// Adds a page; returns the reply after the last one, or if it would be too long.
    pub(crate) fn add(&mut self, keys: Vec<Bytes>, next: u64) -> Option<Reply> {
        for key in keys {
            if matches(&self.pattern, &key, false) {
                self.bytes += key.len() + 64;
                self.keys.push(Reply::Bulk(key));
            }
        }
        if self.bytes > self.most {
            let most = self.most;
            return Some(Reply::error(format!(
                "ERR the keys that match are over the limit of {most} bytes; use SCAN"
            )));
        }
        self.cursor = next;
        (next == 0).then(|| Reply::Array(std::mem::take(&mut self.keys)))
    }
}
