//! Receipts: parts of a sweep are the whole, and what does not belong together is refused.

use std::ops::Range;

use super::{Build, MergeError, Receipt, ReceiptError, Shard, merge};
use crate::invariants::{Property, Violation};
use crate::world::{Summary, Swept};

fn build(behaviour: &str) -> Build {
    Build {
        version: "1.2.3".to_owned(),
        behaviour: behaviour.to_owned(),
    }
}

/// A sweep of these seeds, without the worlds.
fn swept(seeds: Range<u64>) -> Summary {
    let mut swept = Swept::default();
    let mut summary = Summary::default();
    for seed in seeds {
        swept.push(seed, &format!("{seed:016x}"));
        summary.seeds += 1;
        summary.events += seed;
        summary.fewest_events = (1 + seed % 7, seed);
    }
    summary.swept = swept;
    summary
}

/// The receipt of a shard of the seeds 0..3000.
fn receipt(shard: &str) -> Receipt {
    let shard: Shard = shard.parse().unwrap();
    let mut receipt = Receipt::new(build("b"), None, 0..3000, shard);
    receipt.update(&swept(receipt.part().unwrap()));
    receipt
}

fn named(receipts: &[&Receipt]) -> Vec<(String, Receipt)> {
    let named = receipts.iter().enumerate();
    named
        .map(|(number, receipt)| (format!("r{number}"), (*receipt).clone()))
        .collect()
}

fn replaced(text: &str, from: &str, to: &str) -> Result<Receipt, ReceiptError> {
    assert!(text.contains(from), "{from} is not in {text}");
    Receipt::read(text.replacen(from, to, 1).as_bytes())
}

#[test]
fn what_was_written_is_read() {
    let mut receipt = receipt("1/7");
    receipt.mutant = Some("one-ballot".to_owned());
    receipt.summary.violations.push(Violation {
        property: Property::S2,
        seed: 500,
        at: kvpaxos::Time(12),
        explanation: "a \"quoted\" line\nand another".to_owned(),
        history: Vec::new(),
    });
    assert_eq!(Receipt::read(receipt.to_string().as_bytes()), Ok(receipt));
}

#[test]
fn parts_in_any_order_and_of_any_size_are_the_whole() {
    let whole = receipt("0/1");
    let parts = [receipt("2/3"), receipt("1/6"), receipt("0/6"), receipt("1/3")];
    let merged = merge(named(&parts.each_ref())).unwrap();
    assert_eq!(merged.receipt.sources[Build::sources()], 3000);
    assert_eq!((merged.gaps, merged.repeated), (vec![], vec![]));
    assert_eq!(merged.receipt.summary.swept, whole.summary.swept);
    assert_eq!(merged.receipt.summary.events, whole.summary.events);
    assert_eq!(merged.receipt.part(), Ok(0..3000));
}

#[test]
fn gaps_are_named() {
    let merged = merge(named(&[&receipt("0/6"), &receipt("2/6"), &receipt("3/6")])).unwrap();
    assert_eq!(merged.gaps, [500..1000, 2000..3000]);
    assert_eq!(merged.receipt.missing(), merged.gaps);
}

#[test]
fn a_receipt_that_another_one_contains_counts_once() {
    let (part, whole) = (receipt("1/3"), receipt("0/1"));
    let merged = merge(named(&[&part, &whole, &whole])).unwrap();
    assert_eq!(merged.receipt.summary.seeds, 3000);
    assert_eq!(merged.repeated, ["r2", "r0"]);
    assert!(merged.disagreements.is_empty());
}

#[test]
fn the_same_seeds_with_another_digest_are_a_disagreement() {
    let (mut part, whole) = (receipt("1/3"), receipt("0/1"));
    let mut other = swept(1000..1999);
    other.swept.push(1999, "something else");
    part.update(&other);
    let merged = merge(named(&[&part, &whole])).unwrap();
    assert_eq!(merged.repeated, [""; 0]);
    assert_eq!(merged.disagreements.len(), 1);
    assert_eq!(merged.disagreements[0].seeds, 1000..2000);
    assert_eq!(merged.disagreements[0].receipts[1].0, "r0");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    assert_eq!(merge(Vec::new()), Err(MergeError::Nothing));
    let one = receipt("0/3");
    let refused = |other: &Receipt| merge(named(&[&one, other])).unwrap_err().to_string();

    let mut other = receipt("1/3");
    other.build = build("c");
    assert!(
        refused(&other).contains("r0 is of build 1.2.3 with behaviour b, r1 of build 1.2.3 with behaviour c")
    );
    let mut other = receipt("1/3");
    other.mutant = Some("one-ballot".to_owned());
    assert!(refused(&other).contains("r1 of seeds 0..3000 with the mutant one-ballot"));
    let mut other = receipt("1/3");
    other.seeds = 0..4000;
    assert!(refused(&other).contains("r1 of seeds 0..4000: they are not parts of one sweep"));
    assert!(refused(&receipt("1/4")).contains("r1 has the seeds 750..1000, which others have too"));
}

#[test]
fn a_text_that_is_no_receipt_is_refused_with_its_place() {
    let text = receipt("1/3").to_string();
    for end in 0..text.len() - 1 {
        if end % 97 == 0 || end + 3 > text.len() {
            let refused = Receipt::read(&text.as_bytes()[..end]).unwrap_err().to_string();
            assert!(
                refused.contains("EOF") && refused.contains("line"),
                "{end}: {refused}"
            );
        }
    }
    let why = |from: &str, to: &str| replaced(&text, from, to).unwrap_err().to_string();
    assert!(
        Receipt::read(b"\xff\xfe")
            .unwrap_err()
            .to_string()
            .contains("line 1 column 1")
    );
    assert!(
        Receipt::read(b"{}")
            .unwrap_err()
            .to_string()
            .contains("missing field `kvpaxos-sim-receipt`")
    );
    assert!(why("receipt\": 1", "receipt\": 2").contains("format 2, and this program reads format 1"));
    assert!(why("\"shard\": \"1/3\"", "\"shard\": \"3/3\"").contains("there is no shard 3 of 3"));
    assert!(why("\"seeds\": \"0..3000\"", "\"seeds\": \"7..7\"").contains("there are no seeds from 7 to 7"));
    assert!(why("\"mutant\": null", "\"mutant\": \"no-such\"").contains("the mutant \"no-such\""));
    assert!(why("\"leader change\"", "\"eclipse\"").contains("knows no situation \"eclipse\" at line"));
    assert!(why("\"leader change\": 0,", "").contains("there is no count of \"leader change\""));
    assert!(why("\"repeated\"", "\"doubled\"").contains("unknown field `doubled`"));
    assert!(why("1000..2000 ", "1000..2001 ").contains("between two multiples of 1000"));
    assert!(
        why("1000..2000 ", "1000..1999 ")
            .contains("its summary.seeds says 1000 seeds, and its swept has 999")
    );
    assert!(
        why("1000..2000 ", "2000..3000 ")
            .contains("its seed 2000, in summary.swept, is not one of the shard's 1000..2000")
    );
}
