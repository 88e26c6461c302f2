#!/bin/sh
# Makes an environment .sdk/VERSION for each release of the official labelbox SDK that the tests run, as locked in
# tests/sdk/locks/VERSION.txt. Quick when there is nothing to do. Never fails: where a release cannot be installed, its
# tests are skipped and say why, from .sdk/VERSION.log.
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" != --one ]; then
    mkdir -p .sdk
    for lock in tests/sdk/locks/*.txt; do
        version=$(basename "$lock" .txt)
        cmp -s "$lock" ".sdk/$version/lock.txt" || echo "$version"
    done | xargs -r -n 1 -P 2 sh scripts/sdk.sh --one
    exit 0
fi

version=$2
echo "annotary: installing the SDK labelbox $version for its tests" >&2
install_sdk() {
    .venv/bin/python -m venv --clear --without-pip ".sdk/$version" &&
        .venv/bin/python -m pip --python ".sdk/$version/bin/python" --disable-pip-version-check --no-input --quiet \
            install --no-compile --only-binary :all: --no-deps --requirement "tests/sdk/locks/$version.txt" &&
        ".sdk/$version/bin/python" -c "import labelbox"
}
if install_sdk < /dev/null > ".sdk/$version.log" 2>&1; then
    cp "tests/sdk/locks/$version.txt" ".sdk/$version/lock.txt"
else
    echo "annotary: labelbox $version cannot be installed; its tests will be skipped" >&2
fi
