"""What whoever runs a server may decide. Every setting is an environment variable `ANNOTARY_` + its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from annotary.errors import Invalid
from annotary.model.base import Value

Positive = Annotated[int, Meta(ge=1)]


class Settings(Value):
    """The limits of a server: sizes in bytes, times in seconds."""

    base_url: str | None = None
    body_limit: Positive = 32 << 20
    upload_limit: Positive = 16 << 30
    request_seconds: Positive = 60
    query_depth: Positive = 15
    query_complexity: Positive = 20_000
    requests_at_once: Positive = 12
    streams_at_once: Positive = 4
    tasks_at_once: Positive = 2
    link_seconds: Positive = 24 * 3600
    mask_link_seconds: Positive = 30 * 24 * 3600
    presigned_downloads: bool = False
    session_seconds: Positive = 14 * 24 * 3600
    login_seconds: Positive = 24 * 3600


def settings_from(environment: Mapping[str, str] = os.environ, **given: Any) -> Settings:
    """Settings as given, else of the environment, else the defaults; raises Invalid."""
    names = {f"ANNOTARY_{name.upper()}": name for name in Settings.__struct_fields__}
    said = {name: environment[key] for key, name in names.items() if key in environment}
    said |= {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(said, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"settings of the server: {error}") from None
