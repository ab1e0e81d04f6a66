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

-- Of an earlier version, which moved an agent's own mark by itself.
drop function if exists _supportchat.move_mark_of_agent(uuid, integer, uuid);

-- Whether an agent has the ticket of a conversation, or had it when it was closed.
create or replace function _supportchat.has_ticket(p_agent_id uuid, p_session_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_agent_id is not distinct from assigned_agent_id
    from _supportchat.ticket_of_session(p_session_id)
$$;

-- Moves the marks of one side, and for an agent their own: they only go forward, and never past the last message. The marks of
-- the agents' side, which the customer sees, move for the agent who has the ticket, as has_ticket has it. The agent's own mark counts
-- how many of the customer's lines it has passed: none of the last 100 or more that come after it.
create or replace function _supportchat.move_marks(
    p_session_id uuid, p_delivered integer, p_read integer, p_agent_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    marks jsonb;
    lines integer;
    nothing text;
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
            and p_agent_id = (
                select assigned_agent_id from public.tickets
                where session_id = p_session_id order by status = 'closed', number desc limit 1
            )
        returning jsonb_build_object('agent_delivered_seq', agent_delivered_seq, 'agent_read_seq', agent_read_seq) into marks;
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
        returning read_lines into lines;
    end if;
    if marks is not null or lines is not null then
        -- An assignment takes a fraction of the time of a statement.
        nothing := _supportchat.log_event(
            'receipt.recorded', p_session_id,
            coalesce(marks, '{}') || case when lines is null then '{}' else jsonb_build_object('read_lines', lines) end,
            case when p_agent_id is null then 'customer' else 'agent' end, p_agent_id
        );
    end if;
end $$;

-- Says to the other side that the customer of this browser, or else an agent in their own ticket, is typing, and after which
-- line. Nothing is stored.
create or replace function public.signal_typing(
    p_visitor text default null, p_agent_id uuid default null, p_number bigint default null
)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.demand_right(p_agent_id, 'answer') where p_number is not null;
    select _supportchat.notify_change(
        jsonb_build_object(
            'event', 'typing', 'session_id', session_id, 'sender', case when p_agent_id is null then 'user' else 'agent' end,
            'agent', _supportchat.person_json(p_agent_id), 'seq', last_seq
        )
    )
    from public.user_sessions
    where session_id = _supportchat.session_of_viewer(p_visitor, p_number)
        and (p_number is null or _supportchat.has_ticket(p_agent_id, session_id))
$$;

-- Says to the desks of all processes what agents do in tickets, as those of one process know it: 'looks', writes a 'reply' or a
-- 'note', or has 'left'. Nothing is stored; a process says it again before it is forgotten.
create or replace function public.signal_looks(p_process_id uuid, p_looks jsonb)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(jsonb_build_object('event', 'looking', 'process', p_process_id, 'looks', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'session_id', said.session_id, 'agent', _supportchat.person_json(said.agent_id), 'does', said.does
        )), '[]')
        from jsonb_to_recordset(p_looks) as said (session_id uuid, agent_id uuid, does text)
        join public.agents a on a.id = said.agent_id
    )))
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
    chat uuid;
begin
    if p_number is not null then
        perform _supportchat.demand_right(p_agent_id, 'answer');
    end if;
    chat := _supportchat.session_of_viewer(p_visitor, p_number);
    if p_epoch is null or p_epoch = _supportchat.epoch_of(chat, public.database_epoch()) then
        perform _supportchat.move_marks(chat, p_delivered, p_read, p_agent_id);
    end if;
end $$;

-- Remembers what many pages say at once, each as record_receipt does: a customer's by p_receipts' visitor, an agent's by
-- agent_id and the token_hash of a login session that has not ended. What a page may not say is left out. Waits for nobody:
-- gives the conversations into which others are writing at this moment, whose receipts are to be said again.
create or replace function public.record_receipts(p_receipts jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    asked uuid[] := array(select distinct session_id from jsonb_to_recordset(p_receipts) as r (session_id uuid));
    free uuid[] := array(
        select session_id from public.user_sessions where session_id = any (asked) for no key update skip locked
    );
    good text[] := _supportchat.good_sessions(array(
        select distinct token_hash from jsonb_to_recordset(p_receipts) as r (token_hash text)
    ));
    history text := public.database_epoch();
    said record;
    nothing text;
begin
    for said in
        select r.* from jsonb_to_recordset(p_receipts) as r (
            session_id uuid, epoch text, delivered integer, read integer, visitor text, agent_id uuid, token_hash text
        )
        -- As epoch_of and visitor_of have it.
        where r.session_id = any (free) and r.epoch = left(md5(history || r.session_id), 12)
            and case when r.agent_id is null then exists (
                select from public.user_sessions s
                where s.session_id = r.session_id and s.visitor_id = (
                    select visitor_id from public.visitors where token_hash = r.visitor
                    union all
                    select visitor_id from public.person_keys where token_hash = r.visitor
                )
            ) else exists (
                select from public.agent_sessions a
                where a.agent_id = r.agent_id and a.token_hash = r.token_hash and a.token_hash = any (good)
            ) end
    loop
        nothing := _supportchat.move_marks(said.session_id, said.delivered, said.read, said.agent_id);
    end loop;
    return jsonb_build_object('busy', array(
        select session_id from public.user_sessions where session_id = any (asked) and session_id <> all (free)
    ));
end $$;

select _supportchat.record_script('functions/marks.sql', '5f3d99b0bb5a');

notify pgrst, 'reload schema';

commit;
