#!/usr/bin/env bash
# A host with a working /dev/kvm, made from Debian's packages inside QEMU's TCG, with our node in it; then the end-to-end
# tests against that node from outside:
#   run.sh [pytest arguments]   default: what of test_vm_lifecycle.py and test_kvm_lab.py can run there. What hasn't passed when
#                               the lab's own kernel panics goes on in a fresh lab, at most twice
#   run.sh --do COMMAND…        COMMAND instead of pytest, as benchmarks/lab_start.py; it finds QARAX_URL and QARAX_LAB
#   run.sh --check              instead of them: qarax-plugin-check on the plugins, their rows into plugins/MATRIX.md
#   CLOUD_HYPERVISOR=/path  a cloud-hypervisor program: the cloud_hv plugin runs on it; without one only qemu is tried
#   CLOUD_HYPERVISOR_SECCOMP=on|off|log   its seccomp mode (an older one built with a newer Rust needs log)
#   QARAX_LAB_HYPERVISORS="qemu cloud_hv"   which to try   QARAX_BUILD  build/release
#   QARAX_LAB_WAIT=120  seconds for it to come up, more on a busy machine
#   QARAX_LAB_QEMU=/path  the qemu-system-x86_64 that emulates it: a newer one emulates better, see README.md
#   QARAX_DEBIAN_MIRROR=URL  where its packages come from
#   KEEP=1  leaves the lab up and says how to reach it
# Any user can run it. The root image stays in ~/.cache/qarax/kvm-lab.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/scripts/lib/common.sh"
. "$root/scripts/lib/python.sh"
case ${1:-} in -h | --help) sed -n '2,16s/^# \{0,1\}//p' "$0"; exit ;; esac
# mke2fs and others stand where only root's PATH looks.
export PATH=$PATH:/usr/sbin:/sbin

build=$(realpath -m "${QARAX_BUILD:-$root/build/release}")
guest=${QARAX_GUEST_DIR:-$root/build/guest}
vmm=${CLOUD_HYPERVISOR:-}
hypervisors=${QARAX_LAB_HYPERVISORS:-qemu${vmm:+ cloud_hv}}
qemu=${QARAX_LAB_QEMU:-qemu-system-x86_64}
distribution=$(. /etc/os-release && printf %s "$VERSION_CODENAME")
cache=${QARAX_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/qarax/kvm-lab}/$distribution
work=$(mktemp -d "${TMPDIR:-/tmp}/qarax-lab.XXXXXX")
results=$work/results
most_labs=3 # of one hypervisor, where the lab's own kernel panics
mkdir -p "$cache"
lab= server= tests=
end_lab() {
  local pid
  for pid in $tests $server $lab; do kill "$pid" 2>/dev/null || true; done
  for pid in $tests $server $lab; do wait "$pid" 2>/dev/null || true; done
  lab= server= tests=
}
leave() {
  end_lab
  rm -rf "$work"
}
trap leave EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Who names one isn't told that all passed where it was never tried.
[ -n "${hypervisors// /}" ] || fail "QARAX_LAB_HYPERVISORS names no hypervisor"
case " $hypervisors:$vmm" in *" cloud_hv"*:) fail "QARAX_LAB_HYPERVISORS names cloud_hv, and CLOUD_HYPERVISOR names no program" ;; esac

# What a green end doesn't say: tests that were skipped, with the reason, and the hypervisor that nobody named.
say_passed() {
  local left_out
  left_out=$([ -n "${QARAX_LAB_HYPERVISORS:-}$vmm" ] || echo "cloud_hv (CLOUD_HYPERVISOR names no program)"; python3 "$here/lab_results.py" skipped "$results")
  if [ -z "$left_out" ]; then say "all passed: $hypervisors"; else
    say "passed: $hypervisors; not tried:"
    sed 's/^/           | /' <<<"$left_out"
  fi
}
say_labs() {
  [ -s "$results" ] || return 0
  say "what ran in which lab:"
  python3 "$here/lab_results.py" labs "$results" | sed 's/^/           | /'
}

step "the lab's root, from Debian's packages"
[ -x "$build/bin/qarax-node" ] || fail "there is no $build/bin/qarax-node" -- "cmake --preset release && cmake --build build/release"
. "$here/own_test.sh"
if [ -n "$vmm" ] && [ -z "$own_test" ]; then
  # Other tests can do without; test_kvm_lab.py, where other arguments ask for it, fails.
  case ${*:-test_kvm_lab} in --check | --do*) ;; *test_kvm_lab*) fail "$own_test_missing" -- "$own_test_way" ;; esac
fi
export here root build guest vmm own_test
. "$here/root.sh"

step "our programs into it"
must "$cache/image.log" pretend_root "$here/fill.sh" "$lab_root" "$work/lab.ext4"

step "the lab's own start, in $("$qemu" --version | head -n 1)"
mkdir -p "$work/initrd"/{bin,proc,sys,dev,new,lib}
cp -L "$(command -v busybox)" "$work/initrd/bin/busybox"
ln -s busybox "$work/initrd/bin/sh"
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk failover net_failover virtio_net; do
  file=$(find "$lab_root/lib/modules" -name "$module.ko*" -print -quit)
  case $file in
    *.xz) xz -dc "$file" >"$work/initrd/lib/$module.ko" ;;
    ?*) cp "$file" "$work/initrd/lib/$module.ko" ;;
  esac
done
cp "$here/initrd" "$work/initrd/init"
chmod 755 "$work/initrd/init"
(cd "$work/initrd" && find . -print0 | cpio -0 -o -H newc -R 0:0 --quiet) | gzip >"$work/lab.gz"

# The user's proxy, where there is one, can't reach this machine's loopback.
ask() { curl -fs --noproxy '*' "http://127.0.0.1:$1$2"; } # PORT PATH

plugins() { # PORT: each plugin with its VMM's version
  local host
  host=$(ask "$1" /hosts | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
  ask "$1" "/hosts/$host/plugins" | grep -oE '"(name|vmm_version|healthy)":("[^"]*"|true|false)' | tr '\n' ' '
}

boot_lab() { # QEMU ARGUMENTS… -- CMDLINE; its pid is $lab
  local arguments=()
  while [ "$1" != -- ]; do arguments+=("$1"); shift; done
  "$qemu" -M q35 -accel tcg,thread=multi -cpu EPYC,+svm,+npt -smp 2 -m 3072 -vga none -display none -no-reboot \
    -kernel "$guest/vmlinuz" -initrd "$work/lab.gz" -snapshot -drive file="$work/lab.ext4",if=virtio,format=raw \
    -append "console=ttyS0 quiet panic=-1 mitigations=off $2" "${arguments[@]}" </dev/null >"$work/qemu.log" 2>&1 &
  lab=$!
}

# What the lab's console and its QEMU said is kept: $work goes with the script.
keep_log() { # NAME
  mkdir -p "$root/build/logs"
  QARAX_LOG=$root/build/logs/lab-$1.log
  cat "$work/lab-$1.log" "$work/qemu.log" >"$QARAX_LOG" 2>/dev/null || true
  tail -n 20 "$QARAX_LOG" >&2
}

# The end of the lab's own kernel is the emulator's doing and says nothing of what was tried in it. A guest's kernel may be quoted
# on the console, but never at a line's begin.
panicked() { grep -asqE '^\[ *[0-9.]+\] Kernel panic' "$work/lab-$1.log"; } # NAME

lab_failed() { # NAME WHY
  keep_log "$1"
  say_labs >&2
  ! panicked "$1" || fail "the lab's own kernel panicked: what failed after that was never tried" -- "run it again"
  fail "$2"
}

# After a lab where not all passed. What is left goes on in a fresh one, but only after a panic of this one's kernel.
lab_over() { # HYPERVISOR NUMBER WHY
  end_lab
  panicked "$1-$2" || lab_failed "$1-$2" "$3"
  printf '{"lab": ["%s", %s], "test": "", "outcome": "panicked", "why": ""}\n' "$1" "$2" >>"$results"
  [ "$2" -lt "$most_labs" ] || lab_failed "$1-$2" "$3"
  keep_log "$1-$2"
  say "the lab's own kernel panicked (log: $QARAX_LOG): what hasn't passed goes on in another lab"
  goes_on=1
}

check() {
  step "the lab with qarax-plugin-check"
  boot_lab -nic user,model=virtio-net-pci -serial "file:$work/lab-check.log" -- "lab.check=$(tr -s ' ' , <<<"$hypervisors")"
  wait "$lab" || true
  lab=
  tr -d '\r' <"$work/lab-check.log" | sed '/^lab report: /d'
  tr -d '\r' <"$work/lab-check.log" | sed -n 's/^lab report: //p' | split -l 1 --additional-suffix=.json - "$work/report-"
  ls "$work"/report-*.json >/dev/null 2>&1 || lab_failed check "the lab gave no report"
  "$build/bin/qarax-plugin-check" --matrix "$root/plugins/MATRIX.md" --write "$work"/report-*.json
  local why
  why=$("$here/checked.sh" "$work/lab-check.log" $hypervisors) || lab_failed check "${why//$'\n'/; }"
}

in_a_lab() { # HYPERVISOR NUMBER ARGUMENTS…
  local hypervisor=$1 number=$2 name=$1-$2 node_port server_port shell_port evidence ended waited=0
  shift 2
  node_port=$(free_port)
  server_port=$(free_port)
  shell_port=$(free_port)
  step "the lab with $hypervisor$([ "$number" = 1 ] || echo ", number $number")"
  boot_lab -nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$node_port-:50051,hostfwd=tcp:127.0.0.1:$shell_port-:2222" \
    -serial "file:$work/lab-$name.log" -- "lab.hypervisor=$hypervisor"
  env -i PATH="$PATH" HOME="$HOME" QARAX_NODE_HOST=127.0.0.1 QARAX_NODE_PORT="$node_port" QARAX_SERVER_LISTEN_PORT="$server_port" \
    QARAX_SERVER_DATA_DIR="$work/server-$name" "$build/bin/qarax-server" >"$work/server-$name.log" 2>&1 </dev/null &
  server=$!
  until ask "$server_port" /hosts 2>/dev/null | grep -q '"accelerator":"kvm"'; do
    kill -0 "$lab" 2>/dev/null || { lab_over "$hypervisor" "$number" "the lab ended before its node was up"; return; }
    waited=$((waited + 1))
    [ "$waited" -lt $((${QARAX_LAB_WAIT:-120} * 2)) ] || {
      ask "$server_port" /hosts >&2 || true
      lab_failed "$name" "the lab's node didn't come up with KVM within ${QARAX_LAB_WAIT:-120} s"
    }
    sleep 0.5
  done
  evidence=$(ask "$server_port" /hosts | grep -o '"accelerator_evidence":"[^"]*"' | head -n 1)
  say "up: $evidence"
  local status=0
  (cd "$root/e2e" && export QARAX_URL=http://127.0.0.1:$server_port QARAX_LAB=127.0.0.1:$shell_port PYTHONPATH=$here QARAX_LAB_RESULTS=$results &&
    QARAX_LAB_RUN="$hypervisor $number" exec env --default-signal=INT "${command[@]}" "$@") &
  tests=$!
  # Without the lab each test would wait out its time for it.
  wait -n -p ended "$tests" "$lab" || status=$?
  if [ "$ended" = "$lab" ]; then
    kill -INT "$tests" 2>/dev/null || true
    wait "$tests" || true
    lab= tests=
    lab_over "$hypervisor" "$number" "the lab ended while it was used"
    return
  fi
  tests=
  # All of the tests that are left may have passed just before the panic: pytest says 5 of none.
  [ "$status" != 5 ] || [ "$number" = 1 ] || status=0
  say "ran on: $(ask "$server_port" /vms | grep -o '"hypervisor":"[^"]*"' | sort | uniq -c | tr -s ' ')$(plugins "$server_port")"
  if [ -n "${KEEP:-}" ]; then
    say "kept: http://127.0.0.1:$server_port, node 127.0.0.1:$node_port, a shell: nc 127.0.0.1 $shell_port, the lab's console: $work/lab-$name.log; press Enter to end it"
    read -r _
  fi
  end_lab
  [ "$status" = 0 ] || lab_over "$hypervisor" "$number" "tests failed with $hypervisor in the lab"
}

try() { # HYPERVISOR ARGUMENTS…
  local number=0
  goes_on=1
  while [ -n "$goes_on" ]; do
    goes_on= number=$((number + 1))
    in_a_lab "$1" "$number" "${@:2}"
  done
}

if [ "${1:-}" = --check ]; then
  check
  say_passed
  exit
fi
python_env "$root/build/venv" "$root/e2e"
command=("$root/build/venv/bin/python" -m pytest -q -p no:cacheprovider -p lab_results)
case ${1:-} in
  "") set -- -m 'anywhere or lab' test_vm_lifecycle.py test_kvm_lab.py ;;
  --do) shift; command=() most_labs=1 ;;
esac
for hypervisor in $hypervisors; do try "$hypervisor" "$@"; done
say_labs
say_passed
