#!/bin/bash
# No connection begins without a maximum segment size, so what does is a scanner.
for iptables in iptables ip6tables; do
    $iptables -A INPUT -p tcp --syn ! --tcp-option 2 -j DROP
done
