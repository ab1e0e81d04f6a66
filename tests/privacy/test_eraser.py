"""Erased pictures go from the store, whatever the store says meanwhile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any

import pytest

from supportchat.backends import open_mode
from supportchat.config import Config
from supportchat.database import Database
from supportchat.images.stores import ImageStore, StoreUnavailable
from supportchat.privacy.eraser import Eraser
from tests.cast import Agent, Cast
from tests.privacy.cast import end, picture


@pytest.fixture
def store(config: Config) -> Iterator[ImageStore]:
    database, _, made = open_mode(config)
    yield made
    database.close()


@pytest.fixture
def key(cast: Cast, store: ImageStore) -> str:
    """A picture of the only chat, in the store."""
    vera = cast.visitor()
    vera.start("Look", image=picture(1))
    store.put(picture(1)["key"], io.BufferedReader(io.BytesIO(b"\x89PNG")), "image/png")
    return str(picture(1)["key"])


def is_there(store: ImageStore, key: str) -> bool:
    try:
        store.open(key).close()
    except FileNotFoundError:
        return False
    return True


@pytest.mark.both_modes
def test_an_erased_picture_goes_from_the_store_and_its_receipt_closes(
    database: Database, store: ImageStore, carol: Agent, key: str
) -> None:
    receipt = carol.call("erase_customer", number=1001)
    assert (receipt["closed_at"], is_there(store, key)) == (None, True)
    assert Eraser(database, store).work()
    assert not is_there(store, key)
    [receipt] = carol.call("show_privacy")["receipts"]
    assert receipt["closed_at"]


class Faulty:
    """A store that does not do what it is asked for."""

    advice = ""

    def __init__(self, store: ImageStore, fault: str) -> None:
        self._store = store
        self._fault = fault

    def delete(self, key: str) -> None:
        """Say that an object was deleted, or that the store cannot be reached."""
        if self._fault == "unavailable":
            raise StoreUnavailable("no answer in time")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self, key: str) -> IO[bytes]:
        """Open an object."""
        return self._store.open(key)


@pytest.mark.mode("postgres")
@pytest.mark.parametrize("fault", ["unavailable", "says it did"])
def test_a_receipt_stays_open_until_the_store_has_answered_that_it_has_none(
    database: Database, store: ImageStore, carol: Agent, rows: Any, key: str, fault: str
) -> None:
    carol.call("erase_customer", number=1001)
    assert not Eraser(database, Faulty(store, fault)).work()
    assert carol.call("show_privacy")["receipts"][0]["closed_at"] is None
    rows("update erasure_files set tried_at = tried_at - interval '2 minutes'")
    assert Eraser(database, store).work()
    assert carol.call("show_privacy")["receipts"][0]["closed_at"]


@pytest.mark.mode("postgres")
def test_old_chats_go_step_by_step_until_none_is_left_with_one_line_in_the_log(
    database: Database, store: ImageStore, rows: Any, cast: Cast, carol: Agent, caplog: Any
) -> None:
    for _ in range(21):
        visitor = cast.visitor()
        visitor.start()
        end(database, rows, visitor, days=40)
    carol.call("change_settings", values={"retention_days": 30})
    with caplog.at_level("INFO", logger="supportchat.privacy.eraser"):
        Eraser(database, store).work()
    assert rows("select count(*) from tickets where erased_at is null") == [(0,)]
    assert [record.getMessage() for record in caplog.records] == ["erased 21 chats that ended more than 30 days ago"]
