"""The words of scripts: they come with the page, in its language, by the names under which scripts ask for them."""

from __future__ import annotations

import functools
from collections.abc import Callable

from babel import Locale
from babel.plural import PluralRule
from flask import Flask
from flask_babel import get_locale, get_translations, pgettext
from flask_babel import gettext as _

from .languages import once_per_language

# Of each plural category that a language has, one of these numbers is an example.
EXAMPLES = (*range(1, 200), 0, 1_000_000)

Words = dict[str, str | dict[str, str]]


def init_app(app: Flask) -> None:
    """Give templates `script_words()`."""
    app.jinja_env.globals["script_words"] = once_per_language(script_words)


def script_words(is_desk: bool) -> Words:
    """Return the words for the scripts of a customer's page or of an agent's. Scripts fill in what is left open."""
    return {**words_of_every_page(), **(words_of_desk() if is_desk else {})}


def words_of_every_page() -> Words:
    """Return what the scripts of both sides say."""
    return {
        "sent": _("Sent"),
        "delivered": _("Delivered"),
        "read": _("Read"),
        "newMessages": _forms(lambda n: ungettext("%(num)s new message", "%(num)s new messages", n)),
        "copied": _("Copied"),
        "notCopied": _("Could not copy"),
        # Translators: how much of a text's limit is used, as in "7,600 of 8,000".
        "length": _("%(length)s of %(most)s"),
        "lengthSaid": _("%(length)s of %(most)s characters"),
        "tooLongSaid": _("%(length)s of %(most)s characters, too long to send"),
        "pictureLost": _("Not sent: this browser did not keep the picture. Choose it again."),
        "linkBlocked": _("Links can’t be opened from here. The address is %(address)s"),
        "unreached": _("The desk could not be reached. Try again in a moment."),
        "unreachedStatus": _("The desk could not be reached (%(status)s). Try again in a moment."),
        "refused403": _(
            "Something between you and us, perhaps a firewall, blocked this. Reload the page, or try another network."
        ),
        "refused407": _("Your network asks you to log in. Log in, then try again."),
        "refused413": _("This is too large for the server. Send a smaller picture, or a shorter text."),
        "refused451": _("Your network does not let this through. Try another network."),
        "outdated": _("The server could not process this. Reload the page and try again."),
        "refusedStatus": _("The server refused this (%(status)s)."),
    }


def words_of_desk() -> Words:
    """Return what only the scripts of the desk say."""
    return {
        # Translators: how long a customer has been waiting, as in "waiting 5 min".
        "waiting": _("waiting %(duration)s"),
        "notSentYet": _("not sent yet"),
        "keyCtrl": pgettext("key", "Ctrl"),
        "keyShift": pgettext("key", "Shift"),
        "keyEsc": pgettext("key", "Esc"),
        "you": _("You:"),
        "new": _forms(lambda n: ungettext("%(count)s new", "%(count)s new", n)),
        # Translators: of tickets in the queue.
        "chosen": _forms(lambda n: ungettext("%(num)s chosen", "%(num)s chosen", n)),
        "showUnassigned": _("Show unassigned (%(count)s)"),
        "replyPictureMissing": _("The picture of this reply could not be loaded. Add it yourself."),
        "shownOpen": _("%(shown)s of %(open)s open"),
        "shownOpenClosed": _("%(shown)s of %(open)s open, %(closed)s closed"),
        # Translators: read out when more of them come.
        "unread": _forms(lambda n: ungettext("%(num)s unread message", "%(num)s unread messages", n)),
        # Translators: read out when more of them come; of notes with somebody's name.
        "mentions": _forms(lambda n: ungettext("%(num)s ticket mentions you", "%(num)s tickets mention you", n)),
        # Translators: read out when more of them come.
        "unassigned": _forms(lambda n: ungettext("%(num)s unassigned ticket", "%(num)s unassigned tickets", n)),
    }


def ungettext(singular: str, plural: str, n: int) -> str:
    """Return the form of a text for a number, which is not filled in."""
    return get_translations().ungettext(singular, plural, n)


def _forms(form_for: Callable[[int], str]) -> dict[str, str]:
    """Return a form for each plural category of the language, by the names that `Intl.PluralRules` has for them."""
    return {category: form_for(n) for category, n in _examples(get_locale()).items()}


@functools.cache
def _examples(locale: Locale | None) -> dict[str, int]:
    rule = locale.plural_form if locale else PluralRule({})
    return {rule(n): n for n in reversed(EXAMPLES)}
