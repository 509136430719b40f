//! How many probes may be unanswered at once. Silence is no sign of congestion here, since a lab's link has no queue:
//! what bounds the window is what may come back. The receive queue of a packet socket holds about 250 small packets
//! when its owner may not enlarge it (net.core.rmem_max), so no more than half of that is asked for at once, by the
//! share of probes that was answered so far.

use crate::timing::{Parallelism, Template};

/// So many replies may be expected at once.
const REPLIES_MAX: u64 = 128;

/// The window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    parallelism: Parallelism,
    /// Grows by one with each probe whose fate is known.
    size: u64,
    /// Probes of which it is known whether they were answered.
    settled: u64,
    answered: u64,
}

impl Window {
    /// As wide as the template says.
    pub(crate) fn new(template: &Template) -> Self {
        let size = match template.parallelism {
            Parallelism::Serial => 1,
            Parallelism::Window(first) => first,
        };
        Self { parallelism: template.parallelism, size, settled: 0, answered: 0 }
    }

    /// How many probes may be unanswered.
    pub(crate) fn limit(&self) -> u64 {
        match self.parallelism {
            Parallelism::Serial => 1,
            Parallelism::Window(_) => self.size.min(self.bound()),
        }
    }

    /// So many probes that the share of them which is answered makes no more than `REPLIES_MAX` replies.
    fn bound(&self) -> u64 {
        (REPLIES_MAX * self.settled / self.answered.max(1)).max(REPLIES_MAX)
    }

    /// A reply came.
    pub(crate) fn on_reply(&mut self) {
        self.answered += 1;
        self.on_silence();
    }

    /// A probe was not answered in time. Where nothing answers, as much as there is may be on its way.
    pub(crate) fn on_silence(&mut self) {
        self.settled += 1;
        self.size = self.size.max(2 * self.settled) + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Timing;

    #[test]
    fn replies_never_overflow_a_small_receive_queue() {
        let mut window = Window::new(&Timing::T5.template());
        for _ in 0..10_000 {
            window.on_reply();
            assert!(window.limit() <= REPLIES_MAX);
        }
    }

    #[test]
    fn silence_widens_the_window() {
        let mut window = Window::new(&Timing::T4.template());
        assert_eq!(window.limit(), REPLIES_MAX);
        (0..REPLIES_MAX).for_each(|_| window.on_silence());
        assert!(window.limit() > 2 * REPLIES_MAX, "{}", window.limit());
    }

    #[test]
    fn a_serial_template_stays_serial() {
        let mut window = Window::new(&Timing::T2.template());
        window.on_reply();
        window.on_silence();
        assert_eq!(window.limit(), 1);
    }
}
