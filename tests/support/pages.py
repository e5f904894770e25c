"""The parts of the documentation that are made from the code: hooks, errors, public names, settings of the core."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from difflib import unified_diff
from enum import StrEnum
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

import chainwright
from agent import hookspecs
from agent.cli.commands import HELP, Invocation
from agent.cli.program import Program
from agent.errors import Problem
from agent.errors.persist import RecordMissing, ServersSilent, TrailingSemicolon
from agent.health import problems
from agent.health.challenge_windows import of_windows
from agent.health.clock import not_believed
from agent.health.damage import damaged_file, damaged_row, recovered
from agent.health.dane import Presented, Subject, of_dane
from agent.health.hangs import of_account
from agent.health.modes import changed_modes
from agent.health.mta_sts import of_policies
from agent.health.names import resolved_before, unresolved
from agent.health.observations import observed
from agent.health.persistent import of_records
from agent.health.restarts import ends_again
from agent.health.room import nearly_full, read_only
from agent.health.roots import root_overdue, root_prepared, root_replaced
from agent.health.rsa_roots import clients_not_asked, peers_not_listed, rsa_signed_by_other
from agent.health.states import Status
from agent.health.templates import behind, unread
from agent.model import challenge_windows
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.kept_key import KeptKey, KeyReuse, KeyRole
from agent.model.mta_sts import PolicyLook
from agent.model.need import Need
from agent.model.observed import ObservedState
from agent.model.override import Override, OverrideBase
from agent.model.persistent import PersistentLook
from agent.model.resolved import ResolvedName
from agent.model.restart import Restart
from agent.model.root import RootRecord
from agent.model.tlsa import CertificateBytes, TlsaLook, TlsaRecord
from agent.registry.implementations import hook_arguments
from agent.registry.life_hooks import MODULE_HOOKS, SERVICE_HOOKS
from agent.store.connection import DamagedRow
from agent.store.copies import Copy
from agent.store.recovery import Recovery
from agent.system.clock_judgement import AHEAD, BEHIND, LEAPT, NEVER_SET, Doubt
from agent.system.disk import Shortage
from agent.system.modes import Repair
from errors.examples import EXAMPLES
from support.fakes.ladder import DAY, LOCAL, failed, local, need, toy
from support.paths import CHECKOUT

DATABASE = Path("/var/lib/chainwright/private/chainwright.db")
MODULES = Path("/var/lib/chainwright/modules")
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
RSA_ROOT = 'Have an RSA root beside it: key_type = ["ecdsa-p256", "rsa-2048"] in [root]'
NEXT_ROOT = RootRecord("ab" * 32, "gw Root CA 2026", AT, AT.replace(year=2036), "", AT)
OVERRIDDEN = OverrideBase("reverse_proxy/site.conf.j2", "", AT)
OVERRIDE = Override(OVERRIDDEN.template, Path("/etc/chainwright/templates") / OVERRIDDEN.template, None)
TLSA = "_25._tcp.mail.example.com"
UNRESOLVED = ResolvedName("reverse_proxy", "db.lan", AT, 60, words="Name or service not known", failing_since=AT)
END = "<!-- end -->"
WWW = need()
ENDING = toy("toy", WWW, since=AT - 89 * DAY)
FAILURES = (failed(WWW), failed(WWW, LOCAL, retry_at=AT, cause="No space is left on the device."))


def compare(page: str, name: str, made: str) -> None:
    """Compare `made` with what stands in `page` between ``<!-- made: NAME -->`` and ``<!-- end -->``."""
    path = CHECKOUT / page
    text = path.read_text()
    begin = f"<!-- made: {name} -->\n"
    assert text.count(begin) == 1, f"{page} has no place for {name}"
    before, _, rest = text.partition(begin)
    kept, _, after = rest.partition(END)
    if os.environ.get("GOLDEN") == "write":
        path.write_text(f"{before}{begin}{made}{END}{after}")
        return
    lines = "\n".join(unified_diff(kept.splitlines(), made.splitlines(), page, "made", n=1, lineterm=""))
    assert kept == made, f"{page} is behind the code: GOLDEN=write pytest tests/docs/test_docs.py\n{lines}"


# Hooks


def signature(hook: str) -> str:
    """Return a hook as it's declared, without `self`, on one line."""
    return f"{hook}{inspect.signature(getattr(hookspecs, hook))}".replace("'", "")


def hook_section(hook: str) -> str:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    kinds = [each for each, hooks in (("Module", MODULE_HOOKS), ("Service", SERVICE_HOOKS)) if hook in hooks]
    method = f"\nA plain method of: {', '.join(f'`{each}`' for each in kinds)}.\n" if kinds else ""
    prose, fence, code = text.partition("\n```python")
    return f"## `{hook}`\n\n```python\n{signature(hook)}\n```\n\n{prose.rstrip()}\n{method}{fence}{code.rstrip()}\n\n"


def hook_reference() -> str:
    return "\n" + "".join(hook_section(hook) for hook in hook_arguments())


def public_names() -> str:
    """Return a table of all that a plugin may import: first line of the docstring, fields of data, values of enumerations."""
    rows = [f"| `{name}` | {_cell(_described(name))} | {_fields_of(name)} |\n" for name in chainwright.__all__]
    return "\n| name | | fields, `=`: with a default; or values |\n|---|---|---|\n" + "".join(rows) + "\n"


def _fields_of(name: str) -> str:
    if _described(name) == SETTING:
        return "[fields](module.md#fields)"
    found = getattr(chainwright, name)
    if isinstance(found, type) and issubclass(found, StrEnum):
        return " ".join(f'`"{each}"`' for each in found)
    if not dataclasses.is_dataclass(found):
        return ""
    wanted = [each for each in dataclasses.fields(found) if not each.name.startswith("_")]
    return " ".join(f"`{each.name}{'=' if _has_default(each) else ''}`" for each in wanted)


def _has_default(field: dataclasses.Field[object]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _described(name: str) -> str:
    if name in WITHOUT_DOCSTRING:
        return WITHOUT_DOCSTRING[name]
    if chainwright._HOMES[name] == "agent.contract.fields" and name not in {"Listen", "Url"}:
        return SETTING
    return (inspect.getdoc(getattr(chainwright, name)) or "").partition("\n")[0]


SETTING = "A type of setting."
WITHOUT_DOCSTRING = {
    "Action": "A `Command` or a `Signal`.",
    "CONTRACT": "Version of the plugin contract that this agent keeps, major and minor.",
    "Backend": "A type of setting: a `Url` whose path ends in `/`.",
    "PrivateKey": "A private key of cryptography, of a type that chains may have.",
    "TLS_KEY_TYPES": "What every TLS server takes, in the order in which most prefer them.",
    "hookimpl": "Marks a function as the answer to a hook.",
}


# Commands


def command_reference() -> str:
    """Return a table of all commands with the first sentence of their help, and below it the help of each."""
    found = list(all_commands())
    rows = [
        f"| [`{name}`](#{name.replace(' ', '-')}) | {_cell(command.get_short_help_str(300))} |\n"
        for name, command in found
    ]
    helps = [f"\n## {name}\n\n```text\n{_help(name, command)}\n```\n" for name, command in found]
    return f"\n| command | |\n|---|---|\n{''.join(rows)}{''.join(helps)}\n"


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command by its name; of a family, each of its commands as well."""
    program = Program()
    context = click.Context(program, info_name="chainwright", obj=Invocation(root=Path("/nowhere")))
    yield from _commands_of(program, context, "")


def _commands_of(family: click.Group, context: click.Context, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name in sorted(family.list_commands(context)):
        command = family.get_command(context, name)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _commands_of(command, context, f"{prefix}{name} ")


def _help(name: str, command: click.Command) -> str:
    # As the program makes it: the first context that a command is asked with decides for good how its help is called.
    context = click.Context(command, info_name=f"chainwright {name}", terminal_width=100, color=False, **HELP)
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


# Errors


def error_tables() -> str:
    """Return a table of problems for each family, with every example of what they say."""
    families: dict[str, list[str]] = {}
    found = (*(error.problem for error in EXAMPLES), *status_problems())
    for problem in sorted(found, key=lambda problem: problem.code):
        families.setdefault(problem.code.partition(".")[0], []).append(_error_row(problem))
    return "".join(f"\n## {family}\n\n{_HEAD}{''.join(found)}" for family, found in families.items()) + "\n"


TUNNEL = ObservedState(
    *(
        SubjectKind.SERVICE,
        "strongswan",
        "tunnel north",
        "down",
        "north.example.com refuses it (AUTHENTICATION_FAILED)",
    ),
    *(Severity.WARNING, "Look at the certificates of both sides.", True),
)


def status_problems() -> list[Problem]:
    """Return what the status says by itself, though nothing raised it."""
    return [
        problems.expired(AT),
        problems.revoked(AT),
        problems.ends_soon(ENDING, ()),
        problems.ends_soon(ENDING, FAILURES),
        problems.overdue(AT, None),
        problems.no_chain("mail", "smtp", "no source serves it"),
        problems.not_switched("mail"),
        problems.many_needs("mail", 5001, 20000),
        problems.window("mail", AT),
        problems.origin_changed(
            "acme", ["https://old.example/directory"], "https://new.example/directory", ["shop.example.com"]
        ),
        problems.without_cause(Status.LOCAL_FALLBACK),
        problems.without_cause(Status.NOT_DEPLOYED),
        problems.module_without_cause("mail"),
        problems.late(AT),
        problems.old_evidence("mail", "127.0.0.1:25", AT),
        problems.pass_crashed("KeyError", "'x'", ""),
        problems.boot_unfinished("reading the settings and loading the plugins", 17),
        problems.api_failed("it ended with code 3"),
        *(of_account(each).problem for each in ACCOUNTS),
        problems.unreachable("pid 4711, chainwright run", "/run/chainwright/api.sock"),
        problems.blocked("pid 4711, chainwright upload", AT),
        problems.upload_ends(AT),
        problems.upload_gave_way(AT),
        problems.upload_ended(AT, "0a1b2c3d4e5f" * 5),
        problems.root_ends(AT),
        root_prepared(NEXT_ROOT, AT, "it allows no authorities below itself (path length), and there is 1"),
        root_overdue(NEXT_ROOT, AT),
        root_replaced(NEXT_ROOT, ["ikev2/branch-1"]),
        clients_not_asked("strongSwan for laptops (EAP-TLS)", "gw Root CA", RSA_ROOT),
        peers_not_listed("strongSwan for laptops (EAP-TLS)", ["anna"], "gw Root CA"),
        observed(TUNNEL, AT),
        behind(OVERRIDE, OVERRIDDEN),
        unread(OVERRIDE, OVERRIDDEN),
        unread(OVERRIDE, None),
        ends_again(Restart("nginx", 4, AT), AT),
        rsa_signed_by_other(["reverse_proxy/www.example.com.rsa"], "gw Root CA", RSA_ROOT),
        *(each.problem for each in (*of_tlsa(), *of_mta_sts(), *of_persist(), *of_left_windows())),
        unresolved("reverse_proxy", [UNRESOLVED]),
        resolved_before("reverse_proxy", [UNRESOLVED._replace(seen={"192.0.2.1": AT}, answered_at=AT)]),
        *conditions(),
    ]


def of_mta_sts() -> Iterator[Finding]:
    """Yield what is said of MTA-STS policies."""
    wanted = Need(("mail.example.com",), module="mail", mta_sts=("example.com",))
    served = {wanted.key: local("mail.example.com", wanted, since=AT)}
    look = PolicyLook("example.com", "enforce", ("mail.example.com", "mx2.example.com"), problem="no answer")
    yield from of_policies([wanted], {look.domain: look}, served)


def of_persist() -> Iterator[Finding]:
    """Yield what is said of records that prove names for good."""
    url = "accounturi=https://ca.example/acct/7"
    right = PersistentLook("acme", "example.com", "ca.example", f"ca.example; {url}; policy=wildcard", next_at=AT)
    right = replace(right, proves=("*.example.com",), right_value=right.value)
    about = ("*.example.com", right.record.owner, right.value, AT)
    missing, silent = RecordMissing(*about, right.ca).problem, ServersSilent(*about, "there was no answer").problem
    was_right = replace(right, right_at=AT)
    yield from of_records(
        [
            replace(right, until=AT),
            replace(was_right, problem=missing),
            replace(was_right, problem=silent),
            replace(was_right, problem=missing, right_value=f"ca.example; {url}0"),
            replace(right, problem=TrailingSemicolon(*about).problem),
        ],
        AT,
    )


def of_left_windows() -> Iterator[Finding]:
    """Yield what is said of a firewall that stays open."""
    for by in (challenge_windows.SETTING, "nftables"):
        left = challenge_windows.OpenWindow(
            id="1f",
            by=by,
            source="acme",
            request="",
            ports=(80, 443),
            names=("www.example.com",),
            argv=("nft", "delete table inet chainwright_1f"),
            process="",
            at=AT,
            failed="ended with exit code 1",
        )
        yield from of_windows([left])


def of_tlsa() -> Iterator[Finding]:
    """Yield what is said of TLSA records, each with one kind of record."""
    leaf, authority = CertificateBytes(b"leaf", b"key"), CertificateBytes(b"issuer", b"its key")
    need = Need(("mail.example.com",), module="mail", tlsa=(TLSA,))
    following = KeptKey("", "", b"next", KeyRole.NEXT, AT)
    named = [TlsaRecord.of_key(b"key"), TlsaRecord.of_key(b"other"), TlsaRecord(0, 0, 1, "ab" * 32)]
    certificate, anchor = TlsaRecord(3, 0, 0, b"leaf".hex()), TlsaRecord(2, 0, 0, b"issuer".hex())
    for records, keep in (
        (named[:1], None),
        (named[1:], None),
        ([certificate], None),
        ([anchor], None),
        (named[:1], 1),
    ):
        look = TlsaLook(TLSA, tuple(records), authenticated=len(records) < 2)
        keys = (following,) if keep else ()
        reuse = KeyReuse(days=400) if keep else None
        yield from of_dane(
            [Subject(need, look, Presented((leaf, authority), "acme"), reuse, keys)], AT, "192.0.2.53" if keep else ""
        )
    silent = TlsaLook(TLSA, problem="there was no answer")
    yield from of_dane([Subject(need, silent, Presented((leaf,), "acme"), None)], AT)


def _account(subject: str, what: str, *, hung: bool) -> dict[str, object]:
    trace = 'Current thread 0x1 (most recent call first):\n  File "/etc/chainwright/plugins/vpn.py", line 7 in needs\n'
    return {
        "subject": subject,
        "what": what,
        "hung": hung,
        "seconds": 61,
        "ending": "signal 6 ended it",
        "trace": trace,
    }


ACCOUNTS = (
    _account("plugin vpn", "declare_needs of the module vpn", hung=True),
    _account("service nginx", "the command nginx -t", hung=True),
    _account("pass pass", "a pass", hung=True),
    _account("plugin vpn", "declare_needs of the module vpn", hung=False),
)
"""What the supervisor has seen of passes that hung or died."""


def conditions() -> list[Problem]:
    """Return what passes note, though nothing raised it."""
    state, log = "/var/lib/chainwright", "/var/log/chainwright"
    year = 365 * 86400.0
    return [
        *(
            not_believed(AT.timestamp(), Doubt(kind, AT.timestamp(), AT.timestamp() + ahead))
            for kind, ahead in ((LEAPT, 3 * year), (BEHIND, -AT.timestamp()), (AHEAD, year), (NEVER_SET, 40 * year))
        ),
        nearly_full(Shortage("/var", [state, log], 12 << 20, None, severe=False)),
        nearly_full(Shortage("/var", [state], 1 << 30, 17, severe=True)),
        read_only(Shortage("/var", [state], 1 << 30, None, severe=True, read_only=True)),
        damaged_row(DamagedRow("chains", ("0a1b",), "ValueError: 'dsa' is not a valid KeyType"), DATABASE),
        damaged_row(DamagedRow("orders", ("0a1b", "acme"), "JSONDecodeError: Expecting value"), DATABASE),
        damaged_row(DamagedRow("roots", ("0a1b",), "ValueError: Invalid isoformat string: '2O26'"), DATABASE),
        changed_modes(Repair(DATABASE.with_name("master.key"), "0644 0:0", "0600 0:0", opened=True, sealed=True)),
        changed_modes(Repair(MODULES / "mail/3/key.pem", "0644 0:0", "0600 0:0", opened=True)),
        changed_modes(Repair(DATABASE.parent.parent, "0711 33:0", "0711 0:0", opened=False)),
        changed_modes(Repair(DATABASE, "0600 33:0", "0600 33:0", opened=False, error="operation not permitted")),
        recovered(recovery_of_a_copy(), DATABASE),
        recovered(
            Recovery("it is missing", chains=["0a1b"], roots=["2c3d"], aside=DATABASE.with_name("damaged")), DATABASE
        ),
        recovered(Recovery("database disk image is malformed", from_itself=True, left_out=["events"]), DATABASE),
        damaged_file("*** in database main ***\nTree 4 page 7: btreeInitPage() returns error code 11", DATABASE),
    ]


def recovery_of_a_copy() -> Recovery:
    copy = Copy(DATABASE.with_name("copies"), 7, AT, "daily")
    return Recovery(
        "file is not a database", copy, AT, chains=["0a1b", "2c3d"], aside=DATABASE.with_name("damaged") / "1"
    )


_HEAD = "| code | for example | meanwhile | next step |\n|---|---|---|---|\n"


def _error_row(problem: Problem) -> str:
    where = f"{problem.where}: " if problem.where else ""
    cells = (f"`{problem.code}`", _cell(where + problem.cause), _cell(problem.effect), _cell(problem.fix))
    return f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    escaped = re.sub(r"([|*_<\[\]])", r"\\\1", " ".join(text.replace("``", "`").split()))
    return re.sub(r"`([^`]*)`", lambda found: f"`{found[1].replace(chr(92), '')}`", escaped)


ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def read(page: str) -> str:
    return (CHECKOUT / page).read_text()


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    _, found, rest = f"\n{read(page)}".partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of a table, without its head."""
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in ROW.findall(text)]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def written(default: Any) -> str:
    """Return a default as TOML."""
    if default is None:
        return "not set"
    if isinstance(default, tuple):
        return f"`[{', '.join(json.dumps(each) for each in default)}]`"
    return f"`{json.dumps(default)}`"


def bounds(model: type[BaseModel], key: str) -> list[str]:
    found = [
        getattr(each, name) for each in model.model_fields[key].metadata for name in ("ge", "le") if hasattr(each, name)
    ]
    return [str(each) for each in found]
