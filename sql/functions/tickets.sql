-- tickets.sql: what an agent can do with a ticket. Safe to run again.
-- p_agent_id is the agent who acts. A ticket is named by its number.

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

-- Finds the conversation of a ticket. PT404 when there is none.
create or replace function public.session_of_ticket(p_number bigint)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
    found_id uuid;
begin
    select s.session_id into found_id from public.tickets t
    join public.user_sessions s on s.session_id = t.session_id
    where t.number = p_number;
    if found_id is null then
        raise sqlstate 'PT404' using message = 'ticket_not_found';
    end if;
    return found_id;
end $$;

-- Refuses what only the agent of a ticket may do: PT409 with the name of the one who has it.
create or replace function _supportchat.check_owner(p_ticket public.tickets, p_agent_id uuid)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if p_ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif p_ticket.assigned_agent_id is null then
        raise sqlstate 'PT409' using message = 'ticket_unassigned';
    elsif p_ticket.assigned_agent_id <> p_agent_id then
        raise sqlstate 'PT409' using
            message = 'assigned_to_other', detail = _supportchat.agent_json(p_ticket.assigned_agent_id) ->> 'name';
    end if;
end $$;

-- One row of the queue, as an agent sees it. Unread are the customer's messages after the agent's own mark; 100 stands
-- for as many or more.
create or replace function _supportchat.queue_row_json(p_ticket public.tickets, p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'number', p_ticket.number,
        'session_id', p_ticket.session_id,
        'status', p_ticket.status,
        'customer_name', s.customer_name,
        'agent', _supportchat.agent_json(p_ticket.assigned_agent_id),
        'mine', p_ticket.assigned_agent_id is not distinct from p_agent_id and p_ticket.status <> 'closed',
        'awaiting_since', case when p_ticket.status <> 'closed' then p_ticket.awaiting_since end,
        'unread', (
            select count(*) from (
                select from public.chat_messages m
                where m.session_id = s.session_id and m.sender = 'user' and m.seq > coalesce((
                    select r.read_seq from public.ticket_reads r
                    where r.agent_id = p_agent_id and r.session_id = s.session_id
                ), 0)
                limit 100
            ) as newer
        ),
        'last', (
            select jsonb_build_object(
                'sender', m.sender,
                'mine', m.sender_agent_id is not distinct from p_agent_id,
                'agent', _supportchat.agent_json(m.sender_agent_id),
                'message', left(m.message, 200),
                'has_image', m.image_id is not null,
                'created_at', m.created_at
            )
            from public.chat_messages m
            where m.session_id = s.session_id and m.sender <> 'system'
            order by m.seq desc limit 1
        )
    )
    from public.user_sessions s where s.session_id = p_ticket.session_id
$$;

-- The queue of an agent: counts of each view and of unread messages in the agent's own tickets, the rows of one view
-- ('mine', 'unassigned' or 'all'), and the tickets closed last: for 'all' a third as many, for 'mine' the agent's last
-- five. Who has waited longest for an answer comes first, then the latest activity; unassigned rows stand as they are
-- handed out.
create or replace function public.list_tickets(p_agent_id uuid, p_view text default 'mine', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'counts', (
            select jsonb_build_object(
                'mine', count(*) filter (where assigned_agent_id = p_agent_id),
                'unassigned', count(*) filter (where status = 'waiting'),
                'all', count(*),
                -- Up to 100 in each ticket: the page says "many" long before.
                'unread', coalesce(sum(
                    (select count(*) from (
                        select from public.chat_messages m
                        where m.session_id = t.session_id and m.sender = 'user' and m.seq > coalesce((
                            select r.read_seq from public.ticket_reads r
                            where r.agent_id = p_agent_id and r.session_id = t.session_id
                        ), 0)
                        limit 100
                    ) as unread)
                ) filter (where assigned_agent_id = p_agent_id), 0)
            )
            from public.tickets t where status <> 'closed'
        ),
        'rows', (
            select coalesce(jsonb_agg(_supportchat.queue_row_json(chosen.ticket, p_agent_id) order by chosen.place), '[]')
            from (
                select t as ticket, row_number() over (
                    order by queue.place, t.awaiting_since nulls last, t.updated_at desc, t.number
                ) as place
                from public.tickets t
                left join _supportchat.waiting_tickets() as queue on p_view = 'unassigned' and queue.id = t.id
                -- An older version may have left tickets without a conversation: there is nothing to show of them.
                join public.user_sessions s on s.session_id = t.session_id
                where t.status <> 'closed' and case p_view
                    when 'mine' then t.assigned_agent_id = p_agent_id
                    when 'unassigned' then t.status = 'waiting'
                    else true
                end
                order by place
                limit p_limit
            ) as chosen
        ),
        'closed', (
            select coalesce(
                jsonb_agg(_supportchat.queue_row_json(t, p_agent_id) order by t.closed_at desc nulls last, t.number desc), '[]'
            )
            from (
                select c.* from public.tickets c
                join public.user_sessions s on s.session_id = c.session_id
                where c.status = 'closed' and (p_view = 'all' or p_view = 'mine' and c.assigned_agent_id = p_agent_id)
                order by c.updated_at desc
                limit case p_view when 'all' then p_limit / 3 else 5 end
            ) as t
        ),
        'reason', case when p_view <> 'mine' then _supportchat.unassigned_reason() end
    )
$$;

-- A ticket with everything that an agent sees beside the messages: conversation, customer, history, earlier tickets; of
-- one's own who could take it over.
create or replace function public.ticket_of_agent(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid := public.session_of_ticket(p_number);
begin
    return (
        select _supportchat.conversation_json(chat) || jsonb_build_object(
            'mine', t.status <> 'closed' and t.assigned_agent_id is not distinct from p_agent_id,
            'created_at', t.created_at,
            'closed_at', case when t.status = 'closed' then t.closed_at end,
            'awaiting_since', t.awaiting_since,
            'reason', case when t.status = 'waiting' then _supportchat.unassigned_reason(t.given_back_by) end,
            'customer', jsonb_build_object(
                'name', s.customer_name, 'phone', s.customer_phone, 'channel', s.channel, 'time_zone', s.time_zone
            ),
            'read_seq', coalesce((
                select r.read_seq from public.ticket_reads r where r.agent_id = p_agent_id and r.session_id = chat
            ), 0),
            'history', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'event', e.event, 'actor', e.actor, 'agent', _supportchat.agent_json(e.agent_id),
                    'detail', e.detail, 'created_at', e.created_at
                ) order by e.id), '[]')
                from (select * from public.ticket_events where ticket_id = t.id order by id desc limit 50) as e
            ),
            'earlier', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'number', other.number, 'status', other.status, 'created_at', other.created_at
                ) order by other.number desc), '[]')
                from (
                    select o.* from public.tickets o
                    join public.user_sessions os on os.session_id = o.session_id
                    where os.visitor_id = s.visitor_id and o.number < t.number
                    order by o.number desc limit 10
                ) as other
            ),
            'colleagues', case when t.status <> 'closed' and t.assigned_agent_id = p_agent_id then public.list_agents() end
        )
        from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        where t.number = p_number
    );
end $$;

-- A ticket as its page shows it: with its last lines before a seq (of all when it is null), and the notes between them.
create or replace function public.show_ticket(
    p_agent_id uuid, p_number bigint, p_before integer default null, p_limit integer default 50
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid := public.session_of_ticket(p_number);
    messages jsonb := public.messages_before(chat, p_before, p_limit);
    first_seq integer := messages -> 0 ->> 'seq';
begin
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number),
        'messages', messages,
        'notes', case when first_seq is null then '[]' else public.notes_after(
            chat, 0, case when first_seq > 1 then first_seq else 0 end, (messages -> -1 ->> 'seq')::integer
        ) end
    );
end $$;

-- A ticket with what a page of it lacks: the lines after a seq, and the notes after a number.
create or replace function public.follow_ticket(p_agent_id uuid, p_number bigint, p_after integer, p_after_note integer)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid := public.session_of_ticket(p_number);
begin
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number),
        'messages', public.messages_after(chat, p_after),
        'notes', public.notes_after(chat, p_after_note)
    );
end $$;

-- Stores an agent's reply, and gives the ticket as it is then. Only the agent who has it may reply: PT409 says who has it.
create or replace function public.post_reply(
    p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_message text, p_image jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.lock_ticket(public.session_of_ticket(p_number));
    answer jsonb := _supportchat.repeated_message(ticket.session_id, 'agent', p_client_message_id, p_message, p_image);
    line jsonb;
begin
    if answer is not null then
        return answer || jsonb_build_object('ticket', public.ticket_of_agent(p_agent_id, p_number));
    end if;
    perform _supportchat.check_message(p_message, p_image is not null);
    perform _supportchat.check_owner(ticket, p_agent_id);
    line := _supportchat.append_message(
        ticket.session_id, 'agent', p_message, p_client_message_id, p_agent_id, _supportchat.add_image(ticket.session_id, p_image)
    );
    -- Also when nobody waits: who goes on writing keeps the ticket from being quiet. See load_of_agent.
    update public.tickets set
        awaiting_since = null,
        first_reply_at = case when awaiting_since is null then first_reply_at else coalesce(first_reply_at, clock_timestamp()) end
    where id = ticket.id;
    -- Who answers has read what was there.
    perform _supportchat.move_marks(
        ticket.session_id, (line ->> 'seq')::integer, (line ->> 'seq')::integer, p_agent_id
    );
    return _supportchat.answer_json(ticket.session_id, jsonb_build_array(line))
        || jsonb_build_object('ticket', public.ticket_of_agent(p_agent_id, p_number));
end $$;

-- A private note as the web code knows it.
create or replace function _supportchat.note_json(p_row public.ticket_notes)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', p_row.session_id, 'note_no', p_row.note_no, 'after_seq', p_row.after_seq,
        'agent', _supportchat.agent_json(p_row.agent_id), 'client_message_id', p_row.client_message_id,
        'note', p_row.note, 'created_at', p_row.created_at
    )
$$;

-- Adds a private note, which agents see between the messages and a customer never receives, and gives the ticket as it is
-- then. A repeated client_message_id gives the first note again.
create or replace function public.add_note(p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_note text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.lock_ticket(public.session_of_ticket(p_number));
    line public.ticket_notes;
begin
    select * into line from public.ticket_notes
    where session_id = ticket.session_id and client_message_id = p_client_message_id;
    if not found then
        perform _supportchat.check_message(p_note, false);
        update public.user_sessions set last_note_no = last_note_no + 1
        where session_id = ticket.session_id
        returning last_note_no, last_seq into line.note_no, line.after_seq;
        insert into public.ticket_notes (session_id, note_no, after_seq, agent_id, client_message_id, note)
        values (ticket.session_id, line.note_no, line.after_seq, p_agent_id, p_client_message_id, p_note)
        returning * into line;
        perform _supportchat.notify_change('note.added', jsonb_build_object('session_id', ticket.session_id));
        perform _supportchat.record_event(ticket, 'noted', 'agent', p_agent_id);
    elsif line.note <> p_note or line.agent_id <> p_agent_id then
        raise sqlstate 'PT422' using message = 'client_message_id_reused';
    end if;
    return jsonb_build_object(
        'note', _supportchat.note_json(line), 'ticket', public.ticket_of_agent(p_agent_id, p_number)
    );
end $$;

-- Of an earlier version, without any bound.
drop function if exists public.notes_after(uuid, integer, integer);

-- The notes of a conversation after a number that stand after one message and before another, oldest first: so many at
-- most, and none after the one with which their text comes to p_bytes. What is left out comes with the next call.
create or replace function public.notes_after(
    p_session_id uuid, p_after integer, p_from_seq integer default 0, p_to_seq integer default 2147483647,
    p_limit integer default 200, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.note_json(n.line) order by (n.line).note_no), '[]')
    from (
        select line, sum(octet_length(line.note)) over (order by line.note_no) - octet_length(line.note) as bytes_before
        from public.ticket_notes as line
        where line.session_id = p_session_id and line.note_no > p_after and line.after_seq between p_from_seq and p_to_seq
        order by line.note_no
        limit p_limit
    ) as n
    where n.bytes_before < p_bytes
$$;

-- Gives a ticket to an agent: a claim when agents act for themselves, else a hand-over. p_expected is the agent whom
-- the page showed (null: nobody); when it is somebody else by now, PT409 says who.
create or replace function public.assign_ticket(p_agent_id uuid, p_number bigint, p_assignee_id uuid, p_expected_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    assignee public.agents;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(public.session_of_ticket(p_number));
    select * into assignee from public.agents where id = p_assignee_id and is_active;
    if not found then
        raise sqlstate 'PT422' using message = 'agent_not_found';
    elsif ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif ticket.assigned_agent_id is distinct from p_assignee_id then
        if ticket.assigned_agent_id is distinct from p_expected_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(_supportchat.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        elsif p_assignee_id <> p_agent_id and assignee.lease_expires_at > now() is not true then
            raise sqlstate 'PT409' using message = 'agent_not_here', detail = assignee.name;
        end if;
        perform _supportchat.give_ticket(
            ticket, p_assignee_id, case when p_assignee_id = p_agent_id then 'claimed' else 'handed_over' end,
            'agent', p_agent_id
        );
        -- Whoever handed it over has a place free.
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Puts an agent's own ticket back into the queue.
create or replace function public.unassign_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(public.session_of_ticket(p_number));
    perform _supportchat.check_owner(ticket, p_agent_id);
    perform _supportchat.return_to_queue(ticket, 'given_back', 'agent', p_agent_id);
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Ends a ticket and its conversation, and gives the freed place to who waits. The caller holds the locks.
create or replace function _supportchat.end_ticket(p_ticket public.tickets, p_actor text, p_agent_id uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object('actor', p_actor, 'agent', _supportchat.agent_json(p_agent_id));
begin
    update public.tickets set
        status = 'closed', closed_at = clock_timestamp(), awaiting_since = null, given_back_by = null
    where id = p_ticket.id;
    update public.user_sessions set status = 'ended' where session_id = p_ticket.session_id;
    perform _supportchat.tell_event(
        p_ticket, 'closed',
        case p_actor when 'agent' then (detail -> 'agent' ->> 'name') || ' ended the chat.' else 'The customer ended the chat.' end,
        p_actor, p_agent_id, detail
    );
    perform _supportchat.drain_queue();
end $$;

-- Closes a ticket from the agent's side: one's own, or one that nobody has. Closing a closed one changes nothing.
-- Gives the ticket, and the beginning of the agent's own queue, where they go on.
create or replace function public.close_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(public.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is not null then
            perform _supportchat.check_owner(ticket, p_agent_id);
        end if;
        perform _supportchat.end_ticket(ticket, 'agent', p_agent_id);
    end if;
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number), 'queue', public.list_tickets(p_agent_id, 'mine', 1)
    );
end $$;

-- Opens a closed ticket again, for the agent who does it. A customer who had no answer waits for one again. PT409 when
-- somebody has it open already, or when the customer has begun another chat since.
create or replace function public.reopen_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    newer bigint;
begin
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(public.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is distinct from p_agent_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(_supportchat.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        end if;
        return public.ticket_of_agent(p_agent_id, p_number);
    end if;
    -- A browser shows its newest conversation: what is written in this one would reach nobody.
    select t.number into newer from public.user_sessions mine
    join public.user_sessions other on other.visitor_id = mine.visitor_id
    join public.tickets t on t.session_id = other.session_id
    where mine.session_id = ticket.session_id and t.number > ticket.number
    order by t.number desc limit 1;
    if found then
        raise sqlstate 'PT409' using message = 'customer_moved_on', detail = newer;
    end if;
    update public.tickets set
        status = 'waiting', assigned_agent_id = null, closed_at = null,
        awaiting_since = case when (
            select m.sender from public.chat_messages m
            where m.session_id = ticket.session_id and m.sender <> 'system'
            order by m.seq desc limit 1
        ) = 'user' then now() end
    where id = ticket.id;
    update public.user_sessions set status = 'active' where session_id = ticket.session_id;
    perform _supportchat.tell_event(ticket, 'reopened', 'The chat is open again.', 'agent', p_agent_id);
    select * into ticket from public.tickets where id = ticket.id;
    perform _supportchat.give_ticket(ticket, p_agent_id, 'reopened', 'agent', p_agent_id);
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select _supportchat.record_script('functions/tickets.sql', '5d2a67b01188');

notify pgrst, 'reload schema';

commit;
