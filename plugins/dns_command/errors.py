"""What can go wrong when a command makes a DNS record."""

from __future__ import annotations

from pathlib import Path

from chainwright import DnsSolverError, SolverMisconfigured, SolverRefused


class DnsCommandError(DnsSolverError):
    """The family of the solver."""

    code = "source.dns_command"
    where = "the DNS solver command"


class DnsCommandFailed(DnsCommandError):
    """A command ended with another code than 0, took too long, printed too much, or isn't there."""

    code = "source.dns_command_failed"
    cause = "The command {program:quoted} did not {deed} the TXT record of {owner}: {reason:said}."
    fix = "Run it by hand with the same arguments and variables; then: chainwright renew"
    detail = "{said}"
    program: str
    deed: str
    owner: str
    reason: str
    said: str = ""


class AcmeShMissing(DnsCommandError, SolverRefused):
    """acme.sh isn't where the settings say."""

    code = "source.acme_sh_missing"
    cause = "The scripts of acme.sh need acme.sh itself, and there is no {path}."
    fix = (
        "Install the package acme.sh (Debian 13 or newer has it), or unpack acme.sh and set acme_sh to its directory; "
        "then: chainwright renew"
    )
    path: Path


class DnsScriptMissing(DnsCommandError, SolverMisconfigured):
    """acme.sh has no such script. `alike`: one that is called nearly so."""

    code = "source.dns_script_missing"
    cause = "acme.sh has no script {script:quoted} for DNS services in {directory}."
    fix = '{alike:?Did you mean "%"? }Set script to the name of a file there, without .sh; then: chainwright apply'
    script: str
    directory: Path
    alike: str = ""


class HookWritesElsewhere(DnsCommandError, SolverRefused):
    """A certbot hook is told a domain, and writes below ``_acme-challenge`` of it: it can't write where an alias leads."""

    code = "source.hook_writes_elsewhere"
    cause = (
        "The record of {domain} has to be written at {owner}, where the alias leads to, and hooks in certbot's way write at "
        "_acme-challenge.NAME only."
    )
    fix = (
        'Let the alias lead to a name that begins with _acme-challenge, or use convention = "lego" or "acme.sh"; '
        "then: chainwright renew"
    )
    domain: str
    owner: str
