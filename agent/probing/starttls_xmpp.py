"""STARTTLS of XMPP (RFC 6120 section 5), for clients and between servers."""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from agent.probing.plain_stream import PlainStream, shown

MOST_TAGS = 500
"""Tags of an answer: an offer of features has some dozens."""
ENDS = re.compile(
    rb"<(?:[\w.-]+:)?(features|proceed|failure|error)\b[^>]*/>$|</(?:[\w.-]+:)?(features|proceed|failure|error|stream)\s*>$"
)
"""End of an element that answers, whatever the prefix of its namespace."""
NAMESPACE = re.compile(r"""\s+xmlns(?::\w+)?=(?:'[^']*'|"[^"]*")""")


def begin_xmpp(plain: PlainStream, namespace: str, domain: str) -> None:
    """Open a stream to `domain`, read what it offers, and ask for TLS."""
    plain.write(
        f"<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams' "
        f"to={quoteattr(domain)} version='1.0'>".encode()
    )
    offer = _read_answer(plain, "the stream", "features")
    if "starttls" not in offer:
        plain.fail(f'the service offers no STARTTLS for {domain}, only "{shown(offer)}"')
    plain.write(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    _read_answer(plain, "STARTTLS", "proceed")


def _read_answer(plain: PlainStream, after: str, wanted: str) -> str:
    """Return the element that answers, without namespaces; refuse another one than `wanted`."""
    heard = b""
    for _ in range(MOST_TAGS):
        heard += plain.read_until(b">")
        if end := ENDS.search(heard):
            name = (end[1] or end[2]).decode()
            answer = _last_element(heard.decode("utf-8", "replace"), name)
            if name != wanted:
                plain.fail(f'{after} was answered with "{shown(answer)}"')
            return answer
    return plain.fail("the service does not end its answer")


def _last_element(heard: str, name: str) -> str:
    """Return the last element called `name` that was heard, without namespaces; of a stream that ends, its end."""
    begin = [0, *(each.start() for each in re.finditer(rf"<(?:[\w.-]+:)?{name}\b", heard))][-1]
    return "the stream's end" if name == "stream" else NAMESPACE.sub("", heard[begin:])
