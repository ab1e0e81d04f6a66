-- marks.sql: who is typing, and how far each side has received and read. Safe to run again.

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

-- Of an earlier version, by the conversation.
drop function if exists public.signal_typing(uuid, text, uuid);
drop function if exists public.record_receipt(uuid, text, integer, integer, uuid);

-- Moves an agent's own mark in a conversation, and gives how many of the customer's lines it has passed: none of the last 100
-- or more that come after it. Null when it does not move.
create or replace function _supportchat.move_mark_of_agent(p_session_id uuid, p_read integer, p_agent_id uuid)
returns integer
language sql
set search_path = ''
as $$
    insert into public.ticket_reads as mine (agent_id, session_id, read_seq, read_lines)
    select p_agent_id, s.session_id, least(p_read, s.last_seq), s.customer_lines - (
        select count(*) from (
            select from public.chat_messages m
            where m.session_id = s.session_id and m.sender = 'user' and m.seq > least(p_read, s.last_seq)
            limit 100
        ) as unread
    )
    from public.user_sessions s
    where s.session_id = p_session_id and not exists (
        select from public.ticket_reads r
        where r.agent_id = p_agent_id and r.session_id = s.session_id and r.read_seq >= least(p_read, s.last_seq)
    )
    on conflict (agent_id, session_id) do update set
        read_seq = excluded.read_seq, read_lines = greatest(mine.read_lines, excluded.read_lines)
    where mine.read_seq < excluded.read_seq
    returning read_lines
$$;

-- Moves the marks of one side, the agents' for an agent, and that agent's own: they only go forward, and never past the last
-- message.
create or replace function _supportchat.move_marks(
    p_session_id uuid, p_delivered integer, p_read integer, p_agent_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    marks jsonb;
    is_moved boolean;
    lines integer;
begin
    if p_agent_id is null then
        update public.user_sessions set
            customer_delivered_seq = greatest(customer_delivered_seq, least(greatest(p_delivered, p_read), last_seq)),
            customer_read_seq = greatest(customer_read_seq, least(p_read, last_seq))
        where session_id = p_session_id
            and (least(greatest(p_delivered, p_read), last_seq) > customer_delivered_seq or least(p_read, last_seq) > customer_read_seq)
        returning jsonb_build_object(
            'customer_delivered_seq', customer_delivered_seq, 'customer_read_seq', customer_read_seq
        ) into marks;
    else
        update public.user_sessions set
            agent_delivered_seq = greatest(agent_delivered_seq, least(greatest(p_delivered, p_read), last_seq)),
            agent_read_seq = greatest(agent_read_seq, least(p_read, last_seq))
        where session_id = p_session_id
            and (least(greatest(p_delivered, p_read), last_seq) > agent_delivered_seq or least(p_read, last_seq) > agent_read_seq)
        returning jsonb_build_object('agent_delivered_seq', agent_delivered_seq, 'agent_read_seq', agent_read_seq) into marks;
    end if;
    is_moved := found;
    if p_agent_id is not null then
        lines := _supportchat.move_mark_of_agent(p_session_id, p_read, p_agent_id);
    end if;
    if is_moved or lines is not null then
        perform _supportchat.log_event(
            'receipt.recorded', p_session_id,
            coalesce(marks, '{}') || case when lines is null then '{}' else jsonb_build_object('read_lines', lines) end,
            case when p_agent_id is null then 'customer' else 'agent' end, p_agent_id
        );
    end if;
end $$;

-- Says to the other side that the customer of this browser, or else an agent in a ticket, is typing, and after which line.
-- Nothing is stored.
create or replace function public.signal_typing(
    p_visitor text default null, p_agent_id uuid default null, p_number bigint default null
)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(
        'typing',
        jsonb_build_object(
            'session_id', session_id, 'sender', case when p_agent_id is null then 'user' else 'agent' end,
            'agent', _supportchat.agent_json(p_agent_id), 'seq', last_seq
        )
    )
    from public.user_sessions where session_id = _supportchat.session_of_viewer(p_visitor, p_number)
$$;

-- Remembers how far the customer of this browser, or else an agent in a ticket, has received and read. Nothing of a page
-- that shows another conversation, or another history of it, than p_epoch says.
create or replace function public.record_receipt(
    p_delivered integer, p_read integer, p_visitor text default null, p_agent_id uuid default null,
    p_number bigint default null, p_epoch text default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_viewer(p_visitor, p_number);
begin
    if p_epoch is null or p_epoch = _supportchat.epoch_of(chat, public.database_epoch()) then
        perform _supportchat.move_marks(chat, p_delivered, p_read, p_agent_id);
    end if;
end $$;

select _supportchat.record_script('functions/marks.sql', '18680b3d9ff9');

notify pgrst, 'reload schema';

commit;
