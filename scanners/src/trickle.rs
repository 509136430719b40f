//! How a target is read that limits the rate of its ICMP errors, as Linux does (icmp_ratelimit, icmp_msgs_per_sec): its
//! silent ports are asked one after the other, at the rate at which it turns out to answer. More haste gains nothing,
//! since what comes too fast is lost.

use std::collections::VecDeque;
use std::time::Duration;

use scandrill_model::Stamp;

/// The first interval: 500 a second.
const INTERVAL: Duration = Duration::from_millis(2);
const INTERVAL_MIN: Duration = Duration::from_micros(50);
const INTERVAL_MAX: Duration = Duration::from_secs(1);
/// What a reply makes of the interval until the first silence, and from then on.
const FASTER: [f64; 2] = [0.93, 0.99];
/// What a silence makes of it.
const SLOWER: f64 = 1.25;
/// So long without any reply, and the silence is no limit: Linux lets one message a second through to each source.
const SILENT_MAX: Duration = Duration::from_millis(1_200);
/// A target that would take longer than this for the rest is not read to its end.
const REST_MAX: Duration = Duration::from_secs(30);

/// The ports that are still to be read, and the pace.
#[derive(Clone, Debug)]
pub(crate) struct Trickle {
    start: Stamp,
    due: Stamp,
    interval: Duration,
    waiting: VecDeque<u16>,
    asked: VecDeque<(u16, Stamp)>,
    replies: u64,
    /// When the pace was slowed down last. What was sent before it says nothing of the new pace.
    slowed: Option<Stamp>,
}

/// What became of a port that was asked a while ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// It has answered.
    Answered,
    /// It was silent, and is worth another try.
    AskAgain,
    /// It was silent often enough.
    AskedEnough,
}

impl Trickle {
    /// Asks `ports` from `now` on.
    pub(crate) fn new(ports: impl IntoIterator<Item = u16>, now: Stamp) -> Self {
        let waiting = ports.into_iter().collect();
        Self {
            start: now,
            due: now,
            interval: INTERVAL,
            waiting,
            asked: VecDeque::new(),
            replies: 0,
            slowed: None,
        }
    }

    /// The next port whose turn it is, if it is anybody's; `is_silent` tells those that are not answered yet.
    pub(crate) fn take(&mut self, now: Stamp, is_silent: impl Fn(u16) -> bool) -> Option<u16> {
        while self.due <= now {
            let port = self.waiting.pop_front()?;
            if is_silent(port) {
                self.due = self.due.max(now - self.interval) + self.interval;
                self.asked.push_back((port, now));
                return Some(port);
            }
        }
        None
    }

    /// Some port was answered: the target keeps pace.
    pub(crate) fn on_reply(&mut self) {
        self.replies += 1;
        let faster = FASTER[usize::from(self.slowed.is_some())];
        self.interval = self.interval.mul_f64(faster).max(INTERVAL_MIN);
    }

    /// Takes the ports back that were asked longer than `wait` ago; the target's silence slows the pace.
    pub(crate) fn expire(&mut self, now: Stamp, wait: Duration, mut expired: impl FnMut(u16) -> Expired) {
        while let Some((port, sent)) =
            self.asked.front().copied().filter(|(_, sent)| now.since(*sent) >= wait)
        {
            self.asked.pop_front();
            match expired(port) {
                Expired::Answered => continue,
                Expired::AskAgain => self.waiting.push_back(port),
                Expired::AskedEnough => {}
            }
            if self.slowed.is_none_or(|slowed| sent > slowed) {
                self.interval = self.interval.mul_f64(SLOWER).min(INTERVAL_MAX);
                self.slowed = Some(now);
            }
        }
    }

    /// Whether going on would gain nothing: no reply at all, or too few for what is left.
    pub(crate) fn is_hopeless(&self, now: Stamp) -> bool {
        let took = now.since(self.start);
        let left = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        // By the replies that came: this scan's own pace falls, too, where it had to wait for a processor.
        let rest = took.saturating_mul(left) / u32::try_from(self.replies).unwrap_or(u32::MAX).max(1);
        took >= SILENT_MAX && (self.replies == 0 || rest > REST_MAX)
    }

    /// Whether nobody is left to be asked or waited for.
    pub(crate) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty()
    }

    /// Whether the target answered at all at this pace: then its silence is a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.replies > 0
    }

    /// When something happens next, where a probe is waited for as long as `wait`, and another may leave or not.
    pub(crate) fn next(&self, wait: Duration, may_ask: bool) -> Option<Stamp> {
        let probe = (may_ask && !self.waiting.is_empty()).then_some(self.due);
        let expiry = self.asked.front().map(|(_, sent)| *sent + wait);
        let despair = (self.replies == 0).then_some(self.start + SILENT_MAX);
        probe.into_iter().chain(expiry).chain(despair).min()
    }
}
