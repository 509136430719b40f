//! What runs in workers: one function a test, chosen by the job's name.

use std::fs;
use std::future::pending;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use scandrill_lab::{
    Client, Finished, Host, Inside, Lab, LabError, backend_program, choose_backend, create_in, machine,
    start_services, wait,
};
use scandrill_model::{Backend, CommandLine, Protocol, ServiceKind, ServicePlan, Speaks};

use crate::plans::{self, SERVICES, TARGET, shell};

/// Long enough for a loaded machine, short enough to fail.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub type Done = Result<(), Box<dyn std::error::Error>>;
pub type Job = fn(Inside) -> Done;

/// Files that a case tries to make on the machine.
pub const READ_ONLY: [&str; 2] = ["/usr/scandrill-was-here", "/scandrill-was-here"];
/// As [`READ_ONLY`], where it may get one of its own instead.
pub const MAYBE_OWN: &str = "/var/scandrill-was-here";

pub const JOBS: &[(&str, Job)] = &[
    ("a_pair_is_served_over_both_families", |_| within(served(plans::pair(), &["red"]))),
    ("a_switch_joins_three_hosts", |_| within(served(plans::switched(), &["red", "green"]))),
    ("a_link_carries_the_first_packet", |_| within(first_packets())),
    ("a_reply_leaves_from_the_address_that_was_asked", |_| within(second_address())),
    ("routes_are_those_of_the_plan_and_none_leads_out", |_| within(routes())),
    ("building_and_removing_leaks_nothing", |_| within(no_leaks())),
    ("a_sysctl_that_does_not_hold_is_an_error", |_| within(sysctls())),
    ("a_program_is_heard_and_fed", |_| within(programs())),
    ("a_program_past_its_deadline_is_killed_whole", |_| within(killed_whole())),
    ("tasks_run_in_their_host", |_| within(tasks())),
    ("a_port_that_cannot_be_bound_is_named", |_| within(port_in_use())),
    ("services_end_with_their_guard", |_| within(services_end())),
    ("neighbours_are_forgotten", |_| within(neighbours())),
    ("the_machines_files_cannot_be_changed", |_| files()),
    ("the_plain_names_are_the_chosen_back_end", |_| back_ends()),
    ("a_machine_without_user_namespaces_is_told_how_to_mend_it", |_| no_user_namespaces()),
];

/// Jobs of runner-side tests.
const ENDS: &[(&str, Job)] = &[
    ("unpacked", |_| within(unpacked())),
    ("record", crate::record::record_in_lab),
    ("capture", capture),
    ("panic", |_| panic!("on purpose")),
    ("hang", hang),
];

pub fn work(job: Vec<u8>, inside: Inside) -> u8 {
    let name = String::from_utf8(job).unwrap();
    if name == "return-7" {
        eprintln!("last words");
        return 7;
    }
    if name == "verdicts" {
        return u8::from(inside.verdicts.is_some());
    }
    if name == "shell" {
        return u8::try_from(within(shell_in_red()).unwrap()).unwrap();
    }
    let (_, job) = crate::jobs().chain(ENDS).find(|(known, _)| *known == name).unwrap();
    job(inside).map_or_else(
        |error| {
            eprintln!("{error}");
            1
        },
        |()| 0,
    )
}

pub fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Every service is reached from every asker, over both families, at once after the build.
async fn served(plan: scandrill_model::LabPlan, askers: &[&str]) -> Done {
    let lab = Lab::build(&plan).await?;
    let _services = start_services(lab.host("target")?, &SERVICES).await?;
    for asker in askers {
        for speaks in [Speaks::Tcp, Speaks::Session, Speaks::Http, Speaks::Udp, Speaks::Dns, Speaks::Ping] {
            for (index, target) in TARGET.iter().enumerate() {
                let source = own_address(asker, index);
                ask(lab.host(asker)?, speaks, source, target)
                    .await
                    .map_err(|error| format!("{asker} {speaks} from {source} to {target}: {error}"))?;
            }
        }
    }
    Ok(lab.remove().await?)
}

pub fn own_address(asker: &str, family: usize) -> IpAddr {
    let number = if asker == "red" { 2 } else { 3 };
    let text = if family == 0 { format!("198.18.0.{number}") } else { format!("fd00:198:18::{number}") };
    text.parse().unwrap()
}

pub async fn ask(host: &Host, speaks: Speaks, source: IpAddr, target: &str) -> Result<(), String> {
    let target: IpAddr = target.parse().unwrap();
    let port = match speaks {
        Speaks::Tcp | Speaks::Session => 22,
        Speaks::Http => 80,
        Speaks::Udp => 7,
        Speaks::Dns => 53,
        Speaks::Ping => 0,
    };
    let task = host.spawn(async move || Client::new(speaks, source, target, port).request(PATIENCE).await);
    task.await.map_err(|error| error.to_string())?
}

/// A link that drops its first packets would make a scan's first ports read filtered.
async fn first_packets() -> Done {
    for round in 0..50 {
        let lab = Lab::build(&plans::pair()).await?;
        let _services = start_services(lab.host("target")?, &SERVICES[2..3]).await?;
        for (index, target) in TARGET.iter().enumerate() {
            // Nobody repeats a lost datagram.
            let answered = ask(lab.host("red")?, Speaks::Udp, own_address("red", index), target).await;
            answered.map_err(|error| format!("round {round}, {target}: {error}"))?;
        }
        lab.remove().await?;
    }
    Ok(())
}

async fn second_address() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let _services = start_services(lab.host("target")?, &SERVICES).await?;
    // The client's socket takes replies from the address that it asked alone.
    Ok(ask(lab.host("red")?, Speaks::Udp, "198.18.0.2".parse()?, "198.18.0.101").await?)
}

async fn routes() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let read = |host: &Host, file: &'static str| host.spawn(async move || fs::read_to_string(file).unwrap());
    let v4 = read(lab.host("target")?, "/proc/thread-self/net/route").await?;
    let v6 = read(lab.host("red")?, "/proc/thread-self/net/ipv6_route").await?;
    // Both files are in hexadecimal; the first has its addresses in the machine's byte order.
    assert!(v4.contains("000212C6\t020012C6"), "{v4}");
    assert!(v6.contains("fd000198001800030000000000000000 40"), "{v6}");
    for host in lab.hosts() {
        let v4 = read(host, "/proc/thread-self/net/route").await?;
        assert!(!v4.lines().any(|line| line.split('\t').nth(1) == Some("00000000")), "{v4}");
        let v6 = read(host, "/proc/thread-self/net/ipv6_route").await?;
        let leads_out = |line: &str| line.starts_with(&"0".repeat(32)) && !line.trim_end().ends_with("lo");
        assert!(!v6.lines().any(leads_out), "{v6}");
    }
    Ok(())
}

async fn no_leaks() -> Done {
    // The first build allocates what the process keeps.
    Lab::build(&plans::switched()).await?.remove().await?;
    let before = held();
    for _ in 0..100 {
        let lab = Lab::build(&plans::switched()).await?;
        let services = start_services(lab.host("target")?, &SERVICES).await?;
        ask(lab.host("red")?, Speaks::Http, own_address("red", 0), TARGET[0]).await?;
        drop(services);
        lab.remove().await?;
    }
    assert_eq!(held(), before, "open files and threads");
    // Without an explicit end, a lab goes as well, a little later.
    drop(Lab::build(&plans::pair()).await?);
    wait::until("end of a dropped lab", PATIENCE, async || Ok((held() == before).then_some(()))).await?;
    Ok(())
}

fn held() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

async fn sysctls() -> Done {
    let mut plan = plans::pair();
    plan.hosts[0].sysctls.push(plans::sysctl("net.ipv4.tcp_syncookies", "2"));
    let lab = Lab::build(&plan).await?;
    for (host, expected) in [("target", "2"), ("red", "1")] {
        let read = async || fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").unwrap();
        assert_eq!(lab.host(host)?.spawn(read).await?.trim(), expected, "{host}");
    }
    lab.remove().await?;
    // The kernel takes it, and holds something else than these words.
    plan.hosts[0].sysctls.push(plans::sysctl("net.ipv4.ip_default_ttl", "0x40"));
    let told = Lab::build(&plan).await.unwrap_err().to_string();
    assert_eq!(told, "sysctl net.ipv4.ip_default_ttl: set to `0x40`, reads `64`");
    plan.hosts[0].sysctls.pop();
    plan.hosts[0].sysctls.push(plans::sysctl("net.ipv4.no_such_key", "1"));
    let told = Lab::build(&plan).await.unwrap_err().to_string();
    assert_eq!(told, "set sysctl net.ipv4.no_such_key to `1`: No such file or directory (os error 2)");
    Ok(())
}

async fn programs() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let red = lab.host("red")?;
    let run = |script: &str, input: Option<&[u8]>| {
        let (command, input) = (shell(script), input.map(<[u8]>::to_vec));
        async move { red.output(&command, input, PATIENCE).await }
    };
    let seen =
        run("cat; echo to-stderr >&2; cat /proc/self/net/dev | grep -c eth0; exit 3", Some(b"fed ")).await?;
    let expected = Finished { status: Some(3), stdout: b"fed 1\n".to_vec(), stderr: b"to-stderr\n".to_vec() };
    assert_eq!(seen, expected);
    assert_eq!(run("kill -9 $$", None).await?.status, None);
    // More than any pipe holds, both ways at once.
    let much = vec![b'x'; 1 << 20];
    assert_eq!(run("cat", Some(&much)).await?.stdout.len(), much.len());
    let told = run("echo why not >&2; false", None).await?.success(&shell("false")).unwrap_err().to_string();
    assert_eq!(told, "sh -c false: exit code 1: why not");
    let nowhere = CommandLine { program: "no-such-program".to_owned(), args: Vec::new() };
    let told = red.output(&nowhere, None, PATIENCE).await.unwrap_err().to_string();
    assert_eq!(told, "program `no-such-program` not found");
    Ok(lab.remove().await?)
}

async fn killed_whole() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let script = shell("sleep 1000 & sleep 1001");
    let ended = lab.host("red")?.output(&script, None, Duration::from_millis(300)).await;
    assert!(matches!(ended, Err(LabError::Deadline { .. })), "{ended:?}");
    // One that is dead but not reaped would be counted, too.
    assert_eq!(count_processes("sh"), 0);
    let sleepers = async || Ok((count_processes("sleep") == 0).then_some(()));
    wait::until("end of all sleepers", PATIENCE, sleepers).await?;
    Ok(lab.remove().await?)
}

pub fn count_processes(name: &str) -> usize {
    let commands = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        fs::read_to_string(path.join("comm")).ok()
    });
    commands.filter(|command| command.trim() == name).count()
}

async fn tasks() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let interface = || fs::read_to_string("/proc/thread-self/net/dev").unwrap().contains("eth0");
    assert!(lab.host("red")?.spawn(async move || interface()).await?);
    assert!(lab.host("red")?.blocking(interface).await?);
    assert!(!interface(), "the worker itself is in no host");
    let lost = lab.host("red")?.spawn(async || panic!("on purpose")).await;
    assert!(matches!(lost, Err::<(), _>(LabError::TaskLost { .. })));
    let lost = lab.host("red")?.blocking(|| panic!("on purpose")).await;
    assert!(matches!(lost, Err::<(), _>(LabError::TaskLost { .. })));
    lab.host("red")?.spawn(async || pending::<()>().await).stop().await;
    assert_eq!(lab.host("moon").unwrap_err().to_string(), "no host `moon` in this lab");
    let red = lab.host("red")?.clone();
    lab.remove().await?;
    assert!(matches!(red.spawn(async || ()).await, Err(LabError::TaskLost { .. })));
    Ok(())
}

async fn port_in_use() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let twice = [SERVICES[0], ServicePlan { protocol: Protocol::Tcp, port: 22, kind: ServiceKind::Http }];
    let told = start_services(lab.host("target")?, &twice).await.unwrap_err().to_string();
    assert_eq!(told, "service tcp/22 http on target: bind 0.0.0.0:22: Address already in use (os error 98)");
    // Nothing of the failed attempt is left on the port.
    let _services = start_services(lab.host("target")?, &twice[..1]).await?;
    Ok(lab.remove().await?)
}

async fn services_end() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let services = start_services(lab.host("target")?, &SERVICES).await?;
    let (red, source) = (lab.host("red")?, own_address("red", 0));
    ask(red, Speaks::Tcp, source, TARGET[0]).await?;
    drop(services);
    let refused = async || {
        let told = ask(red, Speaks::Tcp, source, TARGET[0]).await.err();
        Ok(told.filter(|told| told.contains("refused")))
    };
    wait::until("refusal on a closed port", PATIENCE, refused).await?;
    Ok(lab.remove().await?)
}

async fn neighbours() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let _services = start_services(lab.host("target")?, &SERVICES).await?;
    let (red, source) = (lab.host("red")?, own_address("red", 0));
    let known = async || {
        let table =
            red.spawn(async || fs::read_to_string("/proc/thread-self/net/arp").unwrap()).await.unwrap();
        table.contains("02:00:00:00:00:01")
    };
    // A datagram and its answer: nothing follows that could make the host ask again.
    ask(red, Speaks::Udp, source, TARGET[0]).await?;
    assert!(known().await);
    red.forget_neighbours().await?;
    assert!(!known().await);
    ask(red, Speaks::Udp, source, TARGET[0]).await?;
    Ok(lab.remove().await?)
}

fn files() -> Done {
    for path in READ_ONLY {
        assert!(fs::write(path, "").is_err(), "{path}");
    }
    // Where daemons lie over it, the case has a /var of its own.
    drop(fs::write(MAYBE_OWN, ""));
    for path in ["/etc/sysctl.conf", "/etc/alternatives/mine", "/run/mine", "/tmp/mine", "/var/log/mine"] {
        let made = Path::new(path).with_extension("new");
        fs::write(&made, "mine").map_err(|error| format!("{path}: {error}"))?;
        fs::rename(&made, path).map_err(|error| format!("{path}: {error}"))?;
        assert_eq!(fs::read_to_string(path)?, "mine");
    }
    assert!(fs::read_to_string("/proc/1/cmdline")?.starts_with("scandrill-lab\0"));
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname")?.trim(), "scandrill");
    Ok(())
}

async fn unpacked() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let greeting = shell("unpacked; echo changed > /etc/unpacked/greeting; unpacked");
    let told = lab.host("red")?.output(&greeting, None, PATIENCE).await?;
    assert_eq!(String::from_utf8_lossy(&told.stdout), "hello\nchanged\n");
    for path in ["/etc/unpacked/mine", "/var/lib/unpacked/mine", "/var/log/unpacked/mine"] {
        fs::write(path, "mine").map_err(|error| format!("{path}: {error}"))?;
    }
    assert!(fs::write("/usr/bin/unpacked", "").is_err());
    Ok(lab.remove().await?)
}

fn back_ends() -> Done {
    for (backend, words) in [(Backend::Legacy, "(legacy)"), (Backend::Nft, "(nf_tables)")] {
        choose_backend(backend)?;
        for name in ["iptables", "iptables-restore", "ip6tables-save"] {
            let version = machine::program_version(name);
            if let Some(there) = backend_program(backend, name) {
                assert!(
                    there.ends_with(name.replace("tables", &format!("tables-{backend}"))),
                    "{}",
                    there.display()
                );
                assert!(
                    version.as_ref().is_some_and(|version| version.contains(words)),
                    "{name}: {version:?}"
                );
            } else {
                assert_eq!(version, None, "{name} without {backend}");
            }
        }
    }
    Ok(())
}

/// A user namespace may forbid others inside of it, as a machine may.
fn no_user_namespaces() -> Done {
    fs::write("/proc/sys/user/max_user_namespaces", "0")?;
    let told = crate::ends::run_check()?;
    let why = "user namespaces are switched off (user.max_user_namespaces = 0)";
    let mend = "sudo sysctl -w user.max_user_namespaces=15000";
    let problem = "make user, mount, network, IPC, UTS and PID namespaces: ENOSPC: No space left on device";
    assert_eq!(told, format!("{why}\n{mend}\nSome(125) {problem}\n"));
    Ok(())
}

async fn shell_in_red() -> Result<i32, Box<dyn std::error::Error>> {
    let lab = Lab::build(&plans::pair()).await?;
    let bash = CommandLine { program: "bash".to_owned(), args: vec!["--norc".to_owned(), "-i".to_owned()] };
    let code = lab.host("red")?.interactive(&bash).await?;
    lab.remove().await?;
    Ok(code)
}

fn capture(inside: Inside) -> Done {
    let mut file = create_in(&inside.captures.unwrap(), "red.pcapng")?;
    Ok(file.write_all(b"packets")?)
}

/// Holds a lab with programs in it, one of them in a session of its own, until somebody ends it.
fn hang(mut inside: Inside) -> Done {
    within(async move {
        let lab = Lab::build(&plans::pair()).await?;
        let _services = start_services(lab.host("target")?, &SERVICES).await?;
        let script = shell("setsid sleep 1000 >/dev/null 2>&1 & setsid -f sleep 1000; sleep 1000");
        let red = lab.host("red")?;
        let (ended, told) = tokio::join!(red.output(&script, None, Duration::from_secs(1000)), async {
            let started = async || Ok((count_processes("sleep") == 3).then_some(()));
            wait::until("start of all sleepers", PATIENCE, started).await?;
            let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
            writeln!(inside.events, "{}", namespace.display()).unwrap();
            Ok::<_, LabError>(())
        });
        told?;
        Err(format!("{ended:?}").into())
    })
}
