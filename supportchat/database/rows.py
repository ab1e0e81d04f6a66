"""What the SQL functions return, key for key. A test compares these types with what really comes.

Moments are ISO 8601 texts, ids are UUIDs as text.
"""

from __future__ import annotations

from typing import Any, TypedDict, final

# What belongs to an event: other keys for each kind, and rows of older versions may lack any.
Detail = dict[str, Any]


class Person(TypedDict):
    """An agent as everybody may know one. An older version may not have said whose a line was: id is None then."""

    id: str | None
    name: str
    picture: str | None  # the key of the stored one, which is not to be guessed


class _Member(TypedDict):
    """An agent as colleagues know one."""

    id: str
    name: str
    picture: str | None
    email: str
    role: str
    availability: str
    max_tickets: int
    language: str | None  # of the pages; None for that of the browser
    single_keys: bool  # whether they do something
    load: int


class Agent(_Member):
    """An agent as each knows themself."""

    rights: list[str]
    needs_two_factor: bool  # before anything else
    sound: bool  # whether they want to hear one when somebody writes


class Colleague(_Member):
    """Somebody who could take a ticket over; `here` says whether they have the desk open."""

    here: bool


class LoginSession(TypedDict):
    """Where an agent is logged in."""

    id: str
    user_agent: str | None  # as the browser calls itself
    created_at: str
    last_seen_at: str
    is_this: bool  # the one that asks


class OwnAccount(TypedDict):
    """What an agent's own page shows."""

    password_changed_at: str | None
    two_factor_since: str | None
    provider_since: str | None  # when the provider was connected
    recovery_codes: int  # that are left
    sessions: list[LoginSession]


class PendingLink(TypedDict):
    """A link for a new password that was not used yet."""

    id: str
    expires_at: str


class Account(Colleague):
    """Somebody as those know them who manage people."""

    is_active: bool
    disabled_at: str | None
    is_demo: bool
    has_password: bool
    has_way_in: bool  # a password, or the provider
    has_two_factor: bool
    last_seen_at: str | None  # None: never
    open_tickets: int
    link: PendingLink | None


class Invitation(TypedDict):
    """Somebody who was invited and has not come yet."""

    id: str
    email: str
    role: str
    by: Person | None
    created_at: str
    expires_at: str
    is_over: bool


class People(TypedDict):
    """Everybody who can log in or once could, and who was invited."""

    two_factor_required: str  # 'off', 'admins' or 'everyone'
    people: list[Account]
    invited: list[Invitation]


class MadeLink(TypedDict):
    """Whom a new link is for, and until when."""

    email: str | None
    expires_at: str


class ShownLink(TypedDict):
    """What a link is for: 'setup', 'invitation' or 'password', and whose it is."""

    purpose: str
    email: str | None
    name: str | None
    expires_at: str


class Handover(TypedDict):
    """Which chat a link takes along into another window."""

    number: int
    site: str  # its key


class TakenHandover(TypedDict):
    """The key of the browser whose chat is taken along, which only the token opens, and the hashes of those it has."""

    sealed_key: str
    visitors: list[str]  # a person's, one for each browser


class Offered(TypedDict):
    """Whether the link to set the desk up was offered: not when there is an admin who can log in."""

    offered: bool


class Disabled(TypedDict):
    """Who was disabled, and how many of their tickets went back to the queue."""

    name: str
    returned: int


class Enabled(TypedDict):
    """Who can log in again, if they have a password or a provider lets them in."""

    name: str
    has_way_in: bool


class Credentials(TypedDict):
    """What a login is checked against."""

    agent_id: str
    password_hash: str
    browser_known: bool  # they have logged in there before


class BegunLogin(TypedDict):
    """What became of a login whose password was right; None when the account has changed meanwhile."""

    needs_code: bool  # it waits for its second step


class PendingLogin(TypedDict):
    """A login that waits for its second step."""

    agent_id: str
    email: str


class ProviderFlow(TypedDict):
    """What was noted about a browser that was sent to the provider."""

    issuer: str
    nonce: str
    code_verifier: str
    purpose: str  # 'login', 'invitation' or 'account'
    target: str | None
    link_hash: str | None
    session_hash: str | None


class CodeCheck(TypedDict):
    """What a code of an authenticator app is checked against."""

    secret: str
    step: int  # the last one whose code has counted


class Site(TypedDict):
    """A site from which customers chat."""

    key: str  # in addresses; the main one's is 'main'
    name: str
    colour: str  # '#rrggbb'
    logo: str | None  # the key of the stored picture
    greeting: str | None  # None: the desk's own words
    show_faces: bool
    show_reply_time: bool
    language: str | None  # None: that of the browser
    allowed_origins: list[str]
    follow_pages: bool
    kept_parameters: list[str]
    archived_at: str | None


class IdentityRules(TypedDict):
    """What a site demands of the tokens by which it names its customers."""

    method: str  # 'secret' or 'issuer'
    algorithm: str  # of an issuer
    issuer: str | None
    keys_url: str | None
    audience: str | None
    longest_minutes: int
    secrets: list[str]  # the newest first


class SiteSecret(TypedDict):
    """A secret that a site signs with: who made it when."""

    id: str
    created_at: str
    by: Person | None


class SiteIdentity(TypedDict):
    """How a site says who its customers are, for those who manage it."""

    site: str
    is_new: bool
    method: str  # 'off', 'secret' or 'issuer'
    algorithm: str
    issuer: str | None
    keys_url: str | None
    audience: str | None
    longest_minutes: int
    shows_card: bool
    secrets: list[SiteSecret]


class Identified(TypedDict):
    """What became of a browser whose customer was named."""

    moved: bool  # it has another key from now on
    has_chat: bool


class NamedCustomer(TypedDict):
    """A customer whom their site has named."""

    site: str
    sub: str
    name: str | None
    email: str | None
    attributes: dict[str, Any]
    verified_at: str


class FoundCard(TypedDict):
    """What the shop's own tables tell of a customer, or why nothing."""

    card: str | None  # JSON
    error: str | None  # 'slow', 'large', 'closed' or 'failed'


class CardCheck(TypedDict):
    """What runs as supportchat.support_card."""

    owner: str
    reads_only: bool
    is_open: bool


class Ban(TypedDict):
    """A browser or a network that may not write, and for which chat it was banned."""

    id: str
    what: str  # 'browser' or 'network'
    network: str | None
    number: int | None
    customer_name: str | None
    is_spam: bool  # made by closing that chat as spam
    reason: str
    by: Person | None
    created_at: str
    expires_at: str | None  # None: for good


class SpamTicket(TypedDict):
    """A ticket that was closed as spam."""

    number: int
    closed_at: str | None
    customer_name: str | None


class Bans(TypedDict):
    """The latest bans that last, and the latest spam."""

    bans: list[Ban]
    count: int
    spam: list[SpamTicket]
    spam_count: int  # within 30 days, up to 1,000
    holds_links: bool  # whether first messages with links are held


class PeopleHere(TypedDict):
    """Who is here, for the page that starts a chat."""

    agents: list[Person]  # three at most
    others: int
    answers_in_seconds: int | None
    banned: bool  # who asks could not start a chat
    known: bool  # who asks has the key of somebody


class Picture(TypedDict):
    """A picture of a message."""

    id: str
    width: int
    height: int


class StoredPicture(TypedDict):
    """Where the bytes of a picture lie."""

    key: str
    content_type: str
    bytes: int


@final
class Message(TypedDict):
    """A line of a conversation: a customer's, an agent's, or the system's, which has an event."""

    session_id: str
    seq: int
    sender: str
    agent: Person | None
    customer_name: str | None
    message: str
    image: Picture | None
    event: str | None
    detail: Detail
    client_message_id: str
    created_at: str
    continues: bool


class Mention(TypedDict):
    """An agent whom a note mentions, and in which spellings."""

    agent: Person
    written: list[str]


class MentionChoice(TypedDict):
    """An agent who can be mentioned."""

    id: str
    name: str
    email: str | None  # where somebody else has the same name
    picture: str | None
    here: bool
    written: str  # what stands behind the @


@final
class Note(TypedDict):
    """A private note of an agent, after the message `after_seq`."""

    session_id: str
    note_no: int
    after_seq: int
    agent: Person | None
    client_message_id: str
    note: str
    created_at: str
    mentions: list[Mention]


Line = Message | Note


class Answer(TypedDict):
    """What became of a message that was sent: the lines that it has made; none while it is held."""

    duplicate: bool  # stored by an earlier attempt with the same client_message_id
    session_id: str
    messages: list[Message]
    image_key: str | None  # of a duplicate: under which key its picture is kept


class Started(Answer):
    """The same of the message that starts a chat."""

    visitor: str  # the hash of the key that the chat belongs to


class Conversation(TypedDict):
    """The state of a conversation, for both sides."""

    session_id: str
    epoch: str
    version: int
    erased_at: str | None
    last_seq: int
    last_note_no: int
    customer_delivered_seq: int
    customer_read_seq: int
    agent_delivered_seq: int
    agent_read_seq: int
    number: int
    site: str  # its key
    status: str
    customer_name: str | None
    agent: Person | None
    agent_here: bool
    customer_here: bool
    queue_position: int | None  # 101 stands for that or any later one; None while it is held
    banned: bool  # the customer cannot write
    somebody_here: bool


class WaitingLine(TypedDict):
    """Who has the places in line that are counted, the first at the front."""

    session_ids: list[str]
    behind: int  # the place of everybody else who waits
    somebody_here: bool


class VisitedPage(TypedDict):
    """A page of a site that a customer has seen."""

    url: str
    title: str
    at: str


class Visit(TypedDict):
    """Where a customer is: the last pages that they have seen, the newest last, and where they came from."""

    pages: list[VisitedPage]
    referrer: str | None
    updated_at: str


class Joined(TypedDict):
    """What a page needs that is about to show a conversation."""

    conversation: Conversation
    last_at: str | None  # when its last line was written
    messages: list[Message]
    notes: list[Note]
    visit: Visit | None  # for an agent's page


class Current(TypedDict):
    """Which conversation a browser shows by now."""

    session_id: str
    number: int


class Posted(Answer):
    """What became of a customer's message, and which conversation the browser shows by then."""

    conversation: Current


class Closed(TypedDict):
    """What a customer's end of the chat has made of it."""

    conversation: Conversation
    messages: list[Message]


class Reason(TypedDict):
    """Why a ticket waits: a code, and the figures behind it."""

    code: str
    agents: int
    here: int
    available: int
    with_room: int
    load: int
    places: int


class Customer(TypedDict):
    """What agents know of a customer."""

    name: str | None  # the one that their site has named them by, else what they have typed
    typed_name: str | None
    phone: str | None
    person: NamedCustomer | None
    channel: str
    framed_on: str | None  # the origin of the page whose frame it was started in
    time_zone: str | None
    address: str | None  # the network that the chat came from, for those who may ban


class Tag(TypedDict):
    """A tag of the desk."""

    id: int
    name: str


class ListedTag(Tag):
    """A tag, and how many tickets have it."""

    tickets: int  # 1,001 stands for that or more


class RenamedTag(TypedDict):
    """What a tag is called by now, and whether it became one with another."""

    name: str
    merged: bool


class Hit(TypedDict):
    """A line that was found."""

    kind: str  # 'message' or 'note'
    seq: int
    note_no: int
    agent: Person | None
    text: str
    created_at: str


class View(TypedDict):
    """A search with a name."""

    id: str
    name: str
    query: str
    is_shared: bool


class TicketEvent(TypedDict):
    """What happened to a ticket, and who did it."""

    event: str
    actor: str
    agent: Person | None
    detail: Detail
    created_at: str


class EarlierTicket(TypedDict):
    """An earlier ticket of the same customer."""

    number: int
    status: str
    created_at: str


class Ticket(Conversation):
    """A ticket with everything that an agent sees besides its lines."""

    mine: bool
    created_at: str
    closed_at: str | None
    awaiting_since: str | None
    reason: Reason | None
    held: str | None  # 'link' or 'spam': why it is given to nobody by itself
    is_spam: bool
    priority: int  # 1 urgent, 2 high, 3 normal, 4 low
    snoozed: bool
    snoozed_until: str | None  # None when it is until the customer writes
    woke_at: str | None  # when it came back, until somebody answers
    tags: list[Tag]
    held_replies: list[HeldReply]  # of the agent who asks
    site_name: str | None  # None while there is only one
    customer: Customer
    bans: list[Ban]  # of this customer
    read_seq: int
    visit: Visit | None
    history: list[TicketEvent]
    earlier: list[EarlierTicket]
    colleagues: list[Colleague] | None  # the first 20 who could take it over, of one's own


class TaggedTicket(Ticket):
    """A ticket whose tags were to be changed, and whether they were."""

    changed: bool


class TicketLines(TypedDict):
    """A ticket with some of its lines."""

    ticket: Ticket
    messages: list[Message]
    notes: list[Note]


class AddedNote(TypedDict):
    """A note, and the ticket as it is then."""

    note: Note
    ticket: Ticket


class SavedReply(TypedDict):
    """A reply that somebody has saved."""

    id: str
    name: str
    message: str
    is_shared: bool
    close_after: bool  # the ticket, once it is sent
    snooze: str | None  # the ticket then, until one of `tickets.times.CHOICES`
    tags: list[str]  # that the ticket gets then
    has_picture: bool
    uses: int  # by the agent who asks


class SavedReplyChange(TypedDict):
    """A reply as it is now, and the key of a picture that nothing needs any more."""

    reply: SavedReply
    unneeded: str | None


class TicketReplies(TypedDict):
    """Replies for a ticket, and what fills their variables there."""

    number: int
    customer_name: str | None
    desk_name: str | None
    replies: list[SavedReply]


class ImportedReplies(TypedDict):
    """How many replies of a list are new, and how many took the place of another."""

    added: int
    changed: int


class LastMessage(TypedDict):
    """The end of a conversation, as the queue shows it."""

    sender: str
    agent: Person | None
    message: str
    has_image: bool
    created_at: str


class QueueRow(TypedDict):
    """A ticket in the queue, as anybody at the desk may see it."""

    number: int
    session_id: str
    status: str
    held: str | None  # as in Ticket
    is_spam: bool
    priority: int  # these as in Ticket
    snoozed: bool
    snoozed_until: str | None
    woke_at: str | None
    tags: list[Tag]
    site_name: str | None  # None while there is only one
    customer_name: str | None
    is_verified: bool  # their site has named them
    agent: Person | None
    awaiting_since: str | None
    updated_at: str
    closed_at: str | None
    is_erased: bool
    customer_lines: int  # how many the customer has written
    mentioned: list[str]  # the ids of agents whom a note mentions, and who have not read it
    marks: dict[str, int]  # how many of them each agent who has read some has read, by their id; none when it is closed
    last: LastMessage | None


class QueueCounts(TypedDict):
    """How many tickets each view of the queue has."""

    mine: int
    unassigned: int
    all: int
    snoozed: int  # in no other count


class DeskCounts(TypedDict):
    """The same for all agents at once, and why the unassigned tickets wait."""

    unassigned: int
    all: int
    snoozed: int
    agents: dict[str, int]  # of each who has any, by their id
    reason: Reason | None


class Load(TypedDict):
    """How busy an agent is, and whether new tickets may come."""

    id: str
    availability: str
    max_tickets: int
    load: int


class QueueChanges(TypedDict):
    """What has changed at the desk."""

    rows: list[QueueRow]
    agents: list[Load]  # those of the rows, and those who were asked for


class Unread(TypedDict):
    """An agent's own ticket in which the customer has written something that they have not read."""

    number: int
    session_id: str
    customer_lines: int
    read_lines: int


class Draft(TypedDict):
    """What an agent has typed and not sent: `mode` is 'reply' or 'note', `saved_at` is in microseconds."""

    number: int
    mode: str
    draft: str
    acts: HeldActs
    saved_at: int


class HeldActs(TypedDict, total=False):
    """What is to happen to a ticket once a reply is sent: `then` is 'close', or a choice of when it comes back."""

    then: str
    until: str
    tags: list[str]


class HeldReply(TypedDict):
    """A reply that is held, or that was not sent, for the agent who has written it."""

    client_message_id: str
    message: str
    acts: HeldActs
    image: Picture | None  # with the id of the reply
    due_in: float | None  # in seconds; None: it is not going to be sent
    refused: str | None  # why not: 'undone', or the code of a sentence
    detail: str
    held_at: str


class UnsentReply(TypedDict):
    """In which ticket a held reply was refused when its time had come, and why."""

    number: int
    client_message_id: str
    refused: str
    detail: str


class ReleasedReplies(TypedDict):
    """What has come of held replies whose time had come."""

    answers: list[Answer]
    more: bool


class Queue(TypedDict):
    """One view of the queue."""

    counts: QueueCounts
    order: str  # 'longest', 'newest' or 'priority'
    unread: list[Unread]
    drafts: list[Draft]
    unsent: list[UnsentReply]
    mentions: list[int]  # the numbers of tickets with notes that mention the agent, and that they have not read
    mentioned: list[QueueRow]  # those that are not among their own, with their own view
    rows: list[QueueRow]
    closed: list[QueueRow]
    reason: Reason | None


class QueueAhead(TypedDict):
    """Where an agent goes on: the counts, and the first of their own tickets."""

    counts: QueueCounts
    rows: list[QueueRow]


class Found(TypedDict):
    """What a search has found: tickets and lines in them, by number, the newest first, and how far back it went."""

    rows: list[QueueRow]
    hits: dict[str, list[Hit]]
    is_complete: bool
    back_to: str | None


class RefusedTicket(TypedDict):
    """A ticket with which something could not be done."""

    number: int
    code: str
    detail: str


class ChangedTicket(TypedDict):
    """Which version a ticket has by what was done with it."""

    number: int
    version: int


class UndoneTickets(TypedDict):
    """With which tickets it was taken back, and why not with the others."""

    done: list[int]
    refused: list[RefusedTicket]


class ChangedTickets(UndoneTickets):
    """With which tickets it was done, why not with the others, and which have changed by it."""

    changes: list[ChangedTicket]


class IndexedLines(TypedDict):
    """How many lines search has got to know."""

    newer: int
    older: int
    more: bool


class ClosedTicket(TypedDict):
    """A ticket that was closed, and where the agent goes on."""

    ticket: Ticket
    queue: QueueAhead


class RepliedAndActed(Answer):
    """The same of a reply after which something has happened: `went` if its ticket was closed or snoozed."""

    went: ClosedTicket | None


class MarkedSpam(ClosedTicket):
    """A ticket that was closed as spam, and whether its browser was banned by it."""

    banned: bool


class ProcessReport(TypedDict):
    """What a server process learns when it reports: which logins are still good, how many agents have come, and whether
    the process was known."""

    good: list[str]
    came: int
    known: bool


class Sweep(TypedDict):
    """How many tickets a sweep has moved, and whether held replies are overdue."""

    returned: int
    assigned: int
    held_due: bool


class IdleReport(ProcessReport):
    """The same while no page is open: with what the sweep has done, if no other process is at it, and the heartbeat."""

    sweep: Sweep | None
    beat: int
    alerts_due: bool  # whether there is something to do about alerts


class Event(TypedDict):
    """What has happened, as the log has it. Its kind says what the detail holds."""

    id: int
    event: str
    session_id: str | None
    actor: str
    agent_id: str | None
    detail: Detail


class ReceiptsRecorded(TypedDict):
    """What came of the receipts of many pages: `busy` are the conversations whose receipts are to be written again."""

    busy: list[str]


class LogPage(TypedDict):
    """What the log has gained since a cursor, and the next one."""

    cursor: str
    epoch: str
    events: list[Event]


class ExportedBan(TypedDict):
    """A ban that was made from a conversation. `until` is None when it is for good."""

    what: str
    reason: str
    until: str | None


class ExportedConversation(TypedDict):
    """A conversation of the customer whose copy is made."""

    session_id: str
    number: int
    status: str
    channel: str
    framed_on: str | None
    customer_name: str | None
    customer_phone: str | None
    time_zone: str | None
    address: str | None
    created_at: str
    closed_at: str | None
    customer_delivered_seq: int
    customer_read_seq: int
    person: NamedCustomer | None
    tags: list[str]
    visit: Visit | None
    bans: list[ExportedBan]


class Extent(TypedDict):
    """How much there is of some conversations."""

    conversations: int
    messages: int
    notes: int
    pictures: int


class ErasurePreview(TypedDict):
    """What erasing a ticket's chat, or everything of its customer, would take away."""

    number: int
    customer_name: str | None
    erased_at: str | None
    conversation: Extent
    customer: Extent


class Erasure(Extent):
    """The receipt of an erasure: closed once the store has none of its pictures any more."""

    id: str
    kind: str  # 'conversation', 'customer' or 'retention'
    agent: Person | None
    number: int | None
    days: int | None
    created_at: str
    closed_at: str | None
    files: int  # which the store may still have


class Privacy(TypedDict):
    """For how long things are kept, and the receipts of what was erased."""

    retention_days: int | None  # None: chats are kept for ever
    audit_days: int
    receipts: list[Erasure]


class RetentionPreview(TypedDict):
    """What a retention of so many days would erase now."""

    days: int
    chats: int  # 10,001 stands for that or more
    oldest_at: str | None


class OldChats(TypedDict):
    """What a step of the retention has done; `today` is how many chats this day's steps have erased."""

    erased: int
    today: int | None
    days: int | None
    more: bool


class AuditedPerson(Person):
    """Somebody in the audit log, by more than a name that they may change."""

    email: str


class AuditEntry(TypedDict):
    """What somebody has done. `person` is whom it was done to, where `about` names one who is known."""

    id: int
    kind: str
    agent: AuditedPerson | None
    about: Detail
    person: AuditedPerson | None
    address: str | None
    created_at: str


class AuditPage(TypedDict):
    """A page of the audit log, and whom one can ask for."""

    rows: list[AuditEntry]
    people: list[Person]


class Exposure(TypedDict):
    """Something of the desk's that others than its server can reach, and the statements that close it."""

    kind: str
    role: str | None  # who; PUBLIC is everybody
    thing: str | None
    rights: str | None
    fix: str | None


class DeskFigures(TypedDict):
    """The desk in figures, for /status."""

    waiting: int
    open: int
    longest_wait_seconds: int | None
    first_reply_seconds: int | None
    reason: Reason
    processes: int
    sockets: int
    swept_seconds_ago: int | None


def read_marks(state: Conversation, side: str) -> tuple[int, int]:
    """Return up to which seq a side, 'customer' or 'agent', has received and read."""
    if side == "customer":
        return state["customer_delivered_seq"], state["customer_read_seq"]
    return state["agent_delivered_seq"], state["agent_read_seq"]


class AlertedMention(TypedDict):
    """A note that mentions whoever is told."""

    agent: Person  # who wrote it
    note: str  # its beginning


class AlertedOf(TypedDict):
    """What may be shown of a ticket to whoever is told of it."""

    number: int
    customer_name: str | None
    message: str | None  # the beginning of the last one of the customer
    has_image: bool
    mention: AlertedMention | None  # then they are told of this


class AdvancedAlerts(TypedDict):
    """What is to be done about alerts now and later."""

    due: bool  # whether there is something to send
    next_in: float | None  # seconds
    is_held_up: bool  # then it is to be tried again soon


class Push(TypedDict):
    """A notification that is to be sent."""

    id: str
    kind: str  # 'alert', 'end' or 'test'
    tries: int  # with this one
    endpoint: str
    p256dh: str
    auth: str
    language: str
    origin: str  # of the desk, as the device knows it
    session_id: str | None  # None for a test
    about: AlertedOf | None
    shows_text: bool


class AlertSettings(TypedDict):
    """What an agent wants to be told of, and how."""

    scope: str  # 'mine', 'unassigned' (with those that nobody has) or 'all'
    sound: bool
    desktop: bool
    push: bool
    shows_text: bool
    quiet_from: str | None  # as '22:00', in their time zone
    quiet_until: str | None
    time_zone: str


class DeviceTest(TypedDict):
    """The last test of a device."""

    created_at: str
    sent_at: str | None
    arrived_at: str | None
    is_waiting: bool  # whether it may still arrive


class AlertDevice(TypedDict):
    """A browser in which an agent is notified."""

    id: str
    endpoint_hash: str  # by which a browser knows itself
    user_agent: str | None
    created_at: str
    sent_at: str | None
    arrived_at: str | None
    problem: str | None  # a code
    problem_at: str | None
    test: DeviceTest | None


class OwnAlerts(TypedDict):
    """How an agent is told."""

    settings: AlertSettings
    next_minutes: int | None  # after which the next one is told, None for never
    devices: list[AlertDevice]


class PushKeyPair(TypedDict):
    """The key by which push services know the desk."""

    private_key: str
    public_key: str


class AlertsCheck(TypedDict):
    """How the devices of the desk are reached."""

    devices: int
    sent: int  # devices to which something was sent within a day
    arrived: int  # those of them that have shown it
    problems: dict[str, int]  # devices by code
