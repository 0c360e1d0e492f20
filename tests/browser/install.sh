#!/usr/bin/env bash
# Chromium and its driver, where they are not there and this machine lets us install them (Debian, root): three attempts,
# bounded in time. Fails where they are not there in the end, and says why.
set -uo pipefail

there() {
    command -v chromedriver >/dev/null \
        && { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
}

there && exit 0
if ! command -v apt-get >/dev/null || [[ $(id -u) -ne 0 ]]; then
    echo "chromium and chromium-driver are missing, and cannot be installed from here (no apt-get, or not root)" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
for attempt in 1 2 3; do
    timeout 120 apt-get update -qq || echo "attempt $attempt: the lists of packages could not be read anew" >&2
    timeout 600 apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null \
        || echo "attempt $attempt: chromium could not be installed" >&2
    there && exit 0
    [[ $attempt -eq 3 ]] || sleep $((attempt * 15))
done
echo "chromium and chromium-driver are not there: the proof of the views cannot run" >&2
exit 1
