"""Revocation lists of CAs: fetched over HTTP, verified, searched for the certificates of a chain."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given

from agent.crl import RevocationLists, RevocationStatus, check_revocation
from agent.crl.cache import BACK_OFF
from agent.crl.fetch_result import FetchFailedError, Validators
from agent.crl.fetching import fetch
from agent.crl.revocation_list import UnusableListError, read_list
from agent.errors.crl import CrlError, CrlRefused, CrlUnreachable
from agent.pki.chain import Chain
from support.cas import certificates as toy_ca
from support.cas import crls
from support.fuzz import changed, fuzzed, some_changes
from support.ports import free_port

NOW = toy_ca.NOW
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
NOTHING = Validators()


class Never(random.Random):
    """No jitter."""

    def random(self) -> float:
        return 0.0


@dataclass
class Ca:
    """A root with one intermediate, and the lists of both on a server."""

    web: crls.WebServer
    root: toy_ca.Party
    intermediate: toy_ca.Party

    @classmethod
    def on(cls, web: crls.WebServer) -> Ca:
        root = toy_ca.root()
        points = toy_ca.crl_points(web.url("/root.crl"))
        made = cls(web, root, root.authority("Toy Intermediate", extensions=points))
        made.publish()
        return made

    def publish(self, leaves: tuple = (), intermediates: tuple = (), **options) -> None:
        self.web.pages["/root.crl"] = crls.crl(self.root, *intermediates)
        self.web.pages["/leaves.crl"] = crls.crl(self.intermediate, *leaves, **options)

    def chain(self, *points: x509.ExtensionType, anchored: bool = True) -> Chain:
        extensions = points or toy_ca.crl_points(self.web.url("/leaves.crl"))
        leaf = self.intermediate.leaf("www.example.com", extensions=extensions)
        anchor = self.root.certificate if anchored else None
        return Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(self.intermediate.certificate,), anchor=anchor)

    def bare_chain(self) -> Chain:
        """Return a chain whose certificates name no list."""
        leaf = self.root.leaf("www.example.com")
        return Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(), anchor=self.root.certificate)


@pytest.fixture
def web():
    with crls.WebServer() as server:
        yield server


@pytest.fixture
def ca(web) -> Ca:
    return Ca.on(web)


@pytest.fixture
def lists() -> RevocationLists:
    return RevocationLists(chance=Never())


def failure(chain: Chain, lists: RevocationLists, now: datetime = NOW) -> CrlError:
    with pytest.raises(CrlError) as raised:
        check_revocation(chain, now, lists)
    return raised.value


def says(error: CrlError, pattern: str) -> bool:
    return re.search(pattern, str(error)) is not None


# What the lists say


def test_a_chain_that_is_on_no_list_is_looked_up_again_within_a_day(ca, lists):
    assert check_revocation(ca.chain(), NOW, lists) == RevocationStatus(None, "", NOW + DAY)
    assert ca.web.paths == ["/leaves.crl", "/root.crl"]


def test_a_leaf_that_was_revoked_is_found_with_instant_and_reason(ca, lists):
    chain = ca.chain()
    ca.publish([crls.revoked(7), crls.revoked(chain.leaf, "key_compromise", NOW - HOUR)])
    assert check_revocation(chain, NOW, lists) == RevocationStatus(NOW - HOUR, "keyCompromise", NOW + DAY)


def test_an_intermediate_that_was_revoked_counts_and_is_named(ca, lists):
    ca.publish(intermediates=[crls.revoked(ca.intermediate.certificate, "ca_compromise", NOW - HOUR)])
    found = check_revocation(ca.chain(), NOW, lists)
    assert (found.revoked_at, found.reason) == (NOW - HOUR, "Toy Intermediate: cACompromise")


@pytest.mark.parametrize(
    ("reason", "shown"),
    [(None, "unspecified"), ("superseded", "superseded"), ("certificate_hold", "certificateHold")],
)
def test_whatever_the_reason_it_is_revoked(ca, lists, reason, shown):
    chain = ca.chain()
    ca.publish([crls.revoked(chain.leaf, reason)])
    assert check_revocation(chain, NOW, lists).reason == shown


def test_what_was_taken_off_a_list_is_not_revoked(ca, lists):
    chain = ca.chain()
    ca.publish([crls.revoked(chain.leaf, "remove_from_crl")])
    assert check_revocation(chain, NOW, lists).revoked_at is None


def test_a_chain_that_names_no_list_is_not_looked_up(ca, lists):
    assert check_revocation(ca.bare_chain(), NOW, lists) == RevocationStatus(None, "", None)
    assert ca.web.paths == []


def test_lists_that_are_not_to_be_had_by_http_are_left_out(ca, lists):
    points = toy_ca.crl_points("ldap://ca.example.com/cn=crl", "file:///etc/passwd", "ftp://ca.example.com/1.crl")
    ca.intermediate = ca.root.authority("Another")
    assert check_revocation(ca.chain(*points), NOW, lists).next_at is None


def test_a_certificate_whose_issuer_is_not_known_can_not_be_judged(ca, lists):
    ca.publish(intermediates=[crls.revoked(ca.intermediate.certificate)])
    assert check_revocation(ca.chain(anchored=False), NOW, lists).revoked_at is None
    assert ca.web.paths == ["/leaves.crl"]


def test_what_is_known_to_be_revoked_is_so_even_where_another_list_is_missing(ca, lists):
    chain = ca.chain()
    ca.publish(intermediates=[crls.revoked(ca.intermediate.certificate)])
    ca.web.pages["/leaves.crl"] = 503
    assert check_revocation(chain, NOW, lists).revoked_at == NOW


def test_a_list_in_pem_is_read_too(ca, lists):
    chain = ca.chain()
    made = x509.load_der_x509_crl(crls.crl(ca.intermediate, crls.revoked(chain.leaf)))
    ca.web.pages["/leaves.crl"] = made.public_bytes(Encoding.PEM)
    assert check_revocation(chain, NOW, lists).revoked_at == NOW


def test_an_issuer_with_an_rsa_key_signs_lists_as_well(web, lists):
    ca = Ca(web, toy_ca.root(key=toy_ca.rsa_key()), toy_ca.p256_key())
    leaf = ca.root.leaf("www.example.com", extensions=toy_ca.crl_points(web.url("/root.crl")))
    web.pages["/root.crl"] = crls.crl(ca.root, crls.revoked(leaf.certificate))
    chain = Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(), anchor=ca.root.certificate)
    assert check_revocation(chain, NOW, lists).revoked_at == NOW


# Which list is the right one


def points(*groups: tuple[str, ...], reasons=None, issuer=None) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints(
        [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url) for url in urls], None, reasons, issuer)
            for urls in groups
        ]
    )


@pytest.mark.parametrize("together", [True, False])
def test_a_second_place_is_asked_where_the_first_fails(ca, lists, together):
    urls = (ca.web.url("/gone.crl"), ca.web.url("/leaves.crl"))
    chain = ca.chain(points(urls) if together else points(*[(url,) for url in urls]))
    ca.publish([crls.revoked(chain.leaf)])
    assert check_revocation(chain, NOW, lists).revoked_at == NOW
    assert ca.web.paths == ["/gone.crl", "/leaves.crl"]


def test_where_all_places_fail_the_first_is_named(ca, lists):
    error = failure(ca.chain(points((ca.web.url("/a.crl"), ca.web.url("/b.crl")))), lists)
    assert ca.web.url("/a.crl") in error.problem.cause


def test_lists_for_certain_reasons_are_each_looked_at(ca, lists):
    compromised = points((ca.web.url("/compromised.crl"),), reasons=frozenset({x509.ReasonFlags.key_compromise}))
    others = points((ca.web.url("/leaves.crl"),), reasons=frozenset({x509.ReasonFlags.superseded}))
    chain = ca.chain(x509.CRLDistributionPoints([*compromised, *others]))
    ca.web.pages["/compromised.crl"] = crls.crl(ca.intermediate)
    ca.publish([crls.revoked(chain.leaf, "superseded")])
    assert check_revocation(chain, NOW, lists).reason == "superseded"


def test_a_list_that_somebody_else_keeps_is_left_out(ca, lists):
    someone = [x509.DirectoryName(toy_ca.named("Keeper of lists"))]
    chain = ca.chain(points((ca.web.url("/leaves.crl"),), issuer=someone), anchored=False)
    assert check_revocation(chain, NOW, lists) == RevocationStatus(None, "", None)


def test_a_list_about_a_part_of_the_certificates_is_good_for_those_that_name_it(ca, lists):
    chain = ca.chain()
    about = crls.part(ca.web.url("/leaves.crl"), only_contains_user_certs=True)
    ca.publish([crls.revoked(chain.leaf)], extensions=(about,))
    assert check_revocation(chain, NOW, lists).revoked_at == NOW


# What says nothing


def without_next_update(issuer: toy_ca.Party) -> bytes:
    """Return a list without nextUpdate, encoded here because the library refuses to."""
    made = x509.load_der_x509_crl(crls.crl(issuer))
    tbs = made.tbs_certlist_bytes
    instant = b"\x17\x0d" + made.next_update_utc.strftime("%y%m%d%H%M%SZ").encode()
    content = tbs[tbs[1] - 0x80 + 2 if tbs[1] > 0x80 else 2 :].replace(instant, b"", 1)
    return signed(issuer, sequence(content))


def mended(issuer: toy_ca.Party, made: bytes, old: bytes, new: bytes) -> bytes:
    """Replace octets of a list by as many others, and sign it again."""
    tbs = x509.load_der_x509_crl(made).tbs_certlist_bytes
    assert tbs.count(old) == 1
    assert len(old) == len(new)
    return signed(issuer, tbs.replace(old, new))


def signed(issuer: toy_ca.Party, tbs: bytes) -> bytes:
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
    signature = b"\x00" + issuer.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return sequence(tbs + algorithm + b"\x03" + length(signature) + signature)


def sequence(content: bytes) -> bytes:
    return b"\x30" + length(content) + content


def length(content: bytes) -> bytes:
    size = len(content)
    octets = size.to_bytes(2, "big").lstrip(b"\0")
    return octets if size < 0x80 else bytes([0x80 + len(octets)]) + octets


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
ELSEWHERE = "http://ca.example.com/another.crl"


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda ca: b"<html>It works!</html>", "it is damaged or not a list"),
        (lambda ca: b"", "it is damaged or not a list"),
        (lambda ca: crls.crl(ca.intermediate)[:-9], "it is damaged or not a list"),
        (lambda ca: crls.crl(ca.root), "it is another CA's"),
        (lambda ca: crls.crl(ca.root, named=ca.intermediate.certificate.subject), "its signature is not the CA's"),
        (
            lambda ca: crls.crl(toy_ca.root(key=toy_ca.rsa_key()), named=ca.intermediate.certificate.subject),
            "its signature is not the CA's|it is damaged",
        ),
        (lambda ca: crls.crl(ca.intermediate, now=NOW - 8 * DAY), "it expired at 2026-10-31T12:00:00Z"),
        (lambda ca: crls.crl(ca.intermediate, now=NOW + HOUR), r"it is from the future \(2026-11-01T13:00:00Z\)"),
        (lambda ca: without_next_update(ca.intermediate), "it has no nextUpdate"),
        (
            lambda ca: crls.crl(ca.intermediate, extensions=((x509.DeltaCRLIndicator(1), True),)),
            "it holds the changes of another list only",
        ),
        (
            lambda ca: crls.crl(ca.intermediate, extensions=((UNKNOWN, True),)),
            r"it has an extension that is critical and unknown \(1\.3\.6\.1\.4\.1\.55555\.1\)",
        ),
        (
            lambda ca: crls.crl(ca.intermediate, extensions=(crls.part(indirect_crl=True),)),
            "it is about certificates of several CAs",
        ),
        (
            lambda ca: crls.crl(ca.intermediate, extensions=(crls.part(ELSEWHERE),)),
            "it is about another part of the CA's certificates",
        ),
        (
            lambda ca: crls.crl(ca.intermediate, extensions=(crls.part(only_contains_ca_certs=True),)),
            "it is about certificates of CAs only",
        ),
        (
            lambda ca: crls.crl(ca.intermediate, extensions=(crls.part(only_contains_attribute_certs=True),)),
            "it is about attributes only",
        ),
    ],
)
def test_what_is_no_proper_list_of_the_ca_says_nothing(ca, lists, made, reason):
    ca.web.pages["/leaves.crl"] = made(ca)
    error = failure(ca.chain(), lists)
    assert isinstance(error, CrlRefused)
    assert says(error, f"is of no use: {reason}")
    assert error.retry_at > NOW


def test_a_reason_that_nobody_knows_is_no_reason_to_trust_it(ca, lists):
    chain = ca.chain()
    known = bytes.fromhex("0603551d1504030a0101")  # reasonCode: keyCompromise
    made = crls.crl(ca.intermediate, crls.revoked(chain.leaf))
    ca.web.pages["/leaves.crl"] = mended(ca.intermediate, made, known, known[:-1] + b"\x63")
    assert check_revocation(chain, NOW, lists).reason == "unspecified"


def test_a_list_whose_entries_are_damaged_says_nothing(ca, lists):
    made = crls.crl(ca.intermediate, crls.revoked(0x1234567890ABCDEF))
    serial = bytes.fromhex("02081234567890abcdef")
    ca.web.pages["/leaves.crl"] = mended(ca.intermediate, made, serial, b"\x04" + serial[1:])
    assert says(failure(ca.chain(), lists), "it is damaged or not a list")


def test_a_list_about_leaves_says_nothing_of_an_intermediate(ca, lists):
    ca.web.pages["/root.crl"] = crls.crl(ca.root, extensions=(crls.part(only_contains_user_certs=True),))
    assert says(failure(ca.chain(), lists), "it is not about certificates of CAs")


def test_an_extension_that_is_not_critical_is_ignored(ca, lists):
    chain = ca.chain()
    ca.publish([crls.revoked(chain.leaf)], extensions=((UNKNOWN, False), (x509.CRLNumber(7), False)))
    assert check_revocation(chain, NOW, lists).revoked_at == NOW


@pytest.mark.parametrize("allowed", [True, False])
def test_an_issuer_must_be_allowed_to_sign_lists(web, lists, allowed):
    ca = Ca.on(web)
    ca.intermediate = ca.root.authority("Signer", cert_sign=True) if allowed else signer_of_leaves_only(ca.root)
    ca.publish()
    if allowed:
        assert check_revocation(ca.chain(), NOW, lists).revoked_at is None
    else:
        assert says(failure(ca.chain(), lists), "the CA's certificate does not allow it to sign lists")


def signer_of_leaves_only(root: toy_ca.Party) -> toy_ca.Party:
    both = toy_ca.key_usage(cert_sign=True)
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = x509.KeyUsage(
        **{name: getattr(both, name) for name in names},
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return root.authority("Signer", extensions=(usage,))


FUZZED = toy_ca.root("Fuzzed")
FUZZED_LEAF = FUZZED.leaf("www.example.com", extensions=toy_ca.crl_points(ELSEWHERE)).certificate
FUZZED_TBS = x509.load_der_x509_crl(
    crls.crl(FUZZED, crls.revoked(FUZZED_LEAF), extensions=(crls.part(ELSEWHERE), (x509.CRLNumber(3), False)))
).tbs_certlist_bytes


@given(some_changes)
@fuzzed(examples=300, many=50_000)
def test_whatever_a_ca_signs_is_a_list_or_refused(changes):
    with suppress(UnusableListError):
        found = read_list(signed(FUZZED, changed(FUZZED_TBS, changes)), FUZZED.certificate)
        found.check(NOW)
        found.find(FUZZED_LEAF, frozenset([x509.UniformResourceIdentifier(ELSEWHERE)]))


# What can't be fetched


def hang_up(request) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


def stop_short(request) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"0123456789")


def answer_nonsense(request) -> None:
    request.wfile.write(b"220 mail.example.com ESMTP\r\n")


def say_nothing(request) -> None:
    drip(request, b"")


def drip_headers(request) -> None:
    drip(request, b"HTTP/1.1 200 OK\r\nX-Slow: ")


def drip_body(request) -> None:
    drip(request, b"HTTP/1.1 200 OK\r\n\r\n")


def drip(request, first: bytes) -> None:
    """Send a byte now and then, until the connection is closed."""
    request.wfile.write(first)
    try:
        while not wait_for_end(request.connection, 0.02):
            if first:
                request.wfile.write(b"x")
    except OSError:
        pass


def wait_for_end(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False


def redirect(to: str):
    def answer(request) -> None:
        request.send_response(302)
        request.send_header("Location", to)
        request.end_headers()

    return answer


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (404, "the server answers with HTTP status 404"),
        (503, "the server answers with HTTP status 503"),
        (304, "the server says that nothing has changed, without having been asked"),
        (hang_up, "the connection was closed early"),
        (stop_short, "the connection was closed early"),
        (answer_nonsense, "the connection was closed early"),
        (say_nothing, "no complete answer in time"),
        (drip_headers, "no complete answer in time"),
        (drip_body, "no complete answer in time"),
        (bytes(2 * 1024**2), "it is larger than 1 MB"),
        (redirect("/leaves.crl"), "it redirects more than 5 times"),
        (redirect("ftp://127.0.0.1/1.crl"), "its URL can't be used"),
        (redirect("file:///etc/passwd"), "its URL can't be used"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:30]),
)
def test_a_server_that_fails_is_a_note_and_the_chain_stays(ca, page, reason):
    ca.web.pages["/leaves.crl"] = page
    lists = RevocationLists(get=partial(fetch, largest=1024**2), seconds=0.4)
    error = failure(ca.chain(), lists)
    assert isinstance(error, CrlUnreachable)
    assert says(error, f'can\'t be fetched from "{ca.web.url("/leaves.crl")}": ({reason})\\.\n')
    assert error.problem.effect == "The chain stays in service."


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:{free}/1.crl", "connection refused"),
        ("http://nowhere.invalid/1.crl", "name or service not known|temporary failure in name resolution"),
        ("http:///1.crl", "its URL can't be used"),
        ("http://[::1/1.crl", "its URL can't be used"),
        ("http://127.0.0.1:port/1.crl", "its URL can't be used|the connection was closed early"),
        ("ftp://127.0.0.1/1.crl", "its URL can't be used"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(url, reason):
    with pytest.raises(FetchFailedError, match=f"^({reason})"):
        fetch(url.replace("{free}", str(free_port())), NOTHING, soon())


def soon() -> float:
    """Return a deadline that is only met when something is wrong."""
    return time.monotonic() + 30


def test_a_redirection_is_followed(ca, lists):
    chain = ca.chain()
    ca.publish([crls.revoked(chain.leaf)])
    ca.web.pages["/moved.crl"] = ca.web.pages["/leaves.crl"]
    ca.web.pages["/leaves.crl"] = redirect("/moved.crl")
    assert check_revocation(chain, NOW, lists).revoked_at == NOW


def test_a_server_whose_certificate_nobody_trusts_is_not_asked(tls_server):
    with pytest.raises(FetchFailedError, match=r"unable to get local issuer certificate|self-signed certificate"):
        fetch(tls_server.url, NOTHING, soon())


def test_lists_are_fetched_over_tls_as_well(tls_server, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_server.trust))
    assert fetch(tls_server.url, NOTHING, soon()).body == b"a list"


def test_a_server_that_is_slow_within_tls_is_cut_off(monkeypatch):
    listening = socket.create_server(("127.0.0.1", 0))  # accepts, and never says a word
    with listening, pytest.raises(FetchFailedError, match="no complete answer in time"):
        fetch(f"https://127.0.0.1:{listening.getsockname()[1]}/1.crl", NOTHING, time.monotonic() + 0.4)


# What is told of who asks


def test_nothing_is_told_of_who_asks(ca, lists, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login admin password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    check_revocation(ca.chain(), NOW, lists)
    _path, headers = ca.web.requests[0]
    assert headers.pop("user-agent").startswith("chainwright/")
    assert headers.keys() == {"accept-encoding", "host", "accept", "connection"}


def test_the_proxy_of_the_environment_is_used(ca, lists, monkeypatch):
    with crls.WebServer() as proxy:
        proxy.pages["http://crl.example.com/1.crl"] = crls.crl(ca.intermediate)
        monkeypatch.setenv("http_proxy", proxy.url(""))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        chain = ca.chain(*toy_ca.crl_points("http://crl.example.com/1.crl"))
        assert check_revocation(chain, NOW, lists).next_at == NOW + DAY
    assert proxy.paths == ["http://crl.example.com/1.crl"]
    assert ca.web.paths == ["/root.crl"]


# One download for all


def test_a_thousand_chains_of_a_ca_are_judged_by_one_download(ca, lists):
    chains = [ca.chain() for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: check_revocation(chains[number % 20], NOW, lists), range(1000)))
    assert set(found) == {RevocationStatus(None, "", NOW + DAY)}
    assert sorted(ca.web.paths) == ["/leaves.crl", "/root.crl"]


def test_a_chain_that_comes_later_is_judged_by_the_same_list_and_looked_up_with_the_others(ca, lists):
    check_revocation(ca.chain(), NOW, lists)
    assert check_revocation(ca.chain(), NOW + 23 * HOUR, lists).next_at == NOW + DAY
    assert len(ca.web.paths) == 2


def test_when_it_is_due_a_list_is_fetched_again(ca, lists):
    chain = ca.chain()
    check_revocation(chain, NOW, lists)
    ca.publish([crls.revoked(chain.leaf)], now=NOW + DAY)
    assert check_revocation(chain, NOW + DAY - MINUTE, lists).revoked_at is None
    assert check_revocation(chain, NOW + DAY, lists).revoked_at is not None


def test_a_list_that_has_not_changed_is_not_sent_again(ca, lists):
    ca.web.etags["/leaves.crl"] = '"v1"'
    check_revocation(ca.chain(), NOW, lists)
    again = check_revocation(ca.chain(), NOW + DAY, lists)
    assert again.next_at == NOW + 2 * DAY
    asked = [headers.get("if-none-match") for path, headers in ca.web.requests if path == "/leaves.crl"]
    assert asked == [None, '"v1"']


def test_a_date_tells_versions_apart_where_there_is_nothing_better(ca, lists):
    body, date = ca.web.pages["/leaves.crl"], "Sun, 01 Nov 2026 12:00:00 GMT"

    def dated(request) -> None:
        unchanged = request.headers.get("If-Modified-Since") == date
        request.send_response(304 if unchanged else 200)
        request.send_header("Last-Modified", date)
        request.end_headers()
        request.wfile.write(b"" if unchanged else body)

    ca.web.pages["/leaves.crl"] = dated
    for now in (NOW, NOW + DAY):
        assert check_revocation(ca.chain(anchored=False), now, lists).next_at == now + DAY
    assert [headers.get("if-modified-since") for _path, headers in ca.web.requests] == [None, date]


@pytest.mark.parametrize(
    ("lasts", "pause"), [(9 * DAY, DAY), (3 * HOUR, 3 * HOUR), (10 * MINUTE, HOUR)], ids=["long", "short", "minutes"]
)
def test_a_list_is_looked_at_again_when_the_next_one_is_due_within_an_hour_and_a_day(ca, lists, lasts, pause):
    ca.publish(lasts=lasts)
    assert check_revocation(ca.chain(anchored=False), NOW, lists).next_at == NOW + pause


def test_appliances_do_not_all_look_at_the_same_time(ca):
    instants = [
        check_revocation(ca.chain(anchored=False), NOW, RevocationLists(chance=random.Random(seed))).next_at
        for seed in range(5)
    ]
    assert len(set(instants)) == 5
    assert all(NOW + 0.9 * DAY <= at <= NOW + DAY for at in instants)


def test_two_cas_that_share_an_address_are_told_apart(ca, lists):
    check_revocation(ca.chain(), NOW, lists)
    other = Ca.on(ca.web)
    check_revocation(other.chain(), NOW, lists)
    assert says(failure(ca.chain(), RevocationLists()), "it is another CA's|its signature is not the CA's")


def test_lists_that_take_too_much_memory_are_fetched_again(ca):
    lists = RevocationLists(chance=Never(), kept=len(ca.web.pages["/leaves.crl"]))
    chain = ca.chain()
    for _ in range(2):
        assert check_revocation(chain, NOW, lists).next_at == NOW + DAY
    assert ca.web.paths == ["/leaves.crl", "/root.crl"] * 2


def test_without_lists_of_its_own_a_call_fetches_for_itself(ca):
    chain = ca.chain(anchored=False)
    for _ in range(2):
        check_revocation(chain, NOW)
    assert ca.web.paths == ["/leaves.crl"] * 2


# One failure for all


def test_chains_of_a_ca_whose_server_is_down_share_one_failure(ca, lists):
    ca.web.pages["/leaves.crl"] = 503
    errors = [failure(ca.chain(anchored=False), lists) for _ in range(20)]
    assert ca.web.paths == ["/leaves.crl"]
    assert {error.retry_at for error in errors} == {NOW + 10 * MINUTE}


def test_a_server_that_stays_down_is_asked_less_and_less(ca, lists):
    ca.web.pages["/leaves.crl"] = 503
    now, pauses = NOW, []
    for _ in range(6):
        again = failure(ca.chain(anchored=False), lists, now).retry_at
        pauses.append(again - now)
        now = again
    assert tuple(pauses) == (*BACK_OFF, BACK_OFF[-1], BACK_OFF[-1])
    ca.publish(now=now)
    assert check_revocation(ca.chain(anchored=False), now, lists).next_at == now + DAY
    ca.web.pages["/leaves.crl"] = 503
    down = now + 10 * DAY
    assert failure(ca.chain(anchored=False), lists, down).retry_at == down + BACK_OFF[0]


@pytest.mark.parametrize("page", [503, b"nonsense"], ids=["down", "nonsense"])
def test_a_list_holds_as_long_as_it_says_while_the_server_fails(ca, lists, page):
    chain = ca.chain(anchored=False)
    ca.publish([crls.revoked(chain.leaf)])
    check_revocation(chain, NOW, lists)
    ca.web.pages["/leaves.crl"] = page
    assert check_revocation(chain, NOW + DAY, lists) == RevocationStatus(NOW, "keyCompromise", NOW + DAY + 10 * MINUTE)
    assert failure(chain, lists, NOW + 7 * DAY).retry_at == NOW + 7 * DAY + HOUR


def test_a_list_that_the_server_calls_unchanged_expires_all_the_same(ca, lists):
    ca.web.etags["/leaves.crl"] = '"v1"'
    check_revocation(ca.chain(anchored=False), NOW, lists)
    assert says(failure(ca.chain(anchored=False), lists, NOW + 7 * DAY), "it expired at 2026-11-08T12:00:00Z")


def test_a_clock_that_was_set_back_lets_lists_be_looked_at_again(ca, lists):
    ca.publish(lasts=30 * DAY)
    check_revocation(ca.chain(anchored=False), NOW + 20 * DAY, lists)
    check_revocation(ca.chain(anchored=False), NOW, lists)
    assert ca.web.paths == ["/leaves.crl"] * 2


def test_the_earliest_of_several_failures_says_when_to_look_again(ca, lists):
    failing = ca.chain()
    ca.web.pages["/leaves.crl"] = ca.web.pages["/root.crl"] = 503
    failure(ca.chain(anchored=False), lists)
    error = failure(failing, lists, NOW + 10 * MINUTE)
    assert error.retry_at == NOW + 20 * MINUTE


# Servers


@dataclass
class TlsServer:
    url: str
    trust: object


@pytest.fixture
def tls_server(tmp_path):
    """Answers each connection with one and the same body."""
    import ssl

    root = toy_ca.root(now=datetime.now(NOW.tzinfo))
    leaf = root.leaf("127.0.0.1", now=datetime.now(NOW.tzinfo))
    (tmp_path / "chain.pem").write_bytes(toy_ca.pem(leaf.certificate) + toy_ca.key_pem(leaf.key))
    (tmp_path / "root.pem").write_bytes(toy_ca.pem(root.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _peer = listening.accept()
        with connection:
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(4096)
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na list")
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    yield TlsServer(f"https://127.0.0.1:{listening.getsockname()[1]}/1.crl", tmp_path / "root.pem")
    thread.join(20)
    listening.close()
