#!/usr/bin/env bash
# End-to-end tests on qarax in containers: run_e2e_tests.sh [PYTEST ARGUMENTS…]
# Makes the images (what hasn't changed is kept), starts an empty stack, tests it, removes it. Variables:
#   REBUILD=1      all images anew, whatever is kept
#   SKIP_BUILD=1   compile nothing: the programs of build/release, and without those the images that are there
#   KEEP=1         leave the stack up, for `uv run --frozen pytest …` and a look around
#   CLOUD_HYPERVISOR=/path   a cloud-hypervisor program for the node; without one, or without KVM, cloud_hv is QEMU's
#   CLOUD_HYPERVISOR_SECCOMP=on|off|log   its seccomp mode
#   QARAX_BASE_IMAGE, QARAX_DATABASE_URL, QARAX_PORT, QARAX_NODE_PORT, QARAX_LOG_LEVEL: see README.md
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
. "$root/scripts/lib/common.sh"
. "$root/scripts/lib/python.sh"
case ${1:-} in -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit ;; esac

on() { case ${1:-} in "" | 0 | no | false) return 1 ;; esac }
logs=$root/build/logs
kept=$root/build/e2e-url
url=http://localhost:${QARAX_PORT:-8000}
mkdir -p "$logs"
if on "${SKIP_BUILD:-}"; then export SKIP_BUILD=1; else unset SKIP_BUILD; fi

step "find docker, curl and uv"
command -v curl >/dev/null || fail "curl is missing" -- "apt-get install curl"
command -v docker >/dev/null || fail "docker is missing" -- "apt-get install docker.io docker-compose"
docker info >"$logs/docker-info.log" 2>&1 || fail "docker doesn't answer: $(last_line "$logs/docker-info.log")" -- "start it, or become a member of the group docker"
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  fail "neither 'docker compose' nor docker-compose is here" -- "apt-get install docker-compose"
fi
uv=$(command -v uv) || { python_tools "$root/build/venv-uv" "$root/third_party/packages/python.txt"; uv=$root/build/venv-uv/bin/uv; }
cd "$here"
# Where docker-compose looks by itself, so that a plain `docker-compose up -d` after KEEP=1 makes the same node.
override=docker-compose.override.yml
of_ours="# Written by run_e2e_tests.sh for the stack that KEEP=1 left."
forget_choices() { [ "$(head -n 1 "$override" 2>/dev/null)" != "$of_ours" ] || rm -f "$override"; }
keep_choices() {
  local text
  [ -n "${CLOUD_HYPERVISOR:-}" ] || return 0
  [ ! -e "$override" ] || { say "$here/$override isn't ours and stays; docker-compose by hand needs: export COMPOSE_FILE=$COMPOSE_FILE"; return; }
  text=$(sed '/^#/d' docker-compose.cloud-hypervisor.yml)
  text=${text//'${CLOUD_HYPERVISOR}'/"$CLOUD_HYPERVISOR"}
  text=${text//'${CLOUD_HYPERVISOR_SECCOMP:-on}'/"${CLOUD_HYPERVISOR_SECCOMP:-on}"}
  printf '%s\n%s\n' "$of_ours" "$text" >"$override"
}
forget_choices
export COMPOSE_FILE=docker-compose.yml
if [ -n "${CLOUD_HYPERVISOR:-}" ]; then
  CLOUD_HYPERVISOR=$(readlink -f "$CLOUD_HYPERVISOR") && [ -x "$CLOUD_HYPERVISOR" ] || fail "CLOUD_HYPERVISOR names no program: $CLOUD_HYPERVISOR"
  export CLOUD_HYPERVISOR
  COMPOSE_FILE+=:docker-compose.cloud-hypervisor.yml
fi

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

choose_base() {
  local suite=bookworm
  # Built programs run on the Debian that they were built on.
  if [ -n "${SKIP_BUILD:-}" ]; then suite=$(. /etc/os-release && printf %s "${VERSION_CODENAME:-}"); fi
  if [ -n "${QARAX_BASE_IMAGE:-}" ]; then
    local theirs
    theirs=$(docker run --rm "$QARAX_BASE_IMAGE" sh -c '. /etc/os-release && echo "$VERSION_CODENAME"' 2>"$logs/base.log") ||
      fail "the base image $QARAX_BASE_IMAGE doesn't run: $(last_line "$logs/base.log")" -- "name another with QARAX_BASE_IMAGE, or none"
    [ -z "${SKIP_BUILD:-}" ] || [ "$theirs" = "$suite" ] ||
      fail "build/release was built on $suite, and $QARAX_BASE_IMAGE is $theirs" -- "run without SKIP_BUILD"
    return
  fi
  case $suite in bookworm | trixie) ;; *) fail "there is no image of ${suite:-this system} for build/release" -- "run without SKIP_BUILD" ;; esac
  local slim=debian:$suite-slim
  export QARAX_BASE_IMAGE
  if ! on "${REBUILD:-}"; then
    for QARAX_BASE_IMAGE in "$slim" "qarax-base:$suite"; do
      ! have_image "$QARAX_BASE_IMAGE" || return 0
    done
  fi
  if logged "$logs/pull.log" timeout 120 docker pull "$slim"; then
    QARAX_BASE_IMAGE=$slim
  else
    say "$slim can't be had here ($(last_line "$logs/pull.log")): making a stand-in"
    QARAX_BASE_IMAGE=qarax-base:$suite
    "$root/scripts/make-base-image.sh" $(! on "${REBUILD:-}" || echo --anew) "$suite"
  fi
}

make_images() {
  if [ -n "${SKIP_BUILD:-}" ] && [ ! -x "$root/build/release/bin/qarax-server" ]; then
    have_image qarax-e2e-server && have_image qarax-e2e-node && have_image qarax-e2e-postgres ||
      fail "SKIP_BUILD, but there are neither programs in build/release nor images" -- "cmake --preset release && cmake --build build/release, or run without SKIP_BUILD"
    say "build/release is empty: using the images that are there"
    return
  fi
  choose_base
  rm -rf "$root/build/image"
  if [ -n "${SKIP_BUILD:-}" ]; then
    must "$logs/image-install.log" cmake --install "$root/build/release" --prefix "$root/build/image" --strip
    "$root/scripts/runtime-packages.sh" "$root/build/image" >"$root/build/image/share/qarax/packages.txt"
  fi
  say "on $QARAX_BASE_IMAGE${SKIP_BUILD:+, with the programs of build/release}"
  local anew=()
  if on "${REBUILD:-}"; then anew=(--no-cache); fi
  must "$logs/image-build.log" "${compose[@]}" build "${anew[@]}" postgres qarax-node
  # With the classic builder the node's image comes with all stages of the server's, which then is in the cache, as new:
  # nothing is compiled twice. BuildKit leaves out what the node doesn't need, so anew is anew once more.
  if [ "${compose[*]}" = docker-compose ] && [ "${DOCKER_BUILDKIT:-0}" = 0 ]; then anew=(); fi
  must "$logs/image-build-server.log" "${compose[@]}" build "${anew[@]}" qarax
}

show_logs() {
  "${compose[@]}" ps >"$logs/compose.log" 2>&1 || true
  "${compose[@]}" logs --no-color >>"$logs/compose.log" 2>&1 || true
  QARAX_LOG=$logs/compose.log
}

remove_stack() {
  rm -f "$kept"
  forget_choices
  logged "$logs/compose-down.log" "${compose[@]}" down --volumes --remove-orphans || say "the stack could not be removed (log: $logs/compose-down.log)"
}

get() { curl --silent --fail --noproxy '*' --max-time 5 "$url$1"; }

# Sets `accelerator`: the server answers, its host is up, and the trial guest that settles KVM or TCG has ended.
ready() {
  local hosts
  get /readyz >/dev/null && hosts=$(get /hosts) || return
  grep -q '"status":"up"' <<<"$hosts" || return
  # The first one is the host's own; its plugins follow with theirs.
  accelerator=$(grep -o '"accelerator":"[a-z]*"' <<<"$hosts" | head -n 1 | cut -d '"' -f 4)
  case $accelerator in "" | probing) return 1 ;; esac
}

# What a VM gets that asks for cloud_hv, by the node's own word.
cloud_hv() {
  get /hosts | python3 -c '
import json, sys
for plugin in json.load(sys.stdin)[0]["plugins"]:
    if plugin["name"] == "cloud_hv":
        print("cloud_hv is itself" if plugin["healthy"] else "who asks for cloud_hv gets qemu: " + plugin["reason"])'
}

start_stack() {
  local service id tries=0
  # Also what an earlier KEEP left: a node obeys the one control plane that it knows, by its database.
  remove_stack
  logged "$logs/compose-up.log" "${compose[@]}" up -d --no-build || {
    show_logs
    tail -n 15 "$logs/compose-up.log" >&2
    fail "the stack didn't start" -- "read the log; a port in use: QARAX_PORT=8001 QARAX_NODE_PORT=50052 $0"
  }
  until ready; do
    for service in postgres qarax-node qarax; do
      id=$("${compose[@]}" ps -q "$service")
      [ "$(docker inspect --format '{{.State.Running}}' "${id:-none}" 2>/dev/null)" = true ] ||
        { show_logs; "${compose[@]}" logs --no-color --tail 10 "$service" >&2; fail "the service $service has ended" -- "read the log"; }
    done
    tries=$((tries + 1))
    [ "$tries" -lt 240 ] || { show_logs; fail "within 2 minutes no host is up that knows what its guests run on (GET $url/hosts)" -- "read the log"; }
    sleep 0.5
  done
}

step "make the images (logs in $logs)"
make_images

step "start the stack"
on "${KEEP:-}" || trap remove_stack EXIT
start_stack
stands_in=$(cloud_hv) || true
say "$url is ready, guests run under $accelerator; $stands_in"
if on "${KEEP:-}"; then
  printf '%s\n' "$url" >"$kept"
  keep_choices
fi

# What a green end doesn't say: tests that were skipped, with the reason, and the hypervisor that QEMU stood in for.
untried() {
  # Arguments of the caller may have taken the report elsewhere.
  [ ! -e "$logs/e2e-report.xml" ] || python3 - "$logs/e2e-report.xml" <<'PY'
import sys
import xml.etree.ElementTree
for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"):
    skipped = case.find("skipped")
    if skipped is not None:
        print(f"{case.get('name')} ({skipped.get('message')})")
PY
  case $stands_in in "cloud_hv is itself") ;; *) printf 'Cloud Hypervisor (%s)\n' "${stands_in:-the node has no plugin for it}" ;; esac
}

step "run the tests"
[ $# -gt 0 ] || set -- -v -m 'anywhere or compose'
status=0
rm -f "$logs/e2e-report.xml"
# Frozen: a machine that reaches PyPI through a mirror spells the index otherwise than uv.lock, which is as good.
QARAX_URL=$url QARAX_COMPOSE="${compose[*]}" "$uv" run --frozen pytest --junitxml="$logs/e2e-report.xml" "$@" || status=$?
if [ "$status" != 0 ]; then show_logs; fi

if on "${KEEP:-}"; then
  cat <<T

The stack stays up: $url, node localhost:${QARAX_NODE_PORT:-50051}. In $here:
  $(command -v uv >/dev/null && echo uv || echo "$uv") run --frozen pytest test_vm_lifecycle.py::test_vm_full_lifecycle -v
  ${compose[*]} logs qarax-node
  ${compose[*]} exec qarax-node sh
  ${compose[*]} down -v
T
fi
[ "$status" = 0 ] || fail "the tests failed (pytest ended with $status)" -- "KEEP=1 SKIP_BUILD=${SKIP_BUILD:-} $0, then look around; the log has what every container said"
left_out=$(untried)
if [ -z "$left_out" ]; then say "all passed"; else
  say "passed; not tried:"
  sed 's/^/           | /' <<<"$left_out"
fi
