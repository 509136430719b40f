//! What the tests are written with: a folder of one's own, a command in it, and what came of it.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::binary::scandrill;

/// A scenario that needs no program, and passes within a second.
pub const PASSES: &str = r#"
family = "v4"
[target]
services = ["tcp/22"]
[[red]]
technique = "tcp-syn"
ports = "20-25"
expect.open = "22"
expect.rest = "closed"
"#;

/// The same with an expectation that is not met.
pub const FAILS: &str = r#"
family = "v4"
[target]
services = ["tcp/22"]
[[red]]
technique = "tcp-syn"
ports = "20-25"
expect.open = "22"
expect.rest = "filtered"
"#;

/// A folder of its own for one test, gone afterwards.
pub struct Workbench(TempDir);

/// What came of a command.
#[derive(Debug)]
pub struct Came {
    /// Its exit code.
    pub code: i32,
    /// Its results.
    pub out: String,
    /// Its progress and errors.
    pub err: String,
}

impl Workbench {
    /// An empty one.
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// With these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let bench = Self::new();
        for (name, text) in files {
            let path = bench.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        bench
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Reads one of its files.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Runs `scandrill` there, with these arguments.
    pub fn scandrill(&self, line: &str) -> Came {
        self.command(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The same, where an argument has a space in it.
    pub fn command(&self, args: &[&str]) -> Came {
        let ran =
            scandrill().args(args).current_dir(self.path()).env("TMPDIR", self.path()).output().unwrap();
        Came {
            code: ran.status.code().unwrap_or(-1),
            out: String::from_utf8(ran.stdout).unwrap(),
            err: String::from_utf8(ran.stderr).unwrap(),
        }
    }
}

/// Runs `scandrill` in an empty folder.
pub fn scandrill_alone(line: &str) -> Came {
    Workbench::new().scandrill(line)
}

/// Compares with a golden file; `SCANDRILL_BLESS=1` writes it instead.
#[track_caller]
pub fn golden(name: &str, observed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cli/golden").join(name);
    if std::env::var("SCANDRILL_BLESS").is_ok_and(|value| value == "1") {
        fs::write(&path, observed).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == observed, "{}:\n{expected}\nobserved:\n{observed}", path.display());
}
