#!/usr/bin/env bash
# Prepare a checkout: system libraries where this is Debian or Ubuntu, then .venv with everything in it.
#   installer/checkout/setup.sh run    what the app needs
#   installer/checkout/setup.sh test   and what the tests need
# Does nothing, quickly, when nothing has changed since the last time.
set -euo pipefail
purpose=${1:-run}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

say() { printf 'setup: %s\n' "$*" >&2; }
stop() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    stop "Meadow needs Python 3.11, 3.12 or 3.13, and none was found." "Install python3 and run this again."
}

install_system_packages() {
    command -v dpkg-query >/dev/null 2>&1 || return 0
    local wanted=() missing=() package as_root=()
    mapfile -t wanted < "$here/debian-run.txt"
    if [ "$purpose" = test ]; then
        local more=()
        mapfile -t more < "$here/debian-test.txt"
        wanted+=("${more[@]}")
    fi
    "$python" -c 'import ensurepip' 2>/dev/null || wanted+=(python3-venv)
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null | awk '$1 == "ii" {print $2}' || true)
    for package in "${wanted[@]}"; do
        # Newer releases carry some libraries under another name, such as libglib2.0-0t64.
        grep -qxE "${package//./\\.}(t64)?" <<<"$installed" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            say "These system packages are missing, and there is no sudo to install them: ${missing[*]}"
            say "Going on without them; windows may not open and some tests skip."
            return 0
        fi
        as_root=(sudo)
    fi
    say "Installing system packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        say "Some packages could not be installed; going on without them."
}

install_python_packages() {
    local pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet -c constraints.txt)
    if [ ! -x .venv/bin/python ]; then
        say "Making .venv with $("$python" --version)"
        "$python" -m venv .venv
    fi
    say "Installing PyTorch (1 of 2; some hundred megabytes)"
    "${pip[@]}" "$(grep '^torch==' constraints.txt)"
    say "Installing Meadow and what it needs (2 of 2; about a minute)"
    if [ "$purpose" = test ]; then
        "${pip[@]}" -e '.[engine,desktop,dev]'
    else
        "${pip[@]}" -e '.[engine,desktop]'
    fi
}

python=$(find_python)
stamp=.venv/.meadow-setup-$purpose
key=$(cat pyproject.toml constraints.txt "$here"/*.txt "$here/setup.sh" | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
    exit 0
fi
install_system_packages
install_python_packages
printf '%s\n' "$key" > "$stamp"
say "Ready."
