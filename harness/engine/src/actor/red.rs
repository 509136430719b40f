//! An attacker: one scan by the built-in scanner or by nmap, then a look at its ban where one is expected.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use scandrill_lab::{Host, clock, nudging, wait};
use scandrill_model::{BanCheck, CellFacts, Millis, PortState, Reading, Reason, ScanResult, Stamp, What};

use super::drive::{builtin, fastest};
use super::knock::knock;
use super::{Actor, Deed, Stage};
use crate::plan::{LookPlan, RedPlan, Vantage, foreign_commands};
use crate::run::live::telling;
use crate::run::{Log, Trouble, Troubled, Window, scanning, window_from};
use crate::scenario::Scanner;

impl Actor for RedPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn after(&self) -> &[String] {
        &self.after
    }

    fn act<'a>(&'a self, stage: &'a Stage<'a>) -> LocalBoxFuture<'a, Result<Deed<'a>, Trouble>> {
        async move { run(self, stage).await.map(|window| Deed::Scanned(self, window)) }.boxed_local()
    }
}

/// Scans, and looks at the ban.
async fn run(red: &RedPlan, stage: &Stage<'_>) -> Result<Window, Trouble> {
    let (log, host) = (stage.log, stage.lab.host(&red.from.host).trouble("finding a host")?);
    log.emit(What::ActorStarted { actor: red.name.clone(), source: red.scan.source });
    knock(&red.name, &red.knock, red.scan.source, &red.from.host, stage).await?;
    let start = clock::now();
    let mut traffic = Traffic { red, stage, start, last: BTreeMap::new() };
    let scanning = async {
        match red.scanner {
            Scanner::Builtin => fastest(host, &red.from, &red.scan, stage.verdicts).await,
            Scanner::Nmap | Scanner::Masscan | Scanner::Zmap => by_foreign(host, red).await,
        }
    };
    let result = telling(stage.plan, scanning, async || traffic.tell()).await?;
    let window = window_from(start);
    let took = window.1.since(window.0).into();
    log.emit(What::Scan { actor: red.name.clone(), technique: red.scan.technique, result, took });
    if let Some(look) = &red.look {
        watch_ban(red, look, host, log).await?;
    }
    Ok(window)
}

/// A scan that is followed while it goes on.
struct Traffic<'a> {
    red: &'a RedPlan,
    stage: &'a Stage<'a>,
    start: Stamp,
    /// What was told last, by port.
    last: BTreeMap<u16, CellFacts>,
}

impl Traffic<'_> {
    /// Tells what the captures have come to since the last time.
    fn tell(&mut self) {
        let seen = self.stage.machine.seen_so_far().testimony(self.red, window_from(self.start));
        let is_new = |cell: &CellFacts| self.last.get(&cell.port) != Some(cell);
        let cells: Vec<CellFacts> = seen.cells.into_iter().filter(is_new).collect();
        if cells.is_empty() {
            return;
        }
        self.last.extend(cells.iter().map(|cell| (cell.port, cell.clone())));
        self.stage.log.emit(What::Traffic {
            actor: self.red.name.clone(),
            technique: self.red.scan.technique,
            probes_sent: seen.probes_sent,
            probes_arrived: seen.probes_arrived,
            cells,
        });
    }
}

/// Looks right after the scan, and once more where the ban is to hold or to lift: counted from the first look, whose
/// packets are the source's last.
async fn watch_ban(red: &RedPlan, look: &LookPlan, host: &Host, log: &Log) -> Result<(), Trouble> {
    for after in [Some(Millis(0)), look.later].into_iter().flatten() {
        wait::until_moment(clock::now() + after.into()).await;
        let check = look_at_ban(host, &red.from, look, after).await?;
        log.emit(What::BanChecked { actor: red.name.clone(), check });
    }
    Ok(())
}

/// Runs somebody else's scanner, as often as it needs to be run, and reads what it says.
async fn by_foreign(host: &Host, red: &RedPlan) -> Result<ScanResult, Trouble> {
    let operation = scanning(red.scan.technique);
    let scanner = red.scanner.foreign().ok_or_else(|| Trouble {
        operation: operation.clone(),
        error: format!("{} is not run as a program", red.scanner),
    })?;
    let mut outputs = Vec::new();
    for command in foreign_commands(red) {
        let run = host.output(&command, None, FOREIGN_DEADLINE);
        let finished = if scanner.habits().needs_frames {
            nudging(host, &red.from.interface, run).await
        } else {
            run.await
        };
        let finished = finished.trouble(&operation)?;
        if finished.status != Some(0) {
            let said = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
            let error = format!("{} ended with {:?}: {said}", scanner.name(), finished.status);
            return Err(Trouble { operation, error });
        }
        outputs.push(finished.stdout);
    }
    scanner.parse(&outputs, &red.scan).trouble(&operation)
}

/// The case's own deadline ends a slower one.
const FOREIGN_DEADLINE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// The source and a fresh one ask the same service at the same time.
async fn look_at_ban(
    host: &Host,
    from: &Vantage,
    look: &LookPlan,
    after: Millis,
) -> Result<BanCheck, Trouble> {
    let (own, fresh) = tokio::join!(builtin(host, from, &look.own), builtin(host, from, &look.fresh));
    let port = look.own.ports.iter().next().unwrap_or_default();
    Ok(BanCheck { after, port, source: reading(&own?), fresh: reading(&fresh?) })
}

/// What a scan of one port read.
fn reading(result: &ScanResult) -> Reading {
    match result.groups.first() {
        Some(group) => Reading { state: group.state, reason: group.reason.clone() },
        None => Reading { state: PortState::Filtered, reason: Reason("no-response".to_owned()) },
    }
}
