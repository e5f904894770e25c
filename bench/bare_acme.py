"""Baseline of chains of an ACME CA: only the requests of RFC 8555, nothing stored, nothing checked.

python bench/bare_acme.py DIRECTORY_URL TRUST ACCOUNT_KEY NAME... [--concurrency 8]

With a `Zone` names are proved by DNS-01: an update of the zone before the CA is told, and one after it.
"""

import argparse
import hashlib
import json
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dns.name
import dns.query
import dns.tsig
import dns.update
import josepy
import requests
from acme import jws
from bare_ca import titled
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

FIRST_POLL, LONGEST_POLL = 0.02, 1.0
"""Seconds until the first poll of an order, and the most between two polls."""


@dataclass(frozen=True)
class Zone:
    """A zone with the server that takes updates of it (RFC 2136)."""

    name: str
    address: str
    port: int
    key: dns.tsig.Key

    def add(self, owner: str, value: str) -> None:
        update = self._update()
        update.add(self._name(owner), 60, "TXT", f'"{value}"')
        dns.query.tcp(update, self.address, 10, self.port)

    def delete(self, owner: str, value: str) -> None:
        update = self._update()
        update.delete(self._name(owner), "TXT", f'"{value}"')
        dns.query.tcp(update, self.address, 10, self.port)

    def _update(self) -> dns.update.UpdateMessage:
        return dns.update.UpdateMessage(self.name, keyring=self.key)

    @staticmethod
    def _name(owner: str) -> dns.name.Name:
        return dns.name.from_text(owner)


class Client:
    """An account at a CA."""

    def __init__(self, url: str, trust: str, key: josepy.JWK, connections: int, *, zone: Zone | None = None) -> None:
        self.key = key
        self.zone = zone
        self.thumbprint = josepy.b64encode(key.thumbprint()).decode()
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = trust
        self.http.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=connections))
        self.nonces: deque[str] = deque(maxlen=32)
        self.kid = ""
        self.directory = self.http.get(url, timeout=30).json()
        self.kid = self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True}).headers["Location"]

    def post(self, url: str, payload: object | None = None) -> requests.Response:
        """POST, or POST-as-GET without a payload."""
        text = b"" if payload is None else json.dumps(payload).encode()
        while True:
            answer = self.http.post(
                url, self.signed(url, text), headers={"Content-Type": "application/jose+json"}, timeout=30
            )
            if nonce := answer.headers.get("Replay-Nonce"):
                self.nonces.append(nonce)
            if answer.ok:
                return answer
            if not answer.json()["type"].endswith(":badNonce"):
                raise RuntimeError(answer.text)

    def signed(self, url: str, text: bytes) -> bytes:
        try:
            nonce = self.nonces.pop()
        except IndexError:
            nonce = self.http.head(self.directory["newNonce"], timeout=30).headers["Replay-Nonce"]
        options = {"kid": self.kid} if self.kid else {}
        signed = jws.JWS.sign(text, key=self.key, alg=josepy.ES256, nonce=josepy.b64decode(nonce), url=url, **options)
        return signed.json_dumps().encode()

    def until(self, order: str, *wanted: str) -> dict:
        pause = FIRST_POLL
        while True:
            time.sleep(pause)
            found = self.post(order).json()
            if found["status"] in wanted:
                return found
            if found["status"] == "invalid":
                raise RuntimeError(found)
            pause = min(pause * 1.6, LONGEST_POLL)

    def obtain(self, name: str) -> str:
        """Order a chain for a name and return it, PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        csr = (
            x509.CertificateSigningRequestBuilder(titled(name))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        answer = self.post(self.directory["newOrder"], {"identifiers": [{"type": "dns", "value": name}]})
        order, url = answer.json(), answer.headers["Location"]
        type_, values = "dns-01" if self.zone else "http-01", []
        for each in order["authorizations"]:
            authorization = self.post(each).json()
            if authorization["status"] == "pending":
                challenge = next(one for one in authorization["challenges"] if one["type"] == type_)
                if self.zone:
                    authorized = f"{challenge['token']}.{self.thumbprint}".encode()
                    values.append(josepy.b64encode(hashlib.sha256(authorized).digest()).decode())
                    self.zone.add(f"_acme-challenge.{name}", values[-1])
                self.post(challenge["url"], {})
        order = self.until(url, "ready", "valid")
        for each in values:
            self.zone.delete(f"_acme-challenge.{name}", each)
        order = self.post(order["finalize"], {"csr": josepy.b64encode(csr.public_bytes(Encoding.DER)).decode()}).json()
        if order["status"] != "valid":
            order = self.until(url, "valid")
        return self.post(order["certificate"]).text


def main(arguments: argparse.Namespace) -> None:
    key = josepy.JWKEC(key=load_pem_private_key(Path(arguments.account_key).read_bytes(), None))
    client = Client(arguments.directory, arguments.trust, key, arguments.concurrency, zone=arguments.zone)
    with ThreadPoolExecutor(arguments.concurrency) as pool:
        chains = list(pool.map(client.obtain, arguments.names))
    assert all("END CERTIFICATE" in chain for chain in chains)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("trust")
    parser.add_argument("account_key")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--concurrency", type=int, default=8)
    parser.set_defaults(zone=None)
    main(parser.parse_args())
