"""Values that no database can store are refused as such, by either door."""

from __future__ import annotations

import pytest

from supportchat.database import Database, Invalid
from tests.cast import Agent

pytestmark = pytest.mark.both_modes


@pytest.mark.parametrize("value", ["a\0b", "\ud800"], ids=["NUL", "a lone surrogate"])
def test_what_cannot_be_stored_is_the_callers_fault(database: Database, alice: Agent, value: str) -> None:
    with pytest.raises(Invalid, match="value_refused"):
        database.call("set_availability", agent_id=alice.id, availability=value)
    with pytest.raises(Invalid, match="value_refused"):
        database.call("orphan_images", keys=[value])
    image = {"key": value, "content_type": value, "width": 1, "height": 1, "bytes": 1, "digest": value}
    with pytest.raises(Invalid, match="value_refused"):
        database.call("start_chat", visitor="v", message=value, client_message_id=alice.id, image=image)
