//! Keys and values as people and programs read them.

use serde_json::{Value, json};

/// The first `most` bytes in quotation marks, with escapes for what is not printable.
pub(crate) fn quoted(bytes: &[u8], most: usize) -> String {
    let shown = &bytes[..bytes.len().min(most)];
    let text = match str::from_utf8(shown) {
        Ok(text) => format!("{text:?}"),
        // The cut went through a character: it is left out. Other bytes that are no text are escaped.
        Err(error) if error.error_len().is_none() && shown.len() < bytes.len() => {
            format!("{:?}", String::from_utf8_lossy(&shown[..error.valid_up_to()]))
        }
        Err(_) => format!("\"{}\"", shown.escape_ascii()),
    };
    if shown.len() < bytes.len() {
        format!("{text}... ({} bytes)", bytes.len())
    } else {
        text
    }
}

/// Text as a string, other bytes as `{"hex": "..."}`.
pub(crate) fn bytes_value(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "hex": to_hex(bytes) }),
    }
}

/// Two hexadecimal digits for each byte.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// The bytes that hexadecimal digits stand for, two for each; `None` if they are none.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..digits.len())
        .step_by(2)
        .map(|start| &digits[start..start + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_people_read_them() {
        assert_eq!(quoted(b"plain", 64), r#""plain""#);
        assert_eq!(
            quoted("two\nlines \u{e9}".as_bytes(), 64),
            "\"two\\nlines \u{e9}\""
        );
        assert_eq!(quoted(b"\x1b[2J\xff\"", 64), r#""\x1b[2J\xff\"""#);
        assert_eq!(
            quoted(b"\x1b[2J", 64),
            r#""\u{1b}[2J""#,
            "no control sequence reaches the terminal"
        );
        assert_eq!(quoted(b"0123456789", 4), r#""0123"... (10 bytes)"#);
        assert_eq!(quoted("\u{e9}\u{e9}".as_bytes(), 3), "\"\u{e9}\"... (4 bytes)");
        assert_eq!(quoted(b"", 64), r#""""#);
        assert_eq!(bytes_value(b"\xff\x00"), json!({ "hex": "ff00" }));
    }
}
