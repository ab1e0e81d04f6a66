-- rules.sql: what has to be true of a row, and which ways a ticket may go.

-- What is checked of each row.
create or replace function _supportchat.declared_checks()
returns table (place bigint, table_name text, constraint_name text, definition text)
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, cells[1], cells[1] || '_' || cells[2] || '_check', 'check (' || cells[3] || ')'
    from _supportchat.picture_limits() as picture, _supportchat.written_rows(format($checks$
        agents        | name           | char_length(name) between 1 and 80
        agents        | email          | char_length(email) between 3 and 254
        agents        | role           | role in ('agent', 'admin')
        agents        | availability   | availability in ('available', 'away')
        agents        | max_tickets    | max_tickets between 0 and 1000
        agents        | language       | language ~ '^[a-z]{2,3}$'
        user_sessions | customer_name  | char_length(customer_name) between 1 and 80
        user_sessions | customer_phone | char_length(customer_phone) between 1 and 32
        user_sessions | time_zone      | char_length(time_zone) <= 64
        user_sessions | status         | status in ('active', 'ended')
        chat_messages | sender         | sender in ('user', 'agent', 'system')
        chat_messages | message        | legacy is not null or (char_length(message) <= %1$s and (message ~ '\S' or image_id is not null))
        chat_messages | seq            | seq > 0
        tickets       | status         | status in ('waiting', 'open', 'closed')
        tickets       | assigned       | case status when 'open' then assigned_agent_id is not null when 'waiting' then assigned_agent_id is null else true end
        chat_images   | content_type   | content_type in (%2$s)
        chat_images   | bytes          | bytes between 1 and %3$s
        chat_images   | size           | width > 0 and height > 0
        ticket_notes  | note           | note ~ '\S' and char_length(note) <= %1$s
        heartbeat     | only_row       | only_row
    $checks$,
        _supportchat.longest_message(),
        (select string_agg(quote_literal(type), ', ') from unnest(picture.types) as type),
        picture.bytes
    )) as written;
end $$;

select _supportchat.ensure_constraint(format('public.%I', table_name)::regclass, constraint_name, definition)
from _supportchat.declared_checks() order by place;

insert into public.ticket_transitions (from_status, to_status) values
    ('waiting', 'open'), ('open', 'waiting'), ('waiting', 'closed'), ('open', 'closed'), ('closed', 'waiting')
on conflict do nothing;

insert into public.heartbeat (only_row) values (true) on conflict do nothing;

-- Refuses a change of state that ticket_transitions does not list, keeps the status of the conversation, which nothing here
-- reads, to the one of its ticket, and counts the ticket's versions. What only a message
-- has changed is none: the message itself tells of it, and each new version has the pages of agents fetch the ticket.
create or replace function _supportchat.guard_ticket()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
    by_messages text[] := array['awaiting_since', 'first_reply_at', 'updated_at'];
begin
    if new.status <> old.status and not exists (
        select from public.ticket_transitions where from_status = old.status and to_status = new.status
    ) then
        raise sqlstate 'PT409' using message = 'transition_not_allowed', detail = old.status || ' to ' || new.status;
    end if;
    if (new.status = 'closed') <> (old.status = 'closed') then
        update public.user_sessions set status = case new.status when 'closed' then 'ended' else 'active' end
        where session_id = new.session_id;
    end if;
    if to_jsonb(new) - by_messages <> to_jsonb(old) - by_messages then
        new.version := old.version + 1;
    end if;
    new.updated_at := clock_timestamp();
    return new;
end $$;

create or replace trigger guard_ticket
before update on public.tickets
for each row execute function _supportchat.guard_ticket();
