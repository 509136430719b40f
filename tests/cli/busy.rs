//! A machine that is too busy to judge times by.

use crate::workbench::Workbench;

/// A client whose first packet is dropped waits for a second. While it does, the lab's own process is not run for a while.
const SCENARIO: &str = r#"
family = "v4"
exclusive = true
[target]
services = ["tcp/22", "tcp/80 http"]
rules = "slow.nft"
[[green]]
client = "http tcp/80"
count = 1
expect.latency_max = "500ms"
[[operator]]
run = "kill -STOP $PPID; timeout 0.1 tail -f /dev/null || true; kill -CONT $PPID"
"#;

#[test]
fn what_is_late_is_not_held_against_a_defense() {
    let rules = include_str!("../../scenarios/must-fail/slow-client.nft");
    let bench = Workbench::with(&[("slow.toml", SCENARIO), ("slow.nft", rules)]);
    let came = bench.scandrill("run slow.toml --seed 7 --quiet");
    assert_eq!(came.code, 3, "{came:?}");
    let told = "the machine was too busy to judge it: it kept threads waiting for ";
    assert!(came.out.contains(told) && came.out.contains("and 10.0 ms are allowed"), "{}", came.out);
    assert!(came.out.contains("machine   threads woke at most "), "{}", came.out);
}
