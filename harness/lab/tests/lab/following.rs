//! Packets that are followed: as many as asked for, and nothing told that is not certain.

use scandrill_lab::{FollowBound, Following, Host, Lab, LabError, Selector, Traced};
use scandrill_model::{HookVerdict, Protocol};

use crate::inside::{Done, Job, within};
use crate::klog::bash;
use crate::plans;

pub const JOBS: &[(&str, Job)] = &[
    ("packets_are_followed_up_to_a_bound_and_their_rules_are_counted", |_| within(bounded())),
    ("a_rule_that_was_changed_meanwhile_is_named_by_nothing_but_its_words", |_| within(changed())),
    ("who_empties_the_ruleset_ends_the_following", |_| within(emptied())),
    ("an_administrator_sees_nothing_of_it", |_| within(hidden())),
    ("iptables_legacy_is_followed_over_both_families", |_| within(legacy())),
];

const RULES: &str = "nft -f - <<'END'
table inet t {
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 9 counter drop
        udp dport 10 counter drop
    }
}
END";

fn datagrams(source: &str, ports: &[u16], bound: Option<FollowBound>) -> Selector {
    Selector {
        source: source.parse().unwrap(),
        protocol: Some(Protocol::Udp),
        flags: None,
        source_port: None,
        target: None,
        ports: ports.to_vec(),
        bound,
    }
}

const RED: &str = "198.18.0.2/32";

/// Sends so many datagrams to a port.
async fn send(red: &Host, to: &str, port: u16, count: u16) -> Result<(), LabError> {
    bash(red, &format!("for n in $(seq {count}); do echo x > /dev/udp/{to}/{port}; done")).await.map(drop)
}

/// What was said of a packet last, by which rule.
fn end(traced: &Traced) -> (HookVerdict, String) {
    let last = traced.path.last().unwrap();
    (last.verdict, last.text.clone())
}

async fn bounded() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    bash(target, RULES).await?;
    let bound = |burst| Some(FollowBound { burst, per_second: 1 });
    let selectors = [datagrams(RED, &[9], bound(5)), datagrams(RED, &[], bound(2))];
    let following = Following::start(target, &selectors).await?;
    send(red, plans::TARGET[0], 9, 4).await?;
    send(red, plans::TARGET[0], 5000, 200).await?;
    let told = following.stop().await?;
    let of = |port| told.packets.iter().filter(|packet| packet.packet.port() == port).collect::<Vec<_>>();
    assert_eq!(of(9).len(), 4, "{:#?}", told.packets);
    assert!(
        of(9).iter().all(|packet| end(packet) == (HookVerdict::Drop, "udp dport 9 counter drop".to_owned()))
    );
    // The second bound, and one for each second that the sending took.
    assert!((2..10).contains(&of(5000).len()), "{}", of(5000).len());
    assert_eq!(end(of(5000)[0]), (HookVerdict::Accept, "policy accept".to_owned()));
    assert_eq!(of(9)[0].conntrack, None, "no rule asks it");
    let counts: Vec<_> = told.matched.iter().map(|rule| (rule.place.at, rule.packets)).collect();
    assert_eq!(counts, [(0, Some(4)), (1, Some(0))]);
    lab.remove().await?;
    Ok(())
}

async fn changed() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    bash(target, RULES).await?;
    let following = Following::start(target, &[datagrams(RED, &[], None)]).await?;
    send(red, plans::TARGET[0], 10, 1).await?;
    bash(target, "nft insert rule inet t input udp dport 11 drop").await?;
    send(red, plans::TARGET[0], 11, 1).await?;
    let told = following.stop().await?;
    let last = |at: usize| told.packets[at].path.last().unwrap();
    assert_eq!((last(0).text.as_str(), last(0).place), ("udp dport 10 counter drop", None));
    assert_eq!((last(1).text.as_str(), last(1).place), ("udp dport 11 drop", None));
    lab.remove().await?;
    Ok(())
}

async fn emptied() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    bash(target, RULES).await?;
    let following = Following::start(target, &[datagrams(RED, &[], None)]).await?;
    send(red, plans::TARGET[0], 9, 1).await?;
    bash(target, "nft flush ruleset").await?;
    send(red, plans::TARGET[0], 9, 1).await?;
    let told = following.stop().await?;
    assert_eq!(told.packets.len(), 1);
    assert_eq!(end(&told.packets[0]).0, HookVerdict::Drop);
    assert_eq!(told.matched, []);
    lab.remove().await?;
    Ok(())
}

async fn hidden() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    bash(target, RULES).await?;
    let lists = "nft list ruleset; nft list tables; nft -j list ruleset; nft -a list chains";
    let before = bash(target, lists).await?;
    let following = Following::start(target, &[datagrams(RED, &[], None)]).await?;
    assert_eq!(bash(target, lists).await?, before);
    drop(following.stop().await?);
    lab.remove().await?;
    Ok(())
}

async fn legacy() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    for tool in ["iptables-legacy", "ip6tables-legacy"] {
        bash(
            target,
            &format!("{tool} -N OWN; {tool} -A INPUT -p udp -j OWN; {tool} -A OWN -p udp --dport 9 -j DROP"),
        )
        .await?;
    }
    let selectors = [datagrams(RED, &[], None), datagrams("fd00:198:18::2/128", &[], None)];
    let following = Following::start(target, &selectors).await?;
    for to in plans::TARGET {
        send(red, to, 9, 1).await?;
        send(red, to, 5000, 1).await?;
    }
    let told = following.stop().await?;
    assert_eq!(told.packets.len(), 4, "{told:#?}");
    for (traced, is_dropped) in told.packets.iter().zip([true, false, true, false]) {
        let dropped = (HookVerdict::Drop, "-A OWN -p udp -m udp --dport 9 -j DROP".to_owned());
        let accepted = (HookVerdict::Accept, "policy accept".to_owned());
        assert_eq!(end(traced), if is_dropped { dropped } else { accepted }, "{traced:#?}");
        let first = &traced.path[0];
        assert_eq!((first.text.as_str(), first.verdict), ("-A INPUT -p udp -j OWN", HookVerdict::Jump));
    }
    let counts: Vec<_> = told.matched.iter().map(|rule| rule.packets).collect();
    assert_eq!(counts, [Some(2), Some(1), Some(2), Some(1)], "{:#?}", told.matched);
    lab.remove().await?;
    Ok(())
}
