#!/bin/bash
# Twenty packets to ports that serve nothing are a scan. What answers the host's own connections goes to such ports, too.
for iptables in iptables ip6tables; do
    list="strangers-$iptables"
    $iptables -A INPUT -m recent --name "$list" --rcheck --seconds 60 --hitcount 20 -j DROP
    $iptables -A INPUT -p tcp -m multiport ! --dports 22,80 -m recent --name "$list" --set
done
