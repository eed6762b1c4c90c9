//! The state of the replica, in parts, for clients that copy it.
//!
//! A connection holds on to the state of its first part until the last one is sent, so that all parts are of
//! one state, whatever is written meanwhile. What is held costs memory as the store changes: only a few
//! connections hold a state at once, and one that is not asked for is let go.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use kvpaxos::snapshot::{Cursor, Snapshot};
use kvpaxos::{Outcome, Refusal, ReplicaSet, Reply, Request, RequestBody};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::replica::inbox::Control;

/// How many connections may hold a state at once.
const HOLDERS: usize = 2;
/// How long a state is held that nobody asks for.
const HOLD: Duration = Duration::from_secs(30);

/// Where states come from.
#[derive(Clone, Debug)]
pub(crate) struct StateSource {
    controls: mpsc::Sender<Control>,
    holders: Arc<Semaphore>,
    /// How long a state is held that nobody asks for.
    hold: Duration,
}

/// The state that one connection holds, if it holds one.
#[derive(Debug)]
pub(crate) struct HeldState {
    source: StateSource,
    held: Arc<Mutex<Option<Held>>>,
    /// The task that lets the state go.
    watch: Option<AbortHandle>,
}

#[derive(Debug)]
struct Held {
    snapshot: Snapshot,
    used: Instant,
    _permit: OwnedSemaphorePermit,
}

impl StateSource {
    pub(crate) fn new(controls: mpsc::Sender<Control>) -> StateSource {
        StateSource {
            controls,
            holders: Arc::new(Semaphore::new(HOLDERS)),
            hold: HOLD,
        }
    }

    async fn take(&self) -> Result<Held, Refusal> {
        let busy = |_| Refusal::Busy {
            pending: HOLDERS as u64,
        };
        let permit = Arc::clone(&self.holders).try_acquire_owned().map_err(busy)?;
        let (answer, snapshot) = oneshot::channel();
        // A replica that has stopped answers nothing.
        let _ = self.controls.send(Control::Snapshot(answer)).await;
        let silent = ReplicaSet::EMPTY;
        let snapshot = snapshot.await.unwrap_or(Err(Refusal::Unavailable { silent }))?;
        Ok(Held {
            snapshot,
            used: Instant::now(),
            _permit: permit,
        })
    }
}

impl HeldState {
    pub(crate) fn of(source: &StateSource) -> HeldState {
        HeldState {
            source: source.clone(),
            held: Arc::default(),
            watch: None,
        }
    }

    /// Takes out the requests for parts of the state, and answers them in their order. One part at a time is
    /// made for a client; whoever asks for more at once is refused.
    pub(crate) async fn sift(&mut self, requests: &mut Vec<Request>, replies: &mut Vec<Reply>) {
        let is_part = |request: &mut Request| matches!(request.body, RequestBody::SnapshotPart { .. });
        let asked: Vec<Request> = requests.extract_if(.., is_part).collect();
        for (place, Request { id, body }) in asked.into_iter().enumerate() {
            let outcome = match body {
                RequestBody::SnapshotPart { at } if place == 0 => self.part(at).await,
                _ => Outcome::Refused(Refusal::Busy { pending: 1 }),
            };
            replies.push(Reply { id, outcome });
        }
    }

    async fn part(&mut self, at: Cursor) -> Outcome {
        let held = lock(&self.held).take();
        let held = match held {
            Some(held) if at != Cursor::START => held,
            earlier => {
                free(earlier);
                match self.source.take().await {
                    Ok(held) => held,
                    Err(refusal) => return Outcome::Refused(refusal),
                }
            }
        };
        let part = held.snapshot.reply(at);
        if part.next.is_none() {
            free(Some(held));
        } else {
            let used = Instant::now();
            *lock(&self.held) = Some(Held { used, ..held });
            if at == Cursor::START {
                let watch = tokio::spawn(let_go(Arc::downgrade(&self.held), self.source.hold));
                if let Some(earlier) = self.watch.replace(watch.abort_handle()) {
                    earlier.abort();
                }
            }
        }
        Outcome::SnapshotPart(Box::new(part))
    }
}

impl Drop for HeldState {
    fn drop(&mut self) {
        free(lock(&self.held).take());
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
    }
}

/// Lets a state go once nobody has asked for it for a while.
async fn let_go(held: Weak<Mutex<Option<Held>>>, hold: Duration) {
    loop {
        tokio::time::sleep(hold).await;
        let Some(held) = held.upgrade() else { return };
        let mut held = lock(&held);
        match &*held {
            Some(state) if state.used.elapsed() < hold => {}
            _ => return free(held.take()),
        }
    }
}

fn lock(held: &Mutex<Option<Held>>) -> std::sync::MutexGuard<'_, Option<Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes room for another holder, and frees a state elsewhere: a large one takes as long as visiting all of it.
fn free(held: Option<Held>) {
    let Some(Held { snapshot, .. }) = held else { return };
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn_blocking(move || drop(snapshot));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kvpaxos::machine::StateMachine;
    use kvpaxos::{Command, Limits, Op, Revision, Sequence, SessionId, Slot, Tag};

    use super::*;

    /// A state of more than one part.
    fn state() -> StateMachine {
        let mut machine = StateMachine::new(Limits::default());
        let at = |slot| Revision {
            slot: Slot(slot),
            index: 0,
        };
        let tag = Tag { nonce: 1, number: 0 };
        let _ = machine.apply(at(1), &Command::Open { tag });
        for number in 0..20 {
            let command = Command::Apply {
                session: SessionId(at(1)),
                sequence: Sequence(number),
                lowest_unanswered: Sequence(number),
                op: Op::Put {
                    key: Bytes::from(number.to_string()),
                    value: Bytes::from(vec![0; 100_000]),
                },
            };
            let _ = machine.apply(at(number + 2), &command);
        }
        machine
    }

    /// A replica whose state moves on with each snapshot that is taken.
    fn replica() -> StateSource {
        let (controls, mut inbox) = mpsc::channel(1);
        tokio::spawn(async move {
            let machine = state();
            let mut slot = Slot(100);
            while let Some(control) = inbox.recv().await {
                let Control::Snapshot(answer) = control else {
                    panic!("{control:?}")
                };
                slot = slot.next();
                answer
                    .send(Ok(Snapshot::new(slot, &machine)))
                    .expect("it is waited for");
            }
        });
        StateSource::new(controls)
    }

    async fn part(state: &mut HeldState, at: Cursor) -> Result<(Slot, Option<Cursor>), Refusal> {
        let body = RequestBody::SnapshotPart { at };
        let mut requests = vec![
            Request { id: 1, body },
            Request {
                id: 2,
                body: RequestBody::Count,
            },
        ];
        let mut replies = Vec::new();
        state.sift(&mut requests, &mut replies).await;
        assert_eq!((requests.len(), replies.len()), (1, 1));
        match replies.remove(0).outcome {
            Outcome::SnapshotPart(part) => Ok((part.slot, part.next)),
            Outcome::Refused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_connection_holds_one_state_to_its_last_part() {
        let source = replica();
        let mut first = HeldState::of(&source);
        let mut at = Some(Cursor::START);
        let mut parts = 0;
        while let Some(cursor) = at {
            let (slot, next) = part(&mut first, cursor).await.unwrap();
            assert_eq!(slot, Slot(101));
            (at, parts) = (next, parts + 1);
        }
        assert!(parts > 3, "{parts}");
        assert_eq!(part(&mut first, Cursor::START).await.unwrap().0, Slot(102));
        let (slot, next) = part(&mut first, Cursor::START).await.unwrap();
        assert_eq!(slot, Slot(103), "the beginning is that of a new state");
        assert_eq!(part(&mut first, next.unwrap()).await.unwrap().0, Slot(103));
    }

    #[tokio::test]
    async fn a_state_that_nobody_asks_for_is_let_go() {
        let mut source = replica();
        source.hold = Duration::ZERO;
        let mut state = HeldState::of(&source);
        let (slot, next) = part(&mut state, Cursor::START).await.unwrap();
        assert_eq!(slot, Slot(101));
        // The next part is of another state, which tells the client.
        while part(&mut state, next.unwrap()).await.unwrap().0 == Slot(101) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_part_at_a_time_is_made_for_a_client() {
        let mut state = HeldState::of(&replica());
        let ask = |id| Request {
            id,
            body: RequestBody::SnapshotPart { at: Cursor::START },
        };
        let (mut requests, mut replies) = ((0..1000).map(ask).collect(), Vec::new());
        state.sift(&mut requests, &mut replies).await;
        let made = replies
            .iter()
            .filter(|reply| matches!(reply.outcome, Outcome::SnapshotPart(_)));
        assert_eq!((made.count(), replies.len()), (1, 1000));
    }

    #[tokio::test]
    async fn few_connections_hold_states() {
        let source = replica();
        let mut holders: Vec<HeldState> = (0..HOLDERS).map(|_| HeldState::of(&source)).collect();
        for holder in &mut holders {
            part(holder, Cursor::START).await.unwrap();
        }
        let mut late = HeldState::of(&source);
        let refusal = part(&mut late, Cursor::START)
            .await
            .expect_err("it is one too many");
        assert!(matches!(refusal, Refusal::Busy { .. }), "{refusal}");
        drop(holders.pop());
        part(&mut late, Cursor::START).await.expect("there is room");
    }
}
