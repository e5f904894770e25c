"""Schema of the store as readers rely on it: what tells a row from others, and which kind of value each column has.

SQLite keeps any value in any column, and a NULL in most. What a damaged disk, or somebody with an editor, has put there is
found when the row is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEYS: Mapping[str, tuple[str, ...]] = {
    "account_keys": ("thumbprint",),
    "audit_ends": ("series",),
    "audit_repeats": ("who", "address", "action", "subject", "detail"),
    "audits": ("id",),
    "bindings": ("module", "slot"),
    "chains": ("id",),
    "challenge_windows": ("id", "by"),
    "conditions": ("scope", "kind", "subject", "code"),
    "contents": ("digest",),
    "cross_certificates": ("subject", "issuer"),
    "deliveries": ("listener",),
    "deployments": ("module",),
    "devices": ("sha256",),
    "dns_records": ("solver", "name", "value"),
    "endpoints": ("module", "key"),
    "events": ("id",),
    "failing_names": ("name", "source"),
    "footprints": ("owner",),
    "generations": ("owner", "number"),
    "jobs": ("id",),
    "kept_keys": ("request", "spki"),
    "ledger": ("rowid",),
    "login_failures": ("key",),
    "memories": ("source", "key"),
    "meta": ("key",),
    "modules": ("name",),
    "needs": ("module", "slot"),
    "observations": ("kind", "owner", "subject"),
    "orders": ("request", "source"),
    "overrides": ("template",),
    "peers": ("sha256",),
    "people": ("name",),
    "persistent": ("source", "domain"),
    "pins": ("module", "slot"),
    "refusals": ("module", "slot", "kind", "subject"),
    "reissues": ("request",),
    "resolved_names": ("module", "name"),
    "revocation_lists": ("root",),
    "revocations": ("root", "serial"),
    "roots": ("sha256",),
    "rows_set_aside": ("id",),
    "sessions": ("sha256",),
    "tlsa": ("owner",),
    "tokens": ("id",),
    "transactions": ("id",),
    "watches": ("chain",),
}
"""Columns that tell a row from the others of its table."""
COLUMNS: Mapping[str, str] = {
    "account_keys": "thumbprint sealed_key:bytes role created_at source",
    "audit_ends": "series first:int before number:int link mac",
    "audit_repeats": "who address action subject detail series since at times:int mac",
    "audits": "id:int at who address action subject detail times:int series? number:int? link?",
    "bindings": "module slot chain? reason standing since?",
    "chains": "id source request? root? names key_type purposes issuer serial not_before not_after leaf_not_after?"
    " fingerprints certificates anchor sealed_key:bytes created_at? revoked_at? crl:int? origin? warnings? edition:int?",
    "challenge_windows": "id by source request ports names argv sealed_environment:bytes? seconds:int process at"
    " attempts:int tried_at? retry_at? failed",
    "conditions": "scope kind subject code severity title problem? since?",
    "contents": "digest text",
    "cross_certificates": "subject issuer certificate not_before? not_after? obstacle created_at",
    "deliveries": "listener kind plugin told:int attempts:int tried_at? retry_at? failed",
    "deployments": "module generation:int? outcome step? problem? inputs? at? attempts:int? retry_at? tried_at?",
    "devices": "sha256 person made_at used_at",
    "dns_records": "solver zone name value domain request source at attempts:int tried_at? retry_at? problem? settings_digest",
    "endpoints": "module key slot address server_name? chain? served_sha256? ok:int problem? checked_at? next_at?"
    " served_at? wrong_since? further:int? plain_tls:int?",
    "events": "id:int at kind job? module? text detail?",
    "failing_names": "name source since passed_at? requests",
    "footprints": "owner footprint",
    "generations": "owner number:int digest chains manifest created_at",
    "jobs": "id action subject who started_at ended_at? exit_code:int? problem? process? aim? outcome? task?",
    "kept_keys": "request spki public:bytes role sealed_key:bytes? since renewals:int reason unneeded_since?",
    "ledger": "source kind subject at",
    "login_failures": "key failures:int at",
    "memories": "source key sealed_state:bytes",
    "meta": "key value",
    "modules": "name plugin title enabled:int services problem?",
    "needs": "module slot need",
    "observations": "kind owner subject state why severity? fix mends:int since? attempts:int tried_at? retry_at? said",
    "orders": "request source attempts:int? retry_at? problem? permanent:int? settings_digest? sealed_state:bytes?"
    " lease_process? lease_at? tried_at? elsewhere? lasting:int? lease_beat:int?",
    "overrides": "template text since",
    "peers": "sha256 module label root names not_before not_after certificate csr created_at revoked_at? serial"
    " purposes replaced_at? reason? retry_at? problem? tried_at? key_type",
    "people": "name role password must_change:int changed_at used_at?",
    "persistent": "source domain ca value names proves seen:int servers:int problem? until? right_at? right_value asked_at?"
    " next_at? origin",
    "pins": "module slot chain who at",
    "refusals": "module slot kind subject problem attempts:int retry_at tried_at?",
    "reissues": "request asked_at forced:int? chains?",
    "resolved_names": "module name asked_at seconds:int seen answered_at? changes words? failing_since? kept kept_since?",
    "revocation_lists": "root number:int this_update next_update serials pem",
    "revocations": "root serial at reason not_after",
    "roots": "sha256 subject not_before not_after certificates sealed_key:bytes created_at retired_at? signs_at?"
    " replaced_at? retires_at? prepared:int? uploaded:int? key_type beside:int",
    "rows_set_aside": "id:int at of_table key reason content",
    "sessions": "sha256 person address opened_at seen_at ends_at password_at?",
    "tlsa": "owner records? authenticated:int ttl:int since? asked_at? next_at? problem",
    "tokens": "id sha256 name role made_by made_at expires_at used_at? owner?",
    "transactions": "id job phase record started_at",
    "watches": "chain next_at? crl_at? renew_at? window_start? window_end? explanation? problem? attempts:int?"
    " asked_at? crl_asked_at?",
}
"""Columns of each table: ``name`` of text, ``name:int``, ``name:bytes``; ``?``: it may be NULL."""
MADE_AGAIN = frozenset(
    {
        "audit_repeats",
        "bindings",
        "challenge_windows",
        "conditions",
        "contents",
        "cross_certificates",
        "deliveries",
        "deployments",
        "devices",
        "dns_records",
        "endpoints",
        "events",
        "failing_names",
        "footprints",
        "generations",
        "jobs",
        "kept_keys",
        "ledger",
        "login_failures",
        "memories",
        "meta",
        "modules",
        "needs",
        "observations",
        "orders",
        "overrides",
        "persistent",
        "pins",
        "refusals",
        "reissues",
        "resolved_names",
        "revocation_lists",
        "rows_set_aside",
        "sessions",
        "tlsa",
        "tokens",
        "transactions",
        "watches",
    }
)
"""Tables whose rows are written again by a pass, or whose loss costs nothing but history."""
INDISPENSABLE = frozenset({"account_keys", "chains", "roots"})
"""Tables with keys: a database in which a row of these can't be read is no good as a copy."""
PEOPLES = frozenset({"pins", "tokens"})
"""Tables of which a row that can't be read is dropped, but not all of them in silence: somebody has made them."""
WORDS = {str: "a text", int: "a number", bytes: "bytes"}
KINDS: Mapping[str, type] = {"": str, "int": int, "bytes": bytes}
MOST_BYTES = 4_000_000
"""Of one value: many times what the largest chain or configuration takes."""
LONGEST: Mapping[str, int] = {"module": 255, "owner": 255}
"""The same, of columns that name a directory."""


def _kinds(text: str) -> dict[str, tuple[type, bool]]:
    """Return the type of each column, and whether it may be NULL."""
    found = {}
    for column in text.split():
        name, _, kind = column.removesuffix("?").partition(":")
        found[name] = KINDS[kind], column.endswith("?")
    return found


EXPECTED: Mapping[str, Mapping[str, tuple[type, bool]]] = {table: _kinds(text) for table, text in COLUMNS.items()}


def check(table: str, row: Mapping[str, Any]) -> None:
    """Raise ValueError for a value that its column can't have. Columns that are not of the table are let be."""
    expected = EXPECTED.get(table, {})
    for column, value in row.items():
        if column not in expected:
            continue
        kind, optional = expected[column]
        if value is None:
            if not optional:
                raise ValueError(f"its {column} is missing")
        elif not isinstance(value, kind):
            raise ValueError(f"its {column} is {WORDS.get(type(value), 'a number')}, not {WORDS[kind]}")
        elif isinstance(value, str | bytes) and len(value) > LONGEST.get(column, MOST_BYTES):
            raise ValueError(f"its {column} is longer than {LONGEST.get(column, MOST_BYTES)} bytes")
