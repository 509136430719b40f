#!/bin/bash
firewall_start() {
    iptables -A INPUT -p tcp --dport 22 -j ACCEPT
    iptables -A INPUT -p tcp -j DROP
}
case "${1:-}" in
    start) firewall_start ;;
esac
