"""The pages on which admins look after sites."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image

from supportchat.images.redraw.limits import FACE_SIDE
from tests.cast import Agent
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")

TYPED = {"name": "The shop", "colour": "#8c4126", "allowed_origins": "shop.example"}


@pytest.fixture
def admin(web: Web) -> Browser:
    return web.agent("carol")


@pytest.fixture
def shop(admin: Browser) -> str:
    """The address of the page of a site."""
    return str(admin.post("/sites", name="The shop").headers["Location"])


def saved(rows: Any) -> Any:
    return rows("select name, colour, allowed_origins, greeting from sites where key = 'the-shop'")[0]


def test_a_site_is_added_under_the_key_that_its_name_suggests(admin: Browser, shop: str) -> None:
    assert shop == "/sites/the-shop"
    page = admin.get("/sites").text
    assert "The shop" in page
    assert "2 sites" in page
    refused = admin.post("/sites", name="The shop")
    assert refused.status_code == 409
    assert "Another site has this key already." in refused.text
    assert 'value="The shop"' in refused.text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": ""}, "Enter a name."),
        ({"name": "日本"}, "Enter a key: letters from a to z, digits, and hyphens."),
        ({"name": "Shop", "key": "a/b"}, "A key has up to 32 letters"),
    ],
)
def test_what_no_site_can_be_called_is_said_at_its_field(admin: Browser, typed: dict[str, str], sentence: str) -> None:
    answer = admin.post("/sites", **typed)
    assert answer.status_code == 422
    assert sentence in answer.text
    for value in filter(None, typed.values()):
        assert f'value="{value}"' in answer.text


def test_a_site_is_changed_and_customers_see_it_at_once(admin: Browser, web: Web, shop: str, rows: Any) -> None:
    web.visitor().get("/chat?site=the-shop")  # this process knows it as it was
    answer = admin.post(shop, **TYPED, greeting="Hello")
    assert answer.headers["Location"] == f"{shop}?saved="
    assert "Saved." in admin.get(answer.headers["Location"]).text
    assert saved(rows) == ("The shop", "#8c4126", ["https://shop.example"], "Hello")
    assert "look-8c4126" in web.visitor().get("/chat?site=the-shop").text


def test_a_colour_that_cannot_be_read_is_refused_with_one_that_can_and_nothing_typed_is_lost(
    admin: Browser, shop: str, rows: Any
) -> None:
    before = saved(rows)
    answer = admin.post(shop, **TYPED | {"colour": "#ffd500", "greeting": "A long greeting", "kept_parameters": "id"})
    assert answer.status_code == 422
    assert "White text on it is hard to read: the contrast is 1.4:1" in answer.text
    for kept in ("#ffd500", "A long greeting", "shop.example", 'value="id"'):
        assert kept in answer.text
    assert saved(rows) == before
    [offered] = re.findall(r'name="nearest" value="(#[0-9a-f]{6})"', answer.text)
    admin.post(shop, **TYPED | {"colour": "#ffd500", "nearest": offered})
    assert saved(rows)[1] == offered


def test_a_preview_shows_what_is_typed_and_saves_nothing(admin: Browser, shop: str, rows: Any) -> None:
    before = saved(rows)
    typed = TYPED | {"name": "Halden <Coffee>", "greeting": "Hi!"}
    for answer in (admin.post(f"{shop}/preview", htmx=True, **typed), admin.post(shop, **typed, preview="1")):
        assert answer.status_code == 200
        for shown in ("Halden &lt;Coffee&gt;", "Hi!", "preview-light look-8c4126", "preview-dark look-8c4126"):
            assert shown in answer.text
    wrong = admin.post(f"{shop}/preview", htmx=True, **TYPED | {"colour": "#ffd500"}).text
    assert "is the nearest that works." in wrong
    assert saved(rows) == before


def test_a_preview_is_in_the_language_that_is_chosen(admin: Browser, shop: str) -> None:
    page = admin.post(f"{shop}/preview", htmx=True, **TYPED | {"language": "ar", "colour": "#ffd500"}).text
    assert 'lang="ar" dir="rtl"' in page
    assert "is the nearest that works." in page
    assert "How can we help?" not in page
    assert 'lang="en" dir="ltr"' in admin.post(f"{shop}/preview", htmx=True, **TYPED, language="xx").text


def test_the_snippet_names_the_site_by_the_address_of_the_desk(admin: Browser, shop: str) -> None:
    page = admin.get(shop).text
    assert "/chat?site=the-shop&#34;&gt;Chat with us&lt;/a&gt;" in page
    assert "/widget.js?site=the-shop&#34;&gt;&lt;/script&gt;" in page
    assert "?site=" not in admin.get("/sites/main").text.partition("snippet-title")[2].partition("</section>")[0]


def picture(size: tuple[int, int], colour: str) -> Any:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    file.seek(0)
    return file, "logo.png"


def test_a_logo_is_drawn_whole_into_a_square_and_served_to_customers(admin: Browser, web: Web, shop: str) -> None:
    assert admin.post(f"{shop}/logo", image=picture((400, 100), "navy")).status_code == 303
    [key] = set(re.findall("/pictures/([0-9a-f]{64})", admin.get(shop).text))
    customer = web.visitor()
    assert key in customer.get("/chat?site=the-shop").text
    drawn = Image.open(io.BytesIO(customer.get(f"/pictures/{key}").data))
    assert drawn.size == (FACE_SIDE, FACE_SIDE)
    admin.post(f"{shop}/logo", image=picture((10, 10), "red"))
    assert customer.get(f"/pictures/{key}").status_code == 404
    admin.post(f"{shop}/logo/delete")
    assert "/pictures/" not in customer.get("/chat?site=the-shop").text


def test_a_logo_changes_its_own_panel_and_the_preview_and_nothing_that_is_typed(admin: Browser, shop: str) -> None:
    for path, image in (("/logo", {"image": picture((10, 10), "navy")}), ("/logo/delete", {})):
        answer = admin.post(f"{shop}{path}", htmx=True, **image)
        assert (answer.status_code, answer.headers["HX-Trigger"]) == (200, '{"look": {"target": "#site"}}')
        assert 'id="logo-panel"' in answer.text
        assert 'id="site"' not in answer.text
    wrong = admin.post(f"{shop}/logo", htmx=True, image=(io.BytesIO(b"no picture"), "logo.png"))
    assert wrong.status_code == 422
    assert 'id="logo-error"' in wrong.text
    assert 'id="site"' not in wrong.text


def test_a_file_that_is_no_picture_is_refused_beside_the_logo(admin: Browser, shop: str) -> None:
    for file in ((io.BytesIO(b"no picture"), "logo.png"), (io.BytesIO(b""), "")):
        answer = admin.post(f"{shop}/logo", image=file)
        assert answer.status_code == 422
        assert "logo-error" in answer.text


def test_an_archived_site_shows_the_main_one_until_it_is_used_again(admin: Browser, web: Web, shop: str) -> None:
    admin.post(f"{shop}/archive")
    assert "The shop" not in web.visitor().get("/chat?site=the-shop").text
    assert "1 archived" in admin.get("/sites").text
    admin.post(f"{shop}/archive/delete")
    assert "The shop" in web.visitor().get("/chat?site=the-shop").text
    assert admin.post("/sites/main/archive").status_code == 409


def test_a_site_that_is_not_there_is_not_found(admin: Browser) -> None:
    assert admin.get("/sites/none").status_code == 404
    for path in ("", "/preview", "/archive", "/archive/delete", "/logo/delete"):
        assert admin.post(f"/sites/none{path}", **TYPED).status_code == 404


def test_the_look_for_a_preview_is_that_of_a_colour(admin: Browser, shop: str, carol: Agent) -> None:
    assert ".preview-dark.look-8c4126{" in admin.get(f"{shop}/look?colour=8c4126").text
    assert admin.get(f"{shop}/look?colour=8c4126}}").status_code == 404
