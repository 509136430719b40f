//! Ports whose turn to be asked again has come. Those that were asked most often come first: they have the fewest
//! tries left, and where replies are rate limited the first to ask are the ones that are answered.

use std::collections::VecDeque;

/// Queues of ports, one for each number of tries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Again {
    lanes: Vec<VecDeque<u16>>,
}

impl Again {
    /// `port`, asked `tries` times so far, waits for its turn.
    pub(crate) fn push(&mut self, port: u16, tries: u8) {
        let lane = usize::from(tries);
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, VecDeque::new);
        }
        self.lanes[lane].push_back(port);
    }

    /// The next one.
    pub(crate) fn pop(&mut self) -> Option<u16> {
        self.lanes.iter_mut().rev().find_map(VecDeque::pop_front)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_asked_most_often_comes_first_then_who_waits_longest() {
        let mut again = Again::default();
        for (port, tries) in [(1, 1), (2, 3), (3, 1), (4, 3)] {
            again.push(port, tries);
        }
        assert_eq!(std::iter::from_fn(|| again.pop()).collect::<Vec<_>>(), [2, 4, 1, 3]);
        assert!(again.is_empty());
    }
}
