#!/usr/bin/env bash
# The Debian packages with the libraries that installed programs and plugins need: runtime-packages.sh PREFIX
# PREFIX is where `cmake --install` put them. One package a line, as install-deps.sh --only takes them. The names are this
# distribution's: elsewhere the programs wouldn't start either.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
prefix=${1:?is where cmake --install put them}
QARAX_STEP="find the libraries of $prefix"

mapfile -t programs < <(find "$prefix/bin" "$prefix/libexec" "$prefix/lib/qarax" -type f -perm -u+x 2>/dev/null; find "$prefix/lib/qarax" -name '*.so' 2>/dev/null)
[ ${#programs[@]} -gt 0 ] || fail "no programs in $prefix" -- "cmake --install build/release --prefix $prefix"
loads=$(LC_ALL=C ldd "${programs[@]}" 2>/dev/null) || true
missing=$(sed -n 's/^[[:space:]]*\(.*\) => not found$/\1/p' <<<"$loads" | sort -u)
[ -z "$missing" ] || fail "libraries are missing here: ${missing//$'\n'/, }" -- "scripts/install-deps.sh"

sed -n 's/^.* => \(\/[^ ]*\) .*/\1/p' <<<"$loads" | sort -u | while read -r library; do
  # If /lib is a link to /usr/lib, dpkg may know the file by either name.
  owner=$(dpkg-query -S "$library" 2>/dev/null || dpkg-query -S "/usr$library" 2>/dev/null || dpkg-query -S "${library#/usr}" 2>/dev/null) ||
    fail "no package has $library: it was built by hand"
  printf '%s\n' "${owner%%:*}"
done | sort -u
