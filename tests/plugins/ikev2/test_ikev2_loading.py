"""The program that loads a configuration over vici, on a real charon; and what it refuses to read."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.pki.key import KeyType, generate_key
from plugins.ikev2.configuration import read
from plugins.ikev2.grammar import Unreadable, parse
from support.appliances.ikev2 import CARDS, ROAD, IKEv2Appliance

SIMPLE = """connections {{
  road {{
    version = 2
    local {{
      auth = pubkey
      certs = {leaf}
    }}
    remote {{
      auth = eap-mschapv2
    }}
    children {{
      net {{
        {child}
      }}
    }}
  }}
}}
"""


# The grammar of swanctl.conf


def test_sections_settings_comments_and_quoted_texts_are_understood():
    top = parse('# one\na { b = c d # two\n  e = "x \\" } y"\n  f { g = 1 } h =\n}\n', "file")
    a = top.sections["a"]
    assert a.values == {"b": "c d", "e": 'x " } y', "h": ""}
    assert a.sections["f"].values == {"g": "1"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a {\n", "line 2: the file ends inside of a section"),
        ("a {\n}\n}\n", 'line 3: "}" is out of place'),
        ('a = "x', 'line 1: a text in "..." has no end'),
        ("include other.conf", 'line 1: "include" is neither a section nor a setting'),
        ("a : b {\n}\n", 'line 1: "a" is neither a section nor a setting'),
        ("a {\n b = 1\n b = 2\n}\n", 'line 3: "b" stands there twice'),
        ("a = b = c\n", 'line 1: "=" is out of place'),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(text, reason):
    with pytest.raises(Unreadable) as caught:
        parse(text, "file")
    assert reason in str(caught.value)


# What is checked before anything is switched


def generation(place: Path, text: str, **files: bytes) -> Path:
    (place / "conf.d").mkdir(parents=True)
    (place / "conf.d/road.conf").write_text(text)
    for name, content in files.items():
        path = place / name.replace("__", "/").replace("_pem", ".pem")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return place


BLOCK = b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("text", "content", "reason"),
    [
        (
            SIMPLE.format(leaf="a.pem", child="esp_proposal = aes"),
            BLOCK,
            'the child net of the connection road can\'t have "esp_proposal"',
        ),
        (SIMPLE.format(leaf="b.pem", child=""), BLOCK, "b.pem: no such file or directory"),
        (SIMPLE.format(leaf="a.pem", child=""), BLOCK + BLOCK, "a.pem holds 2 PEM blocks in place of one"),
        (SIMPLE.format(leaf="a.pem", child=""), BLOCK.replace(b"MA==", b"M"), "a.pem is damaged"),
        ("secrets {\n ike-a {\n secret = x\n }\n}\n", BLOCK, 'must be called "eap-..."'),
        ("connections {\n a {\n version = 2\n }\n}\n", BLOCK, "the connection a needs local, remote and children"),
    ],
)
def test_what_charon_would_not_take_is_refused_by_the_check(tmp_path, text, content, reason):
    place = generation(tmp_path / "1", text, x509__a_pem=content)
    with pytest.raises(Unreadable) as caught:
        read([place])
    assert reason in str(caught.value)


def test_a_connection_that_this_side_begins_is_begun_by_the_program_and_not_by_charon(tmp_path):
    place = generation(tmp_path / "1", SIMPLE.format(leaf="a.pem", child="start_action = start"), x509__a_pem=BLOCK)
    found = read([place])
    assert found.initiated == {"road": ["net"]}
    assert found.connections["road"]["children"]["net"]["start_action"] == "none"


# On a real charon

pytest_root = pytest.mark.root


def load(box: IKEv2Appliance, directory: Path) -> subprocess.CompletedProcess[str]:
    state = box.layout.run / "strongswan-loaded.json"
    argv = [
        sys.executable,
        "-P",
        "-m",
        "plugins.ikev2.load",
        "--socket",
        str(box.socket),
        "--state",
        str(state),
        str(directory),
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def copied(box: IKEv2Appliance) -> Path:
    """Return a copy of the generation in service, to be spoilt."""
    target = box.root / "spoilt"
    shutil.copytree(box.live("ikev2"), target)
    return target


def wrong_key() -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return generate_key(KeyType.RSA_2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest_root
def test_a_key_that_is_not_the_leaf_s_is_refused_and_what_was_there_is_there_again(serving):
    serving.clock.advance(days=61)
    serving.apply()
    before, leaves = serving.loaded(), serving.leaves_with_keys()
    spoilt = copied(serving)
    (spoilt / "private/default.pem").write_bytes(wrong_key())
    result = load(serving, spoilt)
    assert result.returncode == 1
    assert result.stderr == f"error: charon has no key for {spoilt}/x509/default.pem\n"
    assert (serving.loaded(), serving.leaves_with_keys()) == (before, leaves)


@pytest_root
def test_a_key_that_is_none_is_refused_in_a_sentence(serving):
    before = serving.loaded()
    spoilt = copied(serving)
    (spoilt / "private/default.pem").write_text("-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n")
    result = load(serving, spoilt)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: charon refuses the key {spoilt}/private/default.pem: ")
    assert serving.loaded() == before


@pytest_root
def test_of_two_connections_of_which_one_is_refused_neither_is_left(serving):
    before = serving.loaded()
    spoilt = copied(serving)
    text = (spoilt / "conf.d/road.conf").read_text()
    (spoilt / "conf.d/a.conf").write_text(text.replace("road", "another").split("pools {")[0].replace("pools =", "#"))
    (spoilt / "conf.d/z.conf").write_text(
        text.replace("road", "zone").replace("proposals = default", "proposals = none-such", 1)
    )
    result = load(serving, spoilt)
    assert "charon refuses the connection zone" in result.stderr
    assert serving.loaded() == before


@pytest_root
def test_where_nobody_listens_it_says_so_and_ends_with_1(vpn, tmp_path):
    vpn.service["start"] = False
    result = load(vpn, tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"error: charon does not answer at {vpn.socket}: no such file or directory\n"


@pytest_root
def test_what_it_remembers_holds_no_secret(serving):
    serving.configure(connections=[ROAD, CARDS])
    serving.apply()
    kept = json.loads((serving.layout.run / "strongswan-loaded.json").read_text())
    items = {"keys", "pools", "secrets", "connections", "anchors", "certificates"}
    assert set(kept) == {"directories", "digests", "seen", *items}
    assert kept["connections"] == ["road"] or sorted(kept["connections"]) == ["cards", "road"]
    assert "correct-horse" not in json.dumps(kept)
