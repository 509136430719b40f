#!/bin/bash
# What --syn means: SYN, and neither RST, ACK nor FIN.
for iptables in iptables ip6tables; do
    $iptables -A INPUT -p tcp --dport 22 -j ACCEPT
    $iptables -A INPUT -p tcp --syn -j DROP
done
