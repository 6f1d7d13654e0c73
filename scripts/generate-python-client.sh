#!/usr/bin/env bash
# Makes python-sdk/qarax-api-client, the typed Python client, from server/api/openapi.yaml: generate-python-client.sh [--check]
#   --check   changes nothing, and fails where what is committed isn't what the document makes
# The generator is openapi-python-client in the version that third_party/packages/python-client.txt pins; its output is
# committed as it comes, so a change is made in the document or in python-sdk/generator.yaml.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib/common.sh"
. "$root/scripts/lib/python.sh"
made=$root/python-sdk/qarax-api-client
check=
case ${1:-} in
  "") ;;
  --check) check=1 ;;
  -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit ;;
  *) fail "unknown argument $1" -- "$0 --help" ;;
esac

step "generate the Python client"
env=$root/build/venv-client
python_tools "$env" "$root/third_party/packages/python-client.txt"
work=$(mktemp -d "${TMPDIR:-/tmp}/qarax-client.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The generator looks for ruff in PATH.
PATH=$env/bin:$PATH must "$root/build/logs/python-client.log" "$env/bin/openapi-python-client" generate \
  --path "$root/server/api/openapi.yaml" --config "$root/python-sdk/generator.yaml" --meta uv --fail-on-warning --output-path "$work/client"
rm -rf "$work/client/.ruff_cache"

if [ -n "$check" ]; then
  diff -r -u -x __pycache__ -x '*.egg-info' -x .venv "$made" "$work/client" >"$work/diff" || {
    head -n 40 "$work/diff" >&2
    fail "python-sdk/qarax-api-client isn't what server/api/openapi.yaml makes" -- "scripts/generate-python-client.sh, and commit what it changes"
  }
  say "the Python client is what the document makes"
else
  rm -rf "$made"
  mkdir -p "$(dirname "$made")"
  mv "$work/client" "$made"
  say "made $(find "$made" -name '*.py' | wc -l) Python files in python-sdk/qarax-api-client"
fi
