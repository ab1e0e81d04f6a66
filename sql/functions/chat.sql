-- chat.sql: what a customer can do. Safe to run again.
-- p_visitor is the SHA-256 of the browser's cookie, in hex. It alone decides which conversation is meant.

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
        'customer_name', p_session.customer_name,
        'status', p_ticket.status,
        'number', p_ticket.number,
        'version', p_ticket.version,
        'agent', _supportchat.agent_json(p_ticket.assigned_agent_id),
        'agent_here', coalesce((
            select a.is_active and a.availability = 'available' and a.lease_expires_at > now()
            from public.agents a where a.id = p_ticket.assigned_agent_id
        ), false),
        'customer_here', p_customer_here,
        'queue_position', p_queue_position,
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
        exists (
            select from public.server_processes p where _supportchat.is_live(p) and s.session_id = any (p.sessions)
        ),
        case when t.status = 'waiting' then (
            select queue.place from _supportchat.waiting_tickets() as queue where queue.id = t.id
        ) end
    )
    from public.user_sessions s
    cross join _supportchat.ticket_of_session(s.session_id) as t
    where s.session_id = p_session_id and t.id is not null
$$;

-- The same for several conversations at once: the sweep of a server process. Who is here and the places in the queue are
-- read once for all of them.
create or replace function public.conversations(p_session_ids uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    with asked as materialized (
        select s as session, t as ticket, t.id, t.status
        from public.user_sessions s
        cross join _supportchat.ticket_of_session(s.session_id) as t
        where s.session_id = any (p_session_ids) and t.id is not null
    ), here as materialized (
        select distinct session_id from public.server_processes p
        cross join unnest(p.sessions) as session_id
        where _supportchat.is_live(p)
    ), places as materialized (
        select id, place from _supportchat.waiting_tickets()
        where exists (select from asked where asked.status = 'waiting')
    )
    select coalesce(jsonb_agg(_supportchat.state_json(asked.session, asked.ticket, here.session_id is not null, places.place)), '[]')
    from asked
    left join here on here.session_id = (asked.session).session_id
    left join places on places.id = asked.id
$$;

-- The counters of several conversations: the cheap part of the sweep.
create or replace function public.conversation_heads(p_session_ids uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'session_id', s.session_id,
        'epoch', _supportchat.epoch_of(s.session_id, (select public.database_epoch())),
        'version', t.version,
        'last_seq', s.last_seq,
        'last_note_no', s.last_note_no,
        'customer_delivered_seq', s.customer_delivered_seq,
        'customer_read_seq', s.customer_read_seq,
        'agent_delivered_seq', s.agent_delivered_seq,
        'agent_read_seq', s.agent_read_seq
    )), '[]')
    from public.user_sessions s
    cross join _supportchat.ticket_of_session(s.session_id) as t
    where s.session_id = any (p_session_ids) and t.id is not null
$$;

-- The newest conversation of a browser: by the number of its ticket, as a clock may have been wrong.
create or replace function _supportchat.newest_session(p_visitor_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select s.session_id from public.user_sessions s
    left join public.tickets t on t.session_id = s.session_id
    where s.visitor_id = p_visitor_id
    order by t.number desc nulls last
    limit 1
$$;

-- The same, by the key of the browser; null when it has none.
create or replace function _supportchat.session_of_visitor(p_visitor text)
returns uuid
language sql
stable
set search_path = ''
as $$
    select _supportchat.newest_session(visitor_id) from public.visitors where token_hash = p_visitor
$$;

-- The conversation of a browser, the newest one; null when it has none.
create or replace function public.conversation_of_visitor(p_visitor text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.conversation_json(_supportchat.session_of_visitor(p_visitor))
$$;

-- Puts a customer's message into a conversation that is locked: stores it, reopens a closed ticket, seeks an agent.
create or replace function _supportchat.post_as_customer(
    p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_may_assign boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.lock_ticket(p_session_id);
    answer jsonb := _supportchat.repeated_message(p_session_id, 'user', p_client_message_id, p_message, p_image);
    line jsonb;
    preferred uuid;
    is_afterword boolean;
begin
    if answer is not null then
        return answer;
    elsif ticket.status = 'closed' and not p_may_assign then
        -- Ended a moment ago: the call is made again, and what it stands on is looked at anew.
        raise sqlstate '40001' using message = 'ended_meanwhile';
    end if;
    perform _supportchat.check_message(p_message, p_image is not null);
    line := _supportchat.append_message(
        p_session_id, 'user', p_message, p_client_message_id, p_image_id => _supportchat.add_image(p_session_id, p_image)
    );
    if ticket.status = 'closed' then
        preferred := ticket.assigned_agent_id;
        -- An afterword, which whoever answered takes without a place: see load_of_agent.
        is_afterword := ticket.first_reply_at is not null and ticket.closed_at > now() - interval '10 minutes';
        update public.tickets set
            status = 'waiting', assigned_agent_id = null, closed_at = case when is_afterword then closed_at end,
            awaiting_since = now(), given_back_by = null
        where id = ticket.id
        returning * into ticket;
        update public.user_sessions set status = 'active' where session_id = p_session_id;
        perform _supportchat.tell_event(ticket, 'reopened', 'The chat is open again.', 'customer');
        perform _supportchat.drain_queue(p_except => ticket.id);
        if is_afterword and exists (select from _supportchat.agents_here() where agent_id = preferred and availability = 'available') then
            perform _supportchat.give_ticket(ticket, preferred, 'knows_customer', 'system');
        else
            perform _supportchat.offer_ticket(ticket.id, p_tell => true, p_preferred => preferred);
        end if;
    else
        update public.tickets set awaiting_since = now() where id = ticket.id and awaiting_since is null;
        if ticket.status = 'waiting' and p_may_assign then
            perform _supportchat.drain_queue();
        end if;
    end if;
    return _supportchat.answer_json(p_session_id, public.messages_after(p_session_id, (line ->> 'seq')::integer - 1));
end $$;

-- Stores a customer's message in the browser's conversation, and gives that as it is then. The session_id says which one
-- the page showed (null: not said): when the browser has begun another one since, PT409. The first answer comes again for a
-- client_message_id that was stored.
create or replace function public.post_message(
    p_visitor text, p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_visitor(p_visitor);
    -- Only a ticket without an agent can need one, so the others do not queue for the assignment lock.
    may_assign boolean := chat = coalesce(p_session_id, chat) and (_supportchat.ticket_of_session(chat)).status <> 'open';
    answer jsonb;
begin
    if may_assign then
        perform _supportchat.lock_assignment();
        -- Another conversation may have begun while this one waited for the lock.
        chat := _supportchat.session_of_visitor(p_visitor);
    end if;
    if chat is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    elsif p_session_id <> chat then
        -- Stored, perhaps, before the browser began another conversation, and its answer was lost.
        select _supportchat.repeated_message(us.session_id, 'user', p_client_message_id, p_message, p_image) into answer
        from public.user_sessions us
        join public.visitors v on v.visitor_id = us.visitor_id
        where us.session_id = p_session_id and v.token_hash = p_visitor;
        if answer is null then
            raise sqlstate 'PT409' using message = 'conversation_moved_on';
        end if;
    else
        answer := _supportchat.post_as_customer(chat, p_client_message_id, p_message, p_image, may_assign);
    end if;
    return answer || jsonb_build_object('conversation', _supportchat.conversation_json(chat));
end $$;

-- Of an earlier version, without limits.
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text);

-- Starts a chat: session, ticket, first message and assignment in one transaction. A browser whose chat still runs
-- gets its message into that chat; a repeated client_message_id gives the first answer again. Only a new chat counts:
-- for its browser where that is known, and for the address it comes from; p_limits may have 'browser' and 'address'.
create or replace function public.start_chat(
    p_visitor text,
    p_client_message_id uuid,
    p_message text,
    p_image jsonb default null,
    p_customer_name text default null,
    p_customer_phone text default null,
    p_time_zone text default null,
    p_address text default '',
    p_limits jsonb default '{}'
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    visitor uuid;
    chat uuid;
    ticket public.tickets;
    answer jsonb;
begin
    perform _supportchat.check_message(p_message, p_image is not null);
    -- Before any lock that others wait for: a flood is to be refused on its way there.
    if not _supportchat.goes_on(p_visitor, p_client_message_id) then
        perform _supportchat.take_start(p_visitor, p_address, p_limits);
    end if;
    insert into public.visitors (token_hash) values (p_visitor)
    on conflict (token_hash) do nothing;
    -- Held to the end: two clicks on "Start Chat" make one conversation.
    select visitor_id into visitor from public.visitors where token_hash = p_visitor for no key update;
    perform _supportchat.lock_assignment();

    select s.session_id into chat
    from public.user_sessions s
    join public.chat_messages m on m.session_id = s.session_id
    where s.visitor_id = visitor and m.sender = 'user' and m.client_message_id = p_client_message_id
    order by s.created_at desc, s.session_id limit 1;
    if found then
        return _supportchat.repeated_message(chat, 'user', p_client_message_id, p_message, p_image);
    end if;

    chat := _supportchat.newest_session(visitor);
    if exists (select from public.tickets t where t.session_id = chat and t.status <> 'closed') then
        return _supportchat.post_as_customer(chat, p_client_message_id, p_message, p_image, p_may_assign => true);
    end if;

    insert into public.user_sessions (visitor_id, customer_name, customer_phone, time_zone, is_anonymous)
    values (
        visitor, p_customer_name, p_customer_phone, p_time_zone, p_customer_name is null and p_customer_phone is null
    )
    returning session_id into chat;
    insert into public.tickets (session_id, awaiting_since) values (chat, now()) returning * into ticket;
    perform _supportchat.append_message(
        chat, 'user', p_message, p_client_message_id, p_image_id => _supportchat.add_image(chat, p_image)
    );
    perform _supportchat.record_event(ticket, 'opened', 'customer');
    perform _supportchat.drain_queue(p_except => ticket.id);
    perform _supportchat.offer_ticket(ticket.id, p_tell => true);
    return _supportchat.answer_json(chat, public.messages_after(chat, 0));
end $$;

-- Whether what a browser starts is no new chat: its last one still runs, or it has stored this very message before.
create or replace function _supportchat.goes_on(p_visitor text, p_client_message_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.visitors v
        join public.user_sessions s on s.visitor_id = v.visitor_id
        where v.token_hash = p_visitor and (
            exists (select from public.tickets t where t.session_id = s.session_id and t.status <> 'closed')
            or exists (
                select from public.chat_messages m
                where m.session_id = s.session_id and m.sender = 'user' and m.client_message_id = p_client_message_id
            )
        )
    )
$$;

-- Counts a new chat. A browser that has chatted before has a count of its own, and one for its address that is five times
-- as large: others there cannot lock it out, and it cannot start without end by turning up as many.
create or replace function _supportchat.take_start(p_visitor text, p_address text, p_limits jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    of_address jsonb := p_limits -> 'address';
begin
    if exists (select from public.visitors where token_hash = p_visitor) then
        perform _supportchat.take_token('starts', 'browser/' || p_visitor, p_limits -> 'browser');
        perform _supportchat.take_token('starts', 'known/' || p_address, jsonb_build_array(5 * (of_address ->> 0)::integer, of_address -> 1));
    else
        perform _supportchat.take_token('starts', 'address/' || p_address, of_address);
    end if;
end $$;

-- Of an earlier version, which did not ask what the page showed.
drop function if exists public.close_chat(text);

-- Ends the browser's conversation from the customer's side, and gives it as it is then, with the lines that this has made.
-- PT409 when the page showed another one (null: not said). Ending an ended one changes nothing.
create or replace function public.close_chat(p_visitor text, p_session_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_viewer(p_visitor, null);
    ticket public.tickets;
    seq_before integer;
begin
    if p_session_id <> chat then
        raise sqlstate 'PT409' using message = 'conversation_moved_on';
    end if;
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(chat);
    seq_before := (select last_seq from public.user_sessions where session_id = chat);
    if ticket.status <> 'closed' then
        perform _supportchat.end_ticket(ticket, 'customer');
    end if;
    return jsonb_build_object(
        'conversation', _supportchat.conversation_json(chat), 'messages', public.messages_after(chat, seq_before)
    );
end $$;

-- The median time to the first reply in seconds, of tickets since a moment; null below 3 of them.
create or replace function _supportchat.median_first_reply(p_since timestamptz)
returns integer
language sql
stable
set search_path = ''
as $$
    select case when count(*) >= 3 then
        round(percentile_cont(0.5) within group (order by extract(epoch from first_reply_at - created_at)))::integer
    end
    from public.tickets where created_at >= p_since and first_reply_at is not null
$$;

-- What the start page may say about who is here. The answer time is left out below 3 answers in the last 7 days.
create or replace function public.who_is_here()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'agents', (
            select coalesce(jsonb_agg(_supportchat.agent_json(agent_id) order by load, agent_id), '[]')
            from _supportchat.agents_here() where availability = 'available'
        ),
        'answers_in_seconds', _supportchat.median_first_reply(now() - interval '7 days')
    )
$$;

select _supportchat.record_script('functions/chat.sql', 'b948f6a7255d');

notify pgrst, 'reload schema';

commit;
