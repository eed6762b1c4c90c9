//! Patterns of KEYS, SCAN and CONFIG GET.

/// Whether the text matches the pattern: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a byte to be taken as it
/// is. As in Redis, a class that is not closed ends with the pattern.
///
/// Redis' own matcher is recursive. This one only remembers the last `*`, which is enough, since what stands
/// between two of them has a fixed length: it takes at most the product of the lengths.
pub(crate) fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    // Redis looks at the pattern only while there is text left, but for this one pattern.
    if pattern == b"*" || text.is_empty() {
        return pattern == b"*" || pattern.is_empty();
    }
    let (mut at, mut from) = (0, 0);
    // What follows the last star, and the text from which on it was tried.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, from));
            continue;
        }
        if let Some(length) = one(&pattern[at..], text[from], ignore_case) {
            at += length;
            from += 1;
        } else if let Some((after, tried)) = star {
            at = after;
            from = tried + 1;
            star = Some((after, from));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The length of the pattern's first element, if it matches this byte.
fn one(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let same = |other: u8| other == byte || ignore_case && other.eq_ignore_ascii_case(&byte);
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (matched, length) = in_class(class, byte, ignore_case);
            matched.then_some(1 + length)
        }
        [b'\\', escaped, ..] => same(*escaped).then_some(2),
        [other, ..] => same(*other).then_some(1),
    }
}

/// Whether a byte is in the class that begins here, and the length of the class with its end.
fn in_class(class: &[u8], byte: u8, ignore_case: bool) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let fold = |byte: u8| {
        if ignore_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    };
    let byte = fold(byte);
    let mut at = usize::from(negated);
    let mut matched = false;
    loop {
        match &class[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                matched |= fold(*escaped) == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [first, b'-', last, ..] => {
                // Redis compares signed bytes.
                let [first, last, byte] = [*first, *last, byte].map(|byte| fold(byte).cast_signed());
                matched |= (first.min(last)..=first.max(last)).contains(&byte);
                at += 3;
            }
            [other, ..] => {
                matched |= fold(*other) == byte;
                at += 1;
            }
        }
    }
    (matched != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        let yes = [
            ("*", ""),
            ("*", "a"),
            ("", ""),
            ("a*", "a"),
            ("a**c", "abc"),
            ("*b*", "abc"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-c]llo", "hbllo"),
            ("h[c-a]llo", "hbllo"),
            ("\\*", "*"),
            ("a\\", "a\\"),
            ("[\\]]", "]"),
            ("[abc", "b"),
            ("[a-", "-"),
            ("[^", "x"),
            ("*a*b*c", "xaybzc"),
            ("[a\\-z]", "-"),
        ];
        for (pattern, text) in yes {
            assert!(
                matches(pattern.as_bytes(), text.as_bytes(), false),
                "{pattern} {text}"
            );
        }
        let no = [
            ("**", ""),
            ("", "a"),
            ("a", ""),
            ("a*b", "acx"),
            ("?", ""),
            ("h[^e]llo", "hello"),
            ("[", "["),
            ("[]", "]"),
            ("[a\\-z]", "b"),
            ("a[]b]", "ab]"),
            ("\\*", "a"),
            ("A", "a"),
        ];
        for (pattern, text) in no {
            assert!(
                !matches(pattern.as_bytes(), text.as_bytes(), false),
                "{pattern} {text}"
            );
        }
        assert!(matches(b"MAX[A-Z]*", b"maxmemory", true));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = [b"*a".repeat(200), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(20_000), false));
    }
}
