-- status.sql: what /status asks. Every answer is read when it is asked for. Safe to run again.

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

-- Examines one of the four tables of a chat: is it there, with its columns, its foreign keys, its row-level security?
-- rows is exact up to 100,000, then Postgres' own estimate.
create or replace function public.check_table(p_table text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    wanted_columns jsonb := '{
        "user_sessions": ["session_id", "visitor_id", "customer_name", "customer_phone", "channel", "is_anonymous", "status",
            "last_seq", "last_note_no", "customer_delivered_seq", "customer_read_seq", "agent_delivered_seq",
            "agent_read_seq", "created_at"],
        "chat_messages": ["session_id", "seq", "sender", "sender_agent_id", "client_message_id", "message", "image_id", "event",
            "detail", "created_at"],
        "tickets": ["number", "session_id", "channel", "status", "assigned_agent_id", "awaiting_since", "assigned_at",
            "first_reply_at", "closed_at", "version", "created_at", "updated_at"],
        "agents": ["id", "name", "email", "role", "availability", "max_tickets", "is_active", "lease_expires_at", "created_at"]
    }';
    wanted_keys jsonb := '{
        "user_sessions": {"visitor_id": "visitors"},
        "chat_messages": {"session_id": "user_sessions", "sender_agent_id": "agents", "image_id": "chat_images"},
        "tickets": {"session_id": "user_sessions", "assigned_agent_id": "agents"},
        "agents": {}
    }';
    found_table regclass := to_regclass('public.' || quote_ident(p_table));
    figures jsonb;
    last_at timestamptz;
begin
    if wanted_columns -> p_table is null then
        raise sqlstate 'PT404' using message = 'table_unknown';
    elsif found_table is null then
        return jsonb_build_object('table', p_table, 'exists', false);
    end if;
    execute format('select jsonb_build_object(''rows'', count(*)) from (select from %s limit 100001) as counted', found_table)
    into figures;
    if (figures ->> 'rows')::bigint > 100000 then
        figures := jsonb_build_object('rows', (
            select greatest(reltuples::bigint, 100001) from pg_catalog.pg_class where oid = found_table
        ));
    end if;
    if exists (select from pg_catalog.pg_attribute where attrelid = found_table and attname = 'created_at' and not attisdropped) then
        execute format('select max(created_at) from %s', found_table) into last_at;
    end if;
    return figures || jsonb_build_object(
        'table', p_table,
        'exists', true,
        'last_at', last_at,
        'row_security', (select relrowsecurity from pg_catalog.pg_class where oid = found_table),
        'missing_columns', (
            select coalesce(jsonb_agg(name), '[]') from jsonb_array_elements_text(wanted_columns -> p_table) as name
            where not exists (
                select from pg_catalog.pg_attribute
                where attrelid = found_table and attname = name and not attisdropped
            )
        ),
        'missing_keys', (
            select coalesce(jsonb_agg(wanted.name), '[]') from jsonb_each_text(wanted_keys -> p_table) as wanted (name, target)
            where not exists (
                select from pg_catalog.pg_constraint k
                join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
                join pg_catalog.pg_class c on c.oid = k.confrelid
                where k.contype = 'f' and k.conrelid = found_table and a.attname = wanted.name and c.relname = wanted.target
                    and c.relnamespace = 'public'::regnamespace
            )
        )
    );
end $$;

-- The figures at the head of /status. Sockets and processes are those that reported within 25 seconds.
create or replace function public.desk_figures()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'waiting', count(*) filter (where status = 'waiting'),
        'open', count(*) filter (where status = 'open'),
        'longest_wait_seconds', extract(epoch from now() - min(awaiting_since) filter (where status = 'waiting'))::integer,
        'first_reply_seconds', _supportchat.median_first_reply(date_trunc('day', now())),
        'agents', public.list_agents(),
        'reason', _supportchat.unassigned_reason(),
        'processes', (select count(*) from public.server_processes where seen_at > now() - interval '25 seconds'),
        'sockets', (select coalesce(sum(sockets), 0) from public.server_processes where seen_at > now() - interval '25 seconds'),
        'swept_seconds_ago', (select extract(epoch from now() - max(swept_at))::integer from public.server_processes)
    )
    from public.tickets where status <> 'closed'
$$;

-- Tickets that wait although somebody could take them for longer than the sweep needs. There should be none.
create or replace function public.stuck_tickets()
returns jsonb
language sql
stable
set search_path = ''
as $$
    with waiting as materialized (
        select number, given_back_by from public.tickets
        where status = 'waiting' and updated_at < now() - interval '15 seconds'
    ), asked as materialized (
        -- Once for all that nobody gave back: a long queue would ask for seconds.
        select given_back_by, _supportchat.next_agent(null, given_back_by) is not null as is_wanted
        from (select distinct given_back_by from waiting) as given
    )
    select coalesce(jsonb_agg(waiting.number order by waiting.number), '[]')
    from waiting join asked on asked.is_wanted and asked.given_back_by is not distinct from waiting.given_back_by
$$;

-- The three queries that show a started chat, with their rows.
create or replace function public.verify_chat()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'sessions', (
            select coalesce(jsonb_agg(to_jsonb(s)), '[]')
            from (select * from public.user_sessions order by created_at desc limit 5) as s
        ),
        'messages', (
            select coalesce(jsonb_agg(to_jsonb(m)), '[]')
            from (select * from public.chat_messages order by created_at desc limit 10) as m
        ),
        'tickets', (
            select coalesce(jsonb_agg(to_jsonb(t)), '[]')
            from (select * from public.tickets where channel = 'web-chat' order by created_at desc limit 5) as t
        )
    )
$$;

-- Sends an event that means nothing, for whoever measures how long events take.
create or replace function public.send_ping(p_nonce text)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change('ping', jsonb_build_object('nonce', p_nonce))
$$;

-- Sends an event when the last one is older than p_seconds, and gives its number: by it each process sees whether events
-- still reach it. One row serves all processes, so that many of them send no more than one does. Whoever finds another
-- one sending leaves it to that, and waits for nobody.
create or replace function public.send_heartbeat(p_seconds double precision)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    beat bigint;
begin
    insert into public.heartbeat (only_row) select true
    where not exists (select from public.heartbeat)
    on conflict do nothing;
    update public.heartbeat set number = number + 1, sent_at = clock_timestamp()
    where only_row = (
        select only_row from public.heartbeat
        where sent_at <= clock_timestamp() - make_interval(secs => p_seconds)
        for update skip locked
    )
    returning number into beat;
    if found then
        perform _supportchat.notify_change('heartbeat', jsonb_build_object('beat', beat));
    else
        select number into beat from public.heartbeat;
    end if;
    return jsonb_build_object('beat', beat);
end $$;

-- The bucket of the pictures as it is set up: exists, public, file_size_limit, allowed_mime_types. Null where there is
-- no Supabase Storage.
create or replace function _supportchat.check_bucket()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    answer jsonb;
begin
    if not _supportchat.has_buckets() then
        return null;
    end if;
    select jsonb_build_object(
        'exists', true, 'public', b.public, 'file_size_limit', b.file_size_limit, 'allowed_mime_types', b.allowed_mime_types
    )
    into answer
    from storage.buckets b where b.id = 'chat-images';
    return coalesce(answer, jsonb_build_object(
        'exists', false, 'public', null, 'file_size_limit', null, 'allowed_mime_types', null
    ));
end $$;

-- A number that changes whenever anything that the queue shows has changed: the sweep of the desks.
create or replace function public.desk_fingerprint()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select to_jsonb(md5(concat_ws(',',
        (select concat_ws(':', count(*), sum(t.version), sum(s.last_seq), sum(s.last_note_no))
        from public.tickets t join public.user_sessions s on s.session_id = t.session_id
        where t.status <> 'closed' or t.updated_at > now() - interval '1 minute'),
        (select string_agg(concat_ws(':', a.id, a.availability, a.lease_expires_at > now()), ',' order by a.id) from public.agents a)
    )))
$$;

-- Of some functions, those that this database does not have.
create or replace function public.missing_functions(p_names text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(name order by name), '[]') from unnest(p_names) as name
    where not exists (
        select from pg_catalog.pg_proc
        where pronamespace = 'public'::regnamespace and proname = name and proconfig @> array['search_path=""']
    )
$$;

-- The applied scripts and their checksums: what this database knows of its own version.
create or replace function public.applied_scripts()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_object_agg(name, checksum), '{}') from public.schema_scripts
$$;

-- Earlier versions had their helpers in the schema public: they go, now that nothing calls them any more. An app may have
-- functions of these names, but no function record_script of this shape.
do $$
declare
    former text[] := regexp_split_to_array(btrim('
        ensure_constraint(regclass, text, text); ensure_foreign_key(text, text, text, text, text);
        legacy_uuid(text, text); set_aside(regclass, text); convert_column(regclass, text, text, text);
        ensure_column(text, text, text, text, text); follow_sessions(text); loosen_table(text, text[], text[]);
        ensure_unique(text, text); require_columns(text, text[]); release_columns(text, text[]);
        fill_column(text, text, text[]); noted(jsonb, text, text); pause_triggers(text, boolean);
        record_script(text, text); own_functions(text[]); withdraw_functions(text[]); restrict_functions(text[]);
        limit_functions(text[]); guard_ticket(); has_buckets(); take_token(text, text, jsonb);
        notify_change(text, jsonb); agent_json(uuid); message_json(chat_messages);
        append_message(uuid, text, text, uuid, uuid, uuid, text, jsonb); check_message(text, boolean);
        add_image(uuid, jsonb); repeated_message(uuid, text, uuid, text, jsonb); lock_assignment(); lock_ticket(uuid);
        record_event(tickets, text, text, uuid, jsonb); load_of_agent(uuid); agents_here(); next_agent(uuid, uuid);
        unassigned_reason(); give_ticket(tickets, uuid, text, text, uuid); offer_ticket(uuid, boolean, uuid);
        drain_queue(uuid); return_to_queue(tickets, text, text, uuid);
        state_json(user_sessions, tickets, boolean, bigint); conversation_json(uuid); newest_session(uuid);
        post_as_customer(uuid, uuid, text, jsonb, boolean); goes_on(text, uuid); take_start(text, text, jsonb);
        median_first_reply(timestamp with time zone); session_of_ticket(bigint); check_owner(tickets, uuid);
        queue_row_json(tickets, uuid); note_json(ticket_notes); end_ticket(tickets, text, uuid); own_agent_json(agents);
        credentials_of(text); check_bucket(); next_agent(uuid); drain_queue()
    ', E' \n'), ';\s+');
    signature regprocedure;
begin
    if not exists (
        select from pg_proc
        where oid = to_regprocedure('public.record_script(text, text)') and proargnames = '{p_name,p_checksum}'
            and proconfig @> array['search_path=""']
    ) then
        return;
    end if;
    for signature in
        select p.oid from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proconfig @> array['search_path=""']
            and format('%s(%s)', p.proname, replace(oidvectortypes(p.proargtypes), 'public.', '')) = any (former)
            and not exists (select from unnest(p.proargnames[1:p.pronargs]) as argument where argument not like 'p\_%')
    loop
        execute format('drop function %s', signature);
    end loop;
end $$;

select _supportchat.record_script('functions/status.sql', '10326424f0bf');

notify pgrst, 'reload schema';

commit;

-- Rows that refer to nothing, if there are any. They are kept; look at them, and delete them or add what they refer to.
select found ->> 'table' as "table", found ->> 'column' as "column", found ->> 'refers_to' as refers_to,
    found ->> 'count' as number_of_rows, found ->> 'ids' as some_of_them
from jsonb_array_elements(public.orphan_rows()) as found;
