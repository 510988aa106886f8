# shellcheck shell=bash
# A containerd of one's own, for those that speak to one.

# shellcheck source-path=SCRIPTDIR source=place.bash
. "${BASH_SOURCE%/*}/place.bash"

# For others to pass through, as a container with a user namespace must.
mkdir -m 711 "$place/containerd"
cat >"$place/containerd.toml" <<END
version = 2
root = "$place/containerd/root"
state = "$place/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "$place/containerd.sock"
[ttrpc]
address = "$place/containerd.ttrpc"
[debug]
level = "debug"
END

# background NAME COMMAND…: a daemon, its words in a file of that name.
background() {
    local name=$1
    shift
    "$@" >"$place/$name.log" 2>&1 </dev/null &
    echo $! >"$place/$name.pid"
    disown
}

# What asks a daemon to end, and waits for it.
end() {
    local pid
    pid=$(cat "$place/$1.pid")
    kill "$pid"
    timeout 30 tail --pid "$pid" -f /dev/null
}

background containerd containerd --config "$place/containerd.toml"
soon "containerd answers" 0 'Version' ctr --address "$place/containerd.sock" version
