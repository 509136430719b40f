//! The third party of an idle scan (`nmap -sI`, nmap(1)): a host that numbers all its IPv4 packets from one counter, as
//! printers and old systems do, so that whoever asks it twice learns how many packets it sent in between.
//!
//! Linux has no such counter: it numbers per destination, and its resets not at all. So the host's own stack answers, and
//! a rule writes the numbers. A zombie must have nothing else to do: each packet of its own spoils a reading.

use scandrill_model::{Loader, Step};

/// Behind all other rules. The shift is because nft 1.0.6 writes the upper half of the number's four bytes, in network
/// order; a version that wrote the lower one would make every number 0, which nmap refuses as no zombie at all.
const RULES: &str = "table ip scandrill-zombie {
    chain number {
        type filter hook postrouting priority 300
        ip id set numgen inc mod 65536 << 16
    }
}
";

/// What makes a host a zombie, to be given to [`crate::install`].
pub fn zombie_steps() -> Vec<Step> {
    vec![Step::Load { loader: Loader::Nft, text: RULES.to_owned(), origin: "zombie".to_owned() }]
}
