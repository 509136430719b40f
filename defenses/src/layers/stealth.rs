//! Filters against scans that do not begin with a SYN: by the flags of a segment, or by what connection tracking makes of
//! it. Each stops some of these scans and lets others through; the scenarios of `stealth/` show which.

use minijinja::context;
use scandrill_model::Step;

use super::TOOL;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, twins};
use crate::settings::Settings;

/// Drops segments that no client sends.
pub struct Stealth;

const FILTERS: &[&str] = &["xmas", "flags", "invalid", "new-not-syn", "unsolicited", "strict", "all"];

impl Layer for Stealth {
    fn name(&self) -> &'static str {
        "stealth"
    }

    fn summary(&self) -> &'static str {
        "drops TCP segments that open no connection and belong to none, as one of several filters sees them, over both \
         families; SYN scans pass"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "filter",
                kind: Kind::OneOf(FILTERS),
                default: Preset::Word("all"),
                doc: "what is dropped: `xmas`, FIN, PSH and URG alone; `flags`, what no TCP sends; `invalid`, what \
                      connection tracking can make nothing of; `new-not-syn`, what it takes for a new connection \
                      without a bare SYN; `unsolicited`, FIN and RST of no connection; `strict`, `invalid` with \
                      nf_conntrack_tcp_loose off, so that an ACK begins no connection either; `all`, `invalid` and \
                      `new-not-syn`",
            },
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let filter = settings.word("filter");
        let strict = Step::Sysctl { key: LOOSE.to_owned(), value: "0".to_owned() };
        let rules = install(self.name(), settings, twins!("stealth"), |_| context! { filter })?;
        Ok((filter == "strict").then_some(strict).into_iter().chain([rules]).collect())
    }
}

/// Whether connection tracking picks up a connection in its middle.
const LOOSE: &str = "net.netfilter.nf_conntrack_tcp_loose";
