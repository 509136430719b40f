//! Where it ran: everything that a result may depend on.

use std::collections::BTreeMap;

use maud::{Markup, html};
use scandrill_model::RunReport;

use super::micros;

/// The section.
pub fn section(report: &RunReport) -> Markup {
    let environment = &report.environment;
    html! {
        section #environment {
            h2 { "Environment" }
            dl.facts {
                dt { "scandrill" } dd { (report.scandrill) }
                dt { "kernel" } dd { (environment.kernel) }
                dt { "started by" } dd { (if environment.root { "root" } else { "an ordinary user" }) }
                dt { "seed" } dd { (report.seed) }
                @if let Some(late) = report.cases.iter().filter_map(|case| case.late_us).max() {
                    dt { "punctuality" }
                    dd { "where times were bounded, threads woke at most " (micros(late)) " late" }
                }
                @for (program, version) in &environment.tools { dt { (program) } dd { (version) } }
            }
            (sysctls(report))
        }
    }
}

/// Host, parameter, value; and how many cases set it so.
fn sysctls(report: &RunReport) -> Markup {
    let mut set: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for case in &report.cases {
        for (host, parameters) in &case.sysctls {
            for (name, value) in parameters {
                *set.entry((host, name, value)).or_default() += 1;
            }
        }
    }
    html! {
        @if !set.is_empty() {
            details {
                summary { "Kernel parameters that were set: " (set.len()) }
                div.wide tabindex="0" role="region" aria-label="Kernel parameters" {
                    table {
                        thead { tr { th { "Host" } th { "Parameter" } th { "Value" } th.n { "Cases" } } }
                        tbody {
                            @for ((host, name, value), cases) in &set {
                                tr { td { (host) } td { code { (name) } } td { code { (value) } } td.n { (cases) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
