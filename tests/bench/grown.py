"""A desk that has been at work for two years, made by SQL: what the figures of a large desk are measured on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

# Filled anew, so their indexes are made afterwards: in a fraction of the time.
FILLED = (
    "visitors",
    "user_sessions",
    "tickets",
    "chat_messages",
    "events",
    "ticket_notes",
    "ticket_reads",
    "chat_images",
)
# So many tickets are written at once, with their messages.
BATCH = 50_000

# The tickets by their age, the newest last: closed ones, then those that are open, then those that wait. One closed one
# in ten is of one of few browsers that chat all the time, the others are of browsers with three chats each. Of the busy
# ones, 0 waits last in line, 1 has the newest open ticket, and 2 only closed ones. The first agents have had most
# tickets. What waits or is open has come within the last hours; who waits has no answer yet.
TICKETS = """
create temporary table grown as
with numbered as (
    select
        n, gen_random_uuid() as session_id, gen_random_uuid() as ticket_id,
        case when n %% 10 = 0 or n = %(tickets)s - %(waiting)s then gen_random_uuid() end as image_id,
        case
            when n > %(tickets)s - %(waiting)s then 'waiting'
            when n > %(tickets)s - %(waiting)s - %(open)s then 'open'
            else 'closed'
        end as status,
        %(tickets)s - n as younger,
        -- Each agent has as many open tickets that wait for an answer as they may have; the other ones are quiet, and
        -- all the last agent's.
        %(tickets)s - n - %(waiting)s < %(agents)s * %(places)s as is_due,
        %(tickets)s - %(waiting)s - %(open)s as closed,
        case
            when n = %(tickets)s then 0
            when n = %(tickets)s - %(waiting)s then 1
            when n = %(tickets)s - %(waiting)s - %(open)s then 2
            when n %% 10 = 0 and n < %(tickets)s - %(waiting)s - %(open)s then (n / 10) %% %(busy)s
            else n / 3 + %(busy)s
        end as visitor,
        %(messages)s + case
            when n in (%(tickets)s, %(tickets)s - %(waiting)s) or n %% (%(tickets)s / 8) = 0 then %(longest)s else 0
        end as last_seq
    from generate_series(1, %(tickets)s) as n
)
select
    numbered.*,
    case status
        when 'open' then case when is_due then 1 + (younger - %(waiting)s) %% %(agents)s else %(agents)s end
        when 'closed' then 1 + floor(%(agents)s * power(random(), 3))::integer
    end as agent,
    -- Those of the customer: see MESSAGES.
    case status when 'waiting' then last_seq - 1 else (last_seq + 1) / 2 end as lines,
    status = 'waiting' or status = 'open' and is_due as awaits,
    now() - case status
        when 'closed' then interval '4 hours' + interval '2 years' * (closed - n) / greatest(closed, 1)
        else interval '1 hour' + interval '2 hours' * younger / (%(waiting)s + %(open)s)
    end as created_at
from numbered
"""

AGENTS = """
insert into public.agents (name, email, max_tickets, lease_expires_at, created_at)
select
    format('Agent %%s', n), format('agent%%s@grown.example', n), %(places)s, now() + interval '1 day',
    now() - interval '2 years'
from generate_series(1, %(agents)s) as n
"""
# The id of each agent by number.
STAFF = """
create temporary table staff as
select row_number() over (order by substr(email, 6, strpos(email, '@') - 6)::integer)::integer as agent, id
from public.agents where email like 'agent%%@grown.example'
"""
BROWSERS = """
create temporary table browsers as
select visitor, gen_random_uuid() as visitor_id, min(created_at) as created_at from grown group by visitor
"""

WRITTEN = (
    "create unique index on grown (n)",
    "create unique index on browsers (visitor)",
    "analyze grown",
    "analyze browsers",
    "analyze staff",
    """
    insert into public.visitors (visitor_id, token_hash, created_at)
    select visitor_id, 'grown-' || visitor, created_at from browsers
    """,
    """
    insert into public.user_sessions (
        session_id, visitor_id, customer_name, is_anonymous, status, last_seq, last_spoken_seq, customer_lines,
        last_note_no, customer_delivered_seq, customer_read_seq, agent_delivered_seq, agent_read_seq, created_at
    )
    select
        g.session_id, b.visitor_id, case when n % 2 = 0 then 'Customer ' || visitor end, n % 2 = 1,
        case g.status when 'closed' then 'ended' else 'active' end, last_seq, last_seq, lines,
        case when n % 10 = 0 then 1 else 0 end, last_seq, last_seq,
        case g.status when 'waiting' then 0 else last_seq end, case g.status when 'waiting' then 0 else last_seq end,
        g.created_at
    from grown g join browsers b using (visitor)
    """,
    """
    insert into public.tickets (
        id, number, session_id, status, assigned_agent_id, awaiting_since, assigned_at, first_reply_at, closed_at,
        created_at, updated_at
    )
    select
        ticket_id, base.number + n, session_id, status, staff.id,
        case when awaits then g.created_at + interval '10 seconds' end,
        case when agent is not null then g.created_at + interval '30 seconds' end,
        case when agent is not null then g.created_at + interval '1 second' * (40 + n % 300) end,
        case status when 'closed' then g.created_at + interval '1 hour' end, g.created_at,
        g.created_at + case status when 'closed' then interval '1 hour' else interval '10 minutes' end
    from grown g
    left join staff using (agent)
    cross join (select last_value as number from public.ticket_numbers) as base
    """,
    "select setval('public.ticket_numbers', (select max(number) from public.tickets))",
    """
    insert into public.chat_images (id, session_id, storage_key, content_type, width, height, bytes, digest, created_at)
    select image_id, session_id, image_id, 'image/webp', 640, 480, 50000, image_id, created_at
    from grown where image_id is not null
    """,
    """
    insert into public.ticket_notes (session_id, note_no, after_seq, agent_id, client_message_id, note, created_at)
    select session_id, 1, 2, staff.id, gen_random_uuid(), 'Has asked before, and was content.', g.created_at
    from grown g join staff on staff.agent = coalesce(g.agent, 1) where n % 10 = 0
    """,
    """
    insert into public.ticket_reads (agent_id, session_id, read_seq, read_lines)
    select staff.id, session_id, last_seq, lines from grown g join staff using (agent)
    """,
    """
    insert into public.agent_sessions (token_hash, agent_id, last_seen_at, created_at)
    select format('grown-%s-%s', agent, n), id, now(), now() + interval '1 day' - interval '3 hours' * n
    from staff cross join generate_series(1, 4) as n
    """,
    """
    insert into public.agent_browsers (agent_id, token_hash, seen_at)
    select id, format('grown-%s-%s', agent, n), now() - interval '1 day' * n
    from staff cross join generate_series(1, 20) as n
    """,
    """
    insert into public.throttle_buckets (key, full_at)
    select 'starts/grown/' || visitor, now() - interval '1 second' * visitor from browsers where visitor < 20000
    """,
)

# Of the tickets of one batch: what was said in turns, and what happened to them. Ids in order: random ones are drawn
# one by one from the system, and each goes to another page of the primary key, which took two thirds of the whole time.
MESSAGES = """
insert into public.chat_messages (
    id, client_message_id, session_id, seq, sender, sender_agent_id, message, image_id, event, detail, created_at
)
select
    numbered.id, numbered.id, g.session_id, seq,
    case when seq = 2 then 'system' when status = 'waiting' or seq %% 2 = 1 then 'user' else 'agent' end,
    case when seq > 2 and seq %% 2 = 0 and status <> 'waiting' then staff.id end,
    repeat('What was said about the matter. ', 1 + seq %% 4), case when seq = last_seq - 1 then image_id end,
    case when seq = 2 then case status when 'waiting' then 'queued' else 'assigned' end end,
    '{}', g.created_at + interval '0.1 seconds' * seq
from grown g
left join staff using (agent)
cross join generate_series(1, last_seq) as seq
cross join lateral (values (lpad(to_hex(n * 100000::bigint + seq), 32, '0')::uuid)) as numbered (id)
where n > %(after)s and n <= %(after)s + %(batch)s
order by n, seq
"""
HISTORY = """
insert into public.events (kind, session_id, ticket_id, actor, agent_id, detail, created_at)
select
    'ticket.' || event, session_id, ticket_id, case event when 'closed' then 'agent' else 'customer' end,
    case event when 'closed' then staff.id end,
    case event when 'assigned' then jsonb_build_object('agent', staff.id) else '{}' end, g.created_at
from grown g
left join staff using (agent)
cross join unnest(case status
    when 'waiting' then array['opened']
    when 'open' then array['opened', 'assigned']
    else array['opened', 'assigned', 'closed']
end) as event
where n > %(after)s and n <= %(after)s + %(batch)s
order by n
"""
# What the log still has of the last day: the lines of the chats that have a page.
LOGGED = """
insert into public.events (kind, session_id, actor, detail, created_at)
select 'message.posted', session_id, 'customer', jsonb_build_object('seq', seq), now() - interval '1 hour'
from grown cross join generate_series(1, %(messages)s) as seq
where younger < %(sockets)s
"""

# Two server processes with a page of each chat that waits or is open, and of those that were closed last.
SOCKETS = """
select public.report_process(
    gen_random_uuid(), cardinality(sessions), sessions, '{}', array(select token_hash from public.agent_sessions),
    p_seconds => 86400, p_swept => true
)
from (
    select array_agg(session_id) as sessions from grown where younger < %(sockets)s group by n %% 2
) as process
"""
# Nobody renews the leases.
LASTING = (
    "update public.server_processes set started_at = now() - interval '1 hour'",
    "update public.agents set lease_expires_at = now() + interval '1 day' where email like 'agent%@grown.example'",
    "drop table grown, staff, browsers",
)


def grow(
    connection: psycopg.Connection[Any],
    tickets: int = 1_000_000,
    messages_per_ticket: int = 10,
    agents: int = 200,
    waiting: int = 5_000,
    open: int = 2_000,
    sockets: int = 10_000,
    places: int = 5,
) -> None:
    """Fill a desk: agents who are all here and have no room, closed tickets of two years, open ones, a long queue.

    Ten conversations have 10,000 messages more, one in ten is of a browser with 1,000 of them. Nothing is checked while
    the rows are written, which only the superuser may do. Agents and server processes stay live for a day.

    :param connection: as the superuser, with autocommit.
    :param places: how many tickets each agent may have, and has.
    """
    values = {
        "tickets": tickets,
        "messages": messages_per_ticket,
        "agents": agents,
        "waiting": waiting,
        "open": open,
        "sockets": sockets,
        "places": places,
        "busy": max(tickets // 10_000, 3),
        "longest": min(tickets // 10, 10_000),
    }
    connection.execute("set session_replication_role = replica")
    connection.execute("set synchronous_commit = off")
    drop_indexes(connection, FILLED)
    for statement in (TICKETS, AGENTS, STAFF, BROWSERS):
        connection.execute(statement, values)
    for statement in WRITTEN:
        connection.execute(statement.encode())
    for after in range(0, tickets, BATCH):
        for statement in (MESSAGES, HISTORY):
            connection.execute(statement, {"after": after, "batch": BATCH})
    connection.execute(LOGGED, values)
    connection.execute("select _supportchat.ensure_index(index_name) from _supportchat.declared_indexes()")
    connection.execute("reset session_replication_role")
    connection.execute(SOCKETS, values)
    for statement in LASTING:
        connection.execute(statement.encode())
    # What was written at once is no news: who acts on the log begins at its end.
    connection.execute("delete from public.event_readers where true")
    connection.execute("vacuum analyze")
    connection.execute("reset synchronous_commit")


def drop_indexes(connection: psycopg.Connection[Any], tables: Iterable[str]) -> None:
    """Drop the indexes of tables that are about to be filled; `ensure_index` makes them anew."""
    found = connection.execute(
        "select index_name from _supportchat.declared_indexes() where table_name = any (%s)", [list(tables)]
    )
    for (name,) in found.fetchall():
        connection.execute(sql.SQL("drop index if exists public.{}").format(sql.Identifier(name)))
