# shellcheck shell=sh
# Sourced by ../run and ../test after setup.sh: sstp-server, which the demo shows and tests talk to. It stands in an
# environment of its own, as it is no part of Chainwright, and 0.6 runs on Python 3.11 only. PyPI has it as source, so a
# compiler is needed; what it is built with has hashes too.

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

# The path is in it too: a virtual environment does not survive being moved.
sstp_server_made_from() {
    (cd -- "$here" && printf '%s\n' "$sstp_venv" && sha256sum -- packaging/sstp-server*)
}

make_sstp_server() {
    say "Setting up $sstp_venv (once; a minute or less)"
    python=$(need_python_of_sstp_server) &&
        new_venv "$sstp_venv" "$python" &&
        install_lock "$sstp_venv" "$here/packaging/sstp-server-build.lock" &&
        install_into "$sstp_venv" --require-hashes --no-deps --no-build-isolation --no-binary sstp-server \
            -r "$here/packaging/sstp-server.lock" &&
        sstp_server_made_from >"$sstp_venv/made-from"
}

need_python_of_sstp_server() {
    # Debian has venv without ensurepip, which it needs, in another package. uv needs neither, and fetches one.
    modules=os,sys
    have uv || modules=os,sys,venv,ensurepip
    for python in python3.11 python3 /usr/bin/python3; do
        "$python" -I -c "import $modules
if sys.version_info[:2] != (3, 11): sys.exit(1)
print(os.path.realpath(sys.executable))" 2>/dev/null && return
    done
    if have uv; then
        echo 3.11
        return
    fi
    die "sstp-server runs on Python 3.11, and this system has another one."
}
