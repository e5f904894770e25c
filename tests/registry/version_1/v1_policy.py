"""A policy: its modules have RSA keys only. Written for version 1.0 of the plugin contract, and never changed."""

from collections.abc import Generator
from dataclasses import replace

from chainwright import HostFacts, KeyType, Module, Need, hookimpl

api = 1


@hookimpl(wrapper=True)
def declare_needs(asked: Module, host: HostFacts) -> Generator[None, list[Need], list[Need]]:
    needs = yield
    if asked.instance != "v1_sites":
        return needs
    return [replace(need, key_types=(KeyType.RSA_2048,)) for need in needs]
