# A Python environment of our own for the e2e tests. Source it after common.sh.
#
#   python_env FOLDER PROJECT   makes or refreshes FOLDER (a venv) with what PROJECT/pyproject.toml asks for;
#                               afterwards FOLDER/bin/pytest runs. Quick when nothing has changed, and then offline.

python_env() {
  local env=$1 project=$2 list stamp wanted had=
  list=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../third_party/packages" && pwd)/python.txt
  stamp=$env/.qarax-made-from
  wanted=$(cat "$list" "$project/pyproject.toml" | sha256sum; python3 --version; readlink -f "$env")
  [ -r "$stamp" ] && had=$(cat "$stamp")
  [ "$had" = "$wanted" ] && return
  python3 -c 'import venv, ensurepip' 2>/dev/null ||
    fail "python3 with venv is missing" -- "scripts/install-deps.sh --test"
  rm -f "$stamp"
  [ -x "$env/bin/python" ] || must "$env.log" python3 -m venv "$env"
  must "$env.log" "$env/bin/python" -m pip install --quiet --disable-pip-version-check -r <(listed "$list")
  # Not "uv sync", which writes a lock file into the source tree (it may be read-only, and is nobody's build folder).
  must "$env.log" "$env/bin/uv" pip install --quiet --python "$env/bin/python" -r "$project/pyproject.toml"
  printf '%s\n' "$wanted" >"$stamp"
}
