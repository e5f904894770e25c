"""Texts and brand of the login page: types of settings that are safe in HTML, CSS and nginx's language."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from chainwright import PathText, Url

FORBIDDEN = re.compile(r"[<>&\"`\\;{}$#]")
COLOR = re.compile(r"#?([0-9A-Fa-f]{6})")
LANGUAGE = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
"""RFC 5646 section 2.1, without rare forms."""
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}


def _line(text: str) -> str:
    """Return a line of text with a typographic apostrophe: the plain one would end a string of nginx's."""
    text = text.strip().replace("'", "\u2019")
    found = FORBIDDEN.search(text)
    if found or not text.isprintable():
        what = f'"{found[0]}"' if found else "a control character"
        raise ValueError(f"{what} must not stand in a text of the page; for more than plain text override its template")
    return text


def _color(text: str) -> str:
    match = COLOR.fullmatch(text)
    if not match:
        raise ValueError('must be like "#1a5fb4"')
    return match[1].lower()


def _picture(text: str) -> str:
    if PurePosixPath(text).suffix not in PICTURES:
        raise ValueError(f"must end in one of {', '.join(PICTURES)}")
    return text


Line = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_line)]
"""Plain text in any language."""
Color = Annotated[str, AfterValidator(_color), PlainSerializer(lambda text: f"#{text}")]
"""``"#1a5fb4"``; printed without the number sign, which begins a comment in most configurations."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Texts(_Table):
    """``[modules.web_auth.texts]``."""

    language: str = Field("en", pattern=LANGUAGE, description="language of the page")
    title: Line = Field("Sign in", description="heading")
    welcome: Line = Field("Sign in to use this network.", description="what stands above the form")
    user: Line = Field("User name", description="label of the first field")
    password: Line = Field("Password", description="label of the second field")
    button: Line = Field("Sign in", description="label of the button")
    failed: Line = Field("The user name or the password is wrong.", description="after a form that was not accepted")
    done: Line = Field("You are online.", description="after one that was")
    unavailable: Line = Field(
        "Nobody can sign in at the moment. Try again in a minute.", description="when the upstream does not answer"
    )
    terms: Line = Field("Terms of use", description="label of the link to the terms")


class Brand(_Table):
    """``[modules.web_auth.brand]``."""

    organization: Line | None = Field(None, description="who runs the network")
    color: Color = Field("1a5fb4", description='of the button and of links, for example "#1a5fb4"')
    logo: Annotated[PathText, AfterValidator(_picture)] | None = Field(
        None, description="picture that nginx's workers may read"
    )
    terms: Url | None = Field(None, description="address of the terms of use")

    @property
    def picture_type(self) -> str:
        """Media type of the logo."""
        return PICTURES[PurePosixPath(self.logo or "").suffix]

    @property
    def on_color(self) -> str:
        """Black or white, whichever is easier to read on the colour (WCAG 2.2, contrast ratio)."""
        return "000" if _luminance(self.color) > 0.179 else "fff"


def _luminance(color: str) -> float:
    """Return the relative luminance as WCAG 2.2 defines it."""
    channels = (int(color[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
