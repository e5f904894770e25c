"""Lists of revoked certificates of any shape, and a web server that has them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from support.cas import certificates as toy_ca

Page = bytes | int | Callable[[BaseHTTPRequestHandler], None]
"""A body, an HTTP status, or what answers."""


def crl(
    issuer: toy_ca.Party,
    *revoked: x509.RevokedCertificate,
    now: datetime = toy_ca.NOW,
    lasts: timedelta = 7 * toy_ca.DAY,
    named: x509.Name | None = None,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    """Return a list in DER, signed by `issuer`; `extensions` with whether each is critical."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(named or issuer.certificate.subject)
        .last_update(now)
        .next_update(now + lasts)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    for each in revoked:
        builder = builder.add_revoked_certificate(each)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def revoked(
    certificate: x509.Certificate | int, reason: str | None = "key_compromise", at: datetime = toy_ca.NOW
) -> x509.RevokedCertificate:
    serial = certificate if isinstance(certificate, int) else certificate.serial_number
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
    if reason:
        builder = builder.add_extension(x509.CRLReason(x509.ReasonFlags[reason]), critical=False)
    return builder.build()


def part(*urls: str, **what: bool) -> tuple[x509.IssuingDistributionPoint, bool]:
    """Return the extension that says which part of the certificates a list is about (RFC 5280 section 5.2.5)."""
    about = dict.fromkeys(
        (
            "only_contains_user_certs",
            "only_contains_ca_certs",
            "indirect_crl",
            "only_contains_attribute_certs",
        ),
        False,
    )
    names = [x509.UniformResourceIdentifier(url) for url in urls] or None
    point = x509.IssuingDistributionPoint(
        full_name=names, relative_name=None, only_some_reasons=None, **{**about, **what}
    )
    return point, True


class WebServer:
    """Serves what is in `pages` on loopback, and remembers who asked how."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.etags: dict[str, str] = {}
        """Of pages for which the server can say that nothing has changed."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Target and headers, these with names in lower case."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *_arguments) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _headers in self.requests]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        page = self.pages.get(request.path, 404)
        etag = self.etags.get(request.path)
        if callable(page):
            page(request)
        elif etag and request.headers.get("If-None-Match") == etag:
            request.send_response(304)
            request.end_headers()
        elif isinstance(page, int):
            request.send_error(page)
        else:
            request.send_response(200)
            if etag:
                request.send_header("ETag", etag)
            request.send_header("Content-Length", str(len(page)))
            request.end_headers()
            with suppress(ConnectionError):  # who asked may have stopped reading
                request.wfile.write(page)

    def __enter__(self) -> WebServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
