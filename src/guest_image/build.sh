# Makes a guest's disk and a container's root from a distribution's packages.
#
# It runs in a mount and a pid namespace of its own, as root or as what an
# ordinary user's namespace calls root. All that the packages unpack lies on a
# RAM disk that nobody else sees and that ends with the last process here: a
# build that is killed leaves nothing, and no file of a foreign owner ever
# reaches the user's disk. What is kept is written to the working directory.
#
# $1: the most that the RAM disk may hold. The rest: the command that fills
# /tmp/root.
set -eu
most=$1
shift
root=/tmp/root

fail() {
    echo "E: $1" >&2
    exit 1
}

mount -t tmpfs -o "mode=0755,size=$most" isolab /tmp
mkdir -m 1777 /tmp/tmp
export TMPDIR=/tmp/tmp
(cd / && "$@")

# A guest's disk is one only if something can boot from it.
[ -e "$root/sbin/init" ] || fail "the packages brought no init"
for kernel in "$root"/boot/vmlinuz-*; do [ -f "$kernel" ] && break; done
[ -f "$kernel" ] || fail "the packages brought no kernel"
initrd="$root/boot/initrd.img-${kernel##*/vmlinuz-}"
[ -f "$initrd" ] || fail "the packages made no initial RAM file system"

echo "I: making the disk"
rm -rf "$root"/dev/*
echo guest >"$root/etc/hostname"
cp "$kernel" ./kernel
cp "$initrd" ./initrd
chmod 0644 ./kernel ./initrd
echo "${kernel##*/vmlinuz-}" >./release
sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' "$root/etc/os-release" >./name
grep -c '^Status: install ok installed$' "$root/var/lib/dpkg/status" >./packages
mke2fs -q -t ext4 -L guest -d "$root" ./disk.ext4 4G

# The same userland for a container: all but the kernel, which it does not have.
echo "I: making the container's root"
rm -rf "$root"/boot/* "$root"/usr/lib/modules "$root"/lib/modules
cp -a --no-preserve=ownership "$root" ./rootfs
# Owned by this user now, a set-user-ID program would be this user's.
find ./rootfs -perm /6000 -type f -exec chmod ug-s {} +
chmod -R u+rwX ./rootfs
