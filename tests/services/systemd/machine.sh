#!/bin/sh
# machine.sh DIR: becomes systemd, as PID 1 of the namespaces that it was started in (see machine.py).
#
# / is an overlay: what this machine has is there, and what is written goes to memory. DIR/shared alone is the same
# directory inside and outside. Nothing in there may touch the kernel or the hardware that it shares with us.
set -eu
dir=$1
root=$dir/root

mount --make-rprivate /
mkdir -p "$root" "$dir/memory" "$dir/shared"
mount -t tmpfs -o size=2g memory "$dir/memory"
mkdir "$dir/memory/changes" "$dir/memory/work"
mount -t overlay -o "lowerdir=/,upperdir=$dir/memory/changes,workdir=$dir/memory/work" overlay "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root$dir/shared"
mount --bind "$dir/shared" "$root$dir/shared"

units=$root/etc/systemd/system
rm -rf "$units"/*.wants "$units"/*.requires
mkdir -p "$units" "$root/etc/systemd/system-generators"
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-sysctl.service systemd-modules-load.service systemd-random-seed.service systemd-binfmt.service \
    proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount sys-kernel-config.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount systemd-remount-fs.service \
    systemd-firstboot.service systemd-machine-id-commit.service systemd-timesyncd.service systemd-networkd.service \
    systemd-resolved.service getty.target; do
    ln -sf /dev/null "$units/$unit"
done
# the scripts of /etc/init.d would start the servers of this machine a second time
ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-sysv-generator"
: >"$root/etc/fstab"
: >"$root/etc/machine-id"
ln -sf /lib/systemd/system/multi-user.target "$units/default.target"

ip link set lo up 2>/dev/null || true
cd "$root"
mkdir -p outside
pivot_root . outside
umount -l /outside
# credentials are mounted in one namespace and have to be seen in the others
mount --make-rshared /
exec env -i container=gleitzeit-tests PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --log-target=journal --show-status=no </dev/null >/dev/null 2>&1
