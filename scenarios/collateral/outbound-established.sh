#!/bin/bash
# Twenty uninvited packets to ports that serve nothing are a scan.
for iptables in iptables ip6tables; do
    list="strangers-$iptables"
    $iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
    $iptables -A INPUT -m recent --name "$list" --rcheck --seconds 60 --hitcount 20 -j DROP
    $iptables -A INPUT -p tcp -m multiport ! --dports 22,80 -m recent --name "$list" --set
done
