# To be sourced. Packages of the system, where they can be had without asking: as root, with apt.
# ANNOTARY_NO_SYSTEM_PACKAGES=1 forbids it.

install_package() {
    if [ -n "${ANNOTARY_NO_SYSTEM_PACKAGES:-}" ] || [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        return 1
    fi
    echo "annotary: installing the system package $1" >&2
    apt="env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120"
    { $apt update && $apt install -y --no-install-recommends "$1"; } < /dev/null > /dev/null
}
