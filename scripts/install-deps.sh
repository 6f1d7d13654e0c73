#!/usr/bin/env bash
# Installs what qarax needs on Debian 12 and 13: install-deps.sh [--run-only|--test|--only FILE]
#   (nothing)    build and run           --run-only   what a VM host runs beside our programs (QEMU), and a guest's parts
#   --test       build, run and test     --only FILE  what FILE lists, as third_party/packages do
#   --list       print the packages and end
# The shared libraries that our programs load aren't in --run-only: scripts/runtime-packages.sh names them, for --only.
# The names stand in third_party/packages. A second run sees that nothing is missing, in well under a second, without
# network and without root.
set -euo pipefail
# apt-cache answers in the user's language, and qemu_family looks for an English word in that.
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/common.sh"
lists=$here/../third_party/packages

files=("$lists/build.debian.txt" "$lists/run.debian.txt")
list_only=
while [ $# -gt 0 ]; do
  case $1 in
    --run-only) files=("$lists/run.debian.txt") ;;
    --test) files+=("$lists/test.debian.txt") ;;
    --only)
      [ -r "${2:-}" ] || fail "--only: cannot read '${2:-}'" -- "$0 --help"
      files=("$2")
      shift
      ;;
    --list) list_only=1 ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit ;;
    *) fail "unknown argument $1" -- "$0 --help" ;;
  esac
  shift
done

# Sets `missing` to the given packages that aren't installed.
find_missing() {
  local status name pkg
  local -A have=()
  # dpkg-query returns 1 for unknown names, which is no error here: they are missing.
  while read -r status name; do
    case $status in ii | hi) have[$name]=1 ;; esac
  done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null || true)
  missing=()
  for pkg; do
    [ -n "${have[$pkg]:-}" ] || missing+=("$pkg")
  done
}

# sudo -n: the password was asked for before, because commands run by `logged` have no terminal and would be stopped if they
# tried to ask.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n -- "$@"; fi; }
apt() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@"; }

update() {
  logged "$logs/apt-update.log" apt update && return
  sleep 2
  logged "$logs/apt-update.log" apt update ||
    say "apt-get update had errors (one broken source is enough; log: $logs/apt-update.log): going on with what it got"
}

# All versions of a package in the package sources, newest first.
versions_of() { apt-cache madison "$1" | awk '{ print $3 }'; }

# A newer qemu-utils from backports conflicts with the distribution's qemu-system-common: apt then refuses, or removes the
# tool although somebody uses it. So install QEMU in the version of the tool (with the newest firmware there is), or the tool
# in the version of QEMU. Sets `pinned`.
qemu_family() {
  local have candidate pkg version
  have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}' qemu-utils 2>/dev/null | sed -n 's/^ii  *//p') || true
  candidate=$(apt-cache policy qemu-system-x86 | awk '$1 == "Candidate:" { print $2 }')
  [ -n "$have" ] && [ "$have" != "$candidate" ] || return 0
  for pkg in qemu-system-x86 qemu-system-common qemu-system-data seabios ipxe-qemu; do
    case $pkg in
      qemu-*) version=$(versions_of "$pkg" | grep -xF -- "$have" | head -n 1) || true ;;
      *) version=$(versions_of "$pkg" | head -n 1) ;;
    esac
    pinned+=("$pkg=$version")
  done
  if apt -s install --no-install-recommends qemu-system-x86 "${pinned[@]}" >"$logs/apt-plan.log" 2>&1; then
    say "qemu-utils $have is installed: QEMU comes in the same version"
    return
  fi
  pinned=(--allow-downgrades)
  for pkg in qemu-utils qemu-block-extra; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$pkg" 2>/dev/null | grep -q '^[ih]i' && pinned+=("$pkg=$candidate")
  done
  say "qemu-utils $have is installed, and no QEMU of that version is to be had: it comes in QEMU's, $candidate"
}

supported
mapfile -t wanted < <(listed "${files[@]}")
[ -n "$list_only" ] && { printf '%s\n' "${wanted[@]}"; exit; }
[ ${#wanted[@]} -gt 0 ] || fail "no package lists in $lists"
find_missing "${wanted[@]}"
if [ ${#missing[@]} = 0 ]; then
  say "dependencies: all ${#wanted[@]} packages are here"
  exit
fi

step "install ${#missing[@]} packages"
say "missing: ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null ||
    fail "not root, and there is no sudo" -- "as root: apt-get install --no-install-recommends ${missing[*]}"
  # Try sudo -n first: `sudo -v` asks for a password if any of the user's rights needs one, as on Debian's cloud images.
  if ! sudo -n true 2>/dev/null; then
    [ -t 0 ] ||
      fail "sudo wants a password and there is no terminal to ask on" -- "as root: apt-get install --no-install-recommends ${missing[*]}"
    sudo -v || fail "sudo was refused" -- "as root: apt-get install --no-install-recommends ${missing[*]}"
  fi
fi
logs=$(mktemp -d "${TMPDIR:-/tmp}/qarax-install.XXXXXX")
# An interrupted dpkg leaves packages unconfigured. Processes of root wouldn't get an ordinary user's signal anyway.
QARAX_UNBROKEN=1
update
pinned=()
case " ${missing[*]} " in *" qemu-system-x86 "*) qemu_family ;; esac
must "$logs/apt-install.log" apt install --no-install-recommends "${missing[@]}" "${pinned[@]}"
installed=${#missing[@]}
find_missing "${wanted[@]}"
[ ${#missing[@]} = 0 ] || fail "apt-get succeeded, but these are still missing: ${missing[*]}" -- "look into the log"
rm -rf "$logs"
say "installed $installed packages"
