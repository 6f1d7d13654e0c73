# Helpers of the project's shell scripts: show what runs and for how long, and on failure the step, the reason and the log.
# Source it: . "$(dirname "$0")/lib/common.sh". Needs bash 5.
#
#   step NAME…            from here on a failure is reported as one of the step NAME
#   say TEXT…             one line with the elapsed time
#   fail TEXT… [-- WAY…]  prints the step, TEXT, the path of the last log and the way out; ends the script with 1
#   logged LOG CMD…       runs CMD with its output in LOG and prints progress now and then; returns CMD's exit code
#   must LOG CMD…         the same, and a failure ends the script with the tail of LOG
#   supported             ends the script where qarax can't be built: another distribution, another processor
#
# A signal that ends the script first ends CMD and everything it has started; with QARAX_UNBROKEN=1 it waits for CMD to end.
# QARAX_STARTED is exported, so that scripts that call each other share one clock.

# The suggestion for other systems: run in a container. It works on a copy of the tree, because the node loads no plugins
# from a folder that somebody else owns, and ends in a shell, because everything installed is lost with the container.
qarax_in_a_copy='mkdir /qarax && tar -C /src --exclude=./build -c . | tar -C /qarax --no-same-owner -x && /qarax/scripts/quickstart.sh'
qarax_in_a_container="in a container, from this tree: docker run -it --platform linux/amd64 -v \"\$PWD\":/src:ro debian:13 bash -c '$qarax_in_a_copy --keep; exec bash'"
# Check this first, with syntax that any shell understands: on other systems (macOS has bash 3) the next lines would fail
# with confusing errors.
if [ "$(uname -s)" != Linux ]; then
  printf '\nFAILED: this is %s; qarax runs on Linux: Debian 12 and 13, x86_64\n  way out: %s\n' "$(uname -s)" "$qarax_in_a_container" >&2
  exit 1
fi
if [ "${BASH_VERSINFO:-0}" -lt 5 ]; then
  printf '\nFAILED: this is bash %s; the scripts need bash 5, which Debian 12 and 13 have\n  way out: %s\n' "${BASH_VERSION:-(another shell)}" "$qarax_in_a_container" >&2
  exit 1
fi

: "${QARAX_STARTED:=$EPOCHREALTIME}"
export QARAX_STARTED
QARAX_STEP=
QARAX_LOG=
QARAX_UNBROKEN=

elapsed() {
  local now=${EPOCHREALTIME/[.,]/} then=${QARAX_STARTED/[.,]/} tenths
  tenths=$(((now - then) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

say() { printf '[%6s s] %s\n' "$(elapsed)" "$*"; }

step() {
  QARAX_STEP=$*
  QARAX_LOG=
  say "$*"
}

fail() {
  local why=() way=
  while [ $# -gt 0 ]; do
    [ "$1" = -- ] && { shift; way=$*; break; }
    why+=("$1")
    shift
  done
  {
    printf '\n[%6s s] FAILED%s: %s\n' "$(elapsed)" "${QARAX_STEP:+ at \"$QARAX_STEP\"}" "${why[*]}"
    [ -n "$QARAX_LOG" ] && printf '  log: %s\n' "$QARAX_LOG"
    [ -n "$way" ] && printf '  way out: %s\n' "$way"
  } >&2
  exit 1
}

# A script calls this before the first command that only Debian has in this form, and before it complains of anything else.
supported() {
  local id= version= arch
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && printf %s "${ID:-}")
    version=$(. /etc/os-release && printf %s "${VERSION_ID:-}")
  fi
  arch=$(uname -m)
  if [ "$arch" = x86_64 ] && command -v dpkg-query >/dev/null; then
    case $id-$version in debian-12 | debian-13) return ;; esac
    [ -n "${QARAX_ANY_DEBIAN:-}" ] && return
  fi
  fail "this is ${id:-an unknown system} ${version:-of unknown version} on $arch; qarax builds on Debian 12 and 13, x86_64" -- \
    "$qarax_in_a_container; or, on a relative of Debian with the same packages: QARAX_ANY_DEBIAN=1 $0"
}

# The last non-empty line of a log, e.g. ninja's "[3/90] …" or apt's "Unpacking …".
last_line() { tail -c 2000 "$1" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-100; }

interrupted() { # PID
  trap - INT TERM HUP
  if [ -n "$QARAX_UNBROKEN" ]; then
    say "interrupted: waiting for what is under way, since halfway it leaves worse behind; once more: without it"
  else
    kill -TERM -- "-$1" 2>/dev/null || true
  fi
  wait "$1" 2>/dev/null || true
  exit 130
}

logged() {
  local log=$1 pid shown= line waited=0 every=50
  shift
  QARAX_LOG=$log
  mkdir -p "$(dirname "$log")"
  [ -t 1 ] && every=5
  # Run CMD in a process group of its own: if CMD is a function, a signal would end only its shell, which doesn't pass it on
  # to the programs that it runs.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  trap 'interrupted "$pid"' INT TERM HUP
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    waited=$((waited + 1))
    [ $((waited % every)) = 0 ] || continue
    line=$(last_line "$log")
    [ -n "$line" ] && [ "$line" != "$shown" ] || continue
    shown=$line
    if [ -t 1 ]; then printf '\r\033[K[%6s s]   %s' "$(elapsed)" "$line"; else say "  $line"; fi
  done
  [ -t 1 ] && [ -n "$shown" ] && printf '\r\033[K'
  trap - INT TERM HUP
  wait "$pid"
}

must() {
  local code=0
  logged "$@" || code=$?
  [ $code = 0 ] && return
  shift
  { printf '\n'; tail -n 15 "$QARAX_LOG" | sed 's/^/  | /'; } >&2
  fail "\"$*\" ended with $code"
}

# The names in package lists, without comments.
listed() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@" | sort -u; }
