"""The web interface with the real agent behind it: what an administrator does, without scripts."""

import http.client
import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest

from agent.auth import Accounts, Role
from agent.store import Store
from agent.store.instants import written
from agent.system.layout import Layout
from plugins.webui.pid_file import PID_FILE
from support.appliances.webui import PATIENCE, Appliance, Root
from support.cas.certificates import Party, key_pem, pem
from support.cas.certificates import root as toy_root
from support.fakes.api import Answer, Browser
from support.passwords import CHEAP
from support.paths import CHECKOUT
from support.processes import passes, prepared
from support.processes.writing import writing
from support.waiting import until

LAUNCHER = """
import os, socket, sys
from html import unescape
from pathlib import Path
from agent.api.authentication import PeerProcesses
from agent.api.services import ApiServices
from agent.api.process import serve
from agent.system.layout import Layout
layout = Layout(Path(sys.argv[1]))
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(str(layout.api))
    listener.listen()
    serve(ApiServices(layout, PeerProcesses(os.geteuid(), frozenset({os.geteuid()}))), listener)
"""
SETTINGS = """
sources = ["uploaded", "local"]

[modules.webui]
domain = "portal.example.com"
listen = "127.0.0.1:{port}"
run_as = "{user}"

[services.webui]
manager = "commands"
"""
PASSWORD = "correct horse battery"


@dataclass
class Whole(Appliance):
    """A web interface whose chains the real agent deploys, and which asks that agent's API."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = Layout(self.directory)
        super().__post_init__()
        self.live = self.layout.module("webui").live
        self.pid_file = self.layout.rooted(PID_FILE)
        self.api = self.layout.api

    def agent(self, *words: str) -> None:
        command = ["-P", "-m", "agent", "--root", self.directory, *words]
        done = prepared.run(command, cwd=CHECKOUT, timeout=PATIENCE * 3)
        assert done.returncode in {0, 3}, done.stderr

    def bring_up(self) -> None:
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.layout.etc.mkdir(parents=True)
        self.port = free_port()
        self.layout.settings.write_text(SETTINGS.format(port=self.port, user=user))
        self.agent("apply")
        self.launch(port=self.port)
        self.wait_for_log("is served on https://")
        self.processes.append(prepared.start(["-c", LAUNCHER, self.directory], cwd=CHECKOUT))
        until(self.api.exists, what="the API's socket")
        self.agent("apply")
        self.processes.append(passes.start(self.layout))

    def https(self, host: str = "localhost") -> http.client.HTTPSConnection:
        """Trust every root that the agent has had: the page is there with the old one until it is deployed anew."""
        with Store.open_existing(self.layout) as store:
            roots = "".join(each.certificates for each in store.roots.all())
        context = ssl.create_default_context(cadata=roots)
        return http.client.HTTPSConnection(host, self.port, timeout=PATIENCE, context=context)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def whole() -> Iterator[Whole]:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cw-")))
        box = Whole(Root(datetime.now(UTC)), place)
        stack.callback(end, box)
        box.bring_up()
        yield box


def end(box: Whole) -> None:
    for process in [*box.processes, *([box.process] if box.process else [])]:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def box() -> Iterator[Whole]:
    with whole() as made:
        with Store.open_existing(made.layout) as store:
            people = Accounts(store, CHEAP)
            people.add("admin", Role.ADMIN, PASSWORD, datetime.now(UTC))
            people.add("vera", Role.VIEWER, PASSWORD, datetime.now(UTC))
        yield made


def log_in(box: Whole, user: str = "admin", password: str = PASSWORD) -> Browser:
    browser = Browser(box)
    assert browser.post("/login", {"user": user, "password": password, "next": ""}).status == 200
    return browser


@pytest.fixture
def admin(box: Whole) -> Browser:
    return log_in(box)


def watched(browser: Browser, page: Answer) -> Answer:
    """Load a job's page again, as a browser without scripts does, until the job has ended."""
    found = re.search(r'hx-get="(/jobs/[^"]+)"', page.text)
    if not found:
        return page
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page.text
    last: list[Answer] = []

    def ended() -> bool:
        last[:] = [browser.get(unescape(found[1]))]
        return "Working" not in last[0].words

    until(ended, what=lambda: last[0].words)
    return last[0]


ROOT = toy_root("Bought Root", now=datetime.now(UTC))
CA = ROOT.authority("Bought CA", now=datetime.now(UTC), days=300)


def bought(name: str) -> Party:
    return CA.leaf(name, now=datetime.now(UTC))


def test_the_one_time_password_is_changed_before_anything_else() -> None:
    with whole() as box:
        with Store.open_existing(box.layout) as store:
            password = Accounts(store, CHEAP).one_time_password("admin", datetime.now(UTC))
        browser = Browser(box)
        page = browser.post("/login", {"user": "admin", "password": password, "next": ""})
        assert "The one-time password is good for this only." in page.words
        assert "<h1>Change the password</h1>" in browser.get("/certificates").text
        change = {"form_token": page.token, "old": password, "new": PASSWORD, "again": PASSWORD}
        assert "<h1>TLS Certificates</h1>" in browser.post("/password", change).text
        assert log_in(box).get("/certificates").status == 200
        again = Browser(box).post("/login", {"user": "admin", "password": password, "next": ""})
        assert (again.status, "Name or password is wrong." in again.words) == (401, True)


def test_the_page_tells_what_each_module_uses_and_what_it_serves(admin: Browser) -> None:
    page = admin.get("/certificates")
    assert "Web interface" in page.row("portal.example.com")
    assert "Valid (local)" in page.row("portal.example.com")
    by_module = admin.get("/certificates?view=modules").text
    assert len(re.findall(r'<tbody role="rowgroup" id="chain-', by_module)) == 2
    nothing = admin.get("/certificates?filter=nowhere")
    assert "Nothing was found." in nothing.words


LOOKS = ("/certificates", "/certificates?view=modules", "/upload", "/root", "/events", "/audit", "/tokens", "/password")


def test_each_page_is_there_while_another_process_writes_to_the_database(box: Whole, admin: Browser) -> None:
    then = written(datetime.now(UTC) - timedelta(minutes=5))
    with Store.open_existing(box.layout) as store, store.write():  # so that the next use would be noted
        store.database.execute("update sessions set opened_at = ?, seen_at = ?", [then, then])
    with writing(box.layout.database):
        assert [(page, admin.get(page).status) for page in LOOKS] == [(page, 200) for page in LOOKS]


def test_a_change_that_finds_the_database_busy_is_told_in_the_page_s_frame(box: Whole) -> None:
    with writing(box.layout.database):
        page = Browser(box).post("/login", {"user": "admin", "password": PASSWORD, "next": ""})
    assert page.status == 503
    assert "The database is busy: another process is writing to it. What is served is not touched." in page.words
    assert "backup" not in page.words
    assert "</html>" in page.text


def test_the_eye_shows_all_about_a_chain(admin: Browser) -> None:
    link = re.search(r'href="(/certificates/[0-9a-f]{64})"', admin.get("/certificates").row("portal.example.com"))
    assert link
    page = admin.get(link[1])
    for heading in ("Certificate", "Chain", "Used by", "Renewal", "Last events"):
        assert f"<h2>{heading}</h2>" in page.text
    assert re.search(r"SHA-256 fingerprint ([0-9A-F]{2}:){31}[0-9A-F]{2}", page.words)
    assert "Root CA" in page.words
    part = admin.get(link[1], HX_Request="true")
    assert "<html" not in part.text
    assert "Open as a page" in part.words


def test_certificates_are_for_everybody_and_the_key_needs_a_passphrase(box: Whole, admin: Browser) -> None:
    link = re.search(r'href="(/certificates/[0-9a-f]{64})"', admin.get("/certificates").row("portal.example.com"))
    assert link
    download = admin.get(f"{link[1]}/download")
    assert download.headers["content-disposition"] == 'attachment; filename="portal.example.com.pem"'
    assert "PRIVATE KEY" not in download.text
    assert download.text.startswith("-----BEGIN CERTIFICATE-----")
    form = admin.get(f"{link[1]}/export").token
    wrong = admin.post(f"{link[1]}/export", {"form_token": form, "passphrase": "a", "again": "b"})
    assert "not typed the same way twice" in wrong.words
    short = admin.post(f"{link[1]}/export", {"form_token": form, "passphrase": "a", "again": "a"})
    assert (short.status, "it has 1 characters, and at least 12 are needed" in short.words) == (422, True)
    export = admin.post(f"{link[1]}/export", {"form_token": form, "passphrase": PASSWORD, "again": PASSWORD})
    assert export.headers["content-type"] == "application/x-pkcs12"
    assert "key exported portal.example.com" in admin.get("/audit").words
    vera = log_in(box, "vera")
    assert (
        vera.post(f"{link[1]}/export", {"form_token": vera.get(link[1]).token, "passphrase": "x", "again": "x"}).status
        == 403
    )


def test_reissue_is_followed_until_it_is_served(admin: Browser) -> None:
    page = admin.get("/certificates")
    done = watched(admin, admin.post("/reissue", {"form_token": page.token, "name": "portal.example.com"}))
    assert "local delivered a chain until" in done.words
    assert "webui generation" in done.words
    assert "your browser may ask about it again" in done.words
    job = re.search(r"/jobs/[0-9a-f]+", done.text)
    assert job is None
    assert "/certificates" in done.text


def test_the_steps_of_a_job_come_as_a_stream_that_can_be_resumed(admin: Browser) -> None:
    token = admin.get("/certificates").token
    answer = admin.post("/reissue", {"form_token": token, "name": "portal.example.com"}, follow=False)
    steps = admin.get(f"{answer.headers['location']}/steps")
    assert steps.headers["content-type"].startswith("text/event-stream")
    numbers = [int(each) for each in re.findall(r"^id: (\d+)$", steps.text, re.MULTILINE)]
    assert numbers == sorted(numbers)
    assert steps.text.endswith("event: finished\ndata: finished\n\n")
    rest = admin.get(f"{answer.headers['location']}/steps", Last_Event_ID=str(numbers[-2]))
    assert [int(each) for each in re.findall(r"^id: (\d+)$", rest.text, re.MULTILINE)] == numbers[-1:]


def test_a_script_follows_a_job_in_the_dialog(admin: Browser) -> None:
    token = admin.get("/certificates").token
    answer = admin.post("/check", {"form_token": token}, HX_Request="true")
    assert re.fullmatch(
        r'\{"path": "/jobs/[0-9a-f]+", "target": "#dialog-body", "push": "false"\}', answer.headers["hx-location"]
    )


def test_an_upload_is_looked_at_then_used_then_deleted(box: Whole, admin: Browser) -> None:
    leaf = bought("portal.example.com")
    form = admin.get("/upload").token
    nothing = admin.upload("/upload", {"form_token": form}, {})
    assert (nothing.status, "Choose a file, or paste the text." in nothing.words) == (422, True)
    no_key = admin.upload("/upload", {"form_token": form}, {"a.pem": pem(leaf.certificate)})
    assert (no_key.status, "This can't be used as it is" in no_key.words) == (422, True)
    text = (key_pem(leaf.key) + pem(leaf.certificate, CA.certificate, ROOT.certificate)).decode()
    page = admin.upload("/upload", {"form_token": form, "paste": text}, {})
    assert "Use this certificate?" in page.words
    assert "webui" in page.words
    assert "PRIVATE KEY" not in page.text
    word = re.search(r'name="word" value="([^"]+)"', page.text)
    assert word
    done = watched(admin, admin.post("/upload/confirm", {"form_token": form, "word": word[1]}))
    assert "Done" in done.words
    assert "Uploaded" in admin.get("/certificates").row("portal.example.com")
    gone = admin.post("/upload/confirm", {"form_token": form, "word": word[1]})
    assert (gone.status, "is no longer kept" in gone.words) == (410, True)
    kept = watched(admin, admin.post("/reissue", {"form_token": form, "name": "portal.example.com"}))
    assert "An uploaded certificate covers this name" in kept.words
    link = next(
        each for each in re.findall(r'href="(/certificates/[0-9a-f]{64}/delete)"', admin.get("/certificates").text)
    )
    ask = admin.get(link)
    assert "It is in use:" in ask.words
    watched(admin, admin.post(link, {"form_token": form}))
    assert "Valid (local)" in admin.get("/certificates").row("portal.example.com")


def test_an_upload_is_pinned_on_its_page_and_the_pin_is_taken_back(box: Whole, admin: Browser) -> None:
    form = admin.get("/upload").token
    for _ in range(2):
        leaf = bought("portal.example.com")
        text = (key_pem(leaf.key) + pem(leaf.certificate, CA.certificate, ROOT.certificate)).decode()
        page = admin.upload("/upload", {"form_token": form, "paste": text}, {})
        word = re.search(r'name="word" value="([^"]+)"', page.text)
        assert word
        watched(admin, admin.post("/upload/confirm", {"form_token": form, "word": word[1]}))
    links = set(re.findall(r'href="(/certificates/[0-9a-f]{64})/delete"', admin.get("/certificates").text))
    (unused,) = [link for link in links if "No module" in admin.get(link).words]
    (used,) = links - {unused}
    page = admin.get(unused)
    assert "Web interface name · not pinned" in page.words
    assert form_of(page, f"{unused}/pin") == {"form_token": page.token, "module": "webui", "slot": "name"}
    done = watched(admin, admin.post(f"{unused}/pin", form_of(page, f"{unused}/pin")))
    assert "Done" in done.words
    page = admin.get(unused)
    assert "Web interface name · pinned by admin" in page.words
    assert "No module" not in page.words
    assert "Another certificate is pinned there" in admin.get(used).words
    vera = log_in(box, "vera")
    assert "Web interface name · pinned by admin" in vera.get(unused).words
    for action in ("pin", "unpin"):
        assert f"{unused}/{action}" not in vera.get(unused).text
        wish = {"form_token": vera.get(unused).token, "module": "webui", "slot": "name"}
        assert vera.post(f"{unused}/{action}", wish).status == 403
    watched(admin, admin.post(f"{unused}/unpin", form_of(page, f"{unused}/unpin")))
    assert "Web interface name · not pinned" in admin.get(unused).words
    again = admin.post(f"{unused}/unpin", form_of(page, f"{unused}/unpin"))
    assert (again.status, "No chain is pinned for webui/name." in again.words) == (409, True)
    for link in links:
        watched(admin, admin.post(f"{link}/delete", {"form_token": form}))


def form_of(page: Answer, action: str) -> dict[str, str]:
    """Return the hidden fields of the form that is sent to an address."""
    (form,) = re.findall(rf'<form method="post" action="{action}".*?</form>', page.text, re.DOTALL)
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_an_upload_that_nobody_needs_is_kept_only_by_consent_and_a_passphrase_is_asked_for_once(admin: Browser) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    leaf = bought("other.example.com")
    sealed = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret words"))
    form = admin.get("/upload").token
    files = {"key.pem": sealed, "chain.pem": pem(leaf.certificate, CA.certificate, ROOT.certificate)}
    page = admin.upload("/upload", {"form_token": form}, files)
    assert page.status == 422
    assert "Chosen: key.pem, chain.pem" in page.words
    word = re.search(r'name="word" value="([^"]+)"', page.text)
    assert word
    wrong = admin.upload("/upload", {"form_token": form, "word": word[1], "passphrase": "no"}, {})
    word = re.search(r'name="word" value="([^"]+)"', wrong.text)
    assert word
    page = admin.upload("/upload", {"form_token": form, "word": word[1], "passphrase": "secret words"}, {})
    assert "Save it for later, although no module needs it now" in page.words
    assert "secret words" not in page.text
    word = re.search(r'name="word" value="([^"]+)"', page.text)
    assert word
    done = watched(admin, admin.post("/upload/confirm", {"form_token": form, "word": word[1], "keep_unused": "1"}))
    assert "Done" in done.words
    assert "other.example.com" in admin.get("/certificates").text.replace("<wbr>", "")


def test_what_one_session_has_previewed_another_one_cannot_confirm(box: Whole, admin: Browser) -> None:
    leaf = bought("portal.example.com")
    form = admin.get("/upload").token
    files = {"all.pem": key_pem(leaf.key) + pem(leaf.certificate, CA.certificate, ROOT.certificate)}
    word = re.search(r'name="word" value="([^"]+)"', admin.upload("/upload", {"form_token": form}, files).text)
    assert word
    other = log_in(box)
    assert other.post("/upload/confirm", {"form_token": other.get("/upload").token, "word": word[1]}).status == 410


def test_a_root_is_reissued_by_the_typed_word_alone(admin: Browser) -> None:
    before = admin.get("/root").words
    ask = admin.get("/root/reissue")
    assert "Who knows only the present one takes what it signs, by a cross-certificate" in ask.words
    assert "local certificates are signed again" in ask.words or "1 local certificate is signed again" in ask.words
    wrong = admin.post("/root/reissue", {"form_token": ask.token, "typed": "reissue"})
    assert (wrong.status, "Nothing was changed: type REISSUE exactly." in wrong.words) == (422, True)
    assert admin.get("/root").words == before
    done = watched(admin, admin.post("/root/reissue", {"form_token": ask.token, "typed": "REISSUE", "now": "true"}))
    assert re.search(r"New root .* SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}", done.words)
    assert "Earlier roots" in admin.get("/root").words


def test_a_root_is_replaced_after_a_look_at_it(admin: Browser) -> None:
    form = admin.get("/root/replace").token
    leaf = bought("portal.example.com")
    refused = admin.upload("/root/replace", {"form_token": form}, {"a.pem": key_pem(leaf.key) + pem(leaf.certificate)})
    assert refused.status == 422
    company = toy_root("Company CA", now=datetime.now(UTC))
    files = {"root.pem": key_pem(company.key) + pem(company.certificate)}
    page = admin.upload("/root/replace", {"form_token": form}, files)
    assert "New root Company CA" in page.words
    held = re.search(r'name="held" value="([^"]+)"', page.text)
    assert held
    wrong = admin.post("/root/replace/confirm", {"form_token": form, "held": held[1], "typed": "yes"})
    assert (wrong.status, "type REPLACE exactly" in wrong.words) == (422, True)
    fields = {"form_token": form, "held": held[1], "typed": "REPLACE", "now": "true"}
    done = watched(admin, admin.post("/root/replace/confirm", fields))
    assert "Company CA" in done.words
    assert "Company CA" in admin.get("/certificates").text


def test_the_root_is_for_everybody_in_three_forms(box: Whole) -> None:
    kinds = {
        "": "application/x-pem-file",
        "?format=der": "application/pkix-cert",
        "?format=x": "application/x-pem-file",
    }
    kinds["?format=mobileconfig"] = "application/x-apple-aspen-config"
    for query, kind in kinds.items():
        answer = Browser(box).get(f"/root/download{query}")
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert "PRIVATE" not in answer.text


def test_tokens_are_shown_once_and_revoked(admin: Browser) -> None:
    form = admin.get("/tokens").token
    assert "admin (you) Administrator: may do everything Their own" in admin.get("/tokens").words
    wanted = {"form_token": form, "name": "monitoring", "role": "viewer", "days": "30"}
    sent_to = admin.post("/tokens", wanted, follow=False)
    assert sent_to.status == 303
    assert "cwt_" not in admin.get(sent_to.headers["location"].replace("made=", "made=x")).words
    made = admin.get(sent_to.headers["location"])
    text = re.search(r"cwt_[\w-]+", made.words)
    assert text
    listed = admin.get(sent_to.headers["location"])
    assert "cwt_" not in listed.text
    again = admin.post("/tokens", wanted)
    assert (again.status, 'The token "monitoring" can\'t be made: admin has made one' in again.words) == (422, True)
    refused = admin.post("/tokens", {"form_token": form, "name": "Not A Name", "role": "admin", "days": "30"})
    assert refused.status == 422
    assert '<option value="admin" selected>' in refused.text
    link = re.search(r'href="(/tokens/[^"]+/revoke)"', listed.row("monitoring"))
    assert link
    asked = admin.get(link[1])
    assert "monitoring Read-only: may look at everything but keys, made by admin" in asked.words
    assert "It was never used." in asked.words
    assert "monitoring" in admin.get("/tokens").words
    assert "There are no tokens." in admin.post(link[1], {"form_token": form}).words
    assert "There are no tokens." in admin.get(link[1]).words
    assert "token revoked" in admin.get("/audit").words


def test_what_is_shown_once_is_another_session_s_never(box: Whole, admin: Browser) -> None:
    wanted = {"form_token": admin.get("/tokens").token, "name": "once", "role": "viewer", "days": "30"}
    place = admin.post("/tokens", wanted, follow=False).headers["location"]
    assert "cwt_" not in log_in(box).get(place).text
    assert "cwt_" in admin.get(place).text


def left_alone(box: Whole) -> None:
    """Let every session's password have been given long ago."""
    with Store.open_existing(box.layout) as store, store.write():
        store.database.execute("update sessions set password_at = '2026-01-01T00:00:00+00:00'")


def test_what_weighs_much_asks_for_the_password_and_goes_on_with_it(box: Whole, admin: Browser) -> None:
    left_alone(box)
    page = admin.get("/tokens")
    assert "Your password, once more" in page.words
    wanted = {"form_token": page.token, "name": "late", "role": "admin", "days": "366"}
    refused = admin.post("/tokens", {**wanted, "password": "not it"})
    assert (refused.status, "The password is wrong." in refused.words) == (403, True)
    assert 'value="late"' in refused.text
    assert '<option value="366" selected>' in refused.text
    assert "cwt_" in admin.post("/tokens", {**wanted, "password": PASSWORD}).text
    assert "Your password, once more" not in admin.get("/tokens").words
    left_alone(box)
    missing = admin.post("/tokens", {**wanted, "name": "later"})  # the form was made while it still counted
    assert (missing.status, "Your password is needed once more" in missing.words) == (403, True)
    assert '<label for="password-again">' in missing.text


def test_an_upload_of_a_root_is_kept_while_the_password_is_asked_for(box: Whole, admin: Browser) -> None:
    root = toy_root("Another Root", now=datetime.now(UTC))
    files = {"root.pem": key_pem(root.key) + pem(root.certificate)}
    confirm = admin.upload("/root/replace", {"form_token": admin.get("/root/replace").token}, files)
    word = re.search(r'name="held" value="([^"]+)"', confirm.text)
    assert word
    left_alone(box)
    typed = {"form_token": confirm.token, "held": word[1], "typed": "REPLACE"}
    asked = admin.post("/root/replace/confirm", typed)
    assert (asked.status, "Your password is needed once more" in asked.words) == (403, True)
    assert f'name="held" value="{word[1]}"' in asked.text
    assert 'value="REPLACE"' in asked.text
    wrong = admin.post("/root/replace/confirm", {**typed, "password": "not it"})
    assert (wrong.status, "The password is wrong." in wrong.words) == (403, True)
    untyped = admin.post("/root/replace/confirm", {**typed, "typed": "", "password": PASSWORD})
    assert untyped.status == 422
    assert "Your password" not in untyped.words


def test_events_are_told_the_newest_first_and_by_module(admin: Browser) -> None:
    page = admin.get("/events?module=webui")
    times = re.findall(r'<time datetime="([^"]+)">', page.text)
    assert times == sorted(times, reverse=True) != []
    assert "generation 1 is in service" in page.words or "is in service" in page.words


def test_a_read_only_person_sees_everything_and_changes_nothing(box: Whole) -> None:
    vera = log_in(box, "vera")
    page = vera.get("/certificates")
    assert page.status == 200
    for path in ("/audit", "/tokens"):
        assert vera.get(path).status == 403
    for path, fields in {
        "/check": {},
        "/reissue": {"name": "portal.example.com"},
        "/root/reissue": {"typed": "REISSUE"},
        "/tokens": {"name": "x", "role": "admin", "days": "30"},
    }.items():
        refused = vera.post(path, {"form_token": page.token, **fields})
        assert refused.status == 403, path
        assert "has the role viewer" in refused.words
    leaf = bought("portal.example.com")
    files = {"all.pem": key_pem(leaf.key) + pem(leaf.certificate, CA.certificate, ROOT.certificate)}
    for path in ("/upload", "/root/replace"):
        assert vera.upload(path, {"form_token": page.token}, files).status == 403


def test_passwords_are_not_guessed_for_long(box: Whole) -> None:
    statuses = {
        Browser(box).post("/login", {"user": "nobody", "password": str(at), "next": ""}).status for at in range(12)
    }
    assert statuses == {401, 429}
