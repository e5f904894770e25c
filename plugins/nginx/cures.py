"""Cures for what nginx complains of without saying where, or with one place of two."""

from __future__ import annotations

import re

CURES = (
    (
        re.compile(r"could not build (?:optimal )?(?:the )?(server_names)_hash"),
        (
            "Set server_names_hash_max_size 131072 and server_names_hash_bucket_size 512 in {main}, "
            "or hash_sizes = true in [services.nginx]"
        ),
    ),
    (
        re.compile(r"could not build (?:optimal )?(?:the )?([a-z_]+)_hash"),
        "Set {0}_hash_max_size and {0}_hash_bucket_size higher in {main}",
    ),
    (
        re.compile(r'"(server_names_hash_[a-z_]+)" directive is duplicate in (\S+)'),
        "Take {0} out of {main}, or set hash_sizes = false in [services.nginx] (the second one is in {1})",
    ),
    (
        re.compile(r"a duplicate default server for (\S+) in (\S+)"),
        "Leave default_server at {0} to one server: {1} has it a second time",
    ),
    (
        re.compile(r"duplicate listen options for (\S+) in (\S+)"),
        "Leave the options of {0} to one `listen`: {1} has them a second time",
    ),
    (
        re.compile(r'dlopen\(\) "(\S+ngx_stream_module\.so)" failed'),
        (
            "Install nginx's stream module (Debian: apt install libnginx-mod-stream), set stream_module in "
            '[services.nginx] to its file, or to "" where nginx has it built in; or set tls_alpn = false'
        ),
    ),
    (
        re.compile(r'unknown directive "(stream|ssl_preread)"'),
        (
            "Let stream_module in [services.nginx] name the file of nginx's stream module (Debian: apt install "
            "libnginx-mod-stream), or set tls_alpn = false"
        ),
    ),
    (
        re.compile(r"bind\(\) to (\S+) failed \(98:"),
        "End what listens at {0}, as ss -ltnp shows it (an ipv6only=off takes it for IPv4 too), or take {0} out of the settings",
    ),
    (
        re.compile(r"bind\(\) to (\S+) failed \(99:"),
        "Give this machine the address {0}, or take it out of the settings",
    ),
)
"""What nginx says, and what helps; ``{main}`` is the main file."""


def cure_for(output: str, main_file: str) -> str:
    """Return what helps against the first complaint in `output` that is known; empty: none is."""
    for said, cure in CURES:
        if found := said.search(output):
            return cure.format(*found.groups(), main=main_file)
    return ""
