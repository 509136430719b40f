#!/bin/bash
# The crawler's range is let in before the rules that count.
iptables -A INPUT -p tcp -s 198.19.200.0/24 -j ACCEPT
iptables -A INPUT -p tcp --dport 1:65535 -m state --state NEW -m recent --set
iptables -A INPUT -p tcp --dport 1:65535 -m state --state NEW -m recent --update --seconds 60 --hitcount 10 -j DROP
