//! Lets in the requests of clients that have shown the password, where one must be shown.

use std::sync::Arc;

use kvpaxos::{Outcome, Password, Refusal, Reply, Request, RequestBody};

/// What a connection has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shown {
    Nothing,
    Wrong,
    Right,
}

/// The gate before one connection.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Any of these will do; if there is none, everybody may ask.
    passwords: Arc<[Password]>,
    shown: Shown,
}

impl Gate {
    pub(crate) fn new(passwords: Arc<[Password]>) -> Gate {
        Gate {
            passwords,
            shown: Shown::Nothing,
        }
    }

    /// Whether the client may ask.
    pub(crate) fn is_open(&self) -> bool {
        self.passwords.is_empty() || self.shown == Shown::Right
    }

    /// Whether what was shown last is wrong.
    pub(crate) fn is_wrong(&self) -> bool {
        self.shown == Shown::Wrong
    }

    /// Takes out, in order, what is answered here: passwords, and what was asked while none was right. What is
    /// left is for the replica.
    pub(crate) fn sift(&mut self, requests: &mut Vec<Request>, replies: &mut Vec<Reply>) {
        if self.passwords.is_empty() {
            return;
        }
        requests.retain(|request| {
            let outcome = match &request.body {
                RequestBody::Authenticate { password } => self.show(password),
                _ => match self.shown {
                    Shown::Right => return true,
                    Shown::Wrong => Outcome::Refused(Refusal::WrongPassword),
                    Shown::Nothing => Outcome::Refused(Refusal::PasswordRequired),
                },
            };
            let id = request.id;
            replies.push(Reply { id, outcome });
            false
        });
    }

    fn show(&mut self, password: &Password) -> Outcome {
        if is_one_of(&self.passwords, password.as_bytes()) {
            self.shown = Shown::Right;
            return Outcome::Authenticated;
        }
        self.shown = Shown::Wrong;
        Outcome::Refused(Refusal::WrongPassword)
    }
}

/// Whether these bytes are one of the passwords. All are compared, so the time does not tell which.
pub(crate) fn is_one_of(passwords: &[Password], shown: &[u8]) -> bool {
    passwords
        .iter()
        .fold(false, |found, password| found | password.matches(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &'static str) -> Password {
        Password::new(text).unwrap()
    }

    #[test]
    fn what_is_asked_before_the_password_is_refused() {
        let mut gate = Gate::new([password("old"), password("new")].into());
        let mut sift = |bodies: &[RequestBody]| {
            let requests = bodies.iter().cloned().zip(1..);
            let mut requests: Vec<Request> = requests.map(|(body, id)| Request { id, body }).collect();
            let mut replies = Vec::new();
            gate.sift(&mut requests, &mut replies);
            let let_in: Vec<u64> = requests.iter().map(|request| request.id).collect();
            let outcomes: Vec<Outcome> = replies.into_iter().map(|reply| reply.outcome).collect();
            (let_in, outcomes, gate.is_open())
        };
        let show = |text| RequestBody::Authenticate {
            password: password(text),
        };
        let required = Outcome::Refused(Refusal::PasswordRequired);
        let wrong = Outcome::Refused(Refusal::WrongPassword);
        assert_eq!(sift(&[RequestBody::Status]), (vec![], vec![required], false));
        assert_eq!(
            sift(&[show("ne"), RequestBody::Count]),
            (vec![], vec![wrong.clone(), wrong.clone()], false)
        );
        assert_eq!(
            sift(&[RequestBody::Count, show("new"), RequestBody::Count]),
            (vec![3], vec![wrong.clone(), Outcome::Authenticated], true)
        );
        assert_eq!(
            sift(&[show("old"), RequestBody::Count]),
            (vec![2], vec![Outcome::Authenticated], true)
        );
        assert_eq!(sift(&[show("older")]), (vec![], vec![wrong], false));
        let mut open = Gate::new([].into());
        let mut requests = vec![Request {
            id: 1,
            body: show("any"),
        }];
        open.sift(&mut requests, &mut Vec::new());
        assert_eq!((requests.len(), open.is_open()), (1, true));
    }
}
