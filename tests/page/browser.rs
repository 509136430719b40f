//! Chromium in a network namespace that leads nowhere: what it says of a page, what the page asks for, what it looks like.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::Failed;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

/// By day or by night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// A person who prefers light pages.
    Day,
    /// A person who prefers dark pages.
    Night,
}

/// A window onto a page.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Columns of pixels.
    pub width: u32,
    /// Rows of pixels.
    pub height: u32,
    /// What its person prefers.
    pub light: Light,
}

/// What was seen of a page.
#[derive(Debug)]
pub struct Sight {
    /// Everything that the page wrote to the console, or the browser of it.
    pub console: Vec<String>,
    /// Everything that it asked a network for.
    pub requests: Vec<String>,
    /// What was looked at in it.
    pub seen: Seen,
}

/// What `probe.html` looks at.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// As the page is opened.
    pub folded: Look,
    /// With everything unfolded; where there is something to unfold.
    pub unfolded: Option<Look>,
    /// The kinds of elements.
    pub tags: Vec<String>,
    /// How many scripts.
    pub scripts: usize,
    /// How many cases.
    pub cases: usize,
    /// How many of them the page's own field found.
    pub found: Option<usize>,
    /// Figures and regions without a name.
    pub unlabelled: usize,
    /// Ranks of the headings, in order.
    pub headings: Vec<u8>,
    /// Links into the page that lead nowhere.
    pub dangling: Vec<String>,
}

/// What a person would be annoyed by.
#[derive(Debug, Deserialize)]
pub struct Look {
    /// Pixels by which the page is wider than its window.
    pub overflow: i64,
    /// Elements that reach beyond it.
    pub wide: Vec<String>,
    /// Texts whose contrast is below 4.5 (WCAG 2.1, 1.4.3).
    pub pale: Vec<String>,
}

/// A page in a folder of its own.
pub struct Page {
    folder: TempDir,
}

impl Page {
    /// A page of this text.
    pub fn new(html: &str) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("page.html"), html)?;
        Ok(Self { folder })
    }

    /// Opens it, and looks for cases whose name contains `find`.
    pub fn look(&self, window: Window, find: &str) -> Result<Sight, Failed> {
        let (width, height) = (window.width.to_string(), window.height.to_string());
        let probe = include_str!("probe.html").replace("WIDTH", &width).replace("HEIGHT", &height);
        let probe = probe.replace("PAGE", "page.html").replace("FIND", find);
        fs::write(self.path("probe.html"), probe)?;
        let log = self.path("net.json");
        let net_log = format!("--log-net-log={}", log.display());
        let out = self.browse(
            window,
            &["--allow-file-access-from-files", &net_log, "--virtual-time-budget=10000", "--dump-dom"],
            "probe.html",
        )?;
        let dom = String::from_utf8_lossy(&out.stdout);
        let seen = between(&dom, "<pre id=\"seen\">", "</pre>").unwrap_or_default();
        let unescaped = seen.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let seen = serde_json::from_str(&unescaped).map_err(|error| format!("{error}: {dom}\n{said}"))?;
        Ok(Sight { console: console(&said), requests: requests(&fs::read_to_string(log)?)?, seen })
    }

    /// Draws it into `name` below the folder of what tests leave behind, and gives the picture's place.
    pub fn draw(&self, window: Window, name: &str) -> Result<PathBuf, Failed> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
        fs::create_dir_all(&folder)?;
        let picture = folder.join(name);
        // A window is never narrower than a desktop's; a frame is.
        let frame = format!(
            "<!doctype html><style>body{{margin:0}}iframe{{border:0;display:block}}</style>\
             <iframe width={} height={} src=page.html></iframe>",
            window.width, window.height
        );
        fs::write(self.path("frame.html"), frame)?;
        self.browse(window, &[&format!("--screenshot={}", picture.display())], "frame.html")?;
        Ok(picture)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a browser is started as people start it, outside of any lab"
    )]
    fn browse(&self, window: Window, wanted: &[&str], name: &str) -> Result<Output, Failed> {
        let profile = tempfile::tempdir_in(self.folder.path())?;
        let out = Command::new("timeout")
            .args(["120", "unshare", "--map-root-user", "--net", "chromium", "--headless", "--no-sandbox"])
            .args(["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--enable-logging=stderr",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={},{}", window.width, window.height))
            // Blink's PreferredColorScheme: dark, then light.
            .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(window.light == Light::Day)))
            .args(wanted)
            .arg(format!("file://{}", self.path(name).display()))
            .env("HOME", profile.path())
            .output()?;
        if out.status.success() {
            return Ok(out);
        }
        Err(format!("chromium ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr)).into())
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.rsplit_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

/// Lines of the console that a page of ours caused: the browser's own pages have other addresses.
fn console(said: &str) -> Vec<String> {
    let lines = said.lines().filter(|line| line.contains(":CONSOLE:"));
    lines.filter(|line| !line.contains("source: chrome://")).map(str::to_owned).collect()
}

/// Addresses that a page asked for, by the browser's log of its network: what the browser asks for by itself has no origin.
fn requests(log: &str) -> Result<Vec<String>, Failed> {
    let log: Value = serde_json::from_str(log)?;
    let kind = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    let events = log["events"].as_array().ok_or("a log of the network without events")?;
    let asked = events.iter().filter(|event| event["type"] == *kind).map(|event| &event["params"]);
    let asked = asked.filter(|params| params["initiator"] != "not an origin");
    Ok(asked.filter_map(|params| params["url"].as_str()).map(str::to_owned).collect())
}
