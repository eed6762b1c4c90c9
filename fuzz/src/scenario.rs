//! Checks of scenario files: what was read survives being written.

use kvpaxos_sim::world::scenario::Scenario;

/// Reads a scenario. What it holds is written as another file, which must hold the same.
pub fn check_scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Scenario::read(text) {
        Ok(scenario) => {
            let written = scenario.to_string();
            let again = Scenario::read(&written);
            assert_eq!(again.as_ref(), Ok(&scenario), "{written}");
            assert_eq!(again.map(|again| again.to_string()), Ok(written));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of every kind of line is a scenario; the others are wrong in the ways that they are called.
    #[test]
    fn the_seeds_are_what_they_are_called() {
        let seeds = format!("{}/seeds/scenario", env!("CARGO_MANIFEST_DIR"));
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let path = seed.expect("a file").path();
            let bytes = std::fs::read(&path).expect("it can be read");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = std::str::from_utf8(&bytes).expect("seeds are text");
            assert_eq!(Scenario::read(text).is_ok(), name.starts_with("good"), "{name}");
            check_scenario(&bytes);
        }
    }
}
