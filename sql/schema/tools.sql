-- tools.sql: what the scripts do to a table, and how they end.

-- Of earlier versions: they would stand beside the functions of this one that have the same names, and calls would fit both.
drop function if exists _supportchat.log_event(text, uuid, jsonb, text, uuid, uuid, jsonb);
drop function if exists _supportchat.unassigned_reason();
drop function if exists _supportchat.message_json(public.chat_messages, text);
drop function if exists _supportchat.begin_session(uuid, text, text, text, text, text);
drop function if exists _supportchat.tell_held(public.held_replies);
drop function if exists _supportchat.few_tickets(uuid, jsonb, text[], integer);
drop function if exists _supportchat.index_customers(uuid[]);
drop function if exists _supportchat.query_of(text);
drop function if exists _supportchat.words_of(text);
drop function if exists _supportchat.words_of_customer(uuid);
-- Those of this version that gave another type then.
do $$
begin
    if pg_get_function_result(to_regprocedure('public.forget_old_data()')) <> 'boolean' then
        drop function public.forget_old_data();
    end if;
    if pg_get_function_result(to_regprocedure('public.post_message(text, uuid, uuid, text, jsonb)')) <> 'jsonb' then
        drop function public.post_message(text, uuid, uuid, text, jsonb);
    end if;
end $$;

-- Adds a constraint that is missing, and replaces one of that name that says something else: the definition that it was
-- made of is kept as its comment. Rows that break it stay as they are: it then binds new rows only, until they are gone.
create or replace function _supportchat.ensure_constraint(p_table regclass, p_name text, p_definition text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    present record;
begin
    select obj_description(oid, 'pg_constraint') as definition, convalidated into present
    from pg_catalog.pg_constraint where conrelid = p_table and conname = p_name;
    if found and present.definition is distinct from p_definition then
        execute format('alter table %s drop constraint %I', p_table, p_name);
    end if;
    if present.definition is distinct from p_definition then
        execute format('alter table %s add constraint %I %s not valid', p_table, p_name, p_definition);
        execute format('comment on constraint %I on %s is %L', p_name, p_table, p_definition);
    elsif present.convalidated then
        return;
    end if;
    begin
        execute format('alter table %s validate constraint %I', p_table, p_name);
    exception when check_violation or foreign_key_violation then
        raise warning '%: rows written before % stay as they are', p_table, p_name;
    end;
end $$;

-- Which of some conditions a row breaks, the first one: an expression that gives its name. As with a check constraint, null is
-- not false.
create or replace function _supportchat.broken_check(p_names text[], p_conditions text[])
returns text
language sql
immutable
set search_path = ''
as $$
    select format('case %s end', string_agg(format('when not (%s) then %L', condition, name), ' ' order by place))
    from unnest(p_names, p_conditions) with ordinality as one (name, condition, place)
$$;

-- Whether no row breaks conditions that a trigger of that name checks, as ensure_row_checks has found: or as the check
-- constraints of an earlier version say, which it replaces.
create or replace function _supportchat.is_row_checked(p_table text, p_name text, p_names text[], p_conditions text[])
returns boolean
language sql
stable
set search_path = ''
as $$
    select (
        exists (select from pg_catalog.pg_trigger where tgrelid = format('public.%I', p_table)::regclass and tgname = p_name)
        and obj_description(to_regprocedure(format('_supportchat.%I()', p_name)), 'pg_proc')
            is not distinct from _supportchat.broken_check(p_names, p_conditions)
    ) or not exists (
        select from unnest(p_names, p_conditions) as one (name, condition)
        where not exists (
            select from pg_catalog.pg_constraint k
            where k.conrelid = format('public.%I', p_table)::regclass and k.conname = one.name and k.convalidated
                and obj_description(k.oid, 'pg_constraint') = format('check (%s)', replace(one.condition, 'new.', ''))
        )
    )
$$;

-- Has a trigger refuse rows for which one of some conditions on new is false, as check constraints of those names would, and
-- takes these away. After the row, because one before it would lock each row that is updated. Rows that break them stay as they
-- are: the trigger only looks at what is written. That there are none is remembered in the comment of its function.
create or replace function _supportchat.ensure_row_checks(p_table text, p_name text, p_names text[], p_conditions text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    refuses text := format('_supportchat.%I()', p_name);
    broken text := _supportchat.broken_check(p_names, p_conditions);
    is_checked boolean := _supportchat.is_row_checked(p_table, p_name, p_names, p_conditions);
    found_broken boolean := false;
    name text;
begin
    execute format($made$
        create or replace function %s returns trigger language plpgsql set search_path = '' as $refuse$
        declare
            broken text := %s;
        begin
            if broken is not null then
                raise check_violation using
                    message = format('new row for relation "%%s" violates check constraint "%%s"', tg_table_name, broken),
                    schema = tg_table_schema, table = tg_table_name, constraint = broken;
            end if;
            return null;
        end $refuse$
    $made$, refuses, broken);
    execute format(
        'create or replace trigger %I after insert or update of %s on %s for each row execute function %s',
        p_name,
        (
            select string_agg(distinct quote_ident(named.words[1]), ', ')
            from unnest(p_conditions) as condition, regexp_matches(condition, '\mnew\.(\w+)', 'g') as named (words)
        ),
        here, refuses
    );
    foreach name in array p_names loop
        execute format('alter table %s drop constraint if exists %I', here, name);
    end loop;
    if not is_checked then
        for name in execute format('select distinct broken from (select %s as broken from %s as new) as looked where broken is not null', broken, here) loop
            found_broken := true;
            raise warning '%: rows written before % stay as they are', here, name;
        end loop;
    end if;
    execute format('comment on function %s is %L', refuses, case when not found_broken then broken end);
end $$;

-- Of earlier versions: one looked up for each key what is declared, another's arguments had other names.
drop function if exists _supportchat.ensure_foreign_key(text, text);
drop function if exists _supportchat.ensure_foreign_key(text, text, text, text, text);

-- Gives a column the foreign key that is declared for it, and takes away every other one: an older version's may point to
-- another table or column.
create or replace function _supportchat.ensure_foreign_key(
    p_table text, p_column text, p_refers_to text, p_key text, p_on_delete text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    wanted text := format('%s_%s_fkey', p_table, p_column);
    other text;
begin
    for other in
        select k.conname from pg_catalog.pg_constraint k
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
        where k.conrelid = here and k.contype = 'f' and a.attname = p_column and k.conname <> wanted
    loop
        execute format('alter table %s drop constraint %I', here, other);
    end loop;
    perform _supportchat.ensure_constraint(here, wanted, format(
        'foreign key (%I) references public.%I (%I) on delete %s',
        p_column, p_refers_to, p_key, coalesce(p_on_delete, 'no action')
    ));
end $$;

-- Makes an index that is missing.
create or replace function _supportchat.ensure_index(p_name text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    execute (
        select format(
            'create %s if not exists %I on public.%I %s',
            case when is_unique then 'unique index' else 'index' end, p_name, table_name, definition
        )
        from _supportchat.declared_indexes() where index_name = p_name
    );
end $$;

-- Of earlier versions, which read all declarations again for each table and column.
drop function if exists _supportchat.ensure_column(text, text);
drop function if exists _supportchat.ensure_columns(text);

-- Adds columns that are missing, makes those fit that an older version has left, and sets the defaults: of some tables, and
-- of all columns or one.
create or replace function _supportchat.ensure_columns(p_tables text[], p_column text default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass;
    wanted record;
    defaults record;
begin
    for wanted in
        select * from _supportchat.declared_columns()
        where table_name = any (p_tables) and column_name = coalesce(p_column, column_name)
        order by place
    loop
        here := format('public.%I', wanted.table_name);
        if exists (
            select from pg_catalog.pg_attribute where attrelid = here and attname = wanted.column_name and not attisdropped
        ) then
            if wanted.is_older and wanted.is_free is not true then
                perform _supportchat.fit_column(
                    here, wanted.column_name, wanted.type, coalesce(wanted.refers_to, wanted.table_name)
                );
            end if;
        else
            execute format('alter table %s add column %I %s default %s', here, wanted.column_name, wanted.type, case
                -- Rows of an older version get another value than this one.
                when wanted.demand in ('key', 'computed') then 'null' else coalesce(wanted.default_value, 'null')
            end);
            execute format(
                'alter table %s alter column %I set default %s',
                here, wanted.column_name, coalesce(wanted.default_value, 'null')
            );
        end if;
    end loop;
    for defaults in
        select format('public.%I', table_name)::regclass as here,
            string_agg(format('alter column %I set default %s', column_name, default_value), ', ') as settings
        from _supportchat.declared_columns()
        where table_name = any (p_tables) and column_name = coalesce(p_column, column_name)
            and default_value <> 'identity' and not (is_older and is_free is true)
        group by table_name
    loop
        execute format('alter table %s %s', defaults.here, defaults.settings);
    end loop;
end $$;

-- Of an earlier version, of one table.
drop function if exists _supportchat.require_columns(text, text[]);

-- Demands a value in the columns of some tables that have to have one, but for some: every row has it by now.
create or replace function _supportchat.require_columns(p_tables text[], p_but text[] default '{}')
returns void
language plpgsql
set search_path = ''
as $$
declare
    empty record;
begin
    for empty in
        select a.attrelid::regclass as here, a.attname from _supportchat.declared_columns() as declared
        join pg_catalog.pg_attribute a
            on a.attrelid = format('public.%I', declared.table_name)::regclass and a.attname = declared.column_name
        where declared.table_name = any (p_tables) and declared.demand is not null
            and not coalesce(declared.is_older and declared.is_free, false)
            and not a.attnotnull and not a.attisdropped and a.attname <> all (p_but)
    loop
        execute format('alter table %s alter column %I set not null', empty.here, empty.attname);
    end loop;
end $$;

-- Whether what this version demands of a table's rows holds for all of them already, as Postgres says itself: columns that have
-- a value, but for some; checks that are validated; indexes and keys that are there. Then there is no row to mend, and none is
-- looked at: to read a large table takes minutes, in which the desk waits.
create or replace function _supportchat.is_in_shape(p_table text, p_but text[] default '{}')
returns boolean
language sql
stable
set search_path = ''
as $$
    with own as (
        select to_regclass(format('public.%I', p_table)) as here
    ), constraints as (
        select k.conname, k.convalidated, obj_description(k.oid, 'pg_constraint') as definition
        from pg_catalog.pg_constraint k join own on k.conrelid = own.here
    )
    select exists (select from pg_catalog.pg_policy p join own on p.polrelid = own.here where p.polname = 'server_only')
        and not exists (
            select from _supportchat.declared_columns() as declared cross join own
            left join pg_catalog.pg_attribute a on a.attrelid = own.here and a.attname = declared.column_name and not a.attisdropped
            where declared.table_name = p_table and declared.column_name <> all (p_but)
                and (a.attname is null or (declared.demand is not null and not a.attnotnull and declared.is_free is not true))
        )
        and not exists (
            select from _supportchat.declared_checks() as declared
            left join constraints on constraints.conname = declared.constraint_name
            where declared.table_name = p_table and not declared.by_trigger
                and (constraints.convalidated and constraints.definition = format('check (%s)', declared.condition)) is not true
        )
        and not exists (
            select from _supportchat.declared_checks() as declared
            where declared.table_name = p_table and declared.by_trigger
            group by declared.table_name
            having not _supportchat.is_row_checked(
                p_table, 'check_' || p_table,
                array_agg(declared.constraint_name order by declared.place), array_agg(declared.condition order by declared.place)
            )
        )
        and not exists (
            select from _supportchat.declared_columns() as declared
            left join constraints on constraints.conname = format('%s_%s_fkey', p_table, declared.column_name)
            where declared.table_name = p_table and declared.refers_to is not null and constraints.conname is null
        )
        and not exists (
            select from _supportchat.declared_indexes() as declared
            where declared.table_name = p_table and declared.is_unique
                and to_regclass(format('public.%I', declared.index_name)) is null
        )
$$;

-- Whether a column may be empty, so that there may be rows to fill.
create or replace function _supportchat.may_be_empty(p_table text, p_column text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_attribute
        where attrelid = format('public.%I', p_table)::regclass and attname = p_column and not attnotnull
    )
$$;

-- Notes in a row what a column held before: the first value counts, and nothing is noted where nothing was.
create or replace function _supportchat.noted(p_legacy jsonb, p_column text, p_value text)
returns jsonb
language sql
immutable
set search_path = ''
as $$
    select case
        when p_value is null then p_legacy
        else jsonb_build_object(p_column, p_value) || coalesce(p_legacy, '{}')
    end
$$;

-- Turns the triggers of a table off while old rows are mended, or on again: they would count versions and move
-- updated_at. The ones that are off already stay so.
create or replace function _supportchat.pause_triggers(p_table text, p_pause boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    other record;
begin
    for other in
        select oid, tgname, obj_description(oid, 'pg_trigger') as note from pg_catalog.pg_trigger
        where tgrelid = here and not tgisinternal and tgenabled = case when p_pause then 'O' else 'D' end
    loop
        if p_pause then
            execute format('alter table %s disable trigger %I', here, other.tgname);
            execute format('comment on trigger %I on %s is %L', other.tgname, here, 'paused: ' || coalesce(other.note, ''));
        elsif other.note like 'paused: %' then
            execute format('alter table %s enable trigger %I', here, other.tgname);
            execute format(
                'comment on trigger %I on %s is %L', other.tgname, here, nullif(substr(other.note, 9), '')
            );
        end if;
    end loop;
end $$;

-- Whether this transaction has written a row of that xmin: itself, or within a savepoint, which has a later number of its own.
-- What is in progress and can be seen is ours. A frozen row may have any number, and one in the future cannot be asked for.
create or replace function _supportchat.is_new(p_xmin xid)
returns boolean
language sql
set search_path = ''
as $$
    select case
        when later between 0 and 10000000
            then pg_xact_status((pg_current_xact_id()::text::bigint + later)::text::xid8) = 'in progress'
        else false
    end
    from (select age(pg_current_xact_id()::xid)::bigint - age(p_xmin) as later) as compared
$$;

-- Lets only the server's role run what this transaction has made, as everybody may run a new function. What it has made in
-- public is what the web code calls, and gives up in time. A psycopg connection says so for itself; PostgREST would wait 8
-- seconds for a statement and for a lock, but it takes a statement_timeout that it finds at a function for the whole
-- request (it "hoists" it), and lock_timeout works inside the function anyway. One that says less for itself keeps that.
-- Helpers have none: each setting costs a little on every call.
create or replace function _supportchat.close_functions()
returns void
language plpgsql
set search_path = ''
as $$
declare
    made record;
begin
    for made in
        select p.oid::regprocedure as signature, n.nspname = 'public' as is_called,
            coalesce(substring(array_to_string(p.proconfig, ' ') from 'statement_timeout=(\S+)'), '3s') as patience
        from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where case n.nspname
            -- Default privileges may have let others in from the beginning.
            when '_supportchat' then p.proacl is null or exists (
                select from aclexplode(p.proacl) where grantee = 0 or pg_get_userbyid(grantee) in ('anon', 'authenticated')
            )
            -- An old trigger's function may have got a path here. What has limits was closed by an earlier script.
            when 'public' then _supportchat.is_new(p.xmin) and p.prorettype <> 'trigger'::regtype
                and array_to_string(p.proconfig, ' ') !~ 'lock_timeout'
        end
    loop
        perform _supportchat.grant_to_server(format('function %s', made.signature), 'execute');
        if made.is_called then
            execute format('alter function %s set statement_timeout = %L set lock_timeout = ''2s''', made.signature, made.patience);
        end if;
    end loop;
end $$;

-- Ends a script: closes what it has made, and remembers its version, which /status and bin/migrate compare with the files.
create or replace function _supportchat.record_script(p_name text, p_checksum text)
returns text
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.close_functions();
    -- Who adopts something says so before each script: the next paste may use the same connection.
    perform set_config('supportchat.adopt', '', false);
    insert into public.schema_scripts as script (name, checksum) values (p_name, p_checksum)
    on conflict (name) do update set checksum = excluded.checksum, applied_at = now()
    where script.checksum <> excluded.checksum;
    return 'sql/' || p_name || ' is applied.';
end $$;
