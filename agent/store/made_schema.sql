CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
)

CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name")

CREATE TABLE "meta" (
   "key" TEXT PRIMARY KEY,
   "value" TEXT
)

CREATE TABLE "roots" (
   "sha256" TEXT PRIMARY KEY,
   "subject" TEXT NOT NULL,
   "not_before" TEXT NOT NULL,
   "not_after" TEXT NOT NULL,
   "certificates" TEXT NOT NULL,
   "sealed_key" BLOB,
   "created_at" TEXT NOT NULL,
   "retired_at" TEXT
, "signs_at" TEXT, "replaced_at" TEXT, "retires_at" TEXT, "prepared" INTEGER, "uploaded" INTEGER, "beside" INTEGER NOT NULL DEFAULT 0, "key_type" TEXT NOT NULL DEFAULT 'ecdsa-p256')

CREATE TABLE "chains" (
   "id" TEXT PRIMARY KEY,
   "source" TEXT NOT NULL,
   "request" TEXT,
   "root" TEXT,
   "names" TEXT NOT NULL,
   "key_type" TEXT NOT NULL,
   "purposes" TEXT,
   "issuer" TEXT,
   "serial" TEXT,
   "not_before" TEXT NOT NULL,
   "not_after" TEXT NOT NULL,
   "leaf_not_after" TEXT,
   "fingerprints" TEXT NOT NULL,
   "certificates" TEXT NOT NULL,
   "anchor" TEXT,
   "sealed_key" BLOB NOT NULL,
   "created_at" TEXT,
   "revoked_at" TEXT
, "crl" INTEGER, "origin" TEXT, "warnings" TEXT, "edition" INTEGER)

CREATE INDEX "idx_chains_request"
    ON "chains" ("request")

CREATE TABLE "peers" (
   "sha256" TEXT PRIMARY KEY,
   "module" TEXT,
   "label" TEXT,
   "root" TEXT,
   "names" TEXT,
   "not_before" TEXT,
   "not_after" TEXT,
   "certificate" TEXT,
   "csr" TEXT,
   "created_at" TEXT,
   "revoked_at" TEXT
, "serial" TEXT, "purposes" TEXT, "replaced_at" TEXT, "reason" TEXT, "retry_at" TEXT, "problem" TEXT, "tried_at" TEXT, "key_type" TEXT NOT NULL DEFAULT 'ecdsa-p256')

CREATE TABLE "modules" (
   "name" TEXT PRIMARY KEY,
   "plugin" TEXT,
   "title" TEXT,
   "enabled" INTEGER,
   "services" TEXT,
   "problem" TEXT
)

CREATE TABLE "needs" (
   "module" TEXT,
   "slot" TEXT,
   "need" TEXT,
   PRIMARY KEY ("module", "slot")
)

CREATE TABLE "bindings" (
   "module" TEXT,
   "slot" TEXT,
   "chain" TEXT,
   "reason" TEXT,
   "standing" TEXT,
   "since" TEXT,
   PRIMARY KEY ("module", "slot")
)

CREATE TABLE "orders" (
   "request" TEXT,
   "source" TEXT,
   "attempts" INTEGER,
   "retry_at" TEXT,
   "problem" TEXT,
   "permanent" INTEGER,
   "settings_digest" TEXT,
   "sealed_state" BLOB,
   "lease_process" TEXT,
   "lease_at" TEXT, "tried_at" TEXT, "elsewhere" TEXT, "lasting" INTEGER, "lease_beat" INTEGER,
   PRIMARY KEY ("request", "source")
)

CREATE TABLE "reissues" (
   "request" TEXT PRIMARY KEY,
   "asked_at" TEXT
, "forced" INTEGER, "chains" TEXT)

CREATE TABLE "generations" (
   "owner" TEXT,
   "number" INTEGER,
   "digest" TEXT,
   "chains" TEXT,
   "manifest" TEXT,
   "created_at" TEXT,
   PRIMARY KEY ("owner", "number")
)

CREATE TABLE "contents" (
   "digest" TEXT PRIMARY KEY,
   "text" TEXT
)

CREATE TABLE "deployments" (
   "module" TEXT PRIMARY KEY,
   "generation" INTEGER,
   "outcome" TEXT,
   "step" TEXT,
   "problem" TEXT,
   "inputs" TEXT,
   "at" TEXT,
   "attempts" INTEGER,
   "retry_at" TEXT
, "tried_at" TEXT)

CREATE TABLE "transactions" (
   "id" TEXT PRIMARY KEY,
   "job" TEXT,
   "phase" TEXT,
   "record" TEXT,
   "started_at" TEXT
)

CREATE TABLE "refusals" (
   "module" TEXT,
   "slot" TEXT,
   "kind" TEXT,
   "subject" TEXT,
   "problem" TEXT,
   "attempts" INTEGER,
   "retry_at" TEXT, "tried_at" TEXT,
   PRIMARY KEY ("module", "slot", "kind", "subject")
)

CREATE TABLE "endpoints" (
   "module" TEXT,
   "key" TEXT,
   "slot" TEXT,
   "address" TEXT,
   "server_name" TEXT,
   "chain" TEXT,
   "served_sha256" TEXT,
   "ok" INTEGER,
   "problem" TEXT,
   "checked_at" TEXT,
   "next_at" TEXT, "served_at" TEXT, "wrong_since" TEXT, "further" INTEGER, "plain_tls" INTEGER,
   PRIMARY KEY ("module", "key")
)

CREATE TABLE "events" (
   "id" INTEGER PRIMARY KEY,
   "at" TEXT,
   "kind" TEXT,
   "job" TEXT,
   "module" TEXT,
   "text" TEXT,
   "detail" TEXT
)

CREATE INDEX "idx_events_job"
    ON "events" ("job")

CREATE TABLE "memories" (
   "source" TEXT,
   "key" TEXT,
   "sealed_state" BLOB,
   PRIMARY KEY ("source", "key")
)

CREATE TABLE "ledger" (
   "source" TEXT,
   "kind" TEXT,
   "subject" TEXT,
   "at" TEXT
)

CREATE INDEX "idx_ledger_source_kind_subject_at"
    ON "ledger" ("source", "kind", "subject", "at")

CREATE TABLE "account_keys" (
   "thumbprint" TEXT PRIMARY KEY,
   "sealed_key" BLOB,
   "role" TEXT,
   "created_at" TEXT
, "source" TEXT NOT NULL DEFAULT '')

CREATE TABLE "watches" (
   "chain" TEXT PRIMARY KEY,
   "next_at" TEXT,
   "crl_at" TEXT,
   "renew_at" TEXT,
   "window_start" TEXT,
   "window_end" TEXT,
   "explanation" TEXT,
   "problem" TEXT,
   "attempts" INTEGER
, "asked_at" TEXT, "crl_asked_at" TEXT)

CREATE TABLE "failing_names" (
   "name" TEXT,
   "source" TEXT,
   "since" TEXT,
   "passed_at" TEXT,
   "requests" TEXT,
   PRIMARY KEY ("name", "source")
)

CREATE TABLE "people" (
   "name" TEXT PRIMARY KEY,
   "role" TEXT,
   "password" TEXT,
   "must_change" INTEGER,
   "changed_at" TEXT
, "used_at" TEXT)

CREATE TABLE "sessions" (
   "sha256" TEXT PRIMARY KEY,
   "person" TEXT,
   "address" TEXT,
   "opened_at" TEXT,
   "seen_at" TEXT,
   "ends_at" TEXT
, "password_at" TEXT)

CREATE TABLE "tokens" (
   "id" TEXT PRIMARY KEY,
   "sha256" TEXT,
   "name" TEXT,
   "role" TEXT,
   "made_by" TEXT,
   "made_at" TEXT,
   "expires_at" TEXT,
   "used_at" TEXT
, "owner" TEXT)

CREATE UNIQUE INDEX "idx_tokens_sha256"
    ON "tokens" ("sha256")

CREATE TABLE "audits" (
   "id" INTEGER PRIMARY KEY,
   "at" TEXT,
   "who" TEXT,
   "address" TEXT,
   "action" TEXT,
   "subject" TEXT,
   "detail" TEXT
, "series" TEXT, "number" INTEGER, "times" INTEGER, "link" TEXT)

CREATE TABLE "jobs" (
   "id" TEXT PRIMARY KEY,
   "action" TEXT,
   "subject" TEXT,
   "who" TEXT,
   "started_at" TEXT,
   "ended_at" TEXT,
   "exit_code" INTEGER,
   "problem" TEXT,
   "process" TEXT
, "aim" TEXT, "outcome" TEXT, "task" TEXT)

CREATE INDEX "idx_peers_serial"
    ON "peers" ("serial")

CREATE TABLE "revocations" (
   "root" TEXT,
   "serial" TEXT,
   "at" TEXT,
   "reason" TEXT,
   "not_after" TEXT,
   PRIMARY KEY ("root", "serial")
)

CREATE TABLE "revocation_lists" (
   "root" TEXT PRIMARY KEY,
   "number" INTEGER,
   "this_update" TEXT,
   "next_update" TEXT,
   "serials" TEXT,
   "pem" TEXT
)

CREATE TABLE "conditions" (
   "scope" TEXT,
   "kind" TEXT,
   "subject" TEXT,
   "code" TEXT,
   "severity" TEXT,
   "title" TEXT,
   "problem" TEXT,
   "since" TEXT,
   PRIMARY KEY ("scope", "kind", "subject", "code")
)

CREATE TABLE "footprints" (
   "owner" TEXT PRIMARY KEY,
   "footprint" TEXT
)

CREATE TABLE "pins" (
   "module" TEXT,
   "slot" TEXT,
   "chain" TEXT NOT NULL,
   "who" TEXT,
   "at" TEXT,
   PRIMARY KEY ("module", "slot")
)

CREATE UNIQUE INDEX "idx_tokens_name"
    ON "tokens" ("name")

CREATE INDEX "idx_audits_series_number"
    ON "audits" ("series", "number")

CREATE INDEX "idx_audits_who_at"
    ON "audits" ("who", "at")

CREATE TABLE "audit_ends" (
   "series" TEXT PRIMARY KEY,
   "first" INTEGER,
   "before" TEXT,
   "number" INTEGER,
   "link" TEXT,
   "mac" TEXT
)

CREATE TABLE "audit_repeats" (
   "who" TEXT,
   "address" TEXT,
   "action" TEXT,
   "subject" TEXT,
   "detail" TEXT,
   "series" TEXT,
   "since" TEXT,
   "at" TEXT,
   "times" INTEGER,
   "mac" TEXT,
   PRIMARY KEY ("who", "address", "action", "subject", "detail")
)

CREATE TABLE "login_failures" (
   "key" TEXT PRIMARY KEY,
   "failures" INTEGER,
   "at" TEXT
)

CREATE TABLE "devices" (
   "sha256" TEXT PRIMARY KEY,
   "person" TEXT,
   "made_at" TEXT,
   "used_at" TEXT
)

CREATE INDEX "idx_devices_person"
    ON "devices" ("person")

CREATE TABLE "cross_certificates" (
   "subject" TEXT,
   "issuer" TEXT,
   "certificate" TEXT,
   "not_before" TEXT,
   "not_after" TEXT,
   "obstacle" TEXT,
   "created_at" TEXT,
   PRIMARY KEY ("subject", "issuer")
)

CREATE TABLE "rows_set_aside" (
   "id" INTEGER PRIMARY KEY,
   "at" TEXT,
   "of_table" TEXT,
   "key" TEXT,
   "reason" TEXT,
   "content" TEXT
)

CREATE TABLE "kept_keys" (
   "request" TEXT,
   "spki" TEXT,
   "public" BLOB NOT NULL,
   "role" TEXT NOT NULL,
   "sealed_key" BLOB,
   "since" TEXT NOT NULL,
   "renewals" INTEGER,
   "reason" TEXT,
   "unneeded_since" TEXT,
   PRIMARY KEY ("request", "spki")
)

CREATE TABLE "observations" (
   "kind" TEXT,
   "owner" TEXT,
   "subject" TEXT,
   "state" TEXT,
   "why" TEXT,
   "severity" TEXT,
   "fix" TEXT,
   "mends" INTEGER,
   "since" TEXT,
   "attempts" INTEGER,
   "tried_at" TEXT,
   "retry_at" TEXT,
   "said" TEXT,
   PRIMARY KEY ("kind", "owner", "subject")
)

CREATE TABLE "tlsa" (
   "owner" TEXT PRIMARY KEY,
   "records" TEXT,
   "authenticated" INTEGER NOT NULL,
   "ttl" INTEGER NOT NULL,
   "since" TEXT,
   "asked_at" TEXT,
   "next_at" TEXT,
   "problem" TEXT NOT NULL
)

CREATE TABLE "resolved_names" (
   "module" TEXT,
   "name" TEXT,
   "asked_at" TEXT,
   "seconds" INTEGER,
   "seen" TEXT,
   "answered_at" TEXT,
   "changes" TEXT,
   "words" TEXT,
   "failing_since" TEXT, "kept" TEXT NOT NULL DEFAULT '[]', "kept_since" TEXT,
   PRIMARY KEY ("module", "name")
)

CREATE TABLE "overrides" (
   "template" TEXT PRIMARY KEY,
   "text" TEXT NOT NULL,
   "since" TEXT NOT NULL
)

CREATE TABLE "deliveries" (
   "listener" TEXT PRIMARY KEY,
   "kind" TEXT NOT NULL,
   "plugin" TEXT NOT NULL,
   "told" INTEGER NOT NULL,
   "attempts" INTEGER NOT NULL,
   "tried_at" TEXT,
   "retry_at" TEXT,
   "failed" TEXT NOT NULL
)

CREATE TABLE "persistent" (
   "source" TEXT,
   "domain" TEXT,
   "ca" TEXT NOT NULL,
   "value" TEXT NOT NULL,
   "names" TEXT NOT NULL,
   "proves" TEXT NOT NULL,
   "seen" INTEGER NOT NULL,
   "servers" INTEGER NOT NULL,
   "problem" TEXT,
   "until" TEXT,
   "right_at" TEXT,
   "right_value" TEXT NOT NULL,
   "asked_at" TEXT,
   "next_at" TEXT, "origin" TEXT NOT NULL DEFAULT '',
   PRIMARY KEY ("source", "domain")
)

CREATE TABLE "dns_records" (
   "solver" TEXT,
   "zone" TEXT NOT NULL,
   "name" TEXT,
   "value" TEXT,
   "domain" TEXT NOT NULL,
   "request" TEXT NOT NULL,
   "source" TEXT NOT NULL,
   "at" TEXT NOT NULL,
   "attempts" INTEGER NOT NULL,
   "tried_at" TEXT,
   "retry_at" TEXT,
   "problem" TEXT, "settings_digest" TEXT NOT NULL DEFAULT '',
   PRIMARY KEY ("solver", "name", "value")
)

CREATE TABLE "challenge_windows" (
   "id" TEXT,
   "by" TEXT,
   "source" TEXT NOT NULL,
   "request" TEXT NOT NULL,
   "ports" TEXT NOT NULL,
   "names" TEXT NOT NULL,
   "argv" TEXT NOT NULL,
   "sealed_environment" BLOB,
   "seconds" INTEGER NOT NULL,
   "process" TEXT NOT NULL,
   "at" TEXT NOT NULL,
   "attempts" INTEGER NOT NULL,
   "tried_at" TEXT,
   "retry_at" TEXT,
   "failed" TEXT NOT NULL,
   PRIMARY KEY ("id", "by")
)

CREATE TRIGGER roots_insert after insert on roots begin delete from meta where key = 'trusted'; end

CREATE TRIGGER roots_update after update on roots begin delete from meta where key = 'trusted'; end

CREATE TRIGGER roots_delete after delete on roots begin delete from meta where key = 'trusted'; end

CREATE TRIGGER chains_insert after insert on chains begin delete from meta where key = 'trusted'; end

CREATE TRIGGER chains_update after update on chains begin delete from meta where key = 'trusted'; end

CREATE TRIGGER chains_delete after delete on chains begin delete from meta where key = 'trusted'; end

CREATE TRIGGER orders_insert after insert on orders begin delete from meta where key = 'trusted'; end

CREATE TRIGGER orders_update after update on orders begin delete from meta where key = 'trusted'; end

CREATE TRIGGER orders_delete after delete on orders begin delete from meta where key = 'trusted'; end

CREATE TRIGGER reissues_insert after insert on reissues begin delete from meta where key = 'trusted'; end

CREATE TRIGGER reissues_update after update on reissues begin delete from meta where key = 'trusted'; end

CREATE TRIGGER reissues_delete after delete on reissues begin delete from meta where key = 'trusted'; end

CREATE TRIGGER deployments_insert after insert on deployments begin delete from meta where key = 'trusted'; end

CREATE TRIGGER deployments_update after update on deployments begin delete from meta where key = 'trusted'; end

CREATE TRIGGER deployments_delete after delete on deployments begin delete from meta where key = 'trusted'; end

CREATE TRIGGER transactions_insert after insert on transactions begin delete from meta where key = 'trusted'; end

CREATE TRIGGER transactions_update after update on transactions begin delete from meta where key = 'trusted'; end

CREATE TRIGGER transactions_delete after delete on transactions begin delete from meta where key = 'trusted'; end

CREATE TRIGGER refusals_insert after insert on refusals begin delete from meta where key = 'trusted'; end

CREATE TRIGGER refusals_update after update on refusals begin delete from meta where key = 'trusted'; end

CREATE TRIGGER refusals_delete after delete on refusals begin delete from meta where key = 'trusted'; end

CREATE TRIGGER endpoints_insert after insert on endpoints begin delete from meta where key = 'trusted'; end

CREATE TRIGGER endpoints_update after update on endpoints begin delete from meta where key = 'trusted'; end

CREATE TRIGGER endpoints_delete after delete on endpoints begin delete from meta where key = 'trusted'; end

CREATE TRIGGER account_keys_insert after insert on account_keys begin delete from meta where key = 'trusted'; end

CREATE TRIGGER account_keys_update after update on account_keys begin delete from meta where key = 'trusted'; end

CREATE TRIGGER account_keys_delete after delete on account_keys begin delete from meta where key = 'trusted'; end

CREATE TRIGGER watches_insert after insert on watches begin delete from meta where key = 'trusted'; end

CREATE TRIGGER watches_update after update on watches begin delete from meta where key = 'trusted'; end

CREATE TRIGGER watches_delete after delete on watches begin delete from meta where key = 'trusted'; end

CREATE TRIGGER failing_names_insert after insert on failing_names begin delete from meta where key = 'trusted'; end

CREATE TRIGGER failing_names_update after update on failing_names begin delete from meta where key = 'trusted'; end

CREATE TRIGGER failing_names_delete after delete on failing_names begin delete from meta where key = 'trusted'; end

CREATE TRIGGER peers_insert after insert on peers begin delete from meta where key = 'trusted'; end

CREATE TRIGGER peers_update after update on peers begin delete from meta where key = 'trusted'; end

CREATE TRIGGER peers_delete after delete on peers begin delete from meta where key = 'trusted'; end

CREATE TRIGGER revocations_insert after insert on revocations begin delete from meta where key = 'trusted'; end

CREATE TRIGGER revocations_update after update on revocations begin delete from meta where key = 'trusted'; end

CREATE TRIGGER revocations_delete after delete on revocations begin delete from meta where key = 'trusted'; end

CREATE TRIGGER conditions_insert after insert on conditions begin delete from meta where key = 'trusted'; end

CREATE TRIGGER conditions_update after update on conditions begin delete from meta where key = 'trusted'; end

CREATE TRIGGER conditions_delete after delete on conditions begin delete from meta where key = 'trusted'; end

CREATE TRIGGER pins_insert after insert on pins begin delete from meta where key = 'trusted'; end

CREATE TRIGGER pins_update after update on pins begin delete from meta where key = 'trusted'; end

CREATE TRIGGER pins_delete after delete on pins begin delete from meta where key = 'trusted'; end

CREATE TRIGGER cross_certificates_insert after insert on cross_certificates begin delete from meta where key = 'trusted'; end

CREATE TRIGGER cross_certificates_update after update on cross_certificates begin delete from meta where key = 'trusted'; end

CREATE TRIGGER cross_certificates_delete after delete on cross_certificates begin delete from meta where key = 'trusted'; end

CREATE TRIGGER kept_keys_insert after insert on kept_keys begin delete from meta where key = 'trusted'; end

CREATE TRIGGER kept_keys_update after update on kept_keys begin delete from meta where key = 'trusted'; end

CREATE TRIGGER kept_keys_delete after delete on kept_keys begin delete from meta where key = 'trusted'; end

CREATE TRIGGER tlsa_insert after insert on tlsa begin delete from meta where key = 'trusted'; end

CREATE TRIGGER tlsa_update after update on tlsa begin delete from meta where key = 'trusted'; end

CREATE TRIGGER tlsa_delete after delete on tlsa begin delete from meta where key = 'trusted'; end

CREATE TRIGGER overrides_insert after insert on overrides begin delete from meta where key = 'trusted'; end

CREATE TRIGGER overrides_update after update on overrides begin delete from meta where key = 'trusted'; end

CREATE TRIGGER overrides_delete after delete on overrides begin delete from meta where key = 'trusted'; end

CREATE TRIGGER persistent_insert after insert on persistent begin delete from meta where key = 'trusted'; end

CREATE TRIGGER persistent_update after update on persistent begin delete from meta where key = 'trusted'; end

CREATE TRIGGER persistent_delete after delete on persistent begin delete from meta where key = 'trusted'; end

CREATE TRIGGER dns_records_insert after insert on dns_records begin delete from meta where key = 'trusted'; end

CREATE TRIGGER dns_records_update after update on dns_records begin delete from meta where key = 'trusted'; end

CREATE TRIGGER dns_records_delete after delete on dns_records begin delete from meta where key = 'trusted'; end

CREATE TRIGGER challenge_windows_insert after insert on challenge_windows begin delete from meta where key = 'trusted'; end

CREATE TRIGGER challenge_windows_update after update on challenge_windows begin delete from meta where key = 'trusted'; end

CREATE TRIGGER challenge_windows_delete after delete on challenge_windows begin delete from meta where key = 'trusted'; end
