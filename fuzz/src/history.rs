//! Checks of histories: no file stops the checker, and a history that is written can be read again.

use kvpaxos_sim::history::History;
use kvpaxos_sim::linearizability::{Budget, check};

/// Enough to reach every part of the search; a larger budget finds nothing more.
const BUDGET: Budget = Budget {
    steps: 2000,
    memory: 1 << 20,
};

/// Reads the bytes as a history, and judges it if they are one.
pub fn check_history(bytes: &[u8]) {
    let history = match History::read(bytes) {
        Ok(history) => history,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "a refusal without a reason");
            return;
        }
    };
    let mut written = Vec::new();
    history
        .write(&mut written)
        .expect("memory takes whatever is written");
    let again = History::read(&written[..]).expect("what was written is well-formed");
    assert!(again == history, "another history is read than was written");
    let report = check(&history, BUDGET);
    assert_eq!(
        report,
        check(&again, BUDGET),
        "the same history is judged in two ways"
    );
    assert!(!(report.is_good() && report.is_bad()), "{report}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seeds that are called malformed are, and no others: a fuzzer that starts only from refused inputs
    /// finds little.
    #[test]
    fn the_seeds_are_what_they_are_called() {
        let seeds = format!("{}/seeds/history", env!("CARGO_MANIFEST_DIR"));
        let mut read = 0;
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let path = seed.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).expect("it can be read");
            let is_malformed = History::read(&bytes[..]).is_err();
            assert_eq!(is_malformed, name.starts_with("malformed"), "{name}");
            read += usize::from(!is_malformed);
            check_history(&bytes);
        }
        assert!(read >= 8, "{read} seeds are histories");
    }
}
