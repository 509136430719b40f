//! Waiting: for a named condition with a deadline, or for a moment. The only place that sleeps or polls.
//! Nothing waits "long enough"; a condition that does not come true in time is an error that names it.

use std::future::Future;
use std::time::Duration;

use scandrill_model::Stamp;

use crate::clock;
use crate::error::LabError;

/// First pause between two looks at a condition; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_micros(50);
/// Longest pause between two looks at a condition.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` gives something, at most for `limit`.
pub async fn until<T, F>(
    waited_for: &str,
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> Result<T, LabError>
where
    F: Future<Output = Result<Option<T>, LabError>>,
{
    let mut pauses = Pauses::new(waited_for, limit);
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        pause(pauses.next()?).await;
    }
}

/// The blocking form of [`until`].
pub fn until_blocking<T>(
    waited_for: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, LabError>,
) -> Result<T, LabError> {
    let mut pauses = Pauses::new(waited_for, limit);
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        pause_blocking(pauses.next()?);
    }
}

/// The outcome of `work`, or an error naming it when it takes longer than `limit`.
pub async fn within<T>(
    waited_for: &str,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, LabError> {
    tokio::time::timeout(limit, work).await.map_err(|_| deadline(waited_for, limit))
}

/// Returns at `moment`; at once when it has passed.
pub async fn until_moment(moment: Stamp) {
    pause(clock::left_until(moment)).await;
}

/// The blocking form of [`until_moment`].
pub fn until_moment_blocking(moment: Stamp) {
    pause_blocking(clock::left_until(moment));
}

/// The pauses between looks at one condition.
struct Pauses<'a> {
    waited_for: &'a str,
    limit: Duration,
    end: Stamp,
    next: Duration,
}

impl<'a> Pauses<'a> {
    fn new(waited_for: &'a str, limit: Duration) -> Self {
        Self { waited_for, limit, end: clock::now() + limit, next: FIRST_PAUSE }
    }

    fn next(&mut self) -> Result<Duration, LabError> {
        if clock::now() >= self.end {
            return Err(deadline(self.waited_for, self.limit));
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        Ok(pause)
    }
}

fn deadline(waited_for: &str, limit: Duration) -> LabError {
    LabError::Deadline { waited_for: waited_for.to_owned(), limit }
}

#[expect(clippy::disallowed_methods, reason = "this module is the one place that sleeps")]
async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}

#[expect(clippy::disallowed_methods, reason = "this module is the one place that sleeps")]
fn pause_blocking(length: Duration) {
    std::thread::sleep(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_is_returned() {
        let mut looks = 0;
        let found = until_blocking("third look", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn a_condition_that_never_comes_true_is_named() {
        let told =
            until_blocking::<()>("rain", Duration::from_millis(2), || Ok(None)).unwrap_err().to_string();
        assert_eq!(told, "rain: not within 2ms");
    }
}
