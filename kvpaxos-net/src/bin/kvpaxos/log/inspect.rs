//! `kvpaxos log inspect`: what a log holds, as text or as JSON.

use std::io::{self, Write};
use std::path::Path;

use kvpaxos::ReplicaId;
use kvpaxos::founding::KnownFounding;
use kvpaxos::wal::{Superblock, SuperblockError, SuperblockState};
use kvpaxos_net::inspect::{CheckpointPlace, Inspection, LogVerdict, LossPlace, Segment, inspect};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::terminal::to_stdout;

pub(crate) fn run(directory: &Path, records: bool, as_json: bool) -> Result<Exit, String> {
    let inspection =
        inspect(directory).map_err(|error| format!("cannot read {}: {error}", directory.display()))?;
    if inspection.segments.is_empty() && inspection.superblock.is_none() {
        return Err(format!(
            "{} holds no log: it is not the data directory of a replica",
            directory.display()
        ));
    }
    to_stdout(|out| {
        if as_json {
            writeln!(out, "{}", as_value(&inspection, records))
        } else {
            print(&inspection, records, out)
        }
    });
    Ok(match inspection.verdict {
        _ if superblock_is_damaged(&inspection) => Exit::Damaged,
        LogVerdict::Whole { .. } => Exit::Done,
        LogVerdict::Damaged { .. } => Exit::Damaged,
        LogVerdict::Unreadable(_) => Exit::Negative,
    })
}

fn print(inspection: &Inspection, records: bool, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "superblock  {}", superblock_text(inspection.superblock))?;
    for segment in &inspection.segments {
        print_segment(segment, out)?;
    }
    let summary = inspection.summary();
    let kinds: Vec<String> = summary
        .kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    writeln!(out, "records     {}", kinds.join(", "))?;
    writeln!(out, "promised    {}", summary.promised)?;
    writeln!(out, "proposed    {}", summary.proposed)?;
    let accepted = summary
        .accepted
        .map_or("nothing".to_owned(), |slot| format!("up to slot {slot}"));
    writeln!(out, "accepted    {accepted}")?;
    writeln!(out, "chosen      told below slot {}", summary.chosen)?;
    let founding = summary.founding.map_or("none".to_owned(), |it| it.to_string());
    writeln!(out, "founding    {founding}")?;
    writeln!(out, "met         {}", summary.met)?;
    for CheckpointPlace {
        number,
        segment,
        position,
        complete,
    } in &summary.checkpoints
    {
        let end = if *complete { "complete" } else { "without its end" };
        writeln!(
            out,
            "checkpoint  {number} in segment {segment} at {position}, {end}"
        )?;
    }
    for LossPlace {
        mark,
        segment,
        position,
    } in &summary.losses
    {
        writeln!(out, "mark        {mark}, in segment {segment} at {position}")?;
    }
    if records {
        for (segment, group) in inspection.groups() {
            for record in &group.records {
                writeln!(out, "{segment:>4} {:>12}  {record}", group.position)?;
            }
        }
    }
    if superblock_is_damaged(inspection) {
        // The log has a verdict of its own, but nobody can say whose log it is.
        writeln!(
            out,
            "verdict     the superblock is damaged, so the directory cannot be served"
        )?;
    }
    writeln!(out, "verdict     {}", inspection.verdict)
}

fn superblock_is_damaged(inspection: &Inspection) -> bool {
    matches!(inspection.superblock, Some(Err(SuperblockError::Damaged)))
}

fn print_segment(segment: &Segment, out: &mut impl Write) -> io::Result<()> {
    write!(out, "segment     {}: {} bytes", segment.number, segment.bytes)?;
    let Some(scan) = &segment.scan else {
        return writeln!(out, ", its header is damaged");
    };
    let records: usize = scan.groups.iter().map(|group| group.records.len()).sum();
    write!(
        out,
        " from position {}, {} groups, {records} records",
        scan.header.base,
        scan.groups.len()
    )?;
    if scan.blank > 0 {
        write!(out, ", {} bytes not used yet", scan.blank)?;
    }
    for range in &scan.unreadable {
        write!(out, ", unreadable from offset {} to {}", range.start, range.end)?;
    }
    writeln!(out)
}

fn superblock_text(superblock: Option<Result<Superblock, SuperblockError>>) -> String {
    match superblock {
        None => "none".to_owned(),
        Some(Err(error)) => error.to_string(),
        Some(Ok(Superblock { owner, state })) => {
            let state = match state {
                SuperblockState::Founding { lost: false } => "being founded".to_owned(),
                SuperblockState::Founding { lost: true } => "being founded in place of a lost log".to_owned(),
                SuperblockState::Ready(mark) => {
                    format!("log {:016x} synced up to {} at least", mark.log, mark.position)
                }
            };
            format!(
                "replica {} of cluster {:016x}, {state}",
                owner.replica.0, owner.cluster
            )
        }
    }
}

fn as_value(inspection: &Inspection, records: bool) -> Value {
    let superblock = inspection.superblock.map(|superblock| match superblock {
        Err(error) => json!({ "error": error.to_string() }),
        Ok(Superblock { owner, state }) => {
            let (state, log, synced) = match state {
                SuperblockState::Founding { .. } => ("founding", None, None),
                SuperblockState::Ready(mark) => {
                    ("ready", Some(format!("{:016x}", mark.log)), Some(mark.position))
                }
            };
            json!({
                "replica": owner.replica.0, "cluster": format!("{:016x}", owner.cluster),
                "state": state, "log": log, "synced": synced,
            })
        }
    });
    let segments: Vec<Value> = inspection.segments.iter().map(segment_value).collect();
    let summary = inspection.summary();
    let checkpoint = |it: &CheckpointPlace| {
        json!({
            "number": it.number, "segment": it.segment, "position": it.position, "complete": it.complete,
        })
    };
    let met = |(replica, known): (ReplicaId, KnownFounding)| json!({ "replica": replica.0, "founding": known.to_string() });
    let loss = |it: &LossPlace| json!({ "mark": it.mark, "segment": it.segment, "position": it.position });
    let mut value = json!({
        "superblock": superblock,
        "segments": segments,
        "records": summary.kinds,
        "promised": summary.promised.to_string(),
        "proposed": summary.proposed.to_string(),
        "highest_accepted": summary.accepted.map(|slot| slot.0),
        "chosen_below": summary.chosen.0,
        "founding": summary.founding.map(|founding| founding.to_string()),
        "met": summary.met.iter().map(met).collect::<Vec<_>>(),
        "checkpoints": summary.checkpoints.iter().map(checkpoint).collect::<Vec<_>>(),
        "losses": summary.losses.iter().map(loss).collect::<Vec<_>>(),
        "verdict": verdict_value(&inspection.verdict),
    });
    if records {
        let listed = inspection.groups().flat_map(|(segment, group)| {
            let records = group.records.iter();
            records.map(move |record| {
                json!({ "segment": segment, "position": group.position, "record": record.to_string() })
            })
        });
        value["listed"] = listed.collect();
    }
    value
}

fn segment_value(segment: &Segment) -> Value {
    let scan = segment.scan.as_ref();
    let ranges = |scan: &kvpaxos::wal::Scan| {
        let ranges = scan.unreadable.iter();
        ranges
            .map(|range| json!([range.start, range.end]))
            .collect::<Vec<_>>()
    };
    json!({
        "number": segment.number,
        "file": segment.file.display().to_string(),
        "bytes": segment.bytes,
        "header": scan.is_some(),
        "base": scan.map(|scan| scan.header.base),
        "groups": scan.map(|scan| scan.groups.len()),
        "records": scan.map(|scan| scan.groups.iter().map(|group| group.records.len()).sum::<usize>()),
        "unused": scan.map(|scan| scan.blank),
        "unreadable": scan.map(ranges),
    })
}

fn verdict_value(verdict: &LogVerdict) -> Value {
    match verdict {
        LogVerdict::Whole {
            records,
            end,
            marked,
            obsolete,
            torn,
        } => json!({
            "log": "whole", "records": records, "end": end, "marked": marked, "obsolete": obsolete,
            "torn": torn.map(|torn| json!({ "segment": torn.segment, "at": torn.at, "dropped": torn.dropped })),
        }),
        LogVerdict::Damaged { segment, at, why } => json!({
            "log": "damaged", "segment": segment, "at": at, "why": why.to_string(),
        }),
        LogVerdict::Unreadable(error) => json!({ "log": "unreadable", "why": error.to_string() }),
    }
}
