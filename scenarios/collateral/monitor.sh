#!/bin/bash
# Five pings within a minute are a sweep, and whoever sweeps is dropped.
for IPTABLES in iptables ip6tables; do
    icmp=icmp type=echo-request
    if [ "$IPTABLES" = ip6tables ]; then icmp=icmpv6; fi
    $IPTABLES -A INPUT -m recent --name "pings-$icmp" --rcheck --seconds 60 --hitcount 5 -j DROP
    $IPTABLES -A INPUT -p "$icmp" --"$icmp"-type "$type" -m recent --name "pings-$icmp" --set
done
