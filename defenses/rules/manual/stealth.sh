#!/bin/bash
# The manual's step 3. The first rule matches packets without any flag; the second, called XMAS there, those that
# have all six. nmap's XMAS probe has three: FIN, PSH and URG.
iptables -A INPUT -p tcp --tcp-flags ALL NONE -j DROP
iptables -A INPUT -p tcp --tcp-flags ALL ALL -j DROP
