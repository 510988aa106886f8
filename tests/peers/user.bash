# shellcheck shell=bash
# An ordinary user to run a script as, for root: made with subordinate ids, given
# what the script needs, and removed with everything of theirs.

# shellcheck source-path=SCRIPTDIR source=hybrid.bash
. "${BASH_SOURCE%/*}/hybrid.bash"

# A process that was killed goes when the kernel has the time, and the user after it.
remove_user() {
    for _ in $(seq 100); do
        pkill -KILL -u "$1" || true
        if userdel --remove "$1" 2>/dev/null || ! id "$1" >/dev/null 2>&1; then return; fi
        sleep 0.05
    done
    echo "${0##*/}: the user $1 cannot be removed: a process of theirs is left" >&2
    return 1
}

as_a_user() {
    local user=isolab-peer-$$ place status=0 old
    # What scripts that were killed left.
    for old in $(cut -d: -f1 /etc/passwd | grep '^isolab-peer-' || true); do
        if [ ! -e "/proc/${old#isolab-peer-}" ]; then remove_user "$old"; fi
    done
    useradd --create-home --shell /bin/bash "$user"
    place=$(eval echo "~$user")
    # shellcheck disable=SC2064 # the user is this one, whatever comes
    trap "remove_user $user" EXIT
    local runtime
    runtime=$(command -v "${1:-isorun}")
    # Neither the checkout nor what was built need be anybody's to read.
    install -m 755 "${0%/*}"/* "$runtime" "$place"
    su "$user" -c "cd && exec ./${0##*/} ./${runtime##*/}" || status=$?
    return "$status"
}
