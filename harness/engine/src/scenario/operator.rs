//! From an `[[operator]]` table to an administrator.

use std::ops::Range;

use scandrill_model::{Need, OperatorExpectation};

use super::expect::{self, Located, at};
use super::file::{At, OperatorTable};
use super::read::{name_of, names};
use super::words::Wrong;

/// Where an administrator works unless the file says otherwise.
const HOST: &str = "target";

/// An administrator.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Unique among all actors.
    pub name: String,
    /// Where it works.
    pub host: String,
    /// What it types.
    pub run: String,
    /// Whether that changes the target's rules or sets.
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
    let operator = Operator {
        name: name_of(table.name.as_ref(), "operator", index),
        host: table.host.as_ref().map_or_else(|| HOST.to_owned(), |host| host.value.clone()),
        run: at(&table.run, |text| commands(text))?,
        changes: table.changes,
        needs: table.needs.iter().map(|need| self::need(&need.value)).collect(),
        after: names(table.after.iter().flatten()),
        around: names(&table.around),
        ready: table.ready.as_ref().map(|text| at(text, |text| expect::is_pattern(text))).transpose()?,
        expect: OperatorExpectation { exit: expect.exit.or(Some(0)), ..expect },
        span: table.run.span.clone(),
    };
    if let (Some(ready), true) = (&table.ready, operator.around.is_empty()) {
        let wrong =
            Wrong::new("nobody waits until it is ready", "say around = [\"red\"], too, or leave it out");
        return Err((ready.span.clone(), wrong));
    }
    if operator.changes && operator.host != HOST {
        let help = "leave `changes` out: only the target's rules are read back";
        return Err((span, Wrong::new(format!("`{}` does not work on the target", operator.name), help)));
    }
    Ok(operator)
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
