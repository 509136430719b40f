//! `scandrill demo`: a case as it happens, in a terminal: red on the left, blue in the middle, green on the right, and
//! the time line below. What is drawn is the case's own event log, so that a recorded one shows the same, without a lab.

#[cfg(test)]
mod fixture;
mod player;
mod recording;
mod screen;
mod terminal;
mod view;
mod words;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use scandrill_engine::{Planned, Progress, RunOptions, run as run_cases};
use scandrill_lab::clock;
use scandrill_model::{Collected, Event, RunReport, Stamp};
use scandrill_report::Skips;

use self::player::Player;
use self::recording::{Recorder, Recording};
use self::screen::{Mode, Status};
use self::terminal::{Key, Screen};
use self::view::View;
use super::require_isolation;
use super::run::seed_of_now;
use super::shell::check_needs;
use crate::args::EXIT_CODES;
use crate::captures::Captures;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt;
use crate::selection::{Selection, quoted};
use crate::sources::find_one;

/// A small scenario at a pace that a person can follow.
const DEFAULT: &str = "demo/ban";
/// From one picture to the next.
const FRAME: Duration = Duration::from_millis(50);

/// What is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// A scenario file, or the name of a built-in one
    #[arg(default_value = DEFAULT)]
    pub scenario: String,
    /// The case to run, by a part of its name; the first by default
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// Start of all random choices [default: the time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Keep the session in a file, which `--replay` plays
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Play a recorded session; no lab is built, and no privilege is needed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "filter", "seed", "record"])]
    pub replay: Option<PathBuf>,
}

/// Shows it, and ends with the report.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    match &args.replay {
        Some(path) => replay(path, console),
        None => live(args, console),
    }
}

/// Runs a case and shows it.
fn live(args: &Args, console: Console) -> Result<u8, Failure> {
    let scenario = quoted(&args.scenario);
    terminal::check(&format!("`scandrill run {scenario}` tells the same without one"))?;
    let seed = args.seed.unwrap_or_else(seed_of_now);
    let (planned, others) = planned(args, seed)?;
    check_needs(&planned)?;
    require_isolation()?;
    let recorder = args.record.as_deref().map(|path| Recorder::create(path, &planned.plan)).transpose()?;
    let captures = Captures::in_folder(None)?;
    let (tell, told) = channel();
    let options = RunOptions {
        seed,
        jobs: 1,
        fail_fast: false,
        captures: captures.folder().to_owned(),
        keep_all_captures: false,
        keep_events: false,
    };
    let screen = Screen::take(console)?;
    let show = thread::scope(|scope| {
        let (planned, options, recorder) = (&planned, &options, recorder.as_ref());
        scope.spawn(move || drill(planned, options, recorder, &tell));
        watch(screen, planned, (others, console), &told)
    });
    captures.settle();
    let code = end(&show?, console)?;
    recorder.map_or(Ok(()), Recorder::finish)?;
    Ok(code)
}

/// The first case that is asked for, to be followed live, and how many others there are.
fn planned(args: &Args, seed: u64) -> Result<(Planned, usize), Failure> {
    find_one(&args.scenario)?;
    let selection = Selection {
        paths: vec![args.scenario.clone()],
        filters: args.filter.clone(),
        seed,
        ..Selection::default()
    };
    let mut all = selection.plan()?;
    let mut planned = all.remove(0);
    planned.plan.live = true;
    Ok((planned, all.len()))
}

/// What the thread that runs the case tells the one that draws.
enum Told {
    Event(Box<Event>),
    Judged(Box<RunReport>),
}

fn drill(planned: &Planned, options: &RunOptions, recorder: Option<&Recorder>, tell: &Sender<Told>) {
    // Who has stopped to look needs to be told nothing.
    let on_progress = |progress: Progress<'_>| {
        if let Progress::Event(event) = progress {
            recorder.inspect(|recorder| recorder.event(event));
            drop(tell.send(Told::Event(Box::new(event.clone()))));
        }
    };
    let report = run_cases(std::slice::from_ref(planned), options, &on_progress);
    recorder.inspect(|recorder| recorder.report(&report));
    drop(tell.send(Told::Judged(Box::new(report))));
}

/// Draws what is told until it is judged and somebody leaves.
fn watch(
    mut screen: Screen,
    planned: &Planned,
    (others, console): (usize, Console),
    told: &Receiver<Told>,
) -> Result<RunReport, Failure> {
    let mut view = View::new(&planned.plan);
    let mut status = Status { mode: Mode::Live { others }, paused: false, colour: console.colored_out() };
    loop {
        if !status.paused {
            hear(&mut view, told);
        }
        screen.draw(&view, &status)?;
        match screen.key(FRAME)? {
            Some(Key::Pause) => status.paused = !status.paused,
            Some(Key::Quit) => {
                hear(&mut view, told);
                match view.report {
                    Some(report) => return Ok(report),
                    None => leave(screen, console),
                }
            }
            Some(Key::Step | Key::Faster | Key::Slower | Key::Speed(_)) | None => {}
        }
    }
}

/// Takes in what has been told since.
fn hear(view: &mut View, told: &Receiver<Told>) {
    for one in told.try_iter() {
        match one {
            Told::Event(event) => view.take(&event),
            Told::Judged(report) => view.judge(*report),
        }
    }
    if view.report.is_none() {
        view.pass_to(clock::now());
    }
}

/// Ends a case before its time, and everything of it.
fn leave(screen: Screen, console: Console) -> ! {
    drop(screen);
    console.err("left before the end: the lab is gone, and nothing was judged");
    interrupt::leave()
}

/// Plays a recorded session.
fn replay(path: &Path, console: Console) -> Result<u8, Failure> {
    let recording = recording::read(path)?;
    terminal::check("play it in one")?;
    play(&recording, console)?;
    match &recording.report {
        Some(report) => end(report, console),
        None => Err(Failure::Unable {
            message: format!("{}: the recording ends here, before its report", recording.end),
            help: Some("it was cut off while it was written: record the session again".to_owned()),
        }),
    }
}

fn play(recording: &Recording, console: Console) -> Result<(), Failure> {
    let mut screen = Screen::take(console)?;
    let (mut view, mut player) = (View::new(&recording.plan), Player::new(&recording.events));
    let first = recording.events.first().map_or(Stamp::default(), |event| event.at);
    let mut before = clock::now();
    loop {
        let now = clock::now();
        let due = player.pass(now.since(before));
        before = now;
        show(&mut view, recording, due, &player, first);
        screen.draw(&view, &status(recording, &player, console))?;
        match screen.key(FRAME)? {
            Some(Key::Pause) => player.pause(),
            Some(Key::Step) => {
                let next = player.step();
                show(&mut view, recording, next, &player, first);
            }
            Some(Key::Faster) => player.faster(),
            Some(Key::Slower) => player.slower(),
            Some(Key::Speed(number)) => player.at_speed(number),
            Some(Key::Quit) => return Ok(()),
            None => {}
        }
    }
}

fn status(recording: &Recording, player: &Player, console: Console) -> Status {
    let cut = if recording.report.is_none() { Some(recording.end.clone()) } else { None };
    let mode = Mode::Replay { of: recording.events.len(), speed: player.speed(), cut };
    Status { mode, paused: player.is_paused(), colour: console.colored_out() }
}

fn show(view: &mut View, recording: &Recording, due: std::ops::Range<usize>, player: &Player, first: Stamp) {
    recording.events[due].iter().for_each(|event| view.take(event));
    view.pass_to(first + player.at());
    if let (true, None, Some(report)) = (player.is_over(), &view.report, &recording.report) {
        view.judge(report.clone());
    }
}

/// The report, and the exit code that it gives.
fn end(report: &RunReport, console: Console) -> Result<u8, Failure> {
    console.out(&scandrill_report::terminal(report, &console.page(Skips::Allowed)))?;
    Ok(Collected::of(&report.cases).exit_code(false))
}
