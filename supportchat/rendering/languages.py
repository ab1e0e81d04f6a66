"""The languages of the pages, and which of them a request is answered in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import flask_babel
from babel import Locale
from babel.support import NullTranslations
from flask import Flask, Response, current_app, g, has_request_context, request
from flask_babel import Babel, get_translations
from markupsafe import Markup
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from ..web import security
from ..web.cookies import KEPT_SECONDS, cookie_name, cookie_options

R = TypeVar("R")

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
    app.extensions["languages"] = {}
    app.after_request(remember_language)
    app.jinja_env.globals["_"] = translated
    app.jinja_env.globals["ngettext"] = counted
    app.jinja_env.globals["language"] = language
    app.jinja_env.globals["direction"] = direction
    app.jinja_env.globals["languages"] = SHIPPED


def choose_language() -> str:
    """Return the language of this request, or the one that `Fragments.in_language` has chosen.

    That of the page which its scripts answer for, then the agent's or the customer's choice, then the browser's.
    """
    if "language" in g:
        return str(g.language)
    if not has_request_context():
        return ENGLISH  # a command in a terminal
    of_page = shipped_language(request.headers.get("X-Language"))
    return (
        of_page
        or (_agents_language() if security.is_for_desk() else _customers_language())
        or _browsers_language()
        or ENGLISH
    )


def _agents_language() -> str | None:
    return shipped_language((g.get("agent") or {}).get("language"))


def _customers_language() -> str | None:
    return _asked_for() or shipped_language(request.cookies.get(cookie_name("l"))) or g.get("site_language")


def _asked_for() -> str | None:
    return shipped_language(request.args.get("lang"))


def _browsers_language() -> str | None:
    header = request.headers.get("Accept-Language", "")[:HEADER_CHARACTERS]
    # A quality of 0 says "anything but this".
    liked = (tag for tag, quality in parse_accept_header(header, LanguageAccept) if quality)
    shipped = (shipped_language(tag) for tag in liked)
    return next((code for code in shipped if code), None)


def shipped_language(tag: str | None) -> str | None:
    """Return the language of a tag like 'pt-BR', of whatever region; None for one that is not shipped."""
    code = (tag or "").partition("-")[0].lower()
    return code if code in SHIPPED else None


def remember_language(response: Response) -> Response:
    """Have a customer's browser keep the language that `?lang=` asks for. The database is told nothing."""
    asked = None if security.is_for_desk() else _asked_for()
    if asked and security.is_from_our_pages():
        response.set_cookie(cookie_name("l"), asked, max_age=KEPT_SECONDS, **cookie_options(in_frames=True))
    return response


class Spoken(NamedTuple):
    """A language with its texts."""

    code: str
    direction: str
    catalog: NullTranslations


def spoken() -> Spoken:
    """Return the language in which this is being rendered, chosen once. Flask-Babel looks it up for each text."""
    try:
        known: Spoken | None = g.get("spoken")
    except RuntimeError:  # outside of the app
        return Spoken(ENGLISH, "ltr", NullTranslations())
    if known is None:
        code, languages = choose_language(), current_app.extensions["languages"]
        known = g.spoken = languages.get(code)
        if known is None:
            known = g.spoken = languages[code] = Spoken(code, Locale(code).text_direction, get_translations())
    return known


def choose_anew() -> None:
    """Choose the language of the rest of this request: somebody has turned out to have asked for it."""
    flask_babel.refresh()
    g.pop("spoken", None)


def translated(text: str, /, **variables: object) -> Markup:
    """Translate a text of a template: what `_` is there."""
    found = Markup(spoken().catalog.ugettext(text))  # noqa: S704 - a text of our catalogs; what is put in is escaped
    return found % variables if variables else found


def counted(singular: str, plural: str, num: int, /, **variables: object) -> Markup:
    """Translate a text of a template about so many: what `ngettext` is there."""
    return Markup(spoken().catalog.ungettext(singular, plural, num)) % {"num": num, **variables}  # noqa: S704 - a text of our catalogs; what is put in is escaped


def gettext(text: str, /, **variables: object) -> str:
    """Translate a text."""
    found: str = spoken().catalog.ugettext(text)
    return found % variables if variables else found


def ngettext(singular: str, plural: str, num: int, /, **variables: object) -> str:
    """Translate a text about so many."""
    found: str = spoken().catalog.ungettext(singular, plural, num)
    return found % {"num": num, **variables}


def language() -> str:
    """Return the language in which this is being rendered."""
    return spoken().code


def once_per_language(make: Callable[..., R]) -> Callable[..., R]:
    """Return a function that gives what `make` does, which depends on the language and the arguments alone."""

    @functools.cache
    def made(language: str, *arguments: Any) -> R:
        return make(*arguments)

    return lambda *arguments: made(language(), *arguments)


def direction() -> str:
    """Return in which direction that language is written: 'ltr' or 'rtl'."""
    return spoken().direction
