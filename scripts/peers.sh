#!/bin/sh
# Makes .peers: other programs that read and write what annotary does, for tests and benchmarks that compare them, as
# locked in requirements-peers.txt. Quick when there is nothing to do. Never fails: without them their tests are
# skipped, and say so.
set -eu
cd "$(dirname "$0")/.."

cmp -s requirements-peers.txt .peers/lock.txt && exit 0
echo "annotary: setting up .peers, other programs to compare with" >&2
install_peers() {
    .venv/bin/python -m venv --clear --without-pip .peers &&
        .venv/bin/python -m pip --python .peers/bin/python --disable-pip-version-check --no-input --quiet \
            install --no-compile --only-binary :all: --no-deps --requirement requirements-peers.txt
}
if install_peers < /dev/null; then
    cp requirements-peers.txt .peers/lock.txt
else
    rm -rf .peers
    echo "annotary: the other programs cannot be installed; their tests will be skipped" >&2
fi
