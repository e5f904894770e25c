"""Getting in and out, and what somebody without rights, without a session or without an agent is shown."""

import re
from datetime import timedelta

import pytest
from box import PASSWORDS
from playwright.sync_api import expect

CHANGING = re.compile("^(Check now|Reissue|Upload|Replace|Delete|Try now|Retry|Export|Revoke|Make)")


def test_a_wrong_password_is_told_and_says_nothing_about_the_name(calm, window, scripts):
    visitor = window(calm.url, java_script_enabled=scripts)
    sentences = []
    for user in ("admin", "nobody"):
        visitor.log_in(user, "not the pass phrase")
        sentences.append(visitor.page.get_by_role("alert").inner_text())
        expect(visitor.page.get_by_label("User")).to_have_value(user)
    assert sentences[0] == sentences[1]
    assert "wrong" in sentences[0]
    visitor.looks()


def test_a_logout_ends_the_session_and_the_way_back(calm, visit, scripts):
    visitor = visit(calm, java_script_enabled=scripts)
    visitor.page.get_by_role("button", name="Log out").click()
    visitor.page.wait_for_url("**/login")
    visitor.looks()
    visitor.page.go_back()
    visitor.page.wait_for_url("**/login*")
    assert {each["name"] for each in visitor.page.context.cookies()} <= {
        "__Host-chainwright-device"
    }  # it opens nothing


def test_a_session_that_has_ended_leads_to_the_login_and_back_to_where_one_was(calm, visit, scripts):
    visitor = visit(calm, "/root", java_script_enabled=scripts)
    calm.end_sessions("admin")
    visitor.page.get_by_role("link", name="Events").click()
    visitor.page.wait_for_url("**/login?next=%2Fevents")
    visitor.page.get_by_label("User").fill("admin")
    visitor.page.get_by_label("Password").fill(PASSWORDS["admin"])
    visitor.page.get_by_role("button", name="Log in").click()
    visitor.page.wait_for_url("**/events")


def test_a_button_of_a_session_that_has_ended_leads_to_the_login(calm, visit, scripts):
    visitor = visit(calm, java_script_enabled=scripts)
    calm.end_sessions("admin")
    visitor.page.get_by_role("button", name="Check now").click()
    visitor.page.wait_for_url("**/login*")


def test_who_may_only_read_sees_no_buttons_that_change_anything(troubled, visit):
    visitor = visit(troubled, user="guest")
    paths = ["/certificates", "/certificates?attention=1", "/root", "/events"]
    eyes = visitor.page.get_by_role("link", name=re.compile("^Details of"))
    paths += sorted({each.get_attribute("href") or "" for each in eyes.all()})
    for path in paths:
        visitor.go(path)
        expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
        for role in ("button", "link"):
            assert visitor.page.get_by_role(role, name=CHANGING).all_inner_texts() == [], path


@pytest.mark.parametrize("path", ["/upload", "/tokens", "/audit", "/root/replace", "/root/reissue"])
def test_who_may_only_read_is_told_so_where_something_is_changed(troubled, visit, path):
    visitor = visit(troubled, user="guest")
    visitor.go(path)
    visitor.sees(re.compile("this needs the role admin"))
    expect(visitor.page.locator("main form")).to_have_count(0)


def test_while_the_agent_does_not_answer_the_last_state_is_shown_and_nothing_can_be_changed(troubled, visit, scripts):
    visitor = visit(troubled, java_script_enabled=scripts)
    with troubled.silent():
        visitor.page.reload()
        visitor.sees(re.compile("^This is what was seen at"))
        expect(visitor.row("mail.example.com")).to_contain_text("Not deployed")
        assert visitor.page.get_by_role("button", name=CHANGING).all_inner_texts() == []
        visitor.looks()
        visitor.go("/events")
        expect(visitor.page.get_by_role("alert").or_(visitor.page.locator(".problem"))).to_be_visible()
        visitor.looks("events")
    visitor.go("/certificates")
    expect(visitor.page.get_by_role("button", name="Check now")).to_be_visible()


def test_the_login_says_when_the_agent_does_not_answer(calm, window):
    visitor = window(calm.url)
    with calm.silent():
        visitor.log_in("admin", PASSWORDS["admin"])
        visitor.sees(re.compile("agent"))
        visitor.looks()


def test_a_password_is_changed_and_the_other_sessions_end(calm, visit, scripts):
    other = visit(calm, user="guest")
    visitor = visit(calm, "/password", user="guest", java_script_enabled=scripts)
    fields = ("Present password", "New password", "New password, once more")
    for label, text in zip(fields, (PASSWORDS["guest"], "quite a new one", "quite another one"), strict=True):
        visitor.page.get_by_label(label, exact=True).fill(text)
    visitor.page.get_by_role("button", name="Change it").click()
    visitor.sees("The new password was not typed the same way twice; nothing was changed.")
    visitor.looks()
    for label, text in zip(fields, (PASSWORDS["guest"], "quite a new one", "quite a new one"), strict=True):
        visitor.page.get_by_label(label, exact=True).fill(text)
    visitor.page.get_by_role("button", name="Change it").click()
    visitor.page.wait_for_url("**/certificates")
    other.page.reload()
    other.page.wait_for_url("**/login*")
    calm.end_sessions("guest")


@pytest.mark.parametrize("path", ["/tokens", "/root/reissue"])
def test_what_weighs_much_asks_for_the_password_once_more(calm, visit, scripts, path):
    visitor = visit(calm, path, java_script_enabled=scripts)
    expect(visitor.page.get_by_label("Your password, once more")).to_have_count(0)
    calm.passwords_given(ago=timedelta(minutes=6))
    visitor.page.reload()
    visitor.sees("Asked for before keys or rights are given away")
    visitor.looks()


def test_a_form_that_asks_for_the_password_keeps_what_was_typed_and_goes_on(calm, visit, scripts):
    visitor = visit(calm, "/tokens", java_script_enabled=scripts)
    calm.passwords_given(ago=timedelta(minutes=6))  # the page doesn't know yet
    name = f"late-{'with' if scripts else 'without'}"
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_role("button", name="Make a token").click()
    visitor.sees("Your password is needed once more")
    visitor.page.get_by_label("Your password, once more").fill("not the pass phrase")
    visitor.page.get_by_role("button", name="Make a token").click()
    visitor.sees("The password is wrong.")
    visitor.looks()
    expect(visitor.page.get_by_label("Name")).to_have_value(name)
    visitor.page.get_by_label("Your password, once more").fill(PASSWORDS["admin"])
    visitor.page.get_by_role("button", name="Make a token").click()
    visitor.sees(re.compile("^cwt_"))


def test_a_token_is_shown_once_and_revoked(calm, visit, scripts):
    visitor = visit(calm, "/tokens", java_script_enabled=scripts)
    name = f"monitoring-{'with' if scripts else 'without'}"
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_role("button", name="Make a token").click()
    text = visitor.sees(re.compile("^cwt_")).inner_text()
    visitor.looks()
    visitor.page.reload()
    assert text not in visitor.page.content()
    expect(visitor.page.get_by_role("rowheader", name=name)).to_have_count(1)
    visitor.page.get_by_role("link", name=f"Revoke {name}").click()
    visitor.sees("Programs that use it are refused from then on")
    visitor.looks("revoke")
    visitor.page.get_by_role("button", name="Revoke").click()
    visitor.page.wait_for_url("**/tokens")
    expect(visitor.page.get_by_role("rowheader", name=name)).to_have_count(0)
    visitor.go("/audit")
    visitor.sees(re.compile("token"))
    visitor.looks("audit")
