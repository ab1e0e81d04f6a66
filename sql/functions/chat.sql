-- chat.sql: what a customer can do. Safe to run again.
-- p_visitor is the SHA-256 of the browser's cookie, in hex. It alone decides which conversation is meant.

begin;

-- Looks whether what has our names is ours, and stops if not: see docs/sql.md. Written by bin/migrate stamp.
do $look$
declare
    tables text[] := '{
        schema_scripts, visitors, agents, user_sessions, chat_messages, tickets, agent_credentials, agent_sessions,
        chat_images, ticket_transitions, ticket_events, ticket_notes, ticket_reads, server_processes, heartbeat,
        throttle_buckets, agent_browsers
    }';
    indexes text[] := '{
        visitors_token_hash_key, agents_email_key, user_sessions_visitor_id_idx, user_sessions_created_at_idx,
        chat_messages_seq_key, chat_messages_client_key, chat_messages_created_at_idx,
        chat_messages_sender_agent_id_idx, chat_messages_image_id_idx, tickets_number_key, tickets_session_id_idx,
        tickets_assigned_agent_id_idx, tickets_not_closed_idx, tickets_updated_at_idx, tickets_created_at_idx,
        agent_sessions_agent_id_idx, chat_images_storage_key_key, chat_images_session_id_idx,
        ticket_events_ticket_id_idx, ticket_events_agent_id_idx, ticket_notes_note_no_key, ticket_notes_client_key,
        ticket_notes_agent_id_idx, ticket_reads_session_id_idx, throttle_buckets_full_at_idx
    }';
    functions text[] := regexp_split_to_array(btrim('
        orphan_rows(text); database_epoch(); messages_after(uuid, integer, integer, integer);
        messages_before(uuid, integer, integer, integer); image_of_session(uuid, uuid); orphan_images(text[]);
        signal_typing(uuid, text, uuid); record_receipt(uuid, text, integer, integer, uuid); sweep_assignment();
        conversations(uuid[]); conversation_heads(uuid[]); conversation_of_visitor(text);
        post_message(text, uuid, uuid, text, jsonb); start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb);
        close_chat(text); who_is_here(); list_tickets(uuid, text, integer); ticket_of_agent(uuid, bigint);
        post_reply(uuid, bigint, uuid, text, jsonb); add_note(uuid, bigint, uuid, text);
        notes_after(uuid, integer, integer, integer, integer, integer); assign_ticket(uuid, bigint, uuid, uuid);
        unassign_ticket(uuid, bigint); close_ticket(uuid, bigint); reopen_ticket(uuid, bigint);
        create_agent(text, text, text, text, integer); reset_password(text, text); begin_login(text, text, text, jsonb);
        open_agent_session(uuid, text, text); agent_of_session(text); close_agent_session(text);
        set_availability(uuid, text); list_agents(); good_sessions(text[]);
        report_process(uuid, integer, uuid[], text[], boolean); forget_process(uuid); check_table(text); desk_figures();
        stuck_tickets(); verify_chat(); send_ping(text); send_heartbeat(double precision); desk_fingerprint();
        missing_functions(text[]); applied_scripts(); messages_after(uuid, integer, integer);
        messages_before(uuid, integer, integer); start_chat(text, uuid, text, jsonb, text, text, text);
        notes_after(uuid, integer, integer); open_agent_session(uuid, text)
    ', E' \n'), ';\s+');
    -- These would answer a call that is meant for one of those.
    overloads text[] := regexp_split_to_array(btrim('
        orphan_rows(); messages_after(uuid, integer); messages_before(uuid); messages_before(uuid, integer);
        signal_typing(uuid, text); record_receipt(uuid, text, integer, integer); post_message(text, uuid, uuid, text);
        start_chat(text, uuid, text); start_chat(text, uuid, text, jsonb); start_chat(text, uuid, text, jsonb, text);
        start_chat(text, uuid, text, jsonb, text, text); start_chat(text, uuid, text, jsonb, text, text, text, text);
        list_tickets(uuid); list_tickets(uuid, text); post_reply(uuid, bigint, uuid, text); notes_after(uuid, integer);
        notes_after(uuid, integer, integer, integer); notes_after(uuid, integer, integer, integer, integer);
        assign_ticket(uuid, bigint, uuid); create_agent(text, text, text); create_agent(text, text, text, text);
        begin_login(text, text, text); report_process(uuid, integer, uuid[], text[])
    ', E' \n'), ';\s+');
    -- The tables that a desk had before it had schema_scripts.
    oldest text[] := '{agents,user_sessions,chat_messages,tickets}';
    is_adopted boolean := coalesce(current_setting('supportchat.adopt', true) = 'yes', false);
    marked text[];
    has_sessions boolean;
    is_desk boolean;
    is_older_desk boolean;
    others text;
    path text := current_setting('search_path');
begin
    -- An app may have a function like one of Postgres' own, which would be called instead.
    perform set_config('search_path', 'pg_catalog', true);
    -- Each table of a desk bears this policy. An app may have one of that name on a table or two, so a desk shows itself by
    -- more than that: by the function that stamps its scripts, or by all the tables of the oldest version.
    select coalesce(array_agg(c.relname), '{}') into marked
    from pg_policy p
    join pg_class c on c.oid = p.polrelid
    where c.relnamespace = 'public'::regnamespace and p.polname = 'server_only' and not p.polpermissive
        and pg_get_expr(p.polqual, p.polrelid) = 'false';
    has_sessions := 3 = (
        select count(*) from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not a.attisdropped
            and c.relname in ('user_sessions', 'chat_messages', 'tickets') and a.attname = 'session_id'
    );
    is_desk := (has_sessions and marked @> oldest) or ('schema_scripts' = any (marked) and exists (
        -- Versions before the schema _supportchat had it in public.
        select from pg_proc
        where proname = 'record_script' and pronamespace in (to_regnamespace('_supportchat'), 'public'::regnamespace)
            and proargnames = '{p_name,p_checksum}' and proconfig @> array['search_path=""']
    ));
    is_older_desk := has_sessions and not exists (
        select from pg_constraint k
        join pg_class c on c.oid = k.conrelid
        join pg_class target on target.oid = k.confrelid
        where k.contype = 'f' and c.relnamespace = 'public'::regnamespace and c.relname = any (oldest)
            and target.relnamespace <> 'public'::regnamespace
    );

    with named as (
        select 1 as place, c.relkind, c.relname::text as name, case
            when c.relname = any (tables) then c.relkind = 'r' and (
                is_adopted or (is_desk and c.relname = any (marked))
                or (is_older_desk and not is_desk and c.relname = any (oldest))
            )
            when c.relname = 'ticket_numbers' then c.relkind = 'S' and (is_adopted or is_desk)
            else exists (
                select from pg_index i
                join pg_class its_table on its_table.oid = i.indrelid
                where i.indexrelid = c.oid and its_table.relname = any (tables)
            )
        end as is_ours
        from pg_class c
        where c.relnamespace = 'public'::regnamespace
            and (c.relname = any (tables) or c.relname = any (indexes) or c.relname = 'ticket_numbers')
        union all
        select 0, 'n', n.nspname, is_adopted or (is_desk and exists (
            select from pg_proc where pronamespace = n.oid and proname = 'record_script' and proargnames = '{p_name,p_checksum}'
        ))
        from pg_namespace n where n.nspname = '_supportchat'
        union all
        select 2, 'T', t.typname, false
        from pg_type t
        where t.typnamespace = 'public'::regnamespace and t.typname = any (tables) and t.typrelid = 0
        union all
        select 3, 't', 'guard_ticket', is_adopted or is_desk
        from pg_trigger where tgrelid = to_regclass('public.tickets') and tgname = 'guard_ticket'
        union all
        select 4, 'F', format('%s(%s)', p.proname, replace(oidvectortypes(p.proargtypes), 'public.', '')), is_adopted or (
            is_desk and coalesce(p.proconfig, '{}') @> array['search_path=""']
            and not exists (select from unnest(p.proargnames[1:p.pronargs]) as argument where argument not like 'p\_%')
        )
        from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and format('%s(%s)', p.proname, replace(oidvectortypes(p.proargtypes), 'public.', '')) = any (functions || overloads)
    ), strange as (
        select row_number() over (order by place, name) as number, format('%s %s', case relkind
            when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' when 'S' then 'sequence'
            when 'i' then 'index' when 'I' then 'index' when 'c' then 'type' when 'T' then 'type' when 't' then 'trigger'
            when 'F' then 'function' when 'n' then 'schema' else 'table'
        end, name) as thing
        from named where not is_ours
    )
    select string_agg(thing, ', ' order by number) filter (where number <= 12)
        || case when count(*) > 12 then format(', and %s more', count(*) - 12) else '' end into others
    from strange;
    if others is not null then
        raise exception using errcode = 'SC001', message = format(
            'Nothing was changed, because this database has something else under names that supportchat needs: %s.'
            || ' Use another project or database for supportchat; an empty one is best.'
            || ' Only if these tables belong to an older supportchat, put the line'
            || ' set supportchat.adopt = ''yes''; first in the same paste, or run bin/migrate --adopt:'
            || ' the tables are then changed to fit.',
            others
        );
    end if;

    select string_agg(format('%s (of %s)', c.relname, pg_get_userbyid(c.relowner)), ', ') into others
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname = any (tables) and not pg_has_role(c.relowner, 'usage');
    if others is not null then
        raise exception using errcode = 'SC002', message = format(
            'Nothing was changed, because tables belong to another role: %s. Run this as that role.', others
        );
    end if;

    if to_regnamespace('_supportchat') is null and not has_database_privilege(current_database(), 'create') then
        raise exception using errcode = 'SC002', message = format(
            'Nothing was changed, because the role %1$s may not make a schema here.'
            || ' Let the owner of the database run: grant create on database %2$I to %1$I.',
            current_user, current_database()
        );
    end if;
    perform set_config('search_path', path, true);
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
        'epoch', left(md5(public.database_epoch() || p_session.session_id), 12),
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
        s, t.ticket,
        exists (
            select from public.server_processes p
            where p.seen_at > now() - interval '25 seconds' and s.session_id = any (p.sessions)
        ),
        case when (t.ticket).status = 'waiting' then (
            select count(*) from public.tickets earlier
            where earlier.status = 'waiting'
                -- The order of drain_queue.
                and (coalesce(earlier.awaiting_since, 'infinity'), earlier.number)
                <= (coalesce((t.ticket).awaiting_since, 'infinity'), (t.ticket).number)
        ) end
    )
    from public.user_sessions s
    join lateral (
        select newest as ticket from public.tickets newest
        where newest.session_id = s.session_id order by newest.status = 'closed', newest.number desc limit 1
    ) as t on true
    where s.session_id = p_session_id
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
        select s as session, t.ticket, (t.ticket).id, (t.ticket).status
        from public.user_sessions s
        join lateral (
            select newest as ticket from public.tickets newest
            where newest.session_id = s.session_id order by newest.status = 'closed', newest.number desc limit 1
        ) as t on true
        where s.session_id = any (p_session_ids)
    ), here as materialized (
        select distinct session_id from public.server_processes p
        cross join unnest(p.sessions) as session_id
        where p.seen_at > now() - interval '25 seconds'
    ), places as materialized (
        -- The order of drain_queue.
        select id, row_number() over (order by coalesce(awaiting_since, 'infinity'), number) as place
        from public.tickets
        where status = 'waiting' and exists (select from asked where asked.status = 'waiting')
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

-- The conversation of a browser, the newest one; null when it has none.
create or replace function public.conversation_of_visitor(p_visitor text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.conversation_json(_supportchat.newest_session(v.visitor_id)) from public.visitors v where v.token_hash = p_visitor
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
        perform _supportchat.append_message(p_session_id, 'system', 'The chat is open again.', p_event => 'reopened');
        perform _supportchat.record_event(ticket, 'reopened', 'customer');
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
        perform _supportchat.lock_assignment();
        -- Another conversation may have begun while this one waited for the lock.
        current_chat := public.conversation_of_visitor(p_visitor);
    end if;
    if current_chat is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    elsif (current_chat ->> 'session_id')::uuid <> p_session_id then
        -- Stored, perhaps, before the browser began another conversation, and its answer was lost.
        select _supportchat.repeated_message(us.session_id, 'user', p_client_message_id, p_message, p_image) into answer
        from public.user_sessions us
        join public.visitors v on v.visitor_id = us.visitor_id
        where us.session_id = p_session_id and v.token_hash = p_visitor;
        if answer is null then
            raise sqlstate 'PT409' using message = 'conversation_moved_on';
        end if;
        return answer;
    end if;
    return _supportchat.post_as_customer(p_session_id, p_client_message_id, p_message, p_image, may_assign);
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
    return jsonb_build_object('duplicate', false, 'session_id', chat, 'messages', public.messages_after(chat, 0));
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
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket((current_chat ->> 'session_id')::uuid);
    if ticket.status <> 'closed' then
        perform _supportchat.end_ticket(ticket, 'customer');
    end if;
    return _supportchat.conversation_json(ticket.session_id);
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

select _supportchat.record_script('functions/chat.sql', '3702a1ca66d8');

notify pgrst, 'reload schema';

commit;
