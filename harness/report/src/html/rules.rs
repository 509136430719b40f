//! The user's own files of rules: which lines decided, and which never matched anything.

use std::collections::BTreeMap;

use maud::{Markup, html};
use scandrill_model::{CaseReport, RuleAt, RuleText, RunReport};

use crate::coverage::{self, Covered, Key, key};
use crate::terminal::count;
use crate::words::thousands;

/// Lines that are shown around a decisive one where a text is too long to be shown whole beside its case.
const AROUND: u32 = 4;
/// The longest text that is.
const WHOLE: usize = 60;

/// Every text of a run once, with what its lines matched in all cases together.
pub struct Texts<'a> {
    listings: Vec<Covered<'a>>,
    /// Each listing by its key.
    places: BTreeMap<Key<'a>, usize>,
}

impl<'a> Texts<'a> {
    /// Those of a report.
    pub fn of(report: &'a RunReport) -> Self {
        let listings = coverage::of(report);
        let places = listings.iter().enumerate();
        let places = places.map(|(at, text)| ((text.host, text.file, text.text), at)).collect();
        Self { listings, places }
    }

    /// Where on the page a rule of a case is.
    pub fn anchor(&self, case: &CaseReport, rule: &RuleAt) -> Option<String> {
        let (file, line) = (rule.file.as_ref()?, rule.line?);
        let index = case.rules.iter().filter(|text| text.file == *file).find_map(|text| {
            let index = *self.places.get(&key(text))?;
            self.listings[index].packets.contains_key(&line).then_some(index)
        })?;
        Some(format!("r{index}-{line}"))
    }
}

/// How many rules are counted over a run, and how many of these never matched in any of its cases.
pub fn idle(report: &RunReport) -> (usize, usize) {
    let texts = coverage::of(report);
    let each = texts.iter().map(|text| (text.counted(), text.idle().count()));
    each.fold((0, 0), |(all, never), (rules, idle)| (all + rules, never + idle))
}

/// Bytes of listings that are whole; of later ones, what decided and what never matched is shown.
const ROOM: usize = 600_000;

/// Every text once.
pub fn section(texts: &Texts<'_>) -> Markup {
    let mut room = ROOM;
    let mut listed = Vec::new();
    for (index, listing) in texts.listings.iter().enumerate() {
        let full = lines(Some(index), listing, |_| true);
        let fits = full.0.len() <= room;
        room -= if fits { full.0.len() } else { 0 };
        let telling = |line| listing.decisive.contains(&line) || listing.packets.get(&line) == Some(&Some(0));
        listed.push((listing, if fits { full } else { lines(Some(index), listing, telling) }));
    }
    html! {
        @if !listed.is_empty() {
            section #rules {
                h2 { "Rules" }
                p.quiet { "Each text once, with the packets that its lines matched in all cases. Lines that matched nothing are pale." }
                @for (listing, text) in &listed { (whole(listing, text, listed.len())) }
            }
        }
    }
}

fn whole(listing: &Covered<'_>, text: &Markup, all: usize) -> Markup {
    let idle = listing.idle().count();
    html! {
        details.listing open[all == 1] {
            summary {
                span.name { (listing.file) } " "
                span.quiet {
                    "on " (listing.host) ", " (count(listing.cases, "case"))
                    @if idle > 0 { ", " (count(idle, "rule")) " never matched" }
                }
            }
            (text)
        }
    }
}

/// The texts that a case installed, with what they matched in it.
pub fn of_case(case: &CaseReport) -> Markup {
    html! {
        @for text in &case.rules {
            h3 { (text.file) " on " (text.host) }
            (beside(case, text))
        }
    }
}

fn beside(case: &CaseReport, text: &RuleText) -> Markup {
    let mut listing = Covered::nowhere(text);
    listing.add(case, text);
    let short = text.text.lines().count() <= WHOLE;
    let near = |line: u32| listing.decisive.iter().any(|decided| decided.abs_diff(line) <= AROUND);
    lines(None, &listing, |line| short || near(line))
}

fn lines(index: Option<usize>, listing: &Covered<'_>, shown: impl Fn(u32) -> bool) -> Markup {
    let numbered = (1_u32..).zip(listing.text.lines());
    html! {
        div.wide tabindex="0" role="region" aria-label={ "Text of " (listing.file) } {
            ol.text {
                @for (number, line) in numbered.filter(|(number, _)| shown(*number)) {
                    (self::line(index, number, line, listing))
                }
            }
        }
    }
}

fn line(index: Option<usize>, number: u32, line: &str, listing: &Covered<'_>) -> Markup {
    let counted = listing.packets.get(&number);
    let told = match counted {
        None => None,
        Some(None) => Some("not counted".to_owned()),
        Some(Some(0)) => Some("never".to_owned()),
        Some(Some(packets)) => Some(thousands(*packets)),
    };
    let class = match counted {
        _ if listing.decisive.contains(&number) => Some("hit"),
        Some(Some(0)) => Some("idle"),
        Some(_) | None => None,
    };
    let id = index.filter(|_| counted.is_some()).map(|index| format!("r{index}-{number}"));
    html! { li id=[id] class=[class] value=(number) data-n=[told] { (line) } }
}
