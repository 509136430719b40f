#!/bin/sh
# Finds what scandrill needs and this machine lacks, and installs it with apt-get: directly as root,
# with sudo otherwise. Programs, and one library. Of these packages only nftables brings a service, and Debian and
# Ubuntu neither enable nor start it; nothing that starts one is ever installed here. Says nothing when all is there.
#
# Ends with 0 when everything is there, with 3 and the command that mends it when it cannot be.
set -eu

# The oldest Rust that builds this, as in Cargo.toml.
rust_needed=1.88

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# A program by its name, or a library by the name that the linker knows.
has() {
    case $1 in
    *.so.*) ldconfig -p 2>/dev/null | grep -qF "$1 (" ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

say() { printf '%s\n' "$*" >&2; }

give_up() {
    say "$@"
    exit 3
}

missing=
packages=
# need PROGRAM|LIBRARY PACKAGE...
need() {
    if has "$1"; then return; fi
    missing="$missing $1"
    shift
    for package; do
        case " $packages " in
        *" $package "*) ;;
        *) packages="${packages:+$packages }$package" ;;
        esac
    done
}

need bash bash
need cc gcc libc6-dev
need nmap nmap
need nft nftables
need iptables-nft iptables
need iptables-legacy iptables
need ip6tables-nft iptables
need ip6tables-legacy iptables
need ipset ipset
need tcpdump tcpdump
need ethtool ethtool
# Lets an ordinary user's lab have more than one user id.
need newuidmap uidmap
# Opens SCTP ports where the kernel has none.
need libusrsctp.so.2 libusrsctp2

# Nobody is asked anything, and no running service is restarted because a library is new.
quiet="env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l"

# install PREFIX: the prefix is empty, or how to become root. An index that cannot be refreshed may still do.
install() {
    # shellcheck disable=SC2086 # words on purpose
    $1 $quiet apt-get update -qq || true
    # shellcheck disable=SC2086 # words on purpose
    $1 $quiet apt-get install -y -qq -o DPkg::Lock::Timeout=120 --no-install-recommends $packages >&2
}

if [ -n "$packages" ]; then
    by_hand="apt-get update && apt-get install --no-install-recommends $packages"
    has apt-get || give_up "missing:$missing. There is no apt-get here; install them with this system's own package" \
        "manager (Debian calls the packages: $packages), then try again."
    if [ "$(id -u)" -eq 0 ]; then
        become=
    elif has sudo && sudo -n true 2>/dev/null; then
        become="sudo -n"
    elif has sudo && [ -t 0 ]; then
        become=sudo
    else
        give_up "missing:$missing. Run this as root, then try again:
    $by_hand"
    fi
    say "missing:$missing"
    say "installing:$become apt-get install --no-install-recommends $packages"
    install "$become" || give_up "that did not work. Run this as root, then try again:
    $by_hand"
fi

still=
for program in $missing; do
    has "$program" || still="$still $program"
done
[ -z "$still" ] || give_up "still missing after installing $packages:$still"

# rustup's own folder, which a login shell has and a bare one may not.
PATH="${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH"
how="Install Rust $rust_needed or newer with rustup, then try again.
rustup is the Rust project's installer; newer Debian and Ubuntu releases have it as a package:
    apt-get install rustup && rustup default stable"
has cargo || give_up "cargo is missing, which builds scandrill. $how"
version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || version=
oldest=$(printf '%s\n%s\n' "$rust_needed" "${version:-0}" | sort -V | head -n 1)
[ "$oldest" = "$rust_needed" ] || give_up "cargo is too old: ${version:-no version}, needed is $rust_needed. $how"
