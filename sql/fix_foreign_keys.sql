-- fix_foreign_keys.sql gives every table its foreign keys.
-- Run it after supabase_schema.sql; it is safe to run again. A key that is missing is added, one that points elsewhere is
-- replaced. Rows that refer to nothing are kept, and shown at the end: the key then binds new rows only.

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

select _supportchat.lock_tables();
select _supportchat.ensure_foreign_key(mine.table_name, mine.column_name, mine.refers_to, theirs.column_name, mine.on_delete)
from _supportchat.declared_columns() as mine
join _supportchat.declared_columns() as theirs on theirs.table_name = mine.refers_to and theirs.demand = 'key'
order by mine.place;

-- The references to which not every row may keep, with the condition that finds the rows that do not: keys that could not be
-- validated, and rows that belong to no conversation at all.
create or replace function _supportchat.doubtful_references(p_table text)
returns table (here regclass, table_name name, column_name name, target_name name, condition text)
language sql
stable
set search_path = ''
as $$
    select k.conrelid::regclass, c.relname, a.attname, t.relname, case
        when k.convalidated then format('mine.%I is null', a.attname)
        else format(
            'case when mine.%I is null then %L::boolean else not exists (select from %s theirs where theirs.%I = mine.%I) end',
            a.attname, demanded.value, k.confrelid::regclass, b.attname, a.attname
        )
    end
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_class t on t.oid = k.confrelid
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
    cross join lateral (select c.relname in ('chat_messages', 'tickets') and a.attname = 'session_id') as demanded (value)
    where k.contype = 'f' and k.connamespace = 'public'::regnamespace and c.relname = coalesce(p_table, c.relname)
        and obj_description(k.oid, 'pg_constraint') like 'foreign key (%' and (demanded.value or not k.convalidated)
$$;

-- How many rows of a table fulfil a condition, and the ids of some of them.
create or replace function _supportchat.count_orphans(p_table regclass, p_condition text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    counted jsonb;
begin
    execute format(
        'select jsonb_build_object(''count'', count(*), ''ids'', coalesce(jsonb_agg(id) filter (where place <= 5), ''[]''))'
        || ' from (select coalesce(to_jsonb(mine) ->> ''id'', to_jsonb(mine) ->> ''session_id'') as id,'
        || ' row_number() over () as place from %s mine where %s) as orphans',
        p_table, p_condition
    ) into counted;
    return counted;
end $$;

-- The rows that refer to nothing, of one table or of all: table, column, refers_to, count, and the ids of some of them.
-- Only a key that not every row keeps to is looked at, so this costs nothing where there are none.
create or replace function public.orphan_rows(p_table text default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(
        jsonb_build_object('table', table_name, 'column', column_name, 'refers_to', target_name) || counted
        order by table_name, column_name
    ), '[]')
    from _supportchat.doubtful_references(p_table), _supportchat.count_orphans(here, condition) as counted
    where counted ->> 'count' <> '0'
$$;

select _supportchat.record_script('fix_foreign_keys.sql', '5e5e47d4e8e2');

notify pgrst, 'reload schema';

commit;

-- Rows that refer to nothing, if there are any. They are kept; look at them, and delete them or add what they refer to.
select found ->> 'table' as "table", found ->> 'column' as "column", found ->> 'refers_to' as refers_to,
    found ->> 'count' as number_of_rows, found ->> 'ids' as some_of_them
from jsonb_array_elements(public.orphan_rows()) as found;
