#!/bin/bash
# Rules are added to what is there already, so that layers can be stacked; each family is one transaction.
iptables-restore --noflush <<'RULES'
{{ v4 }}RULES
ip6tables-restore --noflush <<'RULES'
{{ v6 }}RULES
