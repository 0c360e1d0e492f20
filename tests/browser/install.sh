#!/usr/bin/env bash
# Chromium and its driver, where they are not there and this machine lets us install them (Debian, root). Bounded in time;
# without them the browser tests are skipped, unless EMAILPLUS_BROWSER=required.
set -euo pipefail

if command -v chromedriver >/dev/null && { command -v chromium >/dev/null || command -v google-chrome >/dev/null; }; then
    exit 0
fi
if ! command -v apt-get >/dev/null || [[ $(id -u) -ne 0 ]]; then
    echo "chromium and chromium-driver are missing, and cannot be installed from here" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
timeout 120 apt-get update -qq || echo "the lists of packages could not be read anew" >&2
timeout 600 apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null \
    || echo "chromium could not be installed: the browser tests are skipped" >&2
