# shellcheck shell=bash
# What the scripts of this directory share: a place of its own for the client
# that is driven, and the removal of all that was started, also by a script that
# was killed.
#
# Each script takes the runtime as its first argument (`isorun` unless named),
# prints one line a claim, and exits with 1 if one did not hold.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=hybrid.bash
. "${BASH_SOURCE%/*}/hybrid.bash"

name=${0##*/}
runtime=$(realpath "$(command -v "${1:-isorun}")") || {
    echo "$name: there is no runtime '${1:-isorun}'; give the path of one" >&2
    exit 2
}

# shellcheck source-path=SCRIPTDIR source=claims.bash
. "${BASH_SOURCE%/*}/claims.bash"

# Ends and removes everything of a place. The groups go first, as what runs in
# them may name itself as it likes.
remove() {
    local place=$1 group pid point
    local parent=${place##*/}
    for _ in $(seq 100); do
        for group in $(groups_of "$parent"); do
            # A frozen process does not die before it is thawed.
            { echo THAWED >"$group/freezer.state" || echo 0 >"$group/cgroup.freeze"; } 2>/dev/null || true
            kill_all "$(cat "$group/cgroup.procs" 2>/dev/null || true)"
            rmdir "$group" 2>/dev/null || true
        done
        kill_all "$(processes_of "$place")"
        if [ -z "$(processes_of "$place")$(groups_of "$parent")" ]; then break; fi
        sleep 0.05
    done
    mounts_of "$place" | tac | while read -r point; do
        umount --lazy --no-canonicalize "$point" || true
    done
    # An ordinary user's containers own files by ids that are theirs only inside.
    if [ "$EUID" = 0 ]; then
        rm -rf --one-file-system "$place"
    else
        unshare --map-root-user --map-auto rm -rf --one-file-system "$place"
    fi
}

kill_all() {
    local pid
    for pid in $1; do kill -KILL "$pid" 2>/dev/null || true; done
}

# The control groups of that name and those in them, the deepest first.
groups_of() {
    find /sys/fs/cgroup -depth -type d \( -path "*/$1" -o -path "*/$1/*" \) 2>/dev/null || true
}

mounts_of() { awk -v place="$1/" 'index($5, place) == 1 { print $5 }' /proc/self/mountinfo; }

# The processes whose command line or environment names the place: a monitor is
# given an environment of its own. The name is no argument of grep, which would
# find itself.
processes_of() {
    grep -lsF -f <(echo "$1/") /proc/[0-9]*/cmdline /proc/[0-9]*/environ | cut -d/ -f3 | sort -u || true
}

# A script says how it stops what it started by its own means.
stop() { :; }

leave() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    stop >/dev/null 2>&1 || true
    cd /
    remove "$place"
    echo "$name with ${runtime##*/}: $held held, $failed failed"
    if [ "$failed" -gt 0 ]; then
        status=1
    elif [ "$status" -ne 0 ]; then
        echo "$name: came to no end, with status $status" >&2
    fi
    exit "$status"
}

# What scripts that were killed left.
for old in /tmp/isolab-peer-*; do
    pid=${old#/tmp/isolab-peer-}
    if [ -O "$old" ] && [ ! -e "/proc/$pid" ]; then remove "$old"; fi
done

# Short, as podman refuses long ones; its name is that of its control group too.
place=/tmp/isolab-peer-$$
mkdir -m 755 "$place"
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$place" # where monitors drop what they have no better place for
mkdir "$place/bin" "$place/runtime"
export ISOLAB_PEER=$place/ # by which its processes are known
PATH="$place/bin:$PATH:/usr/sbin:/sbin"

# The control groups below the place's own, those alone that find's options select.
# Others' groups come and go meanwhile.
cat >"$place/bin/groups-left" <<END
#!/bin/sh
find /sys/fs/cgroup -path "*/${place##*/}/*" -type d "\$@" 2>/dev/null || :
END
chmod 755 "$place/bin/groups-left"

# A root file system of one static program under all its names, an ordinary user
# and a group of theirs.
mkdir "$place/root"
(
    cd "$place/root"
    mkdir -p bin dev etc proc root sys tmp
    chmod 1777 tmp
    for applet in $(busybox --list); do ln -sf busybox "bin/$applet"; done
    rm bin/busybox
    cp "$(command -v busybox)" bin/busybox
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'app:x:1000:1000:app:/tmp:/bin/sh' >etc/passwd
    printf '%s\n' 'root:x:0:' 'app:x:1000:' 'extra:x:2000:app' >etc/group
)
tar -C "$place/root" --owner 0 --group 0 --numeric-owner -cf "$place/root.tar" .

