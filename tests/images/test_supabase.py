"""Pictures in Supabase Storage, with its real answers."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from supportchat.config import Config
from supportchat.images.orphans import sweep_orphans
from supportchat.images.pipeline import new_key
from supportchat.images.stores import StoreRefuses, StoreUnavailable
from supportchat.supabase.client import open_project
from supportchat.supabase.images import BUCKET, SupabaseStore
from tests.cast import Cast
from tests.conftest import Place
from tests.server import Server
from tests.supabase.storage import Storage
from tests.web import Web

pytestmark = pytest.mark.mode("supabase")


@pytest.fixture
def storage(place: Place) -> Storage:
    """The server's side of it."""
    assert place.project is not None
    return place.project.storage


@pytest.fixture
def store(config: Config) -> Iterator[SupabaseStore]:
    """The store on the project."""
    project = open_project(config.supabase_url, config.supabase_secret_key)
    yield SupabaseStore(project)
    project.http.close()


def test_an_object_comes_back_as_it_was_stored(store: SupabaseStore, rows: Any) -> None:
    key, content = new_key(), b"x" * 300_000
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        store.put(key, file, "image/webp")
    with store.open(key) as back:
        assert back.read() == content
    [(metadata,)] = rows("select metadata from storage.objects where name = %s", key)
    assert (metadata["mimetype"], metadata["size"]) == ("image/webp", 300_000)
    store.delete(key)
    store.delete(key)
    with pytest.raises(FileNotFoundError):
        store.open(key)


def test_only_keys_of_ours_are_opened(store: SupabaseStore) -> None:
    for key in ("", "../secret", "a" * 63, "A" * 64, "a" * 64 + "/b"):
        with pytest.raises(FileNotFoundError):
            store.open(key)


def test_the_bucket_is_private(place: Place, store: SupabaseStore) -> None:
    assert place.project is not None
    store.put(key := new_key(), io.BytesIO(b"x"), "image/webp")
    for path in (f"object/public/{BUCKET}/{key}", f"object/{BUCKET}/{key}"):
        answer = httpx.get(f"{place.project.url}/storage/v1/{path}", headers={"apikey": place.project.anon_key})
        assert answer.status_code == 400
    assert store.problems() == []


def described(key: str) -> dict[str, Any]:
    return {"key": key, "content_type": "image/webp", "width": 1, "height": 1, "bytes": 1, "digest": "d"}


def test_old_objects_without_a_message_are_swept(store: SupabaseStore, cast: Cast, database: Any, rows: Any) -> None:
    kept, orphan, fresh = new_key(), new_key(), new_key()
    for key in (kept, orphan, fresh):
        store.put(key, io.BytesIO(b"x"), "image/webp")
    rows("update storage.objects set created_at = now() - interval '2 hours' where name = any (%s)", [kept, orphan])
    cast.visitor().start("", image=described(kept))
    assert sweep_orphans(store, database) == 1
    assert set(store.older_than(-60)) == {kept, fresh}


def test_more_objects_than_one_page_are_gone_through(store: SupabaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supportchat.supabase.images.PAGE", 2)
    keys = {new_key() for _ in range(5)}
    for key in keys:
        store.put(key, io.BytesIO(b"x"), "image/webp")
    assert set(store.older_than(-60)) == keys


def test_more_orphans_than_one_page_are_swept_at_once(
    store: SupabaseStore, cast: Cast, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.visitor().start("", image=described(new_key()))
    monkeypatch.setattr("supportchat.supabase.images.PAGE", 2)
    monkeypatch.setattr("supportchat.images.orphans.BATCH", 2)
    monkeypatch.setattr("supportchat.images.orphans.ORPHAN_SECONDS", -60)
    for _ in range(7):
        store.put(new_key(), io.BytesIO(b"x"), "image/webp")
    assert sweep_orphans(store, database) == 7
    assert set(store.older_than(-60)) == set()


def test_a_bucket_that_was_changed_is_described(store: SupabaseStore, storage: Storage, rows: Any) -> None:
    storage.limit_bucket(BUCKET, 1_000_000, ["image/png"])
    rows("update storage.buckets set public = true")
    public, size, types = store.problems()
    assert "public" in public
    assert "1,000,000 bytes" in size
    assert "image/jpeg, image/webp, image/gif" in types


def test_a_bucket_with_smaller_limits_refuses_and_the_reason_is_known(store: SupabaseStore, storage: Storage) -> None:
    storage.limit_bucket(BUCKET, 10, ["image/webp"])
    with pytest.raises(StoreRefuses, match="smaller"):
        store.put(new_key(), io.BytesIO(b"x" * 100), "image/webp")
    with pytest.raises(StoreRefuses, match="type"):
        store.put(new_key(), io.BytesIO(b"x"), "image/png")


def test_a_missing_bucket_is_said(store: SupabaseStore, storage: Storage) -> None:
    storage.lose_bucket(BUCKET)
    [problem] = store.problems()
    assert "missing" in problem
    with pytest.raises(StoreUnavailable, match="Bucket not found"):
        store.put(new_key(), io.BytesIO(b"x"), "image/webp")


@pytest.mark.parametrize("fault", ["answer_with_page", "cut_before", "cut_after"])
def test_a_storage_that_fails_is_unavailable(store: SupabaseStore, storage: Storage, fault: str) -> None:
    getattr(storage, fault)()
    with pytest.raises(StoreUnavailable):
        store.put(new_key(), io.BytesIO(b"x"), "image/webp")
    with pytest.raises(StoreUnavailable):
        store.open(new_key())
    storage.heal()
    store.put(new_key(), io.BytesIO(b"x"), "image/webp")


def test_what_the_gateway_says_in_json_is_unavailable_too(store: SupabaseStore, storage: Storage) -> None:
    said: list[tuple[int, Any]] = [
        (502, {"message": "An invalid response was received from the upstream server"}),
        (429, {"message": "Too many requests"}),
        (500, []),
        (503, None),
        (200, []),
    ]
    for status, body in said:
        storage.heal()
        storage.answer_with(status, body)
        with pytest.raises(StoreUnavailable):
            store.put(new_key(), io.BytesIO(b"x"), "image/webp")
        with pytest.raises(StoreUnavailable):
            store.problems()


def test_the_key_follows_no_redirect(store: SupabaseStore, storage: Storage, place: Place) -> None:
    assert place.project is not None
    storage.redirect(f"http://localhost:{place.project.port}/storage/v1/bucket/{BUCKET}", times=1)
    with pytest.raises(StoreUnavailable):
        store.problems()


def test_a_page_that_comes_instead_of_a_picture_is_none(store: SupabaseStore, storage: Storage) -> None:
    storage.answer_with_page(200)
    with pytest.raises(StoreUnavailable):
        store.open(new_key())


class Live:
    """A browser on the running server, whose sockets are gevent's."""

    def __init__(self, server: Server) -> None:
        self._http = httpx.Client(base_url=server.url, headers={"Origin": server.url}, timeout=30)
        self._post("/chat", message="Hello")

    def send(self, message: str, picture: bool = False) -> httpx.Response:
        """Send a message into the chat that has begun."""
        return self._post(
            "/chat/messages", {"image": ("a.png", png(), "image/png")} if picture else None, message=message
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, path: str, files: Any = None, **data: str) -> httpx.Response:
        self._http.get("/chat")
        return self._http.post(path, data=data, files=files, headers={"HX-Request": "true"})


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "teal").save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def live(server: Server) -> Iterator[Live]:
    """A browser whose chat has begun."""
    browser = Live(server)
    yield browser
    browser.close()


@pytest.mark.parametrize(
    ("fault", "arguments", "status"),
    [
        ("hang", {}, 503),
        ("lose_bucket", {"bucket": BUCKET}, 503),
        ("limit_bucket", {"bucket": BUCKET, "size": 10}, 413),
        ("refuse_early", {}, 503),
    ],
)
def test_whatever_the_storage_does_the_answer_comes_within_ten_seconds_and_text_goes_on(
    live: Live, storage: Storage, fault: str, arguments: dict[str, Any], status: int, rows: Any
) -> None:
    getattr(storage, fault)(**arguments)
    start = time.monotonic()
    answer = live.send("Look", picture=True)
    assert time.monotonic() - start < 10
    assert answer.status_code == status, answer.text
    assert "stor" in answer.text
    assert live.send("Text goes on").status_code == 200
    assert rows("select message from chat_messages where sender = 'user' order by seq desc limit 1") == [
        ("Text goes on",)
    ]


def test_a_picture_whose_first_answer_was_lost_stays(web: Web, place: Place, rows: Any) -> None:
    vera = web.customer("Hello")
    assert place.project is not None
    place.project.rest.cut_after(only="post_message", times=1)  # the door calls again, and it is a duplicate
    assert vera.post("/chat/messages", htmx=True, message="Look", image=(io.BytesIO(png()), "a.png")).status_code == 200
    [(image_id,)] = rows("select id::text from chat_images")
    assert vera.client.get(f"/chat/images/{image_id}").status_code == 200


def test_a_picture_is_seen_by_its_own_conversation_only(web: Web, rows: Any, storage: Storage) -> None:
    vera = web.customer("", image=(io.BytesIO(png()), "a.png"))
    [(image_id,)] = rows("select id::text from chat_images")
    answer = vera.get(f"/chat/images/{image_id}")
    assert answer.status_code == 200
    assert answer.mimetype == "image/webp"
    assert web.customer().client.get(f"/chat/images/{image_id}").status_code == 404
    storage.fail()
    again = vera.client.get(f"/chat/images/{image_id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304  # whether it may be seen was asked; the storage was not
    assert vera.client.get(f"/chat/images/{image_id}").status_code == 503
