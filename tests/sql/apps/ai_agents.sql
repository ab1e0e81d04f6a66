-- Agents that are language models, with conversations very much like ours: session_id everywhere, and one key to the
-- users of Supabase.
create type public.ticket_reads as enum ('seen', 'unseen');
create table public.agents (
    id uuid primary key default gen_random_uuid(), name text not null, model text not null, system_prompt text, is_active boolean default true,
    created_at timestamptz default now()
);
create table public.user_sessions (
    session_id uuid primary key default gen_random_uuid(),
    user_id uuid references auth.users (id) on delete cascade,
    title text, status text default 'streaming', created_at timestamptz default now()
);
create table public.chat_messages (
    id bigint generated always as identity primary key,
    session_id uuid not null references public.user_sessions (session_id) on delete cascade,
    role text not null check (role in ('user', 'assistant', 'tool')),
    content jsonb not null, tokens integer not null default 0, created_at timestamptz default now()
);
create table public.tickets (
    id bigint generated always as identity primary key,
    session_id uuid references public.user_sessions (session_id),
    agent_id uuid references public.agents (id),
    status text not null default 'escalated'
);
create table public.server_processes (process_id uuid primary key default gen_random_uuid(), host text, seen_at timestamptz);
create index chat_messages_created_at_idx on public.chat_messages (created_at);
alter table public.user_sessions enable row level security;
alter table public.chat_messages enable row level security;
create policy "own sessions" on public.user_sessions for all to authenticated using (auth.uid() = user_id);
create policy server_only on public.chat_messages for select to authenticated using (true);
create function public.append_message(session uuid, role text, content text) returns bigint language sql as $$
    insert into public.chat_messages (session_id, role, content) values (session, role, to_jsonb(content)) returning id
$$;
create function public.agent_json(agent uuid) returns jsonb language sql stable as $$
    select to_jsonb(a) from public.agents a where a.id = agent
$$;
create function public.messages_after(p_session uuid, p_after integer, p_limit integer default 10) returns jsonb
language sql stable set search_path = '' as $$ select '[]'::jsonb $$;
create function public.stamp_session() returns trigger language plpgsql as $$ begin new.title := coalesce(new.title, 'Chat'); return new; end $$;
create trigger guard_ticket before insert on public.user_sessions for each row execute function public.stamp_session();
insert into auth.users (id, email) values ('a0000000-0000-0000-0000-0000000000aa', 'u@example.com');
insert into public.agents (name, model) values ('Helper', 'large'), ('Coder', 'small');
insert into public.user_sessions (user_id) values ('a0000000-0000-0000-0000-0000000000aa');
insert into public.chat_messages (session_id, role, content) select session_id, 'user', '"Hi"' from public.user_sessions;
insert into public.tickets (session_id) select session_id from public.user_sessions;
