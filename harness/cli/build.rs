//! Rebuilds the binary when a scenario is added or taken away: the scenarios are inside it.

fn main() {
    println!("cargo::rerun-if-changed=../../scenarios");
}
