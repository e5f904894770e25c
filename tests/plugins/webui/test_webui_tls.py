"""How the web interface speaks TLS, and to whom it shows which chain."""

import os
import re
import socket
import ssl
import warnings
from contextlib import suppress

import pytest

from support.appliances.webui import Appliance, Pair, Root


def test_the_slot_is_chosen_by_name(appliance: Appliance, root: Root, ecdsa: Pair) -> None:
    named = root.issue("gw.example.com", "*.vpn.example.com")
    appliance.stage(1, ecdsa, named, ("gw.example.com", "*.vpn.example.com"))
    appliance.switch(1)
    appliance.start()
    for server_name, expected in {
        "gw.example.com": named,
        "GW.Example.COM": named,
        "a.vpn.example.com": named,
        "a.b.vpn.example.com": ecdsa,
        "vpn.example.com": ecdsa,
        "unknown.example.net": ecdsa,
        "localhost": ecdsa,
        "127.0.0.1": ecdsa,  # sent as an address: no SNI, and verified as one
        None: ecdsa,
    }.items():
        context = root.client()
        context.check_hostname = server_name == "127.0.0.1"
        assert appliance.presented(server_name, context) == expected.der, server_name


def test_tls_1_1_is_refused_by_the_server(serving: Appliance, root: Root) -> None:
    context = root.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"EOF|alert"):
        serving.presented(context=context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_http_1_1_is_negotiated_over_modern_tls(serving: Appliance, root: Root, version: ssl.TLSVersion) -> None:
    context = root.client()
    context.minimum_version = context.maximum_version = version
    with serving.connect(context=context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        cipher = connection.cipher()
    assert cipher
    assert re.search("GCM|CHACHA20", cipher[0])


def _client_hello(server_name: str) -> bytes:
    written = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), written, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return written.read()


def test_who_speaks_nonsense_to_the_port_harms_nobody(serving: Appliance, ecdsa: Pair) -> None:
    hello = _client_hello("aaaa.example").replace(b"aaaa", b"\xff\xfe\xff\xfe")
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", os.urandom(64), hello):
        with socket.create_connection(("127.0.0.1", serving.port), 20) as raw:
            raw.sendall(nonsense)
            raw.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while raw.recv(4096):
                    pass
    assert serving.presented() == ecdsa.der
    assert "Traceback" not in serving.log
