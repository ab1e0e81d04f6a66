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

-- Of an earlier version, in which server processes called it.
drop function if exists public.session_of_ticket(bigint);

-- Finds the conversation of a ticket. PT404 when there is none.
create or replace function _supportchat.session_of_ticket(p_number bigint)
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

-- Of an earlier version, before there were rights.
drop function if exists _supportchat.check_owner(public.tickets, uuid);

-- Refuses what only the agent of a ticket may do, and who has the right to do it for others: PT409 with the name of the one
-- who has it.
create or replace function _supportchat.check_owner(p_ticket public.tickets, p_agent_id uuid, p_right text default null)
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
    elsif p_ticket.assigned_agent_id <> p_agent_id and (p_right is null or not _supportchat.has_right(p_agent_id, p_right)) then
        raise sqlstate 'PT409' using
            message = 'assigned_to_other', detail = _supportchat.agent_json(p_ticket.assigned_agent_id) ->> 'name';
    end if;
end $$;

-- Refuses to go on with an erased ticket: PT409. Nobody can be reached by it.
create or replace function _supportchat.check_kept(p_ticket public.tickets)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    if p_ticket.erased_at is not null then
        raise sqlstate 'PT409' using message = 'ticket_erased';
    end if;
end $$;

-- A ticket with everything that an agent sees beside the messages: conversation, customer, history, earlier tickets; of one
-- that they may hand over the first 20 who could take it.
create or replace function public.ticket_of_agent(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    return (
        select _supportchat.conversation_json(chat) || jsonb_build_object(
            'mine', t.status <> 'closed' and t.assigned_agent_id is not distinct from p_agent_id,
            'created_at', t.created_at,
            'closed_at', case when t.status = 'closed' then t.closed_at end,
            'awaiting_since', t.awaiting_since,
            'reason', case when t.status = 'waiting' then _supportchat.unassigned_reason(t.given_back_by) || case
                when t.held is null then '{}' else jsonb_build_object('code', 'held_' || t.held)
            end end,
            'held', t.held,
            'is_spam', t.is_spam,
            'priority', t.urgency,
            'snoozed', t.snoozed_until is not null,
            'snoozed_until', case when isfinite(t.snoozed_until) then t.snoozed_until end,
            'woke_at', t.woke_at,
            'tags', _supportchat.tags_of_ticket(t.id),
            'held_replies', _supportchat.held_of_agent(chat, p_agent_id),
            'site_name', _supportchat.site_label(t.site_id),
            'customer', jsonb_build_object(
                'name', coalesce(p.name, s.customer_name), 'typed_name', s.customer_name, 'phone', s.customer_phone, 'channel', s.channel, 'framed_on', s.framed_on,
                'time_zone', s.time_zone,
                'person', _supportchat.person_of_visitor(s.visitor_id),
                'address', case when _supportchat.has_right(p_agent_id, 'ban') then s.address end
            ),
            'bans', (
                select coalesce(jsonb_agg(_supportchat.ban_json(b) order by b.created_at), '[]') from public.bans b
                where (b.visitor_id = s.visitor_id or b.network = s.address) and b.expires_at > now()
            ),
            'visit', public.pages_of_session(chat),
            'read_seq', coalesce((
                select r.read_seq from public.ticket_reads r where r.agent_id = p_agent_id and r.session_id = chat
            ), 0),
            'history', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'event', split_part(e.kind, '.', 2), 'actor', e.actor, 'agent', _supportchat.person_json(e.agent_id),
                    'detail', _supportchat.with_names(e.detail), 'created_at', e.created_at
                ) order by e.id), '[]')
                from (select * from public.events where ticket_id = t.id order by id desc limit 50) as e
            ),
            'earlier', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'number', other.number, 'status', other.status, 'created_at', other.created_at
                ) order by other.number desc), '[]')
                from (
                    select o.*
                    from (
                        -- With its own.
                        select session_id from public.user_sessions
                        where visitor_id = s.visitor_id and created_at <= s.created_at
                        order by created_at desc limit 11
                    ) as chats
                    join public.tickets o on o.session_id = chats.session_id
                    where o.number < t.number
                    order by o.number desc limit 10
                ) as other
            ),
            'colleagues', case
                when (t.status <> 'closed' and t.assigned_agent_id = p_agent_id)
                    or (t.status = 'open' and _supportchat.has_right(p_agent_id, 'reassign'))
                    then _supportchat.colleagues_of_desk(20)
            end
        )
        from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        left join public.persons p on p.visitor_id = s.visitor_id
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
    chat uuid;
    messages jsonb;
    first_seq integer;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    messages := public.messages_before(chat, p_before, p_limit);
    first_seq := messages -> 0 ->> 'seq';
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
    chat uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number),
        'messages', public.messages_after(chat, p_after),
        'notes', public.notes_after(chat, p_after_note)
    );
end $$;

-- Of earlier versions, which did not ask what the agent had seen, and held no reply.
drop function if exists public.post_reply(uuid, bigint, uuid, text, jsonb);
drop function if exists public.post_reply(uuid, bigint, uuid, text, jsonb, integer);

-- Stores an agent's reply. Only the agent who has it may reply: PT409 says who has it. p_seen is
-- the last line that the agent had seen: when the customer has written more since, PT422 says how much, and nothing is stored.
-- p_may_hold: the reply is held if the desk wants that, or (also with false) behind one of theirs that is held here; then the answer
-- has no lines. p_acts is kept with it: see reply_and_act. p_held_at is for one that was held, the last line that there was when it
-- was written: what the customer has written since goes on waiting for an answer.
create or replace function public.post_reply(
    p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_message text, p_image jsonb default null,
    p_seen integer default null, p_may_hold boolean default null, p_acts jsonb default '{}', p_held_at integer default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    answer jsonb;
    line jsonb;
    unseen integer;
    place integer;
    waits_since timestamptz;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    answer := _supportchat.repeated_message(
        ticket.session_id, 'agent', p_client_message_id, p_message, p_image, p_agent_id
    );
    if answer is null and p_may_hold is not null then
        answer := _supportchat.repeated_held(ticket.session_id, p_client_message_id, p_message, p_image, p_agent_id);
    end if;
    if answer is not null then
        return answer;
    end if;
    perform _supportchat.check_message(p_message, p_image is not null);
    perform _supportchat.check_owner(ticket, p_agent_id);
    if p_seen is not null then
        select count(*) into unseen from public.chat_messages
        where session_id = ticket.session_id and seq > p_seen and sender = 'user';
        if unseen > 0 then
            raise sqlstate 'PT422' using message = 'messages_came', detail = unseen;
        end if;
    end if;
    if p_may_hold is not null then
        answer := _supportchat.hold_reply(
            ticket, p_agent_id, p_client_message_id, p_message, p_image, p_acts, p_may_hold
        );
        if answer is not null then
            return answer;
        end if;
    end if;
    line := _supportchat.append_message(
        ticket.session_id, 'agent', p_message, p_client_message_id, p_agent_id, _supportchat.add_image(ticket.session_id, p_image)
    );
    place := (line ->> 'seq')::integer;
    if p_held_at is not null then
        select min(m.created_at) into waits_since from public.chat_messages m
        where m.session_id = ticket.session_id and m.seq > p_held_at and m.sender = 'user';
    end if;
    -- Also when nobody waits: who goes on writing keeps the ticket from being quiet. See load_of_agent.
    update public.tickets set
        awaiting_since = waits_since,
        woke_at = null,
        first_reply_at = case when awaiting_since is null then first_reply_at else coalesce(first_reply_at, clock_timestamp()) end
    where id = ticket.id;
    perform _supportchat.end_draft(p_agent_id, ticket.session_id, 'reply', p_message);
    -- Who answers has read what was there.
    if waits_since is null then
        perform _supportchat.move_marks(ticket.session_id, place, place, p_agent_id);
    end if;
    if p_held_at is null then
        perform _supportchat.end_mentions(p_agent_id, ticket.session_id, 2147483647);
    end if;
    return _supportchat.answer_json(ticket.session_id, jsonb_build_array(line));
end $$;

-- Gives a ticket to an agent: a claim when agents act for themselves, else a hand-over. p_expected is the agent whom
-- the page showed (null: nobody); when it is somebody else by now, PT409 says who. To give somebody's ticket to a third one
-- takes the right 'reassign'.
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
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
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
        end if;
        if p_agent_id not in (p_assignee_id, coalesce(ticket.assigned_agent_id, p_agent_id)) then
            perform _supportchat.demand_right(p_agent_id, 'reassign');
        end if;
        if p_assignee_id <> p_agent_id and assignee.lease_expires_at > now() is not true then
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

-- Puts an agent's own ticket back into the queue; somebody else's with the right 'reassign'.
create or replace function public.unassign_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
    perform _supportchat.return_to_queue(
        ticket, _supportchat.has_taker(ticket.assigned_agent_id), 'given_back', 'agent', p_agent_id
    );
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Of an earlier version, which knew no spam.
drop function if exists _supportchat.end_ticket(public.tickets, text, uuid);

-- Ends a ticket and its conversation, and gives the freed place to who waits. The caller holds the locks.
create or replace function _supportchat.end_ticket(
    p_ticket public.tickets, p_actor text, p_agent_id uuid default null, p_is_spam boolean default false
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object('actor', p_actor, 'agent', _supportchat.agent_json(p_agent_id))
        || case when p_is_spam then '{"spam": true}' else '{}' end::jsonb;
begin
    update public.tickets set
        status = 'closed', closed_at = clock_timestamp(), awaiting_since = null, given_back_by = null, held = null,
        snoozed_until = null, woke_at = null
    where id = p_ticket.id;
    perform _supportchat.append_message(
        p_ticket.session_id, 'system',
        case p_actor when 'agent' then (detail -> 'agent' ->> 'name') || ' ended the chat.' else 'The customer ended the chat.' end,
        p_event => 'closed', p_detail => detail
    );
    -- With how it was, for reopen_ticket.
    perform _supportchat.record_event(
        p_ticket, 'closed', p_actor, p_agent_id,
        detail || jsonb_build_object('awaiting_since', p_ticket.awaiting_since) || _supportchat.state_of_ticket(p_ticket)
    );
    perform _supportchat.drain_queue();
end $$;

-- Closes a ticket from the agent's side: one's own, one that nobody has, or any with the right 'reassign'. Closing a closed one
-- changes nothing. Gives the ticket, and where the agent goes on.
create or replace function public.close_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is not null then
            perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
        end if;
        perform _supportchat.end_ticket(ticket, 'agent', p_agent_id);
    end if;
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number), 'queue', _supportchat.queue_ahead(p_agent_id)
    );
end $$;

-- Of an earlier version, which gave it to nobody else.
drop function if exists public.reopen_ticket(uuid, bigint);

-- Opens a closed ticket again, for the agent who does it, or (p_as_before) for whoever had it, if anybody did; it is no spam then. A
-- customer who had no answer waits for one again; with p_as_before for as long as before, and what was held, snoozed or
-- back from snooze is so again. PT409 when somebody has it open already, or when the customer has begun another chat since.
create or replace function public.reopen_ticket(p_agent_id uuid, p_number bigint, p_as_before boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    newer bigint;
    owner uuid := p_agent_id;
    former jsonb;
begin
    perform _supportchat.lock_browser_of_ticket(p_number);
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is distinct from p_agent_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(_supportchat.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        end if;
        return public.ticket_of_agent(p_agent_id, p_number);
    end if;
    perform _supportchat.check_kept(ticket);
    -- A browser shows its newest conversation: what is written in this one would reach nobody.
    select t.number into newer from public.user_sessions mine
    join public.tickets t on t.session_id = _supportchat.newest_session(mine.visitor_id)
    where mine.session_id = ticket.session_id and t.number > ticket.number
    order by t.number desc limit 1;
    if found then
        raise sqlstate 'PT409' using message = 'customer_moved_on', detail = newer;
    end if;
    if ticket.is_spam then
        perform _supportchat.unmark_spam(ticket, p_agent_id);
    end if;
    if p_as_before then
        select case when a.is_active is false then p_agent_id else ticket.assigned_agent_id end into owner
        from (select) as one left join public.agents a on a.id = ticket.assigned_agent_id;
        select detail into former from public.events
        where ticket_id = ticket.id and kind = 'ticket.closed' order by id desc limit 1;
    end if;
    update public.tickets set
        status = 'waiting', assigned_agent_id = null, closed_at = null,
        awaiting_since = case when former ? 'awaiting_since' then (former ->> 'awaiting_since')::timestamptz when (
            select m.sender from public.user_sessions s
            join public.chat_messages m on m.session_id = s.session_id and m.seq = s.last_spoken_seq
            where s.session_id = ticket.session_id
        ) = 'user' then now() end
    where id = ticket.id;
    perform _supportchat.tell_event(ticket, 'reopened', 'The chat is open again.', 'agent', p_agent_id);
    select * into ticket from public.tickets where id = ticket.id;
    if owner is not null then
        perform _supportchat.give_ticket(ticket, owner, 'reopened', 'agent', p_agent_id);
    end if;
    if former is not null then
        perform _supportchat.restore_state(ticket.id, former);
    end if;
    if owner is null then
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select _supportchat.record_script('functions/tickets.sql', '6729ca1e98ab');

notify pgrst, 'reload schema';

commit;
