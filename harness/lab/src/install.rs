//! Installing a defense with the real programs, and taking it off again: in reverse, with every error kept, until
//! the kernel is as it was before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scandrill_model::{Backend, CommandLine, Daemon, Loader, Step};

use crate::error::{During, LabError, LabErrors};
use crate::host::Host;
use crate::snapshot::{Snapshot, past_stand_ins, snapshot};
use crate::standin::LoggingRule;
use crate::{daemon, loader, offload, script, standin, sysctl};

/// Longer than any of the programs takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Takes everything off that rules can put in: nftables (and with it iptables-nft), both legacy families, sets; but for
/// the lab's own translation. A file below /proc has no size, so only reading it tells whether it is empty.
const CLEAR: &str = r#"# empty the firewall
set -e -o pipefail
nft list tables | sed '/ scandrill-forwarding$/d; s/^/delete /' | nft -f -
for family in ip ip6; do
    for table in $(cat "/proc/net/${family}_tables_names" 2> /dev/null || true); do
        tables() { "${family}tables-legacy" -t "$table" "$@"; }
        tables -F
        tables -X
        for chain in $(tables -S | sed -n 's/^-P \([^ ]*\) .*/\1/p'); do tables -P "$chain" ACCEPT; done
    done
done
if command -v ipset > /dev/null; then ipset destroy; fi
"#;

/// A defense that is in.
#[must_use = "an installed defense is taken off with `remove`"]
#[derive(Debug)]
pub struct Installed {
    host: Host,
    undos: Vec<Undo>,
    before: Snapshot,
    /// All kernel parameters as they were, where a step may change others than it names.
    parameters: BTreeMap<String, String>,
    logging: Vec<LoggingRule>,
}

/// What takes one step back.
#[derive(Debug)]
enum Undo {
    Sysctl { key: String, value: String },
    Offload { interface: String, feature: String, on: bool },
    Rules,
    File { path: PathBuf, content: Option<Vec<u8>> },
    Daemon { name: String },
}

/// Executes `steps` on `host`, in order. When one fails, those before it are undone, and the error names the file,
/// the line and the tool's own words.
pub async fn install(host: &Host, steps: &[Step]) -> Result<Installed, LabError> {
    put_in(host, steps, steps.iter().any(changes_rules), steps.iter().any(reaches_far)).await
}

/// As [`install`], where others will change the rules or parameters of the host before the steps are undone: that takes
/// off what they put in, too.
pub async fn install_shared(host: &Host, steps: &[Step]) -> Result<Installed, LabError> {
    let mut installed = put_in(host, steps, true, true).await?;
    installed.rules_follow();
    Ok(installed)
}

async fn put_in(host: &Host, steps: &[Step], rules: bool, parameters: bool) -> Result<Installed, LabError> {
    let before = if rules { snapshot(host, &[]).await? } else { Snapshot::default() };
    let parameters = if parameters { host.blocking(sysctl::all).await? } else { BTreeMap::new() };
    let mut installed =
        Installed { host: host.clone(), undos: Vec::new(), before, parameters, logging: Vec::new() };
    for step in steps {
        if let Err(error) = installed.apply(step).await {
            // The first error is the one that tells; the lab goes away whatever the undoing says.
            drop(installed.remove().await);
            return Err(error);
        }
    }
    Ok(installed)
}

fn changes_rules(step: &Step) -> bool {
    match step {
        Step::Load { .. } => true,
        Step::Daemon(daemon) => !daemon.owns.is_empty(),
        Step::Sysctl { .. } | Step::Offload { .. } | Step::WriteFile { .. } => false,
    }
}

/// Whether a step may change kernel parameters that it does not name.
fn reaches_far(step: &Step) -> bool {
    match step {
        Step::Sysctl { key, .. } => sysctl::has_side_effects(key),
        Step::Load { loader, .. } => matches!(loader, Loader::Script { .. }),
        Step::Daemon(daemon) => !daemon.owns.is_empty(),
        Step::Offload { .. } | Step::WriteFile { .. } => false,
    }
}

impl Installed {
    /// How many kernel parameters it has changed, those that its scripts set among them.
    pub fn parameters(&self) -> usize {
        self.undos.iter().filter(|undo| matches!(undo, Undo::Sysctl { .. })).count()
    }

    /// The rules that log, in the order in which they were put in. Where a rule came from a step's text, its file is the
    /// step's.
    pub fn logging_rules(&self) -> &[LoggingRule] {
        &self.logging
    }

    /// Undoes the steps in reverse and compares the kernel with what it was before; every error is kept.
    pub async fn remove(self) -> Result<(), LabErrors> {
        let mut errors = Vec::new();
        let emptied = self.undos.iter().any(|undo| matches!(undo, Undo::Rules));
        for undo in self.undos.into_iter().rev() {
            errors.extend(take_back(&self.host, undo).await.err());
        }
        let parameters = self.parameters;
        match self.host.blocking(move || sysctl::restore(&parameters)).await {
            Ok(refused) => errors.extend(refused),
            Err(error) => errors.push(error),
        }
        if emptied {
            match snapshot(&self.host, &[]).await {
                Ok(after) => errors.extend(after.differences(&self.before).into_iter().map(|difference| {
                    LabError::NotAsBefore { operation: "take the defense off".to_owned(), difference }
                })),
                Err(error) => errors.push(error),
            }
        }
        LabErrors::check(errors)
    }

    async fn apply(&mut self, step: &Step) -> Result<(), LabError> {
        match step {
            Step::Sysctl { key, value } => self.set(key, value).await,
            Step::Offload { interface, feature, on } => self.switch(interface, feature, *on).await,
            Step::Load { loader, text, origin } => {
                let noted = standin::noted();
                let loaded = self.load(*loader, origin, text).await;
                let of_step = |mut rule: LoggingRule| {
                    rule.file.get_or_insert_with(|| origin.clone());
                    rule
                };
                self.logging.extend(standin::noted_since(noted).into_iter().map(of_step));
                loaded
            }
            Step::WriteFile { path, text } => self.write(Path::new(path), text),
            Step::Daemon(daemon) => self.start(daemon).await,
        }
    }

    async fn load(&mut self, loader: Loader, origin: &str, text: &str) -> Result<(), LabError> {
        if let Loader::Script { backend } = loader {
            return self.script(backend, origin, text).await;
        }
        self.rules_follow();
        loader::load(&self.host, loader, origin, text, LIMIT).await
    }

    async fn set(&mut self, key: &str, value: &str) -> Result<(), LabError> {
        let (name, wanted) = (key.to_owned(), value.to_owned());
        let work = move || {
            let old = sysctl::get(&name)?;
            Ok::<_, LabError>((old, sysctl::set(&name, &wanted)))
        };
        let (old, done) = self.host.blocking(work).await??;
        // The kernel may have taken another value than it was given, so a failure is undone as well.
        self.undos.push(Undo::Sysctl { key: key.to_owned(), value: old });
        done
    }

    async fn switch(&mut self, interface: &str, feature: &str, on: bool) -> Result<(), LabError> {
        let old = offload::get(&self.host, interface, feature).await?;
        let (interface, feature) = (interface.to_owned(), feature.to_owned());
        let done = offload::set(&self.host, &interface, &feature, on).await;
        self.undos.push(Undo::Offload { interface, feature, on: old });
        done
    }

    /// A script may set kernel parameters too, so all of the namespace's are compared before and after.
    async fn script(&mut self, backend: Backend, origin: &str, text: &str) -> Result<(), LabError> {
        let before = self.host.blocking(sysctl::all).await?;
        self.rules_follow();
        let ran = script::run(&self.host, backend, origin, text, LIMIT).await;
        let after = self.host.blocking(sysctl::all).await?;
        self.undos.extend(changed(&before, &after));
        ran
    }

    /// From here on the firewall is not empty; it is emptied once.
    fn rules_follow(&mut self) {
        if !self.undos.iter().any(|undo| matches!(undo, Undo::Rules)) {
            self.undos.push(Undo::Rules);
        }
    }

    async fn start(&mut self, daemon: &Daemon) -> Result<(), LabError> {
        if changes_rules(&Step::Daemon(daemon.clone())) {
            self.rules_follow();
        }
        daemon::place(&self.host, daemon)?;
        self.undos.push(Undo::Daemon { name: daemon.name.clone() });
        daemon::order(&self.host, &daemon.name, "start").await
    }

    fn write(&mut self, path: &Path, text: &str) -> Result<(), LabError> {
        let content = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            read => Some(read.during(|| format!("read {}", path.display()))?),
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).during(|| format!("make {}", folder.display()))?;
        }
        replace(path, text.as_bytes())?;
        self.undos.push(Undo::File { path: path.to_owned(), content });
        Ok(())
    }
}

/// Puts a new file in the place of the old one: an ordinary user owns none of those below the overlay.
fn replace(path: &Path, content: &[u8]) -> Result<(), LabError> {
    let mut new = path.to_owned();
    new.as_mut_os_string().push(".scandrill-new");
    std::fs::write(&new, content)
        .and_then(|()| std::fs::rename(&new, path))
        .during(|| format!("write {}", path.display()))
}

/// The parameters that differ, with what they were.
fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Undo> {
    let differs = |(key, value): &(&String, &String)| after.get(*key).is_some_and(|now| now != *value);
    before
        .iter()
        .filter(differs)
        .map(|(key, value)| Undo::Sysctl { key: key.clone(), value: value.clone() })
        .collect()
}

async fn take_back(host: &Host, undo: Undo) -> Result<(), LabError> {
    match undo {
        Undo::Sysctl { key, value } => host.blocking(move || sysctl::set(&key, &value)).await?,
        Undo::Offload { interface, feature, on } => offload::set(host, &interface, &feature, on).await,
        Undo::Rules => {
            let command =
                CommandLine { program: "bash".into(), args: vec!["-c".into(), past_stand_ins(CLEAR)] };
            host.output(&command, None, LIMIT).await?.success(&command).map(drop)
        }
        Undo::File { path, content: Some(content) } => replace(&path, &content),
        // A boot may have taken it away before.
        Undo::File { path, content: None } => match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.during(|| format!("remove {}", path.display())),
        },
        Undo::Daemon { name } => {
            let stopped = daemon::order(host, &name, "stop").await;
            daemon::take_away(&name).and(stopped)
        }
    }
}
