-- assignment.sql: who answers whom, and why nobody does. Safe to run again.
--
-- Lock order, everywhere: the assignment lock, then a conversation, then its ticket. Whoever holds the assignment lock
-- may lock further conversations; whoever does not holds one at most. So no two transactions can wait in a circle.

begin;

-- Looks whether what has our names is ours, and stops if not: see docs/sql.md. Written by bin/migrate stamp.
do $look$
declare
    tables text[] := '{
        schema_scripts, visitors, agents, user_sessions, chat_messages, tickets, agent_credentials, agent_sessions,
        chat_images, ticket_transitions, ticket_events, ticket_notes, ticket_reads, server_processes, heartbeat,
        throttle_buckets, agent_browsers
    }';
    indexes text[] := '{
        visitors_token_hash_key, agents_email_key, user_sessions_visitor_id_idx, user_sessions_created_at_idx,
        chat_messages_seq_key, chat_messages_client_key, chat_messages_created_at_idx,
        chat_messages_sender_agent_id_idx, chat_messages_image_id_idx, tickets_number_key, tickets_session_id_idx,
        tickets_assigned_agent_id_idx, tickets_not_closed_idx, tickets_updated_at_idx, tickets_created_at_idx,
        agent_sessions_agent_id_idx, chat_images_storage_key_key, chat_images_session_id_idx,
        ticket_events_ticket_id_idx, ticket_events_agent_id_idx, ticket_notes_note_no_key, ticket_notes_client_key,
        ticket_notes_agent_id_idx, ticket_reads_session_id_idx, throttle_buckets_full_at_idx
    }';
    functions text[] := regexp_split_to_array(btrim('
        orphan_rows(text); database_epoch(); messages_after(uuid, integer, integer, integer);
        messages_before(uuid, integer, integer, integer); image_of_session(uuid, uuid); orphan_images(text[]);
        signal_typing(uuid, text, uuid); record_receipt(uuid, text, integer, integer, uuid); sweep_assignment();
        conversations(uuid[]); conversation_heads(uuid[]); conversation_of_visitor(text);
        post_message(text, uuid, uuid, text, jsonb); start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb);
        close_chat(text); who_is_here(); list_tickets(uuid, text, integer); ticket_of_agent(uuid, bigint);
        post_reply(uuid, bigint, uuid, text, jsonb); add_note(uuid, bigint, uuid, text);
        notes_after(uuid, integer, integer, integer, integer, integer); assign_ticket(uuid, bigint, uuid, uuid);
        unassign_ticket(uuid, bigint); close_ticket(uuid, bigint); reopen_ticket(uuid, bigint);
        create_agent(text, text, text, text, integer); reset_password(text, text); begin_login(text, text, text, jsonb);
        open_agent_session(uuid, text, text); agent_of_session(text); close_agent_session(text);
        set_availability(uuid, text); list_agents(); good_sessions(text[]);
        report_process(uuid, integer, uuid[], text[], boolean); forget_process(uuid); check_table(text); desk_figures();
        stuck_tickets(); verify_chat(); send_ping(text); send_heartbeat(double precision); desk_fingerprint();
        missing_functions(text[]); applied_scripts(); messages_after(uuid, integer, integer);
        messages_before(uuid, integer, integer); start_chat(text, uuid, text, jsonb, text, text, text);
        notes_after(uuid, integer, integer); open_agent_session(uuid, text)
    ', E' \n'), ';\s+');
    -- These would answer a call that is meant for one of those.
    overloads text[] := regexp_split_to_array(btrim('
        orphan_rows(); messages_after(uuid, integer); messages_before(uuid); messages_before(uuid, integer);
        signal_typing(uuid, text); record_receipt(uuid, text, integer, integer); post_message(text, uuid, uuid, text);
        start_chat(text, uuid, text); start_chat(text, uuid, text, jsonb); start_chat(text, uuid, text, jsonb, text);
        start_chat(text, uuid, text, jsonb, text, text); start_chat(text, uuid, text, jsonb, text, text, text, text);
        list_tickets(uuid); list_tickets(uuid, text); post_reply(uuid, bigint, uuid, text); notes_after(uuid, integer);
        notes_after(uuid, integer, integer, integer); notes_after(uuid, integer, integer, integer, integer);
        assign_ticket(uuid, bigint, uuid); create_agent(text, text, text); create_agent(text, text, text, text);
        begin_login(text, text, text); report_process(uuid, integer, uuid[], text[])
    ', E' \n'), ';\s+');
    -- The tables that a desk had before it had schema_scripts.
    oldest text[] := '{agents,user_sessions,chat_messages,tickets}';
    is_adopted boolean := coalesce(current_setting('supportchat.adopt', true) = 'yes', false);
    marked text[];
    has_sessions boolean;
    is_desk boolean;
    is_older_desk boolean;
    others text;
    path text := current_setting('search_path');
begin
    -- An app may have a function like one of Postgres' own, which would be called instead.
    perform set_config('search_path', 'pg_catalog', true);
    -- Each table of a desk bears this policy. An app may have one of that name on a table or two, so a desk shows itself by
    -- more than that: by the function that stamps its scripts, or by all the tables of the oldest version.
    select coalesce(array_agg(c.relname), '{}') into marked
    from pg_policy p
    join pg_class c on c.oid = p.polrelid
    where c.relnamespace = 'public'::regnamespace and p.polname = 'server_only' and not p.polpermissive
        and pg_get_expr(p.polqual, p.polrelid) = 'false';
    has_sessions := 3 = (
        select count(*) from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not a.attisdropped
            and c.relname in ('user_sessions', 'chat_messages', 'tickets') and a.attname = 'session_id'
    );
    is_desk := (has_sessions and marked @> oldest) or ('schema_scripts' = any (marked) and exists (
        -- Versions before the schema _supportchat had it in public.
        select from pg_proc
        where proname = 'record_script' and pronamespace in (to_regnamespace('_supportchat'), 'public'::regnamespace)
            and proargnames = '{p_name,p_checksum}' and proconfig @> array['search_path=""']
    ));
    is_older_desk := has_sessions and not exists (
        select from pg_constraint k
        join pg_class c on c.oid = k.conrelid
        join pg_class target on target.oid = k.confrelid
        where k.contype = 'f' and c.relnamespace = 'public'::regnamespace and c.relname = any (oldest)
            and target.relnamespace <> 'public'::regnamespace
    );

    with named as (
        select 1 as place, c.relkind, c.relname::text as name, case
            when c.relname = any (tables) then c.relkind = 'r' and (
                is_adopted or (is_desk and c.relname = any (marked))
                or (is_older_desk and not is_desk and c.relname = any (oldest))
            )
            when c.relname = 'ticket_numbers' then c.relkind = 'S' and (is_adopted or is_desk)
            else exists (
                select from pg_index i
                join pg_class its_table on its_table.oid = i.indrelid
                where i.indexrelid = c.oid and its_table.relname = any (tables)
            )
        end as is_ours
        from pg_class c
        where c.relnamespace = 'public'::regnamespace
            and (c.relname = any (tables) or c.relname = any (indexes) or c.relname = 'ticket_numbers')
        union all
        select 0, 'n', n.nspname, is_adopted or (is_desk and exists (
            select from pg_proc where pronamespace = n.oid and proname = 'record_script' and proargnames = '{p_name,p_checksum}'
        ))
        from pg_namespace n where n.nspname = '_supportchat'
        union all
        select 2, 'T', t.typname, false
        from pg_type t
        where t.typnamespace = 'public'::regnamespace and t.typname = any (tables) and t.typrelid = 0
        union all
        select 3, 't', 'guard_ticket', is_adopted or is_desk
        from pg_trigger where tgrelid = to_regclass('public.tickets') and tgname = 'guard_ticket'
        union all
        select 4, 'F', format('%s(%s)', p.proname, replace(oidvectortypes(p.proargtypes), 'public.', '')), is_adopted or (
            is_desk and coalesce(p.proconfig, '{}') @> array['search_path=""']
            and not exists (select from unnest(p.proargnames[1:p.pronargs]) as argument where argument not like 'p\_%')
        )
        from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and format('%s(%s)', p.proname, replace(oidvectortypes(p.proargtypes), 'public.', '')) = any (functions || overloads)
    ), strange as (
        select row_number() over (order by place, name) as number, format('%s %s', case relkind
            when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' when 'S' then 'sequence'
            when 'i' then 'index' when 'I' then 'index' when 'c' then 'type' when 'T' then 'type' when 't' then 'trigger'
            when 'F' then 'function' when 'n' then 'schema' else 'table'
        end, name) as thing
        from named where not is_ours
    )
    select string_agg(thing, ', ' order by number) filter (where number <= 12)
        || case when count(*) > 12 then format(', and %s more', count(*) - 12) else '' end into others
    from strange;
    if others is not null then
        raise exception using errcode = 'SC001', message = format(
            'Nothing was changed, because this database has something else under names that supportchat needs: %s.'
            || ' Use another project or database for supportchat; an empty one is best.'
            || ' Only if these tables belong to an older supportchat, put the line'
            || ' set supportchat.adopt = ''yes''; first in the same paste, or run bin/migrate --adopt:'
            || ' the tables are then changed to fit.',
            others
        );
    end if;

    select string_agg(format('%s (of %s)', c.relname, pg_get_userbyid(c.relowner)), ', ') into others
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname = any (tables) and not pg_has_role(c.relowner, 'usage');
    if others is not null then
        raise exception using errcode = 'SC002', message = format(
            'Nothing was changed, because tables belong to another role: %s. Run this as that role.', others
        );
    end if;

    if to_regnamespace('_supportchat') is null and not has_database_privilege(current_database(), 'create') then
        raise exception using errcode = 'SC002', message = format(
            'Nothing was changed, because the role %1$s may not make a schema here.'
            || ' Let the owner of the database run: grant create on database %2$I to %1$I.',
            current_user, current_database()
        );
    end if;
    perform set_config('search_path', path, true);
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

-- Locks a conversation and gives its ticket, locked as well. PT404 when there is none. An older version may have left
-- several in one conversation: then it is the newest that is not closed, or else the newest.
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
        select * into ticket from public.tickets
        where session_id = p_session_id order by status = 'closed', number desc limit 1 for no key update;
    end if;
    if not found then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    end if;
    return ticket;
end $$;

-- Writes who did what to a ticket, and tells the desks.
create or replace function _supportchat.record_event(
    p_ticket public.tickets, p_event text, p_actor text, p_agent_id uuid default null, p_detail jsonb default '{}'
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into public.ticket_events (ticket_id, actor, agent_id, event, detail)
    values (p_ticket.id, p_actor, p_agent_id, p_event, p_detail);
    perform _supportchat.notify_change(
        'ticket.changed', jsonb_build_object('session_id', p_ticket.session_id, 'number', p_ticket.number)
    );
end $$;

-- How many places of an agent's limit are taken. Neither a ticket that was answered, and has been quiet for five minutes,
-- takes one, or customers who have gone would keep the next ones waiting; nor one that was taken up again within ten
-- minutes of its end, which most do to say thanks.
create or replace function _supportchat.load_of_agent(p_agent_id uuid)
returns bigint
language sql
stable
set search_path = ''
as $$
    select count(*) from public.tickets
    where assigned_agent_id = p_agent_id and status = 'open' and case
        when awaiting_since is null then updated_at > now() - interval '5 minutes'
        else closed_at is null or awaiting_since > closed_at + interval '10 minutes'
    end
$$;

-- The agents who are here, with their load: only they are considered for a ticket.
create or replace function _supportchat.agents_here()
returns table (agent_id uuid, availability text, load bigint, max_tickets integer, last_assigned_at timestamptz)
language sql
stable
set search_path = ''
as $$
    -- Each by an index of its own: an agent has few open tickets, and any number of closed ones.
    select
        a.id, a.availability, _supportchat.load_of_agent(a.id), a.max_tickets,
        (select max(t.assigned_at) from public.tickets t where t.assigned_agent_id = a.id)
    from public.agents a
    where a.is_active and a.lease_expires_at > now()
$$;

-- The agent whose turn it is: available, here, below the limit, least loaded, then longest without a new ticket.
-- An agent who knows the customer already comes first; p_except is not asked: it was their ticket, and they gave it back.
create or replace function _supportchat.next_agent(p_preferred uuid default null, p_except uuid default null)
returns uuid
language sql
stable
set search_path = ''
as $$
    select agent_id from _supportchat.agents_here()
    where availability = 'available' and load < max_tickets and agent_id is distinct from p_except
    order by (agent_id = p_preferred) desc nulls last, load, last_assigned_at nulls first, agent_id
    limit 1
$$;

-- Why a waiting ticket has nobody: a code, and the figures behind it.
create or replace function _supportchat.unassigned_reason()
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
            coalesce(sum(load) filter (where availability = 'available'), 0) as load,
            coalesce(sum(max_tickets) filter (where availability = 'available'), 0) as places
        from _supportchat.agents_here()
    )
    select to_jsonb(figures) || jsonb_build_object('code', case
        when agents = 0 then 'no_agents'
        when here = 0 then 'nobody_here'
        when available = 0 then 'everybody_away'
        when with_room = 0 then 'everybody_full'
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
    detail jsonb := jsonb_build_object('agent', _supportchat.agent_json(p_agent_id), 'number', p_ticket.number, 'reason', p_reason);
    last_one text := (
        select e.detail -> 'agent' ->> 'id' from public.ticket_events e
        where e.ticket_id = p_ticket.id and e.event = 'assigned' order by e.id desc limit 1
    );
    previous jsonb := _supportchat.agent_json(p_ticket.assigned_agent_id);
begin
    if previous is not null then
        detail := detail || jsonb_build_object('from', previous);
    elsif last_one = p_agent_id::text then
        detail := detail || '{"again": true}';
    end if;
    update public.tickets set
        status = 'open', assigned_agent_id = p_agent_id, assigned_at = clock_timestamp(), given_back_by = null
    where id = p_ticket.id;
    perform _supportchat.append_message(
        p_ticket.session_id, 'system', (detail -> 'agent' ->> 'name') || ' joined the chat.',
        p_event => 'assigned', p_detail => detail
    );
    perform _supportchat.record_event(p_ticket, 'assigned', p_actor, p_actor_id, detail);
end $$;

-- Assigns a waiting ticket if somebody can take it, else tells the customer so when p_tell says to.
-- The caller holds the assignment lock and the conversation. True when it was assigned.
create or replace function _supportchat.offer_ticket(p_ticket_id uuid, p_tell boolean, p_preferred uuid default null)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    chosen uuid;
begin
    select * into ticket from public.tickets where id = p_ticket_id;
    chosen := _supportchat.next_agent(p_preferred, ticket.given_back_by);
    if chosen is not null then
        perform _supportchat.give_ticket(
            ticket, chosen, case when chosen = p_preferred then 'knows_customer' else 'least_loaded' end, 'system'
        );
        return true;
    end if;
    if p_tell then
        perform _supportchat.append_message(
            ticket.session_id, 'system', 'Nobody is free right now. The message is kept and will be answered here.',
            p_event => 'queued', p_detail => _supportchat.unassigned_reason()
        );
    end if;
    return false;
end $$;

-- Hands waiting tickets, the longest waiting first and those that have their answer last, to agents with room: all but
-- p_except, and no more than a transaction has time for; the next sweep goes on. The caller holds the assignment lock.
create or replace function _supportchat.drain_queue(p_except uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    candidate record;
    ticket public.tickets;
    given integer := 0;
    -- Who has given a ticket back, and is the only one with room: their other ones need not be tried.
    unhelpful uuid[] := '{}';
begin
    for candidate in
        select id, session_id, given_back_by from public.tickets
        where status = 'waiting' and id is distinct from p_except
        order by awaiting_since nulls last, number
    loop
        continue when candidate.given_back_by = any (unhelpful);
        exit when given = 50 or _supportchat.next_agent() is null;
        ticket := _supportchat.lock_ticket(candidate.session_id);
        if ticket.status = 'waiting' then
            if _supportchat.offer_ticket(ticket.id, p_tell => false) then
                given := given + 1;
            else
                unhelpful := unhelpful || ticket.given_back_by;
            end if;
        end if;
    end loop;
    return given;
end $$;

-- Takes a ticket from its agent and puts it back into the queue, where it keeps its place by awaiting_since. An agent who
-- gave it back (p_actor_id) does not get it again by itself. 'wanted' says whether somebody else can take it now: only
-- then is the customer told that we look for somebody.
create or replace function _supportchat.return_to_queue(
    p_ticket public.tickets, p_reason text, p_actor text, p_actor_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object(
        'from', _supportchat.agent_json(p_ticket.assigned_agent_id), 'reason', p_reason,
        'wanted', _supportchat.next_agent(null, p_ticket.assigned_agent_id) is not null
    );
begin
    update public.tickets set status = 'waiting', assigned_agent_id = null, given_back_by = p_actor_id
    where id = p_ticket.id;
    perform _supportchat.append_message(
        p_ticket.session_id, 'system', (detail -> 'from' ->> 'name') || ' is no longer available. The chat is back in line.',
        p_event => 'returned', p_detail => detail
    );
    perform _supportchat.record_event(p_ticket, 'returned', p_actor, p_actor_id, detail);
end $$;

-- Returns the unanswered tickets of agents whose lease ran out, no more than a transaction has time for, then drains the
-- queue. Every server process calls it every few seconds; whoever finds it running already leaves it to the other. Gives
-- what was done, or null then.
create or replace function public.sweep_assignment()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    candidate record;
    ticket public.tickets;
    returned integer := 0;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7308332045) then
        return null;
    end if;
    for candidate in
        select t.session_id, t.assigned_agent_id from public.tickets t
        join public.agents a on a.id = t.assigned_agent_id
        where t.status = 'open' and t.awaiting_since is not null
            and (a.lease_expires_at is null or a.lease_expires_at <= now())
            -- After an outage or a restart no lease has been renewed: pages have 20 seconds to come back.
            and exists (
                select from public.server_processes p
                where p.seen_at > now() - interval '25 seconds' and p.started_at < now() - interval '20 seconds'
            )
            -- Who took it without an open page (a browser without scripts has none that tells) is here while they ask. Not
            -- who was given it while the lease was ending: no statement lasts for 5 seconds.
            and not (
                coalesce(a.lease_expires_at, '-infinity') < t.assigned_at - interval '5 seconds'
                and exists (select from public.agent_sessions s where s.agent_id = a.id and s.last_seen_at > now() - interval '10 minutes')
            )
        order by t.awaiting_since, t.number
    loop
        exit when returned = 50;
        ticket := _supportchat.lock_ticket(candidate.session_id);
        if ticket.status = 'open' and ticket.awaiting_since is not null
            and ticket.assigned_agent_id = candidate.assigned_agent_id then
            perform _supportchat.return_to_queue(ticket, 'agent_left', 'system');
            returned := returned + 1;
        end if;
    end loop;
    return jsonb_build_object('returned', returned, 'assigned', _supportchat.drain_queue());
end $$;

select _supportchat.record_script('functions/assignment.sql', '6734174bd936');

notify pgrst, 'reload schema';

commit;
