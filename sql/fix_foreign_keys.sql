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

select _supportchat.ensure_foreign_key(table_name, column_name)
from _supportchat.declared_columns() where refers_to is not null order by place;

-- The rows that refer to nothing, of one table or of all: table, column, refers_to, count, and the ids of some of them.
-- Only a key that not every row keeps to is looked at, so this costs nothing where there are none.
create or replace function public.orphan_rows(p_table text default null)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    reference record;
    found_rows jsonb;
    answer jsonb := '[]';
begin
    for reference in
        select k.conrelid::regclass as here, c.relname as name, a.attname as "column", k.confrelid::regclass as target,
            t.relname as target_name, b.attname as target_column, k.convalidated as is_valid,
            c.relname in ('chat_messages', 'tickets') and a.attname = 'session_id' as is_required
        from pg_catalog.pg_constraint k
        join pg_catalog.pg_class c on c.oid = k.conrelid
        join pg_catalog.pg_class t on t.oid = k.confrelid
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
        join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
        where k.contype = 'f' and k.connamespace = 'public'::regnamespace and c.relname = coalesce(p_table, c.relname)
            and obj_description(k.oid, 'pg_constraint') like 'foreign key (%'
        order by c.relname, a.attname
    loop
        continue when reference.is_valid and not reference.is_required;
        execute format(
            'select jsonb_build_object(''count'', count(*), ''ids'', coalesce(jsonb_agg(id) filter (where place <= 5), ''[]''))'
            || ' from (select coalesce(to_jsonb(mine) ->> ''id'', to_jsonb(mine) ->> ''session_id'') as id,'
            || ' row_number() over () as place from %s mine where %s) as orphans',
            reference.here,
            case when reference.is_valid then format('mine.%I is null', reference."column") else format(
                'case when mine.%I is null then %L::boolean else not exists (select from %s theirs where theirs.%I = mine.%I) end',
                reference."column", reference.is_required, reference.target, reference.target_column, reference."column"
            ) end
        ) into found_rows;
        if (found_rows ->> 'count')::bigint > 0 then
            answer := answer || jsonb_build_array(jsonb_build_object(
                'table', reference.name, 'column', reference."column", 'refers_to', reference.target_name
            ) || found_rows);
        end if;
    end loop;
    return answer;
end $$;

select _supportchat.record_script('fix_foreign_keys.sql', '255c49c6b965');

notify pgrst, 'reload schema';

commit;

-- Rows that refer to nothing, if there are any. They are kept; look at them, and delete them or add what they refer to.
select found ->> 'table' as "table", found ->> 'column' as "column", found ->> 'refers_to' as refers_to,
    found ->> 'count' as number_of_rows, found ->> 'ids' as some_of_them
from jsonb_array_elements(public.orphan_rows()) as found;
