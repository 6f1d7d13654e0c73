#!/usr/bin/env bash
# From a bare Debian 12 or 13 to a running guest: quickstart.sh [--keep|--stop]
#   (nothing)  installs what is missing, builds, boots a guest, walks it through its life, ends everything
#   --keep     leaves server (127.0.0.1:8000) and node (127.0.0.1:50051) up with one running VM
#   --stop     ends what --keep left
# QARAX_PORT and QARAX_NODE_PORT choose other ports; QARAX_QUICKSTART another folder for data and logs. --stop finds the
# ports by the folder.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib/common.sh"
case ${1:-} in
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit ;;
  --stop) ;; # what runs was started, whatever this system is
  *) supported ;;
esac

port=${QARAX_PORT:-8000}
node_port=${QARAX_NODE_PORT:-50051}
dir=$(readlink -m "${QARAX_QUICKSTART:-$root/build/quickstart}")
build=$root/build/release
keep=
# Variables that configure the user's own server or node would override the files written here.
unset DATABASE_URL "${!QARAX_SERVER_@}" "${!QARAX_NODE_@}"
# The command that stops what is running from this folder.
stop_it="${QARAX_QUICKSTART:+QARAX_QUICKSTART=$(printf %q "$dir") }scripts/quickstart.sh --stop"

case ${1:-} in
  "") ;;
  --keep) keep=1 ;;
  --stop)
    # Use the ports with which the programs of this folder were started, whatever this environment says: on another port
    # another server may answer.
    port=$(sed -n 's/^listen: {port: \([0-9]*\)}$/\1/p' "$dir/server.yaml" 2>/dev/null) || true
    node_port=$(sed -n 's/^listen: {port: \([0-9]*\)}$/\1/p' "$dir/node.yaml" 2>/dev/null) || true
    ;;
  *) fail "unknown argument $1" -- "$0 --help" ;;
esac
base=http://127.0.0.1:$port

# Prints the pids of PROGRAM in this folder, whoever started it. Includes processes of an earlier build, whose file the
# kernel calls deleted.
pids_of() { # PROGRAM
  local entry exe program
  program=$(readlink -m "$build/bin/$1")
  find /proc/[0-9]*/exe -maxdepth 0 -printf '%h %l\n' 2>/dev/null | while read -r entry exe; do
    [ "${exe% (deleted)}" = "$program" ] || continue
    ! tr '\0' '\n' <"$entry/cmdline" 2>/dev/null | grep -qF "$dir/" || printf '%s\n' "${entry#/proc/}"
  done || true
}
running() { # PROGRAM: its pid
  local pid
  pid=$(pids_of "$1" | head -n 1)
  [ -n "$pid" ] && printf %s "$pid"
}

end_program() {
  local pid waited=0
  rm -f "$dir/$1.pid"
  pid=$(running "$1") || return 0
  kill -TERM "$pid"
  while kill -0 "$pid" 2>/dev/null && [ "$waited" -lt 100 ]; do sleep 0.1; waited=$((waited + 1)); done
  ! kill -0 "$pid" 2>/dev/null || { say "$1 did not end within 10 s, killing it"; kill -KILL "$pid"; }
}

# Whether the process PID listens on the port. Anything may answer there; VMs are only deleted if it is this folder's server.
serves() { # PID
  local inode
  for inode in $(awk -v port="$(printf ':%04X' "$port")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10 }' /proc/net/tcp); do
    ! find "/proc/$1/fd" -lname "socket:\[$inode\]" 2>/dev/null | grep -q . || return 0
  done
  return 1
}
ours_answers() { serves "$(running qarax-server)" && running qarax-node >/dev/null; }
host_up_or_ended() { host_up || ended qarax-server || ended qarax-node; }
host_up() { ours_answers && qarax hosts -o json 2>/dev/null | grep -q '"status":"up"'; }

qarax() { "$build/bin/qarax" --server "$base" "$@"; }
field() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; } # the value of the first member with that name

delete_vms() {
  local names name
  names=$(qarax list --names) || return 0
  for name in $names; do qarax delete "$name" >/dev/null || say "VM $name could not be deleted"; done
}

start_program() { # NAME ENV…
  local name=$1
  shift
  env "$@" setsid "$build/bin/$name" --config "$dir/${name#qarax-}.yaml" >>"$dir/$name.log" 2>&1 </dev/null &
  printf '%s\n' $! >"$dir/$name.pid"
}
ended() { ! kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; } # PROGRAM, which was started here
start_both() {
  start_program qarax-node
  start_program qarax-server QARAX_NODE_HOST=127.0.0.1 "QARAX_NODE_PORT=$node_port"
}

# Repeats COMMAND until it returns 0, for at most SECONDS; now and then prints WHAT it waits for.
wait_for() { # SECONDS WHAT COMMAND…
  local begun=$SECONDS said=5 seconds=$1 what=$2
  shift 2
  until "$@"; do
    [ $((SECONDS - begun)) -lt "$seconds" ] || return 1
    [ $((SECONDS - begun)) -lt "$said" ] || { say "  waiting for $what, $said s of at most $seconds"; said=$((said + 5)); }
    sleep 0.1
  done
}

# VMs outlive server and node. If one of the two has ended, both are started again in order to end the VMs.
stop_all() {
  if [ -n "$(pids_of qarax-supervisor)" ] && [ ! -x "$build/bin/qarax" ]; then
    fail "$build/bin/qarax is gone, and VMs are deleted by it" -- "cmake --preset release && cmake --build build/release, then $stop_it"
  fi
  if [ -n "$(pids_of qarax-supervisor)" ] && ! ours_answers; then
    end_program qarax-server
    end_program qarax-node
    start_both
    wait_for 15 "the host to be up again" host_up_or_ended || true
  fi
  if ours_answers; then delete_vms; fi
  end_program qarax-server
  end_program qarax-node
  [ -z "$(pids_of qarax-supervisor)" ] || say "VMs of it still run: $(pids_of qarax-supervisor | paste -sd ' ') are their supervisors; the logs in $dir say more"
}

if [ "${1:-}" = --stop ]; then
  step "end what --keep left"
  [ -n "$(pids_of qarax-server)$(pids_of qarax-node)$(pids_of qarax-supervisor)" ] || { say "nothing of it runs"; exit 0; }
  stop_all
  [ -z "$(pids_of qarax-supervisor)" ] || fail "not everything ended" -- "read the logs in $dir"
  say "ended; data and logs stay in $dir"
  exit 0
fi

# Check this before the build, which takes minutes.
step "look for what is in the way"
# The node loads no plugins from a folder that another user owns or can write to (core/src/plugin_host/path_check.cpp). That
# happens with a bind mount in a container, with sudo, or with a shared folder.
open_to_others() { # PATH
  local mode user group members
  mode=$((8#$(stat -c %a "$1")))
  [ ! -d "$1" ] || [ $((mode & 8#1000)) = 0 ] || return 1
  [ $((mode & 8#2)) = 0 ] || return 0
  [ $((mode & 8#20)) != 0 ] || return 1
  # A group that is its owner's alone, as Debian makes for each user, is nobody else.
  user=$(stat -c %U "$1") group=$(stat -c %G "$1")
  [ "$user" = "$group" ] && [ "$(id -g "$user" 2>/dev/null)" = "$(stat -c %g "$1")" ] || return 0
  members=$(getent group "$group" | cut -d: -f4)
  [ -n "$members" ] && [ "$members" != "$user" ]
}
real_root=$(readlink -f "$root")
declare -A looked_at=()
# What an earlier build has made as well: with umask 002, e.g., others can write to it.
for path in "$root" "$root/build" "$build" "$build/plugins" "$build/plugins/"*.so; do
  [ -e "$path" ] || continue
  above=$(readlink -f "$path")
  while [ -z "${looked_at[$above]:-}" ]; do
    looked_at[$above]=1
    owner=$(stat -c %u "$above")
    [ "$owner" = 0 ] || [ "$owner" = "$(id -u)" ] ||
      fail "$above belongs to user $owner and this is user $(id -u): the node would load no plugins from there" -- \
        "run it as user $owner, or in a copy: mkdir ~/qarax && tar -C $root --exclude=./build -c . | tar -C ~/qarax --no-same-owner -x && ~/qarax/scripts/quickstart.sh"
    if open_to_others "$above"; then
      way="chmod go-w $above, or use a copy below a folder that only you can write to"
      case $above/ in "$real_root"/*) way="chmod -R go-w $real_root" ;; esac
      fail "$above can be written by others (mode $(stat -c %a "$above")): the node would load no plugins from there" -- "$way"
    fi
    [ "$above" != / ] || break
    above=$(dirname "$above")
  done
done
umask go-w # for what is built
if running qarax-server >/dev/null || running qarax-node >/dev/null; then
  fail "a server or node of an earlier --keep still runs" -- "$stop_it"
fi
for used in "$port" "$node_port"; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$used") 2>/dev/null; then
    fail "port $used is in use" -- "end what listens there, or choose others: QARAX_PORT=8001 QARAX_NODE_PORT=50052 $0"
  fi
done

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
# Also with --keep: a failed run leaves nothing running.
failed() { say "ending server and node; logs stay in $dir"; stop_all; }
trap failed EXIT
rm -f "$dir/qarax-server.log" "$dir/qarax-node.log"
start_both
wait_for 30 "the host to be up" host_up_or_ended || fail "the host was not up within 30 s" -- "read the logs in $dir"
for program in qarax-node qarax-server; do
  ! ended "$program" || { QARAX_LOG=$dir/$program.log; tail -n 5 "$QARAX_LOG" >&2; fail "$program ended" -- "read its log"; }
done
# A trial guest decides on the accelerator; wait for that before starting a VM.
settled() { ! qarax hosts -o json | grep -q '"accelerator":"probing"'; }
wait_for 60 "the trial guest that says whether KVM is of use" settled || true
say "host up, accelerator $(qarax hosts -o json | field accelerator): $(qarax hosts -o json | field accelerator_evidence)"

QARAX_STEP="a VM's life"
name=hello-$$
# Shows a qarax command, the equivalent curl command, and the output of the former.
try() { # CURL'S-ARGUMENTS QARAX'S-ARGUMENTS…
  local curl=$1
  shift
  printf '\n'
  say "\$ qarax $*"
  printf '%11s = curl %s\n' '' "$curl"
  qarax "$@" 2>&1 | tr -d '\r' | sed 's/^/           | /' || fail "qarax $* ended with ${PIPESTATUS[0]}" -- "read the logs in $dir"
}
uptimes() { qarax console "$name" </dev/null 2>/dev/null | grep -c 'qarax uptime' || true; }
says_more_than() { [ "$(uptimes)" -gt "$1" ]; }
more_than() { # COUNT SECONDS: until the guest has written more uptime lines than that
  wait_for "$2" "the guest to print its uptime" says_more_than "$1" && return
  qarax why "$name" >&2 || true
  fail "the guest printed no uptime within $2 s" -- "see above, or read the logs in $dir"
}

body="{\"name\":\"$name\",\"boot_vcpus\":1,\"max_vcpus\":1,\"memory_size\":134217728}"
try "$base/vms -H 'Content-Type: application/json' -d '$body'" create "$name" --memory 128M --vcpus 1
id=$(qarax show "$name" -o json | field id)
vm=$base/vms/$id
try "-X POST $vm/start" start "$name"
more_than 1 60
try "$vm/console" console "$name" --tail 4

if [ -n "$keep" ]; then
  trap - EXIT
  url=
  [ "$base" = http://127.0.0.1:8000 ] || url=" QARAX_URL=$base"
  printf '\nServer %s and node 127.0.0.1:%s are up, VM %s runs. Try, after export PATH=%s:$PATH%s:\n' "$base" "$node_port" "$name" "$build/bin" "$url"
  printf '  %-36s  curl %s\n' "qarax list" "$base/vms" "qarax why $name" "$vm" "qarax console $name --follow" "$vm/console" \
    "qarax pause $name" "-X POST $vm/pause" "qarax resume $name" "-X POST $vm/resume" "qarax hosts" "$base/hosts"
  cat <<T
  qarax launch another --memory 256M    # create, start, and the console until the guest speaks
  kill -9 \$(cat $dir/qarax-node.pid)     # the guest doesn't notice; start the node again with:
  $build/bin/qarax-node --config $dir/node.yaml &
  $stop_it
T
  say "done; data and logs are in $dir"
  exit 0
fi

try "-X POST $vm/pause" pause "$name"
before=$(uptimes)
sleep 2
say "paused for 2 s: $(($(uptimes) - before)) new lines on the console"
try "-X POST $vm/resume" resume "$name"
more_than "$before" 10
say "resumed: the guest counts on: $(qarax console "$name" --tail 1 | tr -d '\r')"
try "-X POST $vm/stop" stop "$name"
try "-X DELETE $vm" delete "$name"
try "$base/vms" list

printf '\n'
step "end server and node"
stop_all
trap - EXIT
[ -z "$(pids_of qarax-supervisor)" ] || fail "not everything ended" -- "read the logs in $dir"
say "done; logs are in $dir"
