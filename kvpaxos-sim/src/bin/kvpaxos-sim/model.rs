//! `kvpaxos-sim model`: the model checker.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use clap::Args;
use kvpaxos::Quorums;
use kvpaxos_sim::invariants::{Accusation, audit_replicas, audit_roles};
use kvpaxos_sim::model::{
    Bounds, Breach, Counterexample, Draw, Limits, ReplicaBounds, Replicas, Roles, Space, Tally, Toured,
    Verdict, search, walk,
};
use kvpaxos_sim::output::print_error;
use kvpaxos_sim::parallel;
use kvpaxos_sim::specification::{Condition, Exploration, Rules};
use kvpaxos_sim::{note, say, say_part};

/// The exit code if a limit ended the search before it had seen every state.
const LIMIT: u8 = 5;

/// The flags of `kvpaxos-sim model`.
#[derive(Args)]
pub(crate) struct Model {
    /// How many acceptors: 1 to 5.
    #[arg(long, value_name = "N", default_value_t = 3)]
    acceptors: usize,
    /// How many ballots: 1 to 4. Each has a proposer of its own with a value of its own.
    #[arg(long, value_name = "N", default_value_t = 2)]
    ballots: usize,
    /// How often acceptors lose their memory, all together.
    #[arg(long, value_name = "N", default_value_t = 2)]
    losses: usize,
    /// The quorum sizes of phase 1 and phase 2. Default: majorities.
    #[arg(long, value_name = "Q1,Q2", value_parser = quorums)]
    quorums: Option<Quorums>,
    /// How many slots: 1 or 2.
    #[arg(long, value_name = "N", default_value_t = 1)]
    slots: usize,
    /// Let acceptors cut their logs wherever everything is chosen.
    #[arg(long)]
    cuts: bool,
    /// Let a recovering acceptor receive what others remember slot by slot.
    #[arg(long)]
    chunks: bool,
    /// How many changes of an acceptor may not be durable yet when it crashes and keeps its memory: 0 to 2.
    #[arg(long, value_name = "N", default_value_t = 0)]
    unsynced: usize,
    /// Explore without the reductions that rest on an argument about the protocol.
    #[arg(long)]
    thorough: bool,
    /// Check only that no two values are chosen for one slot.
    #[arg(long)]
    agreement_only: bool,
    /// Explore the specification instead of the roles of the core: the ballots propose two values.
    #[arg(long, conflicts_with_all = ["replicas", "chunks", "unsynced", "thorough", "agreement_only", "walks"])]
    specification: bool,
    /// With the specification: leave this condition out, to see what it is for.
    #[arg(long, value_name = "CONDITION", requires = "specification", value_parser = condition)]
    without: Option<Condition>,
    /// Explore this many whole replicas instead of single roles, from a state in which one leads, as deep as
    /// the limits allow.
    #[arg(long, value_name = "N", conflicts_with_all = ["acceptors", "ballots", "quorums", "slots", "cuts", "chunks", "unsynced", "thorough"],
          value_parser = clap::value_parser!(u8).range(1..=7))]
    replicas: Option<u8>,
    /// With whole replicas: how often each replica's clock reaches its deadline.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "replicas")]
    ticks: u8,
    /// With whole replicas: how many commands clients send.
    #[arg(long, value_name = "N", default_value_t = 2, requires = "replicas")]
    commands: u8,
    /// With whole replicas: how many times one of them hears that it is to stop, and hands leadership over if it leads.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "replicas")]
    hand_overs: u8,
    /// Stop at this many steps from the initial state.
    #[arg(long, value_name = "STEPS", default_value_t = usize::MAX, hide_default_value = true)]
    depth: usize,
    /// Stop after this many states.
    #[arg(long, value_name = "STATES", default_value_t = 100_000_000)]
    limit: usize,
    /// How many threads. Default: one per core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// After a search that saw all states, walk through them at random, in each of several ways, and print what share of
    /// them is reached in how many steps.
    #[arg(long)]
    walks: bool,
    /// The seed of the walks and of the audited paths.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// After the search, let the audit of the simulator watch paths that have so many steps together, each from its
    /// beginning; 0: none. In a small space they take every step.
    #[arg(
        long,
        value_name = "STEPS",
        default_value_t = 20_000,
        conflicts_with = "specification"
    )]
    audit_steps: usize,
    /// Print the result as JSON.
    #[arg(long, conflicts_with = "walks")]
    json: bool,
}

/// What the audit says of paths.
type Audited = Result<Toured, Box<Accusation>>;

/// How many steps walks take, for each state that there is.
const STEPS_PER_STATE: [usize; 4] = [1, 4, 16, 64];

/// Reads quorum sizes like `3,3`.
fn quorums(text: &str) -> Result<Quorums, String> {
    let sizes = text
        .split_once(',')
        .and_then(|(phase1, phase2)| Some((phase1.parse().ok()?, phase2.parse().ok()?)));
    let (phase1, phase2) = sizes.ok_or("write them as Q1,Q2, for example 4,2")?;
    Ok(Quorums { phase1, phase2 })
}

/// Reads the name of a condition of the specification.
fn condition(text: &str) -> Result<Condition, String> {
    let mut all = Condition::ALL.into_iter();
    all.find(|condition| format!("{condition:?}") == text)
        .ok_or_else(|| {
            let names: Vec<String> = Condition::ALL
                .iter()
                .map(|condition| format!("{condition:?}"))
                .collect();
            format!("there is no such condition; there are {}", names.join(", "))
        })
}

/// Explores the space that the flags describe and prints the result.
pub(crate) fn model(what: &Model) -> u8 {
    let bounds = Bounds {
        quorums: what.quorums.unwrap_or(Quorums::majority(what.acceptors)),
        ballots: what.ballots,
        slots: what.slots,
        unsynced: what.unsynced,
        cuts: what.cuts,
        chunks: what.chunks,
        thorough: what.thorough,
        agreement_only: what.agreement_only,
        ..Bounds::new(what.acceptors, what.losses)
    };
    if let Err(why) = bounds.check() {
        note!("{why}");
        return 2;
    }
    let limits = Limits {
        states: what.limit,
        depth: what.depth,
        threads: what.jobs.map_or_else(parallel::cores, usize::from),
    };
    if what.specification {
        return explore_specification(what, bounds.quorums, limits);
    }
    if let Some(replicas) = what.replicas {
        let bounds = ReplicaBounds {
            replicas,
            ticks: what.ticks,
            commands: what.commands,
            losses: u8::try_from(what.losses).expect("the bounds were checked"),
            hand_overs: what.hand_overs,
        };
        let replicas = Replicas::new(bounds);
        let counterexample = |path: &[u128], breach: &Breach| replicas.counterexample(path, breach);
        let audit = || audit_replicas(&replicas, what.seed, what.audit_steps);
        return explore(
            what,
            &bounds.to_string(),
            &replicas,
            limits,
            counterexample,
            audit,
        );
    }
    let roles = Roles::new(bounds);
    let counterexample = |path: &[u128], breach: &Breach| {
        let Counterexample { mut lines, events } = roles.counterexample(path, breach);
        lines.push(format!(
            "(in all {events} arrivals of messages and losses of memory)"
        ));
        lines
    };
    let audit = || audit_roles(&roles, what.seed, what.audit_steps);
    explore(what, &bounds.to_string(), &roles, limits, counterexample, audit)
}

/// Explores the specification, within bounds that were checked.
fn explore_specification(what: &Model, quorums: Quorums, limits: Limits) -> u8 {
    let mut space = Exploration {
        ballots: what.ballots as u64,
        slots: what.slots as u64,
        cuts: what.cuts,
        ..Exploration::new(what.acceptors, what.losses)
    };
    space.rules = Rules::new(what.acceptors, quorums);
    space.rules.without = what.without;
    let counterexample = |path: &[u128], _: &Breach| space.steps(path);
    let no_audit = || Ok(Toured::default());
    explore(what, &space.to_string(), &space, limits, counterexample, no_audit)
}

/// Searches a space and prints the result.
fn explore<S: Space>(
    what: &Model,
    bounds: &str,
    space: &S,
    limits: Limits,
    counterexample: impl Fn(&[u128], &Breach) -> Vec<String>,
    audit: impl FnOnce() -> Audited,
) -> u8
where
    S::State: Clone,
{
    if !what.json {
        say!("{bounds}");
    }
    let mut printed = Instant::now();
    let (verdict, tally) = search(space, limits, |tally| {
        if printed.elapsed() > Duration::from_secs(10) && !what.json {
            printed = Instant::now();
            let line = format!("  {}", so_far(tally));
            if std::io::stderr().is_terminal() {
                print_error(format_args!("\r{line}"));
            } else {
                note!("{line}");
            }
        }
    });
    if what.json {
        let mut value = json(bounds, &verdict, &tally, counterexample);
        let audited = audit();
        value["audit"] = match &audited {
            Ok(toured) => serde_json::json!(toured),
            Err(accusation) => serde_json::json!({ "accusation": accusation }),
        };
        say!("{value}");
        return code(&verdict, &audited);
    }
    say!("  {}", so_far(&tally));
    say_part!("{}", conclusion(&verdict, counterexample));
    let audited = audit();
    say_part!("{}", audited_in_words(&audited));
    if what.walks && audited.is_ok() {
        if verdict != Verdict::Holds {
            note!("no walks: without a count of all states there is no share");
            return code(&verdict, &audited);
        }
        return print_walks(space, tally.states, what.seed);
    }
    code(&verdict, &audited)
}

/// What the audit says of the paths that it watched.
fn audited_in_words(audited: &Audited) -> String {
    match audited {
        Ok(Toured { paths: 0, .. }) => String::new(),
        Ok(Toured {
            paths,
            steps,
            states,
            complete,
        }) => {
            let through = if *complete {
                format!("every step between all {states} states")
            } else {
                format!("through {states} of the states")
            };
            format!("audit: nothing is violated on {paths} paths with {steps} steps, {through}\n")
        }
        Err(accusation) => {
            let Accusation {
                property,
                explanation,
                steps,
            } = &**accusation;
            let says = property.says();
            let mut text = format!("audit: {property} is violated ({says}): {explanation}\n");
            text.push_str(&format!("one way there, {} steps:\n", steps.len()));
            for (number, step) in (1..).zip(steps) {
                text.push_str(&format!("{number:>4}  {step}\n"));
            }
            text
        }
    }
}

/// Walks through a space of so many states in each way, and prints how many it reaches.
fn print_walks<S: Space>(space: &S, states: usize, seed: u64) -> u8
where
    S::State: Clone,
{
    let marks = STEPS_PER_STATE.map(|steps| steps * states);
    say!("random walks: the share of the states that they reach, and the seconds of one thread");
    let steps: String = marks.iter().map(|steps| format!("{steps:>12} steps")).collect();
    say!("  {:<24}{steps}", "");
    for draw in Draw::ALL {
        let reached = match walk(space, draw, seed, &marks) {
            Ok(reached) => reached,
            Err(breach) => {
                note!("{breach}");
                return 1;
            }
        };
        let cells: String = reached
            .iter()
            .map(|reached| {
                let share = permille(reached.states, states);
                let seconds = reached.elapsed.as_millis();
                format!(
                    "{:>5}.{} % {:>5}.{} s",
                    share / 10,
                    share % 10,
                    seconds / 1000,
                    seconds % 1000 / 100
                )
            })
            .collect();
        say!("  {:<24}{cells}", draw.to_string());
    }
    0
}

fn permille(part: usize, whole: usize) -> usize {
    part * 1000 / whole.max(1)
}

fn code(verdict: &Verdict, audited: &Audited) -> u8 {
    match (verdict, audited) {
        (Verdict::Violated { .. }, _) | (_, Err(_)) => 1,
        (Verdict::Holds, Ok(_)) => 0,
        (Verdict::LimitReached, Ok(_)) => LIMIT,
    }
}

fn so_far(tally: &Tally) -> String {
    let Tally {
        states,
        steps,
        depth,
        open,
        bytes,
        elapsed,
    } = tally;
    format!(
        "{states} states by {steps} steps, {depth} deep, {open} open, {} MiB, {}.{:01} s",
        bytes >> 20,
        elapsed.as_secs(),
        elapsed.subsec_millis() / 100
    )
}

fn conclusion(verdict: &Verdict, counterexample: impl Fn(&[u128], &Breach) -> Vec<String>) -> String {
    match verdict {
        Verdict::Holds => "verdict: every invariant holds in every state\n".to_owned(),
        Verdict::LimitReached => {
            "verdict: the limit was reached; every invariant holds in the states that were seen\n".to_owned()
        }
        Verdict::Violated { breach, path } => {
            let lines = counterexample(path, breach);
            let steps = lines.iter().filter(|line| !line.starts_with('(')).count();
            let mut text = format!("verdict: {breach}\na shortest way there, {steps} steps:\n");
            for (number, line) in (1..).zip(&lines) {
                if line.starts_with('(') {
                    text.push_str(&format!("      {line}\n"));
                } else {
                    text.push_str(&format!("{number:>4}  {line}\n"));
                }
            }
            text
        }
    }
}

fn json(
    bounds: &str,
    verdict: &Verdict,
    tally: &Tally,
    counterexample: impl Fn(&[u128], &Breach) -> Vec<String>,
) -> serde_json::Value {
    let mut value = serde_json::json!({
        "bounds": bounds,
        "states": tally.states,
        "steps": tally.steps,
        "depth": tally.depth,
        "open": tally.open,
        "micros": u64::try_from(tally.elapsed.as_micros()).expect("a search ends within centuries"),
        "verdict": match verdict {
            Verdict::Holds => "holds",
            Verdict::Violated { .. } => "violated",
            Verdict::LimitReached => "limit reached",
        },
    });
    if let Verdict::Violated { breach, path } = verdict {
        value["breach"] = serde_json::json!(breach);
        value["counterexample"] = counterexample(path, breach).into();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_no_wrong_command_line() {
        let replicas = Replicas::new(ReplicaBounds {
            replicas: 1,
            ticks: 1,
            commands: 1,
            losses: 0,
            hand_overs: 0,
        });
        let explore = |depth| {
            let limits = Limits {
                states: 1000,
                depth,
                threads: 1,
            };
            let (verdict, _) = search(&replicas, limits, |_| {});
            code(&verdict, &audit_replicas(&replicas, 1, 10))
        };
        assert_eq!([explore(1), explore(usize::MAX)], [5, 0]);
    }

    #[test]
    fn sizes_of_quorums() {
        assert_eq!(quorums("4,2"), Ok(Quorums { phase1: 4, phase2: 2 }));
        assert!(quorums("4").is_err());
        assert!(quorums("4,x").is_err());
    }
}
