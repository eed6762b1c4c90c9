//! Checks of the port for metrics and probes: whatever comes, what is answered is one HTTP response or nothing.

use kvpaxos_net::http::converse;

/// Sends the bytes to the port.
pub fn check_http_requests(bytes: &[u8]) {
    let answer = converse(bytes).expect("there is room for a timer");
    if answer.is_empty() {
        return;
    }
    assert!(answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    let code = answer.get(9..12).expect("a response has a status");
    let known: [&[u8]; 6] = [b"100", b"200", b"400", b"404", b"405", b"431"];
    assert!(known.contains(&code), "{}", answer.escape_ascii());
    assert!(answer.len() < 1024, "{}", answer.escape_ascii());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_answered_as_they_are_called() {
        let seeds = format!("{}/seeds/http_requests", env!("CARGO_MANIFEST_DIR"));
        for seed in std::fs::read_dir(seeds).expect("seeds are committed") {
            let path = seed.expect("a file").path();
            let bytes = std::fs::read(&path).expect("it can be read");
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let answer = converse(&bytes).expect("there is room for a timer");
            let code = answer
                .get(9..12)
                .map(|code| String::from_utf8_lossy(code).into_owned());
            let called = name
                .split('-')
                .next()
                .filter(|word| *word != "none")
                .map(str::to_owned);
            assert_eq!(code, called, "{name}");
            check_http_requests(&bytes);
        }
    }
}
