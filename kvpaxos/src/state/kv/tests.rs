use std::collections::BTreeMap;

use proptest::prelude::*;

use super::packed::{LONG, SHARE_FROM};
use super::*;
use crate::transaction::MAX_PAGE;

fn at(slot: u64) -> Revision {
    let (slot, index) = (crate::types::Slot(slot), 0);
    Revision { slot, index }
}

fn put(store: &mut Store, key: &'static str, value: &[u8]) {
    let (key, value) = (Bytes::from(key), Bytes::copy_from_slice(value));
    execute(store, 1, &Op::Put { key, value });
}

fn delete(store: &mut Store, key: &'static str) -> Execution {
    let key = Bytes::from(key);
    execute(store, 2, &Op::Delete { key })
}

fn execute(store: &mut Store, slot: u64, op: &Op) -> Execution {
    store.execute(at(slot), op, &Limits::default())
}

fn cas(
    store: &mut Store,
    key: &'static str,
    expect: Option<&'static str>,
    value: Option<&'static str>,
) -> bool {
    let (expect, value) = (expect.map(Bytes::from), value.map(Bytes::from));
    let key = Bytes::from(key);
    let kept = execute(store, 3, &Op::Cas { key, expect, value });
    kept == StoredOutcome::swapped(at(3), true).into()
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![0_usize..40, LONG - 2..LONG + 3, Just(1000)]
}

fn key(number: u16) -> Bytes {
    // Some of them long.
    let length = if number.is_multiple_of(50) { 300 } else { 2 };
    Bytes::from([number.to_le_bytes().to_vec(), vec![7; length - 2]].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_map_and_clones_keep_their_content(
        writes in prop::collection::vec((0_u16..200, prop::option::weighted(0.8, (any::<u8>(), lengths()))), 0..1000),
        clone_at in 0_usize..1000,
    ) {
        let (mut store, mut model) = (Store::new(), BTreeMap::new());
        let mut kept = (store.clone(), model.clone());
        for (count, (number, write)) in writes.into_iter().enumerate() {
            if count == clone_at {
                kept = (store.clone(), model.clone());
            }
            let key = key(number);
            let revision = at(count as u64);
            match write {
                Some((byte, length)) => {
                    let value = Bytes::from(vec![byte; length]);
                    store.put(revision, &key, &value);
                    model.insert(key.clone(), (value, revision));
                }
                None => prop_assert_eq!(store.delete(&key), model.remove(&key).is_some()),
            }
            prop_assert_eq!(store.get(&key), model.get(&key).map(|(value, _)| value.clone()));
            prop_assert_eq!(store.changed(&key), model.get(&key).map(|(_, changed)| *changed));
        }
        for (store, model) in [(&store, &model), (&kept.0, &kept.1)] {
            prop_assert_eq!(store.len(), model.len());
            prop_assert_eq!(store.digest(), store.digest_from_scratch());
            prop_assert_eq!(store.bytes(), store.bytes_from_scratch());
            let mut fresh = Store::new();
            for (key, (value, changed)) in model.iter().rev() {
                prop_assert_eq!(store.get(key), Some(value.clone()));
                prop_assert_eq!(store.changed(key), Some(*changed));
                fresh.put(*changed, key, value);
            }
            prop_assert!(fresh == *store, "the layout depends on the content alone");
        }
    }
}

#[test]
fn what_was_long_does_not_hold_its_memory() {
    let mut store = Store::new();
    let key = Bytes::from("key");
    for length in [LONG, 5] {
        store.put(at(1), &key, &Bytes::from(vec![1; length]));
        assert!(store.memory() < 4 * length + 300, "{} bytes", store.memory());
    }
}

#[test]
fn cas_tells_absent_from_empty() {
    let mut store = Store::new();
    assert!(!cas(&mut store, "k", Some(""), Some("a")));
    assert!(cas(&mut store, "k", None, Some("")));
    assert!(!cas(&mut store, "k", None, Some("a")));
    assert!(cas(&mut store, "k", Some(""), Some("a")));
    assert!(cas(&mut store, "k", Some("a"), None));
    assert_eq!(store.get(b"k"), None);
    assert!(cas(&mut store, "k", None, None), "absent stays absent");
    assert_eq!((store.len(), store.digest()), (0, 0));
}

#[test]
fn the_digest_does_not_remember_the_way() {
    let (mut one, mut other) = (Store::new(), Store::new());
    put(&mut one, "a", b"1");
    put(&mut one, "b", b"2");
    put(&mut other, "b", b"0");
    put(&mut other, "c", b"3");
    assert_ne!(one.digest(), other.digest());
    put(&mut other, "b", b"2");
    put(&mut other, "a", b"1");
    delete(&mut other, "c");
    assert_eq!(one, other);
    assert_eq!(one.digest(), one.digest_from_scratch());
}

#[test]
fn key_and_value_do_not_run_together() {
    let (mut one, mut other) = (Store::new(), Store::new());
    put(&mut one, "ab", b"c");
    put(&mut other, "a", b"bc");
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn a_small_slice_does_not_keep_its_frame() {
    let frame = Bytes::from(vec![7; 200_000]);
    let mut store = Store::new();
    let (key, value) = (frame.slice(..16), frame.slice(100..200));
    execute(&mut store, 1, &Op::Put { key, value });
    assert!(frame.is_unique(), "nothing of the frame is shared");
    let (key, value) = (frame.slice(..17), frame.slice(..SHARE_FROM));
    execute(&mut store, 2, &Op::Put { key, value });
    assert!(!frame.is_unique(), "what is large is not copied");
}

/// Pins the digest: replicas of different releases compare theirs.
#[test]
fn the_digest_is_pinned() {
    let mut store = Store::new();
    put(&mut store, "key", b"value");
    put(&mut store, "other", &[9; 300]);
    expect_test::expect!["aafca3116ee11fda"].assert_eq(&format!("{:016x}", store.digest()));
}

/// A write of the value that a key has already is a change: whoever saw it before is told so.
#[test]
fn the_digest_tells_when_a_key_was_written() {
    let (mut one, mut other) = (Store::new(), Store::new());
    let op = Op::Put {
        key: Bytes::from("k"),
        value: Bytes::from("v"),
    };
    execute(&mut one, 1, &op);
    execute(&mut other, 2, &op);
    assert_ne!(one.digest(), other.digest());
    execute(&mut one, 2, &op);
    assert_eq!(one, other);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is added and removed between the pages, and so however the buckets are split and merged.
    #[test]
    fn a_key_that_stays_is_on_exactly_one_page(
        stay in 0_u16..300, limit in 1_u32..20, changes in prop::collection::vec((any::<bool>(), 0_u16..2000), 0..60),
    ) {
        let mut store = Store::new();
        for number in 0..stay {
            store.put(at(1), &key(number), &Bytes::new());
        }
        let (mut keys, mut cursor) = (Vec::new(), 0);
        let mut changes = changes.into_iter().cycle();
        loop {
            let page = store.page(cursor, limit, 1 << 20).unwrap();
            prop_assert!(page.keys.len() <= limit as usize);
            prop_assert!(page.next == 0 || page.next > cursor, "every page goes on");
            keys.extend(page.keys);
            cursor = page.next;
            if cursor == 0 {
                break;
            }
            // A burst, so that the number of buckets changes.
            if let Some((add, from)) = changes.next() {
                for number in from..from + 100 {
                    let key = key(1000 + number);
                    if add {
                        store.put(at(2), &key, &Bytes::new());
                    } else {
                        store.delete(&key);
                    }
                }
            }
        }
        for number in 0..stay {
            let count = keys.iter().filter(|seen| **seen == key(number)).count();
            prop_assert_eq!(count, 1, "key {}", number);
        }
    }
}

#[test]
fn a_page_is_bounded_in_bytes_and_in_work() {
    let mut store = Store::new();
    for number in 0..2000_u16 {
        store.put(at(1), &key(number), &Bytes::new());
    }
    let page = store.page(0, u32::MAX, 1 << 20).unwrap();
    assert_eq!(page.keys.len(), MAX_PAGE as usize, "the limit is capped");
    assert_eq!(
        store.page(0, 0, 1 << 20).unwrap().keys.len(),
        1,
        "from both sides"
    );
    let page = store.page(0, 100, 20).unwrap();
    let bytes: usize = page.keys.iter().map(Bytes::len).sum();
    assert!(!page.keys.is_empty() && bytes <= 20 && page.next > 0);
    // The next rank may be that of a long key, which fits on no such page.
    assert_eq!(store.page(0, 100, 1), Err(2));
}
