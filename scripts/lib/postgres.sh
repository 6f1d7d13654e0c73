#!/usr/bin/env bash
# A throw-away PostgreSQL for the tests, from the distribution's package; no cluster of the system is touched.
#   postgres.sh start FOLDER [PORT]   makes a cluster in FOLDER (which must not exist) and starts it, with fsync, on
#                                     127.0.0.1 (a free port unless PORT says) and on a socket in FOLDER; prints its URL
#   postgres.sh stop|kill|resume|restart FOLDER   kill ends it as a power cut would; resume starts it again
#   postgres.sh end FOLDER            kills it and removes FOLDER
# Sourced: postgres_for_tests sets QARAX_TEST_POSTGRES until the script's end, if it isn't set and PostgreSQL is there.
# PostgreSQL refuses to run as root: there it runs as the package's user.

pg_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; }

pg_as() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# Asks the kernel for a free port. Another process may take it before PostgreSQL does; then the start fails with an error.
pg_free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

pg_ctl() { # FOLDER ARGUMENTS…
  local folder=$1
  shift
  # Redirect all descriptors: if PostgreSQL held a pipe of the caller's, the caller would wait for its end.
  pg_as "$(pg_bin)/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 "$@" >>"$folder/ctl.log" 2>&1 </dev/null
}

pg_start() { # FOLDER [PORT]
  local folder=$1 port=${2:-$(pg_free_port)} password=test
  [ -n "$(pg_bin)" ] || { echo "PostgreSQL isn't installed: apt-get install postgresql" >&2; return 1; }
  mkdir "$folder" && chmod 755 "$folder" && echo "$password" >"$folder/password" || return 1
  [ "$(id -u)" = 0 ] && chown -R postgres "$folder"
  pg_as "$(pg_bin)/initdb" -D "$folder/data" -U qarax -E UTF8 --locale=C -A scram-sha-256 --pwfile="$folder/password" \
    >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; return 1; }
  cat >>"$folder/data/postgresql.conf" <<EOF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
fsync = on
max_connections = 50
shared_buffers = 32MB
EOF
  pg_ctl "$folder" start || { tail -n 20 "$folder/log" >&2; return 1; }
  echo "postgres://qarax:$password@127.0.0.1:$port/postgres"
}

pg_end() { # FOLDER
  pg_ctl "$1" -m immediate stop || true
  rm -rf "$1"
}

postgres_for_tests() {
  [ -z "${QARAX_TEST_POSTGRES:-}" ] || return 0
  [ -n "$(pg_bin)" ] || { echo "the tests on PostgreSQL are skipped: the package postgresql is missing" >&2; return 0; }
  QARAX_TEST_POSTGRES_FOLDER=$(mktemp -u "${TMPDIR:-/tmp}/qarax-postgres-XXXXXX")
  # Set the trap before the start, so that a start that fails halfway is cleaned up too.
  trap 'pg_end "$QARAX_TEST_POSTGRES_FOLDER"' EXIT
  QARAX_TEST_POSTGRES=$(pg_start "$QARAX_TEST_POSTGRES_FOLDER") || return 1
  export QARAX_TEST_POSTGRES
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  action=${1:-} folder=${2:-}
  [ -n "$folder" ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
  case $action in
    start) pg_start "$folder" "${3:-}" ;;
    resume) pg_ctl "$folder" start ;;
    stop) pg_ctl "$folder" -m fast stop ;;
    kill) pg_ctl "$folder" -m immediate stop ;;
    restart) pg_ctl "$folder" -m fast restart ;;
    end) pg_end "$folder" ;;
    *) echo "postgres.sh: unknown action $action" >&2; exit 2 ;;
  esac
fi
