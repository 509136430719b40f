//! What each attacker read, before the defense and with it.

use std::collections::BTreeMap;

use scandrill_model::{Allowed, MatrixCell, MatrixRow, PortState, RedExpectation};

use super::observations::Observations;
use super::view::ScanView;
use crate::plan::RedPlan;

/// A row for each attacker that was seen.
pub fn matrix(views: &[(&RedPlan, Option<ScanView<'_>>)], seen: &Observations) -> Vec<MatrixRow> {
    views.iter().filter_map(|(red, view)| Some(row(red, view.as_ref()?, seen))).collect()
}

fn row(red: &RedPlan, view: &ScanView<'_>, seen: &Observations) -> MatrixRow {
    let before = seen.control_states.get(view.actor);
    let answered = view.answered();
    let mut groups: BTreeMap<(Option<PortState>, PortState, bool), Vec<u16>> = BTreeMap::new();
    for (port, with) in view.states {
        let before = before.and_then(|states| states.get(port).copied());
        let leaked = answered.contains(*port) && !may_be_read(&red.expect, *port, *with);
        groups.entry((before, *with, leaked)).or_default().push(*port);
    }
    let cell = |((before, with, leaked), ports): (_, Vec<u16>)| MatrixCell {
        ports: ports.into_iter().collect(),
        before,
        with,
        leaked,
    };
    let cells = groups.into_iter().map(cell).collect();
    MatrixRow { actor: red.name.clone(), technique: view.technique, cells }
}

/// Whether the scenario says that a port may be read as it is. A count of answers that are tolerated makes none of them right.
fn may_be_read(expect: &RedExpectation, port: u16, state: PortState) -> bool {
    let named = expect.states.iter().find(|(ports, _)| ports.contains(port)).map(|(_, allowed)| allowed);
    match named.or(expect.rest.as_ref()) {
        Some(Allowed::States(states)) => states.contains(state),
        Some(Allowed::Silent) => false,
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use scandrill_model::StateSet;

    use super::*;

    #[test]
    fn an_answer_that_is_counted_is_still_one_that_should_not_have_been() {
        let filtered = Allowed::States(StateSet(vec![PortState::Filtered]));
        let open = Allowed::States(StateSet(vec![PortState::Open]));
        let expect = RedExpectation {
            states: vec![("80".parse().unwrap(), open)],
            rest: Some(filtered),
            ..RedExpectation::default()
        };
        assert!(may_be_read(&expect, 80, PortState::Open));
        assert!(!may_be_read(&expect, 81, PortState::Closed));
        assert!(may_be_read(&RedExpectation::default(), 81, PortState::Closed));
    }
}
