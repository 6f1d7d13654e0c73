#!/usr/bin/env bash
# Makes the guest that tests and quickstart boot: build.sh [--update] [OUTDIR]   (default: build/guest)
#   OUTDIR/vmlinuz           the distribution's own cloud kernel, unpacked from its package, never installed
#   OUTDIR/initramfs.cpio    busybox, ./init, and the few modules that it loads
# Needs no root. The package is kept in $QARAX_GUEST_CACHE (default ~/.cache/qarax/guest); --update asks for a newer one.
# Several may run at once; each file appears whole or not at all; a second run sees that nothing has changed.
set -euo pipefail
umask 022
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../scripts/lib/common.sh"

# What init loads (in /lib/modules/NAME of the initramfs, with what each depends on).
declare -A module_sets=([button]="button evdev" [virtio]="virtio_pci virtio_blk virtio_net")

update=
case ${1:-} in
  --update) update=1; shift ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;;
  -*) fail "unknown argument $1" -- "$0 --help" ;;
esac
out=${1:-$here/../../build/guest}
mkdir -p "$out" || fail "cannot make $out"
out=$(cd "$out" && pwd)

QARAX_STEP="make the guest"
need() { command -v "$1" >/dev/null || fail "$1 is missing" -- "scripts/install-deps.sh --run-only"; }
need dpkg-deb
need apt-get
need cpio
need xz
need flock
# Inside the guest there are no libraries: only the static build will do.
busybox=
for candidate in /bin/busybox /usr/bin/busybox; do
  [ -x "$candidate" ] && busybox=$candidate && break
done
[ -n "$busybox" ] && ! grep -qa '/ld-linux' "$busybox" || fail "a static busybox is missing" -- "scripts/install-deps.sh --run-only"

distribution=$(. /etc/os-release && printf %s "${VERSION_CODENAME:-$ID}")
cache=${QARAX_GUEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/qarax/guest}/$distribution
mkdir -p "$cache" || fail "cannot make $cache" -- "name another folder with QARAX_GUEST_CACHE"

recipe() { stat -Lc '%n %s %Y' "$busybox"; cat "$here/init" "$here/build.sh"; printf '%s\n' "$distribution"; }
recipe=$(recipe | sha256sum)
made() { [ -s "$out/vmlinuz" ] && [ -s "$out/initramfs.cpio" ] && [ "$(cat "$out/.made-from" 2>/dev/null)" = "$recipe" ]; }
[ -z "$update" ] && made && exit

exec 8>"$cache/lock" 9>"$out/.lock"
flock 9
[ -z "$update" ] && made && exit  # somebody else made it while we waited
flock 8
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# apt-get, with the machine's package lists or ($1 non-empty) with our own, which need no root.
own_lists=
apt() {
  local options=(-q -o APT::Sandbox::User=root -o Acquire::Retries=3)
  [ -n "$own_lists" ] && options+=(-o "Dir::State::lists=$cache/lists" -o "Dir::Cache=$cache/apt")
  "$@" "${options[@]}"
}

download() {
  local meta=linux-image-cloud-amd64 package
  package=$(apt apt-cache depends --important "$meta" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
  [ -n "$package" ] || { echo "$meta isn't in the package lists"; return 1; }
  (cd "$work" && apt apt-get download "$package")
}

if [ -n "$update" ] || [ ! -s "$cache/kernel.deb" ]; then
  say "download the cloud kernel of Debian $distribution"
  if ! logged "$cache/download.log" download; then
    # No lists (a fresh container), or lists older than the mirror.
    say "the machine's package lists don't help: fetching our own"
    own_lists=1
    mkdir -p "$cache/lists/partial" "$cache/apt/archives/partial"
    must "$cache/update.log" apt apt-get update
    must "$cache/download.log" download
  fi
  mv -f "$work"/linux-image-*.deb "$cache/kernel.deb"
  rm -rf "$cache/lists" "$cache/apt"
fi

must "$cache/unpack.log" dpkg-deb -x "$cache/kernel.deb" "$work/kernel"
kernel=("$work"/kernel/boot/vmlinuz-*)
[ -s "${kernel[0]}" ] || fail "no boot/vmlinuz-* in $cache/kernel.deb" -- "$0 --update"

root=$work/root
mkdir -p "$root"/{bin,dev,etc,proc,sys,run,lib/modules}
cp -L "$busybox" "$root/bin/busybox"
while read -r applet; do
  [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done < <("$busybox" --list)
cp "$here/init" "$root/init"
printf '%s\n' 'dev /dev devtmpfs' 'proc /proc proc' 'sys /sys sysfs' >"$root/etc/fstab"
chmod 755 "$root/init" "$root/bin/busybox"
mkfifo "$root/run/tick"

# Packages carry no modules.dep (depmod makes it on installation); each module names what it needs.
loaded=
add_module() {
  local name=$1 list=$2 file depends
  case " $loaded " in *" $list:$name "*) return ;; esac
  loaded+=" $list:$name"
  file=$(find "$work/kernel" \( -name "$name.ko" -o -name "${name//_/-}.ko" -o -name "$name.ko.xz" -o -name "${name//_/-}.ko.xz" \) -print -quit)
  if [ -z "$file" ]; then
    grep -qs "/${name//_/[_-]}\.ko$" "$work"/kernel/{usr/,}lib/modules/*/modules.builtin && return
    fail "the kernel package has no module $name"
  fi
  case $file in
    *.xz) xz -dc "$file" >"$root/lib/modules/$name.ko" ;;
    *) cp "$file" "$root/lib/modules/$name.ko" ;;
  esac
  depends=$(tr '\0' '\n' <"$root/lib/modules/$name.ko" | grep -a '^depends=' | head -n 1)
  for depends in $(printf %s "${depends#depends=}" | tr ',' ' '); do add_module "$depends" "$list"; done
  echo "$name.ko" >>"$root/lib/modules/$list"
}
for set in "${!module_sets[@]}"; do
  for module in ${module_sets[$set]}; do add_module "$module" "$set"; done
done

# Uncompressed: the guest would unpack it slower than QEMU loads it.
(cd "$root" && find . -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet --reproducible) >"$work/initramfs.cpio"
install -m 644 "${kernel[0]}" "$out/.vmlinuz.new"
install -m 644 "$work/initramfs.cpio" "$out/.initramfs.cpio.new"
rm -f "$out/.made-from"
mv -f "$out/.vmlinuz.new" "$out/vmlinuz"
mv -f "$out/.initramfs.cpio.new" "$out/initramfs.cpio"
printf '%s\n' "$recipe" >"$out/.made-from"
say "guest: $(basename "${kernel[0]}"), $(($(stat -c %s "$out/initramfs.cpio") / 1024)) KiB of initramfs, in $out"
