#!/bin/sh
iptables -P INPUT DROP
