//! How long an unfinished frame or request may be waited for, and within which memory.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::wire::budget::{self, Budget, FREE, Progress, Share};
use crate::wire::frames::ReadError;

/// The frame or request that a connection has begun.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// When its first byte came.
    began: Option<Instant>,
    /// How it comes on since it had its share.
    progress: Option<Progress>,
}

impl Unfinished {
    /// What was whole is taken out; there may be the beginning of another.
    pub(crate) fn next(is_begun: bool) -> Unfinished {
        Unfinished {
            began: is_begun.then(Instant::now),
            progress: None,
        }
    }
}

/// A connection that is read piece by piece.
pub(crate) trait Pieces {
    /// Reads once; 0 is the end of the stream. Cancelling it loses nothing.
    async fn read_piece(&mut self) -> Result<usize, ReadError>;

    /// What it has begun.
    fn unfinished(&mut self) -> &mut Unfinished;

    /// Its share of the budget.
    fn share(&mut self) -> &mut Share;
}

/// Reads once of a frame that is begun, which is so long, and may take so much time. Beyond [`FREE`] bytes it
/// waits for its share of the budget first, if there is one.
pub(crate) async fn read_on(
    from: &mut impl Pieces,
    length: usize,
    time: Duration,
    budget: Option<Budget>,
) -> Result<usize, ReadError> {
    let slow = ReadError::Slow(time);
    let deadline = *from.unfinished().began.get_or_insert_with(Instant::now) + time;
    // A timeout alone would not do: it looks at what has come before it looks at the time.
    if Instant::now() >= deadline {
        return Err(slow);
    }
    let Some(budget) = budget.filter(|_| length > FREE) else {
        return timeout_at(deadline, from.read_piece()).await.unwrap_or(Err(slow));
    };
    if timeout_at(deadline, budget.raise(from.share(), length))
        .await
        .is_err()
    {
        return Err(slow);
    }
    // While it waited for its share it was not read, so nothing could come.
    let begun = Progress::new(Instant::now());
    let mut progress = *from.unfinished().progress.get_or_insert(begun);
    loop {
        let now = Instant::now();
        if progress.is_slow(now) && budget.is_short() {
            return Err(ReadError::GivesWay { length });
        }
        let look = now + budget::PAUSE;
        match timeout_at(look.min(deadline), from.read_piece()).await {
            Ok(read) => {
                let read = read?;
                progress.on_read(read, Instant::now());
                from.unfinished().progress = Some(progress);
                return Ok(read);
            }
            Err(_) if look >= deadline => return Err(slow),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something has always come already.
    #[derive(Default)]
    struct Steady(Unfinished, Share);

    impl Pieces for Steady {
        async fn read_piece(&mut self) -> Result<usize, ReadError> {
            Ok(1)
        }

        fn unfinished(&mut self) -> &mut Unfinished {
            &mut self.0
        }

        fn share(&mut self) -> &mut Share {
            &mut self.1
        }
    }

    #[tokio::test]
    async fn one_that_comes_on_for_ever_is_too_slow_too() {
        let mut from = Steady::default();
        let long = read_on(&mut from, 100, budget::TIME, None).await;
        assert!(matches!(long, Ok(1)), "{long:?}");
        let over = read_on(&mut from, 100, Duration::ZERO, None).await;
        assert!(matches!(over, Err(ReadError::Slow(Duration::ZERO))), "{over:?}");
    }
}
