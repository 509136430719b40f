//! Where the rules of a kernel's chains stand in the texts that were loaded: a rule is known by its place in its chain.
//! Where a chain cannot have come from these texts alone, nothing is said of it.

use scandrill_model::{Family, Step};

use super::read;
use super::ruleset::{Chain, Ruleset, Table};

/// A rule in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which of the texts, from 0.
    pub text_index: usize,
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Its text, without blanks around it.
    pub text: String,
}

/// The rules of all chains.
#[derive(Debug)]
pub struct Lines(Ruleset);

impl Lines {
    /// Reads what these steps load, one after the other into one kernel.
    pub fn of(steps: &[Step]) -> Self {
        Self(read::read(steps))
    }

    /// The rule at a place, from 0, of a chain that has so many rules in the kernel; `family` is nft's name of it. `None`
    /// where the texts do not say it for certain: another number of rules there, a file that they include, a condition.
    pub fn at(&self, family: &str, table: &str, chain: &str, place: usize, of: usize) -> Option<Line> {
        let (is_nft, chain) = self.chain(family, table, chain)?;
        let rules = &chain.rules;
        let certain = !self.0.is_partial && rules.iter().all(|rule| rule.branch.is_empty());
        if !certain {
            return None;
        }
        let mut places: Vec<_> = rules.iter().map(|rule| rule.place).collect();
        if is_nft {
            // A map of verdicts is one rule, and is read as many.
            places.dedup();
        }
        let place = *places.get(place).filter(|_| places.len() == of)?;
        let text = self.0.line(place);
        let file = self.0.file(place).to_owned();
        Some(Line { text_index: place.text, file, line: place.line, text: text.to_owned() })
    }

    /// The texts in the order in which they are loaded, each with its name. One that is loaded in parts is whole here.
    pub fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.texts.iter().map(|(name, lines)| (name.as_str(), lines.join("\n") + "\n"))
    }

    /// The one chain of that name, whichever tool made it, and whether that was nft.
    fn chain(&self, family: &str, table: &str, chain: &str) -> Option<(bool, &Chain)> {
        let is_it = |other: &Table| match other {
            Table::Nft(own, name) => (own.as_str(), name.as_str()) == (family, table),
            Table::Iptables(own, name) => (nft_family(*own), name.as_str()) == (family, table),
        };
        let mut found = self.0.chains.iter().filter(|((other, name), _)| is_it(other) && name == chain);
        let ((of, _), one) = found.next()?;
        found.next().is_none().then_some((matches!(of, Table::Nft(..)), one))
    }
}

fn nft_family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

#[cfg(test)]
mod tests {
    use scandrill_model::{Backend, Loader};

    use super::*;

    fn lines(loader: Loader, text: &str) -> Lines {
        Lines::of(&[Step::Load { loader, text: text.to_owned(), origin: "own".to_owned() }])
    }

    const NFT: &str = "table inet t {\n chain input {\n  type filter hook input priority 0; policy drop;\n\n  # a word\n\
                       \x20 ct state vmap { established : accept, invalid : drop }\n  tcp dport 22 accept\n }\n}\n";

    #[test]
    fn a_rule_of_nft_is_found_by_its_place() {
        let lines = lines(Loader::Nft, NFT);
        let line = |place, of| lines.at("inet", "t", "input", place, of).map(|line| (line.line, line.text));
        assert_eq!(line(1, 2), Some((7, "tcp dport 22 accept".to_owned())));
        assert_eq!(line(0, 2).map(|(line, _)| line), Some(6));
        assert_eq!(line(1, 3), None, "the kernel has a rule that the text has not");
        assert_eq!(lines.at("ip", "t", "input", 0, 2), None);
    }

    #[test]
    fn texts_of_one_name_are_told_apart() {
        let restore = |family, text: &str| Step::Load {
            loader: Loader::IptablesRestore { family, backend: Backend::Nft },
            text: text.to_owned(),
            origin: "own".to_owned(),
        };
        let four = "*filter\n-A INPUT -p icmp -j ACCEPT\nCOMMIT\n";
        let six = "*filter\n-A INPUT -p icmpv6 -j ACCEPT\nCOMMIT\n";
        let lines = Lines::of(&[restore(Family::V4, four), restore(Family::V6, six)]);
        let text = |family| lines.at(family, "filter", "INPUT", 0, 1).map(|line| line.text_index);
        assert_eq!((text("ip"), text("ip6")), (Some(0), Some(1)));
        assert_eq!(lines.texts().map(|(_, text)| text).collect::<Vec<_>>(), [four, six]);
    }

    #[test]
    fn a_rule_of_iptables_is_found_in_its_own_table() {
        let loader = Loader::IptablesRestore { family: Family::V4, backend: Backend::Nft };
        let text = "*mangle\n-A INPUT -j ACCEPT\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n\n-A INPUT -p tcp -j DROP\nCOMMIT\n";
        let lines = lines(loader, text);
        assert_eq!(lines.at("ip", "filter", "INPUT", 0, 1).map(|line| line.line), Some(7));
        assert_eq!(lines.at("ip6", "filter", "INPUT", 0, 1), None);
    }

    #[test]
    fn what_a_script_does_under_a_condition_is_not_guessed() {
        let loader = Loader::Script { backend: Backend::Nft };
        let plain = "iptables -A INPUT -p tcp --dport 22 -j ACCEPT\niptables -A INPUT -j DROP\n";
        assert_eq!(lines(loader, plain).at("ip", "filter", "INPUT", 1, 2).map(|line| line.line), Some(2));
        let under = format!("if test -e /x; then\niptables -A INPUT -j ACCEPT\nfi\n{plain}");
        assert_eq!(lines(loader, &under).at("ip", "filter", "INPUT", 1, 3), None);
    }
}
