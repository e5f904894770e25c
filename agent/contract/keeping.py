"""Type of the setting that says how long a key is kept."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from agent.model.kept_key import KeyReuse, parse_key_reuse

KeepFor = Annotated[KeyReuse, PlainValidator(parse_key_reuse), PlainSerializer(str)]
"""``"10 renewals"`` or ``"400 days"``."""
