# shellcheck shell=bash disable=SC2016 # the words of the inner shell
# A client that cannot stand a machine's control groups starts again where what it
# cannot stand is out of sight, which only root can bring about.

runtime=$(command -v "${1:-isorun}" || true)
view=()
# crun refuses a host that has version 2 beside version 1.
if [ "${runtime##*/}" = crun ] && mountpoint -q /sys/fs/cgroup/unified; then
    view+=('umount /sys/fs/cgroup/unified')
fi
# Podman believes that each hierarchy of version 1 is mounted that the kernel could
# mount. For another it makes plain directories and files, whose removal fails;
# and then it kills whoever has the numbers that it wrote there by now.
unmounted() { awk '!/^#/ && $2 == 0 { print $1 }' /proc/cgroups; }
if [ "$EUID" = 0 ] && [[ ${0##*/} = podman-* ]] && [ -e /sys/fs/cgroup/memory/tasks ] && [ -n "$(unmounted)" ]; then
    # A procfs with nothing on it has to be in sight where another is to be mounted
    # in a user namespace (mount_namespaces(7)).
    view+=('mount --types tmpfs none /mnt && mkdir /mnt/proc && mount --types proc proc /mnt/proc'
        'awk "/^#/ || \$2 != 0" /proc/cgroups >/mnt/cgroups && mount --bind /mnt/cgroups /proc/cgroups')
fi
if [ ${#view[@]} -gt 0 ]; then
    exec unshare --mount sh -ec "$(printf '%s\n' "${view[@]}" 'exec "$@"')" sh "$0" "$@"
fi
