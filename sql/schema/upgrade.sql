-- upgrade.sql: what older versions left in the tables, made to fit. In a new database, and in one of this version, it finds
-- nothing to do.

-- The uuid that stands for a key of an older version: the same key gives the same one in every table and every run.
create or replace function _supportchat.legacy_uuid(p_table text, p_key text)
returns uuid
language sql
immutable
set search_path = ''
as $$
    select case
        when p_key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_key::uuid
        else md5(p_table || ':' || p_key)::uuid
    end
$$;

-- Puts a column aside as legacy_<name>, with everything that hangs on it. Its indexes give their names free as well.
create or replace function _supportchat.set_aside(p_table regclass, p_column text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    name text;
begin
    for name in
        select c.relname from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
        where i.indrelid = p_table and a.attname = p_column
    loop
        execute format('alter index public.%I rename to %I', name, 'legacy_' || name);
    end loop;
    execute format('alter table %s rename column %I to %I', p_table, p_column, 'legacy_' || p_column);
end $$;

-- How a value of one type is read as another: a pattern for format(), because the column may get another name. p_keys_of
-- names the table whose keys the column holds, for a uuid.
create or replace function _supportchat.conversion(p_old_type text, p_type text, p_keys_of text)
returns text
language sql
immutable
set search_path = ''
as $$
    select case
        when p_type = 'uuid' then '_supportchat.legacy_uuid(' || quote_literal(p_keys_of) || ', %1$I::text)'
        when p_type <> 'timestamp with time zone' then '%1$I::text::' || p_type
        when p_old_type in ('timestamp without time zone', 'date') then '%1$I::timestamp at time zone ''UTC'''
        -- Seconds since 1970, or milliseconds: as seconds, those would be in the year 5138 or later.
        when p_old_type in ('integer', 'bigint', 'numeric', 'real', 'double precision')
            then 'to_timestamp(%1$I / case when %1$I > 1e11 then 1000.0 else 1.0 end)'
        else '%1$I::text::' || p_type
    end
$$;

-- Whether a column can get another type in place, because that changes no value.
create or replace function _supportchat.keeps_values(
    p_table regclass, p_column text, p_old_type text, p_type text, p_conversion text
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    is_same boolean;
begin
    if p_type = 'timestamp with time zone' then
        return p_conversion not like 'to_timestamp(%';
    elsif p_type <> 'uuid' then
        return true;
    end if;
    execute format(
        'select coalesce(bool_and(lower(%1$I::text) = (' || p_conversion || ')::text), true) from %2$s', p_column, p_table
    ) into is_same;
    return is_same and p_old_type in ('text', 'character varying', 'character');
end $$;

-- Drops the keys between our own tables that would hold a column's old type fast; fix_foreign_keys.sql makes them anew.
create or replace function _supportchat.drop_keys_of(p_table regclass, p_column text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    other record;
begin
    for other in
        select k.conrelid::regclass as table_name, k.conname from pg_catalog.pg_constraint k
        where k.contype = 'f' and k.conrelid in (select format('public.%I', name)::regclass from _supportchat.older_tables() as name)
            and exists (
                select from pg_catalog.pg_attribute a
                where a.attname = p_column and (
                    (a.attrelid = k.conrelid and k.conrelid = p_table and a.attnum = any (k.conkey))
                    or (a.attrelid = k.confrelid and k.confrelid = p_table and a.attnum = any (k.confkey))
                )
            )
    loop
        execute format('alter table %s drop constraint %I', other.table_name, other.conname);
    end loop;
end $$;

-- Gives a column another type beside the old one, which goes on as legacy_<name> with everything that hangs on it.
create or replace function _supportchat.convert_aside(p_table regclass, p_column text, p_type text, p_conversion text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    old_name text := 'legacy_' || p_column;
begin
    perform _supportchat.set_aside(p_table, p_column);
    execute format('alter table %s add column %I %s', p_table, p_column, p_type);
    begin
        execute format(
            'update %s set %I = %s where %I is not null', p_table, p_column, format(p_conversion, old_name), old_name
        );
    exception when data_exception or cannot_coerce then
        raise warning '%: the values of legacy_% are kept, but cannot be read as %', p_table, p_column, p_type;
    end;
end $$;

-- Gives a column the type that the functions expect: in place when that changes no value, else beside the old one.
create or replace function _supportchat.convert_column(
    p_table regclass, p_column text, p_old_type text, p_type text, p_keys_of text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    conversion text := _supportchat.conversion(p_old_type, p_type, p_keys_of);
begin
    perform _supportchat.drop_keys_of(p_table, p_column);
    if not _supportchat.keeps_values(p_table, p_column, p_old_type, p_type, conversion) then
        perform _supportchat.convert_aside(p_table, p_column, p_type, conversion);
        return;
    end if;
    begin
        execute format('alter table %s alter column %I drop identity if exists', p_table, p_column);
        execute format('alter table %s alter column %I drop default', p_table, p_column);
        execute format('alter table %s alter column %I type %s using %s', p_table, p_column, p_type, format(conversion, p_column));
    -- A view, a trigger or a foreign table's key needs the old type, or a value does not fit the new one.
    exception when data_exception or datatype_mismatch or cannot_coerce or feature_not_supported
        or dependent_objects_still_exist or undefined_function then
        perform _supportchat.convert_aside(p_table, p_column, p_type, conversion);
    end;
end $$;

-- Makes a column of an older version one that the functions can write, of the type that they expect.
create or replace function _supportchat.fit_column(p_table regclass, p_column text, p_type text, p_keys_of text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    present record;
    wanted text := p_type::regtype::text;
begin
    select format_type(atttypid, atttypmod) as type, format_type(atttypid, null) as bare_type,
        attidentity <> '' as is_identity, attgenerated as generated into present
    from pg_catalog.pg_attribute where attrelid = p_table and attname = p_column and not attisdropped;
    if present.generated = 's' then
        -- What other columns gave it stays as its value; from now on the functions write it.
        execute format('alter table %s alter column %I drop expression', p_table, p_column);
    elsif present.generated <> '' then
        perform _supportchat.convert_aside(p_table, p_column, present.type, '%I');
    end if;
    if present.type <> wanted then
        perform _supportchat.convert_column(p_table, p_column, present.bare_type, wanted, p_keys_of);
    elsif present.is_identity then
        execute format('alter table %s alter column %I drop identity', p_table, p_column);
    end if;
end $$;

-- Follows a reference of an older version that names a conversation by another column than session_id: the key then
-- says so, as in "references user_sessions (id)". Where the types differ, what it held goes on as legacy_session_id.
create or replace function _supportchat.follow_sessions(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    wrong record;
begin
    for wrong in
        select k.conname, k.confrelid::regclass as target, b.attname as target_column,
            format_type(a.atttypid, null) as type, format_type(theirs.atttypid, null) as their_type
        from pg_catalog.pg_constraint k
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
        join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
        left join pg_catalog.pg_attribute theirs
            on theirs.attrelid = k.confrelid and theirs.attname = 'session_id' and not theirs.attisdropped
        where k.contype = 'f' and k.conrelid = here and a.attname = 'session_id' and b.attname <> 'session_id'
    loop
        execute format('alter table %s drop constraint %I', here, wrong.conname);
        if wrong.type = wrong.their_type then
            execute format(
                'update %s as mine set session_id = theirs.session_id,'
                || ' legacy = _supportchat.noted(mine.legacy, ''session_id'', mine.session_id::text)'
                || ' from %s as theirs where theirs.%I = mine.session_id and theirs.session_id <> mine.session_id',
                here, wrong.target, wrong.target_column
            );
        elsif wrong.their_type is not null then
            perform _supportchat.set_aside(here, 'session_id');
            execute format('alter table %s add column session_id %s', here, wrong.their_type);
            execute format(
                'update %s as mine set session_id = theirs.session_id from %s as theirs where theirs.%I = mine.legacy_session_id',
                here, wrong.target, wrong.target_column
            );
        end if;
    end loop;
end $$;

-- Drops the checks of an older version on our columns. Our own are known by their comment.
create or replace function _supportchat.drop_older_checks(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    own text[] := array(select column_name from _supportchat.declared_columns() where table_name = p_table);
    other text;
begin
    for other in
        select k.conname from pg_catalog.pg_constraint k
        where k.conrelid = here and k.contype = 'c'
            and coalesce(obj_description(k.oid, 'pg_constraint'), '') not like 'check (%'
            and exists (
                select from pg_catalog.pg_attribute a
                where a.attrelid = here and a.attnum = any (k.conkey) and a.attname = any (own)
            )
    loop
        execute format('alter table %s drop constraint %I', here, other);
    end loop;
end $$;

-- Drops what an older version wants to be unique of our columns. Our own indexes are known by their name.
create or replace function _supportchat.drop_older_uniques(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    own text[] := array(select index_name from _supportchat.declared_indexes() where table_name = p_table)
        || format('%s_%s_key', p_table, _supportchat.key_of(p_table));
    columns text[] := array(
        select column_name from _supportchat.declared_columns() where table_name = p_table and demand is distinct from 'key'
    );
    other record;
begin
    for other in
        select c.relname, k.conname from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid and k.contype in ('u', 'x')
        where i.indrelid = here and (i.indisunique or i.indisexclusion) and not i.indisprimary
            and (c.relname <> all (own) or (c.relname = 'agents_email_key' and i.indexprs is null))
            and exists (
                select from pg_catalog.pg_attribute a
                where a.attrelid = here and a.attnum = any (i.indkey) and a.attname = any (columns)
            )
    loop
        begin
            if other.conname is not null then
                execute format('alter table %s drop constraint %I', here, other.conname);
            else
                execute format('drop index public.%I', other.relname);
            end if;
        exception when dependent_objects_still_exist then
            raise warning '%: % stays, because a foreign key needs it', here, other.relname;
        end;
    end loop;
end $$;

-- Takes away what an older version demands of our columns and the functions do not know of.
create or replace function _supportchat.loosen_table(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    policy text;
begin
    -- Security that binds the owner too would bind the functions, which run as the owner where there is no service_role.
    if (select relforcerowsecurity from pg_catalog.pg_class where oid = here) then
        execute format('alter table %s no force row level security', here);
    end if;
    perform _supportchat.drop_older_checks(p_table);
    perform _supportchat.drop_older_uniques(p_table);
    for policy in select polname from pg_catalog.pg_policy where polrelid = here and polname <> 'server_only' loop
        execute format('drop policy %I on %s', policy, here);
        raise warning '%: the policy "%" is dropped, because only the server may read this table', here, policy;
    end loop;
end $$;

-- Gives each row a value of its own in a column: of rows with the same one the oldest keeps it.
create or replace function _supportchat.separate_twins(p_table text, p_column text, p_type text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    counter text := pg_catalog.pg_get_serial_sequence(here::text, p_column);
begin
    execute format(
        'with twins as ('
        || ' select ctid as place, %1$I as key, row_number() over (partition by %1$I order by created_at, ctid) as number from %2$s'
        || '), others as ('
        || ' select place, row_number() over (order by place) as number from twins where key is null or number > 1'
        || ') update %2$s as mine set %1$I = %3$s, legacy = _supportchat.noted(legacy, %4$L, %1$I::text)'
        || ' from others where others.place = mine.ctid',
        p_column, here, case
            when p_type in ('smallint', 'integer', 'bigint', 'numeric')
                then format('(select coalesce(max(%I), 0) from %s) + others.number', p_column, here)
            else 'gen_random_uuid()::text::' || p_type
        end, p_column
    );
    -- What counts this column may lag behind, which did no harm while a value could come twice.
    if counter is not null then
        execute format(
            'select pg_catalog.setval(%L, greatest(max(%I), (select last_value from %s))) from %s',
            counter, p_column, counter, here
        );
    end if;
end $$;

-- Makes the key of a table one by which a row can be referred to: the primary key where there is none, else a unique index.
create or replace function _supportchat.ensure_unique(p_table text, p_column text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    has_key boolean := exists (select from pg_catalog.pg_index where indrelid = here and indisprimary);
    present record;
begin
    select format_type(a.atttypid, null) as type, a.attnotnull as is_required, exists (
        select from pg_catalog.pg_index i
        where i.indrelid = here and i.indkey[0] = a.attnum and i.indisunique and i.indnkeyatts = 1 and i.indpred is null
    ) as is_unique into present
    from pg_catalog.pg_attribute a where a.attrelid = here and a.attname = p_column and not a.attisdropped;
    if not present.is_unique or not present.is_required then
        perform _supportchat.separate_twins(p_table, p_column, present.type);
    end if;
    if not has_key then
        execute format('alter table %s add primary key (%I)', here, p_column);
        if (select relreplident from pg_catalog.pg_class where oid = here) = 'f' then
            execute format('alter table %s replica identity default', here);
        end if;
    elsif not present.is_unique then
        execute format('create unique index %I on %s (%I)', p_table || '_' || p_column || '_key', here, p_column);
    end if;
end $$;

-- Lets a key that the functions do not know get its value by itself.
create or replace function _supportchat.fill_key(p_table regclass, p_column text, p_type text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if p_type in ('smallint', 'integer', 'bigint') then
        execute format('alter table %s alter column %I add generated by default as identity', p_table, p_column);
        execute format(
            'select pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%L, %L), coalesce(max(%I), 0) + 1, false) from %s',
            p_table, p_column, p_column, p_table
        );
    elsif p_type in ('uuid', 'text', 'character varying') then
        execute format('alter table %s alter column %I set default gen_random_uuid()', p_table, p_column);
    end if;
end $$;

-- Lets every column be empty that need not have a value, as the functions do not fill what they do not know.
create or replace function _supportchat.release_columns(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    other record;
begin
    for other in
        select a.attname, format_type(a.atttypid, null) as type, coalesce(a.attnum = any (k.conkey), false) as is_key, a.atthasdef
        from pg_catalog.pg_attribute a
        left join pg_catalog.pg_constraint k on k.conrelid = a.attrelid and k.contype = 'p'
        where a.attrelid = here and a.attnum > 0 and a.attnotnull and not a.attisdropped
            -- An identity fills itself, and may not be empty.
            and a.attidentity = ''
            and not exists (
                select from _supportchat.declared_columns()
                where table_name = p_table and column_name = a.attname and demand is not null and is_free is not true
            )
    loop
        if not other.is_key then
            execute format('alter table %s alter column %I drop not null', here, other.attname);
        elsif not other.atthasdef then
            perform _supportchat.fill_key(here, other.attname, other.type);
        end if;
    end loop;
end $$;

-- Fills a column that is still empty from the first of some columns, which other versions had, that has something in it.
create or replace function _supportchat.fill_column(p_table text, p_column text, p_sources text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    name text;
begin
    for name in
        select s.name from unnest(p_sources) with ordinality as s (name, place)
        join pg_catalog.pg_attribute a on a.attrelid = here and a.attname = s.name and not a.attisdropped
        order by s.place
    loop
        execute format(
            'update %s set %I = %I::text, legacy = _supportchat.noted(legacy, %L, %I)'
            || ' where coalesce(%I, '''') !~ ''\S'' and %I::text ~ ''\S''',
            here, p_column, name, p_column, p_column, p_column, name
        );
    end loop;
end $$;

-- Whether a function of an earlier version is ours: they took arguments that begin with p_, and saw no schema. An app may have
-- some of these names.
create or replace function _supportchat.is_former(p_function oid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select pronamespace = 'public'::regnamespace and proconfig @> array['search_path=""'] and not exists (
        select from unnest(proargnames[1:pronargs]) as argument where argument not like 'p\_%'
    )
    from pg_catalog.pg_proc where oid = p_function
$$;

-- Drops the helpers that earlier versions had in the schema public, once nothing calls them any more.
create or replace function _supportchat.drop_former_helpers()
returns void
language plpgsql
set search_path = ''
as $$
declare
    former text[] := regexp_split_to_array(btrim('
        ensure_constraint(regclass, text, text); ensure_foreign_key(text, text, text, text, text);
        legacy_uuid(text, text); set_aside(regclass, text); convert_column(regclass, text, text, text);
        ensure_column(text, text, text, text, text); follow_sessions(text); loosen_table(text, text[], text[]);
        ensure_unique(text, text); require_columns(text, text[]); release_columns(text, text[]);
        fill_column(text, text, text[]); noted(jsonb, text, text); pause_triggers(text, boolean);
        own_functions(text[]); withdraw_functions(text[]); restrict_functions(text[]);
        limit_functions(text[]); guard_ticket(); has_buckets(); take_token(text, text, jsonb);
        notify_change(text, jsonb); agent_json(uuid); message_json(public.chat_messages);
        append_message(uuid, text, text, uuid, uuid, uuid, text, jsonb); check_message(text, boolean);
        add_image(uuid, jsonb); repeated_message(uuid, text, uuid, text, jsonb); lock_assignment(); lock_ticket(uuid);
        record_event(public.tickets, text, text, uuid, jsonb); load_of_agent(uuid); agents_here(); next_agent(uuid, uuid);
        unassigned_reason(); give_ticket(public.tickets, uuid, text, text, uuid); offer_ticket(uuid, boolean, uuid);
        drain_queue(uuid); return_to_queue(public.tickets, text, text, uuid);
        state_json(public.user_sessions, public.tickets, boolean, bigint); conversation_json(uuid); newest_session(uuid);
        post_as_customer(uuid, uuid, text, jsonb, boolean); goes_on(text, uuid); take_start(text, text, jsonb);
        median_first_reply(timestamp with time zone); check_owner(public.tickets, uuid);
        queue_row_json(public.tickets, uuid); note_json(public.ticket_notes); end_ticket(public.tickets, text, uuid);
        own_agent_json(public.agents); credentials_of(text); check_bucket(); next_agent(uuid); drain_queue()
    ', E' \n'), ';\s+');
    signature text;
begin
    -- By this one they were a desk's.
    if _supportchat.is_former(to_regprocedure('public.record_script(text, text)')) is not true then
        return;
    end if;
    foreach signature in array former || array['record_script(text, text)'] loop
        if _supportchat.is_former(to_regprocedure('public.' || signature)) then
            execute format('drop function public.%s', signature);
        end if;
    end loop;
end $$;

select _supportchat.pause_triggers(name, true) from _supportchat.older_tables() as name;

-- A row of a published table cannot be changed without a key by which subscribers know it. Until ensure_unique makes one,
-- the whole row is that.
do $$
declare
    keyless regclass;
begin
    for keyless in
        select c.oid::regclass from _supportchat.older_tables() as name
        join pg_class c on c.oid = format('public.%I', name)::regclass
        where c.relreplident = 'd' and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
    loop
        execute format('alter table %s replica identity full', keyless);
    end loop;
end $$;

-- Keys are made here. One that has to be a row's of another schema or table (agents.id references auth.users, say) would let
-- nobody make a new one, and the same goes for a key of an older version under another name.
do $$
declare
    other record;
begin
    for other in
        select distinct k.conrelid::regclass as here, k.conname, pg_get_constraintdef(k.oid) as definition
        from _supportchat.older_tables() as name
        join pg_constraint k on k.conrelid = format('public.%I', name)::regclass and k.contype = 'f'
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
        left join pg_constraint p on p.conrelid = k.conrelid and p.contype = 'p'
        where (a.attname = _supportchat.key_of(name) or a.attnum = any (p.conkey))
            and k.confrelid not in (select format('public.%I', ours)::regclass from _supportchat.older_tables() as ours)
    loop
        execute format('alter table %s drop constraint %I', other.here, other.conname);
        raise warning '%: % is dropped, because keys are made here: %', other.here, other.conname, other.definition;
    end loop;
end $$;

select _supportchat.loosen_table(name) from _supportchat.older_tables() as name;
select _supportchat.ensure_columns('{agents}'), _supportchat.ensure_unique('agents', 'id'), _supportchat.release_columns('agents');
select _supportchat.ensure_columns('{user_sessions}'), _supportchat.release_columns('user_sessions');

-- Every conversation gets a session_id of its own. Where an older version had rows without one, or several with the
-- same, the oldest keeps it, and with it the messages and tickets that name it.
do $$
begin
    if _supportchat.is_in_shape('user_sessions', array['last_spoken_seq', 'customer_lines', 'is_anonymous']) then
        return;
    end if;
    if exists (
        select from pg_attribute where attrelid = 'public.user_sessions'::regclass and attname = 'id' and not attisdropped
    ) then
        update public.user_sessions set session_id = _supportchat.legacy_uuid('user_sessions', id::text) where session_id is null;
    end if;
    update public.user_sessions set session_id = gen_random_uuid() where session_id is null;
    with twins as (
        select ctid as place, row_number() over (
            partition by s.session_id order by s.created_at nulls last, to_jsonb(s) ->> 'id', s.ctid
        ) as number
        from public.user_sessions s
    )
    update public.user_sessions s set
        session_id = _supportchat.legacy_uuid(
            'user_sessions', s.session_id || ':' || coalesce(to_jsonb(s) ->> 'id', twins.number::text)
        ),
        legacy = _supportchat.noted(legacy, 'session_id', s.session_id::text)
    from twins where twins.place = s.ctid and twins.number > 1;
end $$;
select _supportchat.require_columns('{user_sessions}', array(
    select column_name from _supportchat.declared_columns() where table_name = 'user_sessions' and demand <> 'key'
));
select _supportchat.ensure_unique('user_sessions', 'session_id');

select _supportchat.ensure_columns(array[name], 'legacy'), _supportchat.follow_sessions(name),
    _supportchat.ensure_columns(array[name]), _supportchat.ensure_unique(name, 'id'), _supportchat.release_columns(name)
from unnest(array['chat_messages', 'tickets']) as name;

select _supportchat.fill_column('agents', 'name', array['full_name', 'display_name', 'username']);

-- Agents of older versions: what a name, an address, a role and a limit may be.
update public.agents set
    name = left(coalesce(substring(trim(name) from '\S.*'), nullif(split_part(email, '@', 1), ''), 'Agent'), 80),
    legacy = _supportchat.noted(legacy, 'name', name)
where name is null or name !~ '\S' or char_length(name) > 80;
update public.agents set email = null, legacy = _supportchat.noted(legacy, 'email', email)
where char_length(email) not between 3 and 254;
with twins as (
    select id, row_number() over (partition by lower(email) order by created_at, id) as number
    from public.agents where email is not null
)
update public.agents a set email = null, legacy = _supportchat.noted(legacy, 'email', email)
from twins where twins.id = a.id and twins.number > 1;
update public.agents set
    role = case when lower(trim(role)) in ('admin', 'administrator', 'owner', 'superadmin') then 'admin' else 'agent' end,
    legacy = _supportchat.noted(legacy, 'role', role)
where role is null or role not in ('agent', 'lead', 'admin');
update public.agents set
    availability = case
        when availability is null or lower(trim(availability)) in ('available', 'online', 'active', 'free') then 'available'
        else 'away'
    end,
    legacy = _supportchat.noted(legacy, 'availability', availability)
where availability is null or availability not in ('available', 'away');
update public.agents set
    max_tickets = greatest(0, least(1000, coalesce(max_tickets, 5))),
    legacy = _supportchat.noted(legacy, 'max_tickets', max_tickets::text)
where max_tickets is null or max_tickets not between 0 and 1000;
update public.agents set is_active = true where is_active is null;
-- The demo accounts of versions that did not mark them, if they still have the password that was printed.
update public.agents a set is_demo = (name, email) in (
        ('Alice Kern', 'alice@example.com'), ('Ben Ortiz', 'ben@example.com'), ('Carol Tan', 'carol@example.com')
    ) and exists (select from public.agent_credentials c where c.agent_id = a.id and c.changed_at = a.created_at)
where is_demo is null;
-- Rows of a table that was adopted may be anything. Only who has answered here, or has a password, is somebody who can be
-- given a ticket; create_agent gives one.
update public.agents a set is_active = false, legacy = _supportchat.noted(legacy, 'is_active', 'true')
where is_active and current_setting('supportchat.adopt', true) = 'yes'
    and not exists (select from public.tickets t where t.assigned_agent_id = a.id)
    and not exists (select from public.chat_messages m where m.sender_agent_id = a.id)
    and not exists (select from public.agent_credentials c where c.agent_id = a.id)
    and not exists (
        select from pg_policy where polrelid = 'public.agents'::regclass and polname = 'server_only'
    );
update public.agents set created_at = now() where created_at is null;

-- Rows of older versions. Where every row is as it has to be, none is looked at.
do $mend$
declare
    name text;
    old_name text;
begin
    if (
        select bool_and(_supportchat.is_in_shape(older, array['last_spoken_seq', 'customer_lines', 'is_anonymous', 'site_id']))
        from unnest(array['user_sessions', 'chat_messages', 'tickets']) as older
    ) then
        return;
    end if;
    -- Nobody has counted these rows yet, and who guesses that there are few would read a table once for each of another.
    perform set_config('enable_nestloop', 'off', true);

    perform _supportchat.fill_column('chat_messages', 'sender', array['sender_type', 'sender_role', 'role']);
    perform _supportchat.fill_column('chat_messages', 'message', array['content', 'body', 'text', 'image_url', 'attachment_url']);

    -- References that name a conversation by its id, without a key that says so.
    if exists (
        select from pg_attribute where attrelid = 'public.user_sessions'::regclass and attname = 'id' and not attisdropped
    ) then
        foreach name in array array['chat_messages', 'tickets'] loop
            select coalesce(max(attname::text), 'session_id') into old_name from pg_attribute
            where attrelid = format('public.%I', name)::regclass and attname = 'legacy_session_id' and not attisdropped;
            execute format(
                'update public.%I as mine set session_id = theirs.session_id,'
                || ' legacy = _supportchat.noted(mine.legacy, ''session_id'', mine.%I::text)'
                || ' from public.user_sessions theirs where theirs.id::text = mine.%I::text and mine.session_id is not null'
                || ' and not exists (select from public.user_sessions s where s.session_id = mine.session_id)',
                name, old_name, old_name
            );
        end loop;
    end if;

    -- Conversations of older versions. A text that no column may hold is cut; the whole is in legacy.
    update public.user_sessions s set created_at = began.at
    from (select session_id, min(created_at) as at from public.chat_messages group by session_id) as began
    where began.session_id = s.session_id and s.created_at is null;
    update public.user_sessions set created_at = now() where created_at is null;
    update public.user_sessions set
        customer_name = left(substring(trim(customer_name) from '\S.*'), 80),
        legacy = _supportchat.noted(legacy, 'customer_name', customer_name)
    where customer_name !~ '\S' or char_length(customer_name) > 80;
    update public.user_sessions set
        customer_phone = left(substring(trim(customer_phone) from '\S.*'), 32),
        legacy = _supportchat.noted(legacy, 'customer_phone', customer_phone)
    where customer_phone !~ '\S' or char_length(customer_phone) > 32;
    update public.user_sessions set time_zone = null, legacy = _supportchat.noted(legacy, 'time_zone', time_zone)
    where char_length(time_zone) > 64;
    update public.user_sessions set
        status = case
            when lower(trim(status)) in (
                'ended', 'closed', 'resolved', 'solved', 'completed', 'complete', 'done', 'finished', 'inactive', 'archived',
                'expired', 'cancelled', 'canceled', 'disconnected'
            ) then 'ended' else 'active'
        end,
        legacy = _supportchat.noted(legacy, 'status', status)
    where status is null or status not in ('active', 'ended');

    -- Messages of older versions: seq counts them by time, and goes on after what is counted already.
    update public.chat_messages m set created_at = coalesce(
        (select s.created_at from public.user_sessions s where s.session_id = m.session_id), now()
    ) where created_at is null;
    update public.chat_messages set
        sender = case
            when lower(trim(sender)) in ('agent', 'admin', 'support', 'staff', 'operator', 'human', 'employee', 'representative')
                then 'agent'
            when lower(trim(sender)) in ('bot', 'chatbot', 'ai', 'assistant', 'auto', 'automation', 'system', 'info')
                then 'system'
            when sender_agent_id is not null or exists (
                select from public.agents a where sender in (a.id::text, a.name, a.email)
            ) then 'agent'
            else 'user'
        end,
        legacy = _supportchat.noted(legacy, 'sender', sender)
    where sender is null or sender not in ('user', 'agent', 'system');
    -- A message that no check would let in stays as it was said. legacy is what exempts it.
    update public.chat_messages set message = coalesce(message, ''), legacy = coalesce(legacy, '{}')
    where legacy is null and (
        message is null or char_length(message) > _supportchat.longest_message() or (message !~ '\S' and image_id is null)
    );
    update public.chat_messages set message = '' where message is null;
    update public.chat_messages set detail = '{}' where detail is null;
    with twins as (
        select ctid as place, row_number() over (partition by session_id, sender, client_message_id order by created_at, ctid) as number
        from public.chat_messages
        where client_message_id is not null and to_regclass('public.chat_messages_client_key') is null
    )
    update public.chat_messages m set
        client_message_id = gen_random_uuid(), legacy = _supportchat.noted(legacy, 'client_message_id', client_message_id::text)
    from twins where twins.place = m.ctid and twins.number > 1;
    update public.chat_messages set client_message_id = gen_random_uuid() where client_message_id is null;
    with counted as (
        select m.ctid as place, coalesce(known.last, 0) + row_number() over (
            partition by m.session_id order by m.created_at, m.id, m.ctid
        ) as seq
        from public.chat_messages m
        left join (
            select session_id, max(seq) as last from public.chat_messages where seq is not null group by session_id
        ) as known on known.session_id = m.session_id
        where m.seq is null and m.session_id is not null
    )
    update public.chat_messages m set seq = counted.seq from counted where counted.place = m.ctid;
    update public.user_sessions s set last_seq = counted.last
    from (select session_id, max(seq) as last from public.chat_messages group by session_id) as counted
    where counted.session_id = s.session_id and s.last_seq is distinct from counted.last and counted.last > coalesce(s.last_seq, 0);
    update public.user_sessions set last_seq = 0 where last_seq is null;

    -- Tickets of older versions. A ticket that has no number yet is one; numbers are given by time. Each table is read as a
    -- whole: what looks up the rows of one conversation has no index yet, or may not use one that is as new as this transaction.
    update public.tickets t set created_at = coalesce(
        (select s.created_at from public.user_sessions s where s.session_id = t.session_id), now()
    ) where created_at is null;
    update public.tickets set updated_at = coalesce(closed_at, created_at) where updated_at is null;
    update public.tickets set version = 1 where version is null;
    -- Here and not only in fix_user_sessions_columns.sql: a row that this transaction has written already is held against its
    -- foreign keys when it is written again, and those come in between.
    update public.tickets set channel = 'web-chat', legacy = _supportchat.noted(legacy, 'channel', channel)
    where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
    update public.tickets set channel = left(channel, 32), legacy = _supportchat.noted(legacy, 'channel', channel)
    where char_length(channel) > 32;
    update public.tickets set
        status = case
            when lower(translate(trim(status), ' -', '__')) in (
                'closed', 'resolved', 'solved', 'done', 'completed', 'complete', 'ended', 'finished', 'archived', 'cancelled',
                'canceled', 'expired', 'inactive', 'spam', 'deleted', 'rejected'
            ) then 'closed'
            when assigned_agent_id is null then 'waiting'
            else 'open'
        end,
        legacy = _supportchat.noted(legacy, 'status', status)
    where status is null or status not in ('waiting', 'open', 'closed')
        or (status = 'open' and assigned_agent_id is null) or (status = 'waiting' and assigned_agent_id is not null);
    -- What is open for an agent who is not there waits for another one.
    update public.tickets t set
        status = 'waiting', assigned_agent_id = null,
        legacy = _supportchat.noted(_supportchat.noted(legacy, 'status', status), 'assigned_agent_id', assigned_agent_id::text)
    where status = 'open' and not exists (select from public.agents a where a.id = t.assigned_agent_id);
    with twins as (
        select ctid as place, row_number() over (partition by number order by created_at, ctid) as number
        from public.tickets where number is not null and to_regclass('public.tickets_number_key') is null
    )
    update public.tickets t set number = null, legacy = _supportchat.noted(legacy, 'number', t.number::text)
    from twins where twins.place = t.ctid and twins.number > 1;
    with counted as (
        select t.ctid as place, greatest(1000, (select max(number) from public.tickets)) + row_number() over (
            order by t.created_at, to_jsonb(t) -> 'legacy_id', t.id, t.ctid
        ) as number
        from public.tickets t where t.number is null
    )
    update public.tickets t set number = counted.number from counted where counted.place = t.ctid;
    -- Since when a customer waits: since the first message after the last answer. And when a ticket was closed.
    with unknown as (
        select session_id from public.tickets where status <> 'closed' and awaiting_since is null and session_id is not null
    ), spoken as (
        select m.session_id, min(m.created_at) as since
        from (
            select session_id, sender, seq, created_at,
                max(seq) filter (where sender = 'agent') over (partition by session_id) as answered
            from public.chat_messages
            where session_id in (select session_id from unknown)
        ) as m
        where m.sender = 'user' and m.seq > coalesce(m.answered, 0)
        group by m.session_id
    )
    update public.tickets t set awaiting_since = spoken.since from spoken
    where spoken.session_id = t.session_id and t.status <> 'closed' and t.awaiting_since is null;
    update public.tickets set awaiting_since = null, legacy = _supportchat.noted(legacy, 'awaiting_since', awaiting_since::text)
    where status = 'closed' and awaiting_since is not null;
    update public.tickets set closed_at = updated_at where status = 'closed' and closed_at is null;
    -- Of an older version only: a ticket that is open again for an afterword keeps its closed_at. See load_of_agent.
    update public.tickets set closed_at = null, legacy = _supportchat.noted(legacy, 'closed_at', closed_at::text)
    where status <> 'closed' and closed_at is not null
        and not exists (
            select from pg_policy where polrelid = 'public.tickets'::regclass and polname = 'server_only'
        );
    perform setval('public.ticket_numbers', numbered.last)
    from (select max(number) as last from public.tickets) as numbered, public.ticket_numbers as counter
    where numbered.last > counter.last_value or (numbered.last = counter.last_value and not counter.is_called);
    -- One ticket at a time can be worked on in a conversation, and none without one.
    with older as (
        select t.place
        from (
            select ctid as place, session_id, number, max(number) over (partition by session_id) as newest
            from public.tickets where status <> 'closed'
        ) as t
        where t.number < t.newest or not exists (select from public.user_sessions s where s.session_id = t.session_id)
    )
    update public.tickets t set
        status = 'closed', closed_at = t.updated_at, awaiting_since = null, legacy = _supportchat.noted(legacy, 'status', status)
    from older where older.place = t.ctid;
    perform set_config('enable_nestloop', 'on', true);
end $mend$;

-- Counters that are newer than their rows.
do $$
begin
    if not _supportchat.may_be_empty('user_sessions', 'customer_lines')
        and not _supportchat.may_be_empty('user_sessions', 'last_spoken_seq') then
        return;
    end if;
    update public.user_sessions s set customer_lines = counted.lines, last_spoken_seq = coalesce(counted.last, 0)
    from (
        select session_id, count(*) filter (where sender = 'user') as lines, max(seq) filter (where sender <> 'system') as last
        from public.chat_messages
        where session_id in (select session_id from public.user_sessions where customer_lines is null or last_spoken_seq is null)
        group by session_id
    ) as counted
    where counted.session_id = s.session_id;
    update public.user_sessions set customer_lines = coalesce(customer_lines, 0), last_spoken_seq = coalesce(last_spoken_seq, 0)
    where customer_lines is null or last_spoken_seq is null;
end $$;

select _supportchat.pause_triggers(name, false) from _supportchat.older_tables() as name;

-- Columns that are new in tables of this version; and then every demand. fix_user_sessions_columns.sql makes two of them.
select _supportchat.ensure_columns(array(
    select _supportchat.declared_tables() except select _supportchat.older_tables()
));
do $$
begin
    if _supportchat.may_be_empty('ticket_reads', 'read_lines') then
        -- Who has read everything has read all lines: most have, and nothing is counted for them.
        update public.ticket_reads r set read_lines = case when r.read_seq >= s.last_seq then s.customer_lines else (
            select count(*) from public.chat_messages m
            where m.session_id = r.session_id and m.sender = 'user' and m.seq <= r.read_seq
        ) end
        from public.user_sessions s where s.session_id = r.session_id and r.read_lines is null;
    end if;
end $$;
select _supportchat.require_columns(array(select name from _supportchat.declared_tables() as name where name <> 'user_sessions'));
select _supportchat.require_columns('{user_sessions}', '{channel, is_anonymous}');
-- A key that a table of this version has lost. Those of older versions have unique indexes for it.
do $$
declare
    missing record;
begin
    for missing in
        select table_name, string_agg(quote_ident(column_name), ', ' order by place) as key
        from _supportchat.declared_columns() where demand = 'key' and is_older is not true group by table_name
        having not exists (
            select from pg_constraint where conrelid = format('public.%I', table_name)::regclass and contype = 'p'
        )
    loop
        execute format('alter table public.%I add primary key (%s)', missing.table_name, missing.key);
    end loop;
end $$;
select _supportchat.ensure_index(index_name) from _supportchat.declared_indexes();

-- The history of the tickets, which had a table of its own before there was a log. Its people become ids.
do $$
begin
    if not exists (
        select from pg_policy where polrelid = to_regclass('public.ticket_events') and polname = 'server_only'
    ) then
        return;
    end if;
    insert into public.events (id, transaction, kind, session_id, ticket_id, actor, agent_id, detail, created_at)
    overriding system value
    select e.id, '0', 'ticket.' || e.event, t.session_id, e.ticket_id, e.actor, e.agent_id, e.detail || coalesce((
        select jsonb_object_agg(key, value -> 'id') from jsonb_each(e.detail) where jsonb_typeof(value) = 'object'
    ), '{}'), e.created_at
    from public.ticket_events e join public.tickets t on t.id = e.ticket_id
    on conflict do nothing;
    perform setval(pg_get_serial_sequence('public.events', 'id'), last) from (select max(id) as last from public.events) as e
    where last is not null;
    drop table public.ticket_events;
end $$;
-- Which conversations are open in a process has a table of its own by now.
alter table public.server_processes drop column if exists sessions;

-- In another history than the one in which they were written (a dump that was read back), events are of the past.
update public.events set transaction = '0' where transaction >= pg_snapshot_xmax(pg_current_snapshot());

-- An earlier version numbered the lines of the search by itself, and wrote each new one into all of the index at once.
alter table public.search_lines alter column line_id drop identity if exists;
alter index public.search_lines_words_idx set (fastupdate = 'on', gin_pending_list_limit = 64);

-- Indexes that an earlier version used.
do $$
declare
    former regclass;
begin
    for former in
        select i.indexrelid::regclass from pg_index i
        join pg_class c on c.oid = i.indexrelid
        where (i.indrelid, c.relname) in (
            ('public.tickets'::regclass, 'tickets_not_closed_idx'), ('public.tickets'::regclass, 'tickets_updated_at_idx'),
            ('public.tickets'::regclass, 'tickets_session_id_idx'), ('public.tickets'::regclass, 'tickets_ready_idx'),
            ('public.chat_messages'::regclass, 'chat_messages_sender_agent_id_idx'),
            ('public.chat_messages'::regclass, 'chat_messages_image_id_idx'),
            ('public.events'::regclass, 'events_ticket_id_idx')
        )
    loop
        execute format('drop index %s', former);
    end loop;
end $$;

-- An index of an older version that does the same as one of these is only work.
do $$
declare
    twin regclass;
begin
    for twin in
        select other.indexrelid::regclass
        from _supportchat.declared_indexes() as declared
        join pg_index own on own.indexrelid = format('public.%I', declared.index_name)::regclass
        join pg_index other on other.indrelid = own.indrelid and other.indexrelid <> own.indexrelid
        join pg_class other_name on other_name.oid = other.indexrelid
        where not declared.is_unique
            and not exists (select from pg_constraint k where k.conindid = other.indexrelid)
            and replace(pg_get_indexdef(own.indexrelid), declared.index_name, '')
            = replace(pg_get_indexdef(other.indexrelid), other_name.relname, '')
    loop
        execute format('drop index %s', twin);
    end loop;
end $$;

-- The functions of this desk see no schema, and an old trigger that they set off would see none either: it gets the path
-- that it was written for. A function that other tables' triggers run as well, or of another schema, is not ours to alter.
do $$
declare
    other record;
    path text := (
        select string_agg(nspname, ', ' order by nspname desc) from pg_namespace where nspname in ('public', 'extensions')
    );
begin
    for other in
        select p.oid::regprocedure as signature, p.pronamespace = 'public'::regnamespace and pg_has_role(p.proowner, 'usage')
            and not exists (
                select from pg_trigger elsewhere
                join pg_class its_table on its_table.oid = elsewhere.tgrelid
                where elsewhere.tgfoid = p.oid and not (
                    its_table.relnamespace = 'public'::regnamespace
                    and its_table.relname in (select _supportchat.older_tables())
                )
            ) as is_ours
        from pg_proc p
        join pg_language l on l.oid = p.prolang
        where l.lanname not in ('internal', 'c')
            and exists (
                select from pg_trigger t
                where t.tgfoid = p.oid and not t.tgisinternal
                    and t.tgrelid in (select format('public.%I', name)::regclass from _supportchat.older_tables() as name)
            )
            and not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=%')
    loop
        if other.is_ours then
            execute format('alter function %s set search_path = %s', other.signature, path);
        else
            raise warning 'A trigger runs %, which is not only ours: alter function % set search_path = %, if it names tables without their schema',
                other.signature, other.signature, path;
        end if;
    end loop;
end $$;
