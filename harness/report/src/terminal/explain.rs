//! One packet's way through the hooks, and the rule that decided.

use scandrill_model::{Cause, Hop};

use super::Style;
use super::text::{HEADING, clean, left, paint, width};
use crate::why;

/// The packet, what conntrack called it, each rule that matched it with its verdict, and what it came to.
pub fn explain(cause: &Cause, style: &Style) -> String {
    let mut lines = vec![paint(&clean(&cause.packet), HEADING, style.colour)];
    let state = cause.conntrack.as_deref().unwrap_or("no rule uses it");
    lines.push(format!("  conntrack  {}", clean(state)));
    lines.extend(way(&cause.path));
    lines.push(String::new());
    lines.push(format!("  fate       {}", clean(&cause.fate)));
    let decided = cause.decided_by.as_ref().map_or_else(|| "no rule".to_owned(), why::in_its_words);
    lines.push(format!("  decided by {}", clean(&decided)));
    lines.push(format!("  witness    {}", clean(&cause.witness)));
    lines.join("\n") + "\n"
}

/// A line for each step: hook, chain, verdict and the rule.
fn way(path: &[Hop]) -> Vec<String> {
    let columns: [Vec<String>; 3] = [
        path.iter().map(|hop| clean(&hop.hook)).collect(),
        path.iter().map(|hop| clean(&hop.chain)).collect(),
        path.iter().map(|hop| hop.verdict.to_string()).collect(),
    ];
    let widths = columns.each_ref().map(|column| column.iter().map(|cell| width(cell)).max().unwrap_or(0));
    let line = |(at, hop): (usize, &Hop)| {
        let cells: Vec<String> =
            columns.iter().zip(widths).map(|(column, width)| left(&column[at], width)).collect();
        let rule = hop.rule.as_ref().map_or_else(|| "end of chain".to_owned(), why::in_its_words);
        format!("  {}  {}", cells.join("  "), clean(&rule))
    };
    path.iter().enumerate().map(line).collect()
}
