#!/usr/bin/env bash
# A base for the images where no registry can be reached: make-base-image.sh [--anew] [SUITE]      (bookworm; or trixie)
# Makes the local image qarax-base:SUITE out of Debian's packages with debootstrap, in half a minute. Needs root and docker.
# QARAX_DEBIAN_MIRROR=URL names another mirror.
# What is there already stays; --anew replaces it, with the packages of today.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
anew=
[ "${1:-}" != --anew ] || { anew=1; shift; }
suite=${1:-bookworm}
mirror=${QARAX_DEBIAN_MIRROR:-http://deb.debian.org/debian}
step "make the image qarax-base:$suite"
[ -z "$anew" ] && docker image inspect "qarax-base:$suite" >/dev/null 2>&1 && { say "qarax-base:$suite is there"; exit; }
[ "$(id -u)" = 0 ] || fail "debootstrap needs root" -- "sudo $0 $suite, or name an image you have: QARAX_BASE_IMAGE=…"
command -v debootstrap >/dev/null || fail "debootstrap is missing" -- "apt-get install debootstrap"
work=$(mktemp -d "${TMPDIR:-/var/tmp}/qarax-base.XXXXXX")
# The log is kept for a failure.
trap 'rm -rf "$work/root"' EXIT
must "$work/log" debootstrap --variant=minbase "$suite" "$work/root" "$mirror"
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* "$work"/root/etc/machine-id "$work"/root/etc/hostname "$work"/root/etc/resolv.conf
tar -C "$work/root" -c . | docker import --message "debootstrap --variant=minbase $suite" - "qarax-base:$suite" >/dev/null
rm -rf "$work"
say "qarax-base:$suite: $(docker image inspect --format '{{.Size}}' "qarax-base:$suite" | numfmt --to=iec)"
