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
                left join (select * from _supportchat.waiting_tickets() where p_view = 'unassigned') as queue on queue.id = t.id
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

-- Of an earlier version, which had no log.
drop function if exists public.desk_fingerprint();

select _supportchat.record_script('functions/queue.sql', '3009b95bdc4c');

notify pgrst, 'reload schema';

commit;
