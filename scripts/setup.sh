#!/bin/sh
# Makes .venv: annotary as an editable install with everything its development needs, as locked in
# requirements-dev.txt. Finds a Python by itself; $PYTHON names another. Asks nothing.
set -eu
cd "$(dirname "$0")/.."
. scripts/system.sh

oldest="3.11"
is_new_enough="import sys; sys.exit(sys.version_info < ($(echo "$oldest" | tr . ,)))"

fail() {
    echo "annotary: $1" >&2
    exit 1
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        echo "$PYTHON"
        return
    fi
    printf '%s\n' python3 python3.13 python3.12 python3.11 python3.14 python
    for path in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3 /usr/bin/python3 /opt/homebrew/bin/python3; do
        if [ -x "$path" ]; then echo "$path"; fi
    done
}

# The first candidate that is new enough and fulfils a condition, given as Python code.
find_python() {
    candidates | while read -r candidate; do
        if "$candidate" -c "$is_new_enough" > /dev/null 2>&1 && "$candidate" -c "$1" > /dev/null 2>&1; then
            echo "$candidate"
            break
        fi
    done
}

make_environment() {
    python=$(find_python "import venv, ensurepip")
    if [ -z "$python" ]; then
        python=$(find_python "pass")
        [ -n "$python" ] || fail "Python $oldest or newer is needed and none was found; install one, or name it: make PYTHON=/path/to/python3 setup"
        package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
        install_package "$package" || install_package python3-venv ||
            fail "$python cannot make virtual environments; install the package $package and try again"
        "$python" -c "import venv, ensurepip" || fail "$python still cannot make virtual environments"
    fi
    echo "annotary: setting up .venv with $("$python" --version)" >&2
    "$python" -m venv --clear .venv
}

.venv/bin/python -m pip --version > /dev/null 2>&1 || make_environment
pip() {
    .venv/bin/python -m pip --disable-pip-version-check --no-input --quiet "$@" < /dev/null
}
pip install --requirement requirements-dev.txt
pip install --no-deps --no-build-isolation --editable .
touch .venv/ready
