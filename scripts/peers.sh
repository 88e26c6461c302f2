#!/bin/sh
# Makes .peers: other programs that read and write what annotary does, for tests and benchmarks that compare them.
set -eu
cd "$(dirname "$0")/.."
if [ -e .peers/ready ] && [ -z "$(find requirements-peers.txt -newer .peers/ready)" ]; then exit 0; fi
echo "annotary: setting up .peers, other programs to compare with" >&2
[ -x .peers/bin/python ] || .venv/bin/python -m venv --clear .peers
.peers/bin/python -m pip --disable-pip-version-check --no-input --quiet install --no-deps --requirement requirements-peers.txt < /dev/null
touch .peers/ready
