#!/bin/sh
# Makes .s3rver: another S3 server for the tests, where npm is there. Quick when there is nothing to do. Never fails:
# without it its tests are skipped, and say so.
set -eu
cd "$(dirname "$0")/.."

version=3.7.1
if [ -d .s3rver/node_modules/s3rver ]; then exit 0; fi
if ! command -v npm > /dev/null; then
    echo "annotary: no npm on this machine; the tests with a second S3 server will be skipped" >&2
    exit 0
fi
echo "annotary: setting up .s3rver, another S3 server to test with" >&2
mkdir -p .s3rver
if ! npm install --prefix .s3rver --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
        "s3rver@$version" < /dev/null > /dev/null; then
    rm -rf .s3rver
    echo "annotary: s3rver cannot be installed; its tests will be skipped" >&2
fi
