"""What admins type about a site: kept as browsers write it, or refused with a sentence."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from supportchat.sites.forms import MOST, SiteForm, key_from, origin_of_site

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def app(lone_app: Flask) -> Flask:
    """One that asks no database for anything."""
    return lone_app


def form_of(app: Flask, **typed: str) -> SiteForm:
    with app.test_request_context():
        form = SiteForm(MultiDict({"name": "Shop", "colour": "#8c4126", **typed}))
        form.validate()
        for field in form:
            field.errors = [str(error) for error in field.errors]
        return form


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://Shop.Example", "https://shop.example"),
        ("shop.example", "https://shop.example"),
        ("https://shop.example:443/products?id=1#top", "https://shop.example"),
        ("https://shop.example:8443/", "https://shop.example:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("*.Shop.example/x", "https://*.shop.example"),
        ("https://*.shop.example:8443", "https://*.shop.example:8443"),
    ],
)
def test_an_address_becomes_the_origin_that_browsers_send(typed: str, kept: str) -> None:
    assert origin_of_site(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("http://shop.example", "ftp://shop.example", "javascript:alert(1)", "https://", "http://*.shop.example"),
        *(
            "null",
            "https://*.example",
            "https://*.example.",
            "https://*",
            "https://*.*.shop.example",
            "https://a.*.example",
        ),
        *("https://me:secret@shop.example", "https://shop.example:99999", "https://shop..example", "'none'", "*"),
        *("https://1.2.3.4.5", "file:///etc/passwd", 'https://shop.example"onload'),
    ],
)
def test_what_is_no_origin_or_could_be_changed_on_its_way_is_refused_and_stays_as_typed(app: Flask, typed: str) -> None:
    form = form_of(app, allowed_origins=f"https://ok.example {typed}")
    assert form.allowed_origins.errors
    assert form.allowed_origins.data == f"https://ok.example {typed}"


def test_nothing_that_is_typed_ends_an_entry_of_the_policy(app: Flask) -> None:
    kept = form_of(app, allowed_origins="https://shop.example;script-src *").values["allowed_origins"]
    assert not re.search(
        "[;,*]", "".join(form_of(app, allowed_origins="shop.example;script-src").values["allowed_origins"])
    )
    assert kept == ["https://shop.example;script-src", "*"]  # refused as a whole, and shown again


def test_origins_are_kept_once_each_and_so_many_at_most(app: Flask) -> None:
    assert form_of(app, allowed_origins="a.example, https://A.example/\nb.example").values["allowed_origins"] == [
        "https://a.example",
        "https://b.example",
    ]
    many = " ".join(f"s{number}.example" for number in range(MOST + 1))
    assert form_of(app, allowed_origins=many).allowed_origins.errors == ["Up to 20 addresses can be entered."]


@pytest.mark.parametrize(
    ("typed", "kept"), [("#8C4126", "#8c4126"), ("8c4126", "#8c4126"), (" #048 ", "#004488"), ("red", "red")]
)
def test_a_colour_may_be_written_in_some_ways(app: Flask, typed: str, kept: str) -> None:
    form = form_of(app, colour=typed)
    assert form.colour.data == kept
    assert bool(form.colour.errors) == (kept == "red")


def test_a_colour_that_is_too_light_is_refused_with_its_contrast(app: Flask) -> None:
    assert form_of(app, colour="#ffd500").colour.errors == [
        "White text on it is hard to read: the contrast is 1.4:1, and 4.5:1 is needed."
    ]
    # 4.48 is not 4.5.
    assert "the contrast is 4.4:1" in form_of(app, colour="#777777").colour.errors[0]


def test_parameters_are_names(app: Flask) -> None:
    assert form_of(app, kept_parameters="product, ref product").values["kept_parameters"] == ["product", "ref"]
    assert form_of(app, kept_parameters="a=b").kept_parameters.errors == ["“a=b” cannot be the name of a parameter."]


def test_what_is_left_empty_means_the_desks_own_words_and_the_browsers_language(app: Flask) -> None:
    values = form_of(app, greeting=" ").values
    assert (values["greeting"], values["language"]) == (None, None)
    assert form_of(app, language="xx").language.errors


@pytest.mark.parametrize(
    ("name", "key"),
    [("The Shop!", "the-shop"), ("Bücher & Café", "bucher-cafe"), ("日本", ""), ("-x-", "x"), ("a" * 40, "a" * 32)],
)
def test_a_name_suggests_a_key(name: str, key: Any) -> None:
    assert key_from(name) == key
