#!/bin/sh
# Installs the Debian packages that some tests need and this machine lacks.
# Where that isn't possible those tests are skipped, each with a line that says why.
set -eu

missing=""
need() { # need COMMAND PACKAGE...
    command -v "$1" >/dev/null 2>&1 && return
    shift
    missing="$missing $*"
}

need radosgw ceph-mon ceph-osd radosgw
need chromium chromium
need node nodejs
need redis-server redis-server
need caddy caddy

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the tests:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "Not installed, so some tests will be skipped:$missing"
fi
