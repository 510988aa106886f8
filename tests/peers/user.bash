# shellcheck shell=bash
# An ordinary user to run a script as, for root: made with subordinate ids, given
# what the script needs, and removed with everything of theirs.

# shellcheck source-path=SCRIPTDIR source=hybrid.bash
. "${BASH_SOURCE%/*}/hybrid.bash"

as_a_user() {
    local user=isolab-peer-$$ place status=0
    useradd --create-home --shell /bin/bash "$user"
    place=$(eval echo "~$user")
    # shellcheck disable=SC2064 # the user is this one, whatever comes
    trap "pkill -KILL -u $user; userdel --remove $user 2>/dev/null" EXIT
    local runtime
    runtime=$(command -v "${1:-isorun}")
    # Neither the checkout nor what was built need be anybody's to read.
    install -m 755 "${0%/*}"/* "$runtime" "$place"
    su "$user" -c "cd && exec ./${0##*/} ./${runtime##*/}" || status=$?
    return "$status"
}
