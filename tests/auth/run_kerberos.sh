#!/usr/bin/env bash
# Kerberos against a real KDC: installs MIT's krb5kdc (Debian, root), makes a virtualenv with the extra `kerberos`, runs
# tests/auth/test_kerberos.py. Bounded in time; for use by CI.
#
#   tests/auth/run_kerberos.sh [pytest arguments]
#
# PYTHON: the interpreter that has the project and its test tools (default: the checkout's .venv). What it has is not
# changed: other tests want the extra to be missing. KERBEROS_VENV: where the virtualenv is kept (default: a temporary folder,
# removed). gssapi and krb5 have no wheels for Linux and are compiled once, without optimisation since it is for tests;
# pip's cache keeps what comes of it. Exit 0 with a loud message where something cannot be had; else the tests' own result.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-}
[ -n "$python" ] || { python=$here/.venv/bin/python; [ -x "$python" ] || python=python3; }
skip() {
  printf '\n*** KERBEROS NOT RUN: %s ***\n\n' "$1" >&2
  exit 0
}
have() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" >/dev/null; }

if ! { have krb5kdc && have kadmin.local && have krb5-config && have gcc && have faketime; }; then
  have apt-get && [ "$(id -u)" = 0 ] || skip "krb5kdc, krb5-config, gcc or faketime is missing, and only root can install them"
  export DEBIAN_FRONTEND=noninteractive
  # No service of the system: the tests start a KDC of their own.
  made=
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d && made=yes
  fi
  timeout 120 apt-get update -qq || echo "the lists of packages could not be read anew" >&2
  timeout 300 apt-get install -y -qq --no-install-recommends krb5-kdc krb5-admin-server libkrb5-dev gcc libc6-dev faketime \
    >/dev/null
  found=$?
  [ -z "$made" ] || rm -f /usr/sbin/policy-rc.d
  [ "$found" = 0 ] || skip "the Debian packages could not be installed"
fi

venv=${KERBEROS_VENV:-}
if [ -z "$venv" ]; then
  venv=$(mktemp -d "${TMPDIR:-/tmp}/emailplus-kerberos.XXXXXX")
  trap 'rm -rf "$venv"' EXIT
fi
"$python" -m venv "$venv" || skip "no virtualenv could be made"
site=$("$venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')
"$python" -c 'import site; print(f"import site; site.addsitedir({site.getsitepackages()[0]!r})")' >"$site/base.pth"
CFLAGS="-O0 -g0" timeout 600 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check gssapi krb5 \
  || skip "gssapi and krb5 could not be installed"
cd "$here" || exit 1
PYTHONPATH=$here timeout 300 "$venv/bin/python" -m pytest tests/auth/test_kerberos.py -p no:cacheprovider -q "$@"
