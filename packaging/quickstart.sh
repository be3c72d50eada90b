#!/bin/bash
# The notary portal in front of your eyes, on a fresh Debian 12 machine, as root: installs what is missing, builds,
# starts a PostgreSQL 15 primary and its streaming replica with the portal's data, sends 1,000 users straight at the
# primary and then through sportello, and prints what they felt. Everything lives in one temporary directory and on free
# ports of 127.0.0.1, runs as the user postgres, and is gone at the end.
#
#   packaging/quickstart.sh [--keep] [--seconds N] [--clients N] [--scale S] [--skip-direct]
set -euo pipefail

usage() {
  cat <<'END'
packaging/quickstart.sh [OPTIONS]    (as root)
  --keep          leave the servers and sportello running; prints how to look at them and how to stop them
  --seconds N     measured seconds of each load (30)
  --clients N     concurrent users (1000)
  --scale S       size of the portal's data; 1 is 1,000 notaries and 100,000 acts (1)
  --skip-direct   no load straight at PostgreSQL
END
}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }

keep=false direct=true seconds=30 clients=1000 scale=1
while (($#)); do
  case $1 in
    --keep) keep=true ;;
    --skip-direct) direct=false ;;
    --seconds | --clients | --scale)
      [[ ${2:-} =~ ^[0-9.]+$ ]] || fail "$1 wants a number"
      printf -v "${1#--}" %s "$2"; shift ;;
    --help | -h) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
((EUID == 0)) || fail "run it as root: it installs packages and starts servers as the user postgres"

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
portal=$tree/tests/portal
postgres_bin=/usr/lib/postgresql/15/bin
database=sportello_notai
work=''
pids=()

# ---- packages and build ------------------------------------------------------------------------------------------

# All that building wants; what only checks want stays away. postgresql-contrib-15 is a name that postgresql-15 provides.
wanted_packages() {
  grep -Ev '^(#|$|clang|libclang|python3-|default-jdk|nodejs|npm|postgresql-contrib)' "$tree/tests/packages.txt"
}

install_packages() {
  local missing=()
  for package in $(wanted_packages | sort -u); do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  say "Installing ${#missing[@]} missing packages"
  export DEBIAN_FRONTEND=noninteractive
  local log=$work/apt.log
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; fail "these packages could not be installed: ${missing[*]}"; }
}

build() {
  say "Building (build/release)"
  local log=$work/build.log
  { cmake -S "$tree" --preset release && cmake --build "$tree/build/release" --target sportello portal_load; } \
    >"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "the build failed"; }
}

# ---- processes ---------------------------------------------------------------------------------------------------

# The first free TCP port from $1 on.
free_port() {
  local port=$1
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo "$port"
}

as_postgres() { setpriv --reuid postgres --regid postgres --init-groups -- "$@"; }

# start LOG COMMAND…: in the background as postgres; dies with this script unless it is to be kept.
start() {
  local log=$1 prefix=(setpriv --reuid postgres --regid postgres --init-groups --pdeathsig INT)
  shift
  if $keep; then prefix=(setsid setpriv --reuid postgres --regid postgres --init-groups); fi
  "${prefix[@]}" -- "$@" </dev/null >"$log" 2>&1 &
  pids=("$!" "${pids[@]}")
}

# wait_for WHAT LOG COMMAND…: until the command succeeds, for 30 seconds; shows the log if the process is gone or late.
wait_for() {
  local what=$1 log=$2 deadline=$((SECONDS + 30))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS > deadline)) || ! kill -0 "${pids[0]}" 2>/dev/null; then
      tail -n 20 "$log" >&2
      fail "$what does not answer"
    fi
    sleep 0.1
  done
}

# The latest first, each within ten seconds.
stop_all() {
  local pid
  for pid in "${pids[@]}"; do
    kill -INT "$pid" 2>/dev/null || continue
    for _ in {1..100}; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  done
  pids=()
}

clean_up() {
  local code=$?
  trap - EXIT INT TERM HUP
  stop_all
  if [[ -n $work ]]; then rm -rf "$work"; fi
  exit "$code"
}

# ---- the servers -------------------------------------------------------------------------------------------------

psql_as() { psql -X -q -v ON_ERROR_STOP=1 -h "$work" -p "$primary_port" -U "$1" -d "$2" "${@:3}"; }

start_primary() {
  say "Starting a PostgreSQL 15 primary and loading the portal's data (scale $scale)"
  as_postgres "$postgres_bin/initdb" -D "$work/primary" -U postgres --auth-local=trust --auth-host=scram-sha-256 \
    -E UTF8 --locale=C.UTF-8 --no-sync >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; fail "initdb failed"; }
  cat >>"$work/primary/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$work'
max_connections = 100
wal_level = logical
shared_buffers = 256MB
max_wal_size = 2GB
random_page_cost = 1.1       # solid-state disks, as in production
END
  start "$work/primary.log" "$postgres_bin/postgres" -D "$work/primary" -p "$primary_port"
  wait_for "the primary" "$work/primary.log" psql_as postgres postgres -c 'SELECT 1'

  psql_as postgres postgres -c "CREATE ROLE portal LOGIN PASSWORD '$password'" -c "CREATE DATABASE $database OWNER portal"
  psql_as postgres postgres -c "CREATE ROLE sportello_monitor LOGIN REPLICATION PASSWORD '$password' IN ROLE pg_monitor"
  psql_as postgres $database -c 'CREATE EXTENSION postgis'
  local file
  for file in schema data indexes; do psql_as portal $database -v "scale=$scale" -f "$portal/$file.sql"; done
}

start_replica() {
  say "Starting its streaming replica"
  as_postgres "$postgres_bin/pg_basebackup" -D "$work/replica" -h "$work" -p "$primary_port" -U postgres -R -X stream \
    --checkpoint=fast --no-sync >"$work/basebackup.log" 2>&1 ||
    { cat "$work/basebackup.log" >&2; fail "pg_basebackup failed"; }
  start "$work/replica.log" "$postgres_bin/postgres" -D "$work/replica" -p "$replica_port"
  wait_for "the replica" "$work/replica.log" psql -X -h "$work" -p "$replica_port" -U postgres -d $database -c 'SELECT 1'
}

start_sportello() {
  say "Starting sportello"
  install -o postgres -g postgres -m 0500 "$tree/build/release/proxy/sportello" "$work/sportello"
  cat >"$work/sportello.toml" <<END
include = ["rules.toml"]

[sportello]
listen_addr = "127.0.0.1"
listen_port = $proxy_port
pool_mode = "transaction"
max_client_conn = 2000
max_login_clients = 2000     # a thousand users come in within seconds
default_pool_size = 25
reserve_pool_size = 5
reserve_pool_timeout = "3s"
auth_type = "scram-sha-256"
auth_file = "$work/userlist.txt"
admin_users = ["portal"]
monitor_user = "sportello_monitor"
log_connections = false
log_disconnections = false

[databases.$database]
primary  = "host=127.0.0.1 port=$primary_port dbname=$database"
replicas = ["host=127.0.0.1 port=$replica_port dbname=$database"]
END
  # The verifier that PostgreSQL keeps is enough: no password lies on the proxy's disk.
  psql_as postgres postgres -At -c "SELECT format('\"%s\" \"%s\"', rolname, rolpassword) FROM pg_authid WHERE rolname = 'portal'" \
    >"$work/userlist.txt"
  # It looks after the servers and follows the log itself, so here a password is needed.
  printf '"sportello_monitor" "%s"\n' "$password" >>"$work/userlist.txt"
  cp "$portal/rules.toml" "$work/rules.toml"
  chown postgres:postgres "$work/userlist.txt" "$work/sportello.toml" "$work/rules.toml"
  chmod 0600 "$work/userlist.txt" "$work/sportello.toml"
  start "$work/sportello.log" "$work/sportello" "$work/sportello.toml"
  wait_for sportello "$work/sportello.log" psql -X -h 127.0.0.1 -p "$proxy_port" -U portal -d $database -c 'SELECT 1'
}

# ---- the load ----------------------------------------------------------------------------------------------------

# load PORT [OPTIONS]: the report; a missed target is no reason to stop.
load() {
  local code=0
  "$tree/build/release/tests/portal/portal_load" --host 127.0.0.1 --port "$1" --user portal --dbname $database \
    --clients "$clients" --warm-up 5 --duration "$seconds" --targets \
    --direct "host=$work port=$primary_port user=postgres dbname=$database" "${@:2}" || code=$?
  ((code == 0 || code == 3)) || fail "portal_load failed"
  return 0
}

how_to_look() {
  trap - EXIT
  cat <<END

Everything is still running, in $work:
  through sportello   PGPASSWORD=$password psql -h 127.0.0.1 -p $proxy_port -U portal $database
  its console         PGPASSWORD=$password psql -h 127.0.0.1 -p $proxy_port -U portal sportello -c 'SHOW POOLS'
  the primary         PGPASSWORD=$password psql -h 127.0.0.1 -p $primary_port -U portal $database
  the replica         PGPASSWORD=$password psql -h 127.0.0.1 -p $replica_port -U portal $database
  stop it all         kill -INT ${pids[*]}; sleep 2; rm -rf $work
END
}

main() {
  work=$(mktemp -d /tmp/sportello-quickstart.XXXXXX)
  trap clean_up EXIT
  trap 'exit 130' INT TERM HUP
  install_packages
  [[ -x $postgres_bin/postgres ]] || fail "there is no PostgreSQL 15 in $postgres_bin; this script is for Debian 12"
  chown postgres:postgres "$work"
  build

  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  export PGPASSWORD=$password PGCONNECT_TIMEOUT=5
  primary_port=$(free_port 25432)
  replica_port=$(free_port $((primary_port + 1)))
  proxy_port=$(free_port 26432)
  start_primary
  start_replica
  start_sportello

  if $direct; then
    say "Before: $clients users straight at PostgreSQL, which accepts 100 connections"
    load "$primary_port"
  fi
  say "Now: $clients users through sportello, over 25 + 5 server connections at most"
  load "$proxy_port" --console "host=127.0.0.1 port=$proxy_port user=portal dbname=sportello"

  if $keep; then how_to_look; fi
}

main
