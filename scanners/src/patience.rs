//! How often a silent port is asked, and how long each try is waited for. Loss is told from filtering by a rule: where
//! every reply came to a first try, silence is asked three times; once a reply to a later try has proven that packets
//! get lost, so often that a port which would answer stays unheard with a chance of a thousandth in the whole scan.

use std::time::Duration;

use crate::rtt::Rtt;
use crate::timing::Template;

/// The chance, over all ports of a scan together, that one of them is silent by loss alone.
const MISSED: f64 = 0.001;
/// No wait doubles beyond this: even a limit of one reply a second lets something through by then.
const DOUBLED_MAX: Duration = Duration::from_secs(1);

/// What the replies say about the way to the target.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    template: Template,
    rtt: Rtt,
    /// Probes to ports that answered in the end.
    asked: u64,
    /// Those of them that were not answered.
    lost: u64,
}

impl Patience {
    /// Knows nothing yet but the template.
    pub(crate) fn new(template: Template) -> Self {
        Self { template, rtt: Rtt::new(&template), asked: 0, lost: 0 }
    }

    /// A port answered to try `attempt`, counted from 0, after `took`.
    pub(crate) fn on_answer(&mut self, attempt: u8, took: Duration) {
        self.rtt.sample(took);
        self.asked += u64::from(attempt) + 1;
        self.lost += u64::from(attempt);
    }

    /// How long a probe is waited for before the next.
    pub(crate) fn timeout(&self) -> Duration {
        self.rtt.timeout()
    }

    /// How often a port is worth to be asked in a scan of so many.
    pub(crate) fn tries(&self, ports: usize) -> u8 {
        if self.lost == 0 || ports == 0 {
            return self.template.tries;
        }
        let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let loss = number(self.lost) / number(self.asked);
        let tries = ((number(ports as u64) / MISSED).ln() / -loss.ln()).ceil();
        let bounds = self.template.tries..=self.template.tries_max;
        bounds.clone().find(|&count| f64::from(count) >= tries).unwrap_or(*bounds.end())
    }

    /// How long try `attempt` of a round is waited for. `last`: no other follows. `lively`: most of its round were
    /// answered, so that silence is chance and the next try may come soon. Otherwise replies may be rate limited, and
    /// tries that follow each other too fast would all be used up between two of them: each waits twice as long as the
    /// one before (RFC 6298, section 5.5).
    pub(crate) fn wait(&self, attempt: u8, last: bool, lively: bool) -> Duration {
        let timeout = self.rtt.timeout();
        let patient = timeout.max(self.template.patience);
        match (attempt, last, lively) {
            (_, true, _) => patient,
            (0, ..) | (.., true) => timeout,
            (later, ..) => {
                let doublings = u32::from(later - 1).min(16);
                patient.saturating_mul(1 << doublings).min(DOUBLED_MAX.max(patient))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Timing;

    fn after(answers: &[(u8, u32)]) -> Patience {
        let mut patience = Patience::new(Timing::T4.template());
        for (attempt, count) in answers {
            (0..*count).for_each(|_| patience.on_answer(*attempt, Duration::from_micros(20)));
        }
        patience
    }

    #[test]
    fn without_a_hint_of_loss_silence_is_asked_three_times() {
        assert_eq!(after(&[]).tries(65_535), 3);
        assert_eq!(after(&[(0, 10_000)]).tries(1_000), 3);
    }

    #[test]
    fn proven_loss_earns_as_many_tries_as_its_share_asks_for() {
        // 0.1^n * 1000 <= 0.001 from n = 6 on.
        assert_eq!(after(&[(0, 899), (1, 100)]).tries(1_000), 6);
        assert_eq!(after(&[(0, 640), (1, 230), (2, 83), (3, 30)]).tries(1_000), 13);
        assert_eq!(after(&[(9, 10)]).tries(1_000), 16, "never more than the template allows");
    }

    #[test]
    fn tries_that_silence_follows_wait_twice_as_long_each() {
        let patience = after(&[(0, 1)]);
        let waits = (0..7).map(|attempt| patience.wait(attempt, false, false).as_millis());
        assert_eq!(waits.collect::<Vec<_>>(), [20, 65, 130, 260, 520, 1_000, 1_000]);
        assert_eq!(patience.wait(3, false, true).as_millis(), 20);
        assert_eq!(patience.wait(3, true, true).as_millis(), 65);
    }
}
