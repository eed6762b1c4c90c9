//! The format of a script: prose after `#`, commands after `>`, and what came of each beneath it.

use crate::driver::Driver;

/// Plays a script and returns it with what really came of each command. What stood there before is left out.
pub(crate) fn play(text: &str) -> String {
    let mut driver = Driver::default();
    let mut played = String::new();
    for (place, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("> ") {
            let output = driver.run(command, place + 1);
            played.push_str(&format!("{line}\n{output}"));
        } else if line.is_empty() || line.starts_with('#') {
            played.push_str(&format!("{line}\n"));
        }
    }
    driver.finish();
    played
}
