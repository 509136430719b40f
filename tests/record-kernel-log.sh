#!/bin/sh
# Records what this kernel's own logger says of many kinds of packets, beside what NFLOG says of the same ones, into
# harness/lab/testdata/kernel-log. All rules and packets are in the network namespaces of a lab; the one thing of the
# machine that is changed is whether its log tells of such namespaces, and that is put back. It needs root.
set -eu
cd "$(dirname "$0")/.."
switch=/proc/sys/net/netfilter/nf_log_all_netns

if [ "$(id -u)" -ne 0 ]; then
    echo "run this as root: only root may let the kernel log tell of other network namespaces" >&2
    exit 3
fi
test -e $switch || modprobe nf_log_syslog
before=$(cat $switch)
put_back() { echo "$before" >$switch; }
trap put_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
echo 1 >$switch
SCANDRILL_RECORD_KERNEL_LOG=1 cargo test -p scandrill-lab --test lab -- --exact record
