#!/usr/bin/env bash
# Installs claude-route as a service on any Debian or Ubuntu with systemd, upgrades and removes it. Run it
# as root, in a clone of the version to install; it may be run again at any time.
set -euo pipefail
umask 022

readonly NAME=claude-route
readonly BASE=/opt/$NAME
readonly CONFIG=/etc/$NAME
readonly OPTIONS=/etc/default/$NAME
readonly STATE=/var/lib/$NAME
readonly CACHE=/var/cache/$NAME
readonly UNIT=/etc/systemd/system/$NAME.service
readonly UV_VERSION=0.13.9
readonly PYTHON_VERSION=3.12
# What a release consists of.
readonly PARTS=(addons profiles deploy pyproject.toml README.md CHANGELOG.md LICENSE .env.example)

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly SOURCE

usage() {
    cat <<END
Usage: install.sh              install this version, or upgrade to it
       install.sh --rollback   go back to the version before
       install.sh --uninstall  remove it; $CONFIG and $STATE stay
       install.sh --purge      remove these as well, with keys and ledger

An upgrade that doesn't answer within ${HEALTH_WAIT:-60} seconds is rolled back.

Variables: UV (the program to use in place of the one on the PATH), UV_PYTHON (a Python to use in place of
one that uv brings), HEALTH_WAIT (seconds), and uv's own, such as those for an index of your own.
END
}

note() { printf '%s\n' "$*"; }
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

main() {
    case "${1:-}" in
    -h | --help) usage && exit ;;
    esac
    [ $# -le 1 ] || fail "expected one argument at most; see install.sh --help"
    [ "$(id -u)" = 0 ] || fail "run it as root"
    command -v systemctl >/dev/null || fail "this machine has no systemd"
    # Two at a time would remove each other's work.
    exec 9>/run/lock/$NAME-install
    flock --nonblock 9 || fail "another install.sh is running"
    case "${1:-}" in
    '') install_or_upgrade ;;
    --rollback) roll_back_by_hand ;;
    --uninstall) uninstall ;;
    --purge) uninstall && purge ;;
    *) fail "unknown argument $1; see install.sh --help" ;;
    esac
}

install_or_upgrade() {
    local version release before
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$SOURCE/addons/claude_route/__init__.py")
    [ -n "$version" ] || fail "$SOURCE is no clone of $NAME"
    release=$BASE/releases/$version-$(digest)
    before=$(current)
    make_user
    make_config
    build "$release"
    check_profile "$release"
    if [ "$release" = "$before" ] && cmp -s "$release/deploy/systemd/$NAME.service" "$UNIT" && is_up; then
        note "$NAME $version is installed and running: nothing to do"
        return
    fi
    [ "$release" = "$before" ] || keep_ledger
    if ! put_in_force "$release"; then
        abandon "$release" "$before"
    fi
    if [ -n "$before" ] && [ "$before" != "$release" ]; then
        ln -sfn "$before" "$BASE/previous"
    fi
    prune
    note "$NAME $version is running. Profile and keys: $CONFIG; listeners and options: $OPTIONS"
    note "Log: journalctl -u $NAME. Status: $BASE/current/.venv/bin/$NAME status, in $CONFIG"
}

# What the files of this version amount to. Two clones of one version have one name; one with a local
# change has another.
digest() {
    (
        cd "$SOURCE"
        find "${PARTS[@]}" -type f -not -path '*/__pycache__/*' -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12
    )
}

current() { readlink "$BASE/current" 2>/dev/null || true; }

make_user() {
    getent passwd $NAME >/dev/null ||
        useradd --system --user-group --home-dir "$STATE" --no-create-home \
            --shell /usr/sbin/nologin $NAME
}

# Never changes what is there: only an administrator does.
make_config() {
    install -d -m 0750 -o root -g $NAME "$CONFIG"
    install -d -m 0700 -o $NAME -g $NAME "$STATE"
    if [ ! -e "$CONFIG/profile.yaml" ]; then
        install -m 0640 -o root -g $NAME "$SOURCE/profiles/team.yaml" "$CONFIG/profile.yaml"
    fi
    if [ ! -e "$CONFIG/.env" ]; then
        local key
        key=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
        install -m 0640 -o root -g $NAME /dev/null "$CONFIG/.env"
        sed "s/^PROXY_STATIC_TOKEN=.*/PROXY_STATIC_TOKEN=$key/" \
            "$SOURCE/.env.example" >"$CONFIG/.env"
        note "Made a key for clients, PROXY_STATIC_TOKEN in $CONFIG/.env"
    fi
    if [ ! -e "$OPTIONS" ]; then
        cat >"$OPTIONS" <<END
# Options of $NAME, read when it starts. Where it listens: 0.0.0.0 in place of 127.0.0.1 for all machines.
OPTIONS=--mode reverse:https://api.anthropic.com@127.0.0.1:4000
# Where install.sh asks whether it runs.
HEALTH=http://127.0.0.1:4000/health
END
    fi
}

find_uv() {
    if [ -n "${UV:-}" ]; then
        return
    fi
    UV=$(command -v uv || true)
    if [ -n "$UV" ] && "$UV" --version >/dev/null 2>&1; then
        return
    fi
    UV=$BASE/uv/bin/uv
    if ! "$UV" --version 2>/dev/null | grep -qF "uv $UV_VERSION"; then
        # On Debian, Python has its module venv only with this package.
        if ! python3 -c 'import ensurepip' 2>/dev/null; then
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
        fi
        rm -rf "$BASE/uv"
        python3 -m venv "$BASE/uv"
        "$BASE/uv/bin/pip" install --quiet "uv==$UV_VERSION"
    fi
}

# A folder with a Python environment of its own. It has its name only once it is whole.
build() {
    local release=$1 python
    [ ! -e "$release" ] || return 0
    mkdir -p "$BASE/releases"
    find_uv
    python=${UV_PYTHON:-$PYTHON_VERSION}
    export UV_PYTHON_INSTALL_DIR=$BASE/python UV_CACHE_DIR=${UV_CACHE_DIR:-$CACHE}
    [ -n "${UV_PYTHON:-}" ] || export UV_PYTHON_PREFERENCE=only-managed
    note "Building $release"
    # The environment holds its own path, so it is built where it stays.
    UNFINISHED=$release
    trap 'rm -rf "$UNFINISHED"' EXIT
    mkdir "$release"
    (cd "$SOURCE" && tar -c --exclude=__pycache__ "${PARTS[@]}") |
        tar -x --no-same-owner -C "$release"
    (
        cd "$release"
        UV_LINK_MODE=copy "$UV" sync --quiet --no-editable --compile-bytecode --python "$python"
        # Other users have to read what was built under a strict umask, too.
        chmod -R go=u-w .
    )
    trap - EXIT
}

# With the new version, before it takes the place of the one that runs.
check_profile() {
    local answer
    answer=$(cd "$CONFIG" && as_service "$1/.venv/bin/$NAME" check ./profile.yaml 2>&1) ||
        fail "nothing was changed, since this version can't use $CONFIG/profile.yaml: $answer"
}

as_service() { runuser -u $NAME -- env HOME="$STATE" "$@"; }

put_in_force() {
    local release=$1
    ln -sfn "$release" "$BASE/next"
    mv -T "$BASE/next" "$BASE/current"
    install -m 0644 "$release/deploy/systemd/$NAME.service" "$UNIT"
    systemctl daemon-reload
    systemctl enable --quiet $NAME
    systemctl restart $NAME || return 1
    local deadline=$((SECONDS + ${HEALTH_WAIT:-60}))
    until stays_up; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.5
    done
}

# Some mistakes end it only after it has answered for a moment.
stays_up() { is_up && sleep 3 && is_up; }

# Whether it is the service that answers, and not something else at its port.
is_up() {
    local url
    url=$(sed -n 's/^HEALTH=//p' "$OPTIONS" | tail -n 1)
    systemctl is-active --quiet $NAME &&
        "$(current)/.venv/bin/python" -c '
import json, sys, urllib.request
ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
sys.exit("version" not in json.load(ask(sys.argv[1], timeout=3)))
' "${url:-http://127.0.0.1:4000/health}" 2>/dev/null
}

# A newer version may change the ledger so that the older can't write it.
keep_ledger() {
    [ -e "$STATE/ledger.db" ] || return 0
    rm -f "$STATE/ledger.before-upgrade.db"
    as_service "$(current)/.venv/bin/python" -c '
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("VACUUM INTO ?", sys.argv[2:])
' "$STATE/ledger.db" "$STATE/ledger.before-upgrade.db"
}

ledger_version() {
    as_service "$(current)/.venv/bin/python" -c '
import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute("SELECT max(version) FROM schema_version").fetchone())
' "$1" 2>/dev/null || true
}

put_ledger_back() {
    local kept=$STATE/ledger.before-upgrade.db
    [ -e "$kept" ] || return 0
    [ "$(ledger_version "$kept")" != "$(ledger_version "$STATE/ledger.db")" ] || return 0
    systemctl stop $NAME || true
    local suffix newer=$STATE/ledger.of-the-newer-version.db
    for suffix in "" -wal -shm; do
        rm -f "$newer$suffix"
        [ ! -e "$STATE/ledger.db$suffix" ] || mv "$STATE/ledger.db$suffix" "$newer$suffix"
    done
    mv "$kept" "$STATE/ledger.db"
    note "The newer version had changed the ledger: the copy from before the upgrade is back"
}

abandon() {
    local release=$1 before=$2
    if [ -z "$before" ] || [ "$before" = "$release" ]; then
        fail "$NAME doesn't answer: see journalctl -u $NAME"
    fi
    note "The new version doesn't answer: going back" >&2
    put_ledger_back
    put_in_force "$before" || fail "neither version answers: see journalctl -u $NAME"
    fail "$(basename "$release") didn't answer, so $(basename "$before") is running again: see journalctl -u $NAME"
}

roll_back_by_hand() {
    local before
    before=$(readlink "$BASE/previous" 2>/dev/null || true)
    [ -d "$before" ] || fail "there is no version before this one"
    check_profile "$before"
    local now
    now=$(current)
    put_ledger_back
    put_in_force "$before" || fail "$(basename "$before") doesn't answer: see journalctl -u $NAME"
    ln -sfn "$now" "$BASE/previous"
    note "$(basename "$before") is running"
}

# All but the one in force and the one before it.
prune() {
    local each
    for each in "$BASE"/releases/*; do
        if [ "$each" != "$(current)" ] && [ "$each" != "$(readlink "$BASE/previous")" ]; then
            rm -rf "$each"
        fi
    done
}

uninstall() {
    if [ -e "$UNIT" ]; then
        systemctl disable --quiet --now $NAME || true
    fi
    rm -f "$UNIT"
    systemctl daemon-reload
    rm -rf "$BASE" "$CACHE"
    note "$NAME is removed. What is yours is still there, if it was: $CONFIG, $OPTIONS, $STATE"
}

purge() {
    rm -rf "$CONFIG" "$OPTIONS" "$STATE"
    if getent passwd $NAME >/dev/null; then
        userdel $NAME
    fi
    note "Keys, profile and ledger are removed as well"
}

main "$@"
