//! Technique × port group: rows whose groups differ, laid over one another until all share the same columns.

use scandrill_model::{MatrixRow, PortSet, PortState};

use crate::words;

/// The longest name of a group.
const NAME: usize = 24;

/// A matrix that can be drawn.
pub struct Matrix {
    /// Its columns, by their first port.
    pub groups: Vec<Group>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One column.
pub struct Group {
    /// Its ports, cut where they are many: `10-21,23-79,...`.
    pub name: String,
    /// How many ports: `2 ports`; empty where the name says it.
    pub size: String,
}

/// One actor.
pub struct Row {
    /// Who.
    pub actor: String,
    /// With what.
    pub technique: String,
    /// What it read of each column; `None` where it did not ask.
    pub cells: Vec<Option<Read>>,
}

/// What an actor read of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Without a defense.
    pub before: Option<PortState>,
    /// With it.
    pub with: PortState,
    /// Whether it is a leak.
    pub leaked: bool,
}

impl Matrix {
    /// The matrix of these rows.
    pub fn of(rows: &[MatrixRow]) -> Self {
        let mut groups: Vec<PortSet> = Vec::new();
        for cell in rows.iter().flat_map(|row| &row.cells) {
            groups = overlay(groups, &cell.ports);
        }
        groups.sort_by_key(|ports| ports.iter().next());
        let rows = rows.iter().map(|row| Row::of(row, &groups)).collect();
        Self { groups: groups.iter().map(Group::of).collect(), rows }
    }
}

/// `groups` and `ports`, cut so that none overlaps another.
fn overlay(groups: Vec<PortSet>, ports: &PortSet) -> Vec<PortSet> {
    let mut rest = ports.clone();
    let mut cut = Vec::new();
    for group in groups {
        let common = group.intersection(&rest);
        if common.is_empty() {
            cut.push(group);
            continue;
        }
        rest = rest.without(&common);
        let left = group.without(&common);
        cut.extend([common, left].into_iter().filter(|part| !part.is_empty()));
    }
    if !rest.is_empty() {
        cut.push(rest);
    }
    cut
}

impl Group {
    fn of(ports: &PortSet) -> Self {
        let name = words::ports(ports, NAME);
        let size = match ports.len() {
            1 => String::new(),
            many => format!("{many} ports"),
        };
        if name == "0" {
            return Self { name: "host".to_owned(), size: String::new() };
        }
        Self { name, size }
    }
}

impl Row {
    fn of(row: &MatrixRow, groups: &[PortSet]) -> Self {
        let read = |group: &PortSet| {
            let port = group.iter().next()?;
            let cell = row.cells.iter().find(|cell| cell.ports.contains(port))?;
            Some(Read { before: cell.before, with: cell.with, leaked: cell.leaked })
        };
        Self {
            actor: row.actor.clone(),
            technique: row.technique.to_string(),
            cells: groups.iter().map(read).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use scandrill_model::{MatrixCell, Technique};

    use super::*;

    fn row(actor: &str, cells: &[&str]) -> MatrixRow {
        let cell = |ports: &&str| MatrixCell {
            ports: ports.parse().unwrap(),
            before: None,
            with: PortState::Filtered,
            leaked: false,
        };
        MatrixRow {
            actor: actor.to_owned(),
            technique: Technique::TcpSyn,
            cells: cells.iter().map(cell).collect(),
        }
    }

    #[test]
    fn rows_with_other_groups_share_the_columns_that_all_of_them_can_fill() {
        let matrix = Matrix::of(&[row("a", &["1-9", "10-100"]), row("b", &["22,80", "1-21,23-79"])]);
        let names: Vec<&str> = matrix.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["1-9", "10-21,23-79", "22,80", "81-100"]);
        let filled: Vec<Vec<bool>> =
            matrix.rows.iter().map(|row| row.cells.iter().map(Option::is_some).collect()).collect();
        assert_eq!(filled, [[true; 4], [true, true, true, false]]);
    }

    #[test]
    fn a_long_group_is_cut_and_counted_and_a_host_is_no_port() {
        let ports: PortSet = (1..100_u16).filter(|port| port % 2 == 1).collect();
        let group = Group::of(&ports);
        assert_eq!((group.name.as_str(), group.size.as_str()), ("1,3,5,7,9,11,13,15,17,...", "50 ports"));
        assert_eq!(Group::of(&PortSet::one(0)).name, "host");
    }
}
