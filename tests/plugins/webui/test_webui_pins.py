"""Pins on the page of an uploaded chain, without scripts."""

from __future__ import annotations

import json
import re
from datetime import timedelta

from agent.errors.problem import rfc3339
from agent.report.details import ChainDetails, RenewalDetails
from agent.report.pins import PinDetails
from agent.report.rows import plain
from support.fakes.api import CHAIN, NOW, WHO, Answer, Browser, FakeApi, chain, problem

PAGE = f"/certificates/{CHAIN.id}"
OTHER = "34" * 32
FREE = PinDetails(
    "mail", "Mail", "default", in_settings=False, settings_pin=None, who="", at=None, other=None, obstacle=""
)
PINNED = PinDetails(
    "nginx", "nginx", "shop", in_settings=False, settings_pin=None, who="a<n>n", at=NOW, other=None, obstacle=""
)
SETTINGS = PinDetails(
    "sstp", "SSTP", "default", in_settings=True, settings_pin="1212", who="", at=None, other=None, obstacle=""
)
JOB = "0a" * 8


def says(agent: FakeApi, *pins: PinDetails, source: str = "uploaded") -> None:
    """Have the agent answer with one chain and its pins."""
    renewal = RenewalDetails(None, None, None, None, "", None, ())
    details = ChainDetails(chain(source=source, used_by=()), (), (), renewal, (), pins)
    agent.says(f"GET /v1/chains/{CHAIN.id}", plain(details))


def as_viewer(agent: FakeApi) -> None:
    agent.says("GET /v1/session", {**WHO, "role": "viewer", "idle_at": rfc3339(NOW + timedelta(minutes=30))})


def controls(page: Answer) -> list[tuple[str, str, str]]:
    """Return action, module and slot of each form about a pin."""
    found = []
    for action, form in re.findall(
        r'<form method="post" action="([^"]*/(?:un)?pin)"(.*?)</form>', page.text, re.DOTALL
    ):
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        assert fields["form_token"] == page.token
        found.append((action, fields["module"], fields["slot"]))
    return found


def test_a_page_shows_where_an_upload_is_pinned_and_could_be_and_offers_to_change_that(
    agent: FakeApi, browser: Browser
) -> None:
    says(agent, FREE, PINNED, SETTINGS)
    page = browser.get(PAGE)
    assert "Mail default · not pinned" in page.words
    assert "nginx shop · pinned by a<n>n" in page.words
    assert "SSTP default · pinned by the settings" in page.words
    assert controls(page) == [(f"{PAGE}/pin", "mail", "default"), (f"{PAGE}/unpin", "nginx", "shop")]


def test_who_may_only_look_sees_pins_and_no_control(agent: FakeApi, browser: Browser) -> None:
    says(agent, FREE, PINNED, SETTINGS)
    as_viewer(agent)
    page = browser.get(PAGE)
    assert "nginx shop · pinned by a<n>n" in page.words
    assert "SSTP default · pinned by the settings" in page.words
    assert "/pin" not in page.text
    assert "/unpin" not in page.text


def test_the_dialog_offers_the_same(agent: FakeApi, browser: Browser) -> None:
    says(agent, FREE)
    part = browser.get(PAGE, HX_Request="true")
    assert controls(part) == [(f"{PAGE}/pin", "mail", "default")]
    assert f'hx-post="{PAGE}/pin" hx-target="#dialog-body"' in part.text


def test_what_keeps_a_pin_from_being_used_is_said(agent: FakeApi, browser: Browser) -> None:
    other = PinDetails(
        "mail", "Mail", "default", in_settings=False, settings_pin=None, who="", at=None, other=OTHER, obstacle=""
    )
    held = PinDetails(
        "web", "Web", "a", in_settings=False, settings_pin="b.example.com", who="", at=None, other=None, obstacle=""
    )
    overruled = PinDetails(
        "web",
        "Web",
        "b",
        in_settings=False,
        settings_pin="b.example.com",
        who="ann",
        at=NOW,
        other=None,
        obstacle="it x",
    )
    says(agent, other, held, overruled)
    page = browser.get(PAGE)
    assert "Another certificate is pinned there; a pin of this one takes its place. Show it" in page.words
    assert f'href="/certificates/{OTHER}"' in page.text
    assert "Web a · the settings pin “b.example.com” there" in page.words
    assert (
        "The settings pin “b.example.com” there, which goes before this pin. It can't serve there: it x." in page.words
    )
    assert controls(page) == [(f"{PAGE}/pin", "mail", "default"), (f"{PAGE}/unpin", "web", "b")]


def test_an_upload_without_a_need_says_so_and_a_chain_of_another_source_has_no_pins(
    agent: FakeApi, browser: Browser
) -> None:
    says(agent)
    assert "No module needs a certificate that this one could be pinned for." in browser.get(PAGE).words
    says(agent, source="acme")
    assert "<h2>Pins</h2>" not in browser.get(PAGE).text


def test_a_pin_is_asked_of_the_agent_and_its_job_is_followed(agent: FakeApi, browser: Browser) -> None:
    says(agent, FREE)
    agent.says("POST /v1/pins", {"job": JOB}, 202)
    fields = {"form_token": browser.get(PAGE).token, "module": "mail", "slot": "default"}
    answer = browser.post(f"{PAGE}/pin", fields, follow=False)
    assert answer.headers["location"] == f"/jobs/{JOB}"
    ((_, body),) = agent.calls("POST /v1/pins")
    assert json.loads(body) == {"module": "mail", "slot": "default", "chain": CHAIN.id}
    partial = browser.post(f"{PAGE}/pin", fields, HX_Request="true")
    assert json.loads(partial.headers["hx-location"]) == {
        "path": f"/jobs/{JOB}",
        "target": "#dialog-body",
        "push": "false",
    }


def test_a_pin_is_taken_back_and_that_job_is_followed(agent: FakeApi, browser: Browser) -> None:
    says(agent, PINNED)
    agent.says("DELETE /v1/pins", {"job": JOB}, 202)
    fields = {"form_token": browser.get(PAGE).token, "module": "nginx", "slot": "shop"}
    answer = browser.post(f"{PAGE}/unpin", fields, follow=False)
    assert answer.headers["location"] == f"/jobs/{JOB}"
    assert agent.changes() == [f"DELETE /v1/pins?module=nginx&slot=shop&chain={CHAIN.id}"]


def test_a_pin_that_is_refused_leaves_its_reason_on_the_page(agent: FakeApi, browser: Browser) -> None:
    says(agent, FREE)
    agent.says("POST /v1/pins", problem("pin.unusable", "It has ended.", fix="Look."), 409)
    page = browser.post(f"{PAGE}/pin", {"form_token": browser.get(PAGE).token, "module": "mail", "slot": "default"})
    assert page.status == 409
    assert "It has ended. What to do: Look." in page.words
    assert "Mail default · not pinned" in page.words


def test_a_change_without_the_session_s_token_is_refused(agent: FakeApi, browser: Browser) -> None:
    says(agent, FREE)
    for action in ("pin", "unpin"):
        answer = browser.post(f"{PAGE}/{action}", {"form_token": "x", "module": "mail", "slot": "default"})
        assert answer.status == 403
    assert agent.changes() == []
