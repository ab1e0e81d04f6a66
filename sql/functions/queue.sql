-- queue.sql: the list of tickets that an agent sees. Safe to run again.

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

-- Of an earlier version: a row that was counted and worded for one agent.
drop function if exists _supportchat.queue_row_json(public.tickets, uuid);

-- Rows of the queue, in the order of the tickets that are asked for; a ticket without a conversation, which an older version
-- may have left, has none. Nothing in a row depends on who sees it: what an agent has not read is customer_lines less their
-- own mark, which is missing when they have read nothing. Closed tickets come without marks.
create or replace function _supportchat.queue_rows_json(p_tickets uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'number', t.number,
        'session_id', t.session_id,
        'status', t.status,
        'held', t.held,
        'is_spam', t.is_spam,
        'priority', t.urgency,
        'snoozed', t.snoozed_until is not null,
        'snoozed_until', case when isfinite(t.snoozed_until) then t.snoozed_until end,
        'woke_at', case when t.status <> 'closed' then t.woke_at end,
        -- As tags_of_ticket and site_label have them, each of which takes longer to be called than to be looked up.
        'tags', (
            select coalesce(jsonb_agg(jsonb_build_object('id', g.tag_id, 'name', g.name) order by g.folded, g.tag_id), '[]')
            from public.ticket_tags own join public.desk_tags g on g.tag_id = own.tag_id
            where own.ticket_id = t.id
        ),
        'customer_name', coalesce(p.name, s.customer_name),
        'is_verified', p.person_id is not null,
        'site_name', case
            when t.site_id <> 1 or exists (select from public.sites o where o.site_id <> 1 and o.archived_at is null)
                then (select name from public.sites where site_id = t.site_id)
        end,
        'agent', case when a.id is not null then jsonb_build_object('id', a.id, 'name', a.name, 'picture', a.picture_key) end,
        'awaiting_since', case when t.status <> 'closed' then t.awaiting_since end,
        'updated_at', t.updated_at,
        'closed_at', case when t.status = 'closed' then t.closed_at end,
        'is_erased', t.erased_at is not null,
        'customer_lines', s.customer_lines,
        -- The agents who are mentioned in notes that they have not read.
        'mentioned', (
            select coalesce(jsonb_agg(distinct n.agent_id), '[]') from public.note_mentions n
            where n.session_id = s.session_id and n.read_at is null
        ),
        'marks', case when t.status = 'closed' then '{}' else (
            select coalesce(jsonb_object_agg(r.agent_id, r.read_lines), '{}')
            from public.ticket_reads r where r.session_id = s.session_id
        ) end,
        'last', case when m.seq is not null then jsonb_build_object(
            'sender', m.sender,
            'agent', case when writer.id is not null then jsonb_build_object(
                'id', writer.id, 'name', writer.name, 'picture', writer.picture_key
            ) end,
            'message', left(m.message, 200),
            'has_image', m.image_id is not null,
            'created_at', m.created_at
        ) end
    ) order by asked.place), '[]')
    from unnest(p_tickets) with ordinality as asked (id, place)
    -- One by one: the planner would rather read a table of some thousand rows as a whole.
    cross join lateral (select * from public.tickets where id = asked.id limit 1) as t
    join public.user_sessions s on s.session_id = t.session_id
    left join public.persons p on p.visitor_id = s.visitor_id
    left join public.agents a on a.id = t.assigned_agent_id
    left join public.chat_messages m on m.session_id = s.session_id and m.seq = s.last_spoken_seq
    left join public.agents writer on writer.id = m.sender_agent_id
$$;

-- What has changed at the desk: the rows of some conversations, and how busy their agents, and some others, are now.
-- Planned once, because that takes twice as long as a few rows do; the plan is the same for every list.
create or replace function public.queue_changes(p_session_ids uuid[], p_agent_ids uuid[] default '{}')
returns jsonb
language sql
stable
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
    with changed as materialized (
        select _supportchat.queue_rows_json(array(
            -- Of several tickets the one that ticket_of_session gives.
            select distinct on (t.session_id) t.id from public.tickets t
            where t.session_id = any (p_session_ids)
            order by t.session_id, t.status = 'closed', t.number desc
        )) as rows
    ), concerned as materialized (
        select array(
            select unnest(p_agent_ids)
            union select (line -> 'agent' ->> 'id')::uuid from changed, jsonb_array_elements(changed.rows) as line
        ) as ids
    )
    select jsonb_build_object(
        'rows', changed.rows,
        'agents', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', a.id, 'availability', a.availability, 'max_tickets', a.max_tickets, 'load', coalesce(taken.load, 0)
            ) order by a.id), '[]')
            from public.agents a
            left join _supportchat.loads_of_agents(concerned.ids) as taken on taken.agent_id = a.id
            where a.id = any (concerned.ids)
        )
    )
    from changed cross join concerned
$$;

-- How many tickets are not closed: those that nobody has, all of them, and those of each agent who has any; without snoozed ones,
-- which are counted by themselves. Read from indexes without closed tickets.
create or replace function _supportchat.open_tickets_json()
returns jsonb
language sql
stable
set search_path = ''
as $$
    with asleep as materialized (
        select status, assigned_agent_id as agent_id, count(*) as tickets from public.tickets
        where snoozed_until is not null group by status, assigned_agent_id
    ), taken as materialized (
        select open.agent_id, open.tickets - coalesce(asleep.tickets, 0) as tickets
        from (
            select assigned_agent_id as agent_id, count(*) as tickets from public.tickets
            where status = 'open' group by assigned_agent_id
        ) as open
        left join asleep on asleep.status = 'open' and asleep.agent_id = open.agent_id
    ), waiting as materialized (
        select (select count(*) from public.tickets where status = 'waiting') - coalesce((
            select sum(tickets) from asleep where status = 'waiting'
        ), 0) as tickets
    )
    select jsonb_build_object(
        'unassigned', waiting.tickets,
        'all', waiting.tickets + (select coalesce(sum(tickets), 0) from taken),
        'snoozed', (select coalesce(sum(tickets), 0) from asleep),
        'agents', (select coalesce(jsonb_object_agg(agent_id, tickets), '{}') from taken where tickets > 0)
    )
    from waiting
$$;

-- The counts of each view, as an agent sees them.
create or replace function _supportchat.counts_for(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select counts - 'agents' || jsonb_build_object('mine', coalesce((counts -> 'agents' ->> p_agent_id::text)::integer, 0))
    from _supportchat.open_tickets_json() as counts
$$;

-- The counts, and why the tickets that nobody has wait, for all desks at once.
create or replace function public.queue_counts()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select counts || jsonb_build_object(
        'reason', case when counts ->> 'unassigned' <> '0' then _supportchat.unassigned_reason() end
    )
    from _supportchat.open_tickets_json() as counts
$$;

-- Of earlier versions, which had one order, and called a function for the place of each ticket.
drop function if exists _supportchat.tickets_in_view(uuid, text, integer);
drop function if exists _supportchat.place_in_order(public.tickets, text, text);

-- The first tickets of a view of the queue, in an order: first what has woken; then who waits for an answer, then the latest
-- activity, or for 'unassigned' the first come. 'longest' has the longest wait first, behind what is urgent; 'newest' the shortest;
-- 'priority' goes by that, and then by the wait. static/js/lib/rows.js sorts in the same way. Of many tickets only those are looked
-- at that can be among the first: the beginning of each index that has them in the order of one of its parts.
create or replace function _supportchat.tickets_in_view(p_agent_id uuid, p_view text, p_order text, p_limit integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
    candidates uuid[];
begin
    if p_view = 'snoozed' then
        return array(
            select id from public.tickets where snoozed_until is not null order by snoozed_until, number limit p_limit
        );
    elsif p_view = 'mine' then
        candidates := array(
            select id from public.tickets where status = 'open' and assigned_agent_id = p_agent_id and snoozed_until is null
        );
    elsif p_view = 'unassigned' then
        candidates := array(
            (
                select id from public.tickets where woke_at is not null and status <> 'closed' and status = 'waiting'
                order by woke_at, number limit p_limit
            )
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and status = 'waiting' and urgency <> 3 and urgency = level
                        and awaiting_since is not null and snoozed_until is null
                    order by awaiting_since, number limit p_limit
                ) as raised
                where p_order = 'priority' or (p_order = 'longest' and level = 1)
            )
            union (
                select id from public.tickets where status = 'waiting' and (p_order <> 'priority' or urgency <= 3)
                    and awaiting_since is not null and snoozed_until is null and p_order <> 'newest'
                order by awaiting_since, number limit p_limit
            )
            union (
                select id from public.tickets
                where status = 'waiting' and awaiting_since is not null and snoozed_until is null and p_order = 'newest'
                order by awaiting_since desc, number desc limit p_limit
            )
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and status = 'waiting' and urgency <> 3 and urgency = level
                        and awaiting_since is null and snoozed_until is null
                    order by awaiting_since, number limit p_limit
                ) as raised
                where p_order = 'priority'
            )
            union (
                select id from public.tickets where status = 'waiting' and (p_order <> 'priority' or urgency <= 3)
                    and awaiting_since is null and snoozed_until is null
                order by awaiting_since, number limit p_limit
            )
        );
    else
        candidates := array(
            (select id from public.tickets where woke_at is not null and status <> 'closed' order by woke_at, number limit p_limit)
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and urgency <> 3 and urgency = level
                        and awaiting_since is not null and snoozed_until is null
                    order by awaiting_since, number limit p_limit
                ) as raised
                where p_order = 'priority' or (p_order = 'longest' and level = 1)
            )
            union (
                select id from public.tickets
                where status <> 'closed' and awaiting_since is not null and (p_order <> 'priority' or urgency <= 3)
                    and snoozed_until is null and p_order <> 'newest'
                order by awaiting_since, number limit p_limit
            )
            union (
                select id from public.tickets
                where status <> 'closed' and awaiting_since is not null and snoozed_until is null and p_order = 'newest'
                order by awaiting_since desc, number desc limit p_limit
            )
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and urgency <> 3 and urgency = level
                        and awaiting_since is null and snoozed_until is null
                    order by updated_at desc, number limit p_limit
                ) as raised
                where p_order = 'priority'
            )
            union (
                select id from public.tickets where status <> 'closed' and awaiting_since is null and snoozed_until is null
                    and (p_order <> 'priority' or urgency <= 3)
                order by updated_at desc, number limit p_limit
            )
        );
    end if;
    return array(
        select t.id
        from unnest(candidates) as candidate (id)
        -- One by one: the planner would rather read all that wait.
        cross join lateral (select * from public.tickets where id = candidate.id limit 1) as t
        where t.snoozed_until is null and (t.status = 'waiting' or (t.status = 'open' and p_view <> 'unassigned'))
        order by
            t.woke_at,
            t.woke_at is null and t.awaiting_since is null,
            case
                when t.woke_at is not null then 0
                when p_order = 'priority' then t.urgency
                when p_order = 'longest' and t.awaiting_since is not null then (t.urgency > 1)::integer
                else 0
            end,
            case
                when t.woke_at is not null then 0
                when t.awaiting_since is not null then
                    date_part('epoch', t.awaiting_since) * case p_order when 'newest' then -1 else 1 end
                when p_view = 'unassigned' then 0
                else -date_part('epoch', t.updated_at)
            end,
            t.number
        limit p_limit
    );
end $$;

-- The tickets that were closed last, the latest first: for 'all' a third as many as there may be open ones, for 'mine' five.
create or replace function _supportchat.tickets_closed_last(p_agent_id uuid, p_view text, p_limit integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
begin
    if p_view = 'mine' then
        return array(
            select id from public.tickets
            where status = 'closed' and assigned_agent_id = p_agent_id
            order by closed_at desc nulls last, number desc
            limit 5
        );
    elsif p_view = 'all' then
        return array(
            select id from public.tickets where status = 'closed' order by closed_at desc nulls last, number desc limit p_limit / 3
        );
    end if;
    return '{}';
end $$;

-- The queue of an agent, in the order that they have chosen: the counts of each view, their own tickets with something unread, their
-- drafts, which tickets have notes that mention them, the first rows of one view ('mine', 'unassigned', 'snoozed' or 'all'; with
-- 'mine' other tickets that mention them too), and the tickets closed last.
create or replace function public.list_tickets(p_agent_id uuid, p_view text default 'mine', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.demand_right(p_agent_id, 'answer');
    with counted as materialized (
        select _supportchat.counts_for(p_agent_id) as json
    ), chosen as materialized (
        select queue_order as name from public.agents where id = p_agent_id
    ), mentioning as materialized (
        select * from _supportchat.tickets_mentioning(p_agent_id)
    )
    select jsonb_build_object(
        'counts', json,
        'order', chosen.name,
        'unread', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'number', t.number, 'session_id', s.session_id,
                'customer_lines', s.customer_lines, 'read_lines', coalesce(r.read_lines, 0)
            ) order by t.number), '[]')
            from public.tickets t
            join public.user_sessions s on s.session_id = t.session_id
            left join public.ticket_reads r on r.agent_id = p_agent_id and r.session_id = s.session_id
            where t.status = 'open' and t.assigned_agent_id = p_agent_id and s.customer_lines > coalesce(r.read_lines, 0)
        ),
        'drafts', public.drafts_of_agent(p_agent_id),
        'unsent', _supportchat.unsent_of_agent(p_agent_id),
        'mentions', (select coalesce(jsonb_agg(number), '[]') from mentioning),
        'mentioned', case when p_view <> 'mine' then '[]' else _supportchat.queue_rows_json(array(
            select id from mentioning
            where status <> 'open' or snoozed_until is not null or assigned_agent_id is distinct from p_agent_id
        )) end,
        'rows', _supportchat.queue_rows_json(_supportchat.tickets_in_view(p_agent_id, p_view, chosen.name, p_limit)),
        'closed', _supportchat.queue_rows_json(_supportchat.tickets_closed_last(p_agent_id, p_view, p_limit)),
        'reason', case when p_view <> 'mine' and json ->> 'unassigned' <> '0' then _supportchat.unassigned_reason() end
    )
    from counted cross join chosen
$$;

-- Where an agent goes on once a ticket is done: the counts of each view, and the first of their own tickets.
create or replace function _supportchat.queue_ahead(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'counts', _supportchat.counts_for(id),
        'rows', _supportchat.queue_rows_json(_supportchat.tickets_in_view(id, 'mine', queue_order, 1))
    )
    from public.agents where id = p_agent_id
$$;

-- Remembers in which order an agent wants the queue: 'longest', 'newest' or 'priority'. PT422 for any other.
create or replace function public.set_queue_order(p_agent_id uuid, p_order text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if p_order is null or p_order not in ('longest', 'newest', 'priority') then
        raise sqlstate 'PT422' using message = 'not_understood';
    end if;
    update public.agents set queue_order = p_order where id = p_agent_id and queue_order <> p_order;
end $$;

-- Of an earlier version, which had no log.
drop function if exists public.desk_fingerprint();

select _supportchat.record_script('functions/queue.sql', '01b2fa1fcebe');

notify pgrst, 'reload schema';

commit;
