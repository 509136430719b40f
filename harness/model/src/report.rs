//! What a run is told as. The JSON report is exactly this type; its version changes when a field's meaning does.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::evidence::{Cause, Collateral, Distribution, MatrixRow, RuleText, TimeLine};
use crate::time::Millis;
use crate::verdict::{Outcome, Verdict};

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Version of this format.
    pub version: u32,
    /// scandrill's own version.
    pub scandrill: String,
    /// The seed the run was started with; every case's seed follows from it.
    pub seed: u64,
    /// Where it ran.
    pub environment: Environment,
    /// The worst verdict of all cases; `pass` when there is none.
    pub verdict: Verdict,
    /// Time from start to end.
    pub took: Millis,
    /// Claims in the order of their scenarios.
    pub claims: Vec<ClaimReport>,
    /// Cases in the order of the scenarios.
    pub cases: Vec<CaseReport>,
    /// What the repeats of a case came to together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributions: Vec<Distribution>,
}

impl RunReport {
    /// The version of the format that this build writes.
    pub const VERSION: u32 = 1;
}

/// The machine, as far as results depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Kernel release.
    pub kernel: String,
    /// Whether root started the run.
    pub root: bool,
    /// Programs with their versions, as they say themselves.
    pub tools: BTreeMap<String, String>,
}

/// One claim, over all cases of its scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimReport {
    /// The scenario, e.g. `manual/xmas`.
    pub scenario: String,
    /// The claim in one sentence.
    pub text: String,
    /// Where it is made.
    pub source: String,
    /// Held or refuted, computed from what was seen.
    pub outcome: Outcome,
    /// The observation that decided, in a few words.
    pub evidence: String,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseReport {
    /// `manual/recent[nmap,v6]`.
    pub name: String,
    /// The scenario it is a case of.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// Time it took.
    pub took: Millis,
    /// Everything that was compared, met or not.
    pub findings: Vec<Finding>,
    /// Why it could not be judged, when it could not.
    pub problems: Vec<String>,
    /// What a reader should know beside the verdict, each once, in the order in which it was noticed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was missing, when it was skipped.
    pub skipped: Option<Skipped>,
    /// What red read, before the defense and with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matrix: Vec<MatrixRow>,
    /// When each source was banned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub time_lines: Vec<TimeLine>,
    /// What each client got.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collateral: Vec<Collateral>,
    /// Which rules decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// The rules that were installed, and which of them matched anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleText>,
    /// Every kernel parameter that was set, by host and name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, BTreeMap<String, String>>,
    /// How late the machine woke a thread at most, in microseconds; `None` where no time is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_us: Option<u64>,
    /// Captures that were kept.
    pub captures: Vec<String>,
    /// The command that repeats this case.
    pub repeat: String,
    /// The event log. Left out where a reader did not ask for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// One expectation beside what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The actor it is about.
    pub actor: String,
    /// What was looked at, e.g. `tcp-xmas, ports 1-21,23-79`.
    pub subject: String,
    /// What the scenario says.
    pub expected: String,
    /// What was seen.
    pub observed: String,
    /// Whether they agree, or could not be compared.
    pub verdict: Verdict,
    /// What each witness says, with its time.
    pub witnesses: Vec<String>,
}

/// Why a case was skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// What is missing.
    pub need: String,
    /// The command that mends it.
    pub mend: String,
}

/// Cases counted by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many passed.
    pub passed: usize,
    /// How many were skipped.
    pub skipped: usize,
    /// How many failed.
    pub failed: usize,
    /// How many could not be judged.
    pub errors: usize,
}

impl Collected {
    /// Counts `cases`.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a CaseReport>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            match case.verdict {
                Verdict::Pass => counts.passed += 1,
                Verdict::Skip => counts.skipped += 1,
                Verdict::Fail => counts.failed += 1,
                Verdict::Error => counts.errors += 1,
            }
        }
        counts
    }

    /// The process's exit code: 0 all pass, 1 a verdict failed, 3 a run could not be judged, 4 nothing ran or
    /// (`strict`) something was skipped.
    pub fn exit_code(self, strict: bool) -> u8 {
        let ran = self.passed + self.failed + self.errors;
        match self {
            Self { errors: 1.., .. } => 3,
            Self { failed: 1.., .. } => 1,
            Self { skipped, .. } if ran == 0 || (strict && skipped > 0) => 4,
            Self { .. } => 0,
        }
    }
}
