# Its blocks go here.
iptables -N PORTSENTRY
iptables -A INPUT -j PORTSENTRY
