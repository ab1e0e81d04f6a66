-- An older version whose keys were numbers and texts, and whose columns had other types.
create type ticket_state as enum ('open', 'pending', 'closed');
create table agents (
    id bigserial primary key,
    name text,
    email text,
    availability text default 'online'
);
create table user_sessions (
    id bigint primary key,
    session_id varchar(100) not null unique,
    customer_name varchar(500) not null,
    customer_phone varchar(100),
    status varchar(20) default 'open',
    created_at timestamp default now()
);
create table chat_messages (
    id bigserial primary key,
    session_id varchar(100) references user_sessions (session_id),
    sender_type text not null,
    content text not null,
    created_at timestamp without time zone default now()
);
create table tickets (
    id serial primary key,
    session_id bigint references user_sessions (id) on delete cascade,
    status ticket_state not null default 'open',
    title text not null,
    assigned_agent_id bigint references agents (id),
    created_at date
);
create table ratings (ticket_id integer references tickets (id), stars integer);
create view queue as select id, session_id, assigned_agent_id, status from tickets;

insert into agents (id, name, email, availability) values (7, 'Ann', 'ann@example.com', 'busy'), (8, 'Ben', 'ben@example.com', null);
insert into user_sessions (id, session_id, customer_name, status, created_at) values
    (1, 'session_1699999999_abc', 'Vera', 'open', '2024-02-01 10:00'),
    (2, 'c0000000-0000-0000-0000-000000000002', 'Victor', 'closed', '2024-02-02 10:00'),
    (3, 'session_3', '', 'open', '2024-02-03 10:00');
insert into chat_messages (session_id, sender_type, content, created_at) values
    ('session_1699999999_abc', 'customer', 'First', '2024-02-01 10:00'),
    ('session_1699999999_abc', 'agent', 'Second', '2024-02-01 10:00'),
    ('session_1699999999_abc', 'customer', 'Third', '2024-02-01 10:01'),
    ('c0000000-0000-0000-0000-000000000002', 'customer', 'Hello', '2024-02-02 10:00'),
    ('session_3', 'bot', 'May I help?', '2024-02-03 10:00'),
    (null, 'customer', 'Of nobody', '2024-02-03 10:00');
insert into tickets (id, session_id, status, title, assigned_agent_id, created_at) values
    (11, 2, 'closed', 'Victor', 8, '2024-02-01'), (12, 3, 'pending', '', null, '2024-02-01'), (10, 1, 'open', 'Vera', 7, '2024-02-01');
insert into ratings values (11, 5);
select setval('agents_id_seq', 8), setval('tickets_id_seq', 12);
