# shellcheck shell=bash
# A guest under QEMU whose disk is a root in memory, and that makes claims.

# shellcheck disable=SC2154 # from place.bash, which comes first

kernel() {
    local found package
    found=${PEER_KERNEL:-$(find ~/.local/share/isolab/kernels -name vmlinuz 2>/dev/null | sort -V | tail -1)}
    if [ -z "$found" ]; then
        mkdir "$place/kernel"
        package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -1)
        (cd "$place/kernel" && apt-get -qq -o APT::Sandbox::User=root download "$package" && dpkg -x ./*.deb .) >&2
        found=$(find "$place/kernel/boot" -name 'vmlinuz-*')
    fi
    echo "$found"
}

# take FILE…: programs with the libraries that they are linked to, where they
# stand here, into the root.
take() {
    local file library
    for file in "$@"; do
        mkdir -p "$root${file%/*}"
        cp --dereference --remove-destination "$file" "$root$file"
        # Of a static program it says that there are none, and fails.
        { ldd "$file" 2>/dev/null || true; } | sed -n 's|[^/]*\(/[^ ]*\).*|\1|p' | while read -r library; do
            mkdir -p "$root${library%/*}"
            cp --dereference --remove-destination "$library" "$root$library"
        done
    done
}

# boot SECONDS WORD…: the guest with the root `initramfs`, its kernel given these
# words too; then what its claims came to.
boot() {
    local bound=$1 end
    shift
    timeout --kill-after 5 "$bound" qemu-system-x86_64 -M q35 -accel tcg -cpu max -m 1024 -nodefaults -display none \
        -no-reboot -serial "file:$place/console" -kernel "$(kernel)" -initrd "$place/initramfs" \
        -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all $*" </dev/null ||
        echo "$name: the guest did not end within $bound s" >&2

    # What is not the claims' is the kernel's or the emulator's.
    tr -d '\r' <"$place/console" | sed -n '/^claims begin$/,/^claims end/{/^claims /!p}' | grep -v '^\[ *[0-9]' || true
    end=$(tr -d '\r' <"$place/console" | sed -n 's/^claims end: \([0-9]* [0-9]*\)$/\1/p')
    if [ -z "$end" ]; then
        echo "$name: the guest's claims did not come to their end; its console ended with" >&2
        grep -av "^\[ *[0-9]" "$place/console" | tail -20 >&2 || true
        failed=1
    else
        read -r held failed <<<"$end"
    fi
}
