-- The roles of a Supabase project. They belong to the whole cluster; the bootstrap superuser is called supabase_admin.
create role postgres login createdb createrole replication bypassrls;
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit;
create role supabase_auth_admin login noinherit createrole;
create role supabase_storage_admin login noinherit createrole;
create role supabase_realtime_admin login noinherit createrole replication;
create role dashboard_user nologin createdb createrole replication;

grant anon, authenticated, service_role to authenticator, supabase_storage_admin, supabase_realtime_admin;
grant anon, authenticated, service_role to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role supabase_admin set search_path = '$user', public, auth, extensions;
alter role postgres set search_path = '$user', public, extensions;
alter role supabase_storage_admin set search_path = storage;
