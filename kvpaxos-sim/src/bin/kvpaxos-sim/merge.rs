//! `kvpaxos-sim merge`: adds up the receipts of the shards of a sweep. `kvpaxos-sim build`: what identifies this
//! build.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use kvpaxos_sim::mutants::Mutant;
use kvpaxos_sim::output::UNWRITTEN;
use kvpaxos_sim::receipts::{Build, Merged, merge as merge_receipts};
use kvpaxos_sim::{note, say, say_part};

use crate::colour::painted;
use crate::summary::{summary_text, verdict};
use crate::sweep::read;
use crate::whole_file::write_whole;

/// The exit code if receipts do not belong together.
const APART: u8 = 3;

/// The exit code if everything held, but seeds are missing.
const INCOMPLETE: u8 = 5;

/// How many ranges of missing seeds are named.
const NAMED: usize = 10;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The receipts, or directories for all files in them that end in .json.
    #[arg(required = true, value_name = "RECEIPT")]
    receipts: Vec<PathBuf>,
    /// Write a receipt of all of them to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the merged receipt, and what is missing, as JSON.
    #[arg(long)]
    json: bool,
}

/// Merges the receipts and prints the sums.
pub(crate) fn merge(what: &Arguments) -> u8 {
    let mut receipts = Vec::new();
    for path in &what.receipts {
        let files = match files(path) {
            Ok(files) => files,
            Err(why) => {
                note!("cannot read {}: {why}", path.display());
                return APART;
            }
        };
        for file in files {
            match read(&file) {
                Ok(receipt) => receipts.push((file.display().to_string(), receipt)),
                Err(code) => return code,
            }
        }
    }
    let count = receipts.len();
    let merged = match merge_receipts(receipts) {
        Ok(merged) => merged,
        Err(why) => {
            note!("{why}");
            return APART;
        }
    };
    if what.json {
        say!("{}", json(&merged));
    } else {
        print(&merged, count);
    }
    let code = if !merged.disagreements.is_empty() || !merged.receipt.summary.is_good() {
        1
    } else if !merged.gaps.is_empty() {
        INCOMPLETE
    } else {
        0
    };
    if let Some(path) = &what.output
        && merged.disagreements.is_empty()
        && let Err(why) = write_whole(path, &merged.receipt.to_string())
    {
        note!("cannot write {}: {why}", path.display());
        return if code == 1 { 1 } else { UNWRITTEN };
    }
    code
}

/// The receipts of a directory, or the file itself.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Prints what identifies this build.
pub(crate) fn build() -> u8 {
    let build = Build::of_this_program();
    say!("version    {}", build.version);
    say!("behaviour  {}", build.behaviour);
    say!("sources    {}", Build::sources());
    0
}

fn json(merged: &Merged) -> serde_json::Value {
    let text = |range: &Range<u64>| format!("{}..{}", range.start, range.end);
    let disagreements = merged.disagreements.iter().map(|one| {
        let [a, b] = &one.receipts;
        serde_json::json!({
            "seeds": text(&one.seeds),
            "receipts": { &a.0: a.1.to_string(), &b.0: b.1.to_string() },
        })
    });
    serde_json::json!({
        "receipt": merged.receipt,
        "digest": merged.receipt.summary.swept.digest().to_string(),
        "gaps": merged.gaps.iter().map(text).collect::<Vec<_>>(),
        "repeated": merged.repeated,
        "disagreements": disagreements.collect::<Vec<_>>(),
    })
}

fn print(merged: &Merged, count: usize) {
    let receipt = &merged.receipt;
    let whole = receipt.seeds.end - receipt.seeds.start;
    let summary = &receipt.summary;
    let hundredths = u128::from(summary.seeds) * 10_000 / u128::from(whole);
    say!(
        "{} of the {whole} seeds {}..{} ({}.{:02} %), from {count} receipts, in {} s of processor time",
        summary.seeds,
        receipt.seeds.start,
        receipt.seeds.end,
        hundredths / 100,
        hundredths % 100,
        summary.cpu_micros / 1_000_000
    );
    say!("  build       {}", receipt.build);
    for (sources, seeds) in &receipt.sources {
        say!("  sources     {sources} played {seeds} seeds");
    }
    say!("  digest      {}", summary.swept.digest());
    for name in &merged.repeated {
        say!(
            "  repeated    {name}: all its seeds are in another receipt, which agrees as far as both can be compared"
        );
    }
    for gap in merged.gaps.iter().take(NAMED) {
        say!("  missing     {}..{}", gap.start, gap.end);
    }
    if merged.gaps.len() > NAMED {
        say!("  missing     {} more ranges", merged.gaps.len() - NAMED);
    }
    let mutant = receipt.mutant.as_deref().and_then(Mutant::named);
    say_part!("{}", painted(&summary_text(summary, mutant)));
    for one in &merged.disagreements {
        let [(a, a_digest), (b, b_digest)] = &one.receipts;
        say!(
            "the seeds {}..{} have digest {a_digest} in {a}, and {b_digest} in {b}: one of the machines is broken, or the builds differ",
            one.seeds.start,
            one.seeds.end
        );
    }
    let missing = merged.gaps.iter().map(|gap| gap.end - gap.start).sum::<u64>();
    let verdict = match verdict(summary) {
        _ if !merged.disagreements.is_empty() => "receipts disagree".to_owned(),
        verdict if missing > 0 => format!("{verdict} so far, and {missing} seeds are missing"),
        verdict => verdict,
    };
    say!("{}", painted(&format!("verdict: {verdict}")));
}
