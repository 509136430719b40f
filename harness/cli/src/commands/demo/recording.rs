//! A recorded session: JSON lines. The first is a header with the plan, then come the events of the log, and last the
//! report. One that was cut off is played up to its end.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use scandrill_engine::Plan;
use scandrill_model::{Event, RunReport};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header<P> {
    recording: u32,
    scandrill: String,
    plan: P,
}

/// What tells a recording from other JSON, whatever its version.
#[derive(Deserialize)]
struct Head {
    recording: u32,
    scandrill: String,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct Ending<R> {
    report: R,
}

/// A recording that is read.
#[derive(Debug)]
pub struct Recording {
    /// What was planned.
    pub plan: Plan,
    /// What happened.
    pub events: Vec<Event>,
    /// What came of it; `None` of a session that was cut off.
    pub report: Option<RunReport>,
    /// Where it ends: `FILE:LINE`.
    pub end: String,
}

/// A recording that is written. What cannot be written is told in the end: the drill goes on.
#[derive(Debug)]
pub struct Recorder {
    name: String,
    file: Mutex<Result<File, String>>,
}

impl Recorder {
    /// Makes the file and writes the header.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: &Path, plan: &Plan) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|error| Failure::Usage {
            message: format!("making {name}: {error}"),
            help: Some("--record FILE names a file to write".to_owned()),
        })?;
        let recorder = Self { name, file: Mutex::new(Ok(file)) };
        let scandrill = env!("CARGO_PKG_VERSION").to_owned();
        recorder.line(&Header { recording: VERSION, scandrill, plan });
        Ok(recorder)
    }

    /// Writes an event.
    pub fn event(&self, event: &Event) {
        self.line(event);
    }

    /// Writes what came of it.
    pub fn report(&self, report: &RunReport) {
        self.line(&Ending { report });
    }

    /// Tells whether all could be written.
    ///
    /// # Errors
    /// What could not be written first.
    pub fn finish(self) -> Result<(), Failure> {
        let written = self.file.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unable =
            |error| Failure::Unable { message: format!("writing {}: {error}", self.name), help: None };
        written.map(drop).map_err(unable)
    }

    fn line(&self, value: &impl Serialize) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(open) = file.as_mut() else { return };
        let written = serde_json::to_string(value)
            .map_err(|error| error.to_string())
            .and_then(|line| open.write_all((line + "\n").as_bytes()).map_err(|error| error.to_string()));
        if let Err(error) = written {
            *file = Err(error);
        }
    }
}

/// Reads a recording.
///
/// # Errors
/// The file cannot be read; the line that is wrong.
pub fn read(path: &Path) -> Result<Recording, Failure> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Usage { message: format!("reading {name}: {error}"), help: None })?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<Recording, Failure> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    let Some((_, first)) = lines.next() else {
        return Err(Failure::usage(format!("{name}: the file is empty"), HELP));
    };
    let plan = header(name, first)?;
    let mut recording = Recording { plan, events: Vec::new(), report: None, end: format!("{name}:1") };
    while let Some((number, line)) = lines.next() {
        let is_cut = lines.peek().is_none() && !text.ends_with('\n');
        if recording.report.is_some() {
            return Err(Failure::usage(format!("{name}:{number}: a line behind the report"), HELP));
        }
        match entry(line) {
            Ok(Entry::Event(event)) => recording.events.push(*event),
            Ok(Entry::Report(report)) => recording.report = Some(*report),
            Err(_) if is_cut => return Ok(recording),
            Err(error) => return Err(Failure::usage(placed(name, number, &error), HELP)),
        }
        recording.end = format!("{name}:{number}");
    }
    Ok(recording)
}

const HELP: &str = "a recording is what `scandrill demo --record FILE` writes";

fn header(name: &str, line: &str) -> Result<Plan, Failure> {
    let wrong = |error: serde_json::Error| Failure::usage(placed(name, 1, &error), HELP);
    let head: Head = serde_json::from_str(line).map_err(wrong)?;
    if head.recording != VERSION {
        let Head { recording, scandrill } = head;
        let message = format!(
            "{name}:1: a recording of version {recording}, by scandrill {scandrill}; this one plays version {VERSION}"
        );
        return Err(Failure::usage(message, "play it with the scandrill that wrote it"));
    }
    serde_json::from_str::<Header<Plan>>(line).map(|header| header.plan).map_err(wrong)
}

enum Entry {
    Event(Box<Event>),
    Report(Box<RunReport>),
}

fn entry(line: &str) -> Result<Entry, serde_json::Error> {
    if line.starts_with(r#"{"report":"#) {
        return serde_json::from_str(line).map(|Ending { report }| Entry::Report(Box::new(report)));
    }
    serde_json::from_str(line).map(|event| Entry::Event(Box::new(event)))
}

/// `FILE:LINE:COLUMN: what is wrong`.
fn placed(name: &str, line: usize, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let end = said.rfind(" at line ").unwrap_or(said.len());
    format!("{name}:{line}:{}: {}", error.column(), &said[..end])
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    /// A whole recording, as it is written.
    fn text() -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.jsonl");
        let recorder = Recorder::create(&path, &fixture::plan()).unwrap();
        for event in fixture::events() {
            recorder.event(&event);
        }
        recorder.report(&fixture::report());
        recorder.finish().unwrap();
        fs::read_to_string(path).unwrap()
    }

    fn refused(text: &str) -> String {
        parse("a.jsonl", text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let text = text();
        let read = parse("a.jsonl", &text).unwrap();
        assert_eq!(read.events, fixture::events());
        assert_eq!(read.report, Some(fixture::report()));
        assert_eq!(read.plan.case, fixture::plan().case);
        assert_eq!(read.end, format!("a.jsonl:{}", text.lines().count()));
    }

    #[test]
    fn one_that_was_cut_off_is_read_up_to_its_last_whole_line() {
        let text = text();
        let whole: Vec<&str> = text.lines().collect();
        let cut = format!("{}\n{}", whole[..4].join("\n"), &whole[4][..10]);
        let read = parse("a.jsonl", &cut).unwrap();
        assert_eq!((read.events.len(), read.report.is_none(), read.end.as_str()), (3, true, "a.jsonl:4"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(refused(""), "a.jsonl: the file is empty");
        assert_eq!(refused("{\"x\": 1}\n"), "a.jsonl:1:8: missing field `recording`");
        let other = "{\"recording\": 9, \"scandrill\": \"7.0.0\"}\n";
        let expected = "a.jsonl:1: a recording of version 9, by scandrill 7.0.0; this one plays version 1";
        assert_eq!(refused(other), expected);
        let first = text().lines().next().unwrap().to_owned();
        assert_eq!(refused(&format!("{first}\nnonsense\n{{}}\n")), "a.jsonl:2:2: expected ident");
        assert!(refused(&format!("{}rest\n", text())).contains(": a line behind the report"));
    }
}
