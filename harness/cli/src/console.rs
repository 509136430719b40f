//! Standard output and standard error: results on the one, progress and errors on the other.

use std::io::{self, IsTerminal, Write};

use scandrill_report::{Colour, Evidence, Skips, Style};

use crate::args::When;

/// Columns of a page that no terminal shows.
const PAGE: usize = 100;

/// Where things are printed, and whether in colour.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    color: When,
}

impl Console {
    /// A console that colours `when` asked to.
    pub fn new(color: When) -> Self {
        Self { color }
    }

    /// Prints a result. A reader that has read enough (`| head`) is no error.
    #[expect(clippy::unused_self, reason = "who prints has been given a console")]
    pub fn out(self, text: &str) -> io::Result<()> {
        whole(&mut io::stdout().lock(), text)
    }

    /// Prints to people. That nobody can be told is no reason to stop.
    #[expect(clippy::unused_self, reason = "who prints has been given a console")]
    pub fn err(self, text: &str) {
        drop(whole(&mut io::stderr().lock(), text));
    }

    /// Whether results are coloured.
    pub fn colored_out(self) -> bool {
        self.colored(io::stdout().is_terminal())
    }

    /// Whether errors are coloured.
    pub fn colored_err(self) -> bool {
        self.colored(io::stderr().is_terminal())
    }

    /// Whether a person watches standard error.
    #[expect(clippy::unused_self, reason = "who prints has been given a console")]
    pub fn watched(self) -> bool {
        io::stderr().is_terminal() && !is_dumb()
    }

    /// How a report is laid out on standard output.
    pub fn page(self, skips: Skips) -> Style {
        let colour = if self.colored_out() { Colour::On } else { Colour::Off };
        Style { width: columns(), colour, skips, evidence: Evidence::default() }
    }

    /// `auto` follows <https://no-color.org>.
    fn colored(self, terminal: bool) -> bool {
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                terminal && !is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
            }
        }
    }
}

/// The terminal's own columns; elsewhere what the variable COLUMNS says, as other programs take it.
fn columns() -> usize {
    if io::stdout().is_terminal()
        && let Some((width, _)) = terminal_size::terminal_size()
    {
        return usize::from(width.0);
    }
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.unwrap_or(PAGE)
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Ends the text with a line break.
fn whole(to: &mut impl Write, text: &str) -> io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(to, "{text}{end}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
