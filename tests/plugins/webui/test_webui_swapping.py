"""A new generation in a running web interface: real handshakes against a real process."""

import json
import re
import ssl
import threading
from itertools import cycle
from pathlib import Path

import pytest

from support.appliances.webui import ADDRESS, Appliance, Pair, Root
from support.waiting import until


def test_no_handshake_fails_while_generations_of_both_key_types_are_swapped(
    serving: Appliance, rsa: Pair, ecdsa: Pair
) -> None:
    failures: list[str] = []
    handshakes: list[int] = []
    done = threading.Event()

    def request() -> None:
        while not done.is_set():
            try:
                assert serving.presented() in {rsa.der, ecdsa.der}
                handshakes.append(1)
            except (OSError, AssertionError) as error:
                failures.append(repr(error))

    visitors = [threading.Thread(target=request) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        for number, pair in zip(range(2, 32), cycle([rsa, ecdsa]), strict=False):
            serving.stage(number, pair)
            serving.reload(number)
            serving.wait_for_log(f"generation {number} is in service")
            assert serving.presented() == pair.der
    finally:
        done.set()
        for visitor in visitors:
            visitor.join()
    assert failures == []
    assert len(handshakes) >= 30


def test_a_client_that_only_speaks_rsa_does_not_get_the_former_chain(
    appliance: Appliance, root: Root, rsa: Pair, ecdsa: Pair
) -> None:
    appliance.stage(1, rsa)
    appliance.switch(1)
    appliance.start()

    def old_client() -> ssl.SSLContext:
        context = root.client()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        return context

    assert appliance.presented(context=old_client()) == rsa.der
    appliance.stage(2, ecdsa)
    appliance.reload(2)
    appliance.wait_for_log("generation 2 is in service")
    with pytest.raises(ssl.SSLError, match=r"EOF|alert"):
        appliance.presented(context=old_client())


def test_a_connection_held_open_survives_the_swap_and_still_names_its_own_chain(serving: Appliance, rsa: Pair) -> None:
    connection = serving.https()
    connection.request("GET", "/generation")
    assert json.load(connection.getresponse()) == {"generation": 1}
    held = connection.sock
    serving.stage(2, rsa)
    serving.reload(2)
    serving.wait_for_log("generation 2 is in service")
    connection.request("GET", "/generation")
    assert json.load(connection.getresponse()) == {"generation": 1}
    assert connection.sock is held
    assert json.loads(serving.ask("/generation")[1]) == {"generation": 2}
    connection.close()


def test_no_session_is_resumed_so_that_a_browser_sees_the_new_chain(serving: Appliance, root: Root) -> None:
    context = root.client()
    with serving.connect(context=context) as first:
        first.send(b"GET /generation HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        while first.recv(4096):
            pass
        assert first.version() == "TLSv1.3"
        assert first.session is None or not first.session.has_ticket


def _wrong_key(generation: Path, root: Root) -> None:
    (generation / "address/key.pem").write_bytes(root.issue("gw").key)


def _key_of_another_type(generation: Path, root: Root) -> None:
    (generation / "address/key.pem").write_bytes(root.issue("gw", key_type="rsa").key)


def _encrypted_key(generation: Path, root: Root) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key((generation / "address/key.pem").read_bytes(), None)
    sealed = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x"))
    (generation / "address/key.pem").write_bytes(sealed)


def _weak_key(generation: Path, root: Root) -> None:
    weak = root.issue("gw", key_type="rsa", bits=1024)
    (generation / "address/key.pem").write_bytes(weak.key)
    (generation / "address/fullchain.pem").write_bytes(weak.certificate)


def _garbage_key(generation: Path, root: Root) -> None:
    (generation / "address/key.pem").write_bytes(b"\xff\x00 not a key\n")


def _garbage_certificate(generation: Path, root: Root) -> None:
    (generation / "address/fullchain.pem").write_bytes(b"\xff\x00 not a certificate\n")


def _empty_certificate(generation: Path, root: Root) -> None:
    (generation / "address/fullchain.pem").write_bytes(b"")


def _broken_intermediate(generation: Path, root: Root) -> None:
    with (generation / "address/fullchain.pem").open("ab") as chain:
        chain.write(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def _missing_key(generation: Path, root: Root) -> None:
    (generation / "address/key.pem").unlink()


def _missing_certificate(generation: Path, root: Root) -> None:
    (generation / "address/fullchain.pem").unlink()


def _missing_manifest(generation: Path, root: Root) -> None:
    (generation / "generation.json").unlink()


def _manifest(text: str) -> object:
    def write(generation: Path, root: Root) -> None:
        (generation / "generation.json").write_text(text)

    return write


def _missing_directory(generation: Path, root: Root) -> None:
    generation.rename(generation.with_name("elsewhere"))


DAMAGES = [
    (_wrong_key, "2/address/key.pem: This private key does not belong to the first certificate in"),
    (_key_of_another_type, "2/address/key.pem: This private key does not belong to the first certificate in"),
    (_encrypted_key, "2/address/key.pem: This is not an unencrypted private key in PEM."),
    (_garbage_key, "2/address/key.pem: This is not an unencrypted private key in PEM."),
    (_weak_key, "2/address/fullchain.pem: This certificate cannot be served: ee key too small."),
    (_garbage_certificate, "2/address/fullchain.pem: This certificate cannot be served: it holds no readable PEM"),
    (_empty_certificate, "2/address/fullchain.pem: This certificate cannot be served: it holds no readable PEM"),
    (_broken_intermediate, "2/address/fullchain.pem: This certificate cannot be served: it holds no readable PEM"),
    (_missing_key, "2/address/key.pem: This file of the generation cannot be read: No such file or directory."),
    (_missing_certificate, "2/address/fullchain.pem: This file of the generation cannot be read: No such file"),
    (_missing_manifest, "2/generation.json: This file of the generation cannot be read: No such file or directory."),
    (_missing_directory, "live: The web interface has no generation to serve."),
    (
        _manifest("{"),
        "2/generation.json: The description of the generation is malformed: it is not JSON (Expecting property",
    ),
    (_manifest("[]"), "2/generation.json: The description of the generation is malformed: it is not an object."),
    (
        _manifest('{"generation": true}'),
        '2/generation.json: The description of the generation is malformed: "generation" is missing or is not a number.',
    ),
    (
        _manifest('{"generation": 2, "default": "address", "slots": {}}'),
        'The description of the generation is malformed: its default slot "address" is not among its slots.',
    ),
    (
        _manifest('{"generation": 2, "slots": {"address": {"certificate": "../1/address/fullchain.pem"}}}'),
        'description of the generation is malformed: certificate "../1/address/fullchain.pem" lies outside the generation.',
    ),
]


def test_a_bad_generation_leaves_the_old_one_in_service_and_the_log_says_which_file_and_why(
    serving: Appliance, root: Root, ecdsa: Pair, tmp_path: Path
) -> None:
    refusals = re.compile(r"^\S+ ERROR webui: reload refused: (.*)$", re.MULTILINE)
    connection = serving.https()
    for turn, (damage, reason) in enumerate(DAMAGES):
        generation = serving.stage(2, root.issue(*ADDRESS))
        damage(generation, root)
        serving.reload(2)
        until(lambda turn=turn: len(refusals.findall(serving.log)) > turn, what=lambda: serving.log)
        line = refusals.findall(serving.log)[turn]
        assert reason in line
        assert line.endswith("Generation 1 stays in service.")
        assert serving.presented() == ecdsa.der
        connection.request("GET", "/generation")
        assert json.load(connection.getresponse()) == {"generation": 1}
        generation.exists() and generation.rename(tmp_path / f"refused-{turn}")
        (tmp_path / "elsewhere").exists() and (tmp_path / "elsewhere").rename(tmp_path / f"refused-{turn}")
    connection.close()
    assert "Traceback" not in serving.log
    assert "PRIVATE" not in serving.log


def test_a_good_generation_after_a_bad_one_is_taken(serving: Appliance, root: Root, rsa: Pair) -> None:
    _wrong_key(serving.stage(2, rsa), root)
    serving.reload(2)
    serving.wait_for_log("reload refused")
    serving.stage(3, rsa)
    serving.reload(3)
    serving.wait_for_log("generation 3 is in service")
    assert serving.presented() == rsa.der


def test_a_slot_that_a_new_generation_no_longer_has_is_no_longer_served(
    appliance: Appliance, root: Root, ecdsa: Pair
) -> None:
    named = root.issue("gw.example.com")
    appliance.stage(1, ecdsa, named)
    appliance.switch(1)
    appliance.start()
    assert appliance.presented("gw.example.com") == named.der
    appliance.stage(2, ecdsa)
    appliance.reload(2)
    appliance.wait_for_log("generation 2 is in service")
    context = root.client()
    context.check_hostname = False
    assert appliance.presented("gw.example.com", context) == ecdsa.der
