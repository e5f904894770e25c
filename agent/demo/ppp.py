"""The program in pppd's place where the demo shows SSTP."""

PPPD = r"""#!/bin/sh
# Written by the demo, in pppd's place: slirp does PPP in user space, without rights and without a kernel that has PPP. It asks
# for no password, so what slirp would do for its clients, start programs and write files, it may not; it gives up root's rights.
slirp() {
    user=
    [ "$(id -u)" -ne 0 ] || user='--reuid=65534 --regid=65534 --clear-groups'
    # shellcheck disable=SC2086 # one word an option
    exec env -i PATH=/usr/bin:/bin HOME=/nonexistent \
        setpriv $user --no-new-privs prlimit --nproc=0 --fsize=0 slirp-fullbolt ppp 'mtu 1400'
}

case $* in
slirp) slirp ;;
*dryrun*) exit 1 ;; # asked for its plugin for SSTP, which slirp has not
esac
exec 3<&0
case $1 in
/*) "$0" slirp <>"$1" >&0 2>/dev/null & ;; # sstp-server 0.7 names a terminal, which slirp wants
*) PPP=$0 socat STDIO 'SYSTEM:exec \"$PPP\" slirp,pty,rawer' <&3 2>/dev/null & ;; # 0.6 talks over pipes
esac
trap 'kill "$!"' TERM # not exec: the words that this was called with name the session's client
wait "$!"
"""
