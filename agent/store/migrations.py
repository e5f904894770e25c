"""The schema of the store, step by step. A step, once released, is never edited."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

migrations = Migrations("chainwright")


@migrations()
def m001_first(db: Database) -> None:
    """Everything of the first release."""
    db.table("meta").create({"key": str, "value": str}, pk="key")
    db.table("roots").create(
        {
            "sha256": str,
            "subject": str,
            "not_before": str,
            "not_after": str,
            "certificates": str,
            "sealed_key": bytes,
            "created_at": str,
            "retired_at": str,
        },
        pk="sha256",
        not_null={"subject", "not_before", "not_after", "certificates", "created_at"},
    )
    db.table("chains").create(
        {
            "id": str,
            "source": str,
            "request": str,
            "root": str,
            "names": str,
            "key_type": str,
            "purposes": str,
            "issuer": str,
            "serial": str,
            "not_before": str,
            "not_after": str,
            "leaf_not_after": str,
            "fingerprints": str,
            "certificates": str,
            "anchor": str,
            "sealed_key": bytes,
            "created_at": str,
            "revoked_at": str,
        },
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
        {
            "sha256": str,
            "module": str,
            "label": str,
            "root": str,
            "names": str,
            "not_before": str,
            "not_after": str,
            "certificate": str,
            "csr": str,
            "created_at": str,
            "revoked_at": str,
        },
        pk="sha256",
    )


@migrations()
def m002_needs(db: Database) -> None:
    """What modules asked for, what they were given, and how asking a source went."""
    db.table("modules").create(
        {"name": str, "plugin": str, "title": str, "enabled": int, "services": str, "problem": str}, pk="name"
    )
    db.table("needs").create({"module": str, "slot": str, "need": str}, pk=("module", "slot"))
    db.table("bindings").create(
        {"module": str, "slot": str, "chain": str, "reason": str, "standing": str, "since": str}, pk=("module", "slot")
    )
    db.table("orders").create(
        {
            "request": str,
            "source": str,
            "attempts": int,
            "retry_at": str,
            "problem": str,
            "permanent": int,
            "settings_digest": str,
            "sealed_state": bytes,
            "lease_process": str,
            "lease_at": str,
        },
        pk=("request", "source"),
    )
    db.table("reissues").create({"request": str, "asked_at": str}, pk="request")


@migrations()
def m003_deploying(db: Database) -> None:
    """Generations, what became of them, and what is seen on the wire."""
    db.table("generations").create(
        {
            "owner": str,
            "number": int,
            "digest": str,
            "chains": str,
            "manifest": str,
            "created_at": str,
        },
        pk=("owner", "number"),
    )
    db.table("contents").create({"digest": str, "text": str}, pk="digest")
    db.table("deployments").create(
        {
            "module": str,
            "generation": int,
            "outcome": str,
            "step": str,
            "problem": str,
            "inputs": str,
            "at": str,
            "attempts": int,
            "retry_at": str,
        },
        pk="module",
    )
    db.table("transactions").create({"id": str, "job": str, "phase": str, "record": str, "started_at": str}, pk="id")
    db.table("refusals").create(
        {
            "module": str,
            "slot": str,
            "kind": str,
            "subject": str,
            "problem": str,
            "attempts": int,
            "retry_at": str,
        },
        pk=("module", "slot", "kind", "subject"),
    )
    db.table("endpoints").create(
        {
            "module": str,
            "key": str,
            "slot": str,
            "address": str,
            "server_name": str,
            "chain": str,
            "served_sha256": str,
            "ok": int,
            "problem": str,
            "checked_at": str,
            "next_at": str,
        },
        pk=("module", "key"),
    )
    db.table("events").create(
        {"id": int, "at": str, "kind": str, "job": str, "module": str, "text": str, "detail": str}, pk="id"
    )
    db.table("events").create_index(["job"])


@migrations()
def m004_trust(db: Database) -> None:
    """Whatever changes makes the next pass look at everything: what the last one believed is forgotten."""
    for table in ("roots", "chains", "orders", "reissues", "deployments", "transactions", "refusals", "endpoints"):
        for change in ("insert", "update", "delete"):
            when = f"{table}_{change} after {change} on {table}"
            db.execute(f"create trigger {when} begin delete from meta where key = 'trusted'; end")  # noqa: S608


@migrations()
def m005_sources(db: Database) -> None:
    """What sources beyond the network remember, the ACME account key, and what CAs say of chains that are bound."""
    db.table("memories").create({"source": str, "key": str, "sealed_state": bytes}, pk=("source", "key"))
    db.table("ledger").create({"source": str, "kind": str, "subject": str, "at": str})
    db.table("ledger").create_index(["source", "kind", "subject", "at"])
    db.table("account_keys").create(
        {"thumbprint": str, "sealed_key": bytes, "role": str, "created_at": str}, pk="thumbprint"
    )
    db.table("watches").create(
        {
            "chain": str,
            "next_at": str,
            "crl_at": str,
            "renew_at": str,
            "window_start": str,
            "window_end": str,
            "explanation": str,
            "problem": str,
            "attempts": int,
        },
        pk="chain",
    )
    db.table("failing_names").create(
        {"name": str, "source": str, "since": str, "passed_at": str, "requests": str}, pk=("name", "source")
    )
    db.table("reissues").add_column("forced", int)
    db.table("chains").add_column("crl", int)
    for table in ("account_keys", "watches", "failing_names"):
        for change in ("insert", "update", "delete"):
            when = f"{table}_{change} after {change} on {table}"
            db.execute(f"create trigger {when} begin delete from meta where key = 'trusted'; end")  # noqa: S608


@migrations()
def m006_people(db: Database) -> None:
    """Who may do what in the web interface and its API, and what they did."""
    db.table("people").create(
        {"name": str, "role": str, "password": str, "must_change": int, "changed_at": str}, pk="name"
    )
    db.table("sessions").create(
        {"sha256": str, "person": str, "address": str, "opened_at": str, "seen_at": str, "ends_at": str}, pk="sha256"
    )
    db.table("tokens").create(
        {
            "id": str,
            "sha256": str,
            "name": str,
            "role": str,
            "made_by": str,
            "made_at": str,
            "expires_at": str,
            "used_at": str,
        },
        pk="id",
    )
    db.table("tokens").create_index(["sha256"], unique=True)
    db.table("login_tries").create({"id": int, "at": str, "person": str, "address": str, "good": int}, pk="id")
    db.table("audits").create(
        {"id": int, "at": str, "who": str, "address": str, "action": str, "subject": str, "detail": str}, pk="id"
    )


@migrations()
def m007_jobs(db: Database) -> None:
    """What somebody set going through the local API, and how it ended."""
    db.table("jobs").create(
        {
            "id": str,
            "action": str,
            "subject": str,
            "who": str,
            "started_at": str,
            "ended_at": str,
            "exit_code": int,
            "problem": str,
            "process": str,
        },
        pk="id",
    )


@migrations()
def m008_peers(db: Database) -> None:
    """What becomes of peer certificates, and what own roots have revoked."""
    from agent.pki.certificate import load_certificates

    for column in ("serial", "purposes", "replaced_at", "reason", "retry_at", "problem"):
        db.table("peers").add_column(column, str)
    for row in list(db.query("select sha256, certificate from peers")):
        serial = f"{load_certificates(row['certificate'].encode())[0].serial_number:x}"
        db.table("peers").update(row["sha256"], {"serial": serial, "purposes": '["server"]'})
    db.table("peers").create_index(["serial"])
    db.table("revocations").create(
        {"root": str, "serial": str, "at": str, "reason": str, "not_after": str}, pk=("root", "serial")
    )
    db.table("revocation_lists").create(
        {"root": str, "number": int, "this_update": str, "next_update": str, "serials": str, "pem": str}, pk="root"
    )
    for table in ("peers", "revocations"):
        for change in ("insert", "update", "delete"):
            when = f"{table}_{change} after {change} on {table}"
            db.execute(f"create trigger {when} begin delete from meta where key = 'trusted'; end")  # noqa: S608
