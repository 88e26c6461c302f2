#!/bin/sh
# Writes requirements-dev.txt anew: one pin a package that serves every supported Python, and nothing else in it. And a
# lock for each release of the official SDK that the tests run, with the pydantic of its time, and Pillow, which the
# published code uses besides.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv

pins() {
    "$work/venv/bin/uv" pip compile "$@" --upgrade --universal --python-version 3.11 --fork-strategy fewest \
        --no-config --no-header --no-annotate --quiet --output-file "$work/pins.txt" > /dev/null
    cat "$work/pins.txt"
}

{
    echo "# Everything that annotary's development needs, pinned. Written by \`make lock\`."
    pins pyproject.toml --all-extras --group dev
} > "$work/requirements.txt"
mv "$work/requirements.txt" requirements-dev.txt

for lock in tests/sdk/locks/*.txt; do
    version=$(basename "$lock" .txt)
    printf '%s\n' "labelbox==$version" pillow > "$work/sdk.in"
    case $version in 3.*) echo "pydantic<2" >> "$work/sdk.in" ;; esac
    {
        echo "# labelbox $version and all it needs, pinned. Written by \`make lock\`."
        pins "$work/sdk.in"
    } > "$work/sdk.txt"
    mv "$work/sdk.txt" "$lock"
done
