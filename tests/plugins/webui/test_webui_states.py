"""What the page says of each state, and when there is little to say."""

import re
import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.errors import Problem
from agent.errors.problem import rfc3339
from agent.health.problems import window
from agent.model.finding import Finding, Severity, SubjectKind
from agent.report import EndpointRow, NeedRow, StateRow, Status
from agent.report.rows import Progress
from plugins.webui.catalogue import Catalogue
from plugins.webui.table import MARKS
from support.appliances.webui import Appliance
from support.fakes.api import CHAIN, LIVE, NOW, SESSION, WHO, Browser, FakeApi, chain, problem, status
from support.paths import CHECKOUT

PAGE = "/certificates"
REFUSED = Problem(
    "acme.http01.connection_refused",
    "Port 80 refused the connection.",
    where="vpn.example.com",
    fix="Open TCP/80 to this server.",
    effect="The local chain is served meanwhile.",
    retry_at=NOW + timedelta(hours=3, minutes=5),
    detail="errno 111",
)

STATES = {
    Status.VALID: ("Valid", "good", ""),
    Status.LOCAL_FALLBACK: ("Local fallback", "warn", "browsers and VPN clients must trust this server's root"),
    Status.ISSUING: ("Issuing…", "busy", "A new certificate is being asked for."),
    Status.OVERDUE: ("Renewal overdue", "warn", "It should have been renewed already."),
    Status.WARNING: ("Warning", "warn", ""),
    Status.FAILED: ("Failed", "bad", ""),
    Status.NOT_DEPLOYED: ("Not deployed", "bad", "It was issued, but a module does not serve it."),
    Status.WAITING: ("Waiting", "wait", "the service takes it when it starts"),
    Status.ENDING: ("Ends soon", "bad", ""),
    Status.EXPIRED: ("Expired", "bad", ""),
    Status.UNUSED: ("Unused", "off", ""),
    Status.LOCAL_BY_DESIGN: ("Valid (local)", "good", "no other source is allowed for it"),
}


def test_every_state_is_shown_here():
    assert set(STATES) == set(Status)
    assert set(MARKS) == {str(each) for each in Status} | {"missing"}


@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_state_has_a_word_a_shape_and_a_colour(agent: FakeApi, browser: Browser, state: Status) -> None:
    word, mark, note = STATES[state]
    agent.says("GET /v1/status", status(chain(status=state)))
    row = browser.get(PAGE).row("mail.example.com")
    assert (
        f'<span class="status m-{mark}"><svg class="icon " aria-hidden="true"><use href="#i-{mark}"></use></svg>{word}'
        in row
    )
    assert note in row.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("names", "reason", "why"),
    [
        (("192.168.0.1",), "acme: 192.168.0.1 is an address", "public authorities certify no addresses"),
        (("gw.lan",), "acme: gw.lan is not public", "this name is not public"),
        (("gw.lan",), "no other source is allowed", "no other source is allowed for it"),
        (("gw.example.com",), "no other source is configured", "no other source is allowed for it"),
    ],
)
def test_local_by_design_says_why(
    agent: FakeApi, browser: Browser, names: tuple[str, ...], reason: str, why: str
) -> None:
    use = replace(LIVE, reason=f"local by design: {reason}")
    local = chain(names=names, source="local", status=Status.LOCAL_BY_DESIGN, used_by=(use,))
    agent.says("GET /v1/status", status(local))
    assert f"Local by design: {why}" in browser.get(PAGE).words


def test_what_failed_is_told_with_its_cause_what_is_served_what_to_do_and_when_it_is_tried_again(
    agent: FakeApi, browser: Browser
) -> None:
    summary = {"chains": 1, "attention": 1}
    found = status(chain(status=Status.FAILED, problem=REFUSED), attention=("mail.example.com",), summary=summary)
    agent.says("GET /v1/status", found)
    page = browser.get(PAGE)
    assert (
        "vpn.example.com: Port 80 refused the connection. The local chain is served meanwhile. "
        "What to do: Open TCP/80 to this server. Next try in 3 hours . What was said exactly errno 111" in page.words
    )
    assert "1 thing needs attention: mail.example.com" in page.words
    assert "Try now" in page.row("mail.example.com")


def test_a_fallback_offers_the_root_and_a_deployment_that_failed_its_retry(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/status", status(chain(status=Status.LOCAL_FALLBACK)))
    assert "Download root" in browser.get(PAGE).row("mail.example.com")
    agent.says("GET /v1/status", status(chain(status=Status.NOT_DEPLOYED)))
    assert "Retry deployment" in browser.get(PAGE).row("mail.example.com")


def test_what_a_module_really_presents_stands_beside_it(agent: FakeApi, browser: Browser) -> None:
    endpoints = (
        EndpointRow("127.0.0.1:465", "mail.example.com", "34" * 32, False, NOW),
        EndpointRow("127.0.0.1:993", "", None, False, NOW),
    )
    use = replace(LIVE, endpoints=endpoints)
    agent.says("GET /v1/status", status(chain(status=Status.NOT_DEPLOYED, used_by=(use,))))
    words = browser.get(PAGE).words
    assert "127.0.0.1:465 mail.example.com serves another certificate; 127.0.0.1:993 does not answer" in words


def test_a_need_that_has_nothing_to_serve_is_a_row_too(agent: FakeApi, browser: Browser) -> None:
    need = NeedRow("mail", "default", ("mail.example.com",), None, REFUSED)
    agent.says("GET /v1/status", status(need))
    row = browser.get(PAGE).row("mail.example.com")
    assert "No certificate" in row
    assert "Port 80 refused the connection." in row
    assert "/certificates/" not in row


@pytest.mark.parametrize(
    ("kind", "subject", "heading"),
    [
        (SubjectKind.MODULE, "mail", "Mail"),
        (SubjectKind.SETTINGS, "settings", "Settings"),
        (SubjectKind.PLUGIN, "notify", "Plugin notify"),
        (SubjectKind.APPLIANCE, "disk", "This server"),
    ],
)
@pytest.mark.parametrize(("severity", "mark"), [("error", "bad"), ("warning", "warn"), ("notice", "wait")])
def test_what_no_row_tells_stands_above_the_tables(
    agent: FakeApi, browser: Browser, kind: SubjectKind, subject: str, heading: str, severity: str, mark: str
) -> None:
    found = Finding(kind, subject, Severity(severity), Problem("plugin.broken", "It does not load.", fix="Mend it."))
    agent.says("GET /v1/status", status(chain(), findings=(found,)))
    page = browser.get(PAGE)
    assert f"{heading} It does not load. What to do: Mend it." in page.words
    assert f'<div class="problem m-{mark}" role="alert">' in page.text


def test_only_what_has_a_row_is_linked_to_it(agent: FakeApi, browser: Browser) -> None:
    about = (
        Finding(SubjectKind.SETTINGS, "settings", Severity.ERROR, REFUSED),
        Finding(SubjectKind.CHAIN, CHAIN.id, Severity.ERROR, REFUSED, title="mail.example.com"),
    )
    summary, names = {"chains": 1, "attention": 2}, ("settings", "mail.example.com")
    found = status(chain(status=Status.FAILED, problem=REFUSED), findings=about, attention=names, summary=summary)
    agent.says("GET /v1/status", found)
    page = browser.get(PAGE)
    assert "2 things need attention: settings, mail.example.com" in page.words
    assert "filter=mail.example.com" in page.text
    assert "filter=settings" not in page.text


def test_what_a_row_tells_is_not_said_twice(agent: FakeApi, browser: Browser) -> None:
    about = [
        Finding(SubjectKind.CHAIN, CHAIN.id, Severity.ERROR, REFUSED),
        Finding(SubjectKind.UPLOAD, CHAIN.id, Severity.ERROR, REFUSED),
        Finding(SubjectKind.MODULE, "mail/default", Severity.ERROR, REFUSED),
    ]
    agent.says("GET /v1/status", status(chain(status=Status.FAILED, problem=REFUSED), findings=tuple(about)))
    assert browser.get(PAGE).words.count(REFUSED.cause) == 1


def test_only_while_something_is_being_issued_the_tables_look_again(agent: FakeApi, browser: Browser) -> None:
    again = 'hx-get="/certificates?view=modules" hx-trigger="every 2s"'
    assert "every 2s" not in browser.get(f"{PAGE}?view=modules").text
    agent.says("GET /v1/status", status(chain(status=Status.ISSUING)))
    assert again in browser.get(f"{PAGE}?view=modules").text


def test_what_is_being_issued_says_who_is_asked_what_happened_last_and_since_when(
    agent: FakeApi, browser: Browser
) -> None:
    progress = Progress("acme", "the CA has the order", NOW - timedelta(minutes=2))
    agent.says("GET /v1/status", status(chain(status=Status.ISSUING, progress=progress)))
    row = browser.get(PAGE).row("mail.example.com")
    assert "ACME: the CA has the order." in row
    assert "Begun" in row
    assert "stays in service until the new one is there" in row
    agent.says("GET /v1/status", status(chain(status=Status.ISSUING, progress=replace(progress, step=""))))
    assert "ACME is being asked." in browser.get(PAGE).row("mail.example.com")


def test_a_ca_that_everybody_knows_is_called_by_its_name(agent: FakeApi, browser: Browser) -> None:
    agent.says(
        "GET /v1/status",
        status(
            chain(issuer="Let's Encrypt R11"),
            chain(id="56" * 32, names=("b.example.com",)),
            chain(id="78" * 32, names=("c.example.com",), source="second", authority="ZeroSSL"),
        ),
    )
    page = browser.get(PAGE)
    assert "Let&#39;s Encrypt</td>" in page.row("mail.example.com")
    assert "ACME</td>" in page.row("b.example.com")
    assert "ZeroSSL</td>" in page.row("c.example.com")


def test_what_waits_for_its_window_says_until_when(agent: FakeApi, browser: Browser) -> None:
    opens = NOW + timedelta(hours=3)
    problem = window("mail", opens)
    agent.says("GET /v1/status", status(chain(status=Status.WAITING, problem=problem)))
    words = browser.get(PAGE).words
    assert f"takes what is new into service at {opens:%Y-%m-%d %H:%M} UTC, when its activation window opens." in words
    assert "It is taken into service in" in words
    assert "Next try" not in words


def test_a_try_whose_time_has_come_is_not_told_as_past(agent: FakeApi, browser: Browser) -> None:
    problem = replace(REFUSED, retry_at=NOW - timedelta(minutes=5))
    agent.says(
        "GET /v1/status", status(chain(status=Status.FAILED, problem=problem), next_at=NOW - timedelta(minutes=5))
    )
    words = browser.get(PAGE).words
    assert "It is tried again with the next check." in words
    assert "A check is due." in words
    assert "5 minutes ago" not in words


def test_a_script_gets_the_tables_alone(agent: FakeApi, browser: Browser) -> None:
    part = browser.get(PAGE, HX_Request="true").text
    assert part.strip().startswith('<div id="tables"')
    assert "<html" not in part


def test_rows_that_are_not_used_any_more_stand_below_the_root(agent: FakeApi, browser: Browser) -> None:
    unused = chain(id="56" * 32, names=("old.example.com",), status=Status.UNUSED, used_by=())
    agent.says("GET /v1/status", status(chain(), unused))
    page = browser.get(PAGE)
    text = page.text.replace("<wbr>", "")
    assert text.index("mail.example.com") < text.index("gw Root CA") < text.index("old.example.com")
    assert "1 unused certificate No module uses them." in page.words
    assert '<details id="unused" class="fold">' in text
    assert '<details id="unused" class="fold" open>' in browser.get(f"{PAGE}?filter=old").text, "it was looked for"


def test_what_certificates_and_services_say_is_escaped(agent: FakeApi, browser: Browser) -> None:
    evil = "<script>alert(1)</script>"
    trouble = Problem("x.y", f"It said {evil}.", where=evil, fix=evil, detail=evil)
    agent.says("GET /v1/status", status(chain(names=(evil,), issuer=evil, problem=trouble, status=Status.FAILED)))
    assert "<script>alert" not in browser.get(PAGE).text


# Little to say


def test_without_any_chain_the_modules_are_named(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/status", status())
    words = browser.get(PAGE).words
    assert "No module has asked for a certificate yet. Modules that are configured: Mail, Web interface." in words
    assert "Nothing uploaded. Certificates are made automatically; upload one only if you bought it elsewhere." in words


def test_without_modules_the_next_step_is_told(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/status", status(root=None, modules=()))
    assert "No module is configured yet." in browser.get(PAGE).words


def test_a_filter_that_finds_nothing_says_so(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/status", status(total=0))
    page = browser.get(f"{PAGE}?filter=nobody")
    assert "Nothing was found. Show all" in page.words
    assert agent.calls("GET /v1/status?view=chains&limit=50&offset=0&filter=nobody")


def test_filter_view_attention_and_page_are_the_agents_business(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/status", status(chain(), total=120, offset=50))
    page = browser.get(f"{PAGE}?view=modules&filter=ma%26il&attention=1&page=2")
    assert agent.calls("GET /v1/status?view=modules&limit=50&offset=50&attention=true&filter=ma%26il")
    assert 'href="/certificates?view=modules&amp;attention=1&amp;filter=ma%26il" rel="prev"' not in page.text
    assert 'page=1" rel="prev"' in page.text
    assert 'page=3" rel="next"' in page.text
    assert 'value="ma&amp;il"' in page.text


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999999999999", "1e9", "²"])
def test_a_page_that_is_no_number_is_the_first_one(agent: FakeApi, browser: Browser, page: str) -> None:
    from urllib.parse import quote

    assert browser.get(f"{PAGE}?page={quote(page)}").status == 200
    assert agent.calls("GET /v1/status?view=chains&limit=50&offset=0")


def test_a_long_table_stays_small(agent: FakeApi, browser: Browser) -> None:
    many = [
        chain(id=f"{at:064x}", names=(f"host{at}.example.com", "b.example.com", "c.example.com")) for at in range(50)
    ]
    agent.says("GET /v1/status", status(*many, total=1000))
    page = browser.get(PAGE)
    assert "1 to 50 of 1000" in page.words
    assert len(page.text) < 150_000


# Who may not change anything


def test_a_read_only_person_is_offered_nothing_that_changes_anything(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/session", {**WHO, "user": "vera", "role": "viewer", "idle_at": rfc3339(NOW)})
    agent.says("GET /v1/status", status(chain(status=Status.FAILED)))
    page = browser.get(PAGE).text
    assert re.findall(r'<form method="post" action="([^"]+)"', page) == ["/logout"]
    assert "/upload" not in page
    assert 'href="/audit"' not in page
    assert "read-only" in page


# The agent does not answer


def test_an_agent_that_does_not_answer_is_said_with_what_to_do(app_state: Appliance) -> None:
    page = Browser(app_state, {"__Host-chainwright": "cws_" + "n" * 43}).get(PAGE)
    assert page.status == 503
    assert "The agent is not answering: its socket is not there." in page.words
    assert "systemctl status chainwright" in page.words


def test_what_was_seen_last_is_shown_until_the_agent_answers_again(
    app_state: Appliance, agent: FakeApi, browser: Browser
) -> None:
    assert browser.get(PAGE).status == 200
    agent.says("GET /v1/status", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    page = browser.get(PAGE)
    assert page.status == 503
    assert "This is what was seen at" in page.words
    assert "mail.example.com" in page.text.replace("<wbr>", "")
    assert re.findall(r'action="(?!/logout|/certificates)', page.text) == []


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (b"oops", 500, "it answered with status 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", 200, "peer closed connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 9_000_000, 200, "the answer is too long"),
        (b"HTTP/1.1 OK\r\n\r\n", 200, "illegal status line"),
    ],
)
def test_an_answer_that_makes_no_sense_is_no_answer(
    agent: FakeApi, browser: Browser, answer: bytes, code: int, reason: str
) -> None:
    agent.says("GET /v1/session", answer, code)
    page = browser.get("/password")
    assert page.status == 503
    assert f"The agent is not answering: {reason}" in page.words


# The texts


def test_every_text_that_a_template_names_is_there_and_each_is_used() -> None:
    rows = set(Catalogue().choose("").rows)
    templates = [path.read_text() for path in sorted((CHECKOUT / "templates/webui").glob("*.html.j2"))]
    code = [path.read_text() for path in sorted((CHECKOUT / "plugins/webui").rglob("*.py"))]
    whole = "\n".join([*templates, *code])
    named = set(re.findall(r'\bt(?:exts)?\(f?"([a-z0-9_.]+)"', whole)) - {""}
    stems = {key.removesuffix(".one").removesuffix(".many") for key in rows}
    assert {each for each in named if not each.endswith(".")} - stems == set()
    literal = set(re.findall(r'"([a-z0-9_.]+)"', whole))
    families = {each.rstrip(".") for each in named if each.endswith(".")} | set(re.findall(r'named\("(\w+)"', whole))
    families |= {
        "note",
        "status",
        "subject",
        "note.local_by_design",
        "root_step.begin",
        "root_step.retire",
        "served",
        "time",
        "problem",
        "nowhere",
        "only_read",
        "role",
    }
    unused = [key for key in stems if key not in literal and key.rpartition(".")[0] not in families]
    assert unused == []


def test_another_language_is_a_file_and_falls_back_to_english(tmp_path: Path) -> None:
    english = (CHECKOUT / "plugins/webui/texts/en.toml").read_text()
    (tmp_path / "en.toml").write_text(english)
    (tmp_path / "de.toml").write_text('[time]\nday.one = "1 Tag"\nday.many = "{n} Tage"\n')
    texts = Catalogue(tmp_path).choose("fr;q=0.9, de-AT, en;q=0.5")
    assert (texts.language, texts("time.day", n=1), texts("time.day", n=2)) == ("de", "1 Tag", "2 Tage")
    assert texts("login.title") == tomllib.loads(english)["login"]["title"]
    assert Catalogue(tmp_path).choose("fr").language == "en"


def test_an_answer_of_the_agent_that_cannot_be_shown_is_a_mistake_that_says_so_and_no_more(
    agent: FakeApi, app_state: Appliance, browser: Browser
) -> None:
    agent.says("GET /v1/status", {"secret": "of the agent"})
    page = browser.get(PAGE)
    assert page.status == 500
    assert "Internal error: the web interface could not make this page." in page.words
    assert "secret" not in page.text
    assert "ERROR webui: GET /certificates failed" in app_state.wait_for_log("failed")
    app_state.log_file.write_text("")


def test_a_person_is_told_what_the_agent_refuses(agent: FakeApi, browser: Browser) -> None:
    agent.says(
        "GET /v1/chains/" + CHAIN.id, problem("usage.unknown_chain", "There is no such chain.", fix="Look."), 404
    )
    page = browser.get(f"{PAGE}/{CHAIN.id}")
    assert page.status == 404
    assert "There is no such chain. What to do: Look." in page.words
    assert SESSION not in page.text


def test_the_audit_page_says_on_request_whether_the_record_is_whole(agent: FakeApi, browser: Browser) -> None:
    row = {"at": "2026-11-01T12:00:00Z", "who": "ann", "address": "192.0.2.7", "subject": "ann", "detail": ""}
    agent.says("GET /v1/audit", {"audit": [{**row, "action": "logged in", "times": 7}]})
    page = browser.get("/audit")
    assert "logged in \N{MULTIPLICATION SIGN} 7" in page.words
    assert "whole" not in page.words
    for found, words in (
        ({"whole": True, "rows": 1, "faults": [], "ends": {}}, "The record is whole: nobody has changed"),
        ({"whole": False, "rows": 1, "faults": ["row 2 <b> was removed"], "ends": {}}, "row 2 <b> was removed"),
    ):
        agent.says("GET /v1/audit/verification", found)
        assert words in browser.get("/audit?verify=1").words


def test_what_services_tell_of_themselves_is_shown(agent: FakeApi, browser: Browser) -> None:
    up = StateRow("service", "strongswan", "tunnel north", "up", "", NOW - timedelta(hours=2), None, 0, None, "")
    why, said = "charon has no IKE SA", "<b>north</b> refuses it"
    again = NOW + timedelta(minutes=5)
    down = replace(up, subject="tunnel south", state="down", why=why, severity="warning", retry_at=again, said=said)
    agent.says("GET /v1/status", status(chain(), states=(down, up)))
    text = browser.get(PAGE).text
    assert "Services as they run" in text
    assert "strongswan: tunnel north" in text
    assert re.findall(r'm-(\w+)">(?:<svg(?:(?!</svg>).)*</svg>)?(up|down)<', text, re.DOTALL) == [
        ("warn", "down"),
        ("off", "up"),
    ]
    assert "&lt;b&gt;north&lt;/b&gt; refuses it" in text
    agent.says("GET /v1/status", status(chain()))
    assert "Services as they run" not in browser.get(PAGE).text
