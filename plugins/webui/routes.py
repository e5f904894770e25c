"""Table of the pages' addresses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from plugins.webui.pages import (
    certificates,
    chain,
    clock,
    connection,
    jobs,
    login,
    people,
    record,
    root,
    root_steps,
    signed,
    upload,
)
from plugins.webui.request_context import RequestContext

PAGES: tuple[tuple[str, str, Callable[[RequestContext], Awaitable[Response]]], ...] = (
    ("GET", "/", certificates.index),
    ("GET", "/certificates", certificates.show),
    ("POST", "/check", certificates.check),
    ("POST", "/reissue", certificates.reissue),
    ("GET", "/certificates/{id}", chain.show),
    ("GET", "/certificates/{id}/download", chain.download),
    ("GET", "/certificates/{id}/export", chain.ask_passphrase),
    ("POST", "/certificates/{id}/export", chain.export),
    ("GET", "/certificates/{id}/delete", chain.ask_delete),
    ("POST", "/certificates/{id}/delete", chain.delete),
    ("POST", "/certificates/{id}/pin", chain.pin),
    ("POST", "/certificates/{id}/unpin", chain.unpin),
    ("GET", "/upload", upload.show),
    ("POST", "/upload", upload.preview),
    ("POST", "/upload/confirm", upload.confirm),
    ("GET", "/root", root.show),
    ("GET", "/root/download", root.download),
    ("GET", "/root/crl", signed.crl),
    ("GET", "/root/signed/{id}", signed.download),
    ("GET", "/root/signed/{id}/revoke", signed.ask_revoke),
    ("POST", "/root/signed/{id}/revoke", signed.revoke),
    ("GET", "/root/reissue", root.ask_reissue),
    ("POST", "/root/reissue", root.reissue),
    ("GET", "/root/begin", root_steps.ask_begin),
    ("POST", "/root/begin", root_steps.begin),
    ("GET", "/root/retire", root_steps.ask_retire),
    ("POST", "/root/retire", root_steps.retire),
    ("GET", "/root/replace", root.ask_replace),
    ("POST", "/root/replace", root.preview),
    ("POST", "/root/replace/confirm", root.replace),
    ("GET", "/jobs/{id}", jobs.show),
    ("GET", "/jobs/{id}/steps", jobs.steps),
    ("GET", "/events", record.events),
    ("GET", "/audit", record.audit),
    ("GET", "/tokens", people.tokens),
    ("POST", "/tokens", people.make_token),
    ("GET", "/tokens/{id}/revoke", people.ask_revoke),
    ("POST", "/tokens/{id}/revoke", people.revoke_token),
    ("GET", "/login", login.show),
    ("POST", "/login", login.log_in),
    ("POST", "/logout", login.log_out),
    ("GET", "/password", login.ask_password),
    ("POST", "/password", login.change_password),
    ("GET", "/clock", clock.ask_accept),
    ("POST", "/clock", clock.accept),
    ("GET", "/connection", connection.show),
    ("GET", "/static/{name}", connection.static),
)
"""Method, address and handler."""
