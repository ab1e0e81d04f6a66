-- assignment.sql: who answers whom, and why nobody does. Safe to run again.
--
-- Lock order, everywhere: the assignment lock, then a conversation, then its ticket. Whoever holds the assignment lock
-- may lock further conversations; whoever does not holds one at most. So no two transactions can wait in a circle.

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

-- Lets one transaction at a time decide who gets a ticket.
create or replace function _supportchat.lock_assignment()
returns void
language sql
set search_path = ''
as $$
    select pg_catalog.pg_advisory_xact_lock(7308332045)
$$;

-- The ticket of a conversation. An older version may have left several in one: then it is the newest that is not closed, or
-- else the newest.
create or replace function _supportchat.ticket_of_session(p_session_id uuid)
returns public.tickets
language sql
stable
set search_path = ''
as $$
    select * from public.tickets where session_id = p_session_id order by status = 'closed', number desc limit 1
$$;

-- Of an earlier version, which numbered everybody who waits.
drop function if exists _supportchat.waiting_tickets();

-- How far the places in the queue are counted: whoever stands behind has this one.
create or replace function _supportchat.last_place()
returns integer
language sql
immutable
set search_path = ''
as $$
    select 101
$$;

-- The place of a waiting ticket in the queue: the most urgent first, then the longest waiting, and of each urgency those that
-- have their answer last. Held and snoozed ones have none. It is last_place() at most, or a long queue would be counted each time
-- somebody looks.
create or replace function _supportchat.place_of_ticket(p_ticket public.tickets)
returns bigint
language sql
stable
set search_path = ''
as $$
    select 1 + count(*)
    from (
        select from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and urgency < p_ticket.urgency
        union all
        select from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and urgency = p_ticket.urgency
            and (awaiting_since, number) < (p_ticket.awaiting_since, p_ticket.number)
        union all
        select from public.tickets
        where p_ticket.awaiting_since is null and status = 'waiting' and held is null and snoozed_until is null
            and urgency = p_ticket.urgency and (awaiting_since is not null or number < p_ticket.number)
        limit _supportchat.last_place() - 1
    ) as ahead
$$;

-- Locks a conversation and gives its ticket, locked as well. PT404 when there is none.
create or replace function _supportchat.lock_ticket(p_session_id uuid)
returns public.tickets
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform from public.user_sessions where session_id = p_session_id for no key update;
    if found then
        -- The same that ticket_of_session finds: whoever changes it has locked the conversation before.
        select * into ticket from public.tickets
        where session_id = p_session_id order by status = 'closed', number desc limit 1 for no key update;
    end if;
    if not found then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    end if;
    return ticket;
end $$;

-- The detail of an event, with the ids of the people in it for their names: in the log nobody has a name.
create or replace function _supportchat.without_names(p_detail jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
    select p_detail || coalesce(
        (select jsonb_object_agg(key, value -> 'id') from jsonb_each(p_detail) where jsonb_typeof(value) = 'object'), '{}'
    )
$$;

-- The same the other way: the people and the tags that a detail names by their ids.
create or replace function _supportchat.with_names(p_detail jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select p_detail || coalesce((
        select jsonb_object_agg(key, case
            when key in ('added', 'removed') then (
                select coalesce(jsonb_agg(t.name order by t.name), '[]') from public.desk_tags t
                where t.tag_id in (select id::bigint from jsonb_array_elements_text(value) as id)
            )
            else _supportchat.agent_json((value #>> '{}')::uuid)
        end)
        from jsonb_each(p_detail) where key in ('agent', 'by', 'from', 'added', 'removed')
    ), '{}')
$$;

-- Logs what was done to a ticket: its history.
create or replace function _supportchat.record_event(
    p_ticket public.tickets, p_event text, p_actor text, p_agent_id uuid default null, p_detail jsonb default '{}'
)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.log_event(
        'ticket.' || p_event, p_ticket.session_id,
        _supportchat.without_names(p_detail), p_actor, p_agent_id, p_ticket.id,
        -- Of the others log_version tells.
        p_hint => p_event in ('opened', 'noted')
    )
$$;

-- Logs that a ticket has another version, whatever statement has made it. 'had' is the agent who had it before.
create or replace function _supportchat.log_version()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.log_event(
        'ticket.changed', new.session_id, jsonb_strip_nulls(jsonb_build_object('had', old.assigned_agent_id))
    );
    return null;
end $$;

create or replace trigger log_version
after update on public.tickets
for each row when (old.version <> new.version) execute function _supportchat.log_version();

-- Of an earlier version, which did not say how the ticket was.
drop function if exists _supportchat.tell_event(public.tickets, text, text, text, uuid, jsonb);

-- Writes what has happened to a ticket where people see it: a line of the system in its conversation, and the same in its
-- history, there with p_was (see state_of_ticket).
create or replace function _supportchat.tell_event(
    p_ticket public.tickets, p_event text, p_line text, p_actor text, p_agent_id uuid default null, p_detail jsonb default '{}',
    p_was jsonb default '{}'
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.append_message(p_ticket.session_id, 'system', p_line, p_event => p_event, p_detail => p_detail);
    perform _supportchat.record_event(p_ticket, p_event, p_actor, p_agent_id, p_detail || p_was);
end $$;

-- What becomes of a ticket by the way when it changes hands or ends, for restore_state: kept with the event of that.
create or replace function _supportchat.state_of_ticket(p_ticket public.tickets)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'held', p_ticket.held, 'snoozed_until', p_ticket.snoozed_until, 'woke_at', p_ticket.woke_at,
        'given_back_by', p_ticket.given_back_by
    ))
$$;

-- Makes a ticket again what it was, by the detail of an event. A snooze that has ended meanwhile has brought it back.
create or replace function _supportchat.restore_state(p_ticket_id uuid, p_was jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    until timestamptz := p_was ->> 'snoozed_until';
    woke timestamptz := coalesce((p_was ->> 'woke_at')::timestamptz, case when until <= now() then until end);
begin
    update public.tickets set
        snoozed_until = case when until > now() then until end, woke_at = woke,
        held = case when status = 'waiting' then p_was ->> 'held' end,
        given_back_by = case when status = 'waiting' then (p_was ->> 'given_back_by')::uuid end
    where id = p_ticket_id;
end $$;

-- How many places of the limits of some agents are taken; nothing of who has none taken. Neither a ticket that was answered,
-- and has been quiet for five minutes, takes one, or customers who have gone would keep the next ones waiting; nor one that
-- was taken up again within ten minutes of its end, which most do to say thanks; nor one that is snoozed.
create or replace function _supportchat.loads_of_agents(p_agent_ids uuid[])
returns table (agent_id uuid, load bigint)
language sql
stable
set search_path = ''
as $$
    -- Two parts, each in one stretch of the index: an agent has any number of closed and of quiet tickets.
    select taken.assigned_agent_id, count(*)
    from (
        select assigned_agent_id from public.tickets
        where assigned_agent_id = any (p_agent_ids) and status = 'open' and awaiting_since is not null
            and snoozed_until is null and (closed_at is null or awaiting_since > closed_at + interval '10 minutes')
        union all
        select assigned_agent_id from public.tickets
        where assigned_agent_id = any (p_agent_ids) and status = 'open' and awaiting_since is null
            and updated_at > now() - interval '5 minutes' and snoozed_until is null
    ) as taken
    group by taken.assigned_agent_id
$$;

-- The same of one agent.
create or replace function _supportchat.load_of_agent(p_agent_id uuid)
returns bigint
language sql
stable
set search_path = ''
as $$
    select coalesce(sum(load), 0)::bigint from _supportchat.loads_of_agents(array[p_agent_id])
$$;

-- Of an earlier version, which counted for each by itself.
drop function if exists _supportchat.agents_here();

-- The agents who are here, with their load: only they are considered for a ticket.
create or replace function _supportchat.agents_with_load()
returns table (agent_id uuid, availability text, load bigint, max_tickets integer)
language sql
stable
set search_path = ''
as $$
    with here as materialized (
        select id, availability, max_tickets from public.agents where is_active and lease_expires_at > now()
    )
    select here.id, here.availability, coalesce(taken.load, 0), here.max_tickets
    from here
    left join _supportchat.loads_of_agents((select array_agg(id) from here)) as taken on taken.agent_id = here.id
$$;

-- Of an earlier version, which called it for each agent.
drop function if exists _supportchat.last_assigned_at(uuid);

-- Whether an agent could take a ticket now: p_except is not asked.
create or replace function _supportchat.has_taker(p_except uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from _supportchat.agents_with_load()
        where availability = 'available' and load < max_tickets and agent_id is distinct from p_except
    )
$$;

-- The agent whose turn it is: available, here, below the limit, least loaded, then longest without a new ticket.
-- An agent who knows the customer already comes first; p_except is not asked: it was their ticket, and they gave it back.
create or replace function _supportchat.next_agent(p_preferred uuid default null, p_except uuid default null)
returns uuid
language sql
stable
set search_path = ''
as $$
    with able as materialized (
        select agent_id, case when agent_id = p_preferred then -1 else load end as load from _supportchat.agents_with_load()
        where availability = 'available' and load < max_tickets and agent_id is distinct from p_except
    )
    select agent_id from able
    cross join lateral (select max(assigned_at) as at from public.tickets where assigned_agent_id = agent_id) as last
    where load = (select min(load) from able)
    order by last.at nulls first, agent_id
    limit 1
$$;

-- The free places of the agents who are here, so many at most, in the order in which next_agent would fill them.
create or replace function _supportchat.free_places(p_limit integer)
returns setof uuid
language sql
stable
set search_path = ''
as $$
    with able as materialized (
        select agent_id, load, max_tickets,
            -- Whoever comes to a load by a ticket of now stands behind those who had it before.
            row_number() over (order by load desc, last.at nulls first, agent_id) as turn
        from _supportchat.agents_with_load()
        cross join lateral (select max(assigned_at) as at from public.tickets where assigned_agent_id = agent_id) as last
        where availability = 'available' and load < max_tickets
    )
    select agent_id
    from able cross join generate_series(load, least(max_tickets, load + p_limit) - 1) as taken
    order by taken, turn
    limit p_limit
$$;

-- Why a waiting ticket has nobody: a code, and the figures behind it. p_given_back_by gave it back, and is not asked again.
create or replace function _supportchat.unassigned_reason(p_given_back_by uuid default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with figures as (
        select
            (select count(*) from public.agents where is_active) as agents,
            count(*) as here,
            count(*) filter (where availability = 'available') as available,
            count(*) filter (where availability = 'available' and load < max_tickets) as with_room,
            count(*) filter (
                where availability = 'available' and load < max_tickets and agent_id is distinct from p_given_back_by
            ) as others,
            coalesce(sum(load) filter (where availability = 'available'), 0) as load,
            coalesce(sum(max_tickets) filter (where availability = 'available'), 0) as places
        from _supportchat.agents_with_load()
    )
    select to_jsonb(figures) - 'others' || jsonb_build_object('code', case
        when agents = 0 then 'no_agents'
        when here = 0 then 'nobody_here'
        when available = 0 then 'everybody_away'
        when with_room = 0 then 'everybody_full'
        when others = 0 then 'nobody_else'
        else 'about_to_be_assigned'
    end)
    from figures
$$;

-- Gives a ticket to an agent: state, line in the conversation, event. Whoever had it last has it 'again'. The caller
-- holds the locks.
create or replace function _supportchat.give_ticket(
    p_ticket public.tickets, p_agent_id uuid, p_reason text, p_actor text, p_actor_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object(
        'agent', _supportchat.agent_json(p_agent_id), 'by', _supportchat.agent_json(p_actor_id),
        'number', p_ticket.number, 'reason', p_reason
    );
    last_one text := (
        select e.detail ->> 'agent' from public.events e
        where e.ticket_id = p_ticket.id and e.kind = 'ticket.assigned' order by e.id desc limit 1
    );
    previous jsonb := _supportchat.agent_json(p_ticket.assigned_agent_id);
begin
    if previous is not null then
        detail := detail || jsonb_build_object('from', previous);
    elsif last_one = p_agent_id::text then
        detail := detail || '{"again": true}';
    end if;
    update public.tickets set
        status = 'open', assigned_agent_id = p_agent_id, assigned_at = clock_timestamp(), given_back_by = null, held = null,
        snoozed_until = null
    where id = p_ticket.id;
    -- What they read before counts for the customer from now on.
    perform _supportchat.move_marks(p_ticket.session_id, read_seq, read_seq, p_agent_id)
    from public.ticket_reads where agent_id = p_agent_id and session_id = p_ticket.session_id;
    perform _supportchat.tell_event(
        p_ticket, 'assigned', (detail -> 'agent' ->> 'name') || ' joined the chat.', p_actor, p_actor_id, detail,
        _supportchat.state_of_ticket(p_ticket)
    );
end $$;

-- Hands waiting tickets, in the order of the queue, to agents with room: all but p_except, and no more than a transaction
-- has time for; the next sweep goes on. The caller holds the assignment lock.
create or replace function _supportchat.drain_queue(p_except uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    places uuid[] := array(select _supportchat.free_places(25));
    candidate record;
    ticket public.tickets;
    place integer;
    given integer := 0;
begin
    for candidate in
        -- Whoever gave a ticket back does not get it again. With a limit, the index is read, and no further.
        select session_id, given_back_by from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and id is distinct from p_except
            and (given_back_by is null or given_back_by <> any (places))
        order by urgency, awaiting_since nulls last, number
        limit cardinality(places)
    loop
        place := (
            select min(turn) from unnest(places) with ordinality as free (agent_id, turn)
            where agent_id is distinct from candidate.given_back_by
        );
        continue when place is null;
        ticket := _supportchat.lock_ticket(candidate.session_id);
        if ticket.status = 'waiting' and ticket.held is null and ticket.snoozed_until is null then
            perform _supportchat.give_ticket(ticket, places[place], 'least_loaded', 'system');
            places := places[:place - 1] || places[place + 1:];
            given := given + 1;
        end if;
    end loop;
    return given;
end $$;

-- Of an earlier version, which drained no queue.
drop function if exists _supportchat.offer_ticket(uuid, boolean, uuid);

-- Seeks an agent for a ticket that has begun to wait, after the ones that waited before it: one who knows the customer comes
-- first. Tells the customer when nobody is free. The caller holds the assignment lock and the conversation.
create or replace function _supportchat.seek_agent(p_ticket public.tickets, p_preferred uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    reason jsonb := _supportchat.unassigned_reason();
    chosen uuid;
begin
    if reason ->> 'with_room' <> '0' then
        perform _supportchat.drain_queue(case when p_preferred is not null then p_ticket.id end);
        chosen := case when p_preferred is not null then _supportchat.next_agent(p_preferred) end;
    end if;
    if chosen is not null then
        perform _supportchat.give_ticket(
            p_ticket, chosen, case when chosen = p_preferred then 'knows_customer' else 'least_loaded' end, 'system'
        );
    elsif exists (select from public.tickets where id = p_ticket.id and status = 'waiting') then
        perform _supportchat.append_message(
            p_ticket.session_id, 'system', 'Nobody is free right now. The message is kept and will be answered here.',
            p_event => 'queued', p_detail => reason
        );
    end if;
end $$;

-- Of an earlier version, which asked who could take it for each ticket anew.
drop function if exists _supportchat.return_to_queue(public.tickets, text, text, uuid);

-- Takes a ticket from its agent and puts it back into the queue, where it keeps its place by awaiting_since. When an agent has
-- given it back, or somebody has for them (p_actor_id), they do not get it again by itself. p_is_wanted says whether somebody
-- else can take it now: only then is the customer told that we look for somebody.
create or replace function _supportchat.return_to_queue(
    p_ticket public.tickets, p_is_wanted boolean, p_reason text, p_actor text, p_actor_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object(
        'from', _supportchat.agent_json(p_ticket.assigned_agent_id), 'reason', p_reason,
        'wanted', p_is_wanted
    );
begin
    update public.tickets set status = 'waiting', assigned_agent_id = null, snoozed_until = null,
        given_back_by = case when p_actor_id is not null then p_ticket.assigned_agent_id end
    where id = p_ticket.id;
    perform _supportchat.tell_event(
        p_ticket, 'returned', (detail -> 'from' ->> 'name') || ' is no longer available. The chat is back in line.',
        p_actor, p_actor_id, detail, _supportchat.state_of_ticket(p_ticket)
    );
end $$;

-- Wakes a snoozed ticket: it is back on top, with a mark. p_why is 'time', 'customer' or 'agent'. The caller holds the lock of its
-- conversation.
create or replace function _supportchat.wake_ticket(p_ticket public.tickets, p_why text, p_agent_id uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.tickets set snoozed_until = null, woke_at = case when p_why <> 'agent' then clock_timestamp() end
    where id = p_ticket.id;
    perform _supportchat.record_event(
        p_ticket, 'woke', case p_why when 'time' then 'system' else p_why end, p_agent_id, jsonb_build_object('why', p_why)
    );
end $$;

-- Wakes tickets whose time has come, no more than a transaction has time for. The caller holds the assignment lock.
create or replace function _supportchat.wake_due_tickets()
returns void
language plpgsql
set search_path = ''
as $$
declare
    due uuid;
    ticket public.tickets;
begin
    for due in select session_id from public.tickets where snoozed_until <= now() order by snoozed_until limit 50 loop
        ticket := _supportchat.lock_ticket(due);
        if ticket.snoozed_until <= now() then
            perform _supportchat.wake_ticket(ticket, 'time');
        end if;
    end loop;
end $$;

-- Wakes the snoozed tickets that are due, returns the unanswered tickets of agents whose lease ran out, the most urgent first, no
-- more than a transaction has time for, logs who is gone, forgets what is old, then drains the queue. Every server process calls it every
-- few seconds; whoever finds it running already leaves it to the other. Gives what was done, or null then.
create or replace function public.sweep_assignment()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    candidate record;
    ticket public.tickets;
    returned integer := 0;
    is_wanted boolean;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7308332045) then
        return null;
    end if;
    perform _supportchat.wake_due_tickets();
    for candidate in
        select t.session_id, t.number, t.assigned_agent_id from public.tickets t
        join public.agents a on a.id = t.assigned_agent_id
        where t.status = 'open' and t.awaiting_since is not null and t.snoozed_until is null
            and (a.lease_expires_at is null or a.lease_expires_at <= now())
            -- After an outage or a restart no lease has been renewed: pages have 20 seconds to come back.
            and exists (
                select from public.server_processes p
                where _supportchat.is_live(p) and p.started_at < now() - interval '20 seconds'
            )
            -- Who took it without an open page (a browser without scripts has none that tells) is here while they ask. Not
            -- who was given it while the lease was ending: no statement lasts for 5 seconds.
            and not (
                coalesce(a.lease_expires_at, '-infinity') < t.assigned_at - interval '5 seconds'
                and exists (select from public.agent_sessions s where s.agent_id = a.id and s.last_seen_at > now() - interval '10 minutes')
            )
        order by t.urgency, t.awaiting_since, t.number
    loop
        exit when returned = 25;
        -- Whoever has written a reply, and left before its time had come, has answered.
        perform _supportchat.send_held(candidate.assigned_agent_id, candidate.number);
        ticket := _supportchat.lock_ticket(candidate.session_id);
        if ticket.status = 'open' and ticket.awaiting_since is not null and ticket.snoozed_until is null
            and ticket.assigned_agent_id = candidate.assigned_agent_id then
            -- The same for all: who has left takes none.
            is_wanted := coalesce(is_wanted, _supportchat.has_taker(null));
            perform _supportchat.return_to_queue(ticket, is_wanted, 'agent_left', 'system');
            returned := returned + 1;
        end if;
    end loop;
    perform _supportchat.note_absent_agents();
    perform _supportchat.forget_dead_processes();
    perform _supportchat.prune_events();
    return jsonb_build_object(
        'returned', returned, 'assigned', case when is_wanted is false then 0 else _supportchat.drain_queue() end,
        -- Their own process would have sent them by now; or the clock has gone back.
        'held_due', exists (
            select from public.held_replies where due_at < now() - interval '1 second' or due_at > now() + interval '31 seconds'
        )
    );
end $$;

select _supportchat.record_script('functions/assignment.sql', 'cbe3ec3ddb7a');

notify pgrst, 'reload schema';

commit;
