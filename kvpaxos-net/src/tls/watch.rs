//! Notices files that change, and certificates that expire.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use crate::tls::replica::ReplicaTls;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// A certificate that expires so soon is warned of, so often.
const NEAR: Duration = Duration::from_secs(14 * 24 * 3600);
const REMINDER: Duration = Duration::from_secs(12 * 3600);

impl ReplicaTls {
    /// [Reloads](ReplicaTls::reload), and logs what came of it.
    pub fn reload_and_log(&self) {
        self.log_reload(&mut None);
    }

    /// Looks at the files again and again. Runs until it is dropped.
    pub(crate) async fn watch(self) {
        let (mut told, mut reminded) = (None, None);
        self.log_validity(&mut reminded);
        loop {
            sleep(LOOK).await;
            if self.log_reload(&mut told) {
                reminded = None;
            }
            if reminded.is_none_or(|at: Instant| at.elapsed() >= REMINDER) {
                self.log_validity(&mut reminded);
            }
        }
    }

    /// Reloads. An error is logged if it is not the one that was told last. Returns whether anything changed.
    fn log_reload(&self, told: &mut Option<String>) -> bool {
        match self.reload() {
            Ok(changed) => {
                if changed {
                    tracing::info!(replica = %self.id(), "certificates are loaded again; new connections use them");
                }
                *told = None;
                changed
            }
            Err(error) => {
                let text = error.to_string();
                if told.as_ref() != Some(&text) {
                    tracing::warn!(
                        replica = %self.id(), %error,
                        "the new certificates cannot be used; those from before stay in use"
                    );
                    *told = Some(text);
                }
                false
            }
        }
    }

    fn log_validity(&self, reminded: &mut Option<Instant>) {
        let left = self.valid_until().duration_since(SystemTime::now());
        let days = left.as_ref().map_or(0, |left| left.as_secs() / (24 * 3600));
        match left {
            Err(_) => tracing::warn!(
                replica = %self.id(),
                "the certificate of this replica has expired: nobody accepts it any more. Replace its file"
            ),
            Ok(left) if left < NEAR => tracing::warn!(
                replica = %self.id(), days,
                "the certificate of this replica expires soon. Replace its file; no restart is needed"
            ),
            Ok(_) if reminded.is_none() => {
                tracing::info!(replica = %self.id(), days, "the certificate of this replica is valid for so many days");
            }
            Ok(_) => {}
        }
        *reminded = Some(Instant::now());
    }
}
