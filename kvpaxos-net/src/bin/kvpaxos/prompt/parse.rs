//! Parses a line at the prompt.

use kvpaxos::Role;

/// A command at the prompt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PromptCommand {
    Nothing,
    Put {
        key: String,
        value: String,
    },
    Get {
        key: String,
    },
    Delete {
        key: String,
    },
    Cas {
        key: String,
        expect: Option<String>,
        value: Option<String>,
    },
    Status,
    Fail {
        replica: u8,
        role: Role,
    },
    Restart {
        replica: u8,
        role: Role,
    },
    Help,
    Exit,
}

/// A word of a line, and whether it was in quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Token {
    text: String,
    quoted: bool,
}

/// Parses a line.
///
/// # Errors
/// A sentence that says what is wrong, and what to write.
pub(crate) fn parse(text: &str) -> Result<PromptCommand, String> {
    let mut tokens = tokens(text)?.into_iter();
    let Some(verb) = tokens.next() else {
        return Ok(PromptCommand::Nothing);
    };
    let rest: Vec<Token> = tokens.collect();
    let verb = verb.text;
    match verb.to_ascii_uppercase().as_str() {
        "PUT" => take(rest, "PUT key value").map(|[key, value]| PromptCommand::Put {
            key: key.text,
            value: value.text,
        }),
        "GET" => take(rest, "GET key").map(|[key]| PromptCommand::Get { key: key.text }),
        "DELETE" | "DEL" => take(rest, "DELETE key").map(|[key]| PromptCommand::Delete { key: key.text }),
        "CAS" => take(rest, "CAS key old new").map(|[key, expect, value]| PromptCommand::Cas {
            key: key.text,
            expect: unless_dash(expect),
            value: unless_dash(value),
        }),
        "STATUS" => take(rest, "STATUS").map(|[]| PromptCommand::Status),
        "FAIL" => {
            let [replica, role] = take(rest, "FAIL r2 acceptor")?;
            Ok(PromptCommand::Fail {
                replica: named_replica(&replica.text)?,
                role: named_role(&role.text)?,
            })
        }
        "RESTART" => {
            let [replica, role] = take(rest, "RESTART r2 acceptor")?;
            Ok(PromptCommand::Restart {
                replica: named_replica(&replica.text)?,
                role: named_role(&role.text)?,
            })
        }
        "HELP" | "?" => Ok(PromptCommand::Help),
        "EXIT" | "QUIT" => Ok(PromptCommand::Exit),
        _ => Err(format!("{verb:?} is no command; HELP lists them")),
    }
}

/// Checks that there are as many words as the command takes.
fn take<const N: usize>(tokens: Vec<Token>, usage: &str) -> Result<[Token; N], String> {
    <[Token; N]>::try_from(tokens).map_err(|tokens| {
        let count = tokens.len();
        let quotes = if count > N {
            "; put quotes around words with spaces"
        } else {
            ""
        };
        format!("write {usage}: {N} words after the command, not {count}{quotes}")
    })
}

/// A bare dash stands for "no value"; a dash in quotes is a dash.
fn unless_dash(word: Token) -> Option<String> {
    (word.quoted || word.text != "-").then_some(word.text)
}

fn named_replica(text: &str) -> Result<u8, String> {
    text.trim_start_matches('r')
        .parse()
        .map_err(|_| format!("{text:?} is no replica; write r0, r1, ..."))
}

fn named_role(text: &str) -> Result<Role, String> {
    match text.to_ascii_lowercase().as_str() {
        "acceptor" => Ok(Role::Acceptor),
        "proposer" => Ok(Role::Proposer),
        "learner" => Ok(Role::Learner),
        _ => Err(format!(
            "{text:?} is no role; write acceptor, proposer or learner"
        )),
    }
}

/// Splits a line at spaces, except within double quotes.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let Some(first) = letters.peek() else {
            return Ok(tokens);
        };
        let quoted = *first == '"';
        let text = if quoted {
            letters.next();
            quoted_token(&mut letters)?
        } else {
            let mut word = String::new();
            while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
                word.push(letter);
            }
            word
        };
        if quoted && letters.peek().is_some_and(|letter| !letter.is_whitespace()) {
            return Err("a space must follow the closing quote".to_owned());
        }
        tokens.push(Token { text, quoted });
    }
}

fn quoted_token(letters: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut word = String::new();
    loop {
        match letters.next() {
            Some('"') => return Ok(word),
            Some('\\') => match letters.next() {
                Some('n') => word.push('\n'),
                Some('t') => word.push('\t'),
                Some(letter @ ('"' | '\\')) => word.push(letter),
                Some(letter) => {
                    return Err(format!(
                        "\\{letter} is not understood; write \\\" \\\\ \\n or \\t"
                    ));
                }
                None => return Err("the closing quote is missing".to_owned()),
            },
            Some(letter) => word.push(letter),
            None => return Err("the closing quote is missing".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_their_case() {
        let put = |key: &str, value: &str| {
            Ok(PromptCommand::Put {
                key: key.to_owned(),
                value: value.to_owned(),
            })
        };
        assert_eq!(parse("  put a b "), put("a", "b"));
        assert_eq!(
            parse(r#"PUT "two tokens" "say \"hi\"\n""#),
            put("two tokens", "say \"hi\"\n")
        );
        assert_eq!(parse(r#"PUT empty """#), put("empty", ""));
        assert_eq!(parse(""), Ok(PromptCommand::Nothing));
        assert_eq!(parse("Exit"), Ok(PromptCommand::Exit));
        let cas = parse(r#"CAS k - "-""#);
        let expected = PromptCommand::Cas {
            key: "k".to_owned(),
            expect: None,
            value: Some("-".to_owned()),
        };
        assert_eq!(cas, Ok(expected));
        let fail = PromptCommand::Fail {
            replica: 2,
            role: Role::Acceptor,
        };
        assert_eq!(parse("FAIL r2 acceptor"), Ok(fail));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| parse(text).unwrap_err();
        assert!(error("PUT a b c").contains("quotes"), "{}", error("PUT a b c"));
        assert!(error("GET").contains("GET key"));
        assert!(error("SET a b").contains("no command"));
        assert!(error("GET \"a").contains("closing quote"));
        assert!(error("GET \"a\"b").contains("space"));
        assert!(error("FAIL x acceptor").contains("no replica"));
        assert!(error("FAIL r1 leader").contains("no role"));
    }
}
