//! Stands for your own project: whatever it is, its firewall is tested in `tests/firewall.rs`.
