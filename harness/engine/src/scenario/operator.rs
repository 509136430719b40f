//! From an `[[operator]]` table to an administrator.

use std::ops::Range;

use scandrill_model::{Need, OperatorExpectation};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use super::expect::{self, Located, at};
use super::file::{At, OperatorTable};
use super::read::{name_of, names};
use super::words::{Wrong, word};

/// Where an administrator works unless the file says otherwise.
const HOST: &str = "target";
/// The other host that has a defense.
const EDGE: &str = "edge";

/// What a machine does first when it boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Boot {
    /// It loads its rules, then puts its links up.
    RulesFirst,
    /// It puts its links up, then loads its rules.
    LinksFirst,
}

/// An administrator.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Unique among all actors.
    pub name: String,
    /// Where it works.
    pub host: String,
    /// What it types; where it boots the target, what that runs then.
    pub run: String,
    /// Whether it boots the target, and how.
    pub reboot: Option<Boot>,
    /// Whether that changes the rules or sets of the target, or of the edge.
    pub changes: bool,
    /// What its commands need.
    pub needs: Vec<Need>,
    /// Who must have finished.
    pub after: Vec<String>,
    /// Who acts while it runs.
    pub around: Vec<String>,
    /// What it says when it is ready, a regular expression; with others around which it runs.
    pub ready: Option<String>,
    /// What its commands must come to.
    pub expect: OperatorExpectation,
    /// Its place in the file.
    pub span: Range<usize>,
}

/// Understands all administrators.
pub fn operators(tables: &[At<OperatorTable>]) -> Located<Vec<Operator>> {
    tables.iter().enumerate().map(|(index, table)| operator(index, table)).collect()
}

fn operator(index: usize, table: &At<OperatorTable>) -> Located<Operator> {
    let span = table.span.clone();
    let table = &table.value;
    let expect = expect::operator(&table.expect)?;
    let reboot = table.reboot.as_ref().map(|text| at(text, |text| word("order", text))).transpose()?;
    let operator = Operator {
        name: name_of(table.name.as_ref(), "operator", index),
        host: table.host.as_ref().map_or_else(|| HOST.to_owned(), |host| host.value.clone()),
        run: run(table, &span)?,
        changes: table.changes || reboot.is_some(),
        reboot,
        needs: table.needs.iter().map(|need| self::need(&need.value)).collect(),
        after: names(table.after.iter().flatten()),
        around: names(&table.around),
        ready: table.ready.as_ref().map(|text| at(text, |text| expect::is_pattern(text))).transpose()?,
        expect: OperatorExpectation { exit: expect.exit.or(Some(0)), ..expect },
        span: span.clone(),
    };
    check(table, &operator)?;
    Ok(operator)
}

/// What it types, or what the machine runs when it boots.
fn run(table: &OperatorTable, span: &Range<usize>) -> Located<String> {
    let wrong =
        |span: &Range<usize>, message: &str, help: &str| Err((span.clone(), Wrong::new(message, help)));
    match (&table.run, &table.reboot, &table.boot) {
        (Some(run), None, None) => at(run, |text| commands(text)),
        (None, Some(_), Some(boot)) => at(boot, |text| commands(text)),
        (None, Some(_), None) => Ok("true".to_owned()),
        (None, None, _) => {
            wrong(span, "an operator does nothing", "add run = \"...\", or reboot = \"rules-first\"")
        }
        (Some(run), Some(_), _) => wrong(&run.span, "who boots the target types nothing", "use `boot`"),
        (Some(_), None, Some(boot)) => {
            wrong(&boot.span, "nothing boots", "add reboot = \"rules-first\", or use `run` alone")
        }
    }
}

fn check(table: &OperatorTable, operator: &Operator) -> Located<()> {
    if let Some(ready) = &table.ready {
        let help = "say around = [\"red\"], too, or leave it out";
        if operator.around.is_empty() || operator.reboot.is_some() {
            return Err((ready.span.clone(), Wrong::new("nobody waits until it is ready", help)));
        }
    }
    let (why, help) = if operator.reboot.is_some() && operator.host != HOST {
        ("does not work on the target", "leave `reboot` out: only the target boots")
    } else if operator.changes && ![HOST, EDGE].contains(&operator.host.as_str()) {
        (
            "does not work on the target",
            "leave `changes` out: only the rules of the target and its edge are read back",
        )
    } else {
        return Ok(());
    };
    Err((operator.span.clone(), Wrong::new(format!("`{}` {why}", operator.name), help)))
}

fn commands(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new("nothing is run", "write a command of bash"));
    }
    Ok(text.to_owned())
}

fn need(text: &str) -> Need {
    if text == "root" { Need::Root } else { Need::Program(text.to_owned()) }
}
