-- exposures.sql: what of the desk somebody else than its server can reach, and how to close it. Safe to run again.

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

-- Who is not let in: everybody, and the roles of the keys that a browser may hold.
create or replace function _supportchat.outsiders()
returns table (role_id oid, role_name text)
language sql
stable
set search_path = ''
as $$
    select 0::oid, 'public'
    union all
    select oid, rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated')
$$;

-- Everything that is the desk's: schema, tables and what belongs to them, the views above them, and functions by their
-- names in public, whatever their arguments are. `target` is what a grant calls it.
create or replace function _supportchat.own_things(p_names text[])
returns table (kind text, id oid, thing text, target text, owner_id oid, acl aclitem[])
language sql
stable
set search_path = ''
as $$
    with own as (
        select relation_id as id from _supportchat.own_relations()
        union
        select oid from pg_catalog.pg_class
        where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and (
            relnamespace = '_supportchat'::regnamespace
            or (relnamespace = 'public'::regnamespace and relname = 'ticket_numbers')
        )
        union
        select s.oid
        from _supportchat.own_relations()
        join pg_catalog.pg_depend d on d.refobjid = relation_id and d.refclassid = 'pg_class'::regclass
            and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
    )
    select 'relation', c.oid, c.oid::regclass::text,
        case c.relkind when 'S' then 'sequence ' else '' end || c.oid::regclass::text,
        c.relowner, coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))
    from own join pg_catalog.pg_class c on c.oid = own.id
    union all
    select 'routine', p.oid, p.oid::regprocedure::text, 'routine ' || p.oid::regprocedure::text,
        p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_catalog.pg_proc p
    where p.pronamespace = '_supportchat'::regnamespace
        or (p.pronamespace = 'public'::regnamespace and p.proname = any (p_names))
    union all
    select 'schema', n.oid, 'schema ' || n.nspname, 'schema ' || n.nspname, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
    from pg_catalog.pg_namespace n where n.nspname = '_supportchat'
$$;

-- What was granted to them, or is theirs: whole things, columns, and new things in our schemas.
create or replace function _supportchat.granted_to_outsiders(p_names text[])
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    with own as materialized (
        select * from _supportchat.own_things(p_names)
    ), outsider as materialized (
        select role_id, role_name, case role_id when 0 then 'public' else quote_ident(role_name) end as grantee
        from _supportchat.outsiders()
    ), granted as (
        select thing, target, owner_id, g.*
        from own cross join aclexplode(own.acl) as g
        union all
        select format('%s (%s)', own.thing, a.attname), own.target, own.owner_id, g.*
        from own join pg_catalog.pg_attribute a on own.kind = 'relation' and a.attrelid = own.id and not a.attisdropped
        cross join aclexplode(a.attacl) as g
        union all
        -- Who may create something in public could put a function in the place of one of ours.
        select 'schema public', 'schema public', n.nspowner, g.*
        from pg_catalog.pg_namespace n cross join aclexplode(n.nspacl) as g
        where n.nspname = 'public' and g.privilege_type = 'CREATE'
    )
    select 'grant', o.role_name, g.thing, string_agg(distinct g.privilege_type, ', '), case
        when g.grantor = g.owner_id then format('revoke %s on %s from %s', case g.target
            when 'schema public' then 'create' else 'all'
        end, g.target, o.grantee)
        -- Only who has granted it could take it back by name.
        else format('revoke grant option for all on %s from %I cascade', g.target, pg_get_userbyid(g.grantor))
    end
    from granted g join outsider o on o.role_id = g.grantee and g.grantee <> g.owner_id
    group by o.role_name, o.grantee, g.thing, g.target, g.grantor, g.owner_id
    union all
    select 'owner', o.role_name, own.thing, null, format(
        'alter %s owner to %I', case own.kind when 'relation' then 'table ' || own.thing else own.target end, (
            select pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = '_supportchat'
        )
    )
    from own join outsider o on o.role_id = own.owner_id
    where own.target not like 'sequence %'
    union all
    select 'default', o.role_name, '_supportchat', string_agg(distinct g.privilege_type, ', '), format(
        'alter default privileges for role %I in schema _supportchat revoke all on %s from %s',
        pg_get_userbyid(d.defaclrole),
        case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' else 'types' end,
        o.grantee
    )
    from pg_catalog.pg_default_acl d
    cross join aclexplode(d.defaclacl) as g
    join outsider o on o.role_id = g.grantee
    where d.defaclnamespace = '_supportchat'::regnamespace
    group by o.role_name, o.grantee, d.defaclrole, d.defaclobjtype
$$;

-- Tables whose rows are not closed by row-level security any more, and tables whose changes Supabase tells to browsers.
create or replace function _supportchat.opened_tables()
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    with own as materialized (
        select c.oid, c.oid::regclass::text as thing, c.relrowsecurity
        from _supportchat.declared_tables() as name
        join pg_catalog.pg_class c on c.oid = to_regclass(format('public.%I', name))
    )
    select 'row_security', null, thing, null, format('alter table %s enable row level security', thing)
    from own where not relrowsecurity
    union all
    select 'no_policy', null, thing, null, format(
        'drop policy if exists server_only on %1$s;'
        ' create policy server_only on %1$s as restrictive using (false) with check (false)', thing
    )
    from own
    where not exists (
        select from pg_catalog.pg_policy p
        where p.polrelid = own.oid and p.polname = 'server_only' and not p.polpermissive and p.polcmd = '*'
            and p.polroles = '{0}' and pg_get_expr(p.polqual, p.polrelid) = 'false'
            and pg_get_expr(p.polwithcheck, p.polrelid) = 'false'
    )
    union all
    select 'policy', string_agg(o.role_name, ', ' order by o.role_name), own.thing, p.polname, format(
        'drop policy %I on %s', p.polname, own.thing
    )
    from own
    join pg_catalog.pg_policy p on p.polrelid = own.oid and p.polpermissive and p.polname <> 'server_only'
    join _supportchat.outsiders() as o on o.role_id = any (p.polroles)
    group by own.thing, p.polname
    union all
    select 'published', null, coalesce(own.thing, 'public'), p.pubname, case
        when p.puballtables then format('drop publication %1$I; create publication %1$I', p.pubname)
        when own.thing is null then format('alter publication %I drop tables in schema public', p.pubname)
        else format('alter publication %I drop table %s', p.pubname, own.thing)
    end
    from pg_catalog.pg_publication p
    left join pg_catalog.pg_publication_namespace n on n.pnpubid = p.oid and n.pnnspid = 'public'::regnamespace
    left join (pg_catalog.pg_publication_rel r join own on own.oid = r.prrelid) on r.prpubid = p.oid
    where p.pubname like 'supabase\_realtime%' and (p.puballtables or n.oid is not null or own.oid is not null)
$$;

-- The roles that stand above row-level security and all grants, or own the tables, and are neither the desk nor Supabase's own:
-- attributes of an outsider, what outsiders are members of, and others with rights on the tables.
create or replace function _supportchat.powerful_roles(p_names text[])
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    with own as materialized (
        select * from _supportchat.own_things(p_names)
    ), outsider as materialized (
        select r.* from pg_catalog.pg_roles r join _supportchat.outsiders() as o on o.role_id = r.oid
    ), owner as materialized (
        select distinct owner_id from own where owner_id not in (select oid from outsider)
    ), powerful as materialized (
        select r.oid from pg_catalog.pg_roles r
        where r.oid not in (select oid from outsider) and (
            r.rolsuper or r.rolbypassrls or r.oid in (
                select owner_id from owner union select g.grantee from own cross join aclexplode(own.acl) as g
            ) or r.rolname in (
                'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                'pg_execute_server_program'
            )
        )
    ), others as materialized (
        select r.* from pg_catalog.pg_roles r
        where r.oid <> 10 and r.oid not in (select oid from outsider) and r.oid not in (select owner_id from owner)
            and r.rolname not in (current_user, session_user, 'service_role', 'postgres')
            and r.rolname !~ '^(pg|supabase|cli_login)_'
    )
    select 'attribute', o.rolname, null, has.attribute, format('alter role %I no%s', o.rolname, lower(has.attribute))
    from outsider o cross join lateral (values
        ('SUPERUSER', o.rolsuper), ('BYPASSRLS', o.rolbypassrls), ('CREATEROLE', o.rolcreaterole),
        ('REPLICATION', o.rolreplication)
    ) as has (attribute, is_so)
    where has.is_so
    union all
    select 'member', o.rolname, pg_get_userbyid(m.roleid), null, format(
        'revoke %I from %I granted by %I', pg_get_userbyid(m.roleid), o.rolname, pg_get_userbyid(m.grantor)
    )
    from outsider o join pg_catalog.pg_auth_members m on m.member = o.oid
    where exists (select from powerful p where pg_has_role(m.roleid, p.oid, 'member'))
    union all
    select case when r.rolsuper then 'superuser' else 'bypass' end, r.rolname, null, case when r.rolsuper then 'SUPERUSER' else 'BYPASSRLS' end,
        format('alter role %I %s', r.rolname, case when r.rolsuper then 'nosuperuser' else 'nobypassrls' end)
    from others r
    where r.rolsuper or (r.rolbypassrls and exists (
        select from own where own.kind = 'relation' and own.target not like 'sequence %'
            and has_table_privilege(r.oid, own.id, 'select, insert, update, delete, truncate')
    ))
    union all
    -- An administrator of the owner is no member of it yet: CREATEROLE makes everybody one of who they create.
    select 'member', r.rolname, pg_get_userbyid(m.roleid), null, format(
        'revoke %I from %I granted by %I', pg_get_userbyid(m.roleid), r.rolname, pg_get_userbyid(m.grantor)
    )
    from others r
    join pg_catalog.pg_auth_members m on m.member = r.oid and m.roleid in (select owner_id from owner)
    where not r.rolsuper and (
        coalesce(to_jsonb(m) ->> 'inherit_option', 'true')::boolean or coalesce(to_jsonb(m) ->> 'set_option', 'true')::boolean
    )
$$;

-- Functions of others that outsiders may run and that read our tables with the rights of their owner.
create or replace function _supportchat.functions_that_lend_rights(p_names text[])
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    select 'lends', o.role_name, p.oid::regprocedure::text, null, format(
        'revoke all on routine %s from %s', p.oid::regprocedure, case o.role_id when 0 then 'public' else quote_ident(o.role_name) end
    )
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as g
    join _supportchat.outsiders() as o on o.role_id = g.grantee
    where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema', '_supportchat')
        and not (n.nspname = 'public' and p.proname = any (p_names))
        and exists (
            select from _supportchat.declared_tables() as name
            where has_table_privilege(p.proowner, to_regclass(format('public.%I', name)), 'select, insert, update, delete')
                -- A path that does not lead to public means tables of somebody else, unless it is written out.
                and coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) ~* format(
                    '\m(from|join|into|update|table|only)\s+(public\.)%s"?%s\M', case
                        when array_to_string(p.proconfig, ',') ~ 'search_path=(?!.*public)' then '' else '?'
                    end, name
                )
        )
$$;

-- Of an earlier version, whose arguments had other names.
drop function if exists _supportchat.may_do(text, text, text);

-- Whether a role may do something that the policies of Supabase's own tables decide. It is tried with a row of ours, and taken
-- back; nothing is said of what cannot be tried.
create or replace function _supportchat.may_do(p_role text, p_right text, p_table text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    done bigint;
begin
    if p_table = 'realtime.messages' then
        insert into realtime.messages (topic, extension, event, private, payload)
        values ('supportchat', 'broadcast', 'look', true, '{}');
    else
        insert into storage.objects (bucket_id, name) values ('chat-images', 'look');
    end if;
    perform set_config('request.jwt.claims', jsonb_build_object('role', p_role, 'sub', gen_random_uuid())::text, true),
        set_config('realtime.topic', 'supportchat', true), set_config('storage.can_delete', 'true', true),
        set_config('role', p_role, true);
    case p_right || ' ' || p_table
        when 'SELECT realtime.messages' then
            perform from realtime.messages where topic = 'supportchat' limit 1;
        when 'INSERT realtime.messages' then
            insert into realtime.messages (topic, extension, private) values ('supportchat', 'broadcast', true);
        when 'SELECT storage.objects' then
            perform from storage.objects where bucket_id = 'chat-images' limit 1;
        when 'INSERT storage.objects' then
            insert into storage.objects (bucket_id, name) values ('chat-images', 'look again');
        when 'UPDATE storage.objects' then
            update storage.objects set name = 'changed' where bucket_id = 'chat-images';
        when 'DELETE storage.objects' then
            delete from storage.objects where bucket_id = 'chat-images';
    end case;
    get diagnostics done = row_count;
    raise sqlstate 'SC003' using message = done;
exception
    when sqlstate 'SC003' then
        return sqlerrm::bigint > 0;
    when others then
        return false;
end $$;

-- Policies of an app on Supabase's own tables that also let its users hear our events, or see and change our pictures.
-- The restrictive policy that closes it leaves the app's as they are.
create or replace function _supportchat.opened_on_supabase()
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
set search_path = ''
as $$
    with place (kind, thing, possible, bounds) as (
        values
        (
            'realtime', 'realtime.messages', '{SELECT,INSERT}'::text[],
            'realtime.topic() is distinct from ''supportchat'''
        ),
        (
            'storage', 'storage.objects', '{SELECT,INSERT,UPDATE,DELETE}'::text[],
            'bucket_id is distinct from ''chat-images'''
        )
    )
    select place.kind, o.role_name, place.thing, string_agg(right_name, ', ' order by right_name desc), format(
        'drop policy if exists supportchat_is_private on %1$s;'
        ' create policy supportchat_is_private on %1$s as restrictive to anon, authenticated using (%2$s)',
        place.thing, place.bounds
    )
    from place
    cross join unnest(place.possible) as right_name
    join _supportchat.outsiders() as o on o.role_id <> 0
    -- Whoever stands above all policies is reported for that.
    join pg_catalog.pg_roles r on r.oid = o.role_id and not r.rolsuper and not r.rolbypassrls
    where _supportchat.may_do(o.role_name, right_name, place.thing)
    group by place.kind, place.thing, place.bounds, o.role_name
$$;

-- What of the desk others than its server can reach. `p_names` are the functions that it calls. Each entry has a kind, who can,
-- what, with which rights, and the statements that close it.
create or replace function public.find_exposures(p_names text[])
returns jsonb
language sql
set search_path = ''
as $$
    select coalesce(jsonb_agg(
        jsonb_build_object('kind', kind, 'role', upper_public, 'thing', thing, 'rights', rights, 'fix', fix || ';')
        order by kind, thing, upper_public
    ), '[]')
    from (
        select 'key' as kind, current_user::text as role_name, null::text as thing, null::text as rights, null::text as fix
        where current_user in (select o.role_name from _supportchat.outsiders() as o)
        union all select * from _supportchat.granted_to_outsiders(p_names)
        union all select * from _supportchat.opened_tables()
        union all select * from _supportchat.powerful_roles(p_names)
        union all select * from _supportchat.functions_that_lend_rights(p_names)
        union all select * from _supportchat.opened_on_supabase()
    ) as found
    cross join lateral (select case role_name when 'public' then 'PUBLIC' else role_name end as upper_public) as said
$$;

select _supportchat.record_script('functions/exposures.sql', 'fb737301e99e');

notify pgrst, 'reload schema';

commit;
