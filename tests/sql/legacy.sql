-- What an older version left behind: four tables with keys of type uuid, and everything in them that is not as it should
-- be. Run by the owner of the database.
create table agents (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    email varchar(320) unique,
    role varchar(20) default 'support' check (role in ('support', 'Admin')),
    is_active boolean default true,
    avatar_url text not null,
    created_at timestamp default now()
);
create table user_sessions (
    id uuid primary key,
    session_id uuid,
    customer_name text,
    customer_phone text,
    customer_email text not null default '',
    channel text default 'web' check (channel in ('web', 'whatsapp')),
    status text check (status in ('active', 'open', 'closed', 'resolved')),
    updated_at timestamptz default now(),
    created_at timestamptz
);
create table chat_messages (
    id uuid primary key,
    session_id uuid references user_sessions (id),
    sender text not null,
    message text,
    image_url text,
    created_at timestamptz default now()
);
create table tickets (
    id uuid primary key default gen_random_uuid(),
    session_id uuid,
    channel text default 'web',
    status text default 'open',
    subject text not null,
    priority text not null default 'normal',
    assigned_agent_id uuid references user_sessions (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create index idx_tickets_session on tickets (session_id);
create view open_tickets as select id, session_id, status from tickets where status <> 'closed';
create function touch() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end $$;
create trigger touch before update on user_sessions for each row execute function touch();
create trigger touch before update on tickets for each row execute function touch();
alter table user_sessions disable trigger touch;
alter table chat_messages enable row level security;
alter table user_sessions enable row level security;
alter table user_sessions force row level security;
create policy "anyone may do anything" on user_sessions using (true) with check (true);
create policy "anyone may read" on chat_messages for select using (true);
create policy "anyone may write" on chat_messages for insert with check (true);

insert into agents (id, name, email, role, is_active, avatar_url, created_at) values
    ('a0000000-0000-0000-0000-000000000001', 'Ann', 'ann@example.com', 'Admin', true, 'a.png', '2024-01-01 08:00'),
    ('a0000000-0000-0000-0000-000000000002', 'Ann again', 'ANN@example.com', 'support', null, 'b.png', '2024-01-02 08:00'),
    ('a0000000-0000-0000-0000-000000000003', '  ', null, null, false, 'c.png', null),
    ('a0000000-0000-0000-0000-000000000004', repeat('long ', 30), repeat('x', 260) || '@x.de', 'support', true, 'd.png', '2024-01-03');

insert into user_sessions (id, session_id, customer_name, customer_phone, channel, status, updated_at, created_at) values
    ('b0000000-0000-0000-0000-000000000001', 'c0000000-0000-0000-0000-000000000001', 'Vera', '+49 30 1', 'web', 'active', '2024-02-01', '2024-02-01 10:00Z'),
    ('b0000000-0000-0000-0000-000000000002', 'c0000000-0000-0000-0000-000000000002', null, null, null, 'closed', '2024-02-02', '2024-02-02 10:00Z'),
    ('b0000000-0000-0000-0000-000000000003', 'c0000000-0000-0000-0000-000000000003', repeat('n', 200), repeat('1', 90), 'whatsapp', 'resolved', '2024-02-03', '2024-02-03 10:00Z'),
    ('b0000000-0000-0000-0000-000000000004', 'c0000000-0000-0000-0000-000000000004', '', ' ', 'web', null, '2024-02-04', null),
    -- the same session_id twice, and none
    ('b0000000-0000-0000-0000-000000000005', 'c0000000-0000-0000-0000-000000000001', 'A twin', null, 'web', 'open', '2024-02-05', '2024-02-05 10:00Z'),
    ('b0000000-0000-0000-0000-000000000006', null, 'No id', null, 'web', 'open', '2024-02-06', '2024-02-06 10:00Z'),
    -- no ticket
    ('b0000000-0000-0000-0000-000000000007', 'c0000000-0000-0000-0000-000000000007', 'No ticket', null, 'web', 'active', '2024-02-07', '2024-02-07 10:00Z');

-- These name a session by its id.
insert into chat_messages (id, session_id, sender, message, image_url, created_at) values
    ('d0000000-0000-0000-0000-000000000001', 'b0000000-0000-0000-0000-000000000001', 'customer', 'First', null, '2024-02-01 10:00Z'),
    ('d0000000-0000-0000-0000-000000000003', 'b0000000-0000-0000-0000-000000000001', 'bot', 'Thank you', null, '2024-02-01 10:01Z'),
    ('d0000000-0000-0000-0000-000000000002', 'b0000000-0000-0000-0000-000000000001', 'Agent', 'Hello', null, '2024-02-01 10:01Z'),
    ('d0000000-0000-0000-0000-000000000004', 'b0000000-0000-0000-0000-000000000001', 'user', 'And?', null, '2024-02-01 10:05Z'),
    ('d0000000-0000-0000-0000-000000000005', 'b0000000-0000-0000-0000-000000000002', 'visitor', '', null, '2024-02-02 10:00Z'),
    ('d0000000-0000-0000-0000-000000000006', 'b0000000-0000-0000-0000-000000000002', 'visitor', null, 'https://example.com/p.png', '2024-02-02 10:01Z'),
    ('d0000000-0000-0000-0000-000000000007', 'b0000000-0000-0000-0000-000000000002', 'Ann', 'By name', null, '2024-02-02 10:02Z'),
    ('d0000000-0000-0000-0000-000000000008', 'b0000000-0000-0000-0000-000000000003', 'user', repeat('m', 9000), null, '2024-02-03 10:00Z'),
    ('d0000000-0000-0000-0000-000000000009', 'b0000000-0000-0000-0000-000000000004', 'user', 'No time', null, null),
    ('d0000000-0000-0000-0000-00000000000a', 'b0000000-0000-0000-0000-000000000007', 'user', 'Anybody?', null, '2024-02-07 10:00Z'),
    ('d0000000-0000-0000-0000-00000000000b', null, 'user', 'Of no session', null, '2024-02-08 10:00Z');
-- The key was made when there were orphans already.
alter table chat_messages drop constraint chat_messages_session_id_fkey;
insert into chat_messages (id, session_id, sender, message, created_at) values
    ('d0000000-0000-0000-0000-00000000000c', 'b0000000-0000-0000-0000-0000000000ff', 'user', 'Of a deleted session', '2024-02-09 10:00Z'),
    ('d0000000-0000-0000-0000-00000000000d', 'b0000000-0000-0000-0000-0000000000ff', 'agent', 'Me too', '2024-02-09 11:00Z');
alter table chat_messages add constraint chat_messages_session_id_fkey foreign key (session_id) references user_sessions (id) not valid;

-- These name it by its session_id, without a key. Their agents point to the wrong table, so that the key was dropped.
alter table tickets drop constraint tickets_assigned_agent_id_fkey;
insert into tickets (id, session_id, channel, status, subject, assigned_agent_id, created_at, updated_at) values
    ('e0000000-0000-0000-0000-000000000004', 'c0000000-0000-0000-0000-000000000001', 'web', 'in_progress', 'Vera', 'a0000000-0000-0000-0000-000000000001', '2024-02-01 10:00Z', '2024-02-01 11:00Z'),
    ('e0000000-0000-0000-0000-000000000003', 'c0000000-0000-0000-0000-000000000002', null, 'resolved', 'Done', 'a0000000-0000-0000-0000-0000000000ff', '2024-02-02 10:00Z', '2024-02-02 11:00Z'),
    ('e0000000-0000-0000-0000-000000000002', 'c0000000-0000-0000-0000-000000000003', 'web', 'Pending', 'Waits', null, '2024-02-03 10:00Z', '2024-02-03 11:00Z'),
    ('e0000000-0000-0000-0000-000000000001', 'c0000000-0000-0000-0000-000000000004', 'web', 'open', 'Of a ghost', 'a0000000-0000-0000-0000-0000000000ff', '2024-02-04 10:00Z', '2024-02-04 11:00Z'),
    ('e0000000-0000-0000-0000-000000000005', 'c0000000-0000-0000-0000-0000000000ff', 'web', 'open', 'Of a deleted session', null, '2024-02-05 10:00Z', '2024-02-05 11:00Z'),
    ('e0000000-0000-0000-0000-000000000006', null, 'web', 'new', 'Of no session', null, '2024-02-06 10:00Z', '2024-02-06 11:00Z'),
    ('e0000000-0000-0000-0000-000000000007', 'b0000000-0000-0000-0000-000000000006', 'web', 'open', 'By id', null, '2024-02-06 10:00Z', '2024-02-06 11:00Z'),
    -- two more in one conversation, of which the newest is closed
    ('e0000000-0000-0000-0000-000000000008', 'c0000000-0000-0000-0000-000000000003', 'web', 'open', 'Another', null, '2024-02-07 10:00Z', '2024-02-07 11:00Z'),
    ('e0000000-0000-0000-0000-000000000009', 'c0000000-0000-0000-0000-000000000003', 'web', 'closed', 'A third', null, null, null);
