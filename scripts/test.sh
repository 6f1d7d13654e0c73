#!/usr/bin/env bash
# Every test of qarax, from a bare machine on, as CI runs them: test.sh [STEP…]
# Without arguments it runs these steps, in 22 to 30 minutes on two CPUs; each needs those before it to have run once:
#   deps     installs the missing packages
#   format   clang-format changes nothing
#   client   the Python client is what the OpenAPI document makes
#   guest    makes the guest that tests boot
#   unit     builds build/test; the unit tests, also on PostgreSQL
#   e2e      the end-to-end tests on the programs of build/test
#   tsan     the unit tests with the label tsan under ThreadSanitizer
#   fuzz     each fuzzer for a minute
# These are too slow for that, or need docker, and run only when named (core/decisions/0013-asan-by-hand.md):
#   asan     unit and end-to-end tests under AddressSanitizer and UndefinedBehaviorSanitizer, after a build of their own
#   tidy     clang-tidy, half an hour where nothing is known to be clean yet
#   lint     four minutes of tidy, on what was committed last
#   compose  end-to-end tests in containers, in images made of the tree
#   bare     quickstart.sh in a bare Debian 12 and a bare 13
# Variables:
#   QARAX_TEST_POSTGRES=URL   a PostgreSQL for the unit tests; without it one is started and ended
#   QARAX_FUZZ_SECONDS=N      how long each fuzzer runs (60)
#   QARAX_BARE_IMAGES="…"     images for bare, other than Debian's two
#   SKIP_BUILD=1              compose makes its images out of build/release
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib/common.sh"
. "$root/scripts/lib/python.sh"
. "$root/scripts/lib/postgres.sh"
. "$root/scripts/lib/fuzz.sh"
case ${1:-} in -h | --help) sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0"; exit ;; esac
cd "$root"
logs=$root/build/logs
env=$root/build/venv
jobs=$(nproc)
mkdir -p "$logs"
# Lets clones in other folders share compiled objects.
export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G} CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=true

build() { # PRESET [TARGET…]
  local preset=$1
  shift
  step "build $preset"
  must "$logs/configure-$preset.log" cmake --preset "$preset"
  must "$logs/build-$preset.log" cmake --build "build/$preset" -j "$jobs" ${1:+--target "$@"}
}

run_ctest() { # PRESET [ARGUMENTS…]
  local preset=$1
  shift
  step "unit tests, $preset"
  # Some tests boot a real guest and are skipped without it.
  [ ! -f "$root/build/guest/vmlinuz" ] || export QARAX_GUEST_DIR=$root/build/guest
  # A test that failed because the machine was busy gets a second try; a real error fails both.
  # Two a processor: most of the time a test waits, for the disk or for a limit to pass.
  ctest --test-dir "build/$preset" --output-on-failure -j "$((2 * jobs))" --repeat until-pass:2 "$@" | tee "$logs/ctest-$preset.log" ||
    fail "unit tests failed ($preset)" -- "ctest --test-dir build/$preset --rerun-failed --output-on-failure"
  skipped "$preset" < <(sed -nE 's/^\[  SKIPPED \] ([^ ]+\.[^ ,]+)( \(.*)?$/\1/p' "build/$preset/Testing/Temporary/LastTest.log")
  at_second_try "$preset" < <(grep -oP 'Test +#\d+: \K\S+(?= *\.*\*\*\*(?!Skipped|Not Run|Disabled))' "$logs/ctest-$preset.log")
}

# Skipped tests count as passed, so a machine that lacks something would look as if everything had been tested. List them.
skipped() { # WHERE, names on stdin
  local names
  names=$(sort -u)
  [ -z "$names" ] || say "skipped ($1), each says why in its log: $(paste -sd ' ' <<<"$names")"
}

# A second try can hide a rare error: a race in the code looks like a busy machine. So list each of them at the end, where
# nobody overlooks it.
second_tries=()
at_second_try() { # WHERE, names on stdin
  local name
  while read -r name; do second_tries+=("$1: $name"); done < <(sort -u)
}
tell_second_tries() {
  [ ${#second_tries[@]} != 0 ] || return 0
  printf '\n!!! %s passed only at a second try. Busy machine or race: look at each, its first try is in build/logs\n' "${#second_tries[@]}"
  printf '!!!   %s\n' "${second_tries[@]}"
}

# Tests that ran in parallel get a second try, alone, because on two processors the guests of other tests may make them miss
# a time limit. Tests that run alone, e.g. the crash harness, get one try: their failures are rare and real.
run_pytest() { # NAME ARGUMENTS…
  local name=$1 status=0 run=("$env/bin/python" -m pytest -q -o "cache_dir=$root/build/pytest-cache") log
  shift
  log=$logs/pytest-$name.log
  (cd e2e && timeout 1500 "${run[@]}" "$@" | tee "$log") || status=$?
  if [ "$status" = 1 ] && [[ " $* " = *" -n"* ]]; then
    say "some failed: these once more, alone"
    status=0
    (cd e2e && timeout 600 "${run[@]}" --last-failed -p no:xdist "${@/#-n*/-q}") || status=$?
    [ "$status" != 0 ] || at_second_try "$name" < <(sed -nE 's/^(FAILED|ERROR) //p' "$log" | sed 's/ - .*//')
  fi
  # 5: no tests were selected by these arguments.
  [ "$status" = 0 ] || [ "$status" = 5 ]
}

run_e2e() { # PRESET [PYTEST ARGUMENTS…]
  local preset=$1
  shift
  step "end-to-end tests, $preset"
  python_env "$env" "$root/e2e"
  export QARAX_BUILD=$root/build/$preset QARAX_GUEST_DIR=$root/build/guest QARAX_URL= PYTHONDONTWRITEBYTECODE=1
  run_pytest "$preset" "-n$((jobs + 1))" -m 'not serial' "$@" || fail "end-to-end tests failed ($preset)" -- "cd e2e && QARAX_BUILD=$QARAX_BUILD $env/bin/python -m pytest -x"
  run_pytest "$preset-serial" -m serial "$@" || fail "end-to-end tests failed ($preset, serial)" -- "cd e2e && QARAX_BUILD=$QARAX_BUILD $env/bin/python -m pytest -x -m serial"
}

sources() { git ls-files '*.cpp' '*.hpp' '*.c' '*.h'; }

step_deps() { step "install what is missing"; "$root/scripts/install-deps.sh" --test; }
step_format() {
  step "clang-format"
  # Each version formats differently; the tree uses that of Debian 12.
  if ! clang-format --version | grep -q 'version 14\.'; then
    say "skipped: $(clang-format --version); the tree is formatted with version 14"
    return
  fi
  sources | xargs clang-format --dry-run --Werror 2>"$logs/format.log" || { head -n 20 "$logs/format.log" >&2; fail "some files aren't formatted" -- "git ls-files '*.cpp' '*.hpp' '*.c' '*.h' | xargs clang-format -i"; }
}
step_client() { "$root/scripts/generate-python-client.sh" --check; }
step_unit() { build test; postgres_for_tests; run_ctest test; }
step_guest() { step "make the guest"; must "$logs/guest.log" "$root/e2e/guest/build.sh" "$root/build/guest"; }
step_e2e() { postgres_for_tests; run_e2e test; }
step_asan() {
  build asan
  postgres_for_tests
  # Look for leaks only in the unit tests: by design the agent never unloads plugins and ends with _exit.
  ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 run_ctest asan
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 run_e2e asan
}
step_tsan() {
  build tsan qarax_tsan_tests
  postgres_for_tests
  # gRPC isn't built with ThreadSanitizer, so data that it passes between threads would be reported as races.
  GTEST_FILTER='-Grpc/*' TSAN_OPTIONS="suppressions=$root/scripts/tsan.supp second_deadlock_stack=1" run_ctest tsan -L tsan
}
step_fuzz() {
  build fuzz qarax_fuzzers
  step "fuzzers, ${QARAX_FUZZ_SECONDS:-60} s each"
  fuzz_all "$root/build/fuzz/fuzz" "${QARAX_FUZZ_SECONDS:-60}" || fail "a fuzzer found something" -- "build/fuzz/fuzz/NAME_fuzz build/fuzz/fuzz/NAME_crash-…; its log is beside it"
}
step_tidy() {
  step "clang-tidy"
  # Each version finds different things; the tree is clean with that of Debian 12.
  if ! clang-tidy --version | grep -q 'version 14\.'; then
    say "skipped: $(clang-tidy --version | grep -m1 version); the tree is clean by version 14"
    return
  fi
  build dev qarax_node_proto # for the commands that compile each source alone, and the generated headers
  must "$logs/tidy.log" python3 scripts/lib/tidy.py ${1:+--minutes "$1"} build/dev
  say "$(grep -E 'known to be clean|looked at' "$logs/tidy.log" | paste -sd ';')"
}
# Checks the latest changes only: without a cache the whole tree takes as long as all other steps together.
step_lint() { step_tidy 4; }
# Tests a user's first start: on a system as debootstrap --variant=minbase makes it, with HEAD.
step_bare() {
  local image clone=$root/build/bare ports
  rm -rf "$clone"
  mkdir -p "$clone"
  git archive HEAD | tar -x -C "$clone"
  for image in ${QARAX_BARE_IMAGES:-qarax-base:bookworm qarax-base:trixie}; do
    case $image in qarax-base:*) "$root/scripts/make-base-image.sh" "${image#*:}" ;; esac
    step "quickstart.sh in $image (log: $logs/bare-${image//[:\/]/-}.log)"
    # Use the machine's network, because of its package mirror, and therefore free ports.
    ports=$(pg_free_port):$(pg_free_port)
    must "$logs/bare-${image//[:\/]/-}.log" docker run --rm --init --network host -e http_proxy -e https_proxy -e no_proxy \
      -e QARAX_PORT="${ports%:*}" -e QARAX_NODE_PORT="${ports#*:}" -v "$clone":/src:ro "$image" bash -c "$qarax_in_a_copy"
    grep -E 'host up, accelerator|resumed: the guest counts on|done; ' "$QARAX_LOG"
  done
  rm -rf "$clone"
}
step_compose() { step "end-to-end tests in containers"; "$root/e2e/run_e2e_tests.sh"; }

all=(deps format client guest unit e2e tsan fuzz)
for one in "${@:-${all[@]}}"; do
  declare -F "step_$one" >/dev/null || fail "unknown step $one" -- "steps: ${all[*]} asan lint tidy compose bare"
  "step_$one"
done
tell_second_tries
say "all passed: ${*:-${all[*]}}"
