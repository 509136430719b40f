//! Putting this binary in the place of the tools, in a case's own mounts.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{REAL, TOOLS};
use crate::error::{During, LabError};
use crate::files::{bind, hold};
use crate::{daemon, machine};

/// This process's program.
const OWN: &str = "/proc/self/exe";
/// The suffixes of the names that a back end's program has, after `iptables-nft` and the like.
const ACTIONS: [&str; 3] = ["", "-save", "-restore"];

/// The machine's tools and this binary, held open so that mounts over their folders do not hide them.
pub(crate) struct Tools {
    /// `None` where the file was replaced since it was started: then it is copied.
    own: Option<File>,
    /// Each with its path, those that are first on the search path first.
    tools: Vec<(PathBuf, File)>,
}

impl Tools {
    /// Finds them; before anything of the machine is covered.
    pub(crate) fn find() -> Result<Self, LabError> {
        let mut tools: Vec<(PathBuf, File)> = Vec::new();
        for tool in TOOLS {
            let paths = machine::folders().filter_map(|folder| fs::canonicalize(folder.join(tool)).ok());
            for path in paths.filter(|path| path.is_file()) {
                // Its own name, as a stand-in knows by it what it stands for.
                if path.ends_with(tool) && tools.iter().all(|(known, _)| *known != path) {
                    let file = hold(&path).during(|| format!("open {}", path.display()))?;
                    tools.push((path, file));
                }
            }
        }
        Ok(Self { own: own().during(|| "find this binary".to_owned())?, tools })
    }

    /// Mounts this binary over each tool, and the tools themselves, under all their names, below [`REAL`]; and once more as
    /// what starts and stops daemons.
    pub(crate) fn place(self) -> Result<(), LabError> {
        fs::create_dir_all(REAL).during(|| format!("make {REAL}"))?;
        let own = self.own.map_or_else(copied, Ok).during(|| "copy this binary".to_owned())?;
        for tool in TOOLS {
            let places = || self.tools.iter().filter(|(path, _)| path.ends_with(tool));
            let Some((_, real)) = places().next() else { continue };
            let kept = Path::new(REAL).join(tool);
            File::create(&kept)
                .and_then(|_| bind(real, &kept))
                .and_then(|()| name(tool))
                .during(|| format!("keep {tool} as {}", kept.display()))?;
            for (path, _) in places() {
                bind(&own, path).during(|| format!("stand in for {}", path.display()))?;
            }
        }
        daemon::make_folders()?;
        File::create(daemon::CONTROL)
            .and_then(|_| bind(&own, Path::new(daemon::CONTROL)))
            .during(|| format!("make {}", daemon::CONTROL))
    }
}

/// This binary's file, unless another has taken its name: only a file that has a path can be mounted.
fn own() -> io::Result<Option<File>> {
    let running = fs::metadata(OWN)?;
    let Ok(file) = hold(&fs::read_link(OWN)?) else { return Ok(None) };
    let found = file.metadata()?;
    Ok(((running.dev(), running.ino()) == (found.dev(), found.ino())).then_some(file))
}

fn copied() -> io::Result<File> {
    let copy = Path::new(REAL).join("stand-in");
    // The link's text names no file any more, but it can still be read through.
    io::copy(&mut File::open(OWN)?, &mut File::create(&copy)?)?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    hold(&copy)
}

/// The names of the programs of one back end.
fn name(tool: &str) -> io::Result<()> {
    let Some(backend) = tool.strip_prefix("xtables-").and_then(|rest| rest.strip_suffix("-multi")) else {
        return Ok(());
    };
    for stem in ["iptables", "ip6tables"] {
        for action in ACTIONS {
            symlink(tool, Path::new(REAL).join(format!("{stem}-{backend}{action}")))?;
        }
    }
    Ok(())
}
