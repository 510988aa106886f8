# shellcheck shell=bash
# Claims about what a command answers, on this machine or in a guest.

# shellcheck disable=SC2034 # for those who source this
held=0
failed=0
capabilities=$(awk '/^CapEff/ { print $2 }' /proc/self/status)

# claim WORDS STATUS PATTERN COMMAND…: the command's exit status and what it says
# match these extended regular expressions.
claim() {
    local words=$1 status=$2 pattern=$3
    shift 3
    answer "$@"
    judge "$words" "$status" "$pattern" "$*"
}

# The same of what takes a moment to come true.
soon() {
    local words=$1 status=$2 pattern=$3
    shift 3
    for _ in $(seq 50); do
        answer "$@"
        if matches "$status" "$pattern"; then break; fi
        sleep 0.1
    done
    judge "$words" "$status" "$pattern" "$*"
}

# Nothing that is started waits for ever, nor for a keyboard.
answer() {
    got=0
    rm -f "$place/said" # what runs on from an earlier claim keeps its own
    timeout -k 5 "${patience:-60}" "$@" >"$place/said" 2>&1 </dev/null || got=$?
    # A terminal ends its lines with a carriage return as well.
    said=$(tr -d '\r\0' <"$place/said")
}

matches() { [[ $got =~ ^($1)$ && $said =~ $2 ]]; }

judge() {
    if matches "$2" "$3"; then
        held=$((held + 1))
        echo "ok      $1"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n  ran:    %s\n  wanted: %s, /%s/\n  got:    %s, %s\n' "$1" "$4" "$2" "$3" "$got" "${said:0:1500}"
    fi
}

# What cannot be asked here, and why.
unasked() { echo "unasked $1: $2"; }
