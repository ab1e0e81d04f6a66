-- tickets.sql: what an agent can do with a ticket. Safe to run again.
-- p_agent_id is the agent who acts. A ticket is named by its number.

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
create or replace function public.check_owner(p_ticket public.tickets, p_agent_id uuid)
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
            message = 'assigned_to_other', detail = public.agent_json(p_ticket.assigned_agent_id) ->> 'name';
    end if;
end $$;

-- One row of the queue, as an agent sees it. Unread are the customer's messages after the agent's own mark.
create or replace function public.queue_row_json(p_ticket public.tickets, p_agent_id uuid)
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
        'agent', public.agent_json(p_ticket.assigned_agent_id),
        'mine', p_ticket.assigned_agent_id is not distinct from p_agent_id and p_ticket.status <> 'closed',
        'awaiting_since', case when p_ticket.status <> 'closed' then p_ticket.awaiting_since end,
        'unread', (
            select count(*) from public.chat_messages m
            where m.session_id = s.session_id and m.sender = 'user' and m.seq > coalesce((
                select r.read_seq from public.ticket_reads r
                where r.agent_id = p_agent_id and r.session_id = s.session_id
            ), 0)
        ),
        'last', (
            select jsonb_build_object(
                'sender', m.sender,
                'mine', m.sender_agent_id is not distinct from p_agent_id,
                'agent', public.agent_json(m.sender_agent_id),
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

-- The queue of an agent: counts of each view, the rows of one ('mine', 'unassigned' or 'all'), and for 'all' the
-- tickets closed last, a third as many. Unassigned rows stand as they are handed out, the others newest message first.
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
                'all', count(*)
            )
            from public.tickets where status <> 'closed'
        ),
        'rows', (
            select coalesce(jsonb_agg(row_json order by place, row_json -> 'last' ->> 'created_at' desc), '[]')
            from (
                select
                    public.queue_row_json(t, p_agent_id) as row_json,
                    -- The order of drain_queue.
                    case when p_view = 'unassigned' then row(coalesce(t.awaiting_since, 'infinity'), t.number) end as place
                from public.tickets t
                where t.status <> 'closed' and case p_view
                    when 'mine' then t.assigned_agent_id = p_agent_id
                    when 'unassigned' then t.status = 'waiting'
                    else true
                end
                order by place, t.updated_at desc
                limit p_limit
            ) as chosen
        ),
        'closed', (
            select coalesce(jsonb_agg(public.queue_row_json(t, p_agent_id) order by t.closed_at desc), '[]')
            from (
                select c.* from public.tickets c
                -- An older version may have left tickets without a conversation: there is nothing to show of them.
                join public.user_sessions s on s.session_id = c.session_id
                where p_view = 'all' and c.status = 'closed'
                order by c.updated_at desc limit p_limit / 3
            ) as t
        ),
        'reason', case when p_view <> 'mine' then public.unassigned_reason() end
    )
$$;

-- A ticket with everything that an agent sees beside the messages: conversation, customer, history, earlier tickets.
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
        select public.conversation_json(chat) || jsonb_build_object(
            'mine', t.status <> 'closed' and t.assigned_agent_id is not distinct from p_agent_id,
            'created_at', t.created_at,
            'closed_at', t.closed_at,
            'awaiting_since', t.awaiting_since,
            'reason', case when t.status = 'waiting' then
                case
                    when t.given_back_by is not null and public.next_agent(null, t.given_back_by) is null
                        and public.next_agent() is not null
                        then public.unassigned_reason() || '{"code": "given_back"}'
                    else public.unassigned_reason()
                end
            end,
            'customer', jsonb_build_object(
                'name', s.customer_name, 'phone', s.customer_phone, 'channel', s.channel, 'time_zone', s.time_zone
            ),
            'read_seq', coalesce((
                select r.read_seq from public.ticket_reads r where r.agent_id = p_agent_id and r.session_id = chat
            ), 0),
            'history', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'event', e.event, 'actor', e.actor, 'agent', public.agent_json(e.agent_id),
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
            )
        )
        from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        where t.number = p_number
    );
end $$;

-- Stores an agent's reply. Only the agent who has the ticket may reply: PT409 says who has it.
create or replace function public.post_reply(
    p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_message text, p_image jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := public.lock_ticket(public.session_of_ticket(p_number));
    answer jsonb := public.repeated_message(ticket.session_id, 'agent', p_client_message_id, p_message, p_image);
    line jsonb;
begin
    if answer is not null then
        return answer;
    end if;
    perform public.check_message(p_message, p_image is not null);
    perform public.check_owner(ticket, p_agent_id);
    line := public.append_message(
        ticket.session_id, 'agent', p_message, p_client_message_id, p_agent_id, public.add_image(ticket.session_id, p_image)
    );
    if ticket.awaiting_since is not null then
        update public.tickets set awaiting_since = null, first_reply_at = coalesce(first_reply_at, clock_timestamp())
        where id = ticket.id;
    end if;
    -- Who answers has read what was there.
    perform public.record_receipt(
        ticket.session_id, 'agent', (line ->> 'seq')::integer, (line ->> 'seq')::integer, p_agent_id
    );
    return jsonb_build_object('duplicate', false, 'session_id', ticket.session_id, 'messages', jsonb_build_array(line));
end $$;

-- A private note as the web code knows it.
create or replace function public.note_json(p_row public.ticket_notes)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', p_row.session_id, 'note_no', p_row.note_no, 'after_seq', p_row.after_seq,
        'agent', public.agent_json(p_row.agent_id), 'client_message_id', p_row.client_message_id,
        'note', p_row.note, 'created_at', p_row.created_at
    )
$$;

-- Adds a private note, which agents see between the messages and a customer never receives.
create or replace function public.add_note(p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_note text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := public.lock_ticket(public.session_of_ticket(p_number));
    line public.ticket_notes;
begin
    select * into line from public.ticket_notes
    where session_id = ticket.session_id and client_message_id = p_client_message_id;
    if found then
        if line.note <> p_note or line.agent_id <> p_agent_id then
            raise sqlstate 'PT422' using message = 'client_message_id_reused';
        end if;
        return public.note_json(line);
    end if;
    perform public.check_message(p_note, false);
    update public.user_sessions set last_note_no = last_note_no + 1
    where session_id = ticket.session_id
    returning last_note_no, last_seq into line.note_no, line.after_seq;
    insert into public.ticket_notes (session_id, note_no, after_seq, agent_id, client_message_id, note)
    values (ticket.session_id, line.note_no, line.after_seq, p_agent_id, p_client_message_id, p_note)
    returning * into line;
    perform public.notify_change('note.added', jsonb_build_object('session_id', ticket.session_id));
    perform public.record_event(ticket, 'noted', 'agent', p_agent_id);
    return public.note_json(line);
end $$;

-- The notes of a conversation after a number, or that stand after a message, oldest first.
create or replace function public.notes_after(p_session_id uuid, p_after integer, p_from_seq integer default 0)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(public.note_json(n) order by n.note_no), '[]')
    from public.ticket_notes n
    where n.session_id = p_session_id and n.note_no > p_after and n.after_seq >= p_from_seq
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
    perform public.lock_assignment();
    ticket := public.lock_ticket(public.session_of_ticket(p_number));
    select * into assignee from public.agents where id = p_assignee_id and is_active;
    if not found then
        raise sqlstate 'PT422' using message = 'agent_not_found';
    elsif ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif ticket.assigned_agent_id is distinct from p_assignee_id then
        if ticket.assigned_agent_id is distinct from p_expected_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(public.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        elsif p_assignee_id <> p_agent_id and assignee.lease_expires_at > now() is not true then
            raise sqlstate 'PT409' using message = 'agent_not_here', detail = assignee.name;
        end if;
        perform public.give_ticket(
            ticket, p_assignee_id, case when p_assignee_id = p_agent_id then 'claimed' else 'handed_over' end,
            'agent', p_agent_id
        );
        -- Whoever handed it over has a place free.
        perform public.drain_queue();
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
    perform public.lock_assignment();
    ticket := public.lock_ticket(public.session_of_ticket(p_number));
    perform public.check_owner(ticket, p_agent_id);
    perform public.return_to_queue(ticket, 'given_back', 'agent', p_agent_id);
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Ends a ticket and its conversation, and gives the freed place to who waits. The caller holds the locks.
create or replace function public.end_ticket(p_ticket public.tickets, p_actor text, p_agent_id uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object('actor', p_actor, 'agent', public.agent_json(p_agent_id));
begin
    update public.tickets set
        status = 'closed', closed_at = clock_timestamp(), awaiting_since = null, given_back_by = null
    where id = p_ticket.id;
    update public.user_sessions set status = 'ended' where session_id = p_ticket.session_id;
    perform public.append_message(
        p_ticket.session_id, 'system',
        case p_actor when 'agent' then (detail -> 'agent' ->> 'name') || ' ended the chat.' else 'The customer ended the chat.' end,
        p_event => 'closed', p_detail => detail
    );
    perform public.record_event(p_ticket, 'closed', p_actor, p_agent_id);
    perform public.drain_queue();
end $$;

-- Closes a ticket from the agent's side: one's own, or one that nobody has. Closing a closed one changes nothing.
create or replace function public.close_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform public.lock_assignment();
    ticket := public.lock_ticket(public.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is not null then
            perform public.check_owner(ticket, p_agent_id);
        end if;
        perform public.end_ticket(ticket, 'agent', p_agent_id);
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
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
    perform public.lock_assignment();
    ticket := public.lock_ticket(public.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is distinct from p_agent_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(public.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        end if;
        return public.ticket_of_agent(p_agent_id, p_number);
    end if;
    -- A browser shows its newest conversation: what is written in this one would reach nobody.
    select t.number into newer from public.user_sessions mine
    join public.user_sessions other on other.visitor_id = mine.visitor_id
    join public.tickets t on t.session_id = other.session_id
    where mine.session_id = ticket.session_id and other.created_at > mine.created_at
    order by other.created_at desc limit 1;
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
    perform public.append_message(ticket.session_id, 'system', 'The chat is open again.', p_event => 'reopened');
    perform public.record_event(ticket, 'reopened', 'agent', p_agent_id);
    select * into ticket from public.tickets where id = ticket.id;
    perform public.give_ticket(ticket, p_agent_id, 'reopened', 'agent', p_agent_id);
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select public.restrict_functions(array[
    'session_of_ticket', 'check_owner', 'queue_row_json', 'list_tickets', 'ticket_of_agent', 'post_reply', 'note_json',
    'add_note', 'notes_after', 'assign_ticket', 'unassign_ticket', 'end_ticket', 'close_ticket', 'reopen_ticket'
]);
select public.limit_functions(array[
    'list_tickets', 'ticket_of_agent', 'post_reply', 'add_note', 'notes_after', 'assign_ticket', 'unassign_ticket',
    'close_ticket', 'reopen_ticket'
]);

select public.record_script('functions/tickets.sql', 'e82c975e37f8');

notify pgrst, 'reload schema';
