//! Checks of receipts of sweeps: what was read survives being written, and can be merged.

use kvpaxos_sim::receipts::{Receipt, Shard, merge};

/// Reads a receipt. What it holds is written as another file, which must hold the same. It is merged with itself, and with a
/// part of the sweep that has not begun: neither changes what was swept.
pub fn check_receipt(bytes: &[u8]) {
    let receipt = match Receipt::read(bytes) {
        Ok(receipt) => receipt,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal without a reason");
            return;
        }
    };
    let written = receipt.to_string();
    assert_eq!(
        Receipt::read(written.as_bytes()).as_ref(),
        Ok(&receipt),
        "{written}"
    );
    let named = |receipt: &Receipt| (String::new(), receipt.clone());
    let twice = merge(vec![named(&receipt), named(&receipt)]).expect("a receipt belongs to itself");
    assert!(twice.disagreements.is_empty(), "{twice:?}");
    let mutant = receipt.mutant.as_deref();
    let empty = Receipt::new(receipt.build.clone(), mutant, receipt.seeds.clone(), Shard::WHOLE);
    let merged = merge(vec![named(&empty), named(&receipt)]).expect("they have no seed in common");
    assert_eq!(merged.receipt.summary.swept, receipt.summary.swept);
    assert_eq!(merged.receipt.summary.swept, twice.receipt.summary.swept);
    let missing: u64 = merged.gaps.iter().map(|gap| gap.end - gap.start).sum();
    assert_eq!(
        missing + receipt.summary.seeds,
        receipt.seeds.end - receipt.seeds.start,
        "{merged:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds whose names begin with "good" are receipts; the others are wrong in the ways that they are called.
    #[test]
    fn the_seeds_are_what_they_are_called() {
        let seeds = format!("{}/seeds/receipt", env!("CARGO_MANIFEST_DIR"));
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let path = seed.expect("a file").path();
            let bytes = std::fs::read(&path).expect("it can be read");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert_eq!(Receipt::read(&bytes).is_ok(), name.starts_with("good"), "{name}");
            check_receipt(&bytes);
        }
    }
}
