//! What is measured, checked before anything is tried.

use std::sync::Arc;
use std::time::Duration;

use kvpaxos::Entropy;

use crate::args::BenchArguments;
use crate::bench::draw::DrawPlan;
use crate::bench::mix::{Kind, Mix};
use crate::bench::pace::Arrivals;
use crate::bench::target::{Access, LoadTransport, Target, TargetTls};

/// How many requests each client of an open loop keeps in flight at most, if that is not given.
const OPEN_PIPELINE: usize = 64;
/// The most requests in flight in all.
const MOST_LANES: usize = 1_000_000;

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) targets: Vec<Target>,
    pub(crate) access: Access,
    pub(crate) clients: usize,
    /// How many requests each client has in flight; in an open loop, at most.
    pub(crate) pipeline: usize,
    /// When requests are due in an open loop; `None` for a closed one.
    pub(crate) arrivals: Option<Arrivals>,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) rounds: u64,
    pub(crate) draw: Arc<DrawPlan>,
    pub(crate) preload: bool,
}

impl Plan {
    /// # Errors
    /// If the arguments do not fit together.
    pub(crate) fn new(arguments: &BenchArguments) -> Result<Plan, String> {
        let targets = targets(arguments)?;
        let mix = match (&arguments.mix, arguments.reads) {
            (Some(mix), _) => mix.clone(),
            (None, reads) => Mix::of_reads(reads.unwrap_or(0)),
        };
        let unique = match &arguments.history {
            None => None,
            Some(_) => {
                check_history(arguments, &targets, &mix)?;
                Some(unused_prefix()?)
            }
        };
        let arrivals = arguments.rate.map(|rate| Arrivals { rate });
        let default = if arrivals.is_some() { OPEN_PIPELINE } else { 1 };
        let pipeline = arguments.pipeline.unwrap_or(default);
        if arguments.clients.saturating_mul(pipeline) > MOST_LANES {
            return Err(format!(
                "{} clients with {pipeline} requests in flight each are more than {MOST_LANES} requests",
                arguments.clients
            ));
        }
        let plan = Plan {
            access: Access {
                timeout: arguments.timeout,
                attempt: arguments.attempt,
                security: arguments.access.clone(),
            },
            clients: arguments.clients,
            pipeline,
            arrivals,
            warm_up: arguments.warm_up,
            measured: Duration::from_secs(arguments.seconds),
            rounds: arguments.rounds,
            draw: Arc::new(DrawPlan {
                mix,
                keys: arguments.keys,
                distribution: arguments.distribution,
                sizes: arguments.value_size,
                seed: arguments.seed,
                unique,
            }),
            preload: arguments.preload,
            targets,
        };
        plan.check_targets()?;
        Ok(plan)
    }

    /// Whether every target can be asked what is drawn.
    fn check_targets(&self) -> Result<(), String> {
        let draw = &self.draw;
        let longest = match self.preload {
            true => draw
                .longest_request()
                .max(draw.longest_key() + draw.longest_value()),
            false => draw.longest_request(),
        };
        for target in &self.targets {
            // What is wrong with certificates and passwords is told before anything is tried.
            target.protection(&self.access)?;
            if let Some(capacity) = target.transport.capacity()
                && longest > capacity
            {
                return Err(format!(
                    "requests of up to {longest} bytes are drawn (--value-size {}), and one over {} holds {capacity}",
                    draw.sizes, target.transport
                ));
            }
            if target.transport == LoadTransport::Redis && draw.mix.has(Kind::Cas) {
                return Err(format!(
                    "{} is asked in the Redis protocol, which has no compare-and-swap: leave cas out of --mix {}",
                    target.name, draw.mix
                ));
            }
        }
        Ok(())
    }
}

fn targets(arguments: &BenchArguments) -> Result<Vec<Target>, String> {
    let mut targets = arguments.targets.clone();
    if targets.is_empty() {
        let servers = arguments
            .servers
            .clone()
            .ok_or("there are neither --servers nor --targets")?;
        let transport = match arguments.udp {
            true => LoadTransport::Udp,
            false => arguments.transport,
        };
        let name = "cluster".to_owned();
        targets.push(Target {
            name,
            transport,
            tls: TargetTls::IfGiven,
            servers,
        });
    }
    for (place, target) in targets.iter().enumerate() {
        if targets[..place].iter().any(|other| other.name == target.name) {
            return Err(format!("two targets are called {}", target.name));
        }
    }
    Ok(targets)
}

fn check_history(arguments: &BenchArguments, targets: &[Target], mix: &Mix) -> Result<(), String> {
    if targets.len() > 1 || arguments.rounds > 1 {
        return Err(format!(
            "a history is of one store and one round, and here are {} and {}",
            targets.len(),
            arguments.rounds
        ));
    }
    if mix.has(Kind::Increment) {
        return Err(format!(
            "histories have no increment: leave incr out of --mix {mix}"
        ));
    }
    Ok(())
}

/// A prefix of keys that nobody has written: a history begins with keys that have no value.
fn unused_prefix() -> Result<String, String> {
    let Entropy(bits) =
        kvpaxos_net::entropy().map_err(|error| format!("the system gives no random bits: {error}"))?;
    Ok(bits[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        + "/")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn plan(line: &str) -> Result<Plan, String> {
        let words = ["kvpaxos", "bench"].into_iter().chain(line.split(' '));
        match Arguments::try_parse_from(words)
            .map_err(|error| error.to_string())?
            .command
        {
            Command::Bench(arguments) => Plan::new(&arguments),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn loops_are_closed_unless_a_rate_is_given() {
        let closed = plan("--servers a:1").unwrap();
        assert_eq!((closed.arrivals, closed.pipeline), (None, 1));
        assert_eq!(closed.draw.mix.to_string(), "put=100");
        let open = plan("--servers a:1 --rate 500/s").unwrap();
        assert_eq!((open.arrivals, open.pipeline), (Some(Arrivals { rate: 500 }), 64));
        let open = plan("--servers a:1 --rate 500 --pipeline 2 --reads 30").unwrap();
        assert_eq!(
            (open.pipeline, open.draw.mix.to_string()),
            (2, "get=30,put=70".to_owned())
        );
    }

    #[test]
    fn targets_are_the_servers_or_have_names() {
        let one = plan("--servers a:1,b:1 --udp").unwrap();
        assert_eq!(
            (one.targets.len(), one.targets[0].transport),
            (1, LoadTransport::Udp)
        );
        let two = plan("--targets x=tcp://a:1,b:1 y=redis://c:1 --clients 3").unwrap();
        assert_eq!(
            two.targets
                .iter()
                .map(|target| target.name.as_str())
                .collect::<Vec<_>>(),
            ["x", "y"]
        );
        assert_eq!(two.clients, 3);
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        for (line, part) in [
            ("--clients 3", "--servers"),
            ("--servers a:1 --rate 0", "\"0\""),
            ("--servers a:1 --transport http", "http"),
            ("--servers a:1 --mix get=1 --reads 5", "--reads"),
            ("--servers a:1 --mix get=0", "all weights"),
            ("--servers a:1 --rounds 0", "0"),
            ("--servers a:1 --history x --preload", "--preload"),
            ("--servers a:1 --history x --mix incr=1", "incr=1"),
            ("--servers a:1 --history x --rounds 2", "one round"),
            ("--targets x=tcp://a:1 x=tcp://b:1", "two targets are called x"),
            ("--targets x=tcp://a:1 y=tcp://b:1 --history x", "one store"),
            ("--servers a:1 --transport redis --mix cas=1", "cas=1"),
            ("--servers a:1 --udp --value-size 100000", "100000"),
            (
                "--servers a:1 --udp --value-size 10 --clients 1000000 --pipeline 2",
                "1000000 clients",
            ),
            ("--servers a:1 --value-size 60000000", "60000000"),
            ("--targets x=rediss://a:1", "--tls-ca"),
            ("--servers a:1 --password-file /nowhere/at/all", "/nowhere/at/all"),
            (
                "--servers a:1 --transport redis --tls-ca /nowhere/at/all",
                "/nowhere/at/all",
            ),
        ] {
            let error = plan(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
        assert!(
            plan("--servers a:1 --udp --value-size 100000 --reads 100").is_ok(),
            "nothing so long is sent"
        );
    }
}
