# shellcheck shell=sh
# Shared by ../run and ../test: what the machine lacks, and the virtual environment. Expects `set -eu`, and the directory
# of the checkout in $here. Says what it does on stderr, and nothing when there is nothing to do.

venv=${here:?}/.venv

say() {
    printf 'chainwright: %s\n' "$*" >&2
}

die() {
    say "$*"
    exit 1
}

have() { # COMMAND, also where only root's PATH has it, or FILE
    case $1 in
    /*) [ -f "$1" ] ;;
    *) (PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin && command -v "$1" >/dev/null) ;;
    esac
}

# --- Debian packages ---

can_install_packages() {
    [ "$(id -u)" -eq 0 ] && have apt-get
}

# Installs what the lists name and this machine lacks. Who may not is told SENTENCE and the command, by `say` or `die`.
ensure_packages() { # TELL SENTENCE LIST...
    tell=$1 sentence=$2
    shift 2
    # shellcheck disable=SC2046 # one word a package
    set -- $(missing_packages "$@")
    [ $# -gt 0 ] || return 0
    if can_install_packages; then
        install_packages "$@" || die "apt-get could not install $*, see above."
    else
        "$tell" "$sentence Install them with: sudo apt-get install $*"
    fi
}

missing_packages() { # LIST...: files with a package and one of its commands on each line
    cat -- "$@" | while read -r package command; do
        case $package in '' | '#'*) continue ;; esac
        have "$command" || printf '%s\n' "$package"
    done
}

install_packages() { # PACKAGE...
    say "Installing with apt-get: $*"
    without_service_start /usr/sbin apt_get_install "$@" </dev/null >&2
}

apt_get_install() { # PACKAGE...
    export DEBIAN_FRONTEND=noninteractive
    # A fresh system has no package lists, an old one has stale lists: only then is the update worth its time.
    apt_get install --yes --no-install-recommends "$@" >/dev/null 2>&1 && return
    apt_get update || return
    log=$(apt_get install --yes --no-install-recommends "$@" 2>&1) && return
    printf '%s\n' "$log"
    return 1
}

apt_get() {
    apt-get -qq -o DPkg::Lock::Timeout=600 "$@"
}

# Debian starts a service when its package is installed, unless policy-rc.d forbids it. One that the administrator has
# put there stays; ours is known by its second line, also when a killed run left it behind.
without_service_start() ( # SBIN COMMAND...
    policy=$1/policy-rc.d
    exec 9<"$1"
    shift
    flock 9
    mark='# Made by chainwright while it installs packages'
    if [ ! -e "$policy" ] && [ ! -L "$policy" ] || [ "$(sed -n 2p "$policy")" = "$mark" ]; then
        trap 'rm -f -- "$policy"' EXIT
        trap 'exit 129' HUP
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '%s\n' '#!/bin/sh' "$mark" 'exit 101' >"$policy"
        chmod 755 "$policy"
    fi
    "$@" 9<&-
)

# --- the virtual environment ---

ensure_venv() { # LOCK
    if venv_holds "$1"; then return; fi
    need_write
    (
        flock 9
        # Another call may have made it while this one waited.
        venv_holds requirements.lock || make_venv
        venv_holds "$1" || add_lock "$1"
    ) </dev/null >&2 9<"$here/packaging"
}

need_write() {
    for place in "$here" "$venv"; do
        [ ! -e "$place" ] || [ -w "$place" ] ||
            die "$place belongs to another user, and it has to be set up anew. Use a copy of your own: git clone"
    done
}

venv_holds() { # LOCK
    [ -x "$venv/bin/python" ] && [ "$(cat -- "$venv/made-from-$1" 2>/dev/null)" = "$(made_from "$1")" ]
}

# The interpreter and the paths are in it too: an environment does not survive a new Python, nor being moved.
made_from() { # LOCK
    readlink -f -- "$venv/bin/python"
    sha256sum -- "$here/$1" "$here/pyproject.toml" "$here/packaging/setup.sh"
}

make_venv() {
    python=$(need_python)
    say "Setting up $venv (once; a minute or less)"
    new_venv "$venv" "$python"
    install_lock "$venv" "$here/requirements.lock"
    # The build backend is in the lock, so nothing is fetched that has no hash.
    install_into "$venv" --no-deps --no-build-isolation --editable "$here"
    made_from requirements.lock >"$venv/made-from-requirements.lock"
}

add_lock() { # LOCK: a superset of requirements.lock
    say "Adding what $1 has to $venv"
    install_lock "$venv" "$here/$1"
    made_from "$1" >"$venv/made-from-$1"
}

new_venv() { # VENV PYTHON
    rm -rf -- "$1"
    if have uv; then
        uv venv --quiet --python "$2" -- "$1"
    else
        "$2" -m venv -- "$1"
    fi
}

install_lock() { # VENV FILE
    install_into "$1" --require-hashes --only-binary :all: -r "$2"
}

install_into() { # VENV ARGUMENT...
    into=$1
    shift
    if have uv; then
        uv pip install --quiet --python "$into/bin/python" "$@"
    else
        "$into/bin/python" -m pip --disable-pip-version-check install --quiet --quiet "$@"
    fi || die "The installation failed, see above. Python packages come from the network this once; then run this again."
}

need_python() {
    find_python && return
    if have uv; then
        echo '>=3.11' # uv looks further, and fetches one
        return
    fi
    if can_install_packages; then
        install_packages python3-venv || die "apt-get could not install python3-venv, see above."
        find_python && return
        die "Python 3.11 or newer is needed, and this system's packages have none."
    fi
    die "Python 3.11 or newer with its venv module is missing. Install it with: sudo apt-get install python3-venv"
}

find_python() {
    # Debian has venv without ensurepip, which it needs, in another package. uv needs neither.
    modules=os,sys
    have uv || modules=os,sys,venv,ensurepip
    for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        # The real path: the one on PATH may be that of the environment that is about to be made again.
        "$python" -I -c "import $modules
if sys.version_info < (3, 11): sys.exit(1)
print(os.path.realpath(sys.executable))" 2>/dev/null && return
    done
    return 1
}
