-- tickets.sql: what an agent can do with a ticket. Safe to run again.
-- p_agent_id is the agent who acts. A ticket is named by its number.

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

-- Finds the conversation of a ticket. PT404 when there is none.
create or replace function _supportchat.session_of_ticket(p_number bigint)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
    found_id uuid;
begin
    select s.session_id into found_id from public.tickets t
    join public.user_sessions s on s.session_id = t.session_id
    where t.number = p_number;
    if found_id is null then
        raise sqlstate 'PT404' using message = 'ticket_not_found';
    end if;
    return found_id;
end $$;

-- Refuses what only the agent of a ticket may do: PT409 with the name of the one who has it.
create or replace function _supportchat.check_owner(p_ticket public.tickets, p_agent_id uuid)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if p_ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif p_ticket.assigned_agent_id is null then
        raise sqlstate 'PT409' using message = 'ticket_unassigned';
    elsif p_ticket.assigned_agent_id <> p_agent_id then
        raise sqlstate 'PT409' using
            message = 'assigned_to_other', detail = _supportchat.agent_json(p_ticket.assigned_agent_id) ->> 'name';
    end if;
end $$;

-- One row of the queue, as an agent sees it. Unread are the customer's messages after the agent's own mark; 100 stands
-- for as many or more.
create or replace function _supportchat.queue_row_json(p_ticket public.tickets, p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'number', p_ticket.number,
        'session_id', p_ticket.session_id,
        'status', p_ticket.status,
        'customer_name', s.customer_name,
        'agent', _supportchat.agent_json(p_ticket.assigned_agent_id),
        'mine', p_ticket.assigned_agent_id is not distinct from p_agent_id and p_ticket.status <> 'closed',
        'awaiting_since', case when p_ticket.status <> 'closed' then p_ticket.awaiting_since end,
        'unread', (
            select count(*) from (
                select from public.chat_messages m
                where m.session_id = s.session_id and m.sender = 'user' and m.seq > coalesce((
                    select r.read_seq from public.ticket_reads r
                    where r.agent_id = p_agent_id and r.session_id = s.session_id
                ), 0)
                limit 100
            ) as newer
        ),
        'last', (
            select jsonb_build_object(
                'sender', m.sender,
                'mine', m.sender_agent_id is not distinct from p_agent_id,
                'agent', _supportchat.agent_json(m.sender_agent_id),
                'message', left(m.message, 200),
                'has_image', m.image_id is not null,
                'created_at', m.created_at
            )
            from public.chat_messages m
            where m.session_id = s.session_id and m.sender <> 'system'
            order by m.seq desc limit 1
        )
    )
    from public.user_sessions s where s.session_id = p_ticket.session_id
$$;

-- The queue of an agent: counts of each view and of unread messages in the agent's own tickets, the rows of one view
-- ('mine', 'unassigned' or 'all'), and the tickets closed last: for 'all' a third as many, for 'mine' the agent's last
-- five. Who has waited longest for an answer comes first, then the latest activity; unassigned rows stand as they are
-- handed out.
create or replace function public.list_tickets(p_agent_id uuid, p_view text default 'mine', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'counts', (
            select jsonb_build_object(
                'mine', count(*) filter (where assigned_agent_id = p_agent_id),
                'unassigned', count(*) filter (where status = 'waiting'),
                'all', count(*),
                -- Up to 100 in each ticket: the page says "many" long before.
                'unread', coalesce(sum(
                    (select count(*) from (
                        select from public.chat_messages m
                        where m.session_id = t.session_id and m.sender = 'user' and m.seq > coalesce((
                            select r.read_seq from public.ticket_reads r
                            where r.agent_id = p_agent_id and r.session_id = t.session_id
                        ), 0)
                        limit 100
                    ) as unread)
                ) filter (where assigned_agent_id = p_agent_id), 0)
            )
            from public.tickets t where status <> 'closed'
        ),
        'rows', (
            select coalesce(jsonb_agg(_supportchat.queue_row_json(chosen.ticket, p_agent_id) order by chosen.place), '[]')
            from (
                select t as ticket, row_number() over (
                    order by
                        t.awaiting_since nulls last,
                        case when p_view = 'unassigned' then t.number end, -- the order of drain_queue
                        t.updated_at desc, t.number
                ) as place
                from public.tickets t
                -- An older version may have left tickets without a conversation: there is nothing to show of them.
                join public.user_sessions s on s.session_id = t.session_id
                where t.status <> 'closed' and case p_view
                    when 'mine' then t.assigned_agent_id = p_agent_id
                    when 'unassigned' then t.status = 'waiting'
                    else true
                end
                order by place
                limit p_limit
            ) as chosen
        ),
        'closed', (
            select coalesce(
                jsonb_agg(_supportchat.queue_row_json(t, p_agent_id) order by t.closed_at desc nulls last, t.number desc), '[]'
            )
            from (
                select c.* from public.tickets c
                join public.user_sessions s on s.session_id = c.session_id
                where c.status = 'closed' and (p_view = 'all' or p_view = 'mine' and c.assigned_agent_id = p_agent_id)
                order by c.updated_at desc
                limit case p_view when 'all' then p_limit / 3 else 5 end
            ) as t
        ),
        'reason', case when p_view <> 'mine' then _supportchat.unassigned_reason() end
    )
$$;

-- A ticket with everything that an agent sees beside the messages: conversation, customer, history, earlier tickets.
create or replace function public.ticket_of_agent(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_ticket(p_number);
begin
    return (
        select _supportchat.conversation_json(chat) || jsonb_build_object(
            'mine', t.status <> 'closed' and t.assigned_agent_id is not distinct from p_agent_id,
            'created_at', t.created_at,
            'closed_at', case when t.status = 'closed' then t.closed_at end,
            'awaiting_since', t.awaiting_since,
            'reason', case when t.status = 'waiting' then
                case
                    when t.given_back_by is not null and _supportchat.next_agent(null, t.given_back_by) is null
                        and _supportchat.next_agent() is not null
                        then _supportchat.unassigned_reason() || '{"code": "given_back"}'
                    else _supportchat.unassigned_reason()
                end
            end,
            'customer', jsonb_build_object(
                'name', s.customer_name, 'phone', s.customer_phone, 'channel', s.channel, 'time_zone', s.time_zone
            ),
            'read_seq', coalesce((
                select r.read_seq from public.ticket_reads r where r.agent_id = p_agent_id and r.session_id = chat
            ), 0),
            'history', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'event', e.event, 'actor', e.actor, 'agent', _supportchat.agent_json(e.agent_id),
                    'detail', e.detail, 'created_at', e.created_at
                ) order by e.id), '[]')
                from (select * from public.ticket_events where ticket_id = t.id order by id desc limit 50) as e
            ),
            'earlier', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'number', other.number, 'status', other.status, 'created_at', other.created_at
                ) order by other.number desc), '[]')
                from (
                    select o.* from public.tickets o
                    join public.user_sessions os on os.session_id = o.session_id
                    where os.visitor_id = s.visitor_id and o.number < t.number
                    order by o.number desc limit 10
                ) as other
            )
        )
        from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        where t.number = p_number
    );
end $$;

-- Stores an agent's reply. Only the agent who has the ticket may reply: PT409 says who has it.
create or replace function public.post_reply(
    p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_message text, p_image jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    answer jsonb := _supportchat.repeated_message(ticket.session_id, 'agent', p_client_message_id, p_message, p_image);
    line jsonb;
begin
    if answer is not null then
        return answer;
    end if;
    perform _supportchat.check_message(p_message, p_image is not null);
    perform _supportchat.check_owner(ticket, p_agent_id);
    line := _supportchat.append_message(
        ticket.session_id, 'agent', p_message, p_client_message_id, p_agent_id, _supportchat.add_image(ticket.session_id, p_image)
    );
    -- Also when nobody waits: who goes on writing keeps the ticket from being quiet. See load_of_agent.
    update public.tickets set
        awaiting_since = null,
        first_reply_at = case when awaiting_since is null then first_reply_at else coalesce(first_reply_at, clock_timestamp()) end
    where id = ticket.id;
    -- Who answers has read what was there.
    perform public.record_receipt(
        ticket.session_id, 'agent', (line ->> 'seq')::integer, (line ->> 'seq')::integer, p_agent_id
    );
    return jsonb_build_object('duplicate', false, 'session_id', ticket.session_id, 'messages', jsonb_build_array(line));
end $$;

-- A private note as the web code knows it.
create or replace function _supportchat.note_json(p_row public.ticket_notes)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', p_row.session_id, 'note_no', p_row.note_no, 'after_seq', p_row.after_seq,
        'agent', _supportchat.agent_json(p_row.agent_id), 'client_message_id', p_row.client_message_id,
        'note', p_row.note, 'created_at', p_row.created_at
    )
$$;

-- Adds a private note, which agents see between the messages and a customer never receives.
create or replace function public.add_note(p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_note text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    line public.ticket_notes;
begin
    select * into line from public.ticket_notes
    where session_id = ticket.session_id and client_message_id = p_client_message_id;
    if found then
        if line.note <> p_note or line.agent_id <> p_agent_id then
            raise sqlstate 'PT422' using message = 'client_message_id_reused';
        end if;
        return _supportchat.note_json(line);
    end if;
    perform _supportchat.check_message(p_note, false);
    update public.user_sessions set last_note_no = last_note_no + 1
    where session_id = ticket.session_id
    returning last_note_no, last_seq into line.note_no, line.after_seq;
    insert into public.ticket_notes (session_id, note_no, after_seq, agent_id, client_message_id, note)
    values (ticket.session_id, line.note_no, line.after_seq, p_agent_id, p_client_message_id, p_note)
    returning * into line;
    perform _supportchat.notify_change('note.added', jsonb_build_object('session_id', ticket.session_id));
    perform _supportchat.record_event(ticket, 'noted', 'agent', p_agent_id);
    return _supportchat.note_json(line);
end $$;

-- Of an earlier version, without any bound.
drop function if exists public.notes_after(uuid, integer, integer);

-- The notes of a conversation after a number that stand after one message and before another, oldest first: so many at
-- most, and none after the one with which their text comes to p_bytes. What is left out comes with the next call.
create or replace function public.notes_after(
    p_session_id uuid, p_after integer, p_from_seq integer default 0, p_to_seq integer default 2147483647,
    p_limit integer default 200, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.note_json(n.line) order by (n.line).note_no), '[]')
    from (
        select line, sum(octet_length(line.note)) over (order by line.note_no) - octet_length(line.note) as bytes_before
        from public.ticket_notes as line
        where line.session_id = p_session_id and line.note_no > p_after and line.after_seq between p_from_seq and p_to_seq
        order by line.note_no
        limit p_limit
    ) as n
    where n.bytes_before < p_bytes
$$;

-- Gives a ticket to an agent: a claim when agents act for themselves, else a hand-over. p_expected is the agent whom
-- the page showed (null: nobody); when it is somebody else by now, PT409 says who.
create or replace function public.assign_ticket(p_agent_id uuid, p_number bigint, p_assignee_id uuid, p_expected_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    assignee public.agents;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    select * into assignee from public.agents where id = p_assignee_id and is_active;
    if not found then
        raise sqlstate 'PT422' using message = 'agent_not_found';
    elsif ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif ticket.assigned_agent_id is distinct from p_assignee_id then
        if ticket.assigned_agent_id is distinct from p_expected_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(_supportchat.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        elsif p_assignee_id <> p_agent_id and assignee.lease_expires_at > now() is not true then
            raise sqlstate 'PT409' using message = 'agent_not_here', detail = assignee.name;
        end if;
        perform _supportchat.give_ticket(
            ticket, p_assignee_id, case when p_assignee_id = p_agent_id then 'claimed' else 'handed_over' end,
            'agent', p_agent_id
        );
        -- Whoever handed it over has a place free.
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Puts an agent's own ticket back into the queue.
create or replace function public.unassign_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    perform _supportchat.check_owner(ticket, p_agent_id);
    perform _supportchat.return_to_queue(ticket, 'given_back', 'agent', p_agent_id);
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Ends a ticket and its conversation, and gives the freed place to who waits. The caller holds the locks.
create or replace function _supportchat.end_ticket(p_ticket public.tickets, p_actor text, p_agent_id uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object('actor', p_actor, 'agent', _supportchat.agent_json(p_agent_id));
begin
    update public.tickets set
        status = 'closed', closed_at = clock_timestamp(), awaiting_since = null, given_back_by = null
    where id = p_ticket.id;
    update public.user_sessions set status = 'ended' where session_id = p_ticket.session_id;
    perform _supportchat.append_message(
        p_ticket.session_id, 'system',
        case p_actor when 'agent' then (detail -> 'agent' ->> 'name') || ' ended the chat.' else 'The customer ended the chat.' end,
        p_event => 'closed', p_detail => detail
    );
    perform _supportchat.record_event(p_ticket, 'closed', p_actor, p_agent_id);
    perform _supportchat.drain_queue();
end $$;

-- Closes a ticket from the agent's side: one's own, or one that nobody has. Closing a closed one changes nothing.
create or replace function public.close_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is not null then
            perform _supportchat.check_owner(ticket, p_agent_id);
        end if;
        perform _supportchat.end_ticket(ticket, 'agent', p_agent_id);
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Opens a closed ticket again, for the agent who does it. A customer who had no answer waits for one again. PT409 when
-- somebody has it open already, or when the customer has begun another chat since.
create or replace function public.reopen_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    newer bigint;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is distinct from p_agent_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(_supportchat.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        end if;
        return public.ticket_of_agent(p_agent_id, p_number);
    end if;
    -- A browser shows its newest conversation: what is written in this one would reach nobody.
    select t.number into newer from public.user_sessions mine
    join public.user_sessions other on other.visitor_id = mine.visitor_id
    join public.tickets t on t.session_id = other.session_id
    where mine.session_id = ticket.session_id and t.number > ticket.number
    order by t.number desc limit 1;
    if found then
        raise sqlstate 'PT409' using message = 'customer_moved_on', detail = newer;
    end if;
    update public.tickets set
        status = 'waiting', assigned_agent_id = null, closed_at = null,
        awaiting_since = case when (
            select m.sender from public.chat_messages m
            where m.session_id = ticket.session_id and m.sender <> 'system'
            order by m.seq desc limit 1
        ) = 'user' then now() end
    where id = ticket.id;
    update public.user_sessions set status = 'active' where session_id = ticket.session_id;
    perform _supportchat.append_message(ticket.session_id, 'system', 'The chat is open again.', p_event => 'reopened');
    perform _supportchat.record_event(ticket, 'reopened', 'agent', p_agent_id);
    select * into ticket from public.tickets where id = ticket.id;
    perform _supportchat.give_ticket(ticket, p_agent_id, 'reopened', 'agent', p_agent_id);
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select _supportchat.record_script('functions/tickets.sql', 'f77bef108787');

notify pgrst, 'reload schema';

commit;
