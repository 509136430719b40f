//! Reports in other people's programs. The page in Chromium: it says nothing on the console and asks no network for anything, fits a phone, can be
//! read by day and by night, and nothing of a scenario becomes a part of it. Pictures are kept in `target/tmp/page`. Captures
//! in tshark: it reads all of them, and the verdicts are at their packets.

#[path = "../cli/binary.rs"]
#[expect(dead_code, reason = "no word of a report is compared here")]
mod binary;
mod browser;
#[path = "../../harness/report/src/fixture/mod.rs"]
#[expect(dead_code, reason = "the other reports are for other tests")]
mod fixture;
mod shark;

use std::fs;
use std::process::ExitCode;

use browser::{Light, Look, Page, Sight, Window};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use scandrill_lab::machine;
use scandrill_model::{RunReport, Verdict};
use scandrill_report::{Place, compare, html};

const DESKTOP: Window = Window { width: 1280, height: 2400, light: Light::Day };
const NIGHT: Window = Window { light: Light::Night, ..DESKTOP };
const PHONE: Window = Window { width: 390, height: 2400, light: Light::Day };

fn main() -> ExitCode {
    let windows = [("desktop", DESKTOP), ("desktop at night", NIGHT), ("phone", PHONE)];
    let mut trials: Vec<Trial> = Vec::new();
    for (name, window) in windows {
        trials.push(trial(format!("everything on a {name}"), move || everything(window, name)));
    }
    trials.push(trial("a real run", move || real_run(&windows)));
    trials.push(trial("two runs beside each other", move || compared(&windows)));
    trials.push(trial("nothing of a scenario becomes a part of the page", hostile));
    trials.push(trial("what a page asks a network for is seen", control));
    trials.extend(shark::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: impl Into<String>, test: impl Fn() -> Result<(), Failed> + Send + 'static) -> Trial {
    needing("chromium", name, test)
}

/// A test that is ignored, by that name, where a program is missing; with `SCANDRILL_STRICT=1` it fails.
fn needing(
    program: &'static str,
    name: impl Into<String>,
    test: impl Fn() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, move || {
        if machine::find_program(program).is_some() {
            return test().map(|()| Completion::Completed);
        }
        let missing = format!("needs the program `{program}`: ./setup.sh tests");
        if std::env::var("SCANDRILL_STRICT").is_ok_and(|value| value == "1") {
            return Err(missing.into());
        }
        Ok(Completion::ignored_with(missing))
    })
}

fn everything(window: Window, name: &str) -> Result<(), Failed> {
    let report = fixture::everything();
    let sight = sound(&page(&report)?, window, "recent", &format!("everything {name}"))?;
    let named = report.cases.iter().filter(|case| case.name.contains("recent"));
    let shown = report.cases.iter().filter(|case| case.skipped.is_none()).count();
    same("cases", sight.seen.cases, shown)?;
    same("cases that the field found", sight.seen.found, Some(named.count()))
}

/// A run in labs, one case of which fails, told by the binary itself.
fn real_run(windows: &[(&str, Window)]) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("out"))?;
    let ran = binary::scandrill()
        .args(["run", "baseline/tcp-syn", "manual/recent", "must-fail/ban-not-refreshed"])
        .args(["--scanner", "builtin", "--seed", "7", "--quiet", "--html", "out/report.html"])
        .args(["--pcap", "captures"])
        .current_dir(folder.path())
        .output()?;
    let told = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    let html = fs::read_to_string(folder.path().join("out/report.html"));
    let html = html.map_err(|error| format!("{error}: {told}"))?;
    let href = html.split("href=\"./").nth(1).and_then(|rest| rest.split('"').next());
    let capture = folder.path().join("out").join(href.ok_or("no link to a capture")?);
    same("the capture is where the link says", capture.exists(), true)?;
    let page = Page::new(&html)?;
    windows
        .iter()
        .try_for_each(|(name, window)| sound(&page, *window, "tcp-syn", &format!("run {name}")).map(drop))
}

fn compared(windows: &[(&str, Window)]) -> Result<(), Failed> {
    let old = fixture::everything();
    let mut new = fixture::hostile(ATTACK);
    for (before, now) in old.cases.iter().zip(&mut new.cases) {
        now.name.clone_from(&before.name);
        now.verdict = Verdict::Fail;
    }
    let page = Page::new(&compare::html(&compare::compare(&old, &new)))?;
    windows.iter().try_for_each(|(name, window)| {
        let sight = sound(&page, *window, "", &format!("compared {name}"))?;
        same("scripts", sight.seen.scripts, 1)
    })
}

fn page(report: &RunReport) -> Result<Page, Failed> {
    Page::new(&html(report, Place::default()))
}

/// Opens the page, and finds nothing to complain of.
fn sound(page: &Page, window: Window, find: &str, picture: &str) -> Result<Sight, Failed> {
    let sight = page.look(window, find)?;
    page.draw(window, &format!("{}.png", picture.replace(' ', "-")))?;
    same("console", &sight.console, &Vec::new())?;
    same("requests", &sight.requests, &Vec::new())?;
    pleasant("as opened", &sight.seen.folded)?;
    if let Some(unfolded) = &sight.seen.unfolded {
        pleasant("unfolded", unfolded)?;
    }
    same("figures without a name", sight.seen.unlabelled, 0)?;
    same("links that lead nowhere", &sight.seen.dangling, &Vec::new())?;
    same("first heading", sight.seen.headings.first(), Some(&1))?;
    let skips = sight.seen.headings.windows(2).filter(|two| two[1] > two[0] + 1).count();
    same("headings that skip a rank", skips, 0)?;
    Ok(sight)
}

fn pleasant(when: &str, look: &Look) -> Result<(), Failed> {
    same(&format!("elements beyond the edge {when}"), &look.wide, &Vec::new())?;
    same(&format!("pixels beyond the edge {when}"), look.overflow, 0)?;
    same(&format!("texts that are hard to read {when}"), &look.pale, &Vec::new())
}

#[expect(clippy::needless_pass_by_value, reason = "most are numbers, and calls read without signs")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, observed: T, expected: T) -> Result<(), Failed> {
    if observed == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, observed {observed:?}").into())
    }
}

/// What ends a script or a style, and would ask a network.
const ATTACK: &str = "</script></style><img src=http://198.18.0.99/x onerror=alert(1)>\"'";

/// Every text of a report is an attack at once.
fn hostile() -> Result<(), Failed> {
    let page =
        page(&fixture::hostile("</script></style><img src=http://198.18.0.99/x onerror=alert(1)>\"'"))?;
    let sight = sound(&page, DESKTOP, "recent", "hostile")?;
    same("scripts", sight.seen.scripts, 1)?;
    same("images", sight.seen.tags.iter().any(|tag| tag == "img"), false)
}

/// That no request was seen means something only where one would have been.
fn control() -> Result<(), Failed> {
    let page =
        Page::new("<!doctype html><h1>x</h1><img src=http://198.18.0.99/x><script>nothing.there()</script>")?;
    let sight = page.look(DESKTOP, "")?;
    same("requests", sight.requests.iter().any(|url| url == "http://198.18.0.99/x"), true)?;
    same("console", sight.console.iter().any(|line| line.contains("nothing is not defined")), true)
}
