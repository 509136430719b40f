//! Many cases: each in a worker of its own, several at once, exclusive ones alone; their logs judged, and the
//! whole told as one report.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use scandrill_lab::{Worker, WorkerExit, WorkerOptions, clock, machine, read_lines, unpacked, with_comments};
use scandrill_model::{
    CaseReport, ClaimReport, Distribution, Environment, Event, Millis, Need, Outcome, RunReport, Verdict,
    What,
};

use crate::bad_file::BadFile;
use crate::case::Case;
use crate::oracle::marks::comments;
use crate::oracle::{Judgement, judge, package_of, repeats};
use crate::plan::{Plan, plan};
use crate::run::Job;

/// A case with its plan, ready to run.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The case.
    pub case: Case,
    /// Its plan.
    pub plan: Plan,
    /// The command that repeats it.
    pub repeat: String,
}

/// How cases are run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The run's seed.
    pub seed: u64,
    /// How many labs at once.
    pub jobs: usize,
    /// Start nothing more after the first case that failed or could not be judged.
    pub fail_fast: bool,
    /// A directory for captures, one folder a case.
    pub captures: PathBuf,
    /// Keep the captures of cases that passed, too.
    pub keep_all_captures: bool,
    /// Keep event logs in the report.
    pub keep_events: bool,
}

/// What happens while cases run.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A case begins.
    Started(&'a Plan),
    /// An event of a case's log, as it is read.
    Event(&'a Event),
    /// A case has been judged.
    Finished(&'a CaseReport),
}

/// Told as cases begin and end, from several threads.
pub type OnProgress<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// Plans all cases before any is run.
///
/// # Errors
/// Every file that is wrong; nothing has been built then.
pub fn plan_all(
    cases: Vec<Case>,
    seed: u64,
    repeat: impl Fn(&Case) -> String,
) -> Result<Vec<Planned>, Vec<BadFile>> {
    let mut planned = Vec::new();
    let mut bad: BTreeMap<String, BadFile> = BTreeMap::new();
    for case in cases {
        match plan(&case, seed) {
            Ok(plan) => planned.push(Planned { repeat: repeat(&case), case, plan }),
            Err(wrong) => {
                bad.entry(wrong.to_string()).or_insert(*wrong);
            }
        }
    }
    if bad.is_empty() { Ok(planned) } else { Err(bad.into_values().collect()) }
}

/// Runs all cases and tells what came of them.
pub fn run(planned: &[Planned], options: &RunOptions, on_progress: OnProgress<'_>) -> RunReport {
    let start = clock::now();
    let (alone, mut together): (Vec<_>, Vec<_>) =
        planned.iter().enumerate().partition(|(_, planned)| planned.plan.exclusive);
    // What takes longest begins first, so that nothing is waited for at the end.
    together.sort_by_key(|(_, planned)| Reverse(planned.plan.expected_duration()));
    let pool =
        Pool { options, on_progress, stop: AtomicBool::new(false), judged: Mutex::new(BTreeMap::new()) };
    pool.run(&together, options.jobs.max(1));
    pool.run(&alone, 1);
    let judged = pool.judged.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Kept only while something is in it.
    drop(std::fs::remove_dir(&options.captures));
    report(planned, judged, options, clock::now().since(start).into())
}

/// Takes cases from a queue with several threads.
struct Pool<'a> {
    options: &'a RunOptions,
    on_progress: OnProgress<'a>,
    stop: AtomicBool,
    /// By the case's place in the order asked for.
    judged: Mutex<BTreeMap<usize, Judgement>>,
}

impl Pool<'_> {
    fn run(&self, cases: &[(usize, &Planned)], threads: usize) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads.min(cases.len()) {
                scope.spawn(|| self.work(cases, &next));
            }
        });
    }

    fn work(&self, cases: &[(usize, &Planned)], next: &AtomicUsize) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some((index, planned)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            (self.on_progress)(Progress::Started(&planned.plan));
            let judgement = follow_case(planned, self.options, self.on_progress);
            (self.on_progress)(Progress::Finished(&judgement.report));
            if self.options.fail_fast && judgement.report.verdict >= Verdict::Fail {
                self.stop.store(true, Ordering::Relaxed);
            }
            self.judged.lock().unwrap_or_else(PoisonError::into_inner).insert(*index, judgement);
        }
    }
}

/// Runs one case in a worker, and judges its log.
pub fn run_case(planned: &Planned, options: &RunOptions) -> Judgement {
    follow_case(planned, options, &|_| ())
}

/// The same, told event by event.
fn follow_case(planned: &Planned, options: &RunOptions, on_progress: OnProgress<'_>) -> Judgement {
    let plan = &planned.plan;
    let mut told = Told { events: Vec::new(), on_progress };
    let folder = options.captures.join(folder_name(&plan.case));
    let missing = plan.needs.iter().find(|need| !is_met(need));
    match missing {
        Some(need) => {
            told.now(What::Unmet { need: need.clone() });
            told.now(What::Ended);
        }
        None => in_worker(plan, &folder, &mut told),
    }
    let mut judgement = judge(plan, told.events);
    judgement.report.repeat.clone_from(&planned.repeat);
    judgement.report.captures = settle_captures(&folder, judgement.report.verdict, options);
    comment_on(plan, &mut judgement.report);
    if !options.keep_events {
        judgement.report.events.clear();
    }
    judgement
}

/// Whether this machine has what a case needs.
pub fn is_met(need: &Need) -> bool {
    match need {
        Need::Program(name) => machine::find_program(name).or_else(|| unpacked::program(name)).is_some(),
        Need::File(path) => unpacked::has_file(path),
        Need::UserIdRange => machine::has_user_id_range(),
        Need::Root => machine::is_root(),
        Need::Sctp => scandrill_lab::has_sctp(),
    }
}

/// A log, and who is told of each event as it comes.
struct Told<'a> {
    events: Vec<Event>,
    on_progress: OnProgress<'a>,
}

impl Told<'_> {
    fn push(&mut self, event: Event) {
        (self.on_progress)(Progress::Event(&event));
        self.events.push(event);
    }

    fn now(&mut self, what: What) {
        self.push(Event { at: clock::now(), what });
    }

    fn problem(&mut self, operation: impl Into<String>, error: impl Into<String>) {
        self.now(What::Problem { operation: operation.into(), error: error.into() });
    }

    /// A line of the worker's log.
    fn line(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(event) => self.push(event),
            Err(error) => {
                let error = format!("{error} in {}", String::from_utf8_lossy(line));
                self.problem("reading the worker's log", error);
            }
        }
    }

    fn has_problems(&self) -> bool {
        self.events.iter().any(|event| matches!(event.what, What::Problem { .. }))
    }
}

/// The worker's log; what kept it from being whole is an event at its end.
fn in_worker(plan: &Plan, folder: &Path, told: &mut Told<'_>) {
    if let Err(error) = std::fs::create_dir_all(folder) {
        return told.problem(format!("making {}", folder.display()), error.to_string());
    }
    let job = match serde_json::to_vec(&Job::Case(Box::new(plan.clone()))) {
        Ok(job) => job,
        Err(error) => return told.problem("writing the job", error.to_string()),
    };
    let options = WorkerOptions {
        captures: Some(folder.to_owned()),
        verdicts: plan.verdicts,
        ..WorkerOptions::default()
    };
    let mut worker = match Worker::start(&job, &options) {
        Ok(worker) => worker,
        Err(error) => return told.problem("starting the worker", error.to_string()),
    };
    let until = clock::now() + plan.deadline.into();
    if let Err(error) = read_lines(worker.take_events(), until, |line| told.line(line)) {
        return told.problem("waiting for the worker", error.to_string());
    }
    let ended = told.events.last().is_some_and(|event| event.what == What::Ended);
    match worker.wait() {
        Ok(exit) if !ended && !told.has_problems() => told.problem("running the worker", last_words(&exit)),
        Ok(_) => {}
        Err(error) => told.problem("ending the worker", error.to_string()),
    }
}

/// How a worker ended that did not come to the end of its log.
fn last_words(exit: &WorkerExit) -> String {
    let how = exit.code.map_or_else(|| "it was killed".to_owned(), |code| format!("it ended with {code}"));
    match exit.stderr.trim() {
        "" => how,
        said => format!("{how}, saying: {said}"),
    }
}

/// `manual/recent[nmap,v6]` as a folder.
fn folder_name(case: &str) -> String {
    case.chars().map(|c| if c.is_ascii_alphanumeric() || "-.#".contains(c) { c } else { '_' }).collect()
}

/// Keeps the captures of what did not pass; gives their paths.
fn settle_captures(folder: &Path, verdict: Verdict, options: &RunOptions) -> Vec<String> {
    let keep = options.keep_all_captures || verdict >= Verdict::Fail;
    let file = folder.join("capture.pcapng");
    if keep && file.exists() {
        return vec![file.display().to_string()];
    }
    // What is not kept may not have been made at all.
    drop(std::fs::remove_dir_all(folder));
    Vec::new()
}

/// Puts into the captures that were kept what their packets came to. Captures without it are as good a witness.
fn comment_on(plan: &Plan, report: &mut CaseReport) {
    if report.captures.is_empty() {
        return;
    }
    let comments = comments(plan, report);
    for path in report.captures.clone() {
        let said = std::fs::read(&path).map_err(|error| error.to_string()).and_then(|file| {
            let file = with_comments(&file, &comments).ok_or("it is no capture that a lab wrote")?;
            std::fs::write(&path, file).map_err(|error| error.to_string())
        });
        if let Err(error) = said {
            report.notes.push(format!("{path} has no verdicts in it: {error}"));
        }
    }
}

fn report(
    planned: &[Planned],
    mut judged: BTreeMap<usize, Judgement>,
    options: &RunOptions,
    took: Millis,
) -> RunReport {
    let mut claims: BTreeMap<&str, Vec<(Outcome, String)>> = BTreeMap::new();
    for (index, judgement) in &judged {
        if let Some(claim) = &judgement.claim {
            claims.entry(&planned[*index].plan.scenario).or_default().push(claim.clone());
        }
    }
    let distributions = judge_repeats(planned, &mut judged);
    let claims = in_order(planned)
        .into_iter()
        .filter_map(|one| claim_report(one, claims.get(one.plan.scenario.as_str())?))
        .collect();
    let cases: Vec<CaseReport> = judged.into_values().map(|judgement| judgement.report).collect();
    RunReport {
        version: RunReport::VERSION,
        scandrill: env!("CARGO_PKG_VERSION").to_owned(),
        seed: options.seed,
        environment: environment(planned),
        verdict: cases.iter().map(|case| case.verdict).max().unwrap_or_default(),
        took,
        claims,
        cases,
        distributions,
    }
}

/// Judges what scenarios say of all repeats of a case, where all of them are here; the last repeat is told what was found.
fn judge_repeats(planned: &[Planned], judged: &mut BTreeMap<usize, Judgement>) -> Vec<Distribution> {
    let mut cases: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in judged.keys() {
        cases.entry(planned[*index].case.name_of_all_repeats()).or_default().push(*index);
    }
    let mut distributions = Vec::new();
    for (name, indices) in cases {
        let Some(last) = indices.last() else { continue };
        let wanted = usize::try_from(planned[*last].case.scenario.repeat).unwrap_or(usize::MAX);
        if wanted < 2 || indices.len() < wanted {
            continue;
        }
        let repeats: Vec<_> =
            indices.iter().map(|index| (&planned[*index].plan, &judged[index].report)).collect();
        let found = repeats::distributions(&name, &repeats);
        if let Some(judgement) = judged.get_mut(last) {
            for finding in found.iter().flat_map(|spread| &spread.findings) {
                judgement.report.verdict = judgement.report.verdict.max(finding.verdict);
                judgement.report.findings.push(finding.clone());
            }
        }
        distributions.extend(found);
    }
    distributions
}

/// One case of each scenario, in the order of the run.
fn in_order(planned: &[Planned]) -> Vec<&Planned> {
    let mut seen = BTreeSet::new();
    planned.iter().filter(|one| seen.insert(one.plan.scenario.as_str())).collect()
}

/// Refuted by one case is refuted; held needs at least one case that shows it.
fn claim_report(planned: &Planned, outcomes: &[(Outcome, String)]) -> Option<ClaimReport> {
    let claim = planned.case.scenario.claim.as_ref()?;
    let decided = [Outcome::Refuted, Outcome::Held]
        .into_iter()
        .find_map(|outcome| outcomes.iter().find(|(other, _)| *other == outcome))
        .or(outcomes.first())?;
    Some(ClaimReport {
        scenario: planned.plan.scenario.clone(),
        text: claim.text.clone(),
        source: claim.source.clone(),
        outcome: decided.0,
        evidence: decided.1.clone(),
    })
}

/// The machine, and the versions of what the cases use, by package: the programs of one have one version.
fn environment(planned: &[Planned]) -> Environment {
    let needs: BTreeSet<&Need> = planned.iter().flat_map(|planned| &planned.plan.needs).collect();
    let mut programs: BTreeMap<&str, &str> = BTreeMap::new();
    for need in needs {
        if let Need::Program(program) = need {
            programs.entry(package_of(program)).or_insert(program);
        }
    }
    let unpacked: BTreeMap<String, String> = unpacked::packages().into_iter().collect();
    let version = |(package, program): (&str, &str)| {
        let number = match machine::program_version(program) {
            Some(says) => version_number(&says).map_or_else(|| says.clone(), str::to_owned),
            // What labs alone can run is not asked.
            None => unpacked.get(package)?.clone(),
        };
        Some((package.to_owned(), number))
    };
    Environment {
        kernel: machine::kernel_release(),
        root: machine::is_root(),
        tools: programs.into_iter().filter_map(version).collect(),
    }
}

/// The first word that looks like a version: `v1.8.9`, `5.2.15(1)-release`.
fn version_number(says: &str) -> Option<&str> {
    let words = says.split_whitespace().map(|word| word.trim_matches(|c: char| "(),v".contains(c)));
    words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
}
