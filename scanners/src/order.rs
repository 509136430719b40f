//! In which order ports are asked for the first time.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::plan::{Order, ScanPlan};

/// TCP ports that are open most often, roughly in that order: nmap moves such ports to the front by default.
const POPULAR: [u16; 25] = [
    80, 23, 443, 21, 22, 25, 3389, 110, 445, 139, 143, 53, 135, 3306, 8080, 1723, 111, 995, 993, 5900, 1025,
    587, 8888, 199, 1720,
];

/// The ports of a plan in its order.
pub(crate) fn ordered(plan: &ScanPlan) -> Vec<u16> {
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x6f72_6465_7200 ^ u64::from(plan.part));
    let mut ports: Vec<u16> = plan.cells().iter().collect();
    if plan.order != Order::Ascending {
        ports.shuffle(&mut random);
    }
    if plan.order == Order::Popular {
        // The sort is stable, so all others stay shuffled behind.
        ports.sort_by_key(|port| POPULAR.iter().position(|popular| popular == port).unwrap_or(POPULAR.len()));
    }
    ports
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use scandrill_model::Technique;

    use super::*;

    fn order(order: Order) -> Vec<u16> {
        let (source, target) = (Ipv4Addr::new(198, 18, 0, 2).into(), Ipv4Addr::new(198, 18, 0, 1).into());
        let plan = ScanPlan::new(Technique::TcpSyn, source, target, "1-1000".parse().unwrap(), 7);
        ordered(&ScanPlan { order, ..plan })
    }

    #[test]
    fn every_order_has_every_port_once() {
        for way in [Order::Ascending, Order::Random, Order::Popular] {
            let mut ports = order(way);
            ports.sort_unstable();
            assert_eq!(ports, (1..=1000).collect::<Vec<_>>(), "{way}");
        }
    }

    #[test]
    fn popular_ports_come_first_and_the_rest_is_shuffled() {
        assert_eq!(order(Order::Popular)[..4], [80, 23, 443, 21]);
        assert!(!order(Order::Popular)[25..].is_sorted());
        assert!(order(Order::Ascending).is_sorted());
    }
}
