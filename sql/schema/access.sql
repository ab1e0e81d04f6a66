-- access.sql: who may do what: the server's role everything that it needs, and nobody else anything.

-- Takes something from everybody but its owner, and gives the server's role what it needs of it, where there is one.
create or replace function _supportchat.grant_to_server(p_thing text, p_rights text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    outsider text;
begin
    execute format('revoke all on %s from public', p_thing);
    for outsider in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
        execute format('revoke all on %s from %I', p_thing, outsider);
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
        execute format('grant %s on %s to service_role', p_rights, p_thing);
    end if;
end $$;

-- Turns row-level security on for a table, with one policy that lets nobody through: the server's role stands above it,
-- and the keys that a browser may hold reach no row.
create or replace function _supportchat.close_table(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    execute format('alter table public.%I enable row level security', p_table);
    execute format('drop policy if exists server_only on public.%I', p_table);
    execute format('create policy server_only on public.%I as restrictive using (false) with check (false)', p_table);
    perform _supportchat.grant_to_server(format('public.%I', p_table), 'select, insert, update, delete');
end $$;

-- The tables, and every view that shows rows of them.
create or replace function _supportchat.own_relations()
returns table (relation_id oid)
language sql
stable
set search_path = ''
as $$
    with recursive own as (
        select to_regclass(format('public.%I', name))::oid as oid from _supportchat.declared_tables() as name
        union
        select r.ev_class from own
        join pg_catalog.pg_depend d
            on d.refobjid = own.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_rewrite'::regclass
        join pg_catalog.pg_rewrite r on r.oid = d.objid
    )
    select oid from own where oid is not null
$$;

-- The views that show rows of a table to a browser, and to whom. A view reads with the rights of its owner, past the
-- policies of the tables behind it.
create or replace function _supportchat.open_views()
returns table (view_id oid, outsiders text)
language sql
stable
set search_path = ''
as $$
    select c.oid, string_agg(distinct case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end, ', ')
    from _supportchat.own_relations()
    join pg_catalog.pg_class c on c.oid = relation_id, aclexplode(c.relacl) as granted
    where c.relkind in ('v', 'm') and (grantee = 0 or pg_get_userbyid(grantee) in ('anon', 'authenticated'))
    group by c.oid
$$;

select _supportchat.grant_to_server('schema _supportchat', 'usage');
select _supportchat.close_table(name) from _supportchat.declared_tables() as name;

-- The sequences too: of these tables, and the one of the ticket numbers. A default of nextval needs a right on it.
select _supportchat.grant_to_server(format('sequence public.%I', c.relname), 'usage')
from pg_class c
where c.relkind = 'S' and c.relnamespace = 'public'::regnamespace and (c.relname = 'ticket_numbers' or exists (
    select from pg_depend d
    where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        and d.refobjid in (select format('public.%I', own)::regclass from _supportchat.declared_tables() as own)
));

-- Not ours to close.
do $$
declare
    reader record;
begin
    for reader in select view_id::regclass as view_name, outsiders from _supportchat.open_views() loop
        raise warning 'The view % shows rows of the desk to browsers. It is left alone; to close it: revoke all on % from %',
            reader.view_name, reader.view_name, reader.outsiders;
    end loop;
end $$;
