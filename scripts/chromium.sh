#!/bin/sh
# Sees to it that the tests find a Chromium, where that can be done without asking. Never fails: without one the tests
# in a browser are skipped, and say so.
set -eu
cd "$(dirname "$0")/.."
. scripts/system.sh

found() {
    command -v chromium > /dev/null
}

if ! found; then
    install_package chromium || true
    found || echo "annotary: no chromium on this machine; the tests in a browser will be skipped" >&2
fi
