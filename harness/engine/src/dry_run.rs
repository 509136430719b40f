//! A scan without a network: every packet that the built-in scanner would send if nothing ever answered, and when. Time
//! is a number here; nothing is opened and nothing waits.

use std::time::Duration;

use scandrill_model::Stamp;
use scandrill_scanners::{Batch, Scan, ScanError, ScanPlan};

/// Hands each packet, without its Ethernet header, to `send`, with the time since the start of the scan; `send` says
/// whether it wants more.
///
/// # Errors
/// A plan that the scanner refuses.
pub fn dry_run(plan: &ScanPlan, mut send: impl FnMut(Duration, &[u8]) -> bool) -> Result<(), ScanError> {
    let mut scan = Scan::new(plan)?;
    let start = Stamp(0) + START;
    let mut now = start;
    let mut batch = Batch::default();
    while !scan.is_finished() {
        scan.poll_transmit(now, &mut batch);
        if !batch.iter().all(|packet| send(now.since(start), packet)) {
            return Ok(());
        }
        if batch.is_empty() && !scan.is_finished() {
            // Something is due later, or the scan would be finished; it never stands still.
            let Some(next) = scan.next_timeout() else { return Ok(()) };
            now = next.max(now + STEP);
        }
        batch.clear();
    }
    Ok(())
}

/// Any time but the epoch, which would look like none.
const START: Duration = Duration::from_secs(1);

/// The clock's own step, so that time goes on.
const STEP: Duration = Duration::from_nanos(1);

#[cfg(test)]
mod tests {
    use scandrill_model::Technique;

    use super::*;

    fn plan() -> ScanPlan {
        let (source, target) = ("198.18.2.10".parse().unwrap(), "198.18.0.1".parse().unwrap());
        ScanPlan::new(Technique::TcpSyn, source, target, "22,80".parse().unwrap(), 1)
    }

    #[test]
    fn silence_is_asked_again_and_time_goes_on_without_a_clock() {
        let mut sent = Vec::new();
        dry_run(&plan(), |at, packet| {
            sent.push((at, packet.len()));
            true
        })
        .unwrap();
        assert!(sent.len() > 2 && sent.len().is_multiple_of(2), "{sent:?}");
        assert!(sent.is_sorted() && sent[0].0.is_zero());
        // How long it waits is the scanner's; here, that its time goes on.
        assert!(sent[1].0 < sent[2].0 && sent[3].0 < sent[4].0, "{sent:?}");
    }

    #[test]
    fn who_wants_no_more_gets_no_more() {
        let mut count = 0;
        dry_run(&plan(), |_, _| {
            count += 1;
            false
        })
        .unwrap();
        assert_eq!(count, 1);
    }
}
