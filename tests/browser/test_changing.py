"""Changing something, as a person would: each time with its preview or warning, its steps, and what came of it."""

import re
from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import load_pem_x509_certificate
from playwright.sync_api import expect
from states import Shop

from support.cas.certificates import key_pem, pem, root
from support.fakes.uploads import bundle_of, encrypted_pem


def files(*given: tuple[str, bytes]) -> Sequence[dict]:
    return [{"name": name, "mimeType": "application/octet-stream", "buffer": data} for name, data in given]


@pytest.fixture(scope="module")
def shop(calm) -> Shop:
    return Shop.at(calm.clock())


def chosen(visitor, *given: tuple[str, bytes]) -> None:
    """Choose files in the form for uploads, and have a look at them."""
    visitor.page.get_by_label("Files").set_input_files(files(*given))
    visitor.page.get_by_role("button", name="Look at it first").click()


def ended(visitor, how: str = "Done") -> None:
    """Wait until a job has ended, and see that its steps were told."""
    expect(visitor.page.locator("#job .status")).to_have_text(how, timeout=60_000)
    expect(visitor.page.locator("#job .steps li").first).to_be_visible()


def test_a_reissue_shows_its_steps_while_they_happen(calm, visit, scripts):
    visitor = visit(calm, java_script_enabled=scripts)
    before = calm.bound("news.example.com")
    visitor.page.get_by_role("button", name="Reissue news.example.com").click()
    if scripts:
        expect(visitor.page.get_by_role("dialog")).to_be_visible()
    expect(visitor.page.locator("#job")).to_be_visible()
    visitor.looks("begin")
    ended(visitor)
    visitor.looks("end")
    if scripts:
        visitor.page.get_by_role("button", name="Close").click()
        expect(visitor.page.get_by_role("dialog")).to_be_hidden()
    else:
        visitor.page.get_by_role("link", name="Back to the certificates").click()
    expect(visitor.row("news.example.com")).to_contain_text("Valid")
    assert calm.bound("news.example.com") != before


def test_a_look_at_everything_can_be_asked_for(calm, visit, scripts):
    visitor = visit(calm, java_script_enabled=scripts)
    visitor.page.get_by_role("button", name="Check now").click()
    expect(visitor.page.locator("#job .status")).to_have_text("Done", timeout=60_000)
    visitor.looks()


class TestWrongFiles:
    """Each with its sentence; nothing is stored."""

    @pytest.fixture
    def cases(self, calm, shop):
        now = calm.clock()
        leaf = shop.authority.leaf("portal.example.com", now=now)
        other = shop.authority.leaf("portal.example.com", now=now)
        hidden = shop.authority.authority("Example Sub CA", now=now - timedelta(days=3))
        return {
            "nothing": ((), "Choose a file, or paste the text."),
            "a picture": (
                (("logo.png", b"\x89PNG\r\n\x1a\n" + bytes(200)),),
                "This is neither a certificate nor a private key",
            ),
            "no key": ((("a.pem", pem(leaf.certificate)),), "There is no private key in what was given"),
            "no certificate": ((("a.key", key_pem(leaf.key)),), "There is no certificate in what was given"),
            "another key": (
                (
                    ("a.pem", pem(leaf.certificate, shop.authority.certificate, shop.root.certificate)),
                    ("b.key", key_pem(other.key)),
                ),
                "Key and certificate do not match",
            ),
            "a gap": (
                (("a.pem", bundle_of(hidden.leaf("portal.example.com", now=now))),),
                'The chain is incomplete: "portal.example.com" was issued by "Example Sub CA"',
            ),
            "too late": (
                (("a.pem", shop.bundle(shop.authority.leaf("portal.example.com", now=now, days=-0.5))),),
                'The certificate of "portal.example.com" expired at',
            ),
            "half": ((("a.pem", shop.bundle(leaf)[:-300]),), "is broken"),
            "too much": ((("a.pem", shop.bundle(leaf) + bytes(3 * 2**20)),), "That is more than 2 MiB."),
        }

    @pytest.mark.sampled(5)
    @pytest.mark.parametrize(
        "case",
        ["nothing", "a picture", "no key", "no certificate", "another key", "a gap", "too late", "half", "too much"],
    )
    def test_it_is_told_what_is_wrong(self, calm, visit, scripts, cases, case):
        given, sentence = cases[case]
        before = calm.uploaded()
        visitor = visit(calm, "/upload", java_script_enabled=scripts)
        chosen(visitor, *given)
        visitor.sees(re.compile(re.escape(sentence)))
        visitor.looks(case.replace(" ", "-"))
        assert calm.uploaded() == before


def test_a_chain_is_uploaded_after_a_preview_replaced_and_deleted(calm, visit, shop, scripts):
    name = "shop.example.com" if scripts else "wiki.example.com"
    visitor = visit(calm, java_script_enabled=scripts)
    visitor.page.get_by_role("link", name="Upload certificate").click()
    visitor.looks("form")
    first = shop.authority.leaf(name, now=calm.clock(), days=200)
    chosen(
        visitor,
        ("bundle.pem", pem(shop.authority.certificate, shop.root.certificate)),
        ("shop.pem", pem(first.certificate)),
        ("a.key", key_pem(first.key)),
    )
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Use this certificate?")
    for text in ("Nothing has been saved yet.", "Example Commerce CA 4", "sites"):
        visitor.sees(re.compile(text))
    visitor.looks("preview")
    visitor.page.get_by_role("button", name="Save and use it").click()
    ended(visitor)
    visitor.looks("uploaded")
    visitor.go("/certificates")
    expect(
        visitor.page.locator("section").first.locator("tbody").filter(has_text=name).filter(has_text="Uploaded")
    ).to_be_visible()
    assert calm.source(name) == "uploaded"

    # pinned, and the pin taken back
    for control, then in (("Pin", re.compile("pinned by ")), ("Take the pin back", re.compile("not pinned"))):
        visitor.page.get_by_role("link", name=f"Details of {name}").first.click()
        visitor.page.get_by_role("button", name=re.compile(f"^{control}")).click()
        expect(visitor.page.locator("#job .status")).to_have_text("Done", timeout=60_000)
        visitor.go("/certificates")
        visitor.page.get_by_role("link", name=f"Details of {name}").first.click()
        visitor.sees(then)
        visitor.looks(f"after-{control.split()[0]}")
        visitor.go("/certificates")

    # the next one in its place
    visitor.page.get_by_role("link", name=f"Replace {name}").click()
    second = shop.authority.leaf(name, now=calm.clock(), days=300)
    chosen(visitor, ("new.pem", shop.bundle(second)))
    visitor.sees("The uploaded certificate that it replaces is deleted.")
    visitor.looks("replacing")
    visitor.page.get_by_role("button", name="Save and use it").click()
    ended(visitor)
    visitor.go("/certificates")
    expect(visitor.page.get_by_role("link", name=f"Delete {name}")).to_have_count(1)

    # and away with it
    visitor.page.get_by_role("link", name=f"Delete {name}").click()
    visitor.sees(re.compile("takes over at once"))
    visitor.sees("Reverse proxy")
    visitor.looks("deleting")
    visitor.page.get_by_role("button", name="Delete it").click()
    ended(visitor)
    visitor.go("/certificates")
    expect(visitor.page.get_by_role("link", name=f"Delete {name}")).to_have_count(0)
    assert calm.source(name) == "local"


def test_a_passphrase_is_asked_for_only_when_it_is_needed(calm, visit, shop, scripts):
    visitor = visit(calm, "/upload", java_script_enabled=scripts)
    expect(visitor.page.get_by_label("Passphrase")).to_have_count(0)
    leaf = shop.authority.leaf("docs.example.com", now=calm.clock())
    sealed = encrypted_pem(leaf.key, b"open sesame") + pem(
        leaf.certificate, shop.authority.certificate, shop.root.certificate
    )
    chosen(visitor, ("sealed.pem", sealed))
    visitor.sees("The private key is protected by a passphrase, and none was given.")
    visitor.sees("sealed.pem")
    visitor.looks("asked")
    for passphrase, then in (("wrong", "The passphrase does not open it."), ("open sesame", "Use this certificate?")):
        visitor.page.get_by_label("Passphrase").fill(passphrase)
        visitor.page.get_by_role("button", name="Look at it first").click()
        visitor.sees(then)
    assert b"open sesame" not in visitor.page.content().encode()


def test_a_chain_that_nobody_needs_is_saved_only_on_demand(calm, visit, shop, scripts):
    name = f"{'with' if scripts else 'without'}.example.net"
    visitor = visit(calm, "/upload", java_script_enabled=scripts)
    visitor.page.locator("summary").click()
    visitor.page.get_by_label("Certificates and private key (PEM)").fill(
        shop.bundle(shop.authority.leaf(name, now=calm.clock())).decode()
    )
    visitor.page.get_by_role("button", name="Look at it first").click()
    keep = visitor.page.get_by_label("Save it for later, although no module needs it now")
    visitor.looks()
    keep.check()
    visitor.page.get_by_role("button", name="Save it").click()
    expect(visitor.page.locator("#job .status")).to_have_text("Done", timeout=60_000)
    visitor.go("/certificates")
    expect(visitor.page.get_by_role("link", name=f"Delete {name}")).to_be_visible()


def test_a_chain_is_exported_with_its_key_behind_a_passphrase(calm, visit, scripts):
    visitor = visit(calm, java_script_enabled=scripts)
    eye = visitor.row("mail.example.com").get_by_role("link", name=re.compile("^Details of"))
    visitor.go(eye.get_attribute("href") or "")
    visitor.page.get_by_role("link", name="Export with key (PKCS#12)").click()
    visitor.page.get_by_label("Passphrase for the file").fill("one short thing")
    visitor.page.get_by_label("Passphrase, once more").fill("another thing")
    visitor.page.get_by_role("button", name="Download PKCS#12").click()
    visitor.sees("The passphrase was not typed the same way twice.")
    visitor.looks()
    visitor.page.get_by_label("Passphrase for the file").fill("one long thing")
    visitor.page.get_by_label("Passphrase, once more").fill("one long thing")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Download PKCS#12").click()
    key, leaf, _ = pkcs12.load_key_and_certificates(download.value.path().read_bytes(), b"one long thing")
    assert key is not None
    assert leaf is not None
    assert key.public_key() == leaf.public_key()
    visitor.go("/audit")
    visitor.sees(re.compile("export"))


def test_a_new_root_is_made_after_its_consequences_were_named_and_a_word_was_typed(calm, visit, scripts):
    visitor = visit(calm, java_script_enabled=scripts)
    visitor.page.get_by_role("link", name="Reissue gw Root CA").click()
    for text in (
        "The IPsec connection to branch-1 stops until its certificate is replaced.",
        "The IPsec connection to branch-2 stops until its certificate is replaced.",
        "Everyone who installed the present root should install the new one before that one is retired.",
    ):
        visitor.sees(re.compile(re.escape(text)))
    expect(visitor.page.get_by_role("link", name="Cancel")).to_be_focused()
    visitor.looks("warning")
    before = calm.signer()
    visitor.page.get_by_label("Type REISSUE to go on").fill("reissue it")
    visitor.page.get_by_role("button", name="Reissue root").click()
    visitor.sees("Nothing was changed: type REISSUE exactly.")
    assert calm.signer() == before
    visitor.page.get_by_label("Type REISSUE to go on").fill("REISSUE")
    visitor.page.get_by_label("Sign with it at once").check()
    visitor.page.get_by_role("button", name="Reissue root").click()
    ended(visitor)
    after = calm.signer()
    assert after != before
    shown = visitor.page.locator("#job code").inner_text()
    assert shown.replace(":", "").lower() == after
    visitor.looks("done")
    visitor.go("/root")
    visitor.sees("Earlier roots")
    visitor.looks("root")


def test_the_root_is_replaced_by_the_authority_of_a_company(calm, visit, scripts):
    now = calm.clock() - timedelta(days=2)
    company = root(f"Company Root {scripts}", now=now)
    ours = company.authority(f"Company Gateways {scripts}", now=now, days=2000, pathlen=0, cert_sign=True)
    visitor = visit(calm, java_script_enabled=scripts)
    visitor.page.get_by_role("link", name="Replace root certificate").click()
    leaf = company.leaf("portal.example.com", now=calm.clock())
    chosen(visitor, ("leaf.pem", bundle_of(leaf, company)))
    visitor.sees(re.compile("may not sign|must be allowed|CA"))
    visitor.looks("refused")
    chosen(visitor, ("company.pem", bundle_of(ours, company)))
    visitor.sees(re.compile("branch-1"))
    visitor.sees(f"Company Gateways {scripts}")
    visitor.looks("warning")
    visitor.page.get_by_label("Type REPLACE to go on").fill("REPLACE")
    visitor.page.get_by_label("Sign with it at once").check()
    visitor.page.get_by_role("button", name="Replace root").click()
    ended(visitor)
    visitor.looks("done")


@pytest.mark.parametrize("form", ["Download (PEM)", "For Windows (DER)", "For Apple devices"])
def test_the_root_is_downloaded_in_the_form_that_a_device_likes(calm, visit, scripts, form):
    visitor = visit(calm, "/root", java_script_enabled=scripts)
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name=form).click()
    content = download.value.path().read_bytes()
    name = download.value.suggested_filename
    assert b"PRIVATE KEY" not in content
    assert name.endswith({"Download (PEM)": ".pem", "For Windows (DER)": ".cer"}.get(form, ".mobileconfig"))
    if form == "Download (PEM)":
        load_pem_x509_certificate(content)
