use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Few different hashes, so that keys share buckets and even hashes.
fn hash(key: u16) -> u32 {
    u32::from(key % 400).wrapping_mul(0x9E37_79B9)
}

fn check(map: &Map<u16, u32, 3>, model: &BTreeMap<u16, u32>) {
    assert_eq!(map.len(), model.len());
    assert_eq!(map.buckets, model.len().div_ceil(3).max(1));
    assert_eq!(map.segments.len(), map.buckets.div_ceil(SEGMENT));
    let mut fresh = Map::new();
    for (key, value) in model.iter().rev() {
        assert_eq!(map.get(hash(*key), key), Some(value));
        fresh.add(hash(*key), *key, *value);
    }
    assert!(*map == fresh, "the layout depends on the content alone");
    let found: BTreeMap<u16, u32> = map.iter().map(|(key, value)| (*key, *value)).collect();
    assert_eq!(found, *model);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_map_and_clones_keep_their_content(
        writes in prop::collection::vec((0_u16..900, prop::option::weighted(0.7, any::<u32>())), 0..3000),
        clone_at in 0_usize..3000,
    ) {
        let mut map: Map<u16, u32, 3> = Map::new();
        let mut model = BTreeMap::new();
        let mut kept = None;
        for (count, (key, value)) in writes.into_iter().enumerate() {
            if count == clone_at {
                kept = Some((map.clone(), model.clone()));
            }
            match value {
                Some(value) => {
                    map.add(hash(key), key, value);
                    model.insert(key, value);
                }
                None => prop_assert_eq!(map.remove(hash(key), &key), model.remove(&key)),
            }
            if let Some(value) = map.get_mut(hash(key), &key) {
                *value ^= 1;
                *model.get_mut(&key).unwrap() ^= 1;
            }
        }
        check(&map, &model);
        if let Some((map, model)) = kept {
            check(&map, &model);
        }
        for key in model.keys() {
            map.remove(hash(*key), key);
        }
        check(&map, &BTreeMap::new());
    }
}
