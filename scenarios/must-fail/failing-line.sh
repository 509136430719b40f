#!/bin/sh
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -A INPUT -p tcp --dport ssh-alternative -j ACCEPT
iptables -A INPUT -p tcp -j DROP
