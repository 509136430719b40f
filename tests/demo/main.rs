//! The live view as people see it: in a terminal of 80 columns and 24 lines, with keys pressed and screens read. What it
//! reads is the case's own event log, and a recorded one shows the same to who may build no lab.

#[path = "../cli/binary.rs"]
#[expect(dead_code, reason = "no word of a report is compared here")]
mod binary;
mod log;
#[path = "../cli/processes.rs"]
mod processes;
mod tmux;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use scandrill_lab::{machine, wait};

use processes::{Process, descendants, signal, threads_of};
use tmux::{Size, Window};

/// A ban that lands and lifts within a few seconds.
pub const SHORT: &str = r#"
family = "v4"
[target]
services = ["tcp/22", "tcp/80 http"]
defense = [{ layer = "trap", ports = "23", timeout = 2 }]
[[red]]
technique = "tcp-syn"
ports = "20-25"
order = "ascending"
rate = "10/s"
expect.open = "22"
expect.closed = "20-21"
expect.filtered = "23-25"
expect.ban = { lifts = "2s" }
[[green]]
name = "customer"
client = "http tcp/80"
throughout = true
count = 1
rate = "4/s"
expect.success_min = 1.0
"#;

/// Takes far longer than any test waits.
const LONG: &str = r#"
family = "v4"
[target]
services = ["tcp/22"]
[[red]]
technique = "tcp-syn"
ports = "1-1000"
rate = "4/s"
expect.open = "22"
expect.rest = "closed"
"#;

const USUAL: Size = (80, 24);
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    scandrill::dispatch();
    let mut trials = log::trials();
    let session = Arc::new(Session::default());
    let with_session = |name: &str, test: fn(&str) -> Result<(), Failed>| {
        let session = Arc::clone(&session);
        in_a_terminal(name, move || test(&session.recording()?))
    };
    trials.extend([
        with_session("a case is shown live, says why it is safe, and ends in its report", |_| Ok(())),
        with_session("a recording is played, paused and stepped through by who may build no lab", played),
        with_session("leaving gives the terminal back", given_back),
        with_session("a polite kill gives the terminal back", killed),
        with_session("a recording that was cut off is played up to its end", cut_off),
        with_session("without colours nothing is coloured", uncoloured),
        with_session("a window that is too small is told", small),
        in_a_terminal("leaving a live case ends all of it", left),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test that is ignored, by that name, where tmux is missing; with `SCANDRILL_STRICT=1` it fails.
fn in_a_terminal(name: &str, test: impl Fn() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || {
        if machine::find_program("tmux").is_some() {
            return test().map(|()| Completion::Completed);
        }
        let missing = "needs the program `tmux`: ./setup.sh tests";
        if std::env::var("SCANDRILL_STRICT").is_ok_and(|value| value == "1") {
            return Err(missing.into());
        }
        Ok(Completion::ignored_with(missing))
    })
}

/// One live session, which all tests of recordings share.
#[derive(Default)]
struct Session(Mutex<Option<Result<String, String>>>);

impl Session {
    /// What it left; whoever comes first holds it.
    fn recording(&self) -> Result<String, Failed> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = |failed: Failed| failed.message().unwrap_or("it failed").to_owned();
        kept.get_or_insert_with(|| live().map_err(said))
            .clone()
            .map_err(|error| format!("the live session: {error}").into())
    }
}

/// The view of a case that runs; gives its recording.
fn live() -> Result<String, Failed> {
    let window = Window::open(USUAL)?;
    fs::write(window.path().join("short.toml"), SHORT)?;
    let binary = env!("CARGO_BIN_EXE_scandrill");
    window.run(&format!("{binary} demo short.toml --seed 7 --record kept.jsonl"))?;
    let safe = "Nothing can leave the lab: namespaces without a route out, addresses of";
    window.until("the view, and why it is safe", |screen| {
        let words = ["LIVE", safe, "198.18.0.0/15 and fd00:198:18::/48 only"];
        words.iter().all(|word| screen.contains(word))
    })?;
    window.until("a probe that is not answered, and one that is", |screen| {
        row(screen, " red ").is_some_and(|row| row.contains('×') && row.contains('●'))
    })?;
    window
        .until("the attacker in the set of banned sources", |screen| screen.contains("set trap4 1 in it"))?;
    let last = window.until("the verdict", |screen| screen.contains("PASS  judged"))?;
    for word in ["BANNED at", "let in at", "open      22", "closed    20-21", "filtered  23-25"] {
        holds(&last, word)?;
    }
    let defense = row(&last, " defense ").unwrap_or_default();
    holds(defense, "▼")?;
    holds(defense, "△")?;
    window.key("q")?;
    let report = window.until("the report", |screen| screen.contains("exit code: 0"))?;
    holds(&report, "1 case: 1 passed; seed 7;")?;
    Ok(fs::read_to_string(window.path().join("kept.jsonl"))?)
}

/// A line that begins like this.
fn row<'a>(screen: &'a str, start: &str) -> Option<&'a str> {
    screen.lines().find(|line| line.starts_with(start))
}

fn holds(text: &str, word: &str) -> Result<(), Failed> {
    if text.contains(word) { Ok(()) } else { Err(format!("no `{word}` in:\n{text}").into()) }
}

/// A window with a recording in it.
fn window_with(recording: &str, size: Size) -> Result<Window, Failed> {
    let window = Window::open(size)?;
    fs::write(window.path().join("kept.jsonl"), recording)?;
    Ok(window)
}

/// The command that plays a recording where the kernel allows no namespace; root becomes nobody before.
fn replay_by_nobody(window: &Window) -> Result<String, Failed> {
    let binary = window.path().join("scandrill");
    fs::copy(env!("CARGO_BIN_EXE_scandrill"), &binary)?;
    let everybody: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(window.path(), everybody)?;
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
    let nobody = if machine::is_root() { nobody } else { "" };
    let play = "echo 0 > /proc/sys/user/max_user_namespaces; exec ./scandrill demo --replay kept.jsonl";
    Ok(format!("{nobody}unshare --user --map-root-user sh -c '{play}'"))
}

fn played(recording: &str) -> Result<(), Failed> {
    let window = window_with(recording, USUAL)?;
    window.run(&replay_by_nobody(&window)?)?;
    let safe = "Nothing could leave the lab: namespaces";
    window.until("the view", |screen| screen.contains("REPLAY x1") && screen.contains(safe))?;
    window.until("the attack", |screen| screen.contains("  attack  "))?;
    window.key("Space")?;
    let paused = window.until("the pause", |screen| screen.contains("PAUSED"))?;
    for (key, speed) in ["+", "-"].into_iter().zip(["x2", "x1"]).cycle().take(12) {
        window.key(key)?;
        window.until("another speed", |screen| screen.contains(&format!("REPLAY {speed}")))?;
    }
    let later = window.screen()?;
    same("a paused picture", &later, &paused)?;
    let before = event(&paused)?;
    for step in 1..=3 {
        window.key(if step == 2 { "Right" } else { "s" })?;
        window.until("the next event", |screen| {
            event(screen).is_ok_and(|number| number != before + step - 1)
        })?;
        same("the event after a step", &event(&window.screen()?)?, &(before + step))?;
    }
    window.key("4")?;
    window.key("Space")?;
    window.until("the verdict", |screen| screen.contains("PASS  judged"))?;
    window.key("q")?;
    let report = window.until("the report", |screen| screen.contains("exit code: 0"))?;
    holds(&report, "1 case: 1 passed; seed 7;")
}

/// The number of the last event that is shown.
fn event(screen: &str) -> Result<usize, Failed> {
    let line = row(screen, " event ").ok_or_else(|| format!("no event in:\n{screen}"))?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, observed: &T, expected: &T) -> Result<(), Failed> {
    if observed == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, observed {observed:?}").into())
}

/// Starts to play a recording, in a window in which something stood before.
fn playing(recording: &str) -> Result<Window, Failed> {
    let window = window_with(recording, USUAL)?;
    window.run(&format!("{} demo --replay kept.jsonl", env!("CARGO_BIN_EXE_scandrill")))?;
    window.until("the view", |screen| screen.contains("REPLAY x1") && !screen.contains("prompt>"))?;
    Ok(window)
}

/// The terminal echoes what is typed, and reads whole lines.
fn is_given_back(window: &Window) -> Result<(), Failed> {
    window.run("clear")?;
    window.until("an empty screen", |screen| screen.starts_with("exit code: 0\nprompt>"))?;
    window.run("stty -a | tr ' ' '\\n' | grep -x -e icanon -e echo")?;
    let screen = window.until("the terminal's settings", |screen| screen.contains("\nicanon\necho\n"))?;
    holds(&screen, "prompt> stty -a")
}

fn given_back(recording: &str) -> Result<(), Failed> {
    for key in ["q", "C-c"] {
        let window = playing(recording)?;
        window.key(key)?;
        window
            .until("the report", |screen| screen.contains("1 passed") && screen.contains("exit code: 0"))?;
        is_given_back(&window)?;
    }
    Ok(())
}

fn killed(recording: &str) -> Result<(), Failed> {
    let window = playing(recording)?;
    let started = descendants(window.shell()?);
    let player = started.first().ok_or("nothing runs in the window")?;
    signal("TERM", player.id);
    let screen = window.until("its end", |screen| screen.contains("exit code: 130"))?;
    holds(&screen, "prompt>")?;
    is_given_back(&window)
}

fn cut_off(recording: &str) -> Result<(), Failed> {
    let lines: Vec<&str> = recording.lines().collect();
    let whole = lines.len() / 2;
    let window = playing(&format!("{}\n{}", lines[..whole].join("\n"), &lines[whole][..20]))?;
    window.key("4")?;
    let told = format!("the recording ends here, before its report (kept.jsonl:{whole})");
    window.until("its end", |screen| screen.contains(&told))?;
    window.key("q")?;
    let screen = window.until("its exit code", |screen| screen.contains("exit code: 3"))?;
    holds(&screen, &format!("error: kept.jsonl:{whole}: the recording ends here, before its report"))
}

fn uncoloured(recording: &str) -> Result<(), Failed> {
    let binary = env!("CARGO_BIN_EXE_scandrill");
    let asked = ["demo", "--color never demo", "--color always demo"];
    for (before, asked, expected) in [
        ("", asked[0], true),
        ("NO_COLOR=1 ", asked[0], false),
        ("", asked[1], false),
        ("NO_COLOR=1 ", asked[2], true),
    ] {
        let window = window_with(recording, USUAL)?;
        window.run(&format!("{before}{binary} {asked} --replay kept.jsonl"))?;
        window.until("the view", |screen| screen.contains("REPLAY x1"))?;
        let is_coloured = ["[38;5;1m", "[38;5;4m", "[38;5;2m"]
            .iter()
            .all(|colour| window.coloured().is_ok_and(|screen| screen.contains(colour)));
        same(&format!("colours of `{before}scandrill {asked}`"), &is_coloured, &expected)?;
    }
    Ok(())
}

fn small(recording: &str) -> Result<(), Failed> {
    let window = window_with(recording, (60, 16))?;
    window.run(&format!("{} demo --replay kept.jsonl", env!("CARGO_BIN_EXE_scandrill")))?;
    window.until("what is wrong with the window", |screen| {
        screen.contains("60x16 is too small to show all: 80x24 is enough") && screen.contains("RED attacks")
    })?;
    Ok(())
}

fn left() -> Result<(), Failed> {
    let window = Window::open(USUAL)?;
    fs::write(window.path().join("long.toml"), LONG)?;
    window.run(&format!("{} demo long.toml", env!("CARGO_BIN_EXE_scandrill")))?;
    window.until("an answer", |screen| row(screen, " red ").is_some_and(|row| row.contains('●')))?;
    let started: BTreeSet<Process> = descendants(window.shell()?);
    same("a worker with its hosts", &started.iter().any(|process| threads_of(process.id) >= 4), &true)?;
    window.key("q")?;
    let screen = window.until("its end", |screen| screen.contains("exit code: 130"))?;
    holds(&screen, "left before the end: the lab is gone, and nothing was judged")?;
    wait::until_blocking("the end of the case's processes", PATIENCE, || {
        let left = processes::processes().into_keys().any(|process| started.contains(&process));
        Ok((!left).then_some(()))
    })
    .map_err(|error| error.to_string())?;
    let folders = fs::read_dir(window.path().join("tmp"))?.filter_map(|entry| Some(entry.ok()?.path()));
    same("folders that are left", &folders.collect::<Vec<PathBuf>>(), &Vec::new())?;
    is_given_back(&window)
}
