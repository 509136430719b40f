# What the kernel does not limit, a rule does: closed ports are silent once five have been refused.
for tables in iptables ip6tables; do
    $tables -A OUTPUT -p tcp --tcp-flags RST RST -m limit --limit 1/min --limit-burst 5 -j ACCEPT
    $tables -A OUTPUT -p tcp --tcp-flags RST RST -j DROP
done
