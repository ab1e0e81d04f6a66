"""The languages of the pages, and which of them a request is answered in."""

from __future__ import annotations

from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_locale
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

# Each as its own speakers call it. The texts in the code are English; the others have a catalog in translations/.
SHIPPED = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "pt": "Português",
    "ar": "العربية",
    "ja": "日本語",
}
ENGLISH = "en"
HEADER_CHARACTERS = 256


def init_app(app: Flask) -> None:
    """Have every text of a request come in its language."""
    Babel(app, default_locale=ENGLISH, locale_selector=choose_language)
    app.jinja_env.globals["language"] = language
    app.jinja_env.globals["direction"] = direction


def choose_language() -> str:
    """Return the language of this request: of the page that it is made for, or of the person who makes it."""
    if not has_request_context():
        return ENGLISH  # a command, in a terminal
    return accepted_language() or ENGLISH


def accepted_language() -> str | None:
    """Return the shipped language that the browser likes best; None when it names none of them."""
    header = request.headers.get("Accept-Language", "")[:HEADER_CHARACTERS]
    for tag, _quality in parse_accept_header(header, LanguageAccept):
        if shipped := shipped_language(tag):
            return shipped
    return None


def shipped_language(tag: str | None) -> str | None:
    """Return the language of a tag like 'pt-BR', of whatever region; None for one that is not shipped."""
    code = (tag or "")[:HEADER_CHARACTERS].replace("_", "-").partition("-")[0].lower()
    return code if code in SHIPPED else None


def language() -> str:
    """Return the language in which this is being rendered."""
    locale = get_locale() if g else None
    return locale.language if locale else ENGLISH


def direction() -> str:
    """Return in which direction that language is written: 'ltr' or 'rtl'."""
    locale = get_locale() if g else None
    return locale.text_direction if locale else "ltr"
