# As everything is let in that is not invalid; but UDP to this port is not tracked at all.
for tables in iptables ip6tables; do
    $tables -t raw -A PREROUTING -p udp --dport 9 -j CT --notrack
    $tables -A INPUT -m conntrack --ctstate INVALID -j DROP
done
