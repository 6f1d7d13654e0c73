#!/usr/bin/env bash
# Whether each plugin was tried in the lab and passed: checked.sh CONSOLE PLUGIN…. What it says is why not.
set -euo pipefail
console=$1
shift
status=0
for plugin; do
  ended=$(tr -d '\r' <"$console" | sed -n "s/.*lab: checked $plugin: //p" | tail -n 1)
  [ "$ended" != 0 ] || continue
  status=1
  [ -n "$ended" ] && echo "$plugin: qarax-plugin-check ended with $ended" || echo "$plugin was never tried"
done
exit $status
