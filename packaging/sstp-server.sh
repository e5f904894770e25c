# shellcheck shell=sh
# Sourced by ../run and ../test after setup.sh: sstp-server, which the demo shows and tests talk to. It stands in an
# environment of its own, as it is no part of Chainwright.
#
# As published it carries no frames, so it is built from source, with what has a hash too, and then tried:
# - 0.6.0, which Python 3.11 gets, was written before Python 3.10, which takes the lengths of octets as Py_ssize_t only
#   (https://docs.python.org/3/c-api/arg.html): its C codec needs the macro PY_SSIZE_T_CLEAN. A wheel that was built without
#   it must not come out of a cache.
# - 0.7.2, for newer ones, carries the first session only: plugins/sstp/repair_sstpd.py says why, and mends it.

sstp_venv=${here:?}/.venv-sstp
PATH=$PATH:$sstp_venv/bin # after everything else: only its own programs are to be found there

ensure_sstp_server() { # TELL: `say` or `die`, how it is told that it could not be got
    sstp_server_is_there && return
    (
        flock 9
        sstp_server_is_there || make_sstp_server
    ) </dev/null >&2 9<"$here/packaging" || "$1" "sstp-server could not be set up, see above."
}

sstp_server_is_there() {
    [ "$(cat -- "$sstp_venv/made-from" 2>/dev/null)" = "$(sstp_server_made_from)" ]
}

# The path and the interpreter are in it too: a virtual environment does not survive being moved, nor a new Python.
sstp_server_made_from() {
    (
        cd -- "$here" && printf '%s\n' "$sstp_venv" && readlink -f -- "$sstp_venv/bin/python" || :
        sha256sum -- packaging/sstp-server* plugins/sstp/repair_sstpd.py plugins/sstp/try_sstpd.py
    )
}

make_sstp_server() {
    say "Setting up $sstp_venv (once; a minute or less)"
    python=$(need_python) &&
        new_venv "$sstp_venv" "$python" &&
        install_lock "$sstp_venv" "$here/packaging/sstp-server-build.lock" &&
        build_sstp_server &&
        "$sstp_venv/bin/python" "$here/plugins/sstp/repair_sstpd.py" &&
        try_sstp_server &&
        sstp_server_made_from >"$sstp_venv/made-from"
}

build_sstp_server() (
    export CFLAGS="${CFLAGS-} -DPY_SSIZE_T_CLEAN"
    install_into "$sstp_venv" --require-hashes --no-deps --no-build-isolation --no-cache-dir --no-binary sstp-server \
        -r "$here/packaging/sstp-server.lock"
)

try_sstp_server() {
    wrong=$("$sstp_venv/bin/python" "$here/plugins/sstp/try_sstpd.py" "$here/plugins/sstp/repair_sstpd.py") || return
    [ -z "$wrong" ] || die "sstp-server carries no frames: $wrong."
}
