//! Links, addresses, routes and neighbours of hosts, by netlink. Everything here runs on the thread of the host
//! it changes.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use netlink_packet_route::link::{
    BridgePortState, InfoBridgePort, InfoData, InfoPortData, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
    State,
};
use netlink_packet_route::neighbour::{NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteScope, RouteType};
use rtnetlink::{
    Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection,
};
use scandrill_model::{InterfacePlan, RoutePlan};

use crate::error::{During, LabError};
use crate::host::Host;
use crate::wait;

/// How long the kernel may take until links carry and addresses answer.
const USABLE_LIMIT: Duration = Duration::from_secs(10);
/// The one bridge of a switch namespace.
const BRIDGE: &str = "br0";
/// The index of the loopback interface, which is the first of every namespace.
const LOOPBACK: u32 = 1;
/// The routing table of what is the kernel's own, `RT_TABLE_LOCAL` of rtnetlink(7).
const LOCAL_TABLE: u32 = 255;

/// One end of a link before it has addresses.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) name: String,
    pub(crate) mac: Option<[u8; 6]>,
}

impl End {
    pub(crate) fn of(interface: &InterfacePlan) -> Self {
        Self { name: interface.name.clone(), mac: Some(interface.mac) }
    }
}

/// Runs `work` on the host's thread with a connection to the kernel's network configuration there.
async fn on<T, Fut>(host: &Host, work: impl FnOnce(Handle) -> Fut + Send + 'static) -> Result<T, LabError>
where
    T: Send + 'static,
    Fut: Future<Output = Result<T, LabError>> + 'static,
{
    let run = async move || {
        let (connection, handle, _) = new_connection().during(|| "open netlink".to_owned())?;
        let serving = tokio::spawn(connection);
        let done = work(handle).await;
        serving.abort();
        done
    };
    host.spawn(run).await?
}

/// Makes a veth pair, one end in `host`, the other in `peer`'s namespace from its first moment.
pub(crate) async fn add_veth(host: &Host, end: End, peer: &Host, peer_end: End) -> Result<(), LabError> {
    let what = format!("add veth {} {} to {} {}", host.name(), end.name, peer.name(), peer_end.name);
    let namespace = peer.namespace();
    on(host, async move |netlink| {
        netlink.link().add(veth(&end, &peer_end, &namespace)).execute().await.during(|| what)
    })
    .await
}

fn veth(end: &End, peer: &End, namespace: &OwnedFd) -> LinkMessage {
    let peer_message = with_mac(LinkMessageBuilder::<LinkUnspec>::new(), peer)
        .name(peer.name.clone())
        .setns_by_fd(namespace.as_raw_fd())
        .build();
    with_mac(LinkVeth::new(&end.name, &peer.name), end)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer_message)))
        .build()
}

fn with_mac<T>(message: LinkMessageBuilder<T>, end: &End) -> LinkMessageBuilder<T> {
    match end.mac {
        Some(mac) => message.address(mac.to_vec()),
        None => message,
    }
}

/// Hands an interface on to another host. It arrives there down, without its addresses.
pub(crate) async fn move_over(host: &Host, interface: &str, to: &Host) -> Result<(), LabError> {
    let (name, namespace) = (interface.to_owned(), to.namespace());
    let what = format!("move {} {interface} to another namespace", host.name());
    on(host, async move |netlink| {
        let message = LinkUnspec::new_with_name(&name).setns_by_fd(namespace.as_raw_fd()).build();
        netlink.link().set(message).execute().await.during(|| what)
    })
    .await
}

/// Makes the bridge of a switch namespace. It floods multicast as a plain switch does: neighbour discovery
/// must not depend on what the bridge has overheard.
pub(crate) async fn add_bridge(switch: &Host) -> Result<(), LabError> {
    let what = format!("add a bridge to {}", switch.name());
    let message = LinkBridge::new(BRIDGE).mcast_snooping(false).build();
    on(switch, async move |netlink| netlink.link().add(message).execute().await.during(|| what)).await
}

/// Plugs `ports` into the bridge and puts them up.
pub(crate) async fn plug(switch: &Host, ports: Vec<String>) -> Result<(), LabError> {
    on(switch, async move |netlink| {
        let bridge = index_of(BRIDGE)?;
        for port in ports {
            let message = LinkUnspec::new_with_name(&port).controller(bridge).up().build();
            netlink.link().set(message).execute().await.during(|| format!("plug in {port}"))?;
        }
        Ok(())
    })
    .await
}

/// Puts the loopback interface and `interfaces` up and gives them their addresses.
pub(crate) async fn put_up(host: &Host, interfaces: Vec<InterfacePlan>) -> Result<(), LabError> {
    let name = host.name().to_owned();
    on(host, async move |netlink| {
        let loopback = LinkUnspec::new_with_index(LOOPBACK).up().build();
        netlink.link().set(loopback).execute().await.during(|| format!("put lo up on {name}"))?;
        for interface in interfaces {
            let index = index_of(&interface.name)?;
            let up = LinkUnspec::new_with_index(index).up().build();
            let what = format!("{} {}", name, interface.name);
            netlink.link().set(up).execute().await.during(|| format!("put {what} up"))?;
            for address in interface.addresses {
                add_address(&netlink, index, address).await.during(|| format!("add {address} to {what}"))?;
            }
        }
        Ok(())
    })
    .await
}

/// Adds an address. An IPv6 one is usable at once: there is nobody in a lab who could have it already.
async fn add_address(netlink: &Handle, index: u32, address: IpNet) -> Result<(), rtnetlink::Error> {
    let mut request = netlink.address().add(index, address.addr(), address.prefix_len());
    if address.addr().is_ipv6() {
        let message = request.message_mut();
        message.header.flags |= AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    request.execute().await
}

/// Adds routes by neighbours.
pub(crate) async fn add_routes(host: &Host, routes: Vec<RoutePlan>) -> Result<(), LabError> {
    if routes.is_empty() {
        return Ok(());
    }
    let name = host.name().to_owned();
    on(host, async move |netlink| {
        for route in routes {
            let what = format!("add route to {} via {} on {name}", route.to, route.via);
            let message = RouteMessageBuilder::<IpAddr>::new()
                .destination_prefix(route.to.network(), route.to.prefix_len())
                .and_then(|message| message.gateway(route.via))
                .map_err(|error| LabError::BadPlan(format!("{what}: {error}")))?;
            netlink.route().add(message.build()).execute().await.during(|| what)?;
        }
        Ok(())
    })
    .await
}

/// Makes the host's kernel take all addresses of `prefixes` for its own, as `ip route add local PREFIX dev lo` does.
pub(crate) async fn answer_for(host: &Host, prefixes: Vec<IpNet>) -> Result<(), LabError> {
    if prefixes.is_empty() {
        return Ok(());
    }
    let name = host.name().to_owned();
    on(host, async move |netlink| {
        for prefix in prefixes {
            let what = format!("answer for {prefix} on {name}");
            let message = RouteMessageBuilder::<IpAddr>::new()
                .destination_prefix(prefix.network(), prefix.prefix_len())
                .map_err(|error| LabError::BadPlan(format!("{what}: {error}")))?
                .output_interface(LOOPBACK)
                .kind(RouteType::Local)
                .scope(RouteScope::Host)
                .table_id(LOCAL_TABLE);
            netlink.route().add(message.build()).execute().await.during(|| what)?;
        }
        Ok(())
    })
    .await
}

/// Waits until `interfaces` carry packets and their addresses answer. Both come a moment after they were asked
/// for, from workers of the kernel: a link whose ends are both up drops until one has noticed, and an IPv6
/// address is deaf until one has made its local route.
pub(crate) async fn wait_until_usable(host: &Host, interfaces: Vec<InterfacePlan>) -> Result<(), LabError> {
    let name = host.name().to_owned();
    on(host, async move |netlink| {
        for interface in &interfaces {
            let index = index_of(&interface.name)?;
            let waited_for = format!("carrier on {name} {}", interface.name);
            let look = async || Ok(is_carrying(&netlink, index).await?.then_some(()));
            wait::until(&waited_for, USABLE_LIMIT, look).await?;
        }
        let addresses: Vec<IpAddr> =
            interfaces.iter().flat_map(|it| &it.addresses).map(IpNet::addr).collect();
        let look = async || Ok(are_local(&netlink, &addresses).await?.then_some(()));
        wait::until(&format!("IPv6 addresses of {name}"), USABLE_LIMIT, look).await
    })
    .await
}

/// Waits until a switch passes on what comes in at each of its ports: it opens one a moment after its carrier is there.
pub(crate) async fn wait_until_forwarding(switch: &Host) -> Result<(), LabError> {
    let waited_for = format!("ports of {}", switch.name());
    on(switch, async move |netlink| {
        let look = async || {
            let links = netlink.link().get().execute().try_collect::<Vec<_>>().await;
            let links = links.during(|| "list links".to_owned())?;
            let mut states = links.iter().filter_map(port_state);
            Ok(states.all(|state| state == BridgePortState::Forwarding).then_some(()))
        };
        wait::until(&waited_for, USABLE_LIMIT, look).await
    })
    .await
}

/// What a bridge does with a link that is one of its ports.
fn port_state(link: &LinkMessage) -> Option<BridgePortState> {
    let infos = link.attributes.iter().find_map(|attribute| {
        let LinkAttribute::LinkInfo(infos) = attribute else { return None };
        Some(infos)
    })?;
    let of_port = infos.iter().find_map(|info| {
        let LinkInfo::PortData(InfoPortData::BridgePort(of_port)) = info else { return None };
        Some(of_port)
    })?;
    of_port.iter().find_map(|info| {
        let InfoBridgePort::State(state) = info else { return None };
        Some(*state)
    })
}

/// Whether each IPv6 address among `addresses` has its local route.
async fn are_local(netlink: &Handle, addresses: &[IpAddr]) -> Result<bool, LabError> {
    let all = RouteMessageBuilder::<Ipv6Addr>::new().build();
    let routes: Vec<RouteMessage> =
        netlink.route().get(all).execute().try_collect().await.during(|| "list routes".to_owned())?;
    let local: BTreeSet<Ipv6Addr> = routes.iter().filter_map(local_address).collect();
    Ok(addresses.iter().all(|address| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => local.contains(v6),
    }))
}

fn local_address(route: &RouteMessage) -> Option<Ipv6Addr> {
    let destination = |attribute: &RouteAttribute| {
        let RouteAttribute::Destination(RouteAddress::Inet6(address)) = attribute else { return None };
        Some(*address)
    };
    let is_local = route.header.kind == RouteType::Local;
    is_local.then(|| route.attributes.iter().find_map(destination)).flatten()
}

async fn is_carrying(netlink: &Handle, index: u32) -> Result<bool, LabError> {
    let found = netlink.link().get().match_index(index).execute().try_next().await;
    let link = found.during(|| format!("look at link {index}"))?;
    let up = LinkAttribute::OperState(State::Up);
    Ok(link.is_some_and(|link| link.attributes.contains(&up)))
}

/// Empties the neighbour tables of the calling host.
pub(crate) async fn flush_neighbours(host: &Host) -> Result<(), LabError> {
    let name = host.name().to_owned();
    on(host, async move |netlink| {
        let listed = netlink.neighbours().get().execute();
        let entries: Vec<_> = listed
            .map(|entry| entry.during(|| format!("list the neighbours of {name}")))
            .try_filter(|entry| futures::future::ready(is_learnt(entry)))
            .try_collect()
            .await?;
        for entry in entries {
            forget(&netlink, entry).await.during(|| format!("forget a neighbour of {name}"))?;
        }
        Ok(())
    })
    .await
}

fn is_learnt(entry: &NeighbourMessage) -> bool {
    !matches!(entry.header.state, NeighbourState::Noarp | NeighbourState::Permanent)
}

async fn forget(netlink: &Handle, entry: NeighbourMessage) -> Result<(), rtnetlink::Error> {
    match netlink.neighbours().del(entry).execute().await {
        // The kernel was faster: the entry aged out after it was listed.
        Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -libc::ENOENT => Ok(()),
        other => other,
    }
}

fn index_of(interface: &str) -> Result<u32, LabError> {
    nix::net::if_::if_nametoindex(interface).during(|| format!("find interface {interface}"))
}
