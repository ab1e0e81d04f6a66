-- chat.sql: what a customer can do. Safe to run again.
-- p_visitor is the SHA-256 of the browser's cookie, in hex. It alone decides which conversation is meant.

-- What a page shows about a conversation besides its messages: ticket, who answers, place in the queue, receipts.
create or replace function public.conversation_json(p_session_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', s.session_id,
        'epoch', left(md5(public.database_epoch() || s.session_id), 12),
        'customer_name', s.customer_name,
        'status', t.status,
        'number', t.number,
        'version', t.version,
        'agent', public.agent_json(t.assigned_agent_id),
        'agent_here', coalesce((
            select a.is_active and a.availability = 'available' and a.lease_expires_at > now()
            from public.agents a where a.id = t.assigned_agent_id
        ), false),
        'customer_here', exists (
            select from public.server_processes p
            where p.seen_at > now() - interval '25 seconds' and s.session_id = any (p.sessions)
        ),
        'queue_position', case when t.status = 'waiting' then (
            select count(*) from public.tickets earlier
            where earlier.status = 'waiting'
                -- The order of drain_queue.
                and (coalesce(earlier.awaiting_since, 'infinity'), earlier.number) <= (coalesce(t.awaiting_since, 'infinity'), t.number)
        ) end,
        'somebody_here', exists (
            select from public.agents a where a.is_active and a.availability = 'available' and a.lease_expires_at > now()
        ),
        'last_seq', s.last_seq,
        'last_note_no', s.last_note_no,
        'customer_delivered_seq', s.customer_delivered_seq,
        'customer_read_seq', s.customer_read_seq,
        'agent_delivered_seq', s.agent_delivered_seq,
        'agent_read_seq', s.agent_read_seq
    )
    from public.user_sessions s
    join lateral (
        select * from public.tickets where session_id = s.session_id order by status = 'closed', number desc limit 1
    ) as t on true
    where s.session_id = p_session_id
$$;

-- The same for several conversations at once: the sweep of a server process.
create or replace function public.conversations(p_session_ids uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(found.conversation), '[]')
    from unnest(p_session_ids) as id
    cross join lateral (select public.conversation_json(id) as conversation) as found
    where found.conversation is not null
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
        'epoch', left(md5((select public.database_epoch()) || s.session_id), 12),
        'version', t.version,
        'last_seq', s.last_seq,
        'last_note_no', s.last_note_no,
        'customer_delivered_seq', s.customer_delivered_seq,
        'customer_read_seq', s.customer_read_seq,
        'agent_delivered_seq', s.agent_delivered_seq,
        'agent_read_seq', s.agent_read_seq
    )), '[]')
    from public.user_sessions s
    join lateral (
        select version from public.tickets where session_id = s.session_id order by status = 'closed', number desc limit 1
    ) as t on true
    where s.session_id = any (p_session_ids)
$$;

-- The conversation of a browser, the newest one; null when it has none.
create or replace function public.conversation_of_visitor(p_visitor text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select public.conversation_json(s.session_id)
    from public.user_sessions s
    join public.visitors v on v.visitor_id = s.visitor_id
    where v.token_hash = p_visitor
    order by s.created_at desc, s.session_id
    limit 1
$$;

-- Puts a customer's message into a conversation that is locked: stores it, reopens a closed ticket, seeks an agent.
create or replace function public.post_as_customer(
    p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_may_assign boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := public.lock_ticket(p_session_id);
    answer jsonb := public.repeated_message(p_session_id, 'user', p_client_message_id, p_message, p_image);
    line jsonb;
    preferred uuid;
begin
    if answer is not null then
        return answer;
    elsif ticket.status = 'closed' and not p_may_assign then
        -- Ended a moment ago. The page sends it again, and what it stands on is looked at anew.
        raise sqlstate '40001' using message = 'ended_meanwhile';
    end if;
    perform public.check_message(p_message, p_image is not null);
    line := public.append_message(
        p_session_id, 'user', p_message, p_client_message_id, p_image_id => public.add_image(p_session_id, p_image)
    );
    if ticket.status = 'closed' then
        preferred := ticket.assigned_agent_id;
        update public.tickets set
            status = 'waiting', assigned_agent_id = null, closed_at = null, awaiting_since = now(), given_back_by = null
        where id = ticket.id;
        update public.user_sessions set status = 'active' where session_id = p_session_id;
        perform public.append_message(p_session_id, 'system', 'The chat is open again.', p_event => 'reopened');
        perform public.record_event(ticket, 'reopened', 'customer');
        perform public.drain_queue(p_except => ticket.id);
        perform public.offer_ticket(ticket.id, p_tell => true, p_preferred => preferred);
    else
        update public.tickets set awaiting_since = now() where id = ticket.id and awaiting_since is null;
        if ticket.status = 'waiting' and p_may_assign then
            perform public.drain_queue();
        end if;
    end if;
    return jsonb_build_object(
        'duplicate', false,
        'session_id', p_session_id,
        'messages', public.messages_after(p_session_id, (line ->> 'seq')::integer - 1)
    );
end $$;

-- Stores a customer's message in the browser's conversation. The session_id says which one the page showed: when the
-- browser has begun another one since, PT409. The first answer comes again for a client_message_id that was stored.
create or replace function public.post_message(
    p_visitor text, p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    current_chat jsonb := public.conversation_of_visitor(p_visitor);
    -- Only a ticket without an agent can need one, so the others do not queue for the assignment lock.
    may_assign boolean := current_chat ->> 'session_id' = p_session_id::text and current_chat ->> 'status' <> 'open';
    answer jsonb;
begin
    if may_assign then
        perform public.lock_assignment();
        -- Another conversation may have begun while this one waited for the lock.
        current_chat := public.conversation_of_visitor(p_visitor);
    end if;
    if current_chat is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    elsif (current_chat ->> 'session_id')::uuid <> p_session_id then
        -- Stored, perhaps, before the browser began another conversation, and its answer was lost.
        select public.repeated_message(us.session_id, 'user', p_client_message_id, p_message, p_image) into answer
        from public.user_sessions us
        join public.visitors v on v.visitor_id = us.visitor_id
        where us.session_id = p_session_id and v.token_hash = p_visitor;
        if answer is null then
            raise sqlstate 'PT409' using message = 'conversation_moved_on';
        end if;
        return answer;
    end if;
    return public.post_as_customer(p_session_id, p_client_message_id, p_message, p_image, may_assign);
end $$;

-- Starts a chat: session, ticket, first message and assignment in one transaction. A browser whose chat still runs
-- gets its message into that chat; a repeated client_message_id gives the first answer again.
create or replace function public.start_chat(
    p_visitor text,
    p_client_message_id uuid,
    p_message text,
    p_image jsonb default null,
    p_customer_name text default null,
    p_customer_phone text default null,
    p_time_zone text default null
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
    perform public.check_message(p_message, p_image is not null);
    insert into public.visitors (token_hash) values (p_visitor)
    on conflict (token_hash) do nothing;
    -- Held to the end: two clicks on "Start Chat" make one conversation.
    select visitor_id into visitor from public.visitors where token_hash = p_visitor for no key update;
    perform public.lock_assignment();

    for chat in
        select session_id from public.user_sessions where visitor_id = visitor order by created_at desc, session_id
    loop
        answer := public.repeated_message(chat, 'user', p_client_message_id, p_message, p_image);
        if answer is not null then
            return answer;
        end if;
    end loop;

    select newest.session_id into chat from (
        select session_id from public.user_sessions where visitor_id = visitor
        order by created_at desc, session_id limit 1
    ) as newest
    where exists (select from public.tickets t where t.session_id = newest.session_id and t.status <> 'closed');
    if found then
        return public.post_as_customer(chat, p_client_message_id, p_message, p_image, p_may_assign => true);
    end if;

    insert into public.user_sessions (visitor_id, customer_name, customer_phone, time_zone, is_anonymous)
    values (
        visitor, p_customer_name, p_customer_phone, p_time_zone, p_customer_name is null and p_customer_phone is null
    )
    returning session_id into chat;
    insert into public.tickets (session_id, awaiting_since) values (chat, now()) returning * into ticket;
    perform public.append_message(
        chat, 'user', p_message, p_client_message_id, p_image_id => public.add_image(chat, p_image)
    );
    perform public.record_event(ticket, 'opened', 'customer');
    perform public.drain_queue(p_except => ticket.id);
    perform public.offer_ticket(ticket.id, p_tell => true);
    return jsonb_build_object('duplicate', false, 'session_id', chat, 'messages', public.messages_after(chat, 0));
end $$;

-- Ends the browser's conversation from the customer's side. Ending an ended one changes nothing.
create or replace function public.close_chat(p_visitor text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    current_chat jsonb := public.conversation_of_visitor(p_visitor);
    ticket public.tickets;
begin
    if current_chat is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    end if;
    perform public.lock_assignment();
    ticket := public.lock_ticket((current_chat ->> 'session_id')::uuid);
    if ticket.status <> 'closed' then
        perform public.end_ticket(ticket, 'customer');
    end if;
    return public.conversation_json(ticket.session_id);
end $$;

-- The median time to the first reply in seconds, of tickets since a moment; null below 3 of them.
create or replace function public.median_first_reply(p_since timestamptz)
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
            select coalesce(jsonb_agg(public.agent_json(agent_id) order by load, agent_id), '[]')
            from public.agents_here() where availability = 'available'
        ),
        'answers_in_seconds', public.median_first_reply(now() - interval '7 days')
    )
$$;

select public.restrict_functions(array[
    'conversation_json', 'conversations', 'conversation_heads', 'conversation_of_visitor', 'post_as_customer', 'post_message', 'start_chat',
    'close_chat', 'who_is_here', 'median_first_reply'
]);
select public.limit_functions(array[
    'conversations', 'conversation_heads', 'conversation_of_visitor', 'post_message', 'start_chat', 'close_chat',
    'who_is_here'
]);

select public.record_script('functions/chat.sql', '227b6c97a0f9');

notify pgrst, 'reload schema';
