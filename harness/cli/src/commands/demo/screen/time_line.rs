//! The time line: a row for each attacker, defense and client, on one scale of seconds.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use scandrill_model::Stamp;

use super::super::view::{Green, Red, View};
use super::panels::{ANSWERED, DROPPED};
use super::theme::{LOUD, QUIET, Theme};

/// Columns of the names.
const NAMES: usize = 11;
/// Actors of a kind that have a row.
const MOST: usize = 3;
/// What is answered in part within one column.
const BOTH: &str = "◐";
/// Spans that a scale may have, in seconds.
const SPANS: [u64; 10] = [10, 15, 20, 30, 45, 60, 90, 120, 300, 600];
/// From one mark of the scale to the next, in seconds.
const TICKS: [u64; 7] = [1, 2, 5, 10, 30, 60, 120];

/// How many lines it takes.
pub fn height(view: &View) -> u16 {
    let rows = view.reds.len().min(MOST) + 1 + view.greens.len().min(MOST);
    u16::try_from(rows + 2).unwrap_or(u16::MAX)
}

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let columns = usize::from(area.width).saturating_sub(NAMES + 1);
    let Some(scale) = Scale::of(view, columns) else { return };
    let reds = view.reds.iter().take(MOST).map(|red| attacker(red, &scale, theme));
    let greens = view.greens.iter().take(MOST).map(|green| client(green, &scale, theme));
    let rows = reds.chain([defense(view, &scale, theme)]).chain(greens).chain([axis(&scale)]);
    let title =
        format!(" TIME  {ANSWERED} answered  {DROPPED} not  {BOTH} both  ▼ silence  △ answers again ");
    let block = Block::new().borders(Borders::TOP).border_style(QUIET).title(title);
    frame.render_widget(Paragraph::new(rows.collect::<Vec<_>>()).block(block), area);
}

/// Which column a point in time is in.
struct Scale {
    start: Stamp,
    now: Stamp,
    span: Duration,
    columns: usize,
}

impl Scale {
    fn of(view: &View, columns: usize) -> Option<Self> {
        if columns == 0 {
            return None;
        }
        let lasted = view.lasted().as_secs_f64().ceil();
        let known = SPANS.iter().copied().map(Duration::from_secs).find(|span| span.as_secs_f64() >= lasted);
        let span = known.unwrap_or_else(|| Duration::from_secs_f64(lasted));
        Some(Self { start: view.start.unwrap_or_default(), now: view.now, span, columns })
    }

    fn column(&self, at: Stamp) -> usize {
        let share = at.since(self.start).as_secs_f64() / self.span.as_secs_f64();
        // A share of at most some hundred columns.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "columns are few"
        )]
        let column = (share * self.columns as f64) as usize;
        column.min(self.columns - 1)
    }

    /// An empty row.
    fn row(&self) -> Row {
        Row(vec![(" ", Style::new()); self.columns])
    }
}

/// A row, column by column.
struct Row(Vec<(&'static str, Style)>);

impl Row {
    fn line(self, name: &str, style: Style) -> Line<'static> {
        let name: String = name.chars().take(NAMES - 1).collect();
        let name = Span::styled(format!(" {name:<width$}", width = NAMES - 1), style.patch(LOUD));
        let marks = self.0.into_iter().map(|(mark, style)| Span::styled(mark, style));
        Line::from([name].into_iter().chain(marks).collect::<Vec<_>>())
    }

    /// What was answered and what was not, each at its time.
    fn outcomes(
        mut self,
        scale: &Scale,
        all: impl Iterator<Item = (Stamp, bool)>,
        styles: (Style, Style),
    ) -> Self {
        for (at, answered) in all {
            let (mark, style) = &mut self.0[scale.column(at)];
            let (new, other) = if answered { (ANSWERED, DROPPED) } else { (DROPPED, ANSWERED) };
            *mark = if *mark == other || *mark == BOTH { BOTH } else { new };
            *style = if answered { styles.0 } else { styles.1 };
        }
        self
    }
}

fn attacker(red: &Red, scale: &Scale, theme: Theme) -> Line<'static> {
    let probes = red.probes().into_iter().map(|probe| (probe.at, probe.answered));
    scale.row().outcomes(scale, probes, (theme.red(), theme.blue())).line(&red.name, theme.red())
}

/// Requests where they began; who got no answer waited until the end of the line.
fn client(green: &Green, scale: &Scale, theme: Theme) -> Line<'static> {
    let mut row = scale.row();
    for request in green.requests.iter().filter(|request| request.failure.is_some()) {
        fill(&mut row, scale, (request.start, request.start + request.took), ("╌", theme.warn()));
    }
    let requests = green.requests.iter().map(|request| (request.start, request.failure.is_none()));
    row.outcomes(scale, requests, (theme.green(), theme.warn())).line(&green.name, theme.green())
}

/// When the defense was in, and from when to when each attacker got no answer; whether that is a ban, a look tells.
fn defense(view: &View, scale: &Scale, theme: Theme) -> Line<'static> {
    let mut row = scale.row();
    for blue in &view.blues {
        if let Some(since) = blue.since {
            fill(&mut row, scale, (since, blue.until.unwrap_or(scale.now)), ("─", theme.blue()));
        }
    }
    for red in &view.reds {
        let Some(since) = red.silent_since() else { continue };
        let again = red.served_again();
        fill(&mut row, scale, (since, again.unwrap_or(scale.now)), ("━", theme.red()));
        row.0[scale.column(since)] = ("▼", theme.red().patch(LOUD));
        if let Some(again) = again {
            row.0[scale.column(again)] = ("△", theme.green().patch(LOUD));
        }
    }
    row.line("defense", theme.blue())
}

fn fill(row: &mut Row, scale: &Scale, (from, until): (Stamp, Stamp), mark: (&'static str, Style)) {
    for column in scale.column(from)..=scale.column(until) {
        row.0[column] = mark;
    }
}

/// Seconds, as often as there is room for them.
fn axis(scale: &Scale) -> Line<'static> {
    let span = scale.span.as_secs().max(1);
    let seconds = usize::try_from(span).unwrap_or(usize::MAX);
    let tick =
        TICKS.iter().copied().find(|tick| usize::try_from(*tick).unwrap_or(0) * scale.columns / seconds >= 8);
    let mut text = " ".repeat(NAMES);
    let mut at = 0;
    while let Some(tick) = tick.filter(|_| at < span) {
        let column = NAMES + scale.column(scale.start + Duration::from_secs(at));
        let label = format!("{at} s");
        if text.chars().count() <= column && column + label.len() <= NAMES + scale.columns {
            text.push_str(&" ".repeat(column - text.chars().count()));
            text.push_str(&label);
        }
        at += tick;
    }
    Line::from(Span::styled(text, QUIET))
}
