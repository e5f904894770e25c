"""Headers in which a client could claim what only a proxy knows.

An upstream behind a proxy believes such headers: it takes the client's address, the scheme, the user or the path that was
asked for from them. nginx passes on what it doesn't know, so each name is dropped. Those that the proxy sets itself
(``X-Forwarded-For``, ``X-Real-IP`` and their like in ``proxy.conf``) aren't among them.
"""

from __future__ import annotations

CLAIMED_HEADERS: tuple[str, ...] = (
    # Whom we speak for (RFC 7239 and what came before it).
    "Forwarded",
    "X-Forwarded",
    "X-Forwarded-By",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Protocol",
    "X-Forwarded-Ssl",
    "X-Url-Scheme",
    "X-Scheme",
    "Front-End-Https",
    "Forwarded-For",
    "Forwarded-For-Ip",
    # The client's address, as content delivery networks and load balancers say it.
    "True-Client-IP",
    "Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-Originating-IP",
    "X-Original-Forwarded-For",
    "X-Envoy-External-Address",
    "X-ProxyUser-Ip",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "CF-Pseudo-IPv4",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Appengine-User-IP",
    # What was asked for, in place of the request line and Host.
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Host",
    "X-Original-Method",
    "X-Original-For",
    "X-Original-Proto",
    "X-Rewrite-URL",
    "X-Forwarded-Uri",
    "X-Forwarded-Path",
    "X-Forwarded-Prefix",
    "X-Forwarded-Method",
    "X-Host",
    "X-HTTP-Host-Override",
    # Who the client is, as an authenticating proxy says it (RFC 9440 and others).
    "Client-Cert",
    "Client-Cert-Chain",
    "X-Client-Cert",
    "X-Client-Verify",
    "X-SSL-Cert",
    "X-SSL-Client-Cert",
    "X-SSL-Client-DN",
    "X-SSL-Client-Verify",
    "X-ARR-ClientCert",
    "X-Forwarded-Client-Cert",
    "Remote-User",
    "X-Remote-User",
    "X-Webauth-User",
    "X-Authenticated-User",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    # CGI makes HTTP_PROXY of it, by which the upstream's own requests are sent elsewhere ("httpoxy").
    "Proxy",
    # For the next connection only (RFC 9110 section 7.6.1); nginx itself drops the others of these.
    "Proxy-Connection",
    "Proxy-Authorization",
    "HTTP2-Settings",
)
