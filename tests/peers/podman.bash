# shellcheck shell=bash disable=SC2016 # the words of the container's shell
# What podman is asked as root and as an ordinary user alike: a container's whole
# life, and each option that reaches the runtime.

# shellcheck source-path=SCRIPTDIR source=place.bash
. "${BASH_SOURCE%/*}/place.bash"

# Limits below podman's own, which not everybody may raise; and what podman knows of
# runtimes by their names, and of others has to be told.
cat >"$place/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime_supports_json = ["${runtime##*/}"]
runtime_supports_nocgroup = ["${runtime##*/}"]
END

# podman, with all its books in the place, and the runtime's too: as a program
# of its own, since what podman runs when a container has ended forgets the
# options that it was told to give the runtime.
cat >"$place/bin/${runtime##*/}" <<END
#!/bin/sh
exec $runtime --root $place/runtime "\$@"
END
cat >"$place/bin/podman" <<END
#!/bin/sh
export CONTAINERS_CONF=$place/containers.conf XDG_CONFIG_HOME=$place/config
exec $(command -v podman) --root $place/a --runroot $place/b --tmpdir $place/c --storage-driver vfs \
    --cgroup-manager cgroupfs --runtime $place/bin/${runtime##*/} "\$@"
END
chmod 755 "$place/bin/podman"

stop() {
    podman pod rm --all --force --time 0
    podman rm --all --force --time 0
}

# The group that is removed at the end; an ordinary user has none to make it in.
group=()
if [ "$EUID" = 0 ]; then group=(--cgroup-parent "${place##*/}"); fi

# A container with nothing but the loopback interface.
cat >"$place/bin/run" <<END
#!/bin/sh
exec podman run --network none ${group[*]} "\$@"
END
chmod 755 "$place/bin"/*

# With every runtime podman now and then misses the words of what ends at once: a
# claim whose answer says nothing is asked once more.
claim() {
    local words=$1 status=$2 pattern=$3
    shift 3
    answer "$@"
    if [ -z "$said" ] && ! matches "$status" "$pattern" && matches "$status" ''; then answer "$@"; fi
    judge "$words" "$status" "$pattern" "$*"
}

image=localhost/base
podman import --quiet --change 'ENV PATH=/bin' "$place/root.tar" "$image" >/dev/null

# The pattern of a namespace of the kind, as COMMAND… sees it.
namespace() {
    local kind=$1 number
    shift
    number=$("$@" readlink "/proc/self/ns/$kind" | tr -dc 0-9)
    echo "^$kind:.$number.\$"
}

runs_and_reports() {
    claim "run prints what the program prints" 0 '^hello$' run --rm $image echo hello
    claim "run exits as the program does" 7 '' run --rm $image sh -c 'exit 7'
    claim "what may not be executed is 126" 126 'permission denied' run --rm $image /etc/passwd
    claim "what does not exist is 127" 127 'no such file|not found' run --rm $image /etc/nowhere
    claim "what is not in PATH is 127" 127 'not found' run --rm $image nowhere
    claim "standard input arrives" 0 '^5$' sh -c "echo hell | run -i --rm $image wc -c"
    claim "a terminal is one" 0 '/dev/pts/0.*/dev/console|/dev/console.*terminal' \
        script -qec "run -it --rm $image sh -c 'tty; [ -t 0 ] && ls /dev/console && echo terminal'" /dev/null
}

lives_a_life() {
    claim "run -d returns" 0 '^[0-9a-f]{64}$' run -d --name life --hostname there \
        $image sh -c 'echo out; echo err >&2; trap "echo stopping; exit 3" TERM; trap "exit 4" USR1; while :; do sleep 0.1; done'
    claim "ps shows it" 0 'life.Up' podman ps --format '{{.Names}} {{.Status}}'
    soon "logs hold both of its streams" 0 'out.*err|err.*out' podman logs life
    claim "exec passes environment and directory" 0 '^B=b /tmp$' podman exec -e B=b -w /tmp life sh -c 'echo B=$B $PWD'
    claim "exec exits as the program does" 9 '' podman exec life sh -c 'exit 9'
    claim "exec as a user of the image has that user's groups" 0 '^uid=1000\(app\) gid=1000\(app\) groups=.*2000\(extra\)$' \
        podman exec -u app life id
    claim "exec as numbers" 0 '^uid=1234 gid=5678' podman exec -u 1234:5678 life id
    claim "exec of what does not exist is 127" 127 'no such file|not found' podman exec life /nowhere
    claim "exec of what may not be executed is 126" 126 'permission denied' podman exec life /etc/passwd
    claim "exec sees the container's own" 0 '^there$' podman exec life hostname
    claim "exec passes standard input" 0 '^5$' sh -c 'echo hell | podman exec -i life wc -c'
    claim "exec at a terminal is at one" 0 '/dev/pts/[0-9]+.*terminal' \
        script -qec "podman exec -it life sh -c 'tty; [ -t 0 ] && echo terminal'" /dev/null
    claim "exec -d returns" 0 '' podman exec -d life sh -c 'echo made >/tmp/made; exec sleep 1000'
    soon "and what it started runs" 0 'made' podman exec life cat /tmp/made
    claim "top shows its processes" 0 'USER.*root.*sleep 1000' podman top life
    claim "top with ps's own options runs ps inside" 0 'PID.*sleep 1000' podman top life -o pid,args
    claim "cp out of what runs" 0 '^made' sh -c 'podman cp life:/tmp/made - | tar -xO'
    claim "cp into it" 0 '' podman cp "$place/containers.conf" life:/tmp/in
    claim "and it is there" 0 'default_ulimits' podman exec life cat /tmp/in
    claim "diff tells of both" 0 'A /tmp/in.*A /tmp/made' sh -c 'podman diff life | sort'
    claim "exec --privileged has more capabilities" 0 '^$' sh -c \
        '[ "$(podman exec life grep CapEff /proc/self/status)" != "$(podman exec --privileged life grep CapEff /proc/self/status)" ]'
    claim "exec --preserve-fds" 0 '^through$' bash -c 'exec 3<<<through; podman exec --preserve-fds 1 life cat /proc/self/fd/3'
    claim "inspect names its process" 0 '^running [1-9][0-9]*$' podman inspect --format '{{.State.Status}} {{.State.Pid}}' life
    claim "inspect names the runtime" 0 "/${runtime##*/}$" podman inspect --format '{{.OCIRuntime}}' life
    claim "stop sends SIGTERM first" 0 '^life$' podman stop --time 10 life
    claim "and the program answered it" 0 'stopping' podman logs life
    claim "and its status is kept" 0 '^exited 3$' podman inspect --format '{{.State.Status}} {{.State.ExitCode}}' life
    claim "what is stopped starts again" 0 '^life$' podman start life
    claim "restart" 0 '^life$' podman restart --time 10 life
    claim "and it runs" 0 '^running$' podman inspect --format '{{.State.Status}}' life
    claim "kill sends what it is told to" 0 '^life$' podman kill --signal USR1 life
    soon "and the program got it" 0 '^exited 4$' podman inspect --format '{{.State.Status}} {{.State.ExitCode}}' life
    claim "rm" 0 'life' podman rm life
    claim "events tell of its life" 0 'create.*init.*start.*exec.*died.*remove' \
        podman events --stream=false --filter container=life --format '{{.Status}}'
    claim "run -d of what ignores SIGTERM" 0 '' run -d --name deaf $image sh -c 'trap "" TERM; while :; do sleep 0.1; done'
    claim "stop kills it in the end" 0 'deaf' podman stop --time 1 deaf
    claim "and its status says so" 0 '^137$' podman wait deaf
    claim "start again" 0 'deaf' podman start deaf
    claim "rm --force of what runs" 0 'deaf' podman rm --force --time 0 deaf
    claim "create, then init" 0 'made' sh -c "podman create --network none ${group[*]} --name made $image sh -c 'echo begun; exit 6' && podman init made"
    claim "runs nothing yet" 0 '^initialized $' sh -c 'podman inspect --format "{{.State.Status}} $(podman logs made)" made'
    claim "start --attach exits as the program does" 6 '^begun$' podman start --attach made
    claim "rm of what has ended" 0 'made' podman rm made
    claim "a container that is started again and again" 0 '' run -d --name stubborn --restart on-failure:2 $image false
    soon "was" 0 '^2 exited$' podman inspect --format '{{.RestartCount}} {{.State.Status}}' stubborn
    claim "health checks run in it" 0 '' run -d --name healthy --health-cmd 'test -e /tmp/well' --health-interval disable $image sleep 1000
    claim "and fail" 1 'unhealthy|^$' podman healthcheck run healthy
    claim "until they do not" 0 '' sh -c 'podman exec healthy touch /tmp/well && podman healthcheck run healthy'
    claim "one to be attached to" 0 '' run -d --name loud $image sh -c 'while :; do echo beat; sleep 0.1; done'
    claim "attach shows what it says" 124 'beat' timeout 1 podman attach --no-stdin --sig-proxy=false loud
    claim "and leaves it running" 0 '^running$' podman inspect --format '{{.State.Status}}' loud
    claim "all go" 0 '' podman rm --force --time 0 stubborn healthy loud
    claim "one that is removed as it ends" 0 '' run -d --rm --name brief $image sleep 0.3
    soon "is" 1 '' podman container exists brief
    claim "--timeout ends what takes longer" 255 '' run --rm --timeout 1 $image sleep 1000
    claim "nothing is left to see" 0 '^$' podman ps --all --quiet
}

# Each of them exits with a status of its own.
run_at_once() {
    claim "twenty at once" 0 '^20$' bash -c "for n in \$(seq 20); do run --rm $image sh -c \"sleep 0.2; exit \$n\" & all+=(\$!); done
        right=0; for n in \$(seq 20); do wait \"\${all[n-1]}\"; [ \$? = \"\$n\" ] && right=\$((right + 1)); done; echo \$right"
}

obeys_options() {
    claim "--init reaps for the program" 0 '^/run/podman-init -- sh' run --rm --init $image sh -c 'tr "\0" " " </proc/1/cmdline'
    claim "--read-only" 0 'Read-only file system' run --rm --read-only $image sh -c 'touch /file 2>&1 || :'
    claim "--read-only leaves /tmp" 0 '^written$' run --rm --read-only $image sh -c 'touch /tmp/file && echo written'
    claim "--tmpfs with options" 0 'size=1024k' run --rm --tmpfs /there:size=1m,noexec $image sh -c 'grep " /there .*noexec" /proc/mounts'
    mkdir "$place/shared"
    echo host >"$place/shared/file"
    claim "-v binds" 0 '^host$' run --rm -v "$place/shared:/shared" $image cat /shared/file
    claim "-v with ro is read-only" 0 '^host.*Read-only file system' \
        run --rm -v "$place/shared:/shared:ro" $image sh -c 'cat /shared/file; touch /shared/other 2>&1 || :'
    claim "-v of a file" 0 '^host$' run --rm -v "$place/shared/file:/deep/down/file" $image cat /deep/down/file
    claim "--cap-drop all" 0 '^CapEff:.0000000000000000$' run --rm --cap-drop all $image grep CapEff /proc/self/status
    claim "--cap-add" 0 '^CapEff:.0000000000001000$' run --rm --cap-drop all --cap-add net_admin $image grep CapEff /proc/self/status
    claim "no-new-privileges" 0 '^NoNewPrivs:.1$' run --rm --security-opt no-new-privileges $image grep NoNewPrivs /proc/self/status
    claim "podman's policy of system calls is in force" 0 '^Seccomp:.2$' run --rm $image grep Seccomp: /proc/self/status
    claim "none is when told so" 0 '^Seccomp:.0$' run --rm --security-opt seccomp=unconfined $image grep Seccomp: /proc/self/status
    cat >"$place/no-mkdir.json" <<'END'
{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
  "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 }] }
END
    claim "a policy of one's own" 0 'not supported' \
        run --rm --security-opt "seccomp=$place/no-mkdir.json" $image sh -c 'mkdir /tmp/new 2>&1 || :'
    claim "--user" 0 '^uid=1000\(app\) gid=1000\(app\)' run --rm --user app $image id
    claim "--user with numbers that the image does not know" 0 '^uid=1234.* gid=5678' run --rm --user 1234:5678 $image id
    claim "--group-add" 0 'groups=.*3000' run --rm --group-add 3000 $image id
    claim "--hostname" 0 '^there$' run --rm --hostname there $image hostname
    claim "--workdir" 0 '^/tmp$' run --rm --workdir /tmp $image pwd
    claim "--env" 0 '^B=b$' run --rm --env B=b $image sh -c 'echo B=$B'
    claim "--ulimit" 0 '^512$' run --rm --ulimit nofile=512:512 --ulimit nproc=512:512 $image sh -c 'ulimit -n'
    claim "--cgroupns host is the host's" 0 "$(namespace cgroup env)" run --rm --cgroupns host $image readlink /proc/self/ns/cgroup
    claim "--uts host is the host's" 0 "$(namespace uts env)" run --rm --uts host $image readlink /proc/self/ns/uts
    claim "--umask" 0 '^0027$' run --rm --umask 0027 $image sh -c umask
    claim "--oom-score-adj" 0 '^500$' run --rm --oom-score-adj 500 $image cat /proc/self/oom_score_adj
    claim "what is masked is empty" 0 '^0$' run --rm $image sh -c 'cat /proc/keys | wc -c'
    claim "mask= of one's own" 0 '^0$' run --rm --security-opt mask=/etc/passwd $image sh -c 'cat /etc/passwd | wc -c'
    claim "unmask=" 0 '^[1-9]' run --rm --security-opt unmask=/proc/keys $image sh -c 'cat /proc/keys | wc -c'
    claim "an overlay over what is bound" 0 '^host$' \
        sh -c "run --rm -v $place/shared:/shared:O $image sh -c 'echo other >/shared/file' && cat $place/shared/file"
    claim "a volume keeps what it is given" 0 '^kept$' \
        sh -c "run --rm -v kept:/v $image sh -c 'echo kept >/v/f' && run --rm -v kept:/v $image cat /v/f"
    claim "--rootfs" 0 '^hello$' run --rm --rootfs "$place/root" /bin/echo hello
    claim "--systemd always has what an init wants" 0 ' /run tmpfs .* /run/lock tmpfs' run --rm --systemd always $image sh -c 'sort -k 2 /proc/mounts | grep " /run"'
    mkdir "$place/hooks"
    cat >"$place/hooks/told.json" <<END
{ "version": "1.0.0", "when": { "always": true }, "stages": ["prestart", "poststop"],
  "hook": { "path": "$(command -v tee)", "args": ["tee", "-a", "$place/told"] } }
END
    claim "hooks are run" 0 '^hello$' podman --hooks-dir "$place/hooks" run --rm --network none "${group[@]}" $image echo hello
    claim "and told the state" 0 '"status": ?"creat(ed|ing)".*"status": ?"stopped"' cat "$place/told"
    claim "--sysctl" 0 '^1000$' run --rm --sysctl net.ipv4.ping_group_range='0 0' --sysctl kernel.msgmax=1000 $image cat /proc/sys/kernel/msgmax
    claim "--shm-size" 0 'size=2048k' run --rm --shm-size 2m $image grep ' /dev/shm ' /proc/mounts
    claim "--network none has the loopback interface only" 0 '^lo: $|^ *lo:' run --rm $image sh -c 'tail -n +3 /proc/net/dev'
    claim "--network host is the host's" 0 "$(namespace net env)" \
        podman run --rm --network host "${group[@]}" $image readlink /proc/self/ns/net
    claim "--pid host is the host's" 0 "$(namespace pid env)" \
        run --rm --pid host $image readlink /proc/self/ns/pid
    claim "a container for another to join" 0 '' run -d --name first $image sleep 1000
    claim "--pid container: sees its processes" 0 'sleep 1000' run --rm --pid container:first $image ps
    claim "--network container: is that one's" 0 "$(namespace net podman exec first)" \
        podman run --rm --network container:first "${group[@]}" $image readlink /proc/self/ns/net
    claim "--ipc container: is that one's" 0 "$(namespace ipc podman exec first)" \
        run --rm --ipc container:first $image readlink /proc/self/ns/ipc
    claim "and it goes" 0 'first' podman rm --force --time 0 first
    claim "--device" 0 'character special file 1:5' run --rm --device /dev/zero:/dev/nothing $image stat -c '%F %t:%T' /dev/nothing
    claim "--preserve-fds" 0 '^through$' bash -c "exec 3<<<through; run --rm --preserve-fds 1 $image cat /proc/self/fd/3"
}

shares_in_a_pod() {
    claim "pod create" 0 '^[0-9a-f]{64}$' podman pod create --name together --network none --share net,ipc,uts "${group[@]}"
    claim "a container in a pod" 0 '' podman run -d --pod together --name one $image sleep 1000
    local kind
    for kind in net ipc uts; do
        claim "another shares its $kind namespace" 0 "$(namespace $kind podman exec one)" \
            podman run --rm --pod together $image readlink /proc/self/ns/$kind
    done
    claim "but not its processes" 0 '^1$' podman run --rm --pod together $image sh -c 'echo $$'
    claim "pod pause" "$may_pause" '' podman pod pause together
    claim "pod unpause" "$may_pause" '' podman pod unpause together
    claim "pod top" 0 'sleep 1000' podman pod top together
    claim "pod restart" 0 '' podman pod restart together
    claim "pod kill" 0 '' podman pod kill together
    claim "pod start" 0 '' podman pod start together
    claim "pod ps" 0 '^together Running' podman pod ps --format '{{.Name}} {{.Status}}'
    claim "pod stop" 0 '' podman pod stop --time 0 together
    claim "pod rm" 0 '' podman pod rm --force --time 0 together
}

builds() {
    mkdir "$place/context"
    echo copied >"$place/context/file"
    cat >"$place/context/Containerfile" <<END
FROM $image
COPY file /copied
RUN cat /copied >/ran && id -u >>/ran
RUN ["/bin/sh", "-c", "echo again >>/ran"]
USER app
CMD ["cat", "/ran"]
END
    claim "build runs its steps" 0 'COMMIT' podman build --network none --isolation oci --runtime "$place/bin/${runtime##*/}" \
        --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 -t built "$place/context"
    claim "and what they made is there" 0 '^copied.0.again$' run --rm localhost/built
    echo 'FROM localhost/built
RUN exit 5' >"$place/context/Containerfile"
    claim "a step that fails fails the build" 5 'exit status 5' podman build --network none --isolation oci \
        --runtime "$place/bin/${runtime##*/}" --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$place/context"
}

leaves_nothing() {
    claim "the runtime keeps no state of what is gone" 0 '^$' ls -A "$place/runtime"
    # Those of monitors and pods are podman's to remove, and it forgets some.
    claim "nor a control group" 0 '^$' groups-left -name 'libpod-*' ! -path '*/conmon*'
}
