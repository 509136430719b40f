//! Translation of addresses that is the lab's own, on a host that stands before another. A defense comes and goes beside it:
//! what takes a defense off leaves its table, and the reading back leaves it out. Rules of a defense can take it off all the
//! same, as `flush ruleset` does; then nothing is forwarded any more, which nobody asked for.

use std::time::Duration;

use scandrill_model::{CommandLine, FORWARDING_TABLE};
use serde_json::Value;

use crate::error::LabError;
use crate::host::Host;

/// Longer than nft takes.
const LIMIT: Duration = Duration::from_secs(60);

/// The rules by which a host translates, as they were.
#[must_use = "translation is looked at again with `check`"]
#[derive(Debug)]
pub struct Forwarding {
    host: Host,
    rules: String,
}

impl Forwarding {
    /// Reads them.
    pub async fn read(host: &Host) -> Result<Self, LabError> {
        Ok(Self { host: host.clone(), rules: listed(host).await? })
    }

    /// Reads them again; that they are not the same is an error.
    pub async fn check(&self) -> Result<(), LabError> {
        let difference = match listed(&self.host).await {
            Ok(rules) if rules == self.rules => return Ok(()),
            Ok(rules) => format!("it is now: {rules}"),
            Err(error) => format!("it was taken off meanwhile: {error}"),
        };
        let operation = format!("keep the translation of {} as it is", self.host.name());
        Err(LabError::NotAsBefore { operation, difference })
    }
}

async fn listed(host: &Host) -> Result<String, LabError> {
    let args = ["-s", "list", "table", "inet", FORWARDING_TABLE].map(str::to_owned).into();
    let command = CommandLine { program: "nft".to_owned(), args };
    let listed = host.output(&command, None, LIMIT).await?.success(&command)?;
    Ok(String::from_utf8_lossy(&listed.stdout).into_owned())
}

/// Whether an nftables object, as `nft -j` lists it, belongs to it and not to a defense.
pub(crate) fn is_of_forwarding(kind: &str, body: &Value) -> bool {
    let table = if kind == "table" { "name" } else { "table" };
    body.get(table).and_then(Value::as_str) == Some(FORWARDING_TABLE)
}
