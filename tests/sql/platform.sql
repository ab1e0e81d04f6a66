-- What Supabase gives to a database before anybody has set up anything in it, as far as the scripts can tell. Run by the
-- superuser, in each new database. project_owner stands for Supabase's role 'postgres', which is no superuser there.
grant create, usage on schema public to project_owner with grant option;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role project_owner in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role project_owner in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role project_owner in schema public grant all on sequences to anon, authenticated, service_role;

create schema storage;
create table storage.buckets (
    id text primary key,
    name text not null unique,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    public boolean default false,
    avif_autodetection boolean default false,
    file_size_limit bigint,
    allowed_mime_types text[]
);
alter table storage.buckets enable row level security;
grant usage on schema storage to project_owner, anon, authenticated, service_role;
grant all on storage.buckets to project_owner, anon, authenticated, service_role;

create schema realtime;
create table realtime.messages (
    id uuid not null default gen_random_uuid(),
    topic text not null,
    extension text not null,
    payload jsonb,
    event text,
    private boolean default false,
    inserted_at timestamp not null default now()
);
alter table realtime.messages enable row level security;
-- Fails inside and says nothing, as the real one does.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void
language plpgsql
as $$
begin
    insert into realtime.messages (payload, event, topic, private, extension)
    values (payload || jsonb_build_object('id', gen_random_uuid()), event, topic, private, 'broadcast');
exception when others then
    raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end $$;
grant usage on schema realtime to project_owner, anon, authenticated, service_role;
grant select, insert, update on realtime.messages to project_owner, anon, authenticated, service_role;
