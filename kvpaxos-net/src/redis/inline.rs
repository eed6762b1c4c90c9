//! Inline commands: words in a line, as a person types them.

use bytes::Bytes;

/// Splits a line into words, as Redis does: `"..."` with the escapes `\n \r \t \b \a \xHH`, and `'...'` with
/// `\'`. Returns `None` if a quotation mark is not closed, or is followed by something other than a space.
pub(crate) fn split(line: &[u8]) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let blank = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest = &rest[blank..];
        // Redis' strings are C strings here: a NUL ends the line.
        if rest.is_empty() || rest[0] == 0 {
            return Some(words);
        }
        let mut word = Vec::new();
        loop {
            match rest {
                [] | [0, ..] => break,
                [space, ..] if is_space(*space) => break,
                [b'"', after @ ..] => {
                    rest = double_quoted(after, &mut word)?;
                    break;
                }
                [b'\'', after @ ..] => {
                    rest = single_quoted(after, &mut word)?;
                    break;
                }
                [byte, after @ ..] => {
                    word.push(*byte);
                    rest = after;
                }
            }
        }
        words.push(Bytes::from(word));
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// What follows the closing quotation mark, where nothing or a space must stand.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first()
        .is_none_or(|next| is_space(*next) || *next == 0)
        .then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = after;
            }
            [b'"', after @ ..] => return closed(after),
            [] | [0, ..] => return None,
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                rest = after;
            }
            [b'\'', after @ ..] => return closed(after),
            [] | [0, ..] => return None,
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        other => other - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_redis_does() {
        let cases: [(&[u8], &[&[u8]]); 7] = [
            (b"", &[]),
            (b"  a\tb  ", &[b"a", b"b"]),
            (b"a\"b c\" d", &[b"ab c", b"d"]),
            (b"\"\"", &[b""]),
            (b"'a\\'b\\n'", &[b"a'b\\n"]),
            (b"\"\\x00\\xfF\\q\\\"\"", &[b"\x00\xffq\""]),
            (b"\"\\xg0\"", &[b"xg0"]),
        ];
        for (line, words) in cases {
            let words: Vec<Bytes> = words.iter().copied().map(Bytes::from_static).collect();
            assert_eq!(split(line), Some(words), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn quotation_marks_are_closed_at_the_end_of_a_word() {
        let cases: [&[u8]; 5] = [b"\"a", b"'a", b"\"a\"b", b"'a'b", b"\"a\\"];
        for line in cases {
            assert_eq!(split(line), None, "{}", line.escape_ascii());
        }
    }
}
