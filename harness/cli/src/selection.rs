//! From scenario files to planned cases: which of them run, and the line that repeats each.

use std::sync::Arc;

use scandrill_engine::{BadFile, Case, Planned, Scanner, Scenario, expand, plan_all, read};

use crate::failure::Failure;
use crate::sources::{Found, MUST_FAIL, find};

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Files, folders or built-in names; none is the default run.
    pub paths: Vec<String>,
    /// Parts of case names, of which one must be there; none is all cases.
    pub filters: Vec<String>,
    /// Scanners; none is all.
    pub scanners: Vec<Scanner>,
    /// Whether slow scenarios belong to the default run.
    pub slow: bool,
    /// The seed of the run.
    pub seed: u64,
}

/// A scenario with what was found on the way to it.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// Its file.
    pub found: Found,
}

impl Selection {
    /// The scenarios that are named, or the default ones.
    ///
    /// # Errors
    /// A path that names nothing; every file that is wrong.
    pub fn scenarios(&self) -> Result<Vec<Chosen>, Failure> {
        let (mut chosen, mut bad) = (Vec::new(), Vec::new());
        for found in find(&self.paths)?.into_iter().filter(|found| self.is_wanted(found)) {
            match understand(&found) {
                Ok(scenario) => chosen.push(Chosen { scenario: Arc::new(scenario), found }),
                Err(wrong) => bad.push(*wrong),
            }
        }
        if !bad.is_empty() {
            return Err(Failure::BadFiles(bad));
        }
        chosen.retain(|one| self.slow || !self.paths.is_empty() || !one.scenario.slow);
        Ok(chosen)
    }

    /// The default run leaves out what must fail.
    fn is_wanted(&self, found: &Found) -> bool {
        !self.paths.is_empty() || !found.name.starts_with(MUST_FAIL)
    }

    /// The cases to run, planned.
    ///
    /// # Errors
    /// As [`Selection::scenarios`]; scenarios that cannot be observed; nothing selected.
    pub fn plan(&self) -> Result<Vec<Planned>, Failure> {
        let (mut planned, mut bad) = (Vec::new(), Vec::new());
        for one in self.scenarios()? {
            let cases: Vec<Case> = self.cases(&one.scenario);
            match plan_all(cases, self.seed, |case| self.repeat(&one, case)) {
                Ok(cases) => planned.extend(cases),
                Err(wrong) => bad.extend(wrong),
            }
        }
        match (bad.is_empty(), planned.is_empty()) {
            (false, _) => Err(Failure::BadFiles(bad)),
            (true, true) => Err(self.nothing()),
            (true, false) => Ok(planned),
        }
    }

    /// The cases of a scenario that the filters and scanners leave.
    pub fn cases(&self, scenario: &Arc<Scenario>) -> Vec<Case> {
        let named = |case: &Case| {
            let name = case.name();
            self.filters.is_empty() || self.filters.iter().any(|part| name.contains(part.as_str()))
        };
        expand(scenario, &self.scanners).into_iter().filter(named).collect()
    }

    fn nothing(&self) -> Failure {
        let mut asked: Vec<String> =
            self.filters.iter().map(|part| format!("--filter {}", quoted(part))).collect();
        if !self.scanners.is_empty() {
            let names: Vec<String> = self.scanners.iter().map(Scanner::to_string).collect();
            asked.push(format!("--scanner {}", names.join(",")));
        }
        let asked = if asked.is_empty() { String::new() } else { format!(" with {}", asked.join(" ")) };
        let help = match (self.paths.is_empty(), self.slow) {
            (true, false) => "`scandrill list` names the cases; slow scenarios run with --slow",
            (true, true) | (false, _) => "`scandrill list` names the cases",
        };
        Failure::Nothing { message: format!("no case to run{asked}"), help: Some(help.to_owned()) }
    }

    /// The command that runs this case again, with the same seed.
    fn repeat(&self, one: &Chosen, case: &Case) -> String {
        let mut words = vec!["scandrill".to_owned(), "run".to_owned()];
        match &one.found.asked {
            Some(path) => words.push(quoted(path)),
            None => words.extend(self.paths.iter().map(|path| quoted(path))),
        }
        if self.paths.is_empty() && one.scenario.slow {
            words.push("--slow".to_owned());
        }
        words.extend([
            "--filter".to_owned(),
            quoted(&case.name()),
            "--seed".to_owned(),
            self.seed.to_string(),
        ]);
        words.join(" ")
    }
}

/// Reads a scenario with the rules files that it names.
///
/// # Errors
/// The first mistake in it.
pub fn understand(found: &Found) -> Result<Scenario, Box<BadFile>> {
    read(&found.name, &found.file, &|path| found.load(path))
}

/// A word as every shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repeating_line_can_be_pasted() {
        assert_eq!(quoted("manual/recent"), "manual/recent");
        assert_eq!(quoted("manual/recent[nmap,v6]"), "'manual/recent[nmap,v6]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_filter_that_matches_nothing_is_told() {
        let selection = Selection { filters: vec!["no such case".into()], ..Selection::default() };
        let failure = selection.plan().unwrap_err();
        assert_eq!(failure.to_string(), "no case to run with --filter 'no such case'");
        assert_eq!(failure.exit_code(), 4);
    }
}
