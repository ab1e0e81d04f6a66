-- supabase_schema.sql creates every table of supportchat.
-- Run it first; it is safe to run again, and it adds what is missing to a database that an older version left behind.
-- Foreign keys follow in fix_foreign_keys.sql, channel and is_anonymous in fix_user_sessions_columns.sql.

-- Adds a constraint that is missing. Rows that already break it stay as they are: it then binds new rows only.
create or replace function public.ensure_constraint(p_table regclass, p_name text, p_definition text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if exists (select from pg_catalog.pg_constraint where conrelid = p_table and conname = p_name) then
        return;
    end if;
    execute format('alter table %s add constraint %I %s not valid', p_table, p_name, p_definition);
    begin
        execute format('alter table %s validate constraint %I', p_table, p_name);
    exception when check_violation or foreign_key_violation then
        raise notice '%: rows written before % stay as they are', p_table, p_name;
    end;
end $$;

-- Takes the named functions from everybody but their owner: Supabase would expose them to the browser's keys otherwise.
create or replace function public.withdraw_functions(p_names text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    signature regprocedure;
    outsider text;
begin
    for signature in
        select p.oid::regprocedure from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any (p_names)
    loop
        execute format('revoke all on function %s from public', signature);
        for outsider in
            select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role')
        loop
            execute format('revoke all on function %s from %I', signature, outsider);
        end loop;
    end loop;
end $$;

-- Lets only the server's role run the named functions.
create or replace function public.restrict_functions(p_names text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    signature regprocedure;
begin
    perform public.withdraw_functions(p_names);
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
        for signature in
            select p.oid::regprocedure from pg_catalog.pg_proc p
            where p.pronamespace = 'public'::regnamespace and p.proname = any (p_names)
        loop
            execute format('grant execute on function %s to service_role', signature);
        end loop;
    end if;
end $$;

-- Makes the named functions, those that the web code calls, give up in time. A psycopg connection says so for itself.
-- PostgREST would wait 8 seconds for a statement and for a lock, but it takes a statement_timeout that it finds at a
-- function for the whole request (it "hoists" it); lock_timeout works inside the function anyway. The functions that
-- these are made of have none: each setting costs a little on every call.
create or replace function public.limit_functions(p_names text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    signature regprocedure;
begin
    for signature in
        select p.oid::regprocedure from pg_catalog.pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proname = any (p_names)
    loop
        execute format('alter function %s set statement_timeout = ''3s'' set lock_timeout = ''2s''', signature);
    end loop;
end $$;

-- A browser that has chatted here, known by the hash of its cookie and by nothing that a person could type.
create table if not exists public.visitors (visitor_id uuid primary key default gen_random_uuid());
alter table public.visitors add column if not exists token_hash text not null;
alter table public.visitors add column if not exists created_at timestamptz not null default now();
create unique index if not exists visitors_token_hash_key on public.visitors (token_hash);

-- A person who answers. Passwords and login sessions live in tables of their own, so that no row of agents holds a secret.
create table if not exists public.agents (id uuid primary key default gen_random_uuid());
alter table public.agents add column if not exists name text;
alter table public.agents add column if not exists email text;
alter table public.agents add column if not exists role text not null default 'agent';
alter table public.agents add column if not exists availability text not null default 'available';
alter table public.agents add column if not exists max_tickets integer not null default 5;
alter table public.agents add column if not exists is_active boolean not null default true;
alter table public.agents add column if not exists lease_expires_at timestamptz;
alter table public.agents add column if not exists created_at timestamptz not null default now();
create unique index if not exists agents_email_key on public.agents (lower(email));

create table if not exists public.agent_credentials (agent_id uuid primary key);
alter table public.agent_credentials add column if not exists password_hash text not null;
alter table public.agent_credentials add column if not exists changed_at timestamptz not null default now();

create table if not exists public.agent_sessions (token_hash text primary key);
alter table public.agent_sessions add column if not exists agent_id uuid not null;
alter table public.agent_sessions add column if not exists created_at timestamptz not null default now();
alter table public.agent_sessions add column if not exists last_seen_at timestamptz not null default now();
create index if not exists agent_sessions_agent_id_idx on public.agent_sessions (agent_id);

-- A conversation. last_seq is the counter of its messages; it moves only under this row's lock.
create table if not exists public.user_sessions (session_id uuid primary key default gen_random_uuid());
alter table public.user_sessions add column if not exists visitor_id uuid;
alter table public.user_sessions add column if not exists customer_name text;
alter table public.user_sessions add column if not exists customer_phone text;
alter table public.user_sessions add column if not exists time_zone text;
alter table public.user_sessions add column if not exists status text not null default 'active';
alter table public.user_sessions add column if not exists last_seq integer not null default 0;
alter table public.user_sessions add column if not exists last_note_no integer not null default 0;
alter table public.user_sessions add column if not exists customer_delivered_seq integer not null default 0;
alter table public.user_sessions add column if not exists customer_read_seq integer not null default 0;
alter table public.user_sessions add column if not exists agent_delivered_seq integer not null default 0;
alter table public.user_sessions add column if not exists agent_read_seq integer not null default 0;
alter table public.user_sessions add column if not exists created_at timestamptz not null default now();
create index if not exists user_sessions_visitor_id_idx on public.user_sessions (visitor_id, created_at desc);
create index if not exists user_sessions_created_at_idx on public.user_sessions (created_at desc);

create table if not exists public.chat_images (id uuid primary key default gen_random_uuid());
alter table public.chat_images add column if not exists session_id uuid not null;
alter table public.chat_images add column if not exists storage_key text not null;
alter table public.chat_images add column if not exists content_type text not null;
alter table public.chat_images add column if not exists width integer not null;
alter table public.chat_images add column if not exists height integer not null;
alter table public.chat_images add column if not exists bytes integer not null;
alter table public.chat_images add column if not exists digest text not null;
alter table public.chat_images add column if not exists created_at timestamptz not null default now();
create unique index if not exists chat_images_storage_key_key on public.chat_images (storage_key);
create index if not exists chat_images_session_id_idx on public.chat_images (session_id);

-- What was said. event and detail mark the lines of the system, which each audience reads in its own words.
create table if not exists public.chat_messages (id uuid primary key default gen_random_uuid());
alter table public.chat_messages add column if not exists session_id uuid;
alter table public.chat_messages add column if not exists seq integer;
alter table public.chat_messages add column if not exists sender text;
alter table public.chat_messages add column if not exists sender_agent_id uuid;
alter table public.chat_messages add column if not exists client_message_id uuid not null default gen_random_uuid();
alter table public.chat_messages add column if not exists message text not null default '';
alter table public.chat_messages add column if not exists image_id uuid;
alter table public.chat_messages add column if not exists event text;
alter table public.chat_messages add column if not exists detail jsonb not null default '{}';
alter table public.chat_messages add column if not exists created_at timestamptz not null default clock_timestamp();
create unique index if not exists chat_messages_seq_key on public.chat_messages (session_id, seq);
create unique index if not exists chat_messages_client_key on public.chat_messages (session_id, sender, client_message_id);
create index if not exists chat_messages_created_at_idx on public.chat_messages (created_at desc);
create index if not exists chat_messages_sender_agent_id_idx on public.chat_messages (sender_agent_id);
create index if not exists chat_messages_image_id_idx on public.chat_messages (image_id);

-- awaiting_since is the moment from which the customer waits for an answer; it is null once an agent has answered.
create table if not exists public.tickets (id uuid primary key default gen_random_uuid());
create sequence if not exists public.ticket_numbers start 1001;
alter table public.tickets add column if not exists number bigint not null default nextval('public.ticket_numbers');
alter table public.tickets add column if not exists session_id uuid;
alter table public.tickets add column if not exists channel text not null default 'web-chat';
alter table public.tickets add column if not exists status text not null default 'waiting';
alter table public.tickets add column if not exists assigned_agent_id uuid;
alter table public.tickets add column if not exists awaiting_since timestamptz;
alter table public.tickets add column if not exists assigned_at timestamptz;
alter table public.tickets add column if not exists first_reply_at timestamptz;
alter table public.tickets add column if not exists closed_at timestamptz;
alter table public.tickets add column if not exists version integer not null default 1;
alter table public.tickets add column if not exists created_at timestamptz not null default now();
alter table public.tickets add column if not exists updated_at timestamptz not null default now();
create unique index if not exists tickets_number_key on public.tickets (number);
create index if not exists tickets_session_id_idx on public.tickets (session_id);
create index if not exists tickets_assigned_agent_id_idx on public.tickets (assigned_agent_id, assigned_at desc);
create index if not exists tickets_not_closed_idx on public.tickets (status, awaiting_since) where status <> 'closed';
create index if not exists tickets_updated_at_idx on public.tickets (updated_at desc);
create index if not exists tickets_created_at_idx on public.tickets (created_at desc);

-- The ways a ticket may go; guard_ticket refuses every other.
create table if not exists public.ticket_transitions (
    from_status text not null,
    to_status text not null,
    primary key (from_status, to_status)
);
insert into public.ticket_transitions (from_status, to_status) values
    ('waiting', 'open'), ('open', 'waiting'), ('waiting', 'closed'), ('open', 'closed'), ('closed', 'waiting')
on conflict do nothing;

-- What happened to a ticket: who, what, when.
create table if not exists public.ticket_events (id bigint generated always as identity primary key);
alter table public.ticket_events add column if not exists ticket_id uuid not null;
alter table public.ticket_events add column if not exists actor text not null;
alter table public.ticket_events add column if not exists agent_id uuid;
alter table public.ticket_events add column if not exists event text not null;
alter table public.ticket_events add column if not exists detail jsonb not null default '{}';
alter table public.ticket_events add column if not exists created_at timestamptz not null default clock_timestamp();
create index if not exists ticket_events_ticket_id_idx on public.ticket_events (ticket_id, id);
create index if not exists ticket_events_agent_id_idx on public.ticket_events (agent_id);

-- Private notes stand apart from the messages: nothing that reads for a customer reads this table.
-- after_seq is the last message that was there when the note was written, and so its place between them.
create table if not exists public.ticket_notes (id uuid primary key default gen_random_uuid());
alter table public.ticket_notes add column if not exists session_id uuid not null;
alter table public.ticket_notes add column if not exists note_no integer not null;
alter table public.ticket_notes add column if not exists after_seq integer not null;
alter table public.ticket_notes add column if not exists agent_id uuid not null;
alter table public.ticket_notes add column if not exists client_message_id uuid not null;
alter table public.ticket_notes add column if not exists note text not null;
alter table public.ticket_notes add column if not exists created_at timestamptz not null default clock_timestamp();
create unique index if not exists ticket_notes_note_no_key on public.ticket_notes (session_id, note_no);
create unique index if not exists ticket_notes_client_key on public.ticket_notes (session_id, client_message_id);
create index if not exists ticket_notes_agent_id_idx on public.ticket_notes (agent_id);

-- How far each agent has read each conversation: the unread counts of the queue.
create table if not exists public.ticket_reads (
    agent_id uuid not null,
    session_id uuid not null,
    read_seq integer not null default 0,
    primary key (agent_id, session_id)
);
create index if not exists ticket_reads_session_id_idx on public.ticket_reads (session_id);

-- The server processes that share this database, each reporting every few seconds.
create table if not exists public.server_processes (process_id uuid primary key);
alter table public.server_processes add column if not exists started_at timestamptz not null default now();
alter table public.server_processes add column if not exists seen_at timestamptz not null default now();
alter table public.server_processes add column if not exists sockets integer not null default 0;
alter table public.server_processes add column if not exists sessions uuid[] not null default '{}';
alter table public.server_processes add column if not exists swept_at timestamptz;

-- The last heartbeat: one row, one beat for all processes. See send_heartbeat.
create table if not exists public.heartbeat (
    only_row boolean primary key default true check (only_row),
    number bigint not null default 0,
    sent_at timestamptz not null default 'epoch'
);
insert into public.heartbeat (only_row) values (true) on conflict do nothing;

-- Which script was applied in which version; bin/migrate reads and writes it.
create table if not exists public.schema_scripts (
    name text primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
);

select public.ensure_constraint('public.agents', 'agents_name_check', 'check (char_length(name) between 1 and 80)');
select public.ensure_constraint('public.agents', 'agents_email_check', 'check (char_length(email) between 3 and 254)');
select public.ensure_constraint('public.agents', 'agents_role_check', 'check (role in (''agent'', ''admin''))');
select public.ensure_constraint(
    'public.agents', 'agents_availability_check', 'check (availability in (''available'', ''away''))'
);
select public.ensure_constraint('public.agents', 'agents_max_tickets_check', 'check (max_tickets between 0 and 1000)');
select public.ensure_constraint(
    'public.user_sessions', 'user_sessions_customer_name_check', 'check (char_length(customer_name) between 1 and 80)'
);
select public.ensure_constraint(
    'public.user_sessions', 'user_sessions_customer_phone_check', 'check (char_length(customer_phone) between 1 and 32)'
);
select public.ensure_constraint(
    'public.user_sessions', 'user_sessions_time_zone_check', 'check (char_length(time_zone) <= 64)'
);
select public.ensure_constraint(
    'public.user_sessions', 'user_sessions_status_check', 'check (status in (''active'', ''ended''))'
);
select public.ensure_constraint(
    'public.chat_images', 'chat_images_content_type_check',
    'check (content_type in (''image/png'', ''image/jpeg'', ''image/webp'', ''image/gif''))'
);
select public.ensure_constraint('public.chat_images', 'chat_images_bytes_check', 'check (bytes between 1 and 10485760)');
select public.ensure_constraint('public.chat_images', 'chat_images_size_check', 'check (width > 0 and height > 0)');
select public.ensure_constraint(
    'public.chat_messages', 'chat_messages_sender_check', 'check (sender in (''user'', ''agent'', ''system''))'
);
select public.ensure_constraint(
    'public.chat_messages', 'chat_messages_message_check',
    'check (char_length(message) <= 8000 and (message ~ ''\S'' or image_id is not null))'
);
select public.ensure_constraint('public.chat_messages', 'chat_messages_seq_check', 'check (seq > 0)');
select public.ensure_constraint('public.ticket_notes', 'ticket_notes_note_check', 'check (note ~ ''\S'' and char_length(note) <= 8000)');
select public.ensure_constraint(
    'public.tickets', 'tickets_status_check', 'check (status in (''waiting'', ''open'', ''closed''))'
);
select public.ensure_constraint(
    'public.tickets', 'tickets_assigned_check',
    'check (case status when ''open'' then assigned_agent_id is not null when ''waiting'' then assigned_agent_id is null else true end)'
);

-- Refuses a change of state that ticket_transitions does not list, and counts the ticket's versions.
create or replace function public.guard_ticket()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if new.status <> old.status and not exists (
        select from public.ticket_transitions where from_status = old.status and to_status = new.status
    ) then
        raise sqlstate 'PT409' using message = 'transition_not_allowed', detail = old.status || ' to ' || new.status;
    end if;
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
    return new;
end $$;

create or replace trigger guard_ticket
before update on public.tickets
for each row execute function public.guard_ticket();

select public.withdraw_functions(array[
    'ensure_constraint', 'withdraw_functions', 'restrict_functions', 'limit_functions', 'guard_ticket'
]);

-- Row-level security is on everywhere, with one policy that lets nobody through: the server's role stands above it,
-- and the keys that a browser may hold reach no row.
do $$
declare
    tables text[] := array[
        'visitors', 'agents', 'agent_credentials', 'agent_sessions', 'user_sessions', 'chat_images', 'chat_messages',
        'tickets', 'ticket_transitions', 'ticket_events', 'ticket_notes', 'ticket_reads', 'server_processes', 'heartbeat',
        'schema_scripts'
    ];
    name text;
    outsider text;
    counter text;
begin
    foreach name in array tables loop
        execute format('alter table public.%I enable row level security', name);
        execute format('drop policy if exists server_only on public.%I', name);
        execute format('create policy server_only on public.%I as restrictive using (false) with check (false)', name);
        execute format('revoke all on public.%I from public', name);
        for outsider in select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
            execute format('revoke all on public.%I from %I', name, outsider);
        end loop;
        if exists (select from pg_roles where rolname = 'service_role') then
            execute format('grant select, insert, update, delete on public.%I to service_role', name);
        end if;
    end loop;
    -- An identity needs no right on its sequence, a default of nextval does.
    foreach counter in array array['ticket_numbers', 'ticket_events_id_seq'] loop
        execute format('revoke all on sequence public.%I from public', counter);
        for outsider in select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
            execute format('revoke all on sequence public.%I from %I', counter, outsider);
        end loop;
    end loop;
    if exists (select from pg_roles where rolname = 'service_role') then
        grant usage on sequence public.ticket_numbers to service_role;
    end if;
end $$;

-- Says whether this is a database with Supabase's storage, whose buckets we may see. A schema 'storage' of another make
-- does not count, and neither does one that is closed to us: to_regclass would fail on it.
create or replace function public.has_buckets()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'storage' and c.relname = 'buckets'
            and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
            and 5 = (
                select count(*) from pg_catalog.pg_attribute a
                where a.attrelid = c.oid and not a.attisdropped
                    and a.attname in ('id', 'name', 'public', 'file_size_limit', 'allowed_mime_types')
            )
    )
$$;

select public.restrict_functions(array['has_buckets']);

-- The bucket of the pictures: private, and with the limits that the server keeps to as well. One that is there already
-- stays as its owner set it; check_bucket says when that is not as it should be.
do $$
begin
    if public.has_buckets() then
        insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
        values (
            'chat-images', 'chat-images', false, 10485760, array['image/png', 'image/jpeg', 'image/webp', 'image/gif']
        )
        on conflict do nothing;
    end if;
end $$;

notify pgrst, 'reload schema';
