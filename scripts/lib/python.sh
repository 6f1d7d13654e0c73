# Makes the Python environments of the scripts. Source it after common.sh.
#
#   python_env FOLDER PROJECT   makes or refreshes FOLDER (a venv) with what PROJECT/pyproject.toml asks for;
#                               afterwards FOLDER/bin/pytest runs
#   python_tools FOLDER LIST    the same with the packages of a list such as third_party/packages/python.txt
#
# Both are quick if nothing has changed, and then need no network.

# Sets `wanted` to what FOLDER is to be made from (further files in $2…) and returns whether it was made from that.
python_made() {
  local env=$1 had=
  shift
  wanted=$(cat "$@" | sha256sum; python3 --version; readlink -f "$env")
  [ -r "$env/.qarax-made-from" ] && had=$(cat "$env/.qarax-made-from")
  [ "$had" = "$wanted" ]
}

python_tools() {
  local env=$1 list=$2 wanted
  mkdir -p "$(dirname "$env")"
  python_made "$env" "$list" && return
  python3 -c 'import venv, ensurepip' 2>/dev/null ||
    fail "python3 with venv is missing" -- "scripts/install-deps.sh --test"
  rm -f "$env/.qarax-made-from"
  [ -x "$env/bin/python" ] || must "$env.log" python3 -m venv "$env"
  must "$env.log" "$env/bin/python" -m pip install --quiet --disable-pip-version-check -r <(listed "$list")
  printf '%s\n' "$wanted" >"$env/.qarax-made-from"
}

python_env() {
  local env=$1 project=$2 list wanted
  list=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../third_party/packages" && pwd)/python.txt
  python_made "$env" "$list" "$project/pyproject.toml" && return
  # Remove the stamp of python_tools: the packages of the list are only the first half of this environment.
  python_tools "$env" "$list"
  rm -f "$env/.qarax-made-from"
  # "uv sync" can't be used: uv.lock names PyPI's own addresses, and this machine may only reach a mirror.
  must "$env.log" "$env/bin/uv" pip install --quiet --python "$env/bin/python" -r "$project/pyproject.toml"
  printf '%s\n' "$wanted" >"$env/.qarax-made-from"
}
