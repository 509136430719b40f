//! Draws `tests/benches/figures/sets.svg`: packets a second, and the time to add one more, over the number of addresses.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use scandrill_tests::bench::Outcome;
use strum::IntoEnumIterator;

use crate::cells::{SIZES, Way};
use crate::measure::Measured;

const SIZE: (u32, u32) = (960, 400);
const INK: RGBColor = RGBColor(60, 60, 60);
const FAINT: RGBColor = RGBColor(225, 225, 225);
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What one of the two diagrams shows.
struct Diagram {
    title: &'static str,
    figure: fn(&Measured) -> f64,
    range: (f64, f64),
    has_legend: bool,
}

const DIAGRAMS: [Diagram; 2] = [
    Diagram {
        title: "packets a second that the filter lets pass",
        figure: |cell| cell.passed_pps,
        range: (1e2, 1e6),
        has_legend: true,
    },
    Diagram {
        title: "milliseconds to add one more address",
        figure: |cell| cell.add_ms,
        range: (1e0, 1e3),
        has_legend: false,
    },
];

/// Draws it anew.
pub fn draw(cells: &[Measured]) -> Outcome<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures/sets.svg");
    let root = SVGBackend::new(&path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, diagram) in root.split_evenly((1, DIAGRAMS.len())).iter().zip(&DIAGRAMS) {
        draw_one(area, diagram, cells)?;
    }
    Ok(root.present()?)
}

fn draw_one(area: &Area, diagram: &Diagram, cells: &[Measured]) -> Outcome<()> {
    let places = 0.0..f64::from(u32::try_from(SIZES.len() - 1)?);
    let values = (diagram.range.0..diagram.range.1).log_scale();
    let mut chart = ChartBuilder::on(area)
        .caption(diagram.title, (FONT, 16).into_font().color(&INK))
        .margin(12)
        .margin_right(32)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(places, values)?;
    chart
        .configure_mesh()
        .x_labels(SIZES.len())
        .x_label_formatter(&|place| size_at(*place))
        .x_desc("refused addresses")
        .y_label_formatter(&|value| thousands(*value))
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style((FONT, 12).into_font().color(&INK))
        .draw()?;
    for (number, way) in Way::iter().enumerate() {
        let color = COLORS[number];
        let points: Vec<(f64, f64)> = cells
            .iter()
            .filter(|cell| cell.way == way)
            .zip(0_u32..)
            .map(|(cell, place)| (f64::from(place), (diagram.figure)(cell)))
            .collect();
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?
            .label(way.to_string())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(PointSeries::<_, _, Circle<_, _>, _>::new(points, 3, color.filled()))?;
    }
    if diagram.has_legend {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .label_font((FONT, 12).into_font().color(&INK))
            .background_style(WHITE)
            .draw()?;
    }
    Ok(())
}

/// Told apart by those who see no red or green, too (Okabe and Ito).
const COLORS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(230, 159, 0),
];

/// The size at a place on the horizontal axis, each of which is one step from the next.
fn size_at(place: f64) -> String {
    let at = (0_u32..).zip(SIZES).find(|(number, _)| (place - f64::from(*number)).abs() < 0.01);
    at.map(|(_, size)| thousands(f64::from(size))).unwrap_or_default()
}

/// `1,000`, as English writes it.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
