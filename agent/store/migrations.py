"""The schema of the store, step by step. A step, once released, is never edited."""

from __future__ import annotations

from contextlib import suppress

from sqlite_utils import Database, Migrations

migrations = Migrations("chainwright")
TYPES = {"": str, "int": int, "bytes": bytes}


def _columns(text: str) -> dict[str, type]:
    """Read the columns of a table: ``name`` of text, ``name:int``, ``name:bytes``."""
    pairs = (column.partition(":") for column in text.split())
    return {name: TYPES[kind] for name, _, kind in pairs}


def _distrust_after_changes(db: Database, *tables: str) -> None:
    """Have any change in `tables` make the next pass look at everything."""
    for table in tables:
        for change in ("insert", "update", "delete"):
            when = f"{table}_{change} after {change} on {table}"
            db.execute(f"create trigger {when} begin delete from meta where key = 'trusted'; end")  # noqa: S608


@migrations()
def m001_first(db: Database) -> None:
    """Everything of the first release."""
    db.table("meta").create(_columns("key value"), pk="key")
    db.table("roots").create(
        _columns("sha256 subject not_before not_after certificates sealed_key:bytes created_at retired_at"),
        pk="sha256",
        not_null={"subject", "not_before", "not_after", "certificates", "created_at"},
    )
    db.table("chains").create(
        _columns(
            "id source request root names key_type purposes issuer serial not_before not_after leaf_not_after"
            " fingerprints certificates anchor sealed_key:bytes created_at revoked_at"
        ),
        pk="id",
        not_null={
            "source",
            "names",
            "key_type",
            "not_before",
            "not_after",
            "fingerprints",
            "certificates",
            "sealed_key",
        },
    )
    db.table("chains").create_index(["request"])
    db.table("peers").create(
        _columns("sha256 module label root names not_before not_after certificate csr created_at revoked_at"),
        pk="sha256",
    )


@migrations()
def m002_needs(db: Database) -> None:
    """Needs of modules, their bindings, and orders."""
    db.table("modules").create(_columns("name plugin title enabled:int services problem"), pk="name")
    db.table("needs").create(_columns("module slot need"), pk=("module", "slot"))
    db.table("bindings").create(_columns("module slot chain reason standing since"), pk=("module", "slot"))
    db.table("orders").create(
        _columns(
            "request source attempts:int retry_at problem permanent:int settings_digest sealed_state:bytes"
            " lease_process lease_at"
        ),
        pk=("request", "source"),
    )
    db.table("reissues").create(_columns("request asked_at"), pk="request")


@migrations()
def m003_deploying(db: Database) -> None:
    """Generations, what became of them, and what is seen on the wire."""
    db.table("generations").create(
        _columns("owner number:int digest chains manifest created_at"),
        pk=("owner", "number"),
    )
    db.table("contents").create(_columns("digest text"), pk="digest")
    db.table("deployments").create(
        _columns("module generation:int outcome step problem inputs at attempts:int retry_at"),
        pk="module",
    )
    db.table("transactions").create(_columns("id job phase record started_at"), pk="id")
    db.table("refusals").create(
        _columns("module slot kind subject problem attempts:int retry_at"),
        pk=("module", "slot", "kind", "subject"),
    )
    db.table("endpoints").create(
        _columns("module key slot address server_name chain served_sha256 ok:int problem checked_at next_at"),
        pk=("module", "key"),
    )
    db.table("events").create(_columns("id:int at kind job module text detail"), pk="id")
    db.table("events").create_index(["job"])


@migrations()
def m004_trust(db: Database) -> None:
    """Changes make the next pass look at everything: what the last one relied on is forgotten."""
    _distrust_after_changes(
        db, "roots", "chains", "orders", "reissues", "deployments", "transactions", "refusals", "endpoints"
    )


@migrations()
def m005_sources(db: Database) -> None:
    """Memory and ledger of sources, ACME account keys, and what CAs say of chains that are bound."""
    db.table("memories").create(_columns("source key sealed_state:bytes"), pk=("source", "key"))
    db.table("ledger").create(_columns("source kind subject at"))
    db.table("ledger").create_index(["source", "kind", "subject", "at"])
    db.table("account_keys").create(_columns("thumbprint sealed_key:bytes role created_at"), pk="thumbprint")
    db.table("watches").create(
        _columns("chain next_at crl_at renew_at window_start window_end explanation problem attempts:int"),
        pk="chain",
    )
    db.table("failing_names").create(_columns("name source since passed_at requests"), pk=("name", "source"))
    db.table("reissues").add_column("forced", int)
    db.table("chains").add_column("crl", int)
    _distrust_after_changes(db, "account_keys", "watches", "failing_names")


@migrations()
def m006_people(db: Database) -> None:
    """People, sessions and tokens of the web interface and its API, and the record of what they did."""
    db.table("people").create(_columns("name role password must_change:int changed_at"), pk="name")
    db.table("sessions").create(_columns("sha256 person address opened_at seen_at ends_at"), pk="sha256")
    db.table("tokens").create(
        _columns("id sha256 name role made_by made_at expires_at used_at"),
        pk="id",
    )
    db.table("tokens").create_index(["sha256"], unique=True)
    db.table("login_tries").create(_columns("id:int at person address good:int"), pk="id")
    db.table("audits").create(_columns("id:int at who address action subject detail"), pk="id")


@migrations()
def m007_jobs(db: Database) -> None:
    """Jobs that were started through the local API."""
    db.table("jobs").create(
        _columns("id action subject who started_at ended_at exit_code:int problem process"),
        pk="id",
    )


@migrations()
def m008_peers(db: Database) -> None:
    """State of peer certificates, and revocations by own roots."""
    from agent.pki.certificate import load_certificates

    for column in ("serial", "purposes", "replaced_at", "reason", "retry_at", "problem"):
        db.table("peers").add_column(column, str)
    for row in list(db.query("select sha256, certificate from peers")):
        serial = f"{load_certificates(row['certificate'].encode())[0].serial_number:x}"
        db.table("peers").update(row["sha256"], {"serial": serial, "purposes": '["server"]'})
    db.table("peers").create_index(["serial"])
    db.table("revocations").create(_columns("root serial at reason not_after"), pk=("root", "serial"))
    db.table("revocation_lists").create(_columns("root number:int this_update next_update serials pem"), pk="root")
    _distrust_after_changes(db, "peers", "revocations")


@migrations()
def m009_judged(db: Database) -> None:
    """Where a chain comes from, and what clients make of it."""
    for column, kind in (("origin", str), ("warnings", str), ("edition", int)):
        db.table("chains").add_column(column, kind)


@migrations()
def m010_conditions(db: Database) -> None:
    """Findings that no other row tells."""
    db.table("conditions").create(
        _columns("scope kind subject code severity title problem since"),
        pk=("scope", "kind", "subject", "code"),
    )
    _distrust_after_changes(db, "conditions")


@migrations()
def m011_footprints(db: Database) -> None:
    """What was put into services, for taking it out without settings and plugins."""
    db.table("footprints").create(_columns("owner footprint"), pk="owner")


@migrations()
def m012_pins(db: Database) -> None:
    """Uploaded chains that a person has pinned."""
    db.table("pins").create(_columns("module slot chain who at"), pk=("module", "slot"), not_null={"chain"})
    _distrust_after_changes(db, "pins")


@migrations()
def m013_evidence(db: Database) -> None:
    """When an endpoint served last what it should, since when it doesn't, and what kind of endpoint it is."""
    db.table("endpoints").add_column("served_at", str)
    db.table("endpoints").add_column("wrong_since", str)
    db.table("endpoints").add_column("further", int)
    db.table("endpoints").add_column("plain_tls", int)
    db.execute("update endpoints set served_at = checked_at where ok = 1")


@migrations()
def m014_aims(db: Database) -> None:
    """What jobs are for, and what became of that."""
    for column in ("aim", "outcome"):
        db.table("jobs").add_column(column, str)


@migrations()
def m015_one_time_passwords(db: Database) -> None:
    """When a one-time password was used."""
    db.table("people").add_column("used_at", str)


@migrations()
def m016_token_owners(db: Database) -> None:
    """Whose a token is, with a name of its own; when the person of a session gave the password last."""
    from agent.store.token_owners import name_once, own

    db.table("tokens").add_column("owner", str)
    db.table("sessions").add_column("password_at", str)
    own(db)
    name_once(db)
    db.table("tokens").create_index(["name"], unique=True)


@migrations()
def m018_tasks(db: Database) -> None:
    """What is done for jobs."""
    db.table("jobs").add_column("task", str)


@migrations()
def m020_audit_chain(db: Database) -> None:
    """A chain of authentication codes over the audit record, by series; repetitions that are still being counted."""
    for column, kind in (("series", str), ("number", int), ("times", int), ("link", str)):
        db.table("audits").add_column(column, kind)
    db.execute("update audits set times = 1")
    db.table("audits").create_index(["series", "number"])
    db.table("audits").create_index(["who", "at"])
    db.table("audit_ends").create(_columns("series first:int before number:int link mac"), pk="series")
    db.table("audit_repeats").create(
        _columns("who address action subject detail series since at times:int mac"),
        pk=("who", "address", "action", "subject", "detail"),
    )


@migrations()
def m021_logins(db: Database) -> None:
    """Failed logins by where they come from, and browsers from which somebody has logged in."""
    db.execute("drop table login_tries")
    db.table("login_failures").create(_columns("key failures:int at"), pk="key")
    db.table("devices").create(_columns("sha256 person made_at used_at"), pk="sha256")
    db.table("devices").create_index(["person"])


@migrations()
def m022_life_of_roots(db: Database) -> None:
    """Dates of a root's life, and cross-certificates: roots so far were replaced at once."""
    for column, kind in (
        ("signs_at", str),
        ("replaced_at", str),
        ("retires_at", str),
        ("prepared", int),
        ("uploaded", int),
    ):
        db.table("roots").add_column(column, kind)
    db.execute("update roots set signs_at = created_at, replaced_at = retired_at, prepared = 0")
    db.table("cross_certificates").create(
        _columns("subject issuer certificate not_before not_after obstacle created_at"), pk=("subject", "issuer")
    )
    _distrust_after_changes(db, "cross_certificates")


@migrations()
def m023_pauses(db: Database) -> None:
    """When what is tried again later was tried last. Of earlier tries it isn't known."""
    for table in ("orders", "deployments", "refusals", "peers"):
        db.table(table).add_column("tried_at", str)
    for column in ("asked_at", "crl_asked_at"):
        db.table("watches").add_column(column, str)


@migrations()
def m024_wishes(db: Database) -> None:
    """Which chains are to be replaced because a person has asked for new ones: until now those made before that."""
    db.table("reissues").add_column("chains", str)
    db.execute(
        "update reissues set chains = (select json_group_array(id) from chains"
        " where chains.request = reissues.request and created_at < asked_at)"
    )
    db.execute("delete from reissues where chains = '[]' and coalesce(forced, 0) = 0")


@migrations()
def m025_rows_set_aside(db: Database) -> None:
    """Damaged rows that were taken out of their tables."""
    db.table("rows_set_aside").create(_columns("id:int at of_table key reason content"), pk="id")


@migrations()
def m026_key_types(db: Database) -> None:
    """Key types of roots and peer certificates, and roots that sign beside the main one: none did until now."""
    from agent.errors import AgentError
    from agent.pki.certificate import describe, load_certificates

    db.table("roots").add_column("beside", int, not_null_default=0)
    for table, column in (("roots", "certificates"), ("peers", "certificate")):
        db.table(table).add_column("key_type", str, not_null_default="ecdsa-p256")
        for sha256, pem in list(db.execute(f"select sha256, {column} from {table}")):  # noqa: S608 - names of this file's own
            with suppress(AgentError, ValueError, TypeError, AttributeError):  # what can't be read is told elsewhere
                key_type = describe(load_certificates(pem.encode())[0]).key_type
                db.execute(f"update {table} set key_type = ? where sha256 = ?", [str(key_type), sha256])  # noqa: S608


@migrations()
def m030_kept_keys(db: Database) -> None:
    """Keys that requests keep over renewals, and the next ones."""
    db.table("kept_keys").create(
        _columns("request spki public:bytes role sealed_key:bytes since renewals:int reason unneeded_since"),
        pk=("request", "spki"),
        not_null={"public", "role", "since"},
    )
    _distrust_after_changes(db, "kept_keys")


@migrations()
def m031_observations(db: Database) -> None:
    """States that services tell of themselves."""
    columns = "kind owner subject state why severity fix mends:int since attempts:int tried_at retry_at said"
    db.table("observations").create(_columns(columns), pk=("kind", "owner", "subject"))


@migrations()
def m032_resolved_names(db: Database) -> None:
    """Host names that modules need addresses of."""
    db.table("resolved_names").create(
        _columns("module name asked_at seconds:int seen answered_at returns words failing_since"), pk=("module", "name")
    )


@migrations()
def m033_tlsa(db: Database) -> None:
    """TLSA records as DNS had them last."""
    db.table("tlsa").create(
        _columns("owner records authenticated:int ttl:int since asked_at next_at problem"),
        pk="owner",
        not_null={"authenticated", "ttl", "problem"},
    )
    _distrust_after_changes(db, "tlsa")


@migrations()
def m034_kept_addresses(db: Database) -> None:
    """Addresses that are kept while those of a name come and go."""
    db.table("resolved_names").transform(rename={"returns": "changes"})
    db.table("resolved_names").add_column("kept", str, not_null_default="[]")
    db.table("resolved_names").add_column("kept_since", str)


@migrations()
def m035_overrides(db: Database) -> None:
    """What built-in templates were when somebody began to override them."""
    db.table("overrides").create(_columns("template text since"), pk="template", not_null={"text", "since"})
    _distrust_after_changes(db, "overrides")


@migrations()
def m036_deliveries(db: Database) -> None:
    """How far observers and notifiers have been told of the events."""
    db.table("deliveries").create(
        _columns("listener kind plugin told:int attempts:int tried_at retry_at failed"),
        pk="listener",
        not_null={"kind", "plugin", "told", "attempts", "failed"},
    )


@migrations()
def m037_next_ca(db: Database) -> None:
    """Whether another CA may do what one could not, and how often in a row that one was out of order."""
    db.table("orders").add_column("elsewhere", str)
    db.table("orders").add_column("lasting", int)


@migrations()
def m038_own_account_keys(db: Database) -> None:
    """Account keys of single sources beside the one that is shared."""
    db.table("account_keys").add_column("source", str, not_null_default="")


@migrations()
def m039_persistent(db: Database) -> None:
    """Records by which dns-persist-01 proves names, as they were seen last."""
    columns = (
        "source domain ca value names proves seen:int servers:int problem until right_at right_value asked_at next_at"
    )
    db.table("persistent").create(
        _columns(columns),
        pk=("source", "domain"),
        not_null={"ca", "value", "names", "proves", "seen", "servers", "right_value"},
    )
    _distrust_after_changes(db, "persistent")


@migrations()
def m040_dns_records(db: Database) -> None:
    """TXT records that the agent has made in DNS."""
    db.table("dns_records").create(
        _columns("solver zone name value domain request source at attempts:int tried_at retry_at problem"),
        pk=("solver", "name", "value"),
        not_null={"zone", "domain", "request", "source", "at", "attempts"},
    )
    _distrust_after_changes(db, "dns_records")


@migrations()
def m041_origin_of_persistent(db: Database) -> None:
    """The CA at which a record was looked at: another one knows nothing of it."""
    db.table("persistent").add_column("origin", str, not_null_default="")


@migrations()
def m042_challenge_windows(db: Database) -> None:
    """Ways to this machine that are open as long as a CA looks."""
    columns = (
        "id by source request ports names argv sealed_environment:bytes seconds:int process at attempts:int tried_at"
        " retry_at failed"
    )
    db.table("challenge_windows").create(
        _columns(columns),
        pk=("id", "by"),
        not_null={"source", "request", "ports", "names", "argv", "seconds", "process", "at", "attempts", "failed"},
    )
    _distrust_after_changes(db, "challenge_windows")


@migrations()
def m043_lease_beat(db: Database) -> None:
    """The seconds since boot at which the holder of a lease was seen: no setting of the clock lets it lapse."""
    db.table("orders").add_column("lease_beat", int)


@migrations()
def m044_digest_of_dns_tables(db: Database) -> None:
    """The table of a solver at the last try to remove a record: once it changes, that is tried again at once."""
    db.table("dns_records").add_column("settings_digest", str, not_null_default="")
