//! What is known of the servers that do not answer.

use std::time::Instant;

use crate::client::answer::ServerFailure;

/// What is known of each server of the list.
#[derive(Debug)]
pub(crate) struct Failures(Vec<ServerNews>);

#[derive(Debug)]
struct ServerNews {
    address: String,
    /// Since when requests wait for its answer, if any do.
    asked: Option<Instant>,
    /// When its connection failed last, and why; `None` if it has replied since.
    failed: Option<(Instant, String)>,
    /// Whether it has ever replied.
    known: bool,
}

impl Failures {
    pub(crate) fn new(servers: &[String]) -> Failures {
        let news = |address: &String| ServerNews {
            address: address.clone(),
            asked: None,
            failed: None,
            known: false,
        };
        Failures(servers.iter().map(news).collect())
    }

    /// It was asked something.
    pub(crate) fn asked(&mut self, server: usize, now: Instant) {
        self.0[server].asked.get_or_insert(now);
    }

    /// It has replied.
    pub(crate) fn replied(&mut self, server: usize) {
        let news = &mut self.0[server];
        (news.asked, news.failed, news.known) = (None, None, true);
    }

    /// Its connection failed.
    pub(crate) fn failed(&mut self, server: usize, now: Instant, why: String) {
        let news = &mut self.0[server];
        news.asked = None;
        news.failed = Some((now, why));
    }

    /// Whether it has ever replied, so that its address is that of a replica for clients.
    pub(crate) fn is_known(&self, server: usize) -> bool {
        self.0[server].known
    }

    /// The servers that have failed, or were asked in vain, since a call began.
    pub(crate) fn since(&self, began: Instant) -> Vec<ServerFailure> {
        let why = |news: &ServerNews| match (&news.failed, news.asked) {
            (Some((at, why)), _) if *at >= began => Some((why.clone(), false)),
            (_, Some(_)) => Some(("no answer".to_owned(), true)),
            _ => None,
        };
        let failure = |news: &ServerNews| {
            let address = news.address.clone();
            why(news).map(|(why, is_reached)| ServerFailure {
                address,
                why,
                is_reached,
            })
        };
        self.0.iter().filter_map(failure).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_wrong_before_a_call_is_not_told_of_it() {
        let servers = ["a:1", "b:1", "c:1"].map(str::to_owned);
        let mut failures = Failures::new(&servers);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        failures.failed(0, at(1), "refused".to_owned());
        failures.asked(1, at(2));
        failures.failed(2, at(3), "broken".to_owned());
        let told = |failures: &Failures, began| {
            let told = failures.since(at(began)).into_iter();
            told.map(|failure| (failure.address, failure.why, failure.is_reached))
                .collect::<Vec<_>>()
        };
        let one = |address: &str, why: &str, is_reached| (address.to_owned(), why.to_owned(), is_reached);
        assert_eq!(
            told(&failures, 2),
            [one("b:1", "no answer", true), one("c:1", "broken", false)]
        );
        assert!(!failures.is_known(1));
        failures.replied(1);
        assert!(failures.is_known(1));
        failures.replied(2);
        assert_eq!(told(&failures, 0), [one("a:1", "refused", false)]);
    }
}
