#!/bin/bash
# Both families name one list, and the first rule that does gives it its mask: 255.255.255.0, which is ffff:ff00:: over
# IPv6, whatever ip6tables says.
for rule in "--set" "--update --seconds 60 --hitcount 10 -j DROP"; do
    iptables -A INPUT -p tcp -m conntrack --ctstate NEW -m recent --name scans --mask 255.255.255.0 $rule
done
for rule in "--set" "--update --seconds 60 --hitcount 10 -j DROP"; do
    ip6tables -A INPUT -p tcp -m conntrack --ctstate NEW -m recent --name scans --mask ffff:ffff:ffff:ffff:: $rule
done
