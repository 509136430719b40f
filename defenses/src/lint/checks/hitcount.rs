//! Hit counts that the kernel does not take, or that its memory of packets does not reach.

use super::{Check, Example, Remark};
use crate::lint::rule::Rule;
use crate::lint::ruleset::Ruleset;

/// `hitcount-above-cap`.
pub struct Hitcount;

/// What xt_recent takes at most, and what it took in kernels that are still in use. Before 3.19 the list kept 20 packets
/// unless the module was told otherwise.
const CAP: u64 = 65_535;
const OLD_CAP: u64 = 255;

impl Check for Hitcount {
    fn name(&self) -> &'static str {
        "hitcount-above-cap"
    }

    fn about(&self) -> &'static str {
        "a hit count that kernels refuse: above 65535, above 255 on older ones, above what the list keeps"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let counted = rules.rules().flat_map(|(_, rule)| {
            rule.recents.iter().filter_map(move |recent| Some((rule, recent.hitcount?)))
        });
        counted.filter_map(|(rule, hits)| remark(rules, rule, hits)).collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n-A INPUT -m recent --set\n-A INPUT -m recent --update --seconds 60 --hitcount 300 -j DROP\nCOMMIT\n",
                sound: "*filter\n-A INPUT -m recent --set\n-A INPUT -m recent --update --seconds 60 --hitcount 30 -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "modprobe xt_recent ip_pkt_list_tot=20\niptables -A INPUT -m recent --set\n\
                      iptables -A INPUT -m recent --update --seconds 60 --hitcount 30 -j DROP\nip6tables -P INPUT DROP\n",
                sound: "modprobe xt_recent ip_pkt_list_tot=30\niptables -A INPUT -m recent --set\n\
                        iptables -A INPUT -m recent --update --seconds 60 --hitcount 30 -j DROP\nip6tables -P INPUT DROP\n",
            },
        ]
    }
}

fn remark(rules: &Ruleset, rule: &Rule, hits: u64) -> Option<Remark> {
    let why = match rules.packets_kept {
        _ if hits > CAP => {
            format!("no kernel takes --hitcount {hits}: {CAP} is the most, so the rule does not load")
        }
        Some((kept, place)) if kept > 0 && hits > kept => {
            let by = rules.told(place, rule.place);
            format!(
                "{by} makes the lists keep {kept} packets of a source, so --hitcount {hits} does not load"
            )
        }
        _ if hits > OLD_CAP => format!(
            "only recent kernels take --hitcount {hits}: older ones take {OLD_CAP} at most (before 3.19, 20), and there the rule does not load"
        ),
        _ => return None,
    };
    Some(Remark::new(rule.place, why, "count fewer packets in a shorter time"))
}
