"""What each kind of event means to the pages: one entry here, and the fragment that shows it.

An event comes from the log of the database, or as the hint that announces it. Either way this table decides what is
done with it: whom it concerns, what it makes stale, whether it touches the queue.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What one kind of event makes of the pages."""

    # What of its conversation has to be read: 'messages', 'notes', 'visit' or 'state'.
    makes_stale: str | None = None
    # Its detail is part of the new state of the conversation, which need not be read.
    patches_state: bool = False
    # The row of its ticket, in the queues that can show it, and the counts above them.
    touches_row: bool = False
    # Those who wait: their places in line, and whether anybody is here.
    touches_waiting: bool = False
    # The conversations of the agent whom it names, what the agent's desks say of them, and why others wait.
    touches_agent: bool = False
    # The sockets of the login session that it names are closed.
    ends_session: bool = False
    # The look and the names of sites, which every row of the queue may show.
    touches_sites: bool = False
    # What any row of the queue may show.
    touches_every_row: bool = False


_TICKET = Kind("state", touches_row=True, touches_waiting=True)
_HISTORY = Kind()  # of a ticket: ticket.changed has the pages look at it

KINDS = {
    "message.posted": Kind("messages", touches_row=True),
    "receipt.recorded": Kind(patches_state=True),
    "presence.changed": Kind(patches_state=True),
    "pages.changed": Kind("visit"),
    "ticket.opened": _TICKET,
    "ticket.changed": _TICKET,
    "ticket.assigned": _HISTORY,
    "ticket.returned": _HISTORY,
    "ticket.closed": _HISTORY,
    "ticket.reopened": _HISTORY,
    "ticket.released": _HISTORY,
    "ticket.spam": _HISTORY,
    "ticket.banned": _HISTORY,
    "ticket.unbanned": _HISTORY,
    "ticket.identified": _HISTORY,
    "ticket.tagged": _HISTORY,
    "ticket.prioritised": _HISTORY,
    "ticket.snoozed": _HISTORY,
    "ticket.woke": _HISTORY,
    "ticket.noted": Kind("notes"),
    "mention.added": Kind(touches_row=True),
    "mention.read": Kind(touches_row=True),
    "ticket.erased": _HISTORY,
    "conversation.deleted": _TICKET,
    "agent.changed": Kind(touches_waiting=True, touches_agent=True),
    "session.revoked": Kind(ends_session=True),
    "site.changed": Kind(touches_sites=True, touches_every_row=True),
    "tag.changed": Kind(touches_every_row=True),
}
