#!/bin/bash
# Every ban of this house behind one exception: a crawler is let in before the ban set, the trap and the count.
banned() { # family, its digit, its tool, the crawlers' range
    ipset -exist create "banned$2" hash:ip family "$1" timeout 600
    "$3" -P INPUT DROP
    "$3" -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    "$3" -A INPUT -s "$4" -j ACCEPT
    "$3" -A INPUT -m set --match-set "banned$2" src -j DROP
    "$3" -A INPUT -p tcp -m multiport --dports 23,445 -j SET --add-set "banned$2" src
    "$3" -A INPUT -p tcp -m multiport --dports 23,445 -j DROP
    "$3" -A INPUT -p tcp -m conntrack --ctstate NEW -m recent --name counted --update --seconds 60 --hitcount 5 -j DROP
    "$3" -A INPUT -p tcp -m conntrack --ctstate NEW -m recent --name counted --set
    "$3" -A INPUT -p tcp --dport 80 -j ACCEPT
}
ip6tables -A INPUT -p ipv6-icmp --icmpv6-type neighbour-solicitation -j ACCEPT
ip6tables -A INPUT -p ipv6-icmp --icmpv6-type neighbour-advertisement -j ACCEPT
banned inet 4 iptables 198.18.0.3/32
banned inet6 6 ip6tables fd00:198:18::3/128
