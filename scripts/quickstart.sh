#!/usr/bin/env bash
# From a bare Debian 12 or 13 to a running guest: quickstart.sh [--keep|--stop]
#   (nothing)  installs what is missing, builds, boots a guest, walks it through its life, ends everything
#   --keep     leaves server (127.0.0.1:8000) and node (127.0.0.1:50051) up with one running VM
#   --stop     ends what --keep left
# QARAX_PORT and QARAX_NODE_PORT choose other ports; QARAX_QUICKSTART another folder for data and logs.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib/common.sh"

port=${QARAX_PORT:-8000}
node_port=${QARAX_NODE_PORT:-50051}
dir=${QARAX_QUICKSTART:-$root/build/quickstart}
build=$root/build/release
base=http://127.0.0.1:$port
keep=

case ${1:-} in
  "") ;;
  --keep) keep=1 ;;
  --stop) ;;
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit ;;
  *) fail "unknown argument $1" -- "$0 --help" ;;
esac

# The pid in a file, if that program of ours still runs.
running() {
  local pid
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$build/bin/$1" ] && printf %s "$pid"
}

end_program() {
  local pid waited=0
  pid=$(running "$1") || { rm -f "$dir/$1.pid"; return 0; }
  kill -TERM "$pid"
  while kill -0 "$pid" 2>/dev/null && [ "$waited" -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
  ! kill -0 "$pid" 2>/dev/null || { say "$1 did not end within 10 s, killing it"; kill -KILL "$pid"; }
  rm -f "$dir/$1.pid"
}

request() { # METHOD PATH [BODY]
  curl --silent --show-error --fail-with-body --max-time 150 --noproxy '*' -X "$1" ${3:+-H 'Content-Type: application/json' -d "$3"} "$base$2"
}
field() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; } # the first of that name

delete_vms() {
  local ids id
  ids=$(request GET /vms | grep -o '"id":"[^"]*","name"' | cut -d '"' -f 4) || return 0
  for id in $ids; do request DELETE "/vms/$id" >/dev/null || say "VM $id could not be deleted"; done
}

stop_all() {
  if running qarax-server >/dev/null && running qarax-node >/dev/null; then delete_vms; fi
  end_program qarax-server
  end_program qarax-node
}

if [ "${1:-}" = --stop ]; then
  step "end what --keep left"
  running qarax-server >/dev/null || running qarax-node >/dev/null || { say "nothing of it runs"; exit 0; }
  stop_all
  say "ended; data and logs stay in $dir"
  exit 0
fi

step "install what is missing"
"$root/scripts/install-deps.sh"

step "build (log: $root/build/quickstart-build.log)"
configure_and_build() { cmake --preset release && cmake --build build/release -j "$(nproc)"; }
cd "$root"
must "$root/build/quickstart-build.log" configure_and_build

step "make the guest: the distribution's own kernel and a busybox initramfs"
must "$root/build/quickstart-guest.log" "$root/e2e/guest/build.sh" "$root/build/guest"
initramfs=$(ls "$root"/build/guest/initramfs.cpio* | head -n 1)

step "start server and node"
if running qarax-server >/dev/null || running qarax-node >/dev/null; then
  fail "a server or node of an earlier --keep still runs" -- "scripts/quickstart.sh --stop"
fi
for used in "$port" "$node_port"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$used") 2>/dev/null; then
    fail "port $used is in use" -- "end what listens there, or choose others: QARAX_PORT=8001 QARAX_NODE_PORT=50052 $0"
  fi
done
mkdir -p "$dir"
chmod go-w "$dir"
cat >"$dir/server.yaml" <<Y
listen: {port: $port}
data_dir: $dir/server
Y
cat >"$dir/node.yaml" <<Y
listen: {port: $node_port}
data_dir: $dir/node
boot: {kernel: $root/build/guest/vmlinuz, initramfs: $initramfs}
plugins:
  - path: $build/plugins
Y
start_program() { # NAME LOG ENV…
  local name=$1
  shift
  env "$@" setsid "$build/bin/$name" --config "$dir/${name#qarax-}.yaml" >"$dir/$name.log" 2>&1 </dev/null &
  printf '%s\n' $! >"$dir/$name.pid"
}
[ -n "$keep" ] || trap stop_all EXIT
start_program qarax-node
start_program qarax-server QARAX_NODE_HOST=127.0.0.1 "QARAX_NODE_PORT=$node_port"
QARAX_LOG=$dir/qarax-node.log
tries=0
until request GET /hosts 2>/dev/null | grep -q '"status":"up"'; do
  running qarax-node >/dev/null || { tail -n 5 "$dir/qarax-node.log" >&2; fail "qarax-node ended" -- "read its log"; }
  running qarax-server >/dev/null || { QARAX_LOG=$dir/qarax-server.log; tail -n 5 "$dir/qarax-server.log" >&2; fail "qarax-server ended" -- "read its log"; }
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || fail "the node was not up within 30 s" -- "read the logs in $dir"
  sleep 0.1
done
# Which accelerator is settled by a trial guest; nothing is started before that is known.
tries=0
while request GET /hosts | grep -q '"accelerator":"probing"' && [ "$tries" -lt 150 ]; do sleep 0.1; tries=$((tries + 1)); done
say "host up, accelerator $(request GET /hosts | field accelerator): $(request GET /hosts | field accelerator_evidence)"

show() { say "$1 → $(request GET "/vms/$id" | field status)"; }
uptimes() { request GET "/vms/$id/console" | grep -c 'qarax uptime' || true; }
act() { request POST "/vms/$id/$1" >/dev/null; show "$1"; }

QARAX_STEP="a VM's life"
name=hello-$$
id=$(request POST /vms '{"name":"'"$name"'","boot_vcpus":1,"max_vcpus":1,"memory_size":134217728}')
show "create $name"
act start
tries=0
until [ "$(uptimes)" -ge 2 ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || fail "the guest printed no uptime within 60 s" -- "curl $base/vms/$id/console"
  sleep 0.1
done
say "the guest's serial console says:"
request GET "/vms/$id/console" | tr -d '\r' | grep -A 100 'qarax guest' | sed 's/^/    | /'

if [ -n "$keep" ]; then
  trap - EXIT
  cat <<T

Server $base and node 127.0.0.1:$node_port are up, VM $name runs. Try:
  curl $base/vms/$id
  curl $base/vms/$id/console
  curl -X POST $base/vms/$id/pause
  curl -X POST $base/vms/$id/resume
  curl $base/hosts
  kill -9 \$(cat $dir/qarax-node.pid)      # the guest doesn't notice; start the node again with:
  $build/bin/qarax-node --config $dir/node.yaml &
  scripts/quickstart.sh --stop
T
  say "done; data and logs are in $dir"
  exit 0
fi

act pause
before=$(uptimes)
sleep 2
say "paused for 2 s: $(($(uptimes) - before)) new lines on the console"
act resume
tries=0
until [ "$(uptimes)" -gt "$before" ] || [ "$tries" -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
say "resumed: the guest counts on: $(request GET "/vms/$id/console" | tr -d '\r' | grep 'qarax uptime' | tail -n 1)"
act stop
request DELETE "/vms/$id" >/dev/null
say "delete → $(curl --silent --noproxy '*' -o /dev/null -w '%{http_code}' "$base/vms/$id")"

step "end server and node"
stop_all
trap - EXIT
say "done; logs are in $dir"
