-- events.sql: how the server processes hear of what has changed. Safe to run again.

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

-- Whether changes also go to Supabase Realtime. Looked up in the catalogue, because to_regprocedure fails on a schema that is
-- closed to the caller.
create or replace function _supportchat.has_realtime()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where p.proname = 'send' and n.nspname = 'realtime'
            and pg_catalog.oidvectortypes(p.proargtypes) = 'jsonb, text, text, boolean'
            and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')
    )
$$;

-- Of an earlier version, which put the name of the event in itself.
drop function if exists _supportchat.notify_change(text, jsonb);

-- Tells every server process that something changed, the 'event'. It is a hint: whoever misses it finds the change in the log.
-- With Supabase Realtime it goes to the private topic 'supportchat' as well, and leaves with the same commit.
create or replace function _supportchat.notify_change(p_body jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    payload text := p_body;
    nothing text;
begin
    -- The send is not even parsed where there is none.
    if to_regnamespace('realtime') is not null and _supportchat.has_realtime() then
        perform realtime.send(p_body, p_body ->> 'event', 'supportchat', true);
    end if;
    -- NOTIFY refuses 8000 bytes and more. Without the row the receiver reads it from the database.
    if octet_length(payload) >= 7900 then
        payload := (p_body - 'row')::text;
    end if;
    -- An assignment takes a fraction of the time of a statement.
    nothing := pg_catalog.pg_notify('supportchat', payload);
end $$;

-- Of an earlier version, which called it for each event.
drop function if exists _supportchat.event_json(public.events);

-- Writes into the log what this transaction has done, and tells every server process, unless another event will (p_hint).
-- p_row may spare them a read.
create or replace function _supportchat.log_event(
    p_kind text, p_session_id uuid, p_detail jsonb default '{}', p_actor text default 'system', p_agent_id uuid default null,
    p_ticket_id uuid default null, p_row jsonb default null, p_hint boolean default true
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    logged bigint;
    nothing text;
begin
    insert into public.events (kind, session_id, ticket_id, actor, agent_id, detail)
    values (p_kind, p_session_id, p_ticket_id, p_actor, p_agent_id, p_detail)
    returning id into logged;
    if p_hint then
        -- As events_after has it.
        nothing := _supportchat.notify_change(jsonb_build_object(
            'id', logged, 'event', p_kind, 'session_id', p_session_id, 'actor', p_actor, 'agent_id', p_agent_id,
            'detail', p_detail, 'row', p_row
        ));
    end if;
end $$;

-- Logs the same of many conversations at once. A crowd (a restart) is one hint: look at the log.
create or replace function _supportchat.log_events(p_kind text, p_session_ids uuid[], p_detail jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if cardinality(p_session_ids) <= 50 then
        perform _supportchat.log_event(p_kind, id, p_detail) from unnest(p_session_ids) as id;
    else
        insert into public.events (kind, session_id, detail) select p_kind, id, p_detail from unnest(p_session_ids) as id;
        perform _supportchat.notify_change('{"event": "log.grew"}');
    end if;
end $$;

-- What the log has gained since a reader's last look, oldest first, with the cursor for the next one. The cursor is the
-- snapshot of the look: of what it saw nothing comes again, and what was being written at that moment comes as soon as it is
-- committed, however long another transaction goes on. Without a cursor nothing comes but the first one. p_limit events
-- or more mean that some are left out: the reader has to look at everything anew. So it has when the epoch is another.
create or replace function public.events_after(p_cursor text default null, p_limit integer default 1000)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    seen pg_catalog.pg_snapshot := p_cursor;
    running xid8[] := array(select pg_catalog.pg_snapshot_xip(seen));
begin
    return (
        select jsonb_build_object(
            'cursor', pg_catalog.pg_current_snapshot()::text,
            'epoch', public.database_epoch(),
            'events', coalesce(jsonb_agg(jsonb_build_object(
                'id', id, 'event', kind, 'session_id', session_id, 'actor', actor, 'agent_id', agent_id, 'detail', detail
            ) order by id), '[]')
        )
        from (
            (
                select * from public.events e
                where e.transaction >= pg_catalog.pg_snapshot_xmax(seen)
                order by e.transaction, e.id limit p_limit
            )
            union all
            (
                select * from public.events e
                where e.transaction = any (running)
                order by e.transaction, e.id limit p_limit
            )
        ) as found
    );
end $$;

-- Forgets the events that are a day old and belong to no ticket: by then everybody who follows the log has seen them.
create or replace function _supportchat.prune_events()
returns void
language sql
set search_path = ''
as $$
    -- By their places: a join would read the whole log.
    delete from public.events where ctid = any (array(
        select ctid from public.events
        where ticket_id is null and created_at < now() - interval '1 day'
        order by created_at limit 5000 for update skip locked
    ))
$$;

-- Sends an event that means nothing, for whoever measures how long events take.
create or replace function public.send_ping(p_nonce text)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(jsonb_build_object('event', 'ping', 'nonce', p_nonce))
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
        perform _supportchat.notify_change(jsonb_build_object('event', 'heartbeat', 'beat', beat));
    else
        select number into beat from public.heartbeat;
    end if;
    return jsonb_build_object('beat', beat);
end $$;

-- Which server this is, and which history of it. It is kept for the session, since to ask takes longer than all else that a page
-- needs when it opens; not by a replica, which may take over while a session lasts. Empty where a plain owner is told nothing.
create or replace function _supportchat.history_of_server()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    history text;
    is_replica boolean := false;
begin
    begin
        is_replica := pg_catalog.pg_is_in_recovery();
        history := concat_ws('/',
            (select system_identifier from pg_catalog.pg_control_system()),
            case when not is_replica then left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) end
        );
    exception when insufficient_privilege or feature_not_supported or undefined_function then
        history := '';
    end;
    if history = '' and has_function_privilege('pg_catalog.pg_postmaster_start_time()', 'execute') then
        -- A replica that takes over and a server that was restored have one of their own. Not text: that has a time zone.
        history := extract(epoch from pg_catalog.pg_postmaster_start_time());
    end if;
    if not is_replica then
        perform set_config('supportchat.history', history, false);
    end if;
    return history;
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
    history text := current_setting('supportchat.history', true);
begin
    if coalesce(history, '') = '' then
        history := _supportchat.history_of_server();
    end if;
    return left(md5(concat_ws('/',
        history,
        (select oid from pg_catalog.pg_database where datname = current_database()),
        'public.chat_messages'::regclass::oid
    )), 12);
end $$;

-- Which history of a conversation this is: in another one its lines may be others. p_database is database_epoch().
create or replace function _supportchat.epoch_of(p_session_id uuid, p_database text)
returns text
language sql
immutable
set search_path = ''
as $$
    select left(md5(p_database || p_session_id), 12)
$$;

select _supportchat.record_script('functions/events.sql', 'f7d16242dce9');

notify pgrst, 'reload schema';

commit;
