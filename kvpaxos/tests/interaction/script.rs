//! The format of a script: prose follows `#`, a command follows `>`, and its effects stand below it.

use crate::driver::Driver;

/// Plays a script. Returns its prose and commands with their actual effects, in place of the effects in
/// `text`.
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
