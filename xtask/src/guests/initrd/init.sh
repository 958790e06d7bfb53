#!/bin/busybox sh
# First program of the initrd: kernel file systems, modules, then the root disk that root= names, or busybox's own init.
export PATH=/sbin:/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts

for module in $(cat /etc/modules); do
    modprobe -q "$module" || echo "init: no module $module"
done

root= init=/sbin/init
for word in $(cat /proc/cmdline); do
    case $word in
    root=*) root=${word#root=} ;;
    init=*) init=${word#init=} ;;
    esac
done

if [ -n "$root" ]; then
    tries=0
    until [ -b "$root" ]; do
        tries=$((tries + 1))
        [ $tries -le 100 ] || break
        usleep 100000
    done
    if mount "$root" /mnt; then
        for dir in proc sys dev; do
            mount --move /$dir /mnt/$dir
        done
        exec switch_root /mnt "$init"
    fi
    echo "init: cannot mount $root; here is a shell"
fi

hostname handset
exec /bin/init
