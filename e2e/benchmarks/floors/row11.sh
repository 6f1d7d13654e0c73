#!/bin/bash
# Row 11 for the HTTP layer alone: Beast (the floor), stock Poco and ours in interleaved rounds, each server on core 0 and
# the client on core 1. Requests a second move with the machine; processor time a request moves less.
#   row11.sh BIN_DIR [ROUNDS] [CONNECTIONS]
set -eu
bin=${1:?usage: row11.sh BIN_DIR [ROUNDS] [CONNECTIONS]}
rounds=${2:-3}
connections=${3:-16}
servers=(beast_floor poco_stock http_layer)
declare -A pid port
next=${PORT:-18100}

stop() { for server in "${!pid[@]}"; do kill "${pid[$server]}" 2>/dev/null || true; done; wait; }
trap stop EXIT

for server in "${servers[@]}"; do
  next=$((next + 1))
  port[$server]=$next
  taskset -c 0 "$bin/$server" "$next" 600 &
  pid[$server]=$!
done
for server in "${servers[@]}"; do
  curl -s --retry 20 --retry-connrefused --retry-delay 1 -o /dev/null "http://127.0.0.1:${port[$server]}/vms/1"
done

ticks=$(getconf CLK_TCK)
cpu_us() { awk -v ticks="$ticks" '{ printf "%d", ($14 + $15) * 1000000 / ticks }' "/proc/$1/stat"; }

printf '%-12s %12s %12s\n' server requests/s cpu_us/request
for _ in $(seq "$rounds"); do
  for server in "${servers[@]}"; do
    before=$(cpu_us "${pid[$server]}")
    result=$(taskset -c 1 wrk -t1 -c"$connections" -d3s "http://127.0.0.1:${port[$server]}/vms/6f1c2a9e-3b57-4a0e-9d0c-0f6f2f3b1a55")
    after=$(cpu_us "${pid[$server]}")
    if grep -qE 'Non-2xx|Socket errors' <<<"$result"; then echo "$server: wrong answers or errors: $result" >&2; exit 1; fi
    awk -v server="$server" -v us=$((after - before)) \
      '/requests in/ { n = $1 } /Requests\/sec/ { printf "%-12s %12.0f %12.2f\n", server, $2, us / n }' <<<"$result"
  done
done
