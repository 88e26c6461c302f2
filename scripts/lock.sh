#!/bin/sh
# Writes requirements-dev.txt anew: one pin a package that serves every supported Python, and nothing else in it.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
"$work/venv/bin/uv" pip compile pyproject.toml --all-extras --group dev --upgrade \
    --universal --python-version 3.11 --fork-strategy fewest \
    --no-config --no-header --no-annotate --quiet --output-file "$work/pins.txt" > /dev/null
{
    echo "# Everything that annotary's development needs, pinned. Written by \`make lock\`."
    cat "$work/pins.txt"
} > requirements-dev.txt
