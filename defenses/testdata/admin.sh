#!/bin/bash
# Firewall of the web server 192.0.2.30 on ens192
set -e
IPT=/sbin/iptables
WAN="ens192"
ADMINS="203.0.113.5 203.0.113.6"   # ask before you add one: 203.0.113.1

sysctl -w net.ipv4.conf.ens192.rp_filter=1
sysctl -w net.ipv4.tcp_syncookies=1
ipset create blocklist hash:net -exist
for net in 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15; do
    ipset add blocklist $net -exist
done

$IPT -P INPUT DROP
$IPT -A INPUT -i lo -j ACCEPT
$IPT -A INPUT -m set --match-set blocklist src -j DROP
$IPT -A INPUT -i $WAN -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
for admin in $ADMINS; do
    $IPT -A INPUT -i $WAN -s $admin -p tcp --dport 22 -j ACCEPT
done
$IPT -A INPUT -i $WAN -d 192.0.2.30 -p tcp -m multiport --dports 80,443 -j ACCEPT
$IPT -A INPUT -i ens192 -j LOG --log-prefix "ens192 denied: "
