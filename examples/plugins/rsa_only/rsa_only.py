"""A policy: RSA keys alone, for modules whose clients know nothing else."""

from collections.abc import Generator
from dataclasses import replace

from chainwright import KeyType, Module, Need, PluginSettings, Word, hookimpl

api = 1


class RsaOnly(PluginSettings):
    """Policy of RSA keys."""

    modules: tuple[Word, ...] = ()
    """Those that it is for; empty: all."""

    @hookimpl(wrapper=True)
    def declare_needs(self, asked: Module) -> Generator[None, list[Need], list[Need]]:
        needs = yield
        if self.modules and asked.instance not in self.modules:
            return needs
        return [replace(need, key_types=tuple(filter(is_rsa, need.key_types))) for need in needs]


def is_rsa(key_type: KeyType) -> bool:
    """Whether clients that know RSA alone take such keys."""
    return key_type.startswith("rsa")


@hookimpl
def register_settings() -> type[PluginSettings]:
    return RsaOnly
