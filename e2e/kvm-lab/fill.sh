#!/usr/bin/env bash
# The lab's root with our programs in it, as an image: fill.sh ROOT IMAGE, under fakeroot, to which all files are root's.
# What to take comes by environment from run.sh: here build guest vmm own_test.
set -euo pipefail
lab_root=$1 image=$2
rm -rf "$lab_root/opt/qarax"
mkdir -p "$lab_root/opt/qarax" "$lab_root/etc/qarax" "$lab_root/var/lib/qarax"
# The node, which is root there, takes no plugin that another user could change.
cp -a --no-preserve=ownership "$build/bin" "$build/plugins" "$lab_root/opt/qarax/"
chmod -R go-w "$lab_root/opt/qarax"
cp "$guest/vmlinuz" "$guest/initramfs.cpio" "$lab_root/opt/qarax/"
[ -z "$own_test" ] || cp "$own_test" "$lab_root/opt/qarax/cloud_hv_test"
install -m 755 "$(readlink -f "$(command -v busybox)")" "$lab_root/bin/busybox"
install -m 755 "$here/init" "$lab_root/sbin/lab-init"
rm -f "$lab_root/usr/local/bin/cloud-hypervisor"
[ -z "$vmm" ] || install -m 755 "$vmm" "$lab_root/usr/local/bin/cloud-hypervisor"
for file in node.yaml check-qemu.yaml check-cloud_hv.yaml; do
  sed -e "s/@SECCOMP@/${CLOUD_HYPERVISOR_SECCOMP:-on}/" "$here/$file" >"$lab_root/etc/qarax/$file"
done
mke2fs -q -F -t ext4 -d "$lab_root" "$image" 3G
