//! Files and paths that are wrong: nothing is built, and the message says where, what, and the nearest right thing.

use crate::workbench::{PASSES, Workbench, scandrill_alone};

/// Runs one wrong file; gives the message.
#[track_caller]
fn refused(text: &str) -> String {
    let came = Workbench::with(&[("wrong.toml", text)]).scandrill("run wrong.toml");
    assert_eq!((came.code, came.out.as_str()), (2, ""), "{}", came.err);
    came.err
}

#[test]
fn a_misspelled_key_gets_its_place_and_the_nearest_key() {
    let message = refused("[target]\nservces = [\"tcp/22\"]\n");
    let expected = "error: wrong.toml:2:1: unknown key `servces`\n \
                    2 | servces = [\"tcp/22\"]\n   | ^^^^^^^\n  help: did you mean `services`?\n";
    assert_eq!(message, expected);
}

#[test]
fn a_port_range_upside_down_is_turned_round() {
    let message = refused("[[red]]\ntechnique = \"tcp-syn\"\nports = \"100-1\"\nexpect.rest = \"closed\"\n");
    assert!(
        message.starts_with("error: wrong.toml:3:9: port range 100-1 is upside down; write 1-100"),
        "{message}"
    );
}

#[test]
fn a_misspelled_technique_gets_the_nearest_one() {
    let message = refused("[[red]]\ntechnique = \"tcp-xmass\"\nports = \"1\"\nexpect.rest = \"closed\"\n");
    assert!(message.contains("wrong.toml:2:13: unknown technique `tcp-xmass`"), "{message}");
    assert!(message.contains("did you mean `tcp-xmas`?"), "{message}");
}

#[test]
fn toml_that_is_broken_is_told_with_its_place() {
    let message = refused("[target\n");
    assert!(message.starts_with("error: wrong.toml:1:8: "), "{message}");
}

#[test]
fn a_rules_file_that_is_not_there_is_told_where_it_is_named() {
    let message = refused("target.rules = \"no.nft\"\n[[green]]\nclient = \"ping\"\n");
    assert!(message.starts_with("error: wrong.toml:1:16: cannot read the rules `no.nft`"), "{message}");
}

#[test]
fn all_wrong_files_are_told_at_once() {
    let bench =
        Workbench::with(&[("a/one.toml", "x = 1\n"), ("a/two.toml", "y = 1\n"), ("a/good.toml", PASSES)]);
    let came = bench.scandrill("run a");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("a/one.toml:1:1") && came.err.contains("a/two.toml:1:1"), "{}", came.err);
}

#[test]
fn a_path_that_does_not_exist_is_refused() {
    let came = scandrill_alone("run no-such-place");
    assert_eq!(came.code, 2);
    assert!(
        came.err.starts_with("error: no-such-place: no such file, folder or built-in scenario"),
        "{}",
        came.err
    );
}

#[test]
fn a_built_in_name_that_is_nearly_right_is_offered() {
    let came = scandrill_alone("show baseline/tcp-synn");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("did you mean the built-in scenario `baseline/tcp-syn`?"), "{}", came.err);
}

#[test]
fn a_folder_without_a_scenario_is_refused() {
    let came = Workbench::with(&[("empty/readme.txt", "")]).scandrill("run empty");
    assert_eq!(came.code, 2);
    assert!(came.err.starts_with("error: empty: no scenario in this folder"), "{}", came.err);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_runs() {
    for flag in ["--json", "--junit"] {
        let came = Workbench::with(&[("a.toml", PASSES)])
            .scandrill(&format!("run a.toml {flag} no/such/folder/report"));
        assert_eq!((came.code, came.out.as_str()), (2, ""), "{}", came.err);
        assert!(came.err.contains("no/such/folder/report"), "{}", came.err);
        assert!(!came.err.contains("PASS"), "{}", came.err);
    }
}

#[test]
fn nothing_selected_is_not_a_pass() {
    let came = Workbench::with(&[("a.toml", PASSES)]).scandrill("run a.toml --filter no-such-case");
    assert_eq!(came.code, 4);
    assert!(came.err.starts_with("error: no case to run with --filter no-such-case"), "{}", came.err);
}
