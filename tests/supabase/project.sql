-- What the database of a new Supabase project holds before anybody has made a table in it: the schemas of the platform,
-- what a desk meets of them, and the grants. Run by supabase_admin in an empty database.

create schema extensions;
grant usage on schema extensions to postgres, anon, authenticated, service_role;
grant all on schema extensions to postgres;
grant usage on schema public to postgres, anon, authenticated, service_role;
-- The logical decoding of Postgres Changes reads what is in here: nothing, in a new project.
create publication supabase_realtime;

-- auth ------------------------------------------------------------------------------------------------------------------

create schema auth authorization supabase_auth_admin;
grant usage on schema auth to postgres, anon, authenticated, service_role;

create table auth.users (
    id uuid primary key,
    email text,
    created_at timestamptz default now()
);
alter table auth.users owner to supabase_auth_admin;
alter table auth.users enable row level security;
grant select on auth.users to postgres;

create function auth.jwt() returns jsonb language sql stable
return nullif(current_setting('request.jwt.claims', true), '')::jsonb;

create function auth.uid() returns uuid language sql stable
return (auth.jwt() ->> 'sub')::uuid;

create function auth.role() returns text language sql stable
return auth.jwt() ->> 'role';

alter function auth.jwt() owner to supabase_auth_admin;
alter function auth.uid() owner to supabase_auth_admin;
alter function auth.role() owner to supabase_auth_admin;

-- PostgREST: its cache follows the definitions -----------------------------------------------------------------------------

create function extensions.pgrst_ddl_watch() returns event_trigger language plpgsql as $$
begin
    if exists (
        select from pg_event_trigger_ddl_commands() as command
        where
            command.command_tag ~ '^(CREATE|ALTER) (SCHEMA|TABLE|FOREIGN TABLE|VIEW|MATERIALIZED VIEW|FUNCTION|TYPE|TRIGGER)'
            and coalesce(command.schema_name, '') not in ('pg_temp', 'auth', 'realtime', 'storage')
    ) then
        notify pgrst, 'reload schema';
    end if;
end;
$$;

create function extensions.pgrst_drop_watch() returns event_trigger language plpgsql as $$
begin
    if exists (
        select from pg_event_trigger_dropped_objects() as gone
        where
            gone.object_type in ('schema', 'table', 'view', 'materialized view', 'function', 'type', 'trigger')
            and not gone.is_temporary
            and coalesce(gone.schema_name, '') not in ('auth', 'realtime', 'storage')
    ) then
        notify pgrst, 'reload schema';
    end if;
end;
$$;

-- realtime ----------------------------------------------------------------------------------------------------------------

create schema realtime;
grant usage on schema realtime to anon, authenticated, service_role;
grant usage on schema realtime to postgres with grant option;
grant all on schema realtime to supabase_realtime_admin with grant option;

create table realtime.messages (
    topic text not null,
    extension text not null,
    payload jsonb,
    event text,
    private boolean default false,
    updated_at timestamp not null default now(),
    inserted_at timestamp not null default now(),
    id uuid not null default gen_random_uuid(),
    primary key (id, inserted_at)
) partition by range (inserted_at);
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
grant all on realtime.messages to postgres;

create function realtime.topic() returns text language sql stable
return nullif(current_setting('realtime.topic', true), '');

-- Runs as its caller. Nothing that goes wrong in here reaches him but as a warning.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true)
returns void language plpgsql as $$
declare
    message_id uuid := gen_random_uuid();
begin
    perform set_config('realtime.topic', topic, true);
    insert into realtime.messages (id, payload, event, topic, private, extension)
    values (
        message_id,
        case when payload ? 'id' then payload else jsonb_set(payload, '{id}', to_jsonb(message_id)) end,
        event,
        topic,
        private,
        'broadcast'
    );
exception when others then
    raise warning 'ErrorSendingBroadcastMessage: %', sqlerrm;
end;
$$;

create function realtime.broadcast_changes(
    topic_name text,
    event_name text,
    operation text,
    table_name text,
    table_schema text,
    new record,
    old record,
    level text default 'ROW'
) returns void language plpgsql as $$
begin
    if level = 'STATEMENT' then
        raise exception 'function can only be triggered for each row, not for each statement';
    end if;
    perform realtime.send(
        jsonb_build_object(
            'record', new, 'old_record', old, 'operation', operation, 'table', table_name, 'schema', table_schema
        ),
        event_name,
        topic_name
    );
end;
$$;

alter table realtime.messages owner to supabase_realtime_admin;
alter function realtime.topic() owner to supabase_realtime_admin;
alter function realtime.send(jsonb, text, text, boolean) owner to supabase_realtime_admin;
alter function realtime.broadcast_changes(text, text, text, text, text, record, record, text)
owner to supabase_realtime_admin;

-- Stands in for the write-ahead log: what commits is told, in the order of the commits, to who listens just then.
create function realtime.tell_replication() returns trigger language plpgsql as $$
begin
    perform pg_notify('realtime_replication', new.id::text);
    return null;
end;
$$;

create trigger tell_replication after insert on realtime.messages
for each row execute function realtime.tell_replication();

-- storage -----------------------------------------------------------------------------------------------------------------

create schema storage authorization supabase_storage_admin;
grant usage on schema storage to anon, authenticated, service_role;
grant usage on schema storage to postgres with grant option;

create type storage.buckettype as enum ('STANDARD', 'ANALYTICS', 'VECTOR');

create table storage.buckets (
    id text primary key,
    name text not null unique check (length(name) <= 100),
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    public boolean default false,
    avif_autodetection boolean default false,
    file_size_limit bigint,
    allowed_mime_types text[],
    owner_id text,
    type storage.buckettype not null default 'STANDARD'
);

create table storage.objects (
    id uuid primary key default gen_random_uuid(),
    bucket_id text references storage.buckets (id),
    name text,
    owner uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    last_accessed_at timestamptz default now(),
    metadata jsonb,
    path_tokens text[] generated always as (string_to_array(name, '/')) stored,
    version text,
    owner_id text,
    user_metadata jsonb
);
create unique index bucketid_objname on storage.objects (bucket_id, name);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;

create function storage.foldername(name text) returns text[] language sql immutable
return trim_array(string_to_array(name, '/'), 1);

create function storage.filename(name text) returns text language sql immutable
return (string_to_array(name, '/'))[cardinality(string_to_array(name, '/'))];

create function storage.protect_delete() returns trigger language plpgsql as $$
begin
    if coalesce(current_setting('storage.can_delete', true), 'false') <> 'true' then
        raise exception 'Direct deletion from storage tables is not allowed. Use the Storage API instead.'
            using errcode = '42501', hint = 'This prevents accidental data loss from orphaned objects.';
    end if;
    return null;
end;
$$;

create trigger protect_buckets_delete before delete on storage.buckets
for each statement execute function storage.protect_delete();
create trigger protect_objects_delete before delete on storage.objects
for each statement execute function storage.protect_delete();

create function storage.update_updated_at_column() returns trigger language plpgsql as $$
begin
    new.updated_at = now();
    return new;
end;
$$;

create trigger update_objects_updated_at before update on storage.objects
for each row execute function storage.update_updated_at_column();

alter type storage.buckettype owner to supabase_storage_admin;
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
alter function storage.foldername(text) owner to supabase_storage_admin;
alter function storage.filename(text) owner to supabase_storage_admin;
alter function storage.protect_delete() owner to supabase_storage_admin;
alter function storage.update_updated_at_column() owner to supabase_storage_admin;
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;
grant all on storage.buckets, storage.objects to postgres with grant option;

-- Last, so that none of the above wakes them.
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.pgrst_ddl_watch();
create event trigger pgrst_drop_watch on sql_drop execute function extensions.pgrst_drop_watch();
