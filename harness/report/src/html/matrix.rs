//! What red read, before the defense and with it.

use maud::{Markup, html};
use scandrill_model::{MatrixRow, PortState};

use crate::matrix::Matrix;

/// The matrix; nothing where it was not made.
pub fn figure(rows: &[MatrixRow]) -> Markup {
    let matrix = Matrix::of(rows);
    html! {
        @if !rows.is_empty() {
            h3 { "What red read, before the defense and with it" }
            div.wide tabindex="0" role="region" aria-label="Technique by port group" {
                table.matrix {
                    thead { tr {
                        th { "Technique" }
                        @for group in &matrix.groups { th scope="col" { span.ports { (group.name) } span.quiet { (group.size) } } }
                    } }
                    tbody {
                        @for row in &matrix.rows {
                            tr {
                                th scope="row" { (row.technique) br; span.quiet { (row.actor) } }
                                @for cell in &row.cells { (self::cell(*cell)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(cell: Option<crate::matrix::Read>) -> Markup {
    html! {
        @match cell {
            None => td {},
            Some(read) => td class=[read.leaked.then_some("leak")] {
                @match read.before {
                    Some(before) => (state(before)),
                    None => span.st { "not asked" },
                }
                span.to { "→" }
                (state(read.with))
                @if read.leaked { span.flag { "leaked" } }
            },
        }
    }
}

fn state(state: PortState) -> Markup {
    let class = match state {
        PortState::Open => "st open",
        PortState::Closed | PortState::Unfiltered => "st read",
        PortState::Filtered | PortState::OpenFiltered | PortState::ClosedFiltered => "st mute",
    };
    html! { span class=(class) { (state) } }
}
