use super::*;
use crate::redis::parse::parse;

fn conversation(password: Option<&'static str>) -> Conversation {
    let server = Server {
        limits: Limits::default(),
        passwords: password.and_then(Password::new).into_iter().collect(),
        config: vec![("save", String::new()), ("timeout", "0".to_owned())],
    };
    Conversation::new(Arc::new(server), 7, "addr=a laddr=b".to_owned())
}

fn take(conversation: &mut Conversation, line: &str) -> Action {
    conversation.take(parse(
        line.split(' ').map(|word| Bytes::from(word.to_owned())).collect(),
    ))
}

/// What is written as the answer; for what the replica is to be asked, its kind.
fn answer(conversation: &mut Conversation, line: &str) -> String {
    match take(conversation, line) {
        Action::Reply(reply) | Action::Close(reply) => {
            let mut bytes = Vec::new();
            conversation.encode(&reply, &mut bytes);
            String::from_utf8(bytes)
                .unwrap()
                .replace("\r\n", " ")
                .trim_end()
                .to_owned()
        }
        other => format!("{other:?}")
            .split([' ', '(', '{'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

fn script(conversation: &mut Conversation, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(answer(conversation, line), *expected, "{line}");
    }
}

#[test]
fn a_transaction_is_queued_and_executed() {
    let conversation = &mut conversation(None);
    script(
        conversation,
        &[
            ("get k", "Data"),
            ("exec", "-ERR EXEC without MULTI"),
            ("discard", "-ERR DISCARD without MULTI"),
            ("multi", "+OK"),
            ("multi", "-ERR MULTI calls can not be nested"),
            ("watch k", "-ERR WATCH inside MULTI is not allowed"),
            ("set k v", "+QUEUED"),
            ("set k v wrong", "+QUEUED"),
            ("ping", "+QUEUED"),
            ("exec", "Execute"),
            ("multi", "+OK"),
            ("get", "-ERR wrong number of arguments for 'get' command"),
            ("set k v", "+QUEUED"),
            (
                "exec",
                "-EXECABORT Transaction discarded because of previous errors.",
            ),
            ("multi", "+OK"),
            ("dbsize", "-ERR DBSIZE is not supported inside MULTI here"),
            ("discard", "+OK"),
            ("watch k", "Watch"),
            ("multi", "+OK"),
            ("reset", "+RESET"),
            ("exec", "-ERR EXEC without MULTI"),
        ],
    );
}

#[test]
fn a_transaction_has_bounds() {
    let conversation = &mut conversation(None);
    answer(conversation, "multi");
    let line = format!("set k {}", "v".repeat(1024 * 1024));
    assert_eq!([(); 3].map(|()| answer(conversation, &line))[1], "+QUEUED");
    assert!(answer(conversation, "get k").starts_with("-ERR the transaction is over the limit"));
    assert!(answer(conversation, "exec").starts_with("-EXECABORT "));
}

#[test]
fn a_connection_knows_its_protocol_and_its_name() {
    let conversation = &mut conversation(None);
    script(
        conversation,
        &[
            ("client getname", "$-1"),
            ("client setname me", "+OK"),
            ("config get nothing time*", "*2 $7 timeout $1 0"),
            (
                "hello 3 setname you",
                "%7 $6 server $5 redis $7 version $6 7.0.15 $5 proto :3 $2 id :7 $4 mode $10 standalone $4 role $6 master $7 modules *0",
            ),
            ("client getname", "$3 you"),
            ("config get nothing", "%0"),
            (
                "hello 2 auth a b",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            (
                "client info",
                "=67 txt:id=7 addr=a laddr=b name=you db=0 multi=-1 user=default resp=3",
            ),
            ("reset", "+RESET"),
            ("client getname", "$-1"),
        ],
    );
}

#[test]
fn strangers_are_told_nothing() {
    let conversation = &mut conversation(Some("secret"));
    script(
        conversation,
        &[
            ("ping", "-NOAUTH Authentication required."),
            ("multi", "-NOAUTH Authentication required."),
            ("set k v wrong", "-NOAUTH Authentication required."),
            ("set k", "-ERR wrong number of arguments for 'set' command"),
            (
                "auth secre",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            (
                "auth secret1",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            ("auth default secret", "+OK"),
            ("get k", "Data"),
            ("reset", "+RESET"),
            ("get k", "-NOAUTH Authentication required."),
        ],
    );
}

#[test]
fn replies_are_switched_off() {
    let conversation = &mut conversation(None);
    script(
        conversation,
        &[
            ("client reply skip", ""),
            ("ping", ""),
            ("ping", "+PONG"),
            ("client reply off", ""),
            ("ping", ""),
            ("nosuch", ""),
            ("client reply on", "+OK"),
            ("ping", "+PONG"),
        ],
    );
    assert!(conversation.is_plain());
}
