#!/bin/sh
# setup.sh          finds what scandrill needs and this machine lacks
# setup.sh tests    and what only its tests look at reports with: a browser, a reader of captures, and a terminal
#
# What is missing is installed with apt-get: directly as root, with sudo otherwise. Programs, and one library. Of these
# packages only nftables brings a service, and Debian and Ubuntu neither enable nor start it; nothing that starts one is
# ever installed here. Says nothing when all is there.
#
# Daemons and whole firewalls, whose packages would start them, are downloaded and unpacked into a folder that labs lay
# over their own /usr, /etc and /var. They are not installed, and no script of theirs runs.
#
# Ends with 0 when everything is there, with 3 and the command that mends it when it cannot be. A daemon that cannot be
# downloaded is told and ends nothing: the cases that need it are skipped by its name. So are tests that need one of the last three.
set -eu

# The oldest Rust that builds this, as in Cargo.toml.
rust_needed=1.88

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# A program by its name, a library by the name that the linker knows, or a file by its path.
has() {
    case $1 in
    /*) [ -e "$1" ] ;;
    *.so.*) ldconfig -p 2>/dev/null | grep -qF "$1 (" ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

say() { printf '%s\n' "$*" >&2; }

give_up() {
    say "$@"
    exit 3
}

# add LIST WORD...: the list with the words that it lacks.
add() {
    list=$1
    shift
    for word; do
        case " $list " in
        *" $word "*) ;;
        *) list="${list:+$list }$word" ;;
        esac
    done
    printf '%s' "$list"
}

missing=
packages=
# need PROGRAM|LIBRARY PACKAGE...
need() {
    if has "$1"; then return; fi
    missing="$missing $1"
    shift
    packages=$(add "$packages" "$@")
}

wanted=
# want PROGRAM PACKAGE: what does without it is skipped by its name.
want() {
    if has "$1"; then return; fi
    wanted=$(add "$wanted" "$2")
}

daemons=
# unpack PROGRAM|LIBRARY|FILE PACKAGE...
unpack() {
    if has "$1"; then return; fi
    shift
    daemons=$(add "$daemons" "$@")
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

if [ "${1:-}" = tests ]; then
    # Some 125 MB; Ubuntu has it as a snap alone, which is no package of apt-get's.
    want chromium chromium
    want tshark tshark
    want tmux tmux
fi

unpack fail2ban-server fail2ban python3-pyinotify
unpack knockd knockd
unpack fwknopd fwknop-server
unpack fwknop fwknop-client
unpack ufw ufw
unpack firewalld firewalld
unpack psad psad
unpack portsentry portsentry
unpack sshguard sshguard
unpack crowdsec crowdsec
unpack crowdsec-firewall-bouncer crowdsec-firewall-bouncer
unpack nginx nginx
unpack /usr/lib/nginx/modules/ngx_http_modsecurity_module.so libnginx-mod-http-modsecurity
unpack /usr/share/modsecurity-crs modsecurity-crs
unpack haproxy haproxy
unpack logrotate logrotate
unpack curl curl
# Asked for by one of these, and of no use in a lab: mail, another log daemon, what boots a machine.
left_out='exim4.*|bsd-mailx|liblockfile.*|libidn12|rsyslog|libestr0|libfastjson4|liblognorm5|.*-dev|systemd.*|udev|.*-systemd|dbus-user-session'

# Nobody is asked anything, and no running service is restarted because a library is new.
quiet="env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l"

# install PREFIX PACKAGE...: the prefix is empty, or how to become root. An index that cannot be refreshed may still do.
install() {
    prefix=$1
    shift
    # shellcheck disable=SC2086 # words on purpose
    $prefix $quiet apt-get update -qq || true
    # shellcheck disable=SC2086 # words on purpose
    $prefix $quiet apt-get install -y -qq -o DPkg::Lock::Timeout=120 --no-install-recommends "$@" >&2
}

# How to become root, into $become; fails where there is no way.
root() {
    if [ "$(id -u)" -eq 0 ]; then
        become=
    elif has sudo && sudo -n true 2>/dev/null; then
        become="sudo -n"
    elif has sudo && [ -t 0 ]; then
        become=sudo
    else
        return 1
    fi
}

if [ -n "$packages" ]; then
    by_hand="apt-get update && apt-get install --no-install-recommends $packages"
    has apt-get || give_up "missing:$missing. There is no apt-get here; install them with this system's own package" \
        "manager (Debian calls the packages: $packages), then try again."
    root || give_up "missing:$missing. Run this as root, then try again:
    $by_hand"
    say "missing:$missing"
    say "installing:$become apt-get install --no-install-recommends $packages"
    # shellcheck disable=SC2086 # words on purpose
    install "$become" $packages || give_up "that did not work. Run this as root, then try again:
    $by_hand"
fi

# Each by itself: one that this system does not have must not keep the others away.
for package in $wanted; do
    say "for tests of reports: $package"
    if ! has apt-get || ! root || ! install "$become" "$package"; then
        say "that did not work, so tests that need $package are skipped. By hand:
    apt-get update && apt-get install --no-install-recommends $package"
    fi
done

still=
for program in $missing; do
    has "$program" || still="$still $program"
done
[ -z "$still" ] || give_up "still missing after installing $packages:$still"

# Where labs look for daemons: harness/lab/src/unpacked.rs.
if [ "$(id -u)" -eq 0 ]; then
    folder=/var/lib/scandrill/daemons
else
    folder=${XDG_DATA_HOME:-${HOME:-/nowhere}/.local/share}/scandrill/daemons
fi
folder=${SCANDRILL_DAEMONS:-$folder}

# Options for apt-get in a file, since a path may hold blanks.
export APT_CONFIG=
# Package lists as they are now. Those of an ordinary user are his own.
refresh() {
    if [ "$(id -u)" -ne 0 ]; then
        mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
        printf '%s\n' "Dir::State::lists \"$1/lists\";" "Dir::Cache \"$1/cache\";" >>"$1/apt.conf"
    fi
    apt-get update -qq
}

# The packages of $daemons that this system's lists name, into $known; the others into $unknown.
tell_known() {
    known=
    unknown=
    for package in $daemons; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            known="$known $package"
        else
            unknown="$unknown $package"
        fi
    done
}

# download FOLDER: the packages of $known, with what they depend on and this machine lacks.
download() {
    [ -n "$known" ] || return 1
    rm -rf "$1/debs" && mkdir "$1/debs" || return
    # shellcheck disable=SC2086 # words on purpose
    apt-get -s install --no-install-recommends $known >"$1/plan" || return
    sed -n 's/^Inst \([^ ]*\) .*/\1/p' "$1/plan" | grep -vxE "$left_out" >"$1/names" || return
    (cd "$1/debs" && xargs apt-get download -qq <"$1/names")
}

# lay_out FOLDER: what was downloaded, as a tree in FOLDER/tree. What is in /bin or /lib goes where a merged /usr has it.
lay_out() {
    mkdir -p "$1/tree/usr" "$1/tree/etc" "$1/tree/var" || return
    for package in "$1"/debs/*.deb; do
        dpkg-deb -x "$package" "$1/tree" || return
        dpkg-deb --show --showformat '${Package} ${Version}\n' "$package" >>"$1/tree/packages" || return
    done
    for old in bin sbin lib; do
        if [ -d "$1/tree/$old" ]; then
            cp -a "$1/tree/$old" "$1/tree/usr/" && rm -r "${1:?}/tree/$old" || return
        fi
    done
    # What everybody can download is no secret: an ordinary user may be pointed at root's folder.
    chmod -R a+rX "$1/tree" || return
    # No script of a package did it: every start would compile its modules anew, and a lab cannot keep them.
    if has /usr/bin/python3; then
        /usr/bin/python3 -m compileall -q "$1/tree/usr/lib/python3" "$1/tree/usr/share" >/dev/null 2>&1 || true
    fi
    printf '%s\n' "$daemons" >"$1/tree/asked"
}

# What was unpacked half is never in the folder's place.
get_daemons() {
    say "downloading, for labs alone, into $folder: $daemons"
    mkdir -p "$(dirname "$folder")" || return
    new=$(mktemp -d "$folder.XXXXXX") || return
    chmod 755 "$new"
    APT_CONFIG=$new/apt.conf
    # Without it, apt-get complains that its own user cannot write where root can.
    printf 'APT::Sandbox::User "root";\nDebug::NoLocking "true";\n' >"$APT_CONFIG"
    tell_known
    if [ -n "$unknown" ] || ! download "$new" 2>/dev/null; then
        refresh "$new" || true
        tell_known
        download "$new" || return
    fi
    [ -z "$unknown" ] || say "not in this system's package lists, so cases that need them are skipped:$unknown"
    lay_out "$new" || return
    if [ -e "$folder" ]; then mv "$folder" "$new/old" || return; fi
    mv "$new/tree" "$folder"
}

if [ -n "$daemons" ] && [ "$(cat "$folder/asked" 2>/dev/null)" != "$daemons" ]; then
    new=
    get_daemons || say "that did not work, so cases that need these are skipped. When the network is there:
    apt-get update && $0"
    if [ -n "$new" ]; then rm -rf "$new"; fi
fi

# rustup's own folder, which a login shell has and a bare one may not.
PATH="${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH"
how="Install Rust $rust_needed or newer with rustup, then try again.
rustup is the Rust project's installer; newer Debian and Ubuntu releases have it as a package:
    apt-get install rustup && rustup default stable"
has cargo || give_up "cargo is missing, which builds scandrill. $how"
version=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || version=
oldest=$(printf '%s\n%s\n' "$rust_needed" "${version:-0}" | sort -V | head -n 1)
[ "$oldest" = "$rust_needed" ] || give_up "cargo is too old: ${version:-no version}, needed is $rust_needed. $how"
