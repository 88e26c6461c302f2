#!/bin/sh
# Sees to it that the tests find a PostgreSQL server's programs, where that can be done without asking. Never fails:
# without them the tests on PostgreSQL are skipped, and say so.
set -eu
cd "$(dirname "$0")/.."
. scripts/system.sh

found() {
    .venv/bin/python tests/_postgres.py --find > /dev/null 2>&1
}

if [ -z "${ANNOTARY_TEST_POSTGRES_URL:-}" ] && ! found; then
    install_package postgresql || true
    found || echo "annotary: no PostgreSQL server on this machine; its tests will be skipped" >&2
fi
