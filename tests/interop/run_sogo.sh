#!/bin/bash
# The interop suite against a SOGo of its own: start, seed, run, stop. Bounded in time; for use by CI.
#
#   tests/interop/run_sogo.sh [pytest arguments]
#
# EMAILPLUS_SHARED names the folder with servers/sogo and corpus (default: ../shared beside the checkout), PYTHON the
# interpreter (default: the checkout's .venv), INTEROP_COUNT the generated messages (default 300 here, 1000 for the figures in docs/interop.md),
# INTEROP_SERVERS how many servers share the tests (default 2; 1 for figures).
# Exit 0 with a loud message where SOGo cannot be had; otherwise the suite's own result.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
shared=${EMAILPLUS_SHARED:-$here/../shared}
python=${PYTHON:-}
[ -n "$python" ] || { python=$here/.venv/bin/python; [ -x "$python" ] || python=python3; }
count=${INTEROP_COUNT:-300}
servers=${INTEROP_SERVERS:-2}
skip() {
  printf '\n*** INTEROP NOT RUN: %s ***\n\n' "$1" >&2
  exit 0
}

[ -x "$shared/servers/sogo/up" ] || skip "no $shared/servers/sogo/up"
[ -x /usr/sbin/sogod ] || [ "$(id -u)" = 0 ] || skip "SOGo is not installed, and only root can install it"
[ "$(id -u)" = 0 ] || [ -r /etc/sogo/sogo.conf ] || skip "/etc/sogo/sogo.conf cannot be read: be root or in the group sogo"

# Several servers, and a process of the tests for each: client and server wait for one another.
homes=()
stop() {
  for home in "${homes[@]}"; do
    [ ! -d "$home" ] || SOGO_HOME=$home timeout 30 "$shared/servers/sogo/down" --purge >&2 || true
  done
}
trap stop EXIT
trap 'exit 130' INT TERM

for _ in $(seq "$servers"); do
  home=$(mktemp -d "${TMPDIR:-/tmp}/emailplus-sogo.XXXXXX")
  rmdir "$home"
  homes+=("$home")
  if ! SOGO_HOME=$home timeout 400 "$shared/servers/sogo/up" >/dev/null; then
    skip "SOGo did not start or could not be installed"
  fi
done
seeding=()
for home in "${homes[@]}"; do
  {
    timeout 180 "$shared/servers/sogo/seed" --home "$home" --quiet --user alice --count "$count" --eml "$shared/corpus/eml" \
      && timeout 180 "$shared/servers/sogo/seed" --home "$home" --quiet --user bob
  } &
  seeding+=($!)
done
for process in "${seeding[@]}"; do
  wait "$process" || exit 1
done
cd "$here" || exit 1
EMAILPLUS_INTEROP_SERVER=$(printf '%s/server.json:' "${homes[@]}") timeout 1800 "$python" -m pytest tests/interop \
  -p no:cacheprovider -q -n "$servers" --dist loadfile "$@"
