# shellcheck shell=sh
# Sourced by ../test after setup.sh: the ACME CAs that only the tests talk to, and clients of DNS services, below .test/ and
# beside the system's own packages. Nothing here needs root, and nothing outside of .test/ is changed.

test_cas=${here:?}/.test

ensure_test_cas() { # TELL: `say` or `die`, how it is told that one could not be got
    mkdir -p -- "$test_cas"
    (
        flock 9
        for ca in pebble_sid pebble_bookworm caddy_sid acme_sh_sid acme2certifier; do
            ca_is_there "$ca" || make_ca "$ca" || exit 1
        done
    ) </dev/null >&2 9<"$test_cas" || "$1" "A CA that tests ask for chains could not be set up, see above."
}

ca_is_there() { # CA
    [ "$(cat -- "$test_cas/$1/made-from" 2>/dev/null)" = "$(ca_made_from "$1")" ]
}

# The path is in it too: a virtual environment does not survive being moved.
ca_made_from() { # CA
    (cd -- "$here" && printf '%s\n' "$test_cas/$1" && sha256sum -- packaging/test-cas.sh packaging/acme2certifier.lock)
}

make_ca() { # CA: its directory is whole once the stamp is in it
    say "Setting up $test_cas/$1 (once; a minute or less)"
    rm -rf -- "${test_cas:?}/$1"
    "make_$1" "$test_cas/$1" && ca_made_from "$1" >"$test_cas/$1/made-from"
}

# --- Pebble as Debian's unstable suite has it, and one that is older by years: without renewal information and profiles ---

make_pebble_sid() { unpack pebble sid "$1"; }

make_pebble_bookworm() { unpack pebble bookworm "$1"; }

# --- Caddy, whose ACME server chooses which challenges it offers, and the scripts of acme.sh for DNS services ---

make_caddy_sid() { unpack caddy sid "$1"; }

make_acme_sh_sid() { unpack acme.sh sid "$1"; }

# --- a package of Debian, unpacked ---

unpack() ( # PACKAGE SUITE DIRECTORY
    have apt-get || die "$1 comes from Debian's packages, and there is no apt-get."
    mkdir -p -- "$3/apt/lists/partial" "$3/apt/cache/archives/partial" && cd -- "$3/apt" || return
    for site in $(apt_sites); do
        if download_from "$site" "$2" "$1" >log 2>&1; then
            dpkg-deb -x "$1"_*.deb .. && cd .. && rm -r apt
            return
        fi
    done
    cat log
    return 1
)

# The addresses that this system's packages come from, however its lists of sources are written.
apt_sites() {
    apt-get --print-uris update | sed -n "s|^'\(.*\)/dists/.*/InRelease' .*|\1|p" | awk '!seen[$0]++'
}

# Downloads into the present directory with an apt of its own, which has the system's proxies and credentials and knows of
# no installed package, whose version it would prefer. Debian's keys must have signed the suite, and its lists name the
# package's checksum.
download_from() { # SITE SUITE PACKAGE
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$1" "$2" >sources.list
    private_apt_get update && private_apt_get download "$3"
}

private_apt_get() {
    apt-get -qq -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o APT::Default-Release= \
        -o Dir::State::status=/dev/null -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o Acquire::Languages=none \
        -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root "$@"
}

# --- acme2certifier: another CA's code altogether, in Python ---

make_acme2certifier() { # DIRECTORY
    python=$(need_python) || return
    new_venv "$1" "$python" && install_lock "$1" "$here/packaging/acme2certifier.lock"
}
