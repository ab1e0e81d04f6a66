-- messages.sql: how a line gets into a conversation, and how it is read. Safe to run again.

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

-- Tells every server process that something changed. It is a hint: who misses it finds the change by seq and version.
-- Where Supabase Realtime is, it goes to the private topic 'supportchat' as well, and leaves with the same commit.
create or replace function _supportchat.notify_change(p_event text, p_payload jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    body jsonb := jsonb_build_object('event', p_event) || p_payload;
begin
    -- Looked up in the catalogue, because to_regprocedure fails on a schema that is closed to the caller. The send below
    -- is not even parsed where there is none.
    if exists (
        select from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where p.proname = 'send' and n.nspname = 'realtime'
            and pg_catalog.oidvectortypes(p.proargtypes) = 'jsonb, text, text, boolean'
            and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')
    ) then
        perform realtime.send(body, p_event, 'supportchat', true);
    end if;
    -- NOTIFY refuses 8000 bytes and more. Without the row the receiver reads it from the database.
    if octet_length(body::text) >= 7900 then
        body := body - 'row';
    end if;
    perform pg_catalog.pg_notify('supportchat', body::text);
end $$;

-- Which history the database has. It is another one after a failover to a replica, a restore to a moment in the past and
-- a dump that was read back: what a page or a process knows of its conversations may never have happened then. Where the
-- server tells a plain owner neither its identity nor its timeline, each start of the server counts as another history.
create or replace function public.database_epoch()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    history text;
begin
    begin
        history := concat_ws('/',
            (select system_identifier from pg_catalog.pg_control_system()),
            case when not pg_catalog.pg_is_in_recovery() then left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) end
        );
    exception when insufficient_privilege or feature_not_supported or undefined_function then
        history := '';
    end;
    if history = '' and has_function_privilege('pg_catalog.pg_postmaster_start_time()', 'execute') then
        -- A replica that takes over and a server that was restored have one of their own. Not text: that has a time zone.
        history := extract(epoch from pg_catalog.pg_postmaster_start_time());
    end if;
    return left(md5(concat_ws('/',
        history,
        (select oid from pg_catalog.pg_database where datname = current_database()),
        'public.chat_messages'::regclass::oid
    )), 12);
end $$;

-- An agent as others may know one: id and name.
create or replace function _supportchat.agent_json(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('id', a.id, 'name', a.name) from public.agents a where a.id = p_agent_id
$$;

-- A message as the web code knows it. It continues the one before when the same person spoke within 5 minutes.
create or replace function _supportchat.message_json(p_row public.chat_messages)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', p_row.session_id,
        'seq', p_row.seq,
        'sender', p_row.sender,
        -- Of an agent's line by an older version it may be unknown whose it was.
        'agent', coalesce(
            _supportchat.agent_json(p_row.sender_agent_id),
            case p_row.sender when 'agent' then '{"id": null, "name": "Support"}'::jsonb end
        ),
        'customer_name', (
            select s.customer_name from public.user_sessions s where s.session_id = p_row.session_id and p_row.sender = 'user'
        ),
        'message', p_row.message,
        'image', (
            select jsonb_build_object('id', i.id, 'width', i.width, 'height', i.height)
            from public.chat_images i where i.id = p_row.image_id
        ),
        'event', p_row.event,
        'detail', p_row.detail,
        'client_message_id', p_row.client_message_id,
        'created_at', p_row.created_at,
        'continues', p_row.sender <> 'system' and exists (
            select from public.chat_messages earlier
            where earlier.session_id = p_row.session_id
                and earlier.seq = p_row.seq - 1
                and earlier.sender = p_row.sender
                and earlier.sender_agent_id is not distinct from p_row.sender_agent_id
                and p_row.created_at - earlier.created_at < interval '5 minutes'
        )
    )
$$;

-- Writes one line at the end of a conversation. The row lock that it takes makes commit order the order of seq.
create or replace function _supportchat.append_message(
    p_session_id uuid,
    p_sender text,
    p_message text,
    p_client_message_id uuid default gen_random_uuid(),
    p_sender_agent_id uuid default null,
    p_image_id uuid default null,
    p_event text default null,
    p_detail jsonb default '{}'
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    line public.chat_messages;
    line_json jsonb;
begin
    update public.user_sessions set last_seq = last_seq + 1
    where session_id = p_session_id
    returning last_seq into line.seq;

    insert into public.chat_messages (
        session_id, seq, sender, sender_agent_id, client_message_id, message, image_id, event, detail
    )
    values (
        p_session_id, line.seq, p_sender, p_sender_agent_id, p_client_message_id, p_message, p_image_id, p_event, p_detail
    )
    returning * into line;

    line_json := _supportchat.message_json(line);
    perform _supportchat.notify_change(
        'message.posted', jsonb_build_object('session_id', p_session_id, 'seq', line.seq, 'row', line_json)
    );
    return line_json;
end $$;

-- Refuses a text that no message may have: nothing but space without an image, or more than 8000 characters.
create or replace function _supportchat.check_message(p_message text, p_has_image boolean)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    if char_length(p_message) > 8000 then
        raise sqlstate 'PT422' using message = 'message_too_long';
    elsif p_message !~ '\S' and not p_has_image then
        raise sqlstate 'PT422' using message = 'message_empty';
    end if;
end $$;

-- Keeps the record of an image whose bytes are stored already: key, content_type, width, height, bytes, digest.
create or replace function _supportchat.add_image(p_session_id uuid, p_image jsonb)
returns uuid
language sql
set search_path = ''
as $$
    insert into public.chat_images (session_id, storage_key, content_type, width, height, bytes, digest)
    select p_session_id, i.key, i.content_type, i.width, i.height, i.bytes, i.digest
    from jsonb_to_record(p_image) as i (key text, content_type text, width integer, height integer, bytes integer, digest text)
    where p_image is not null
    returning id
$$;

-- Finds the message that an earlier attempt with this id has stored: null, or the first answer again.
-- The same id with another text or another picture is an error.
create or replace function _supportchat.repeated_message(
    p_session_id uuid, p_sender text, p_client_message_id uuid, p_message text, p_image jsonb
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    earlier public.chat_messages;
    earlier_digest text;
begin
    select * into earlier from public.chat_messages
    where session_id = p_session_id and sender = p_sender and client_message_id = p_client_message_id;
    if not found then
        return null;
    end if;
    select digest into earlier_digest from public.chat_images where id = earlier.image_id;
    if earlier.message <> p_message or earlier_digest is distinct from (p_image ->> 'digest') then
        raise sqlstate 'PT422' using message = 'client_message_id_reused';
    end if;
    return jsonb_build_object(
        'duplicate', true,
        'session_id', p_session_id,
        'messages', jsonb_build_array(_supportchat.message_json(earlier)),
        'image_key', (select storage_key from public.chat_images where id = earlier.image_id)
    );
end $$;

-- Of an earlier version, bounded in lines alone.
drop function if exists public.messages_after(uuid, integer, integer);
drop function if exists public.messages_before(uuid, integer, integer);

-- The lines of a conversation after a seq, oldest first: so many at most, and none after the one with which their text
-- comes to p_bytes. What is left out comes with the next call.
create or replace function public.messages_after(
    p_session_id uuid, p_after integer, p_limit integer default 200, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.message_json(m.line) order by (m.line).seq), '[]')
    from (
        select line, sum(octet_length(line.message)) over (order by line.seq) - octet_length(line.message) as bytes_before
        from public.chat_messages as line
        where line.session_id = p_session_id and line.seq > p_after
        order by line.seq
        limit p_limit
    ) as m
    where m.bytes_before < p_bytes
$$;

-- The last lines before a seq (of the whole conversation when it is null), oldest first: so many at most, and none before
-- the one with which their text comes to p_bytes.
create or replace function public.messages_before(
    p_session_id uuid, p_before integer default null, p_limit integer default 50, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.message_json(m.line) order by (m.line).seq), '[]')
    from (
        select line, sum(octet_length(line.message)) over (order by line.seq desc) - octet_length(line.message) as bytes_after
        from public.chat_messages as line
        where line.session_id = p_session_id and line.seq < coalesce(p_before, 2147483647)
        order by line.seq desc
        limit p_limit
    ) as m
    where m.bytes_after < p_bytes
$$;

-- Where the bytes of an image lie, if it belongs to this conversation.
create or replace function public.image_of_session(p_session_id uuid, p_image_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('key', storage_key, 'content_type', content_type, 'bytes', bytes)
    from public.chat_images where session_id = p_session_id and id = p_image_id
$$;

-- Of some stored objects, those that no message needs. None of a database without any picture: it may be about to be
-- restored.
create or replace function public.orphan_images(p_keys text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(key), '[]') from unnest(p_keys) as key
    where not exists (select from public.chat_images where storage_key = key)
        and exists (select from public.chat_images)
$$;

-- Says to the other side that somebody is typing, and after which line. Nothing is stored.
create or replace function public.signal_typing(p_session_id uuid, p_sender text, p_agent_id uuid default null)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(
        'typing',
        jsonb_build_object(
            'session_id', session_id, 'sender', p_sender, 'agent', _supportchat.agent_json(p_agent_id), 'seq', last_seq
        )
    )
    from public.user_sessions where session_id = p_session_id
$$;

-- Remembers how far a side has received and read. The marks only move forward, and never past the last message.
create or replace function public.record_receipt(
    p_session_id uuid, p_reader text, p_delivered integer, p_read integer, p_agent_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if p_reader = 'customer' then
        update public.user_sessions set
            customer_delivered_seq = greatest(customer_delivered_seq, least(greatest(p_delivered, p_read), last_seq)),
            customer_read_seq = greatest(customer_read_seq, least(p_read, last_seq))
        where session_id = p_session_id
            and (least(greatest(p_delivered, p_read), last_seq) > customer_delivered_seq or least(p_read, last_seq) > customer_read_seq);
    else
        update public.user_sessions set
            agent_delivered_seq = greatest(agent_delivered_seq, least(greatest(p_delivered, p_read), last_seq)),
            agent_read_seq = greatest(agent_read_seq, least(p_read, last_seq))
        where session_id = p_session_id
            and (least(greatest(p_delivered, p_read), last_seq) > agent_delivered_seq or least(p_read, last_seq) > agent_read_seq);
    end if;
    if found then
        perform _supportchat.notify_change('receipt.recorded', jsonb_build_object('session_id', p_session_id));
    end if;

    insert into public.ticket_reads as mine (agent_id, session_id, read_seq)
    select p_agent_id, s.session_id, least(p_read, s.last_seq) from public.user_sessions s
    where s.session_id = p_session_id and p_agent_id is not null
    on conflict (agent_id, session_id) do update set read_seq = excluded.read_seq
    where mine.read_seq < excluded.read_seq;
end $$;

select _supportchat.record_script('functions/messages.sql', '619bc1eb818e');

notify pgrst, 'reload schema';

commit;
