-- What the keys of a browser reach in the database: nothing. Run by `supabase test db` on the local project.

begin;

select plan(9);

create temporary table outsider as
select rolname as role_name from pg_roles where rolname in ('anon', 'authenticated');

select is((select count(*) from outsider), 2::bigint, 'this is a project of Supabase');

select is_empty(
    $$
        select o.role_name, n.nspname
        from outsider o, pg_namespace n
        where (n.nspname = '_supportchat' and has_schema_privilege(o.role_name, n.oid, 'usage'))
            or (n.nspname in ('public', '_supportchat') and has_schema_privilege(o.role_name, n.oid, 'create'))
    $$,
    'no helper can be named, and nothing can be made'
);

select is_empty(
    $$
        select o.role_name, c.oid::regclass
        from outsider o, pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
            and has_table_privilege(o.role_name, c.oid, 'select, insert, update, delete, truncate, references, trigger')
    $$,
    'no table can be read or written'
);

select is_empty(
    $$
        select o.role_name, c.oid::regclass
        from outsider o, pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
            and has_any_column_privilege(o.role_name, c.oid, 'select, insert, update, references')
    $$,
    'no column can be read or written'
);

select is_empty(
    $$
        select o.role_name, c.oid::regclass
        from outsider o, pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'
            and has_sequence_privilege(o.role_name, c.oid, 'usage, select, update')
    $$,
    'no sequence can be used'
);

select is_empty(
    $$
        select o.role_name, p.oid::regprocedure
        from outsider o, pg_proc p
        where p.pronamespace in ('public'::regnamespace, '_supportchat'::regnamespace)
            and has_function_privilege(o.role_name, p.oid, 'execute')
    $$,
    'no function can be called'
);

select is_empty(
    $$
        select c.oid::regclass
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity
    $$,
    'row-level security is on for every table'
);

set local role anon;

select throws_ok('select * from public.chat_messages', '42501', null, 'anon is refused a table');
select throws_ok('select public.list_agents()', '42501', null, 'anon is refused a function');

reset role;

select * from finish();

rollback;
