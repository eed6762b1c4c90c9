//! Load by `kvpaxos bench`: on kvpaxos over TCP, and on Redis by its protocol.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::Extent;
use crate::figures::Figures;
use crate::rows::Row;
use crate::systems::{Running, System};

/// Measures a row.
pub(crate) async fn measure(
    row: &Row,
    running: &Running,
    program: &Path,
    extent: Extent,
) -> Result<Figures, String> {
    let scheme = match running.system() {
        System::Kvpaxos => "tcp",
        _ => "redis",
    };
    let mut command = Command::new(program);
    command.args(["bench", "--json", "--targets"]);
    command.arg(format!("system={scheme}://{}", running.endpoints().join(",")));
    for (flag, number) in [
        ("--clients", row.clients as u64),
        ("--pipeline", row.pipeline as u64),
        ("--reads", if row.is_read { 100 } else { 0 }),
        ("--keys", extent.keys),
        ("--seconds", extent.seconds),
        ("--seed", extent.round + 1),
    ] {
        command.arg(flag).arg(number.to_string());
    }
    command
        .arg("--warm-up")
        .arg(format!("{}ms", extent.warm_up_millis));
    if row.is_read {
        command.arg("--preload");
    }
    // If this is stopped, the load is, too.
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = child
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let output = child
        .wait_with_output()
        .await
        .map_err(|error| error.to_string())?;
    let why = String::from_utf8_lossy(&output.stderr);
    // 1 says that some requests failed, which the report counts.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(format!("kvpaxos bench: {}: {}", output.status, why.trim()));
    }
    let report =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", why.trim()))?;
    figures(&report).ok_or_else(|| format!("kvpaxos bench has another report than is known here: {report}"))
}

fn figures(report: &Value) -> Option<Figures> {
    let target = report.get("targets")?.get(0)?;
    let latency = target.get("latency_ms")?;
    let errors = target.get("errors")?.as_object()?.values();
    Some(Figures {
        throughput: target.get("operations_per_second")?.as_f64()?,
        p50: latency.get("p50")?.as_f64()?,
        p99: latency.get("p99")?.as_f64()?,
        errors: errors.map(Value::as_u64).sum::<Option<u64>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_figures() {
        let report = serde_json::json!({ "targets": [{
            "operations_per_second": 100.5,
            "latency_ms": { "p50": 1, "p99": 2.5 },
            "errors": { "unavailable": 3, "outcome_unknown": 4 },
        }] });
        let expected = Figures {
            throughput: 100.5,
            p50: 1.0,
            p99: 2.5,
            errors: 7,
        };
        assert_eq!(figures(&report), Some(expected));
        assert_eq!(figures(&serde_json::json!({ "targets": [] })), None);
    }
}
