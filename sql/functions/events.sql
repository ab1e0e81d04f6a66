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

-- Which history of a conversation this is: in another one its lines may be others. p_database is database_epoch().
create or replace function _supportchat.epoch_of(p_session_id uuid, p_database text)
returns text
language sql
immutable
set search_path = ''
as $$
    select left(md5(p_database || p_session_id), 12)
$$;

select _supportchat.record_script('functions/events.sql', '54aee0ce0662');

notify pgrst, 'reload schema';

commit;
