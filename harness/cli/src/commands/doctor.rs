//! `scandrill doctor`: each need of this machine, there or with the command that mends it. It changes nothing.

use scandrill_lab::{SCTP_LIBRARY, has_sctp, machine, unpacked};
use scandrill_model::Backend;

use crate::console::Console;
use crate::failure::Failure;

/// A need of this machine.
struct Need {
    name: String,
    /// What is there, or why it is not.
    found: Found,
}

enum Found {
    Here(String),
    Missing {
        why: String,
        mend: String,
        weight: Weight,
    },
    /// Only what names it needs it, and nothing built in does.
    Absent {
        mend: String,
    },
}

/// What a missing need costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Some cases are skipped.
    Some,
    /// No case can run.
    All,
}

/// Prints every need.
pub fn run(console: Console) -> Result<u8, Failure> {
    let needs: Vec<Need> = [isolation(), user_ids(), sctp(), daemons_of_labs()]
        .into_iter()
        .chain(programs())
        .chain(further_scanners())
        .collect();
    let width = needs.iter().map(|need| need.name.len()).max().unwrap_or_default();
    let kernel = format!("Linux {}, {} processors", machine::kernel_release(), machine::cores());
    let lines: Vec<String> = needs.iter().map(|need| line(need, width, console.colored_out())).collect();
    console.out(&format!("{kernel}\n\n{}\n\n{}", lines.join("\n"), summary(&needs)))?;
    Ok(exit_code(&needs))
}

fn isolation() -> Need {
    let found = match machine::check_isolation() {
        Ok(()) if machine::is_root() => Found::Here("namespaces, as root".to_owned()),
        Ok(()) => Found::Here("namespaces, as an ordinary user".to_owned()),
        Err(unable) => Found::Missing { why: unable.why, mend: unable.mend, weight: Weight::All },
    };
    Need { name: "isolation".to_owned(), found }
}

fn user_ids() -> Need {
    let found = match machine::check_user_id_range() {
        None => Found::Here("more than one in a lab".to_owned()),
        Some(unable) => Found::Missing { why: unable.why, mend: unable.mend, weight: Weight::Some },
    };
    Need { name: "user ids".to_owned(), found }
}

fn sctp() -> Need {
    let found = if has_sctp() {
        Found::Here("its ports can be opened".to_owned())
    } else {
        Found::Missing {
            why: format!("neither in the kernel as it runs nor by {SCTP_LIBRARY}"),
            mend: install("libusrsctp2"),
            weight: Weight::Some,
        }
    };
    Need { name: "sctp".to_owned(), found }
}

/// The daemons that labs start: unpacked for them alone, or the machine's own.
fn daemons_of_labs() -> Need {
    let folder = unpacked::folder();
    let is_here = |name: &str| machine::find_program(name).or_else(|| unpacked::program(name)).is_some();
    let packages = |wanted: &dyn Fn(&[&str]) -> bool| {
        let wanted = unpacked::PACKAGES.iter().filter(|(_, programs)| wanted(programs));
        wanted.map(|(package, _)| *package).collect::<Vec<_>>().join(", ")
    };
    let missing = packages(&|programs| !programs.iter().all(|name| is_here(name)));
    let found = if missing.is_empty() {
        let is_unpacked = |programs: &[&str]| programs.iter().all(|name| unpacked::program(name).is_some());
        let unpacked = packages(&is_unpacked);
        let installed = packages(&|programs| !is_unpacked(programs));
        let parts = [(unpacked, format!("in {}", folder.display())), (installed, "installed".to_owned())];
        let parts = parts.into_iter().filter(|(packages, _)| !packages.is_empty());
        Found::Here(
            parts.map(|(packages, place)| format!("{place}: {packages}")).collect::<Vec<_>>().join("; "),
        )
    } else {
        Found::Missing {
            why: format!("neither installed nor in {}: {missing}", folder.display()),
            mend: "./setup.sh, which unpacks them for labs alone".to_owned(),
            weight: Weight::Some,
        }
    };
    Need { name: "daemons".to_owned(), found }
}

/// Every program that a scanner or a layer may use, with the Debian package that has it.
fn programs() -> Vec<Need> {
    let backends = [Backend::Nft, Backend::Legacy]
        .into_iter()
        .flat_map(|backend| ["iptables", "ip6tables"].map(|name| (format!("{name}-{backend}"), "iptables")));
    let others = [
        ("nmap", "nmap"),
        ("nft", "nftables"),
        ("ipset", "ipset"),
        ("bash", "bash"),
        ("sysctl", "procps"),
        ("tcpdump", "tcpdump"),
        ("ethtool", "ethtool"),
    ];
    let others = others.into_iter().map(|(name, package)| (name.to_owned(), package));
    others.chain(backends).map(|(name, package)| program(name, package)).collect()
}

/// Scanners that set-up does not install.
fn further_scanners() -> Vec<Need> {
    let scanner = |name: &str| {
        let absent = Found::Absent { mend: install(name) };
        Need { name: name.to_owned(), found: here(name).unwrap_or(absent) }
    };
    ["masscan", "zmap"].map(scanner).into()
}

fn program(name: String, package: &str) -> Need {
    let found = here(&name).unwrap_or_else(|| Found::Missing {
        why: "not installed".to_owned(),
        mend: install(package),
        weight: Weight::Some,
    });
    Need { name, found }
}

fn here(name: &str) -> Option<Found> {
    let path = machine::find_program(name)?;
    Some(Found::Here(machine::program_version(name).unwrap_or_else(|| path.display().to_string())))
}

fn install(package: &str) -> String {
    format!("sudo apt-get install {package}")
}

fn line(need: &Need, width: usize, colored: bool) -> String {
    let (word, color, said) = match &need.found {
        Found::Here(what) => ("ok", "32", what.clone()),
        Found::Missing { why, mend, .. } => {
            ("missing", "31", format!("{why}\n{:width$}           {mend}", ""))
        }
        Found::Absent { mend } => ("absent", "33", mend.clone()),
    };
    let padded = format!("{word:<7}");
    let word = if colored { format!("\x1b[{color}m{padded}\x1b[0m") } else { padded };
    format!("{word}  {:width$}  {said}", need.name)
}

fn worst(needs: &[Need]) -> Option<Weight> {
    let weights = needs.iter().filter_map(|need| match need.found {
        Found::Missing { weight, .. } => Some(weight),
        Found::Here(_) | Found::Absent { .. } => None,
    });
    weights.max()
}

fn summary(needs: &[Need]) -> &'static str {
    match worst(needs) {
        None => "everything is here",
        Some(Weight::Some) => "cases that need what is missing are skipped",
        Some(Weight::All) => "no case can run on this machine as it is",
    }
}

fn exit_code(needs: &[Need]) -> u8 {
    match worst(needs) {
        None => 0,
        Some(Weight::Some) => 4,
        Some(Weight::All) => 3,
    }
}
