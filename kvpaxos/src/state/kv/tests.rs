use std::collections::BTreeMap;

use proptest::prelude::*;

use super::packed::{LONG, SHARE_FROM};
use super::*;

fn at(slot: u64) -> Revision {
    let (slot, index) = (crate::types::Slot(slot), 0);
    Revision { slot, index }
}

fn put(store: &mut Store, key: &'static str, value: &[u8]) {
    let (key, value) = (Bytes::from(key), Bytes::copy_from_slice(value));
    store.execute(at(1), &Op::Put { key, value });
}

fn delete(store: &mut Store, key: &'static str) -> StoredOutcome {
    let key = Bytes::from(key);
    store.execute(at(2), &Op::Delete { key })
}

fn cas(
    store: &mut Store,
    key: &'static str,
    expect: Option<&'static str>,
    value: Option<&'static str>,
) -> bool {
    let (expect, value) = (expect.map(Bytes::from), value.map(Bytes::from));
    let key = Bytes::from(key);
    let kept = store.execute(at(3), &Op::Cas { key, expect, value });
    kept == StoredOutcome::swapped(at(3), true)
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
            match write {
                Some((byte, length)) => {
                    let value = Bytes::from(vec![byte; length]);
                    store.put(&key, &value);
                    model.insert(key.clone(), value);
                }
                None => prop_assert_eq!(store.delete(&key), model.remove(&key).is_some()),
            }
            prop_assert_eq!(store.get(&key), model.get(&key).cloned());
        }
        for (store, model) in [(&store, &model), (&kept.0, &kept.1)] {
            prop_assert_eq!(store.len(), model.len());
            prop_assert_eq!(store.digest(), store.digest_from_scratch());
            prop_assert_eq!(store.bytes(), store.bytes_from_scratch());
            let mut fresh = Store::new();
            for (key, value) in model.iter().rev() {
                prop_assert_eq!(store.get(key), Some(value.clone()));
                fresh.put(key, value);
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
        store.put(&key, &Bytes::from(vec![1; length]));
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
    store.execute(at(1), &Op::Put { key, value });
    assert!(frame.is_unique(), "nothing of the frame is shared");
    let (key, value) = (frame.slice(..17), frame.slice(..SHARE_FROM));
    store.execute(at(2), &Op::Put { key, value });
    assert!(!frame.is_unique(), "what is large is not copied");
}

/// Pins the digest: replicas of different releases compare theirs.
#[test]
fn the_digest_is_pinned() {
    let mut store = Store::new();
    put(&mut store, "key", b"value");
    put(&mut store, "other", &[9; 300]);
    expect_test::expect!["e9d62eff833608d7"].assert_eq(&format!("{:016x}", store.digest()));
}
