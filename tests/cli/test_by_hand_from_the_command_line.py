"""The same by hand as a person types it: files, findings, typed words and exit codes."""

import json
import os
import pty
import re
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from agent.cli.actor import command_actor
from agent.errors.problem import rfc3339
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from agent.pki.encoding import Part, encode
from agent.pki.judge import EDITION
from support.appliances.deployed import Deployed, served
from support.cas import certificates as toy_ca
from support.clients.terminal import PROGRAM
from support.processes import prepared


@pytest.fixture
def typed(tunnel):
    """A function that runs a command on an appliance whose module serves t.example.test."""

    def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
        return prepared.run([*PROGRAM[1:], "--root", tunnel.root, *arguments], **options)

    run.appliance = tunnel
    return run


def bought(appliance: Deployed, *names: str, days: int = 300):
    now = appliance.clock()
    root = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    return root.issue(names, KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=days))


def pem(chain, *, root: bool = True) -> bytes:
    parts = [Part.KEY, Part.FULLCHAIN, *([Part.ROOT] if root else [])]
    return encode(chain, parts)


def write(appliance: Deployed, name: str, data: bytes) -> str:
    path = appliance.root / name
    path.write_bytes(data)
    return str(path)


def on_a_terminal(typed, answer: str, *arguments: str) -> int:
    """Type a command and an answer on a terminal, and return the exit code."""
    argv = [*PROGRAM[1:], "--root", typed.appliance.root, *arguments]
    ours, theirs = pty.openpty()
    with prepared.start(argv, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        code = process.wait(60)
    os.close(ours)
    return code


def on_the_wire(appliance: Deployed) -> str:
    return served(appliance.port, "t.example.test")


def test_an_upload_is_examined_stored_and_served(typed):
    chain = bought(typed.appliance, "t.example.test")
    done = typed("upload", write(typed.appliance, "shop.pem", pem(chain)), "--for", "t.example.test")
    assert done.returncode == 0, done.stderr
    assert on_the_wire(typed.appliance) == chain.id
    assert "tunnel/default: uploaded, covers t.example.test" in done.stderr
    listed = json.loads(typed("uploads", "--json").stdout)
    assert [row["id"] for row in listed["uploaded"]] == [chain.id]


def test_a_chain_of_the_own_root_is_complete_without_it(typed):
    with typed.appliance.store() as store:
        now = typed.appliance.clock()
        chain = store.roots.load().issue(
            ["t.example.test"], KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=30)
        )
    done = typed("upload", write(typed.appliance, "own.pem", pem(chain, root=False)))
    assert done.returncode == 0, done.stderr
    assert on_the_wire(typed.appliance) == chain.id


def test_a_dry_run_says_what_would_switch_and_stores_nothing(typed):
    before = on_the_wire(typed.appliance)
    file = write(typed.appliance, "shop.pem", pem(bought(typed.appliance, "*.example.test")))
    done = typed("upload", file, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "tunnel/default: uploaded, covers t.example.test, by *.example.test",
        "Nothing was stored.",
    ]
    assert on_the_wire(typed.appliance) == before
    assert json.loads(typed("uploads", "--json").stdout)["uploaded"] == []


def test_an_upload_that_is_not_chosen_says_which_one_is_why_and_what_to_do(typed):
    first, second = bought(typed.appliance, "t.example.test", days=3000), bought(typed.appliance, "t.example.test")
    assert typed("upload", write(typed.appliance, "first.pem", pem(first))).returncode == 0
    file = write(typed.appliance, "second.pem", pem(second))
    ends = ", the other one ".join(rfc3339(each.usable_until) for each in (first, second))
    lines = [
        f"tunnel/default keeps {first.id[:12]}: it ends later: {ends}.",
        f"    To serve this one: chainwright pin tunnel default {second.id[:12]}, or chainwright delete {first.id[:12]}",
    ]
    preview = typed("upload", file, "--dry-run")
    assert preview.stdout.splitlines() == ["No module uses it now.", *lines, "Nothing was stored."]
    done = typed("upload", file)
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith(("tunnel/", "    To"))] == lines
    assert on_the_wire(typed.appliance) == first.id


def test_a_pin_is_set_shown_and_taken_back(typed):
    first, second = (bought(typed.appliance, "t.example.test", days=days) for days in (300, 200))
    for each in (first, second):
        typed("upload", write(typed.appliance, "shop.pem", pem(each)))
    short = second.id[:12]
    done = typed("pin", "tunnel", "default", short)
    assert done.returncode == 0
    assert done.stderr.splitlines()[:2] == [
        f"{short} is pinned for tunnel/default.",
        "tunnel/default: uploaded, covers t.example.test, pinned",
    ]
    assert on_the_wire(typed.appliance) == second.id
    assert f"pinned      {short} by {command_actor().name}, " in typed("explain", "tunnel").stdout
    (slot,) = json.loads(typed("explain", "tunnel", "--json").stdout)["slots"]
    assert (slot["pin"]["settings"], slot["pin"]["command"]["chain"]) == (None, second.id)
    back = typed("unpin", "tunnel", "default")
    assert back.stderr.splitlines()[0] == "The pin for tunnel/default is taken back."
    assert on_the_wire(typed.appliance) == first.id
    again = typed("unpin", "tunnel", "default")
    assert again.returncode == 1
    assert again.stderr == (
        "Error: No chain is pinned for tunnel/default.\nPin one: chainwright pin tunnel default CHAIN\n"
    )


def test_an_encrypted_pkcs12_file_with_its_passphrase(typed):
    chain = bought(typed.appliance, "t.example.test")
    certificates = [*chain.intermediates, *([chain.anchor] if chain.anchor else [])]
    data = pkcs12.serialize_key_and_certificates(
        b"shop", chain.key, chain.leaf, certificates, BestAvailableEncryption(b"sesame")
    )
    file = write(typed.appliance, "shop.p12", data)
    refused = typed("upload", file)
    assert refused.returncode == 1
    assert "passphrase" in refused.stderr
    secret = write(typed.appliance, "secret", b"sesame\n")
    assert typed("upload", file, "--passphrase-file", secret).returncode == 0
    assert on_the_wire(typed.appliance) == chain.id


def test_a_key_in_a_file_of_its_own(typed):
    chain = bought(typed.appliance, "t.example.test")
    certificates = write(typed.appliance, "shop.crt", encode(chain, [Part.FULLCHAIN, Part.ROOT]))
    key = write(typed.appliance, "shop.key", encode(chain, [Part.KEY]))
    refused = typed("upload", certificates)
    assert refused.returncode == 1
    assert "private key" in refused.stderr
    assert typed("upload", certificates, "--key", key).returncode == 0
    assert on_the_wire(typed.appliance) == chain.id


def test_a_file_that_is_not_there(typed):
    done = typed("upload", "/nowhere.pem")
    assert done.returncode == 2
    assert done.stderr == (
        "Error: /nowhere.pem: The file can't be read: no such file or directory.\nCheck its name and its mode.\n"
    )


def test_a_pipe_is_not_waited_for_but_what_the_shell_hands_over_is_read(typed):
    pipe = typed.appliance.root / "pipe"
    os.mkfifo(pipe)
    done = typed("upload", str(pipe), timeout=60)
    assert (done.returncode, done.stderr) == (
        2,
        f"Error: {pipe}: The file can't be read: it is not a regular file.\nCheck its name and its mode.\n",
    )
    for handed in ("/dev/stdin", "/dev/fd/0"):
        chain = bought(typed.appliance, "t.example.test")
        argv = [*PROGRAM, "--root", str(typed.appliance.root), "upload", handed]
        done = subprocess.run(argv, input=pem(chain), capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert on_the_wire(typed.appliance) == chain.id


def test_a_file_that_is_larger_than_any_chain_is_not_read(typed):
    large = write(typed.appliance, "large.pem", b"x" * (4 * 1024 * 1024 + 1))
    done = typed("upload", large)
    assert done.stderr.startswith(f"Error: {large}: The file can't be read: it is larger than 4194304 bytes.\n")
    assert typed("upload", "/dev/zero").returncode == 2


def test_deleting_says_who_uses_it_and_hands_over_when_told(typed):
    chain = bought(typed.appliance, "t.example.test")
    typed("upload", write(typed.appliance, "shop.pem", pem(chain)))
    refused = typed("delete", chain.id[:12])
    assert refused.returncode == 1
    assert "The chain is used by tunnel/default." in refused.stderr
    assert "tunnel/default: a chain of local takes over" in refused.stderr
    assert typed("delete", "t.example.test", "--yes").returncode == 0
    assert on_the_wire(typed.appliance) != chain.id


def test_deleting_says_that_the_pin_goes_with_it(typed):
    chain = bought(typed.appliance, "t.example.test")
    typed("upload", write(typed.appliance, "shop.pem", pem(chain)))
    typed("pin", "tunnel", "default", chain.id[:12])
    refused = typed("delete", chain.id[:12])
    assert refused.stderr.endswith(" Its pin for tunnel/default goes with it.\n")
    done = typed("delete", chain.id[:12], "--yes")
    assert "Its pin for tunnel/default is gone with it.\n" in done.stderr
    with typed.appliance.store() as store:
        assert store.pins.all() == []
        assert f"{chain.id[:12]} was deleted, with its key and its pin for tunnel/default" in [
            each.text for each in store.journal.since()
        ]


def test_a_module_that_is_being_taken_out_is_explained_as_the_status_tells_it(typed):
    typed.appliance.settings('hostname = "gw"\n')
    typed("apply")
    problem = typed.appliance.deployment("tunnel").problem
    explained = typed("explain", "tunnel")
    assert explained.stdout.startswith("tunnel is no longer in the settings.\n")
    assert all(line in explained.stdout for line in problem.lines())
    assert problem.cause in typed("status").stdout
    assert "asks for no chain" not in explained.stdout
    row = json.loads(typed("explain", "tunnel", "--json").stdout)
    assert (row["enabled"], row["deployment"]["problem"]["code"], row["slots"]) == (False, "deploy.still_served", [])


def test_an_upload_that_nobody_uses_is_deleted_when_told(typed):
    chain = bought(typed.appliance, "www.elsewhere.test")
    kept = typed("upload", write(typed.appliance, "shop.pem", pem(chain)), "--keep-unused")
    assert "No module uses it now." in kept.stderr.splitlines()
    refused = typed("delete", chain.id[:12])
    assert refused.returncode == 1
    assert "its key would be gone with it, and nothing was deleted" in refused.stderr
    assert on_a_terminal(typed, "n\n", "delete", chain.id[:12]) == 1
    assert [row["id"] for row in json.loads(typed("uploads", "--json").stdout)["uploaded"]] == [chain.id]
    assert on_a_terminal(typed, "y\n", "delete", chain.id[:12]) == 0
    assert json.loads(typed("uploads", "--json").stdout)["uploaded"] == []
    audit = json.loads(typed("webui", "audit", "--json").stdout)["audit"]
    assert [(row["who"], row["address"], row["action"], row["subject"]) for row in audit] == [
        (command_actor().name, "command", action, "www.elsewhere.test")
        for action in ("chain deleted", "chain uploaded")
    ]


def test_replacing_leaves_only_the_new_one(typed):
    first = bought(typed.appliance, "t.example.test")
    typed("upload", write(typed.appliance, "shop.pem", pem(first)))
    typed.appliance.clock.advance(seconds=1)
    second = bought(typed.appliance, "t.example.test")
    done = typed("upload", write(typed.appliance, "next.pem", pem(second)), "--replace", first.id[:12])
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in json.loads(typed("uploads", "--json").stdout)["uploaded"]] == [second.id]
    assert on_the_wire(typed.appliance) == second.id


def test_exporting_gives_certificates_only_unless_asked(typed):
    plain = typed("export", "t.example.test")
    assert plain.returncode == 0
    assert "BEGIN CERTIFICATE" in plain.stdout
    assert "PRIVATE" not in plain.stdout
    assert typed("export", "t.example.test", "--with-key").returncode == 2


def test_exporting_pkcs12_needs_a_passphrase_and_opens_with_it(typed):
    out = typed.appliance.root / "t.p12"
    refused = typed("export", "t.example.test", "--pkcs12", "--out", str(out))
    assert refused.returncode == 2
    assert "needs a passphrase" in refused.stderr
    short = write(typed.appliance, "short", b"open sesame\n")
    refused = typed("export", "t.example.test", "--pkcs12", "--passphrase-file", short, "--out", str(out))
    assert (refused.returncode, out.exists()) == (1, False)
    assert refused.stderr == (
        "Error: The passphrase is refused: it has 11 characters, and at least 12 are needed. Nothing was exported.\n"
        "Choose a longer one, of several words: nothing else protects the key in the file.\n"
    )
    secret = write(typed.appliance, "secret", b"open, sesame\n")
    assert typed("export", "t.example.test", "--pkcs12", "--passphrase-file", secret, "--out", str(out)).returncode == 0
    assert out.stat().st_mode & 0o777 == 0o600
    key, certificate, _ = pkcs12.load_key_and_certificates(out.read_bytes(), b"open, sesame")
    assert key.public_key() == certificate.public_key()


def test_a_chain_that_nobody_knows_suggests(typed):
    done = typed("export", "t.exmple.test")
    assert done.returncode == 2
    assert "t.example.test" in done.stderr


def test_reissuing_gives_a_new_chain(typed):
    before = on_the_wire(typed.appliance)
    done = typed("reissue", "t.example.test")
    assert done.returncode == 0, done.stderr
    assert on_the_wire(typed.appliance) not in {before, ""}


def test_reissuing_what_an_upload_serves_says_so(typed):
    chain = bought(typed.appliance, "t.example.test")
    typed("upload", write(typed.appliance, "shop.pem", pem(chain)))
    done = typed("reissue", "t.example.test")
    assert done.returncode == 0
    assert f"an uploaded chain serves it ({chain.id[:12]})" in done.stderr
    assert on_the_wire(typed.appliance) == chain.id


@pytest.mark.parametrize("arguments", [[], ["t.example.test", "--all"]])
def test_reissuing_needs_names_or_all(typed, arguments):
    done = typed("reissue", *arguments)
    assert done.returncode == 2
    assert "Name what to reissue, or say --all." in done.stderr


def test_renewing_with_nothing_due_does_nothing(typed):
    done = typed("renew")
    assert done.returncode == 0
    (why,) = [line for line in done.stderr.splitlines() if line.startswith("Nothing is renewed")]
    assert re.fullmatch(r"Nothing is renewed: no chain is due before \S+Z, and nothing has failed\.", why)
    assert done.stdout.startswith("Nothing to do.")


def test_a_root_is_not_replaced_without_a_word(typed):
    before = typed("root", "download").stdout
    done = typed("root", "reissue", "--now")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "Error: This needs confirmation; nothing was changed.\nIn scripts: --yes-reissue-root\n"
    )
    assert "1 local chain will be signed again and deployed: tunnel/default." in done.stderr
    assert typed("root", "download").stdout == before


def test_a_new_root_in_a_script(typed):
    before = typed("root", "download").stdout
    done = typed("root", "reissue", "--now", "--yes-reissue-root")
    assert done.returncode == 0, done.stderr
    assert typed("root", "download").stdout != before
    roots = json.loads(typed("root", "list", "--json").stdout)["roots"]
    assert [row["retired_at"] is None for row in roots] == [True, False]


def test_a_root_is_prepared_published_begun_and_retired(typed):
    before = typed("root", "download").stdout
    done = typed("root", "reissue", "--yes-reissue-root")
    assert done.returncode == 0, done.stderr
    assert "Before, give it to all who installed the old root: chainwright root download prints both." in done.stderr
    both = typed("root", "download").stdout
    assert both.startswith(before)
    assert both.count("BEGIN CERTIFICATE") == 2
    prepared, signing = json.loads(typed("root", "list", "--json").stdout)["roots"]
    assert (prepared["phase"], signing["phase"]) == ("prepared", "signing")
    assert (
        f"next     {prepared['subject']}, prepared, signs from {prepared['signs_at'][:10]}"
        in typed("root", "show").stdout
    )
    assert typed("root", "retire").stderr.startswith("Error: root: There is no root that another one has replaced")
    moved = typed("root", "begin", "--at", "2027-03-01")
    assert f"{prepared['subject']} signs from 2027-03-01 on." in moved.stderr
    assert typed("root", "begin", "--at", "soon").returncode == 2
    assert "the step can't be later" in typed("root", "begin", "--at", "2199-01-01").stderr
    for now in ((), ("--at", "2020-01-01")):
        done = typed("root", "begin", *now)
        assert (done.returncode, "Before" in done.stderr, "be signed again" in done.stderr) == (2, False, True)
    assert "is no date" in typed("root", "begin", "--at", "0001-01-01T00:00:00+14:00").stderr
    assert typed("root", "begin", "--yes-begin-signing").returncode == 0
    signing, replaced = json.loads(typed("root", "list", "--json").stdout)["roots"]
    assert (signing["sha256"], replaced["phase"]) == (prepared["sha256"], "replaced")
    assert f"before   {replaced['subject']}, replaced" in typed("root", "show").stdout
    assert typed("root", "retire", "--at", "2020-01-01").returncode == 2
    assert typed("root", "retire", "--yes-retire-root").returncode == 0
    assert json.loads(typed("root", "list", "--json").stdout)["roots"][1]["phase"] == "retired"
    assert "No root is prepared" in typed("root", "begin").stderr


@pytest.mark.parametrize(("word", "code"), [("REISSUE", 0), ("reissue", 2), ("", 2)])
def test_the_typed_word_on_a_terminal(typed, word, code):
    assert on_a_terminal(typed, f"{word}\n", "root", "reissue") == code


def test_an_uploaded_company_authority_signs_from_then_on(typed):
    company = toy_ca.root("Company Root")
    appliances = company.authority("Company Appliances")
    data = toy_ca.key_pem(appliances.key) + toy_ca.pem(appliances.certificate, company.certificate)
    done = typed("root", "upload", write(typed.appliance, "ca.pem", data), "--now", "--yes-replace-root")
    assert done.returncode == 0, done.stderr
    assert "New root: Company Appliances" in done.stderr
    shown = json.loads(typed("root", "show", "--json").stdout)["root"]
    assert shown["subject"] == "Company Appliances"
    assert shown["signs"] == 1


def test_what_some_clients_refuse_in_an_upload_is_printed_and_kept(typed):
    staple = x509.TLSFeature([x509.TLSFeatureType.status_request])
    shop = toy_ca.root("Shop CA", now=typed.appliance.clock())
    leaf = shop.leaf("t.example.test", now=typed.appliance.clock(), extensions=(staple,))
    data = toy_ca.key_pem(leaf.key) + toy_ca.pem(leaf.certificate, shop.certificate)
    done = typed("upload", write(typed.appliance, "t.pem", data))
    sentence = (
        "it demands a stapled OCSP response (must-staple), and no service here staples one: "
        "Firefox and GnuTLS refuse it"
    )
    assert f"warning  {sentence}\n" in done.stderr
    with typed.appliance.store() as store:
        uploaded = next(each for each in store.chains.records() if each.source == "uploaded")
    assert [each.sentence for each in uploaded.warnings] == [sentence]
    assert uploaded.edition == EDITION


@pytest.mark.parametrize("option", ["--dry-run", "--yes-replace-root"])
def test_a_root_that_may_not_sign_for_what_is_needed_now_is_refused(typed, option):
    bound = x509.NameConstraints([x509.DNSName("other.test")], None)
    other = toy_ca.root("Other Root", critical=(bound,))
    before = typed("root", "list", "--json").stdout
    data = toy_ca.key_pem(other.key) + toy_ca.pem(other.certificate)
    done = typed("root", "upload", write(typed.appliance, "ca.pem", data), option)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        (
            'Error: Every client would refuse what the root "Other Root" is to sign: The authority "Other Root" '
            'may not issue certificates for "t.example.test" (name constraints); clients refuse it.'
        ),
        "Give the appliance a root that may sign for these names, or leave the names out.",
    ]
    assert typed("root", "list", "--json").stdout == before


def test_what_only_some_clients_refuse_of_a_root_is_said_in_the_dry_run(typed):
    edwards = toy_ca.root("Edwards Root", key=ed25519.Ed25519PrivateKey.generate())
    data = toy_ca.key_pem(edwards.key) + toy_ca.pem(edwards.certificate)
    done = typed("root", "upload", write(typed.appliance, "ca.pem", data), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        'the key of "Edwards Root" is an Ed25519 key: Chromium, Firefox and Python\'s cryptography refuse it. (root)'
    )


def test_names_that_a_new_root_may_not_sign_for_are_said_where_another_source_serves_them(typed):
    """A company's authority for its own domain only, while the other names are served by an upload."""
    chain = bought(typed.appliance, "t.example.test")
    assert typed("upload", write(typed.appliance, "t.pem", pem(chain))).returncode == 0
    other = toy_ca.root("Other Root", critical=(x509.NameConstraints([x509.DNSName("other.test")], None),))
    data = toy_ca.key_pem(other.key) + toy_ca.pem(other.certificate)
    done = typed("root", "upload", write(typed.appliance, "ca.pem", data), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == (
        'The new root may not sign for "t.example.test" (name constraints): '
        "where no other source delivers, clients refuse its chain. (tunnel)"
    )


def test_a_leaf_is_no_root(typed):
    chain = bought(typed.appliance, "t.example.test")
    done = typed("root", "upload", write(typed.appliance, "leaf.pem", pem(chain)), "--yes-replace-root")
    assert done.returncode == 1
    assert json.loads(typed("root", "list", "--json").stdout)["roots"][0]["retired_at"] is None


def test_no_key_is_ever_printed(typed):
    chain = bought(typed.appliance, "t.example.test")
    data = pem(chain)
    lines = data.decode().splitlines()
    secret = lines[1]
    outputs = [
        typed("upload", write(typed.appliance, "shop.pem", data)),
        typed("upload", write(typed.appliance, "twice.pem", data + data)),
        typed("upload", write(typed.appliance, "torn.pem", data[: len(data) // 2])),
        typed("show", "t.example.test"),
        typed("status", "--json"),
        typed("events", "--json"),
    ]
    assert not any(secret in done.stdout + done.stderr for done in outputs)
