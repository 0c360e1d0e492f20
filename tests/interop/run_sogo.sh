#!/bin/bash
# The interop suite against a SOGo of its own: start, seed, run, stop. Bounded in time; for use by CI.
#
#   tests/interop/run_sogo.sh [pytest arguments]
#
# EMAILPLUS_SHARED names the folder with servers/sogo and corpus (default: ../shared beside the checkout), PYTHON the
# interpreter (default: the checkout's .venv), INTEROP_COUNT the generated messages (default 300 here, 1000 for the figures in docs/interop.md).
# Exit 0 with a loud message where SOGo cannot be had; otherwise the suite's own result.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
shared=${EMAILPLUS_SHARED:-$here/../shared}
python=${PYTHON:-}
[ -n "$python" ] || { python=$here/.venv/bin/python; [ -x "$python" ] || python=python3; }
count=${INTEROP_COUNT:-300}
skip() {
  printf '\n*** INTEROP NOT RUN: %s ***\n\n' "$1" >&2
  exit 0
}

[ -x "$shared/servers/sogo/up" ] || skip "no $shared/servers/sogo/up"
[ -x /usr/sbin/sogod ] || [ "$(id -u)" = 0 ] || skip "SOGo is not installed, and only root can install it"
[ "$(id -u)" = 0 ] || [ -r /etc/sogo/sogo.conf ] || skip "/etc/sogo/sogo.conf cannot be read: be root or in the group sogo"

SOGO_HOME=$(mktemp -d "${TMPDIR:-/tmp}/emailplus-sogo.XXXXXX")
export SOGO_HOME
rmdir "$SOGO_HOME"
stop() { [ ! -d "$SOGO_HOME" ] || timeout 30 "$shared/servers/sogo/down" --purge >&2 || true; }
trap stop EXIT
trap 'exit 130' INT TERM

if ! timeout 400 "$shared/servers/sogo/up" >/dev/null; then
  skip "SOGo did not start or could not be installed"
fi
set -e
timeout 180 "$shared/servers/sogo/seed" --home "$SOGO_HOME" --quiet --user alice --count "$count" --eml "$shared/corpus/eml"
timeout 180 "$shared/servers/sogo/seed" --home "$SOGO_HOME" --quiet --user bob
set +e
cd "$here" || exit 1
EMAILPLUS_INTEROP_SERVER=$SOGO_HOME/server.json timeout 1800 "$python" -m pytest tests/interop -p no:cacheprovider -q "$@"
