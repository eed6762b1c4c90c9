//! Asks all replicas for their status at once.

use std::time::Duration;

use kvpaxos_net::{Client, ClientError, ClientOptions};
use tracing::Instrument as _;

use super::report::{Report, Row};
use crate::args::ServerArguments;

/// The longest time that a replica may take.
const LONGEST: Duration = Duration::from_secs(2);

pub(super) async fn ask(servers: &ServerArguments) -> Result<Report, String> {
    let mut asked = Vec::new();
    for server in servers.list() {
        let one = ServerArguments {
            servers: servers.servers.only(server),
            ..servers.clone()
        };
        let options = ClientOptions {
            deadline: servers.timeout.min(LONGEST),
            ..one.options()?
        };
        let client = Client::new(options).map_err(|error| error.to_string())?;
        let status = async move {
            let status = client.status().await?;
            // A replica of an earlier build does not know this question.
            let driver = client.driver_status().await.unwrap_or_default();
            Ok((status, driver))
        };
        asked.push(tokio::spawn(status.in_current_span()));
    }
    let mut rows = Vec::new();
    for (server, asked) in servers.list().iter().zip(asked) {
        let answer = asked
            .await
            .map_err(|error| format!("a task that asks for a status panicked: {error}"))?;
        rows.push(Row {
            server: server.clone(),
            answer: answer.map_err(|error: ClientError| reason(&error)),
        });
    }
    Ok(Report(rows))
}

/// Why a single server has no status to tell.
fn reason(error: &ClientError) -> String {
    match error {
        ClientError::Unavailable { failures, .. } | ClientError::Unknown { failures, .. } => failures
            .first()
            .map_or_else(|| "no answer".to_owned(), |failure| failure.why.clone()),
        other => other.to_string(),
    }
}
