-- held.sql: replies that wait for some seconds, so that whoever has written one can take it back. Safe to run again.
--
-- Nobody but their agent reads them: no function for customers, no event and no search has anything of this table.

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

-- A held reply, or one that was not sent, as its agent sees it. due_in is in seconds; null says that it is not going to be sent.
create or replace function _supportchat.held_json(p_row public.held_replies)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'client_message_id', p_row.client_message_id, 'message', p_row.message, 'acts', p_row.acts,
        'image', case when p_row.image is not null then jsonb_build_object(
            'id', p_row.client_message_id, 'width', (p_row.image ->> 'width')::integer, 'height', (p_row.image ->> 'height')::integer
        ) end,
        'due_in', case when p_row.due_at is not null then greatest(0, extract(epoch from p_row.due_at - clock_timestamp()))::double precision end,
        'refused', p_row.refused, 'detail', coalesce(p_row.detail, ''), 'held_at', p_row.held_at
    )
$$;

-- What an agent has written in a conversation that is held or was not sent, in the order in which it was written: what is held, and
-- the newest of the rest, 50 at most. Others come to light once some of these are sent, edited or deleted.
create or replace function _supportchat.held_of_agent(p_session_id uuid, p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.held_json(h) order by (h).held_at, (h).client_message_id), '[]')
    from (
        select own as h from public.held_replies own
        where own.session_id = p_session_id and own.agent_id = p_agent_id and own.refused is distinct from 'gone'
        order by own.due_at is null, own.held_at desc limit 50
    ) as newest
$$;

-- The replies of an agent that were refused when their time had come, the newest 20: for a notice, in which ticket and why.
create or replace function _supportchat.unsent_of_agent(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'number', t.number, 'client_message_id', h.client_message_id, 'refused', h.refused, 'detail', coalesce(h.detail, '')
    ) order by h.held_at desc), '[]')
    from (
        select * from public.held_replies
        where agent_id = p_agent_id and due_at is null and refused not in ('gone', 'undone')
        order by held_at desc limit 20
    ) as h
    cross join lateral _supportchat.ticket_of_session(h.session_id) as t
$$;

-- Tells the pages of an agent that what is held of them in a ticket has changed. Nothing of it is in the log.
create or replace function _supportchat.tell_held_reply(p_row public.held_replies)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(jsonb_build_object(
        'event', 'held.changed', 'agent_id', p_row.agent_id, 'number', t.number, 'reply', p_row.client_message_id,
        'state', coalesce(p_row.refused, 'held')
    ))
    from _supportchat.ticket_of_session(p_row.session_id) as t
$$;

-- Finds the reply that an earlier attempt with this id has had held: null, or the same answer again, also when it was taken back
-- since. The same id with another text or another picture, or from another agent, is an error.
create or replace function _supportchat.repeated_held(
    p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_agent_id uuid
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    earlier public.held_replies;
begin
    select * into earlier from public.held_replies
    where session_id = p_session_id and client_message_id = p_client_message_id;
    if not found then
        return null;
    end if;
    if earlier.agent_id <> p_agent_id or (earlier.refused is distinct from 'gone' and (
        earlier.message <> p_message or (earlier.image ->> 'digest') is distinct from (p_image ->> 'digest')
    )) then
        raise sqlstate 'PT422' using message = 'client_message_id_reused';
    end if;
    return _supportchat.answer_json(p_session_id, '[]', p_duplicate => true, p_image_key => earlier.image ->> 'key');
end $$;

-- Holds a reply that could be sent now, for as long as the desk wants it; behind those of its agent that are held here already, also
-- when it would be sent at once by itself (p_may_hold: whether it would not). Null when it is not held. The caller holds the lock of
-- the conversation.
create or replace function _supportchat.hold_reply(
    p_ticket public.tickets, p_agent_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_acts jsonb, p_may_hold boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    seconds integer := case when p_may_hold then (_supportchat.setting('undo_send_seconds') #>> '{}')::integer else 0 end;
    last_due timestamptz := (
        select max(due_at) from public.held_replies where session_id = p_ticket.session_id and agent_id = p_agent_id
    );
    seen integer;
    held public.held_replies;
begin
    if seconds = 0 and last_due is null then
        return null;
    end if;
    select last_seq into seen from public.user_sessions where session_id = p_ticket.session_id;
    insert into public.held_replies (session_id, client_message_id, agent_id, message, image, acts, seen_seq, due_at)
    values (
        p_ticket.session_id, p_client_message_id, p_agent_id, p_message, p_image, p_acts, seen,
        -- They are sent in the order in which they were written, whatever the setting was for the one before.
        greatest(clock_timestamp() + make_interval(secs => seconds), last_due + interval '1 microsecond')
    )
    returning * into held;
    perform _supportchat.end_draft(p_agent_id, p_ticket.session_id, 'reply', p_message);
    perform _supportchat.move_marks(p_ticket.session_id, seen, seen, p_agent_id);
    perform _supportchat.end_mentions(p_agent_id, p_ticket.session_id, 2147483647);
    perform _supportchat.tell_held_reply(held);
    return _supportchat.answer_json(p_ticket.session_id, '[]');
end $$;

-- Sends a held reply, once, whoever asks, and gives the answer of reply_and_act. One that cannot be sent is kept for its agent, with
-- the reason; then, and when it is not held any more, null. A reply with acts needs the assignment lock before.
create or replace function _supportchat.release_reply(p_session_id uuid, p_client_message_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    held public.held_replies;
    number bigint;
    state text;
    code text;
    about text;
begin
    perform from public.user_sessions where session_id = p_session_id for no key update;
    begin
        delete from public.held_replies
        where session_id = p_session_id and client_message_id = p_client_message_id and due_at is not null
        returning * into held;
        if not found then
            return null;
        end if;
        number := (_supportchat.ticket_of_session(p_session_id)).number;
        if held.acts = '{}' then
            return public.post_reply(
                held.agent_id, number, held.client_message_id, held.message, held.image, p_held_at => held.seen_seq
            );
        end if;
        return public.reply_and_act(
            held.agent_id, number, held.client_message_id, held.message, held.image, held.acts ->> 'then',
            (held.acts ->> 'until')::timestamptz,
            array(select jsonb_array_elements_text(coalesce(held.acts -> 'tags', '[]'))), p_held_at => held.seen_seq
        );
    exception when others then
        get stacked diagnostics state = returned_sqlstate, code = message_text, about = pg_exception_detail;
        -- What passes is tried again.
        if state !~ '^(PT4|22|23)' then
            raise;
        end if;
    end;
    update public.held_replies set
        due_at = null, refused = case when state like 'PT4%' then code else 'value_refused' end, detail = nullif(about, '')
    where session_id = p_session_id and client_message_id = p_client_message_id
    returning * into held;
    perform _supportchat.tell_held_reply(held);
    return null;
end $$;

-- Sends at once what an agent has held in a ticket, because of what they do with it next. The caller holds the assignment lock.
create or replace function _supportchat.send_held(p_agent_id uuid, p_number bigint)
returns void
language plpgsql
set search_path = ''
as $$
declare
    held record;
begin
    for held in
        select h.session_id, h.client_message_id from public.tickets t
        join public.held_replies h on h.session_id = t.session_id
        where t.number = p_number and h.agent_id = p_agent_id and h.due_at is not null
        order by h.due_at
    loop
        perform _supportchat.release_reply(held.session_id, held.client_message_id);
    end loop;
end $$;

-- Sends the held replies whose time has come, in the order in which they were written, no more than a transaction has time for: those
-- of one conversation, or of all. Gives the answers of those that were sent, and whether there may be more.
create or replace function public.release_replies(p_session_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    moment timestamptz := clock_timestamp(); -- a function that changes would not use the index
    due public.held_replies[] := array(
        select h from public.held_replies h
        -- None is held for longer than 30 seconds, unless the clock has gone back since.
        where (h.due_at <= moment or h.due_at > moment + interval '31 seconds')
            and (p_session_id is null or h.session_id = p_session_id)
        order by h.due_at limit 20
    );
    held public.held_replies;
    answer jsonb;
    answers jsonb := '[]';
begin
    -- Whoever holds it may lock one conversation after the other.
    if p_session_id is null or exists (select from unnest(due) as one where one.acts <> '{}') then
        perform _supportchat.lock_assignment();
    end if;
    foreach held in array due loop
        answer := _supportchat.release_reply(held.session_id, held.client_message_id);
        if answer is not null then
            answers := answers || jsonb_build_array(answer - 'went');
        end if;
    end loop;
    return jsonb_build_object('answers', answers, 'more', cardinality(due) = 20);
end $$;

-- Takes back a held reply: it is not sent, and kept for its agent until forget_reply. Gives it, and gives it again. PT409 when it was
-- sent already, PT404 when there is none of this id.
create or replace function public.take_back_reply(p_agent_id uuid, p_number bigint, p_client_message_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    held public.held_replies;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    perform from public.user_sessions where session_id = chat for no key update;
    update public.held_replies set due_at = null, refused = 'undone'
    where session_id = chat and client_message_id = p_client_message_id and agent_id = p_agent_id and due_at is not null
    returning * into held;
    if found then
        perform _supportchat.tell_held_reply(held);
        return _supportchat.held_json(held);
    end if;
    select * into held from public.held_replies
    where session_id = chat and client_message_id = p_client_message_id and agent_id = p_agent_id and refused <> 'gone';
    if found then
        return _supportchat.held_json(held);
    elsif exists (
        select from public.chat_messages
        where session_id = chat and sender = 'agent' and client_message_id = p_client_message_id and sender_agent_id = p_agent_id
    ) then
        raise sqlstate 'PT409' using message = 'reply_sent';
    end if;
    raise sqlstate 'PT404' using message = 'reply_not_held';
end $$;

-- Forgets a reply that was not sent: its text is in a box again, or its agent does not want it any more. Its id stays for a day.
create or replace function public.forget_reply(p_agent_id uuid, p_number bigint, p_client_message_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    held public.held_replies;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    update public.held_replies set message = '', image = null, acts = '{}', refused = 'gone', detail = null
    where session_id = _supportchat.session_of_ticket(p_number) and client_message_id = p_client_message_id
        and agent_id = p_agent_id and due_at is null and refused <> 'gone'
    returning * into held;
    if found then
        perform _supportchat.tell_held_reply(held);
    end if;
end $$;

-- What an agent has in a ticket that is held or was not sent, in the order in which it was written.
create or replace function public.held_replies(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return _supportchat.held_of_agent(_supportchat.session_of_ticket(p_number), p_agent_id);
end $$;

-- Where the bytes of the picture of a reply lie that is held or was not sent, for its agent.
create or replace function public.picture_of_held(p_agent_id uuid, p_number bigint, p_client_message_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select jsonb_build_object('key', image ->> 'key', 'content_type', image ->> 'content_type', 'bytes', (image ->> 'bytes')::integer)
        from public.held_replies
        where session_id = _supportchat.session_of_ticket(p_number) and client_message_id = p_client_message_id
            and agent_id = p_agent_id and image is not null
    );
end $$;

select _supportchat.record_script('functions/held.sql', 'f140a6876d0c');

notify pgrst, 'reload schema';

commit;
