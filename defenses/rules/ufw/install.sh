#!/bin/bash
# A ufw as its package installs it, whatever was configured before, and what an administrator types then.
cp /usr/share/ufw/iptables/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf /etc/ufw/
sed -i 's/^IPV6=.*/IPV6={{ ipv6 }}/; s/^DEFAULT_INPUT_POLICY=.*/DEFAULT_INPUT_POLICY="{{ policy }}"/' /etc/default/ufw
{% if logging != "low" %}
ufw logging {{ logging }}
{% endif %}
{% for ports in limit.tcp %}
ufw limit {{ ports.iptables }}/tcp
{% endfor %}
{% for ports in limit.udp %}
ufw limit {{ ports.iptables }}/udp
{% endfor %}
{% for ports in allow.tcp %}
ufw allow {{ ports.iptables }}/tcp
{% endfor %}
{% for ports in allow.udp %}
ufw allow {{ ports.iptables }}/udp
{% endfor %}
ufw --force enable
