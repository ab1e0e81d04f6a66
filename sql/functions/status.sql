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

-- Of an earlier version, which read what is declared for each.
drop function if exists _supportchat.missing_columns(regclass, text);
drop function if exists _supportchat.missing_keys(regclass, text);

-- The columns of a table that are declared and not there, and those whose foreign key is not.
create or replace function _supportchat.missing_parts(p_table regclass, p_name text)
returns table (is_older boolean, columns jsonb, keys jsonb)
language sql
stable
set search_path = ''
as $$
    select
        bool_or(declared.is_older),
        coalesce(jsonb_agg(column_name order by place) filter (where not exists (
            select from pg_catalog.pg_attribute where attrelid = p_table and attname = column_name and not attisdropped
        )), '[]'),
        coalesce(jsonb_agg(column_name order by place) filter (where refers_to is not null and not exists (
            select from pg_catalog.pg_constraint k
            join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
            join pg_catalog.pg_class c on c.oid = k.confrelid
            where k.contype = 'f' and k.conrelid = p_table and a.attname = column_name and c.relname = refers_to
                and c.relnamespace = 'public'::regnamespace
        )), '[]')
    from _supportchat.declared_columns() as declared where table_name = p_name
$$;

-- How many rows a table has: exact up to 1,000, then Postgres' own estimate.
create or replace function _supportchat.count_rows(p_table regclass)
returns bigint
language plpgsql
stable
set search_path = ''
as $$
declare
    estimated bigint := (select reltuples from pg_catalog.pg_class where oid = p_table);
    counted bigint;
begin
    if estimated > 1000 then
        return estimated;
    end if;
    execute format('select count(*) from (select from %s limit 1001) as counted', p_table) into counted;
    return counted;
end $$;

-- Examines one of the tables of a chat: is it there, with its columns, its foreign keys, its row-level security?
create or replace function public.check_table(p_table text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    here regclass := to_regclass(format('public.%I', p_table));
    missing record;
    last_at timestamptz;
begin
    select * into missing from _supportchat.missing_parts(here, p_table);
    if missing.is_older is not true then
        raise sqlstate 'PT404' using message = 'table_unknown';
    elsif here is null then
        return jsonb_build_object('table', p_table, 'exists', false);
    end if;
    if not missing.columns ? 'created_at' then
        execute format('select max(created_at) from %s', here) into last_at;
    end if;
    return jsonb_build_object(
        'table', p_table,
        'exists', true,
        'rows', _supportchat.count_rows(here),
        'last_at', last_at,
        'row_security', (select relrowsecurity from pg_catalog.pg_class where oid = here),
        'missing_columns', missing.columns,
        'missing_keys', missing.keys
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
        'waiting', (select count(*) from public.tickets where status = 'waiting' and snoozed_until is null),
        'open', (select count(*) from public.tickets where status = 'open'),
        'longest_wait_seconds', (
            select extract(epoch from now() - min(awaiting_since))::integer from public.tickets where status = 'waiting' and snoozed_until is null
        ),
        'first_reply_seconds', _supportchat.median_first_reply(date_trunc('day', now())),
        'reason', _supportchat.unassigned_reason(),
        'processes', (select count(*) from public.server_processes as p where _supportchat.is_live(p)),
        'sockets', (select coalesce(sum(sockets), 0) from public.server_processes as p where _supportchat.is_live(p)),
        'swept_seconds_ago', (select extract(epoch from now() - max(swept_at))::integer from public.server_processes)
    )
$$;

-- The first 100 tickets that wait although somebody could take them for longer than the sweep needs. There should be none.
create or replace function public.stuck_tickets()
returns jsonb
language sql
stable
set search_path = ''
as $$
    with free as materialized (
        -- Whoever gave a ticket back is not asked again: a second one can take it.
        select agent_id from _supportchat.agents_with_load() where availability = 'available' and load < max_tickets limit 2
    )
    select coalesce(jsonb_agg(stuck.number order by stuck.number), '[]')
    from (
        select number from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and updated_at < now() - interval '15 seconds'
            and exists (select from free) -- at first, and then the queue is not read
            and exists (select from free where free.agent_id is distinct from given_back_by)
        order by urgency, awaiting_since nulls last, number
        limit 100
    ) as stuck
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

-- The last script: nothing calls them any more.
select _supportchat.drop_former_helpers();

select _supportchat.record_script('functions/status.sql', '58dc34ea5396');

notify pgrst, 'reload schema';

commit;

-- Rows that refer to nothing, if there are any. They are kept; look at them, and delete them or add what they refer to.
select found ->> 'table' as "table", found ->> 'column' as "column", found ->> 'refers_to' as refers_to,
    found ->> 'count' as number_of_rows, found ->> 'ids' as some_of_them
from jsonb_array_elements(public.orphan_rows()) as found;
