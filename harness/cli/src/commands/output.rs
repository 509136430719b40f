//! Where a report is written: files that are made before anything runs, so that a run is not lost for want of a place.

use std::fs::File;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use scandrill_model::RunReport;
use scandrill_report::compare::{self, Comparison};
use scandrill_report::{Evidence, Place, Skips, Style};

use crate::console::Console;
use crate::failure::Failure;

/// The forms of a report that a command writes beside what it prints.
#[derive(Debug, Default, clap::Args)]
pub struct Asked {
    /// Write the report as JSON, "-" for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the report as one page of HTML, which needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a summary in GitHub's Markdown, as for a job's page
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// What the page on the terminal tells.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Paged {
    /// Show of every case what red read, before the defense and with it, and when bans landed; by default of those that
    /// did not pass, and of a run of one case
    #[arg(long)]
    pub matrix: bool,
    /// Exit with 4 when something was skipped
    #[arg(long)]
    pub strict: bool,
}

impl Paged {
    /// How the page is laid out.
    pub fn style(self, console: Console) -> Style {
        let skips = if self.strict { Skips::Strict } else { Skips::Allowed };
        let evidence = if self.matrix { Evidence::All } else { Evidence::Needed };
        Style { evidence, ..console.page(skips) }
    }
}

/// What was asked for, made.
#[must_use = "the files are empty until the report is written"]
pub struct Opened {
    json: Option<Output>,
    junit: Option<Output>,
    html: Option<Output>,
    markdown: Option<Output>,
}

impl Asked {
    /// Makes the files.
    pub fn open(&self) -> Result<Opened, Failure> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(Output::open).transpose();
        Ok(Opened {
            json: open(&self.json)?,
            junit: open(&self.junit)?,
            html: open(&self.html)?,
            markdown: open(&self.markdown)?,
        })
    }
}

impl Opened {
    /// Whether one of them is standard output, which then carries nothing else.
    pub fn on_stdout(&self) -> bool {
        let all = [&self.json, &self.junit, &self.html, &self.markdown];
        all.into_iter().any(|output| matches!(output, Some(Output::Stdout)))
    }

    /// Writes the report in each form.
    pub fn write(self, report: &RunReport, console: Console) -> Result<(), Failure> {
        let way = self.html.as_ref().map(Output::way_to_captures).unwrap_or_default();
        let place = Place { captures: &way };
        write(self.json, console, || scandrill_report::json(report))?;
        write(self.junit, console, || scandrill_report::junit(report))?;
        write(self.html, console, || scandrill_report::html(report, place))?;
        write(self.markdown, console, || scandrill_report::markdown(report))
    }
}

impl Opened {
    /// Writes a comparison in each form that it has.
    pub fn write_comparison(self, comparison: &Comparison, console: Console) -> Result<(), Failure> {
        write(self.html, console, || compare::html(comparison))?;
        write(self.markdown, console, || compare::markdown(comparison))
    }
}

/// One place to write to.
pub enum Output {
    /// Standard output.
    Stdout,
    /// A file.
    File {
        /// Its name.
        path: PathBuf,
        /// The file, empty.
        file: File,
    },
}

impl Output {
    /// Makes the file; `-` is standard output.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let file = File::create(path).map_err(|error| Failure::Usage {
            message: format!("making {}: {error}", path.display()),
            help: None,
        })?;
        Ok(Self::File { path: path.to_owned(), file })
    }

    /// From this file's folder to where relative paths of captures are seen from: the folder that the program was
    /// started in.
    fn way_to_captures(&self) -> String {
        let Self::File { path, .. } = self else { return String::new() };
        let folders: Vec<Component<'_>> =
            path.parent().map(|folder| folder.components().collect()).unwrap_or_default();
        if folders.iter().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            let down = folders.iter().filter(|part| matches!(part, Component::Normal(_)));
            return "../".repeat(down.count());
        }
        std::env::current_dir().map(|folder| format!("{}/", folder.display())).unwrap_or_default()
    }
}

/// Writes a text where it was asked for.
pub fn write(output: Option<Output>, console: Console, text: impl FnOnce() -> String) -> Result<(), Failure> {
    match output {
        None => Ok(()),
        Some(Output::Stdout) => Ok(console.out(&text())?),
        Some(Output::File { path, mut file }) => file.write_all(text().as_bytes()).map_err(|error| {
            Failure::Unable { message: format!("writing {}: {error}", path.display()), help: None }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_finds_captures_from_its_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = || tempfile::tempfile().unwrap();
        let way = |path: &str| Output::File { path: path.into(), file: file() }.way_to_captures();
        assert_eq!([way("a.html"), way("out/a.html"), way("./out/x/a.html")], ["", "../", "../../"]);
        let here = std::env::current_dir().unwrap();
        let elsewhere = way(folder.path().join("a.html").to_str().unwrap());
        assert_eq!(elsewhere, format!("{}/", here.display()));
    }
}
