#!/bin/bash
# The manual's step 2. The first rule writes down every source of a NEW packet; the second drops a source that
# has ten of them within 60 s, the one just written down included.
iptables -A INPUT -p tcp --dport 1:65535 -m state --state NEW -m recent --set
iptables -A INPUT -p tcp --dport 1:65535 -m state --state NEW -m recent --update --seconds 60 --hitcount 10 -j DROP
