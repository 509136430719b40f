#!/bin/bash
# As administrators write it: programs by their paths, rules of IPv6 in a file, one chain that logs and drops.
set -e
PORTS=101:110
/usr/sbin/iptables -N LOGDROP
/usr/sbin/iptables -A LOGDROP -m limit --limit 100/second --limit-burst 500 \
    -j LOG --log-prefix "v4 dropped: " --log-level info --log-tcp-sequence --log-tcp-options
/usr/sbin/iptables -A LOGDROP -j DROP
/usr/sbin/iptables -A INPUT -p tcp --dport "$PORTS" -j LOGDROP
cat > /etc/rules.v6 << EOF
*filter
:LOGDROP - [0:0]
-A LOGDROP -j LOG --log-prefix "v6 dropped: " --log-level info --log-tcp-sequence --log-tcp-options
-A LOGDROP -j DROP
-A INPUT -p tcp --dport $PORTS -j LOGDROP
COMMIT
EOF
/sbin/ip6tables-restore -n /etc/rules.v6
