//! What it costs to tell a thousand scenarios' results as a page, beside the same as JSON.
//!
//! `cargo bench -p scandrill-tests --bench report`

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../../harness/report/src/fixture/mod.rs"]
#[expect(dead_code, reason = "the other reports are for tests")]
mod fixture;

use std::time::Duration;

use scandrill_lab::clock;
use scandrill_report::{Place, html, json};

/// Scenarios of one case each.
const SCENARIOS: usize = 1_000;
/// Runs of each, which take turns.
const ROUNDS: usize = 5;
/// What is promised of the page.
const BYTES_MAX: usize = 5_000_000;
const TIME_MAX: Duration = Duration::from_secs(2);

fn main() {
    let report = fixture::many(SCENARIOS);
    let mut slowest = Duration::ZERO;
    let mut size = 0;
    for _ in 0..ROUNDS {
        let (page, page_took) = timed(|| html(&report, Place::default()));
        let (text, text_took) = timed(|| json(&report));
        println!(
            "html {page_took:>8.1?} {:>9} bytes    json {text_took:>8.1?} {:>9} bytes",
            page.len(),
            text.len()
        );
        slowest = slowest.max(page_took);
        size = page.len();
    }
    assert!(size < BYTES_MAX, "a page of {size} bytes");
    assert!(slowest < TIME_MAX, "a page took {slowest:?}");
}

fn timed(render: impl Fn() -> String) -> (String, Duration) {
    let start = clock::now();
    let text = render();
    (text, clock::elapsed(start))
}
