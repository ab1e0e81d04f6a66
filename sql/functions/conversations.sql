-- conversations.sql: what a page shows about a conversation besides its messages. Safe to run again.

begin;

-- Looks whether what has our names is ours, and stops if not: see docs/sql.md. Written by bin/migrate stamp.
do $look$
begin
    if to_regprocedure('_supportchat.record_script(text, text)') is null then
        raise exception using errcode = 'SC001',
            message = 'Nothing was changed, because supportchat is not set up here. Run sql/supabase_schema.sql first.';
    end if;
end $look$;
-- The check ends here.

-- What a page shows about a conversation besides its messages: ticket, who answers, place in the queue, receipts. Whether
-- the customer is here and which place it has is found by the caller, for one conversation or for many at once.
create or replace function _supportchat.state_json(
    p_session public.user_sessions, p_ticket public.tickets, p_customer_here boolean, p_queue_position bigint
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', p_session.session_id,
        'epoch', _supportchat.epoch_of(p_session.session_id, public.database_epoch()),
        'customer_name', coalesce(
            (select p.name from public.persons p where p.visitor_id = p_session.visitor_id), p_session.customer_name
        ),
        'site', coalesce((select s.key from public.sites s where s.site_id = p_ticket.site_id), 'main'),
        'status', p_ticket.status,
        'number', p_ticket.number,
        'version', p_ticket.version,
        'erased_at', p_ticket.erased_at,
        'agent', _supportchat.person_json(p_ticket.assigned_agent_id),
        'agent_here', coalesce((
            select a.is_active and a.availability = 'available' and a.lease_expires_at > now()
            from public.agents a where a.id = p_ticket.assigned_agent_id
        ), false),
        'customer_here', p_customer_here,
        'queue_position', p_queue_position,
        -- As post_message finds it.
        'banned', coalesce((select v.banned_until > now() from public.visitors v where v.visitor_id = p_session.visitor_id), false)
            or exists (select from public.bans where network = p_session.address and expires_at > now()),
        'somebody_here', exists (
            select from public.agents a where a.is_active and a.availability = 'available' and a.lease_expires_at > now()
        ),
        'last_seq', p_session.last_seq,
        'last_note_no', p_session.last_note_no,
        'customer_delivered_seq', p_session.customer_delivered_seq,
        'customer_read_seq', p_session.customer_read_seq,
        'agent_delivered_seq', p_session.agent_delivered_seq,
        'agent_read_seq', p_session.agent_read_seq
    )
$$;

-- The state of one conversation; null when there is none.
create or replace function _supportchat.conversation_json(p_session_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.state_json(
        s, t,
        exists (select from public.customers_here c where c.session_id = s.session_id),
        case when t.status = 'waiting' and t.held is null and t.snoozed_until is null then _supportchat.place_of_ticket(t) end
    )
    from public.user_sessions s
    cross join _supportchat.ticket_of_session(s.session_id) as t
    where s.session_id = p_session_id and t.id is not null
$$;

-- The same for several conversations at once. The places in the queue are read once for all of them. Planned once,
-- because that takes as long as one of them.
create or replace function public.conversations(p_session_ids uuid[])
returns jsonb
language sql
stable
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
    with asked as materialized (
        select s as session, t as ticket, t.id, t.status
        from public.user_sessions s
        cross join _supportchat.ticket_of_session(s.session_id) as t
        where s.session_id = any (p_session_ids) and t.id is not null
    ), places as materialized (
        -- As place_of_ticket counts, and none of it where nobody waits.
        select id, row_number() over () as place
        from (
            select id from public.tickets
            where status = 'waiting' and held is null and snoozed_until is null
                and exists (select from asked where asked.status = 'waiting')
            order by urgency, awaiting_since nulls last, number
            limit _supportchat.last_place() - 1
        ) as ahead
    )
    select coalesce(jsonb_agg(_supportchat.state_json(
        asked.session, asked.ticket,
        exists (select from public.customers_here c where c.session_id = (asked.session).session_id),
        case when asked.status = 'waiting' and (asked.ticket).held is null and (asked.ticket).snoozed_until is null then coalesce(places.place, _supportchat.last_place()) end
    )), '[]')
    from asked
    left join places on places.id = asked.id
$$;

-- What those who wait are told while others are served: whose conversations have the places in the queue, in order, which
-- place all others have, and whether an agent is here. However many wait, it reads as many of them as are counted.
create or replace function public.waiting_line()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_ids', to_jsonb(array(
            -- As place_of_ticket counts.
            select session_id from public.tickets
            where status = 'waiting' and held is null and snoozed_until is null
            order by urgency, awaiting_since nulls last, number
            limit _supportchat.last_place() - 1
        )),
        'behind', _supportchat.last_place(),
        'somebody_here', exists (
            select from public.agents a where a.is_active and a.availability = 'available' and a.lease_expires_at > now()
        )
    )
$$;

-- Of an earlier version, which had no log.
drop function if exists public.conversation_heads(uuid[]);

-- The newest conversation of a browser. Each is dated after the ones before it, whatever the clock says: see open_chat.
create or replace function _supportchat.newest_session(p_visitor_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select session_id from public.user_sessions where visitor_id = p_visitor_id order by created_at desc limit 1
$$;

-- The same, by the key of the browser; null when it has none.
create or replace function _supportchat.session_of_visitor(p_visitor text)
returns uuid
language sql
stable
set search_path = ''
as $$
    select _supportchat.newest_session(_supportchat.visitor_of(p_visitor))
$$;

-- The conversation that a viewer means: an agent that of a ticket, a browser its newest. PT404 when there is none.
create or replace function _supportchat.session_of_viewer(p_visitor text, p_number bigint)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
    found_id uuid;
begin
    if p_number is not null then
        return _supportchat.session_of_ticket(p_number);
    end if;
    found_id := _supportchat.session_of_visitor(p_visitor);
    if found_id is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    end if;
    return found_id;
end $$;

-- The conversation of a browser, the newest one; null when it has none.
create or replace function public.conversation_of_visitor(p_visitor text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.conversation_json(_supportchat.session_of_visitor(p_visitor))
$$;

-- What a page needs that is about to show a conversation: its state, when its last line was written, the lines after a seq with
-- that one itself (null: none, most pages that come back lack nothing), and the notes after a number (null: none, for a customer's
-- page). Which conversation is said in one of three ways: the newest one of a browser, that of a ticket, or by its id. Null when
-- there is none.
create or replace function public.join_conversation(
    p_visitor text default null, p_number bigint default null, p_session_id uuid default null,
    p_after integer default null, p_after_note integer default null
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid := p_session_id;
    state jsonb;
begin
    if p_visitor is not null then
        chat := _supportchat.session_of_visitor(p_visitor);
    elsif p_number is not null then
        select session_id into chat from public.tickets where number = p_number;
    end if;
    state := _supportchat.conversation_json(chat);
    if state is null then
        return null;
    end if;
    return jsonb_build_object(
        'conversation', state,
        'last_at', (
            select created_at from public.chat_messages where session_id = chat and seq = (state ->> 'last_seq')::integer
        ),
        'messages', case when p_after is null then '[]' else public.messages_after(chat, p_after - 1) end,
        'notes', case when p_after_note is null then '[]' else public.notes_after(chat, p_after_note) end,
        'visit', case when p_after_note is not null then public.pages_of_session(chat) end
    );
end $$;

-- Logs that a conversation is gone, so that no page goes on showing it.
create or replace function _supportchat.log_end_of_conversation()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.log_event('conversation.deleted', old.session_id);
    return null;
end $$;

create or replace trigger log_end_of_conversation
after delete on public.user_sessions
for each row execute function _supportchat.log_end_of_conversation();

select _supportchat.record_script('functions/conversations.sql', '090e55bddecd');

notify pgrst, 'reload schema';

commit;
