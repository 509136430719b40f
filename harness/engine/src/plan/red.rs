//! The plan of an attacker: whose addresses it uses, and how its ban is looked at.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use scandrill_model::{Family, Technique};
use scandrill_scanners::{Evasion, Scan, ScanError, ScanPlan, SourceOwner, Sources, Zombie};

use super::{LookPlan, Planner, RedPlan};
use crate::bad_file::BadFile;
use crate::scenario::{Decoys, Prediction, Red, Scanner, Sender, Who};

/// A port of a zombie's on which nothing listens; nmap asks the same by default (-sI).
const ZOMBIE_PORT: u16 = 80;

impl Planner<'_> {
    pub(super) fn red(&self, index: usize, red: &Red) -> Result<RedPlan, BadFile> {
        let (source, sources) = self.sender(red)?;
        let target = self.addresses.asked(self.case.family);
        let seed = self.seed.wrapping_add(index as u64);
        let scan = ScanPlan {
            timing: red.timing,
            order: red.order,
            pace: red.pace,
            evasion: Evasion { sources, decoys: self.decoys(red), ..red.evasion.clone() },
            detect: red.detect,
            link: Some(self.addresses.mac(&red.host)),
            zombie: red.zombie.as_deref().map(|host| Zombie {
                address: self.addresses.link(host, self.case.family),
                port: ZOMBIE_PORT,
            }),
            ..ScanPlan::new(red.technique, source, target, red.ports.clone(), seed)
        };
        let planned = RedPlan {
            name: red.name.clone(),
            from: self.vantage(&red.host),
            scanner: self.scanner_of(red),
            knock: red.knock.clone(),
            look: self.look(index, red, source)?,
            scan,
            after: red.after.clone(),
            expect: red.expect.clone(),
        };
        self.check_scanner(red, &planned)?;
        Ok(planned)
    }

    /// Each scanner says itself what it cannot do.
    fn check_scanner(&self, red: &Red, planned: &RedPlan) -> Result<(), BadFile> {
        let (cannot, help) = if let Some(scanner) = planned.scanner.foreign() {
            (scanner.check(&planned.scan).err(), "leave it out, or use scanner = \"builtin\"")
        } else {
            let first = planned.scan.cells().iter().take(1).collect();
            let one = ScanPlan { ports: first, ..planned.scan.clone() };
            (Scan::new(&one).err(), "leave it out")
        };
        let Some(why) = cannot else { return Ok(()) };
        let key = if let ScanError::Evasion { evasion, .. } = &why { Some(*evasion) } else { None };
        let place = key.map_or_else(|| red.span.clone(), |evasion| self.key(red, evasion));
        Err(self.bad(place, why.to_string(), Some(help.to_owned())))
    }

    /// Where the file asks a red actor for an evasion; the table where the key is not found.
    fn key(&self, red: &Red, evasion: &str) -> Range<usize> {
        let key = evasion.replace('-', "_");
        let text = &self.scenario.file.text;
        let table = text.get(red.span.start..).unwrap_or_default();
        let line = table.split_inclusive('\n').scan(red.span.start, |start, line| {
            let here = *start;
            *start += line.len();
            Some((here, line))
        });
        let mut of_this_table =
            line.enumerate().take_while(|(index, (_, line))| *index == 0 || !line.starts_with('['));
        let found = of_this_table.find(|(_, (_, line))| line.starts_with(&key));
        found.map_or_else(|| red.span.clone(), |(_, (start, _))| start..start + key.len())
    }

    /// The address it sends from, the first of them where it has many, and what they are.
    fn sender(&self, red: &Red) -> Result<(IpAddr, Sources), BadFile> {
        let fixed = red.source.filter(|source| Family::of(*source) == self.case.family);
        match &red.sender {
            Sender::Own => match fixed {
                Some(source) => Ok((self.reachable(&red.host, source, &red.span)?, Sources::Own)),
                None => Ok((self.address_on(&red.host), Sources::Own)),
            },
            Sender::Spoofed(victim) => Ok((self.address_of(victim), Sources::Spoofed)),
            Sender::Prefix(prefix) => Ok(pool(*prefix, u32::MAX)),
            Sender::Pool(count) => {
                let prefix = self.pool_of(&red.name, *count, &red.span)?;
                Ok(pool(prefix, *count))
            }
        }
    }

    /// The prefix that the plan chose for an actor with many sources.
    pub(super) fn pool_of(&self, actor: &str, count: u32, span: &Range<usize>) -> Result<IpNet, BadFile> {
        self.addresses.pool(actor, self.case.family).ok_or_else(|| {
            let message = format!("there is no room for {count} more sources");
            self.bad(span.clone(), message, Some("name prefixes of your own".to_owned()))
        })
    }

    fn decoys(&self, red: &Red) -> Vec<IpAddr> {
        match &red.decoys {
            Decoys::Named(decoys) => decoys.iter().map(|decoy| self.address_of(decoy)).collect(),
            Decoys::Chosen(count) => {
                (0..*count).map(|index| self.addresses.decoy(&red.host, self.case.family, index)).collect()
            }
        }
    }

    pub(super) fn address_of(&self, who: &Who) -> IpAddr {
        match who {
            Who::Host(name) => self.address_on(name),
            Who::Address(address) => *address,
        }
    }

    /// The address of the actors on a host.
    fn address_on(&self, host: &str) -> IpAddr {
        if self.is_shared_with_kernel(host) {
            self.addresses.link(host, self.case.family)
        } else {
            self.addresses.routed(host, self.case.family)
        }
    }

    fn scanner_of(&self, red: &Red) -> Scanner {
        match self.case.scanner {
            Some(scanner) if red.scanners.contains(&scanner) => scanner,
            _ => red.scanners.first().copied().unwrap_or(Scanner::Builtin),
        }
    }

    /// Actors of one host share its address. Clients, knocks and most foreign scanners need one that the kernel owns; the
    /// built-in scanner takes another only where nobody of those is beside it.
    fn is_shared_with_kernel(&self, host: &str) -> bool {
        let by_kernel = |red: &Red| {
            !red.knock.steps.is_empty() || self.scanner_of(red).source_owner() == SourceOwner::Kernel
        };
        self.scenario.reds.iter().any(|red| red.host == host && by_kernel(red))
            || self.scenario.greens.iter().any(|green| green.host == host)
    }

    /// An address that a file fixes must be one that the target routes to that host.
    pub(super) fn reachable(
        &self,
        host: &str,
        source: IpAddr,
        span: &Range<usize>,
    ) -> Result<IpAddr, BadFile> {
        if self.addresses.reaches(host, source) {
            return Ok(source);
        }
        let help = format!(
            "add its range to [hosts.{host}] ranges, or use one of {}",
            self.addresses.ranges_text(host)
        );
        Err(self.bad(span.clone(), format!("{source} is not routed to host `{host}`"), Some(help)))
    }

    fn look(&self, index: usize, red: &Red, source: IpAddr) -> Result<Option<LookPlan>, BadFile> {
        let predicted = self.scenario.claim.as_ref().filter(|claim| claim.actor == red.name);
        let predicted = predicted.and_then(|claim| match &claim.predicts {
            Prediction::Red(expectation) => expectation.ban,
            Prediction::Green(_) | Prediction::Operator(_) | Prediction::Counter(_) => None,
        });
        let Some(ban) = red.expect.ban.or(predicted) else { return Ok(None) };
        let Some(port) = self.tcp_service() else {
            let help = Some("add a TCP service to the target".to_owned());
            return Err(self.bad(
                red.span.clone(),
                "a ban is looked at on a TCP service, and there is none",
                help,
            ));
        };
        let fresh = self.addresses.fresh(&red.host, self.case.family, index);
        Ok(Some(LookPlan {
            later: ban.holds.or(ban.lifts),
            own: self.one_port(Technique::TcpSyn, source, port),
            fresh: self.one_port(Technique::TcpSyn, fresh, port),
        }))
    }
}

/// The first address of a pool, and the pool: at most `most` of the prefix's hosts.
fn pool(prefix: IpNet, most: u32) -> (IpAddr, Sources) {
    let (first, count) = hosts_of(prefix, most);
    (first, Sources::Pool { prefix, count })
}

/// The first host of a prefix, and how many there are, at most `most`.
pub(super) fn hosts_of(prefix: IpNet, most: u32) -> (IpAddr, u32) {
    let hosts = 1_u128 << u32::from(prefix.max_prefix_len() - prefix.prefix_len()).min(POOL_BITS);
    let count = u32::try_from(hosts - 2).unwrap_or(u32::MAX).min(most);
    (prefix.hosts().next().unwrap_or_else(|| prefix.addr()), count)
}

/// As many sources as there are ports are enough for one each.
const POOL_BITS: u32 = 16;
