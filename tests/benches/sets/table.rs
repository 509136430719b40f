//! Tells the figures as tables for BENCHMARKS.md: a row a way, a column a size, and below them the ratio of a set's to a
//! chain's.

use std::iter::once;

use scandrill_tests::bench::{markdown, told};
use strum::IntoEnumIterator;

use crate::cells::{SIZES, Way};
use crate::measure::Measured;

/// All tables.
pub fn all(cells: &[Measured]) -> String {
    [
        table("packets a second, not refused", cells, |cell| Some(cell.passed_pps)),
        table("packets a second, refused by the last entry", cells, |cell| cell.refused_pps),
        table("an ordinary request, ms", cells, |cell| Some(cell.request_ms)),
        table("one connection, Gbit/s", cells, |cell| Some(cell.bulk_gbps)),
        table("loading, ms", cells, |cell| (cell.size > 0).then_some(cell.load_ms)),
        table("adding one more, ms", cells, |cell| Some(cell.add_ms)),
    ]
    .join("\n")
}

type Figure = fn(&Measured) -> Option<f64>;

fn table(title: &str, cells: &[Measured], figure: Figure) -> String {
    let sizes = SIZES.iter().map(ToString::to_string);
    let mut rows = vec![once(title.to_owned()).chain(sizes).collect()];
    for way in Way::iter() {
        let values = row(cells, way, figure).map(|value| value.map(told).unwrap_or_default());
        rows.push(once(way.to_string()).chain(values).collect());
    }
    let ratios = row(cells, SET, figure).zip(row(cells, CHAIN, figure));
    let ratios = ratios.map(|(set, chain)| Some(told(set? / chain?)));
    rows.push(once(format!("{SET} : {CHAIN}")).chain(ratios.map(Option::unwrap_or_default)).collect());
    markdown(&rows)
}

/// Of which a ratio is told.
const SET: Way = Way::Ipset;
/// To which.
const CHAIN: Way = Way::IptablesNft;

fn row(cells: &[Measured], way: Way, figure: Figure) -> impl Iterator<Item = Option<f64>> {
    cells.iter().filter(move |cell| cell.way == way).map(figure)
}
