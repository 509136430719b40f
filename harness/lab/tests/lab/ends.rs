//! Ends of a case, as a runner and the machine see them: whoever is killed, nothing is left.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use scandrill_lab::{Terminal, Worker, WorkerOptions, machine, unpacked, wait};
use scandrill_model::{Event, What};

const PATIENCE: Duration = Duration::from_secs(20);

/// Tells this binary to be something else than a test: a runner of one case, or a doctor.
const ROLE: &str = "SCANDRILL_LAB_TEST_ROLE";

type Done = Result<(), Failed>;

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("ends/of_the_work_are_told", work_ends),
        Trial::test("ends/of_a_panic_are_told", panics),
        Trial::test("ends/of_the_handle_take_all_with_it", handle_dropped),
        Trial::test("ends/of_many_started_at_once_are_each_their_own", many_at_once),
        Trial::test("what_a_case_writes_is_not_on_the_machine", written),
        Trial::test("what_was_unpacked_lies_over_a_cases_folders", unpacked_seen),
        Trial::test("captures_are_kept_on_the_machine", captures_kept),
        Trial::test("a_shell_has_the_terminal_and_gives_it_back", shell),
        Trial::test("verdicts_are_there_where_they_are_asked_for_and_may_be_loaded", verdicts_asked_for),
        Trial::test("this_machine_can_isolate", || machine::check_isolation().map_err(|un| un.why.into())),
    ];
    for (name, victim) in [
        ("runner", Victim::Runner),
        ("stage0", Victim::Stage0),
        ("init", Victim::Init),
        ("worker", Victim::Worker),
    ] {
        trials.push(Trial::test(format!("ends/killing_the_{name}_leaves_nothing"), move || killing(victim)));
    }
    trials.push(Trial::test("ends/ctrl_c_leaves_nothing", || killing(Victim::CtrlC)));
    trials
}

/// What this process does when a test started it for something else.
pub fn be_a_runner() -> Option<i32> {
    let role = std::env::var(ROLE).ok()?;
    match role.as_str() {
        "runner" => be_a_runner_of_a_hanging_case(),
        "shell" => return Some(be_a_runner_of_a_shell()),
        "unpacked" => be_a_runner_of_the_unpacked(),
        _ => be_a_doctor(),
    }
    Some(0)
}

fn be_a_runner_of_a_hanging_case() {
    let mut worker = Worker::start(b"hang", &WorkerOptions::default()).unwrap();
    let mut events = BufReader::new(worker.take_events()).lines();
    println!("{}", events.next().unwrap().unwrap());
    events.for_each(drop);
    worker.wait().unwrap();
}

/// A case on this process's terminal; afterwards the terminal must be this process's again.
fn be_a_runner_of_a_shell() -> i32 {
    let options = WorkerOptions { terminal: Terminal::Inherit, ..WorkerOptions::default() };
    let code = Worker::start(b"shell", &options).unwrap().wait().unwrap().code;
    assert_eq!(tcgetpgrp(stdin()), Ok(getpgrp()));
    code.unwrap().into()
}

/// Where there can be no lab: what a doctor says, and what a run that is tried all the same says.
fn be_a_doctor() {
    let unable = machine::check_isolation().unwrap_err();
    println!("{}\n{}", unable.why, unable.mend);
    let (code, events) = run_to_end(b"return-7");
    if let What::Problem { error, .. } = serde_json::from_str::<Event>(&events).unwrap().what {
        println!("{code:?} {error}");
    }
}

/// A job's exit code and events.
fn run_to_end(job: &[u8]) -> (Option<u8>, String) {
    let mut worker = Worker::start(job, &WorkerOptions::default()).unwrap();
    let mut events = String::new();
    worker.take_events().read_to_string(&mut events).unwrap();
    (worker.wait().unwrap().code, events)
}

/// What a doctor says in a process of its own.
pub fn run_check() -> std::io::Result<String> {
    let output = myself("check").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn myself(role: &str) -> Command {
    let mut command = command("/proc/self/exe");
    command.arg0("a-users-test").env(ROLE, role);
    command
}

#[expect(clippy::disallowed_methods, reason = "a test of processes starts processes")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn work_ends() -> Done {
    let mut worker = Worker::start(b"return-7", &WorkerOptions::default())?;
    let mut events = Vec::new();
    worker.take_events().read_to_end(&mut events)?;
    let ended = worker.wait()?;
    assert_eq!((ended.code, ended.stderr.as_str(), events.len()), (Some(7), "last words\n", 0));
    Ok(())
}

fn written() -> Done {
    crate::run("the_machines_files_cannot_be_changed")?;
    for path in crate::inside::READ_ONLY.into_iter().chain([crate::inside::MAYBE_OWN]) {
        assert!(!Path::new(path).exists(), "{path}");
    }
    Ok(())
}

/// A package as set-up unpacks it, for labs of a process of its own.
fn unpacked_seen() -> Done {
    let folder = tempfile::tempdir()?;
    for made in ["usr/bin", "etc/unpacked", "var/lib/unpacked", "var/log/unpacked"] {
        fs::create_dir_all(folder.path().join(made))?;
    }
    let program = folder.path().join("usr/bin/unpacked");
    fs::write(&program, "#!/bin/sh\nexec cat /etc/unpacked/greeting\n")?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    fs::write(folder.path().join("etc/unpacked/greeting"), "hello\n")?;
    let output = myself("unpacked").env("SCANDRILL_DAEMONS", folder.path()).output()?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Ok(())\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(fs::read_to_string(folder.path().join("etc/unpacked/greeting"))?, "hello\n");
    Ok(())
}

fn be_a_runner_of_the_unpacked() {
    assert_eq!(machine::find_program("unpacked"), None, "not on the machine");
    assert!(unpacked::program("unpacked").is_some() && unpacked::program("/usr/bin/unpacked").is_some());
    println!("{:?}", crate::run("unpacked"));
}

fn panics() -> Done {
    let (code, events) = run_to_end(b"panic");
    assert_eq!(code, Some(101));
    let event: Event = serde_json::from_str(&events)?;
    let expected = What::Problem { operation: "work".to_owned(), error: "panicked: on purpose".to_owned() };
    assert_eq!(event.what, expected);
    Ok(())
}

/// All files of the machine are read-only inside; this folder was opened before.
fn captures_kept() -> Done {
    let folder = std::env::temp_dir().join(format!("scandrill-lab-test-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let options = WorkerOptions { captures: Some(folder.clone()), ..WorkerOptions::default() };
    let ended = Worker::start(b"capture", &options)?.wait()?;
    let kept = fs::read_to_string(folder.join("red.pcapng"));
    fs::remove_dir_all(&folder)?;
    assert_eq!((ended.code, kept?.as_str()), (Some(0), "packets"), "{}", ended.stderr);
    Ok(())
}

/// Who may load BPF gets it, and others start all the same.
fn verdicts_asked_for() -> Done {
    for verdicts in [false, true] {
        let options = WorkerOptions { verdicts, ..WorkerOptions::default() };
        let ended = Worker::start(b"verdicts", &options)?.wait()?;
        assert_eq!(ended.code, Some(u8::from(verdicts && may_load_programs()?)), "{}", ended.stderr);
    }
    Ok(())
}

/// Whether this process has CAP_BPF or CAP_SYS_ADMIN, and has them of the machine rather than of a user namespace.
fn may_load_programs() -> std::io::Result<bool> {
    const CAPABILITIES: u64 = 1 << 39 | 1 << 21;
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default().trim();
    let ids = fs::read_to_string("/proc/self/uid_map")?;
    let is_first = ids.split_whitespace().eq(["0", "0", "4294967295"]);
    Ok(is_first && u64::from_str_radix(effective, 16).unwrap_or(0) & CAPABILITIES != 0)
}

fn handle_dropped() -> Done {
    let (worker, namespace) = start_hanging()?;
    assert!(inhabitants(&namespace).len() >= 5, "{:?}", inhabitants(&namespace));
    drop(worker);
    assert_eq!(inhabitants(&namespace), []);
    Ok(())
}

fn start_hanging() -> Result<(Worker, String), Failed> {
    let mut worker = Worker::start(b"hang", &WorkerOptions::default())?;
    let mut namespace = String::new();
    BufReader::new(worker.take_events()).read_line(&mut namespace)?;
    Ok((worker, namespace.trim().to_owned()))
}

/// A lifeline that another worker had inherited would keep a case alive after its handle is gone.
fn many_at_once() -> Done {
    let starts: Vec<_> =
        (0..6).map(|_| thread::spawn(|| start_hanging().map_err(|f| format!("{f:?}")))).collect();
    let started: Result<Vec<_>, _> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    let mut started = started?;
    while let Some((worker, namespace)) = started.pop() {
        drop(worker);
        assert_eq!(inhabitants(&namespace), []);
        for (_, other) in &started {
            assert!(inhabitants(other).len() >= 5, "{:?}", inhabitants(other));
        }
    }
    Ok(())
}

/// A shell in a host, on a terminal, by a person's hands.
fn shell() -> Done {
    let terminal = openpty(None, None)?;
    // setsid(1) makes the terminal the controlling one of a session of its own.
    let mut session = command("setsid");
    session.args(["--ctty", "--wait"]).arg(std::env::current_exe()?).env(ROLE, "shell");
    session.stdin(terminal.slave.try_clone()?).stdout(terminal.slave.try_clone()?).stderr(terminal.slave);
    let mut running = session.spawn()?;
    drop(session);
    let mut hands = File::from(terminal.master);
    hands.write_all(b"grep -c eth0 /proc/self/net/dev; jobs; exit 5\n")?;
    let mut screen = Vec::new();
    // A terminal whose last user has gone ends with an error; what was read before it stays.
    let _ = hands.read_to_end(&mut screen);
    let screen = String::from_utf8_lossy(&screen);
    assert_eq!(running.wait()?.code(), Some(5), "{screen}");
    // Before its answer, the shell switches bracketed paste off and goes to the line's start.
    assert!(screen.contains("\r1\r\n") && !screen.contains("no job control"), "{screen}");
    Ok(())
}

#[derive(Clone, Copy)]
enum Victim {
    Runner,
    Stage0,
    Init,
    Worker,
    CtrlC,
}

fn killing(victim: Victim) -> Done {
    let mut runner = myself("runner").stdout(Stdio::piped()).process_group(0).spawn()?;
    let mut namespace = String::new();
    BufReader::new(runner.stdout.take().unwrap()).read_line(&mut namespace)?;
    let namespace = namespace.trim();
    let all = inhabitants(namespace);
    assert!(all.len() >= 5, "{all:?}");
    let init = all.iter().copied().find(|&pid| inner_pid(pid) == Some(1)).unwrap();
    let stage0 = parent(init).unwrap();
    match victim {
        Victim::Runner => kill(pid_of(&runner), Signal::SIGKILL)?,
        Victim::Stage0 => kill(stage0, Signal::SIGKILL)?,
        Victim::Init => kill(init, Signal::SIGKILL)?,
        Victim::Worker => {
            let worker = all.iter().copied().find(|&pid| parent(pid) == Some(init) && is_ours(pid)).unwrap();
            kill(worker, Signal::SIGKILL)?;
        }
        Victim::CtrlC => killpg(pid_of(&runner), Signal::SIGINT)?,
    }
    let gone = || Ok((inhabitants(namespace).is_empty() && !is_ours(stage0)).then_some(()));
    let ended = wait::until_blocking("end of everything inside", PATIENCE, gone);
    runner.wait()?;
    Ok(ended?)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// All processes of a PID namespace, as this one sees them.
fn inhabitants(namespace: &str) -> Vec<Pid> {
    assert!(namespace.starts_with("pid:["), "{namespace}");
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let inside = |pid: &i32| {
        fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|link| link.to_str() == Some(namespace))
    };
    all.filter(inside).map(Pid::from_raw).collect()
}

fn status(pid: Pid, key: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned))
}

/// The id that a process has in its own namespace.
fn inner_pid(pid: Pid) -> Option<i32> {
    status(pid, "NSpid:")?.split_whitespace().last()?.parse().ok()
}

fn parent(pid: Pid) -> Option<Pid> {
    status(pid, "PPid:")?.trim().parse().ok().map(Pid::from_raw)
}

/// Whether it is alive and one of a case's own three processes.
fn is_ours(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with("scandrill-lab\0"))
}
