//! A lab whose link is set up in one of several ways, with a chain of rules that each packet walks through.

use scandrill_tests::bench::{Net, Outcome, run, stranger};

/// How a link is set up.
#[derive(Clone, Copy, Default)]
pub struct Link {
    /// Which of the target's processors receive, as a mask in hexadecimal, by RPS; none leaves packets where they come in.
    /// It is the default of links yet to be made (net.core.rps_default_mask): `/sys/class/net/*/queues/*/rps_cpus` takes
    /// no word from a user namespace, not even from its root.
    pub rps: &'static str,
    /// What ethtool is told at the target's end, each a command without the program's name.
    pub target: &'static [&'static str],
    /// The same at red's end.
    pub red: &'static [&'static str],
}

/// Builds it with a chain of `rules` rules that fit nobody, and one that refuses the floods' sources.
pub async fn build(link: Link, rules: u32) -> Outcome<Net> {
    let rps: &[(&str, &str)] =
        if link.rps.is_empty() { &[] } else { &[("net.core.rps_default_mask", link.rps)] };
    let net = Net::build(rps, &[]).await?;
    for (host, words) in [(&net.target, link.target), (&net.red, link.red)] {
        for word in words {
            run(host, &format!("ethtool {word}"), None).await?;
        }
    }
    let strangers: Vec<String> =
        (0..rules).map(|number| format!("-A INPUT -s {} -j DROP\n", stranger(number))).collect();
    let text = format!(
        "*filter\n:INPUT ACCEPT\n{}-A INPUT -s 198.18.128.0/17 -j DROP\nCOMMIT\n",
        strangers.concat()
    );
    run(&net.target, "iptables-legacy-restore", Some(text)).await?;
    Ok(net)
}
