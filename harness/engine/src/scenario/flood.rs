//! From a `[[flood]]` table to load.

use std::ops::Range;
use std::time::Duration;

use scandrill_model::{Protocol, Sends};
use serde::{Deserialize, Serialize};

use super::Sender;
use super::expect::{Located, at};
use super::file::{At, FloodCount, FloodTable};
use super::read::{name_of, names};
use super::red::{pool, who};
use super::words::{self, Wrong, word};

/// The most packets of a flood.
const COUNT_MAX: u64 = 10_000_000;
/// The largest share of a table of connections.
const PERCENT_MAX: u16 = 1000;

/// Load on the target.
#[derive(Clone, Debug)]
pub struct Flood {
    /// Unique among all actors.
    pub name: String,
    /// Where it comes from.
    pub host: String,
    /// What is sent.
    pub sends: Sends,
    /// To which port; 0 for ICMP.
    pub port: u16,
    /// In whose name.
    pub sender: Sender,
    /// How much.
    pub amount: Amount,
    /// From one packet to the next.
    pub interval: Option<Duration>,
    /// Around whom it lasts.
    pub around: Vec<String>,
    /// Who must have finished.
    pub after: Vec<String>,
    /// Its place in the file.
    pub span: Range<usize>,
}

/// How many packets there are at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    /// So many.
    Packets(u64),
    /// So many percent of the flows that the machine's table of connections holds.
    OfConntrackMax(u16),
}

/// Understands all floods.
pub fn floods(tables: &[At<FloodTable>]) -> Located<Vec<Flood>> {
    tables.iter().enumerate().map(|(index, table)| flood(index, table)).collect()
}

fn flood(index: usize, table: &At<FloodTable>) -> Located<Flood> {
    let (span, table) = (table.span.clone(), &table.value);
    let name = name_of(table.name.as_ref(), "flood", index);
    let sends = at(&table.sends, |text| word("kind of flood", text))?;
    Ok(Flood {
        host: table.host.as_ref().map_or_else(|| name.clone(), |host| host.value.clone()),
        name,
        sends,
        port: port(table, sends)?,
        sender: sender(table)?,
        amount: at(&table.count, amount)?,
        interval: table.rate.as_ref().map(|text| at(text, |text| words::rate(text))).transpose()?,
        around: names(&table.around),
        after: names(&table.after),
        span,
    })
}

fn port(table: &FloodTable, sends: Sends) -> Located<u16> {
    let over = sends.protocol();
    match (&table.to, over) {
        (None, Protocol::Icmp) => Ok(0),
        (None, _) => {
            let wrong = Wrong::new("nothing says where it goes", format!("add to = \"{over}/80\""));
            Err((table.sends.span.clone(), wrong))
        }
        (Some(to), Protocol::Icmp) => {
            Err((to.span.clone(), Wrong::new("an echo request has no port", "leave `to` out")))
        }
        (Some(to), _) => at(to, |text| match words::address(text)? {
            (protocol, port) if protocol == over => Ok(port),
            (protocol, port) => Err(Wrong::new(
                format!("{sends} goes over {over}, not {protocol}"),
                format!("write `{over}/{port}`"),
            )),
        }),
    }
}

fn sender(table: &FloodTable) -> Located<Sender> {
    match (&table.sources, &table.spoof) {
        (Some(_), Some(spoof)) => {
            let wrong = Wrong::new("`spoof` says who sends, and so does `sources`", "keep one of them");
            Err((spoof.span.clone(), wrong))
        }
        (Some(sources), None) => at(sources, pool),
        (None, Some(spoof)) => at(spoof, |text| who(text)).map(Sender::Spoofed),
        (None, None) => Ok(Sender::Own),
    }
}

fn amount(count: &FloodCount) -> Result<Amount, Wrong> {
    match count {
        FloodCount::Packets(count @ 1..=COUNT_MAX) => Ok(Amount::Packets(*count)),
        FloodCount::Packets(count) => {
            Err(Wrong::new(format!("{count} packets"), format!("write 1 to {COUNT_MAX}")))
        }
        FloodCount::Share(text) => share(text).map(Amount::OfConntrackMax),
    }
}

/// `110% of nf_conntrack_max`.
fn share(text: &str) -> Result<u16, Wrong> {
    let percent = text.strip_suffix("% of nf_conntrack_max").and_then(|percent| percent.trim().parse().ok());
    percent.filter(|percent| (1..=PERCENT_MAX).contains(percent)).ok_or_else(|| {
        Wrong::new(
            format!("`{text}` is not a number of packets"),
            format!("write a number, or `110% of nf_conntrack_max`, up to {PERCENT_MAX}%"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_number_or_a_share_of_the_table() {
        let share = |text: &str| amount(&FloodCount::Share(text.to_owned())).ok();
        assert_eq!(share("110% of nf_conntrack_max"), Some(Amount::OfConntrackMax(110)));
        assert_eq!(amount(&FloodCount::Packets(7)).ok(), Some(Amount::Packets(7)));
        for wrong in ["0% of nf_conntrack_max", "2000% of nf_conntrack_max", "110%", "all"] {
            assert_eq!(share(wrong), None, "{wrong}");
        }
        assert_eq!(amount(&FloodCount::Packets(0)).ok(), None);
        assert_eq!(amount(&FloodCount::Packets(COUNT_MAX + 1)).ok(), None);
    }
}
