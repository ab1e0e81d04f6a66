-- status.sql: what /status asks. Every answer is read when it is asked for. Safe to run again.

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

-- The figures at the head of /status. Sockets and processes are those that live.
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
        'processes', (select count(*) from public.server_processes as p where _supportchat.is_live(p)),
        'sockets', (select coalesce(sum(sockets), 0) from public.server_processes as p where _supportchat.is_live(p)),
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
        median_first_reply(timestamp with time zone); check_owner(tickets, uuid);
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

select _supportchat.record_script('functions/status.sql', 'a39b04c8ab18');

notify pgrst, 'reload schema';

commit;

-- Rows that refer to nothing, if there are any. They are kept; look at them, and delete them or add what they refer to.
select found ->> 'table' as "table", found ->> 'column' as "column", found ->> 'refers_to' as refers_to,
    found ->> 'count' as number_of_rows, found ->> 'ids' as some_of_them
from jsonb_array_elements(public.orphan_rows()) as found;
