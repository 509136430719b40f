//! A time line as a drawing: probes answered and dropped against time, with what happened when.

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use scandrill_model::{Mark, Milestone, TimeLine};

use super::micros;
use crate::ban::after_start;
use crate::words::thousands;

/// Units of the drawing; the page scales it to its own width.
const SIZE: (u32, u32) = (640, 170);

// The drawing's colours are names: each becomes a class, so that the page's style sheet can paint by day and by night.
const ANSWERED: RGBColor = RGBColor(1, 0, 0);
const UNANSWERED: RGBColor = RGBColor(2, 0, 0);
const BAN: RGBColor = RGBColor(3, 0, 0);
const LIFT: RGBColor = RGBColor(4, 0, 0);
const OTHER: RGBColor = RGBColor(5, 0, 0);
const INK: RGBColor = RGBColor(6, 0, 0);
const GRID: RGBColor = RGBColor(7, 0, 0);

/// What the library writes of each shape, and what the page needs of it.
const CLASSES: [(&str, &str); 13] = [
    ("fill=\"#010000\"", "class=\"a\""),
    ("fill=\"#020000\"", "class=\"u\""),
    ("stroke=\"#030000\"", "class=\"b\""),
    ("fill=\"#030000\"", "class=\"bt\""),
    ("stroke=\"#040000\"", "class=\"l\""),
    ("fill=\"#040000\"", "class=\"lt\""),
    ("stroke=\"#050000\"", "class=\"o\""),
    ("stroke=\"#060000\"", "class=\"i\""),
    (" fill=\"#060000\"", ""),
    ("stroke=\"#070000\"", "class=\"g\""),
    (" opacity=\"1\"", ""),
    (" font-family=\"sans-serif\"", ""),
    (" stroke-width=\"1\"", ""),
];

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

/// The drawing as an SVG element; `None` where no probe was seen.
pub fn plot(line: &TimeLine) -> Option<String> {
    if line.probes.is_empty() {
        return None;
    }
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        draw(&area, line).ok()?;
    }
    Some(themed(&svg))
}

/// How long one bin is.
pub fn bin(line: &TimeLine) -> u64 {
    let first = line.probes.first().map_or(0, |bin| bin.from_us);
    line.probes.get(1).map_or(1_000, |second| second.from_us.saturating_sub(first)).max(1)
}

/// Whether a mark lies beyond the drawing.
pub fn is_later(line: &TimeLine, mark: &Mark) -> bool {
    after_start(line, mark) > end(line)
}

/// Where the last bin ends, and whatever of the marks lies not far beyond it.
fn end(line: &TimeLine) -> u64 {
    let whole = line.probes.last().map_or(0, |bin| bin.from_us) + bin(line);
    let near = line.marks.iter().map(|mark| after_start(line, mark)).filter(|at| *at <= whole + whole / 2);
    near.max().unwrap_or_default().max(whole)
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, line: &TimeLine) -> Drawn {
    let end = end(line);
    let highest = line.probes.iter().map(|bin| bin.answered + bin.unanswered).max().unwrap_or(0).max(1);
    let top = as_f64(highest) * 1.2;
    let mut chart = ChartBuilder::on(area)
        .margin_top(6)
        .margin_right(14)
        .x_label_area_size(22)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..as_f64(end), 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(("sans-serif", 12).into_font().color(&INK))
        .x_labels(5)
        .y_labels(3)
        .x_label_formatter(&|us| micros(whole(*us)))
        .y_label_formatter(&|probes| {
            if probes.fract() == 0.0 { thousands(whole(*probes)) } else { String::new() }
        })
        .draw()?;
    let steps = |height: fn(u64, u64) -> u64| steps(line, end, height);
    chart.draw_series([Polygon::new(steps(|answered, unanswered| answered + unanswered), UNANSWERED)])?;
    chart.draw_series([Polygon::new(steps(|answered, _| answered), ANSWERED)])?;
    marks(&mut chart, line, end, top)
}

/// The corners of a curve that is level within each bin.
fn steps(line: &TimeLine, end: u64, height: fn(u64, u64) -> u64) -> Vec<(f64, f64)> {
    let mut points = vec![(0.0, 0.0)];
    let mut level = 0;
    for bin in &line.probes {
        let next = height(bin.answered, bin.unanswered);
        if next != level {
            let at = as_f64(bin.from_us);
            points.extend([(at, as_f64(level)), (at, as_f64(next))]);
            level = next;
        }
    }
    let last = line.probes.last().map_or(0, |bin| bin.from_us);
    let stop = as_f64((last + bin(line)).min(end));
    points.extend([(stop, as_f64(level)), (stop, 0.0)]);
    points
}

fn marks(chart: &mut Chart<'_, '_>, line: &TimeLine, end: u64, top: f64) -> Drawn {
    for mark in &line.marks {
        let (colour, name) = match mark.milestone {
            Milestone::FirstDropped => (BAN, "banned"),
            Milestone::Lifted => (LIFT, "lifted"),
            Milestone::Threshold | Milestone::Logged | Milestone::Decided | Milestone::Held => (OTHER, ""),
            Milestone::FirstProbe | Milestone::LastAnswered => continue,
        };
        let at = after_start(line, mark);
        if at > end {
            continue;
        }
        chart.draw_series([PathElement::new(vec![(as_f64(at), 0.0), (as_f64(at), top)], colour)])?;
        // On the side where there is room.
        let left = at > end / 2;
        let text = if left { format!("{name}\u{a0}") } else { format!("\u{a0}{name}") };
        if !name.is_empty() {
            let side = if left { HPos::Right } else { HPos::Left };
            let style = ("sans-serif", 12).into_font().color(&colour).pos(Pos::new(side, VPos::Top));
            chart.draw_series([Text::new(text, (as_f64(at), top), style)])?;
        }
    }
    Ok(())
}

/// A place on an axis as a number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "axes begin at zero")]
fn whole(place: f64) -> u64 {
    place.max(0.0).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "a place on a drawing of 640 units")]
fn as_f64(us: u64) -> f64 {
    us as f64
}

/// The same drawing with classes for colours, and without what the page says once for all.
fn themed(svg: &str) -> String {
    let mut text = svg.replace('\n', "");
    for (written, wanted) in CLASSES {
        text = text.replace(written, wanted);
    }
    let mut shorter = String::with_capacity(text.len());
    // The library's own font size, which is not a whole number.
    for (index, part) in text.split(" font-size=\"").enumerate() {
        shorter.push_str(if index == 0 { part } else { part.split_once('"').map_or(part, |(_, rest)| rest) });
    }
    shorter
}
