"""A made-up language: ⟦Send⟧. What a page shows without the brackets is not from the catalogs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from flask.testing import FlaskClient

from supportchat.translations.catalogs import texts_in_code

STANDS_FOR = "de"


def write_pseudo(folder: Path) -> None:
    """Write the catalog of the language, under the name of another one."""
    catalog = Catalog(Locale.parse(STANDS_FOR))
    for text in texts_in_code():
        if text.id:
            ids = [text.id] if isinstance(text.id, str) else text.id
            forms = tuple(f"⟦{form}⟧" for form in ids)
            catalog.add(text.id, forms[0] if isinstance(text.id, str) else forms, context=text.context)
    file = folder / STANDS_FOR / "LC_MESSAGES" / "messages.mo"
    file.parent.mkdir(parents=True)
    with file.open("wb") as opened:
        write_mo(opened, catalog)


class PseudoClient(FlaskClient):
    """A browser that asks for the language."""

    def __init__(self, *arguments: Any, **values: Any) -> None:
        super().__init__(*arguments, **values)
        self.environ_base["HTTP_ACCEPT_LANGUAGE"] = STANDS_FOR
