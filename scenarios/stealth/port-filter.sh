#!/bin/bash
# A filter that looks at ports alone: whatever is for another port than the service's is dropped, whatever its flags.
for iptables in iptables ip6tables; do
    $iptables -A INPUT -p tcp ! --dport 22 -j DROP
done
