//! What an administrator needs: programs that run beside others and end whole, a session that tells when it is cut, and a
//! host that boots.

use std::fs;
use std::net::IpAddr;

use scandrill_lab::{
    Beside, Capture, Client, Host, Lab, LabError, PacketSocket, Wanted, clock, install_shared, snapshot,
    start_services, wait,
};
use scandrill_model::{Backend, LabPlan, Loader, Speaks, Step};

use crate::inside::{Done, Job, PATIENCE, ask, count_processes, own_address, within};
use crate::plans::{self, SERVICES, TARGET, shell};
use crate::wire::{TARGET_MAC, datagram, probe};

pub const JOBS: &[(&str, Job)] = &[
    ("nothing_that_a_command_started_outlives_it", |_| within(alone())),
    ("a_program_beside_is_waited_for_and_interrupted", |_| within(beside())),
    ("a_session_tells_when_it_is_cut", |_| within(session())),
    ("a_boot_leaves_nothing_but_files", |_| within(boot())),
    ("a_host_boots_with_its_links_down", |_| within(links_down())),
    ("a_capture_starts_before_its_link_is_up", |_| within(captured_boot())),
    ("a_booted_host_gets_the_first_packet", |_| within(first_packets())),
    ("a_shared_defense_takes_off_what_others_put_in", |_| within(shared())),
];

fn target_address(family: usize) -> IpAddr {
    TARGET[family].parse().unwrap()
}

pub async fn no_sleeper() -> Done {
    let none = async || Ok((count_processes("sleep") == 0).then_some(()));
    Ok(wait::until("end of all sleepers", PATIENCE, none).await?)
}

/// One that holds the pipes, and one that does not.
async fn alone() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let started = clock::now();
    let script = shell("sleep 1000 & sleep 1001 > /dev/null 2>&1 & echo done; exit 4");
    let ended = lab.host("red")?.alone(&script, PATIENCE).await?;
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(4), b"done\n".as_slice()));
    assert!(clock::now().since(started) < PATIENCE, "it was waited for what it left behind");
    no_sleeper().await?;
    Ok(lab.remove().await?)
}

fn start(host: &Host, script: &str) -> Result<Beside, Box<dyn std::error::Error>> {
    Ok(host.beside(&shell(script), PATIENCE)?)
}

async fn beside() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let red = lab.host("red")?;
    let says = |word: &'static str| move |said: &[u8]| String::from_utf8_lossy(said).contains(word);
    let mut looping = start(red, "trap 'echo ended; exit 5' INT; sleep 1000 & echo ready; wait")?;
    looping.until(PATIENCE, says("ready")).await?;
    let ended = looping.interrupt().await?;
    assert_eq!((ended.status, ended.stdout.as_slice()), (Some(5), b"ready\nended\n".as_slice()));
    no_sleeper().await?;
    // Who ends before he is ready is not waited for.
    let mut short = start(red, "echo no; exit 6")?;
    short.until(PATIENCE, says("ready")).await?;
    assert_eq!(short.interrupt().await?.status, Some(6));
    let mut mute = start(red, "exec sleep 1000")?;
    let told = mute.until(std::time::Duration::from_millis(50), says("ready")).await.unwrap_err();
    assert!(told.to_string().contains("when it is ready"), "{told}");
    assert_eq!(mute.interrupt().await?.status, None, "a signal ended it");
    Ok(lab.remove().await?)
}

async fn session() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let red = lab.host("red")?.clone();
    for family in [0, 1] {
        let services = start_services(lab.host("target")?, &SERVICES).await?;
        let (source, target) = (own_address("red", family), target_address(family));
        let mut client = Client::new(Speaks::Session, source, target, 22);
        for _ in 0..3 {
            let (back, answered) = request(&red, client).await?;
            assert_eq!(answered, Ok(()));
            client = back;
        }
        // The service goes away, and with it its end of the connection.
        drop(services);
        let refused = async || {
            let told = ask(&red, Speaks::Tcp, source, TARGET[family]).await.err();
            Ok(told.filter(|told| told.contains("refused")))
        };
        wait::until("refusal on a closed port", PATIENCE, refused).await?;
        let (back, answered) = request(&red, client).await?;
        assert!(answered.unwrap_err().starts_with("the session was cut: "));
        let (_, answered) = request(&red, back).await?;
        assert!(answered.unwrap_err().starts_with("the session was cut before: "));
    }
    Ok(lab.remove().await?)
}

async fn request(host: &Host, mut client: Client) -> Result<(Client, Result<(), String>), LabError> {
    let asked = host.spawn(async move || {
        let answered = client.request(PATIENCE).await;
        (client, answered)
    });
    asked.await
}

const RULES: &str = "iptables -A INPUT -p tcp --dport 23 -m recent --set\n\
    ip6tables -A INPUT -p tcp --dport 23 -j DROP\nnft add table inet mine\n";

async fn rules(host: &Host) -> Done {
    let step = |text: &str| Step::Load {
        loader: Loader::Script { backend: Backend::Nft },
        text: text.to_owned(),
        origin: "mine".to_owned(),
    };
    drop(scandrill_lab::install(host, &[step(RULES)]).await?);
    Ok(())
}

/// Boots the target with its links, and serves again.
async fn boot_whole(lab: &Lab, plan: &LabPlan) -> Done {
    lab.reboot(plan, "target").await?;
    lab.connect(plan, "target").await?;
    Ok(())
}

async fn boot() -> Done {
    for plan in [plans::pair(), plans::switched()] {
        let lab = Lab::build(&plan).await?;
        let target = lab.host("target")?;
        let services = start_services(target, &SERVICES).await?;
        rules(target).await?;
        for folder in ["/run", "/tmp", "/etc", "/var/log"] {
            fs::write(format!("{folder}/was-here"), "")?;
        }
        let script = shell("setsid sleep 1000 > /dev/null 2>&1 & echo started");
        target.output(&script, None, PATIENCE).await?.success(&script)?;
        drop(services);
        boot_whole(&lab, &plan).await?;
        assert!(snapshot(target, &[]).await?.is_empty());
        no_sleeper().await?;
        let left: Vec<bool> = ["/run", "/tmp", "/etc", "/var/log"]
            .map(|folder| fs::exists(format!("{folder}/was-here")).unwrap())
            .into();
        assert_eq!(left, [false, false, true, true]);
        let _services = start_services(target, &SERVICES).await?;
        for family in [0, 1] {
            for speaks in [Speaks::Tcp, Speaks::Udp, Speaks::Ping] {
                let asked = ask(lab.host("red")?, speaks, own_address("red", family), TARGET[family]).await;
                asked.map_err(|why| format!("{speaks} over family {family}: {why}"))?;
            }
        }
        let key = async || fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap();
        assert_eq!(target.spawn(key).await?.trim(), "64");
        lab.remove().await?;
    }
    Ok(())
}

async fn links_down() -> Done {
    let plan = plans::pair();
    let lab = Lab::build(&plan).await?;
    lab.reboot(&plan, "target").await?;
    let target = lab.host("target")?;
    let state = async || fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap();
    assert!(!target.spawn(state).await?.contains("198.18.0.1"), "it has its address before its links are up");
    let listed = shell("cat /proc/self/net/dev");
    let listed = target.output(&listed, None, PATIENCE).await?.stdout;
    assert!(String::from_utf8_lossy(&listed).contains("eth0"));
    lab.connect(&plan, "target").await?;
    assert!(target.spawn(state).await?.contains("198.18.0.1"));
    Ok(lab.remove().await?)
}

async fn captured_boot() -> Done {
    let plan = plans::pair();
    let lab = Lab::build(&plan).await?;
    let target = lab.host("target")?;
    lab.reboot(&plan, "target").await?;
    let capture = Capture::start(target, "eth0", 64).await?;
    lab.connect(&plan, "target").await?;
    let _services = start_services(target, &SERVICES).await?;
    ask(lab.host("red")?, Speaks::Udp, own_address("red", 0), TARGET[0]).await?;
    let captured = capture.stop().await?;
    assert_eq!(captured.dropped, 0);
    let datagrams = captured.packets.iter().filter(|packet| packet.bytes.get(23) == Some(&17));
    assert_eq!(datagrams.count(), 2, "a question and its answer");
    Ok(lab.remove().await?)
}

/// Through a switch, too, which shuts the port of a link without a carrier.
async fn first_packets() -> Done {
    for plan in [plans::pair(), plans::switched()] {
        let lab = Lab::build(&plan).await?;
        for round in 0..10 {
            boot_whole(&lab, &plan).await?;
            let capture = Capture::start(lab.host("target")?, "eth0", 64).await?;
            let send = || -> Result<(), LabError> {
                let mut socket = PacketSocket::open("eth0", TARGET_MAC, &Wanted::default())?;
                socket.send([datagram("198.18.0.2", 9)].iter().map(Vec::as_slice))
            };
            lab.host("red")?.blocking(send).await??;
            let arrived = async || {
                Ok(capture.so_far().packets.iter().any(|packet| probe(packet, false).is_some()).then_some(()))
            };
            wait::until(&format!("the packet of round {round}"), PATIENCE, arrived).await?;
            drop(capture.stop().await?);
        }
        lab.remove().await?;
    }
    Ok(())
}

async fn shared() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let installed = install_shared(target, &[]).await?;
    rules(target).await?;
    assert!(!snapshot(target, &[]).await?.is_empty());
    installed.remove().await?;
    assert!(snapshot(target, &[]).await?.is_empty());
    Ok(lab.remove().await?)
}
