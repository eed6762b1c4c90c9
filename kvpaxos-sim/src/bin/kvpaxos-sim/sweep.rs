//! `kvpaxos-sim sweep`: simulates many seeds.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use kvpaxos_sim::invariants::Sometimes;
use kvpaxos_sim::mutants::{self, Mutant};
use kvpaxos_sim::output::UNWRITTEN;
use kvpaxos_sim::receipts::{Build, Receipt, Shard};
use kvpaxos_sim::world::{Summary, Sweep, seed_range, sweep_on};
use kvpaxos_sim::{note, say, say_part};

use crate::colour::painted;
use crate::shard::ShardArgument;
use crate::summary::{summary_text, verdict};
use crate::whole_file::write_whole;
use crate::{junit, run, scenario, threads};

/// How often the receipt is written. Who ends the program loses what was played since.
const PAUSE: Duration = Duration::from_secs(5);

/// The exit code for a receipt that cannot be read, or is of another sweep.
const UNREADABLE: u8 = 3;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The seeds from A to B, without B.
    #[arg(long, value_name = "A..B", value_parser = seed_range)]
    seeds: Range<u64>,
    /// Simulate one of N equal parts of the seeds; the first is 0/N. With `auto/N` the part is the one whose
    /// number is in JOB_COMPLETION_INDEX (Kubernetes), or else in SLURM_ARRAY_TASK_ID (Slurm, which also knows N:
    /// `auto`).
    #[arg(long, value_name = "I/N")]
    shard: Option<ShardArgument>,
    /// How many seeds to simulate at a time. Default: one per core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Continue after a violation and collect all of them.
    #[arg(long)]
    keep_going: bool,
    /// Put this mutant in the place of the replicas. `kvpaxos-sim mutants --list` names all.
    #[arg(long, value_name = "NAME", value_parser = scenario::mutant)]
    mutant: Option<Mutant>,
    /// Write what was swept, and its outcome so far, to this file, every few seconds. In a directory, the file is
    /// called shard-I-of-N.json. `kvpaxos-sim merge` adds receipts up.
    #[arg(long, value_name = "PATH")]
    receipt: Option<PathBuf>,
    /// Go on where the receipt ends, if there is one.
    #[arg(long, requires = "receipt")]
    resume: bool,
    /// Stop after so many seeds. `--resume` goes on there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    at_most: Option<u64>,
    /// Write a line `seed digest` for each seed to this file.
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// Write the results to this file in the JUnit format, for systems of continuous integration.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// Simulates the seeds and prints the summary.
pub(crate) fn sweep(what: &Arguments) -> u8 {
    match play(what) {
        Ok(code) | Err(code) => code,
    }
}

fn play(what: &Arguments) -> Result<u8, u8> {
    let part = part(what)?;
    let mut receipt = opened(what, part.shard)?;
    let so_far = receipt.as_ref().map(|kept| kept.receipt.summary.clone());
    let seeds = left(what, &part.seeds, receipt.as_ref())?;
    let settings = settings(what, seeds.clone());
    let mut progress = Progress::new(seeds.end - seeds.start, so_far.as_ref());
    let mut digests = String::new();
    let began = Instant::now();
    let mut summary = sweep_on(&settings, so_far.unwrap_or_default(), |summary, report| {
        progress.update(summary);
        if what.digests.is_some() {
            // Writing to a String does not fail.
            let _ = writeln!(digests, "{} {}", report.setup.seed, report.digest);
        }
        if let Some(kept) = &mut receipt {
            kept.update(summary);
        }
    });
    progress.end();
    if let Some(violation) = summary.violations.first_mut() {
        violation.history = run::history(violation, settings.player);
    }
    if what.json {
        say!("{}", json(&summary, what));
    } else {
        say!("{}", speed(&summary, began.elapsed()));
        say_part!("{}", painted(&summary_text(&summary, what.mutant)));
        say!("{}", painted(&format!("verdict: {}", verdict(&summary))));
    }
    let written = write_files(what, &digests, receipt, &summary);
    if !what.json && seeds.end < part.seeds.end {
        say!(
            "{} seeds are left, from {} on; with --receipt and --resume the sweep goes on there",
            part.seeds.end - seeds.end,
            seeds.end
        );
    }
    if summary.is_good() {
        written.map(|()| 0)
    } else {
        Ok(1)
    }
}

/// The seeds of a shard.
struct Part {
    shard: Shard,
    seeds: Range<u64>,
}

fn part(what: &Arguments) -> Result<Part, u8> {
    let shard = what.shard.map_or(Ok(Shard::WHOLE), ShardArgument::shard);
    let part = shard.and_then(|shard| {
        let seeds = shard.of(&what.seeds).map_err(|why| why.to_string())?;
        Ok(Part { shard, seeds })
    });
    part.map_err(|why| {
        note!("--shard: {why}");
        2
    })
}

fn settings(what: &Arguments, seeds: Range<u64>) -> Sweep {
    let mut settings = Sweep::of(seeds, threads(what.jobs));
    settings.keep_going = what.keep_going;
    settings.player = mutants::player(what.mutant);
    settings
}

/// The seeds that are to be played now.
fn left(what: &Arguments, part: &Range<u64>, kept: Option<&Kept>) -> Result<Range<u64>, u8> {
    let gaps = kept.map_or_else(|| vec![part.clone()], |kept| kept.receipt.missing());
    let mut left = match &gaps[..] {
        [] => part.end..part.end,
        [gap] if gap.end == part.end => gap.clone(),
        [gap, ..] => {
            note!(
                "the receipt lacks the seeds {}..{}, but has later ones: sweep these with a receipt of their own, and merge both",
                gap.start,
                gap.end
            );
            return Err(UNREADABLE);
        }
    };
    if let Some(most) = what.at_most {
        left.end = left.end.min(left.start.saturating_add(most));
    }
    Ok(left)
}

/// The receipt of this sweep, and its file.
struct Kept {
    path: PathBuf,
    receipt: Receipt,
    written: Instant,
    is_failed: bool,
}

/// Begins the receipt, or reads it to go on with it.
fn opened(what: &Arguments, shard: Shard) -> Result<Option<Kept>, u8> {
    let Some(path) = &what.receipt else {
        return Ok(None);
    };
    let path = if path.is_dir() {
        path.join(format!("shard-{}.json", shard.to_string().replace('/', "-of-")))
    } else {
        path.clone()
    };
    let receipt = if path.exists() {
        continued(what, &path, shard)?
    } else {
        let mutant = what.mutant.map(|mutant| mutant.name);
        Receipt::new(Build::of_this_program(), mutant, what.seeds.clone(), shard)
    };
    let mut kept = Kept {
        path,
        receipt,
        written: Instant::now(),
        is_failed: false,
    };
    kept.write();
    if kept.is_failed {
        Err(UNWRITTEN)
    } else {
        Ok(Some(kept))
    }
}

fn continued(what: &Arguments, path: &Path, shard: Shard) -> Result<Receipt, u8> {
    let name = path.display();
    if !what.resume {
        note!("{name} is there already: --resume goes on with it, and another name keeps it");
        return Err(2);
    }
    let old = read(path)?;
    let part = |shard: Shard, seeds: &Range<u64>, mutant: Option<&str>| {
        let mutant = mutant.map_or_else(String::new, |name| format!(" with the mutant {name}"));
        format!("shard {shard} of {}..{}{mutant}", seeds.start, seeds.end)
    };
    let theirs = part(old.shard, &old.seeds, old.mutant.as_deref());
    let mine = part(shard, &what.seeds, what.mutant.map(|mutant| mutant.name));
    if theirs != mine {
        note!("{name} cannot be continued: it is of {theirs}, and this sweep is of {mine}");
        return Err(UNREADABLE);
    }
    let build = Build::of_this_program();
    if old.build != build {
        note!(
            "{name} cannot be continued: it is of build {}, and this program is {build}",
            old.build
        );
        return Err(UNREADABLE);
    }
    Ok(old)
}

/// Reads a receipt. If that fails, says why and returns the exit code.
pub(crate) fn read(path: &Path) -> Result<Receipt, u8> {
    let bytes = std::fs::read(path).map_err(|why| {
        note!("cannot read {}: {why}", path.display());
        UNREADABLE
    })?;
    Receipt::read(&bytes).map_err(|why| {
        note!("{}: {why}", path.display());
        UNREADABLE
    })
}

impl Kept {
    fn update(&mut self, summary: &Summary) {
        if self.written.elapsed() > PAUSE {
            self.written = Instant::now();
            self.receipt.update(summary);
            self.write();
        }
    }

    /// Says if it fails, but not again and again.
    fn write(&mut self) {
        let written = write_whole(&self.path, &self.receipt.to_string());
        if let Err(why) = &written
            && !self.is_failed
        {
            note!("cannot write {}: {why}", self.path.display());
        }
        self.is_failed = written.is_err();
    }
}

fn write_files(what: &Arguments, digests: &str, kept: Option<Kept>, summary: &Summary) -> Result<(), u8> {
    let mut result = Ok(());
    if let Some(mut kept) = kept {
        kept.receipt.update(summary);
        kept.write();
        if kept.is_failed {
            result = Err(UNWRITTEN);
        }
    }
    if let Some(path) = &what.digests
        && let Err(why) = std::fs::write(path, digests)
    {
        note!("the digests could not be written to {}: {why}", path.display());
        result = Err(UNWRITTEN);
    }
    if let Some(path) = &what.junit {
        let results = junit::Results {
            name: format!("sweep {}..{}", what.seeds.start, what.seeds.end),
            violations: &summary.violations,
            mutant: what.mutant,
            situations: Some((summary.seeds, summary.missing())),
            micros: summary.wall_micros,
        };
        result = result.and(junit::write(path, &results));
    }
    result
}

fn json(summary: &Summary, what: &Arguments) -> serde_json::Value {
    let mut value = serde_json::json!(summary);
    value["missing"] = summary.missing().into_iter().map(Sometimes::says).collect();
    value["mutant"] = what.mutant.map(|mutant| mutant.name).into();
    value["verdict"] = verdict(summary).into();
    value["digest"] = summary.swept.digest().to_string().into();
    value
}

/// How fast it went. Of a sweep that was continued, the earlier time counts too.
fn speed(summary: &Summary, now: Duration) -> String {
    let rate = summary.seeds_per_second();
    let earlier = summary.wall_micros / 1_000_000 > now.as_secs() + 1;
    format!(
        "{} seeds in {} s{}: {}.{:02} seeds/s, {} events/s a core, {} simulated seconds",
        summary.seeds,
        summary.wall_micros / 1_000_000,
        if earlier { " altogether" } else { "" },
        rate / 100,
        rate % 100,
        summary.events_per_second(),
        summary.simulated_seconds
    )
}

/// A progress bar on a terminal; elsewhere a line every few seconds.
struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    /// Seeds that were played earlier.
    before: u64,
    last: Instant,
}

impl Progress {
    fn new(total: u64, so_far: Option<&Summary>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        Progress {
            bar,
            total,
            before: so_far.map_or(0, |summary| summary.seeds),
            last: Instant::now(),
        }
    }

    fn update(&mut self, summary: &Summary) {
        let failures = summary.violations.len();
        let played = summary.seeds - self.before;
        if let Some(bar) = &self.bar {
            bar.set_position(played);
            if failures > 0 {
                bar.set_message(format!("{failures} failed"));
            }
        } else if self.last.elapsed() > Duration::from_secs(5) {
            self.last = Instant::now();
            note!("{played}/{} seeds, {failures} failed", self.total);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
