//! Addresses as people write them: `host:port`.

use std::net::Ipv6Addr;

/// A text that is no address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is not an address: {why}; write it as host:port, such as 127.0.0.1:7000")]
pub struct AddressError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks that a text is an address that one can connect to: `host:port`, with an IPv6 address in brackets.
/// Whether the host exists is not looked up.
///
/// ```
/// assert!(kvpaxos_net::check_address("node-b:7000").is_ok());
/// assert!(kvpaxos_net::check_address("[::1]:7000").is_ok());
/// assert!(kvpaxos_net::check_address("http://node-b:7000").is_err());
/// ```
///
/// # Errors
/// What is wrong with the text.
pub fn check_address(text: &str) -> Result<(), AddressError> {
    check(text, 1)
}

/// Checks that a text is an address at which one can listen: like [`check_address`], but the port may be 0,
/// for one that the system chooses.
///
/// # Errors
/// What is wrong with the text.
pub fn check_listen_address(text: &str) -> Result<(), AddressError> {
    check(text, 0)
}

fn check(text: &str, least: u32) -> Result<(), AddressError> {
    match fault(text, least) {
        None => Ok(()),
        Some(why) => Err(AddressError {
            text: text.to_owned(),
            why,
        }),
    }
}

/// What is wrong with an address.
fn fault(text: &str, least: u32) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.contains("://") {
        return Some("it is a URL");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Some("it has no port");
    };
    if let Some(why) = host_fault(host) {
        return Some(why);
    }
    match port.parse::<u32>() {
        _ if port.is_empty() => Some("it has no port"),
        _ if !port.bytes().all(|byte| byte.is_ascii_digit()) => Some("its port is no number"),
        Ok(port) if port < least => Some("nobody can be reached at port 0"),
        Ok(port) if port <= u32::from(u16::MAX) => None,
        _ => Some("ports go up to 65535"),
    }
}

fn host_fault(host: &str) -> Option<&'static str> {
    if host.is_empty() {
        return Some("it has no host");
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        // After the percent sign stands the name of an interface.
        let address = address.split('%').next().unwrap_or_default();
        return address
            .parse::<Ipv6Addr>()
            .err()
            .map(|_| "there is no IPv6 address in its brackets");
    }
    if host.contains(':') {
        return Some("an IPv6 address needs brackets, as in [::1]:7000");
    }
    let strange = |c: char| c.is_whitespace() || c.is_control() || "/?#@=,;\\[]".contains(c);
    host.contains(strange)
        .then_some("it has a character that no name of a host has")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_apart() {
        for (text, part) in [
            ("", "empty"),
            ("127.0.0.1", "no port"),
            ("127.0.0.1:", "no port"),
            (":8000", "no host"),
            ("127.0.0.1:99999", "65535"),
            ("127.0.0.1:99999999999999", "65535"),
            ("127.0.0.1:0", "port 0"),
            ("127.0.0.1:+1", "no number"),
            ("127.0.0.1:http", "no number"),
            ("http://127.0.0.1:8000", "URL"),
            ("127.0.0.1:8000/x", "no number"),
            ("user@host:8000", "character"),
            ("two words:8000", "character"),
            ("0=127.0.0.1:8000", "character"),
            ("::1:8000", "brackets"),
            ("[::g]:8000", "IPv6"),
        ] {
            let error = check_address(text).expect_err(text).to_string();
            assert!(
                error.contains(part) && error.contains("host:port"),
                "{text}: {error}"
            );
        }
        for text in [
            "127.0.0.1:1",
            "localhost:65535",
            "[::1]:7000",
            "[fe80::1%eth0]:7000",
            "node_b.example:80",
        ] {
            assert_eq!(check_address(text), Ok(()), "{text}");
        }
        assert_eq!(check_listen_address("0.0.0.0:0"), Ok(()));
    }
}
