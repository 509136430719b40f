#!/bin/sh
# Runs the tests that build labs once more as an ordinary user: with a range of user ids, and with one id alone.
# Started as root, because root can become anyone. The user exists only in this script's own mount namespace; what is
# left afterwards is in target/rootless.
set -eu
cd "$(dirname "$0")/.."
here=$PWD
files=$here/target/rootless
id=54321

prepare() {
    mkdir -p "$files" "$here/target/tmp"
    # Where cargo keeps it, an ordinary user may not look.
    cp "$(command -v cargo-nextest)" "$files/cargo-nextest"
    cargo nextest list --locked --workspace --list-type binaries-only --message-format json >"$files/binaries.json"
    # Without the crates of other platforms, which were never downloaded.
    host=$(rustc -vV | sed -n 's/^host: //p')
    cargo metadata --locked --offline --filter-platform "$host" --format-version 1 >"$files/cargo.json"
}

# Mounts that only this process and its children see.
be_private() {
    mkdir -p "$files/private"
    mount -t tmpfs rootless "$files/private"
    mkdir "$files/private/etc" "$files/private/work" "$files/private/checkout"
    mount -t overlay -o "lowerdir=/etc,upperdir=$files/private/etc,workdir=$files/private/work" rootless /etc
    echo "drill:x:$id:$id::/tmp:/bin/sh" >>/etc/passwd
    echo "drill:x:$id:" >>/etc/group
    mount -t tmpfs -o mode=1777 rootless "$here/target/tmp"
    reachable
    # A checkout below /tmp would be hidden by it.
    case $here in
    /tmp/*) ;;
    *) mount -t tmpfs -o mode=1777 rootless /tmp ;;
    esac
}

as_user() { setpriv --reuid=$id --regid=$id --clear-groups "$@"; }

# A checkout below a folder that is root's alone gets a way that others may go.
reachable() {
    if as_user test -x "$here/target"; then return; fi
    closed=$here
    until as_user test -x "$(dirname "$closed")"; do closed=$(dirname "$closed"); done
    mount --rbind "$here" /mnt
    mount -t tmpfs -o mode=755 rootless "$closed"
    mkdir -p "$here"
    mount --rbind /mnt "$here"
    cd "$here"
    as_user test -x "$here/target" || {
        echo "an ordinary user may not read $here: chmod -R go+rX would let it" >&2
        exit 3
    }
}

# run NAME TESTS: everything an ordinary user has, and nothing of root's.
run() {
    echo "as an ordinary user with $1:"
    as_user env -i PATH="/usr/local/bin:/usr/bin:/bin" HOME=/tmp TERM="${TERM:-dumb}" \
        CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}" INSTA_WORKSPACE_ROOT="$here" INSTA_UPDATE=no \
        "$files/cargo-nextest" nextest run --binaries-metadata "$files/binaries.json" \
        --cargo-metadata "$files/cargo.json" --workspace-remap "$here" -E "$2"
}

if [ "${1:-}" = inside ]; then
    be_private
    : >/etc/subuid
    : >/etc/subgid
    run "one user id" "package(scandrill-lab) or binary(cli)"
    echo "drill:2000000:65536" >/etc/subuid
    echo "drill:2000000:65536" >/etc/subgid
    # The tidy tests ask cargo about the checkout, which says nothing about users.
    run "a range of user ids" "not binary(tidy)"
    exit
fi

if [ "$(id -u)" -ne 0 ]; then
    echo "run this as root; as an ordinary user, \`make test\` is already what it does" >&2
    exit 3
fi
command -v cargo-nextest >/dev/null || {
    echo "cargo-nextest is missing, which can run tests that somebody else built" >&2
    exit 3
}
prepare
exec unshare --mount "$0" inside
