//! Every scenario in `tests/firewall/` as a test, under `cargo test` and `cargo nextest run`.

fn main() -> std::process::ExitCode { scandrill::test_folder("tests/firewall") }
