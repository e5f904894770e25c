"""What the web interface shows to anybody: the chain of the connection, and how pages are made."""

import hashlib
import re

import pytest

from support.appliances.webui import Appliance, Pair, Root
from support.paths import CHECKOUT


def pairs(text: str) -> str:
    return ":".join(re.findall("..", text.upper() if len(text) % 2 == 0 else f"0{text.upper()}"))


def test_the_page_names_the_chain_of_this_connection(serving: Appliance, ecdsa: Pair) -> None:
    answer, page = serving.ask("/connection")
    assert answer.status == 200
    assert answer.getheader("content-type") == "text/html; charset=utf-8"
    cells = dict(re.findall(r'<th scope="row">(.*?)</th><td>(?:<\w+[^>]*>)?([^<]*)', page))
    assert cells == {
        "Names": "gw, localhost, 127.0.0.1",
        "Issuer": "CN=Test Root",
        "Serial number": pairs(f"{ecdsa.leaf.serial_number:x}"),
        "Valid until": ecdsa.leaf.not_valid_after_utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "SHA-256 fingerprint": pairs(hashlib.sha256(ecdsa.der).hexdigest()),
        "Slot": "address",
        "Generation": "1",
    }
    assert "chainwright root download" in page


def test_what_a_certificate_says_is_escaped(appliance: Appliance, root: Root) -> None:
    appliance.stage(1, root.issue("localhost", "<script>.example.com"))
    appliance.switch(1)
    appliance.start()
    assert "localhost, &lt;script&gt;.example.com" in appliance.ask("/connection")[1]


def test_a_chain_that_cannot_be_used_at_the_start_is_stood_in_for_and_this_is_said(
    appliance: Appliance, root: Root, ecdsa: Pair
) -> None:
    generation = appliance.stage(1, ecdsa, root.issue("gw.example.com"))
    (generation / "name/key.pem").write_bytes(root.issue("gw.example.com").key)
    appliance.switch(1)
    appliance.start()
    assert appliance.presented("gw.example.com", unverified(root)) == ecdsa.der
    assert appliance.presented() == ecdsa.der
    assert "slot name falls back to address: This private key does not belong to" in appliance.log
    with_name = appliance.https("127.0.0.1")
    with_name.request("GET", "/connection")
    assert "rescue" not in with_name.getresponse().read().decode()
    with_name.close()
    page = ask_by_name(appliance, "gw.example.com", "/connection")
    assert "This is the rescue certificate: that of the slot “name” could not be used." in page


def unverified(root: Root):
    context = root.client(alpn=False)
    context.check_hostname = False
    return context


def ask_by_name(appliance: Appliance, name: str, path: str) -> str:
    with appliance.connect(name, unverified(appliance.root)) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: stream.recv(65536), b"")).decode()


@pytest.mark.parametrize("path", ["/", "/login", "/connection", "/generation", "/nowhere", "/certificates"])
def test_every_answer_is_hardened(serving: Appliance, path: str) -> None:
    headers = serving.ask(path)[0].headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["server"] is None
    assert headers.get_all("content-security-policy") == [policy]


@pytest.mark.parametrize("path", ["/login", "/connection", "/generation", "/nowhere"])
def test_who_only_looks_gets_no_cookie(serving: Appliance, path: str) -> None:
    assert serving.ask(path)[0].headers["set-cookie"] is None


def test_an_unknown_path_is_a_page_with_status_404(serving: Appliance) -> None:
    for path in ("/nowhere", "/generation/", "/%ff", "/..%2fetc", "/static/..%2f..%2ftls.py", "/static/../tls.py"):
        answer, page = serving.ask(path)
        assert answer.status == 404, path
        assert "<h1>There is no such page</h1>" in page


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/connection", "/generation", "/nowhere"])
def test_what_can_only_be_read_says_so(serving: Appliance, method: str, path: str) -> None:
    answer, page = serving.ask(path, method)
    assert (answer.status, answer.getheader("allow")) == (405, "GET, HEAD")
    assert "This can only be read" in page


def test_head_is_get_without_the_body(serving: Appliance) -> None:
    answer, body = serving.ask("/connection", "HEAD")
    assert (answer.status, body) == (200, "")
    assert int(answer.getheader("content-length") or 0) > 500


def test_what_a_page_needs_comes_from_here_and_is_kept_for_ever_under_an_address_that_changes_with_it(
    serving: Appliance,
) -> None:
    page = serving.ask("/login")[1]
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) == 5
    for address in addresses:
        answer, content = serving.ask(address)
        assert answer.status == 200
        assert answer.getheader("cache-control") == "public, max-age=31536000, immutable"
        assert address.startswith(f"/static/{hashlib.sha256(content.encode()).hexdigest()[:16]}.")
    assert re.findall(r'(?:src|href|action)="(?!/|#)[^"]*"', page) == []


def test_what_is_not_ours_is_what_its_authors_published() -> None:
    static = CHECKOUT / "plugins/webui/static"
    sums = dict(
        re.findall(
            r"^\| `(htmx[^`]*\.js)` \| `[^`]*` \| `([0-9a-f]{64})` \|$", (static / "README.md").read_text(), re.M
        )
    )
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in static.glob("htmx*.js")}
    assert len(sums) == 2


@pytest.mark.parametrize("name", ["style.css", "0000000000000000.style.css", "README.md", "htmx-LICENSE.txt"])
def test_nothing_else_of_the_directory_is_given_out(serving: Appliance, name: str) -> None:
    assert serving.ask(f"/static/{name}")[0].status == 404


def test_pages_hold_neither_scripts_nor_styles_of_their_own(serving: Appliance) -> None:
    for path in ("/login", "/connection", "/nowhere"):
        page = serving.ask(path)[1]
        assert re.findall(r"<script(?![^>]* src=)", page) == []
        assert "<style" not in page
        assert re.findall(r'\s(?:style|on\w+)="', page) == []


def test_the_operators_template_comes_first_and_is_seen_without_a_reload(serving_with_override: Appliance) -> None:
    override = serving_with_override.templates[0] / "connection.html.j2"
    assert "connection&#39;s certificate</h1>" in serving_with_override.ask("/connection")[1]
    override.write_text("Slot {{ slot.slot }} of our gateway")
    assert serving_with_override.ask("/connection")[1] == "Slot address of our gateway"
    override.unlink()
    assert "connection&#39;s certificate</h1>" in serving_with_override.ask("/connection")[1]


RENDERING = "connection.html.j2: This template of the web interface does not render"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("a\n{{ slot }", f"{RENDERING}: line 2: unexpected '}}'."),
        ("{{ solt }}", f"{RENDERING}: 'solt' is undefined."),
        ("{{ 1 / 0 }}", f"{RENDERING}: division by zero."),
        ("{{ t('nothing.like.it') }}", f"{RENDERING}: 'nothing.like.it'."),
        ("{% include 'x' %}", "x: This template of the web interface does not render: it is in none of"),
    ],
)
def test_a_broken_template_is_named_in_the_log_and_not_on_the_page(
    serving_with_override: Appliance, template: str, reason: str
) -> None:
    (serving_with_override.templates[0] / "connection.html.j2").write_text(template)
    answer, page = serving_with_override.ask("/connection")
    assert answer.status == 500
    assert page == "A template of this page is broken (webui.template_broken); the log says where.\n"
    assert reason in serving_with_override.wait_for_log("does not render")
    assert serving_with_override.ask("/generation")[1] == '{"generation":1}'
