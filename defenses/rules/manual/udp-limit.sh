#!/bin/bash
# The manual's limit for UDP, from its answers at the end. What exceeds the limit goes on to the chain's policy.
iptables -A INPUT -p udp -m limit --limit 5/s -j ACCEPT
