# The lab's root from Debian's packages, which run.sh sources: sets lab_root, and makes what is there anew where it is of other
# packages or another kernel. Wants here root build guest distribution cache work, and scripts/lib/common.sh.

kernel=${QARAX_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/qarax/guest}/$distribution/kernel.deb
# Its package has the modules; the guest may be made, and what it was made from be in another user's cache.
must "$cache/guest.log" "$root/e2e/guest/build.sh" $([ -s "$kernel" ] || echo --update) "$guest"
# What the node's programs link against, whatever the distribution calls the packages.
libraries=$({ ldd "$build/bin/qarax-node" "$build"/plugins/*.so || true; } 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
  xargs -n 1 readlink -f | while read -r file; do dpkg -S "$file" 2>/dev/null || dpkg -S "${file#/usr}" 2>/dev/null || true; done |
  cut -d: -f1 | sort -u | paste -sd, -)
packages=kmod,iproute2,qemu-system-x86,seabios,$libraries
# Its modules are in the root, and of another kernel's the lab couldn't load any.
made_from="$packages kernel $(sha256sum <"$kernel" | cut -d ' ' -f 1)"
lab_root=$cache/root
# As any user: what is whose in there is written down in a file by fakeroot.
pretend_root() { fakeroot -i "$cache/owners" -s "$cache/owners" -- "$@"; }
if [ ! -e "$cache/owners" ] || [ "$(cat "$cache/packages" 2>/dev/null)" != "$made_from" ]; then
  for program in mmdebstrap fakeroot mke2fs; do
    command -v "$program" >/dev/null || fail "$program is missing" -- "scripts/install-deps.sh --only third_party/packages/lab.debian.txt"
  done
  rm -rf "$lab_root" "$cache/packages"
  : >"$cache/owners"
  must "$cache/kernel.log" dpkg-deb -x "$kernel" "$work/kernel"
  modules=$(dirname "$(find "$work/kernel" -name modules.builtin -print -quit)")
  must "$cache/mmdebstrap.log" mmdebstrap --variant=minbase --include="$packages" \
    --customize-hook='mkdir -p "$1/lib/modules"' --customize-hook="copy-in '$modules' /lib/modules" \
    --customize-hook="chroot \"\$1\" depmod ${modules##*/}" --customize-hook='rm -rf "$1/usr/share/doc"' \
    "$distribution" "$work/root.tar" "${QARAX_DEBIAN_MIRROR:-http://deb.debian.org/debian}"
  mkdir "$lab_root"
  must "$cache/unpack.log" pretend_root tar -C "$lab_root" -xf "$work/root.tar"
  rm "$work/root.tar"
  printf '%s\n' "$made_from" >"$cache/packages"
fi
