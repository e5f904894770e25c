"""Secrets in the settings: ``KEY_file = "PATH"``, or ``KEY`` in a file that only its owner can read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from agent.config.files import Origins, SettingsKey
from agent.config.problems import holds_secret, members, problem
from agent.contract.fields import Secret
from agent.errors.settings import SettingsProblem
from agent.system.layout import Layout
from agent.system.trust import OTHERS_ACCESS, Untrusted, read

PATH = re.compile(r"(/(?!\.\./|\.\.$)[^/\0]+)+")
UNREADABLE = Secret("unreadable")
"""Placeholder of a secret that could not be read, so that it is not reported as missing as well."""


class _SecretRefused(Exception):
    """Refusal of a secret, with the reason."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Reader of secrets into the tables; adds what is wrong with them to `problems`."""

    layout: Layout
    origins: Origins
    problems: list[SettingsProblem] = field(repr=False)
    files: list[Path] = field(default_factory=list)
    """Secret files that were read."""
    _known: dict[type[BaseModel], Sequence[tuple[str, Any]]] = field(default_factory=dict)

    def resolve(self, model: type[BaseModel], key: SettingsKey, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Return `raw`, the table at `key`, with every secret field of `model` in place; nested models too."""
        values = dict(raw)
        for name, annotation in self._fields(model):
            if holds_secret(annotation):
                self._place(values, key, name)
            elif name in values:
                values[name] = self._below(annotation, (*key, name), values[name])
        return values

    def _fields(self, model: type[BaseModel]) -> Sequence[tuple[str, Any]]:
        """Return the fields that may hold a secret, found once per class: there may be thousands of its tables."""
        if model not in self._known:
            fields = [(info.alias or name, info.annotation) for name, info in model.model_fields.items()]
            self._known[model] = [each for each in fields if _may_hold(each[1])]
        return self._known[model]

    def _below(self, annotation: Any, key: SettingsKey, raw: Any) -> Any:
        """Return the value of a field that may hold models or secrets, also in lists and tables, with the secrets in place."""
        for kind in members(annotation):
            if kind is Secret:
                raw = self._listed(raw, key)
            elif isinstance(raw, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
                raw = self.resolve(kind, key, raw)
            elif isinstance(raw, dict) and len(get_args(kind)) == 2:
                raw = {name: self._below(get_args(kind)[1], (*key, name), each) for name, each in raw.items()}
            elif isinstance(raw, list) and get_args(kind):
                raw = [self._below(get_args(kind)[0], (*key, index), each) for index, each in enumerate(raw)]
        return raw

    def _listed(self, raw: Any, key: SettingsKey) -> Any:
        file = self.origins.of(key)
        if file in self.origins.private:
            return raw
        cause = f"a secret may not be in a file that other users can read: chmod 600 {file}"
        self.problems.append(problem(self.origins, key, cause))
        return UNREADABLE

    def _place(self, values: dict[str, Any], key: SettingsKey, name: str) -> None:
        beside = f"{name}_file"
        if name not in values and beside not in values:
            return
        try:
            values[name] = self._value(values, key, name)
        except _SecretRefused as error:
            self.problems.append(problem(self.origins, (*key, beside if beside in values else name), str(error)))
            values[name] = UNREADABLE
        values.pop(beside, None)

    def _value(self, values: Mapping[str, Any], key: SettingsKey, name: str) -> Any:
        beside = f"{name}_file"
        if beside not in values:
            return self._inline(values[name], (*key, name), beside)
        if name in values:
            raise _SecretRefused(f"is set beside {name}: set one of the two")
        return self._content(values[beside])

    def _inline(self, value: Any, key: SettingsKey, beside: str) -> Any:
        file = self.origins.of(key)
        if file not in self.origins.private:
            raise _SecretRefused(
                f'a secret may not be in a file that other users can read: write {beside} = "PATH", or: chmod 600 {file}'
            )
        return value

    def _content(self, path: Any) -> str:
        if not isinstance(path, str) or not PATH.fullmatch(path):
            raise _SecretRefused('must be an absolute path in quotes, without ".."')
        file = self.layout.rooted(path)
        self.files.append(file)
        try:
            content = read(file, root=self.layout.root, closed=OTHERS_ACCESS)
            text = content.data.decode().removesuffix("\n").removesuffix("\r")
        except Untrusted as error:
            raise _SecretRefused(f"the file {file} is not safe: {error.strerror}") from error
        except OSError as error:
            raise _SecretRefused(f"the file {file} can't be read: {error.strerror}") from error
        except UnicodeDecodeError:
            raise _SecretRefused(f"the file {file} is not UTF-8 text") from None
        if not text:
            raise _SecretRefused(f"the file {file} is empty")
        return text


def _may_hold(annotation: Any) -> bool:
    """Whether a field's type holds a secret or a model."""
    if isinstance(annotation, type) and issubclass(annotation, Secret | BaseModel):
        return True
    return any(_may_hold(argument) for argument in get_args(annotation))
