#!/bin/sh
# Process 1 of a machine: what systemd and a Docker engine must be able to write becomes writable, nothing else does.
#
# There is no --privileged, so the container starts with read-only cgroups and a read-only /proc/sys. Its cgroup
# namespace is its own: with version 1 each hierarchy is a mount below /sys/fs/cgroup, with version 2 there is only one.
# Of /proc/sys only net/ is opened: what is not namespaced (vm, fs, kernel) belongs to the machine that runs the tests.
set -eu
mount -o remount,bind,rw /sys/fs/cgroup
for hierarchy in /sys/fs/cgroup/*/; do
    if mountpoint -q "$hierarchy"; then
        mount -o remount,bind,rw "$hierarchy"
    fi
done
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net
exec /lib/systemd/systemd
