"""Every piece of HTML that reaches a page by itself: rendered here, for the socket's frames and for HTTP answers alike.

A frame is always an envelope of our own, so that no text of a user can decide where it goes. Frames carry no hx-*
attributes: what can be clicked comes with a page or an HTTP answer, under that page's nonce.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from flask import Flask, current_app
from jinja2 import Template
from markupsafe import Markup

from ..database.rows import Conversation, DeskCounts, Line, Load, Message, Note, Person, QueueRow, Visit, read_marks
from ..server.turns import give_way
from .languages import language

L = TypeVar("L", bound=Line)

SORTED = "upsert key:data-seq"
MOST_NEWEST = 16  # rendered lines
MOST_SHARED = 500
SHOWN_TO_CUSTOMER = ("status", "agent", "agent_here", "queue_position", "somebody_here", "banned")
SHOWN_TO_AGENT = ("status", "agent", "version")


def event_frame(event: str, /, **values: Any) -> str:
    """Return a frame without content, for the scripts of the page."""
    return json.dumps({"event": event, **values})


def events_header(events: dict[str, dict[str, Any]]) -> str:
    """Return the value of HX-Trigger that has a page hear events, each with its detail."""
    return json.dumps(events)


def content_frame(content: str, target: str, swap: str, **more: Any) -> str:
    """Return a frame that htmx swaps in: HTML, where, and how; and more for the scripts of the page."""
    return json.dumps({"content": content, "target": target, "swap": swap, **more})


def partial(content: str, target: str, swap: str = "innerHTML") -> Markup:
    """Wrap HTML so that htmx puts it elsewhere than the rest of an HTTP answer."""
    return Markup('<hx-partial hx-target="{}" hx-swap="{}">{}</hx-partial>').format(target, swap, Markup(content))  # noqa: S704 - rendered by a template


def messages_id(number: int) -> str:
    """Return the id of the list that holds a ticket's messages."""
    return f"messages-{number}"


def joined(*parts: str) -> Markup:
    """Join rendered HTML to one answer."""
    return Markup("".join(parts))  # noqa: S704 - rendered by a template


class Fragments:
    """Renders a row once for each audience, 'customer' or 'agent', in the language of the request or `in_language`."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        # Each with its row, so that no other one gets its id meanwhile.
        self._newest: dict[tuple[str, str, int], tuple[Message, Markup]] = {}
        self._templates: dict[str, Template] = {}
        self._globals: dict[str, Any] = {}  # Flask's `g`, by language
        self._shared: dict[tuple[str, str, str], Markup] = {}

    @contextlib.contextmanager
    def in_language(self, language: str) -> Iterator[None]:
        """Render in a language, whoever's request this is, or nobody's. Others may render meanwhile."""
        with self._app.app_context() as context:
            # Kept with what has been looked up for it: locale and catalog. Nothing else is written there.
            context.g = self._globals.setdefault(language, context.g)
            context.g.language = language
            yield

    def message(self, audience: str, number: int, row: Message) -> Markup:
        """Render a line of a conversation: one that was just written once for its answer and the pages of its side."""
        key = audience, language(), id(row)
        known = self._newest.get(key)
        if known is None:
            known = row, self._render("shared/_message.html", audience=audience, number=number, message=row)
            self._newest[key] = known
            if len(self._newest) > MOST_NEWEST:
                del self._newest[next(iter(self._newest))]
        return known[1]

    def messages(self, audience: str, number: int, rows: Sequence[Message]) -> Markup:
        """Render the lines of a conversation one after the other, and let others go on in between."""
        return self._each(rows, lambda row: self.message(audience, number, row))

    def note(self, number: int, row: Note) -> Markup:
        """Render a private note. There is no audience to choose: customers have no such fragment."""
        return self._render("tickets/_note.html", number=number, note=row)

    def lines(self, number: int, rows: Sequence[Line]) -> Markup:
        """Render messages and notes as an agent sees them, in the order given; see `messages`."""
        return self._each(
            rows, lambda row: self.note(number, row) if "note_no" in row else self.message("agent", number, row)
        )

    def _each(self, rows: Sequence[L], render: Callable[[L], Markup]) -> Markup:
        rendered: list[Markup] = []
        for row in rows:
            if rendered:
                give_way()
            rendered.append(render(row))
        return joined(*rendered)

    def messages_frame(self, audience: str, number: int, rows: Sequence[Message]) -> str:
        """Return the frame that puts lines into the list, in the order of seq, each once."""
        return content_frame(self.messages(audience, number, rows), f"#{messages_id(number)}", SORTED)

    def notes_frame(self, number: int, rows: Sequence[Note]) -> str:
        """Return the frame that puts notes into an agent's list."""
        return content_frame(self.lines(number, rows), f"#{messages_id(number)}", SORTED)

    def visit_frame(self, number: int, visit: Visit | None) -> str:
        """Return the frame that shows an agent where the customer is."""
        return content_frame(self._render("tickets/_visit.html", visit=visit), f"#visit-{number}", "innerMorph")

    def typing_frame(self, audience: str, state: Conversation, agent: Person | None) -> str:
        """Return the frame that shows to one side that the other is typing; the page takes it away by itself."""
        html = self._render("shared/_typing.html", audience=audience, agent=agent, state=state)
        return content_frame(html, f"#typing-{state['number']}", "innerHTML")

    def queue_row(self, row: QueueRow) -> Markup:
        """Render a row of the queue for whichever agent: the page derives what depends on who looks at it."""
        return self._render("tickets/_row.html", row=row)

    def queue_counts(self, counts: DeskCounts) -> Markup:
        """Render the counts of the queue for the scripts of a desk, with the reason why tickets wait in words."""
        return self._render("tickets/_queue_counts.html", counts=counts)

    def queue_frame(self, *parts: Markup, marks: dict[str, int] | None = None) -> str:
        """Return the frame that brings rows and counts to a desk, whose script puts each in its place.

        :param marks: how many of the customer's lines this agent has read, by session.
        """
        if not parts:
            return event_frame("queue_marks", marks=marks)
        return content_frame(joined(*parts), "#queue-tray", "innerHTML", **({"marks": marks} if marks else {}))

    def lookers_frame(self, looks: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
        """Return the frame that tells a desk who looks at conversations, for their rows and the head."""
        return content_frame(self._render("tickets/_lookers.html", looks=looks), "#queue-tray", "innerHTML")

    def load_frame(self, load: Load) -> str:
        """Return the frame that shows an agent how many of their places are taken."""
        return content_frame(self._render("agents/_load.html", agent=load), "#load", "innerHTML")

    def state_header(self, audience: str, state: Conversation, epoch: str | None, has_more: bool = False) -> str:
        """Return the HX-Trigger that tells a page without a socket what its socket would: receipts, and the state.

        :param epoch: the history that the page shows, if it has said so; of another one it loads itself anew.
        :param has_more: whether the page is to ask again at once, for what did not fit into this answer.
        """
        events: dict[str, dict[str, Any]] = {"live:receipts": _receipts(audience, state)}
        if audience == "customer":
            events["live:chat_state"] = _chat_state(state)
        else:
            events["live:ticket_version"] = {"number": state["number"], "version": state["version"]}
        if epoch is not None and epoch != state["epoch"]:
            events["live:reset"] = {}
        elif has_more:
            events["live:more"] = {}
        return events_header(events)

    def presence(self, state: Conversation, lang: str | None = None) -> Markup:
        """Render who answers, or the place in the queue, for the customer."""
        shown = {name: value for name, value in state.items() if name in SHOWN_TO_CUSTOMER}
        return self._share("chat/_presence.html", lang, chat=shown)

    def state_frames(
        self, audience: str, language: str, state: Conversation, before: Conversation | None = None
    ) -> list[str]:
        """Return the frames that bring a page from the state `before`, or from any, to another."""

        def changed(keys: tuple[str, ...]) -> bool:
            old: Mapping[str, object] | None = before
            new: Mapping[str, object] = state
            return old is None or any(old[key] != new[key] for key in keys)

        frames = []
        receipts = _receipts(audience, state)
        if before is None or receipts != _receipts(audience, before):
            frames.append(event_frame("receipts", **receipts))
        if audience == "customer":
            if changed(SHOWN_TO_CUSTOMER):
                frames.append(content_frame(self.presence(state, language), "#presence", "innerMorph"))
                frames.append(event_frame("chat_state", **_chat_state(state)))
            return frames
        if before is None:  # has it changed since the page was rendered?
            frames.append(event_frame("ticket_version", number=state["number"], version=state["version"]))
        elif changed(SHOWN_TO_AGENT):
            frames.append(event_frame("ticket_changed", number=state["number"], version=state["version"]))
        if changed(("customer_here",)):
            here = {"customer_here": state["customer_here"]}
            html = self._share("tickets/_customer_here.html", language, ticket=here)
            frames.append(content_frame(html, f"#customer-here-{state['number']}", "innerHTML"))
        return frames

    def _share(self, name: str, lang: str | None, **values: Any) -> Markup:
        # What depends on few values is the same for many pages: when thousands come back, say.
        lang = lang or language()
        key = name, lang, repr(values)
        if key not in self._shared:
            if len(self._shared) >= MOST_SHARED:
                self._shared.clear()
            with self.in_language(lang):
                self._shared[key] = self._render(name, **values)
        return self._shared[key]

    def _render(self, name: str, **values: Any) -> Markup:
        # Kept here: Jinja's own cache has a lock, which takes a fifth of the time of a line.
        template = self._templates.get(name)
        if template is None:
            template = self._templates[name] = self._app.jinja_env.get_template(name)
        return Markup(template.render(values))  # noqa: S704 - rendered by a template


def _chat_state(state: Conversation) -> dict[str, Any]:
    """Return what decides which parts of a customer's page are shown."""
    return {"status": state["status"], "banned": state["banned"]}


def _receipts(audience: str, state: Conversation) -> dict[str, Any]:
    """Return how far the other side than `audience` has received and read."""
    delivered, read = read_marks(state, "agent" if audience == "customer" else "customer")
    return {"number": state["number"], "delivered": delivered, "read": read}


def current_fragments() -> Fragments:
    """Return what renders fragments in the app that serves this request."""
    fragments: Fragments = current_app.extensions["fragments"]
    return fragments
