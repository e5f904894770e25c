"""Serves acme2certifier on loopback, in its own environment: `acme2certifier_server.py PORT DNS_PORT HTTP_PORT`.

Its settings have no ports for DNS and HTTP-01, so the two places where it asks are told here. All else is as it comes.
"""

import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import dns.resolver
import requests

PORT, DNS_PORT, HTTP_PORT = map(int, sys.argv[1:])


class Resolver(dns.resolver.Resolver):
    def reset(self):
        super().reset()
        self.port = DNS_PORT


def fetch(logger, host, path, pinned_ips, timeout, **_):
    """Return text, status and problem of an answer to HTTP-01, from the addresses that DNS gave for the host."""
    problem = "no address"
    for address in pinned_ips:
        url = f"http://{f'[{address}]' if ':' in address else address}:{HTTP_PORT}{path}"
        try:
            answer = requests.get(url, headers={"Host": host}, timeout=timeout, allow_redirects=False)
        except requests.RequestException as error:
            problem = str(error)
        else:
            return answer.text, answer.status_code, None if answer.ok else answer.reason
    return None, 500, problem


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Handler(WSGIRequestHandler):
    def address_string(self):
        return self.client_address[0]  # without asking DNS for a name


def main():
    dns.resolver.Resolver = Resolver
    from acme2certifier.acme_srv import helper
    from acme2certifier.share.acme2certifier_wsgi import application

    helper.url_get_dns_pinned = fetch
    make_server("127.0.0.1", PORT, application, Server, Handler).serve_forever()


if __name__ == "__main__":
    main()
