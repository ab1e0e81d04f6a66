-- undo.sql: taking back what was done with tickets a moment ago. Safe to run again.

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

-- Whether somebody else has done something with a ticket since an event of it; what the system has done does not count.
create or replace function _supportchat.is_touched_since(p_ticket public.tickets, p_event public.events)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.events e where e.ticket_id = p_ticket.id and e.id > p_event.id and e.actor <> 'system'
    ) or exists (
        select from public.chat_messages m
        where m.session_id = p_ticket.session_id and m.sender = 'agent' and m.created_at > p_event.created_at
    ) or exists (
        select from public.held_replies h
        where h.session_id = p_ticket.session_id and h.due_at is not null and h.held_at > p_event.created_at
    )
$$;

-- Takes back what an agent has done with a ticket (p_act, as in undo_tickets) and by which it got this version. PT409 when anything has
-- become of it since: nothing that somebody else has done is overridden. The caller holds the assignment lock.
create or replace function _supportchat.undo_ticket(p_agent_id uuid, p_act text, p_number bigint, p_version integer)
returns void
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    done public.events;
    former uuid;
    until timestamptz;
begin
    select * into done from public.events
    where ticket_id = ticket.id and kind = 'ticket.' || case p_act
        when 'close' then 'closed' when 'tag' then 'tagged' when 'assign' then 'assigned' when 'priority' then 'prioritised'
        when 'snooze' then 'snoozed' else 'returned'
    end
    order by id desc limit 1;
    if done.agent_id is distinct from p_agent_id
        -- Whoever got a returned ticket from the system, and has done nothing with it, has not changed it.
        or (ticket.version is distinct from p_version and p_act <> 'return')
        or (p_act in ('assign', 'return') and _supportchat.is_touched_since(ticket, done))
    then
        raise sqlstate 'PT409' using message = 'changed_since';
    end if;
    former := done.detail ->> 'from';
    case p_act
        when 'close' then perform public.reopen_ticket(p_agent_id, p_number, p_as_before => true);
        when 'snooze' then
            until := (done.detail ->> 'before')::timestamptz;
            if until > now() then
                perform public.snooze_ticket(p_agent_id, p_number, case when isfinite(until) then until end);
            else
                perform public.unsnooze_ticket(p_agent_id, p_number);
                perform _supportchat.restore_state(
                    ticket.id, _supportchat.state_of_ticket(ticket)
                        || jsonb_build_object('snoozed_until', until, 'woke_at', done.detail -> 'woke_at')
                );
            end if;
        when 'priority' then perform public.set_priority(p_agent_id, p_number, (done.detail ->> 'before')::integer);
        when 'tag' then perform public.tag_ticket(
            p_agent_id, p_number,
            array(select t.name from public.desk_tags t where done.detail -> 'removed' @> to_jsonb(t.tag_id)),
            array(select jsonb_array_elements_text(done.detail -> 'added')::bigint)
        );
        else
            if former is not null then
                perform public.assign_ticket(p_agent_id, p_number, former, ticket.assigned_agent_id);
            else
                perform _supportchat.return_to_queue(
                    ticket, _supportchat.has_taker(ticket.assigned_agent_id), 'given_back', 'agent', p_agent_id
                );
            end if;
            perform _supportchat.restore_state(ticket.id, done.detail);
    end case;
end $$;

-- Takes back what an agent has done with tickets a moment ago, 50 at most: p_act is as in change_tickets, or 'return', for what
-- unassign_ticket has done; p_changes are objects with the number of a ticket and the version that it got by that. Gives with which it
-- was done, and why not with the others.
create or replace function public.undo_tickets(p_agent_id uuid, p_act text, p_changes jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    change record;
    done bigint[] := '{}';
    refused jsonb := '[]';
    code text;
    about text;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if jsonb_typeof(p_changes) is distinct from 'array' or jsonb_array_length(p_changes) > 50
        or p_act not in ('close', 'tag', 'assign', 'priority', 'snooze', 'return') then
        raise sqlstate 'PT422' using message = 'not_understood';
    end if;
    if p_act = 'close' then
        -- Before the assignment lock, as whoever starts a chat has it.
        perform _supportchat.lock_browser_of_ticket(asked.number)
        from (select number from jsonb_to_recordset(p_changes) as given (number bigint) order by number) as asked;
    end if;
    perform _supportchat.lock_assignment();
    for change in select * from jsonb_to_recordset(p_changes) as given (number bigint, version integer) loop
        begin
            perform _supportchat.undo_ticket(p_agent_id, p_act, change.number, change.version);
            done := done || change.number;
        exception when sqlstate 'PT403' or sqlstate 'PT404' or sqlstate 'PT409' or sqlstate 'PT422' then
            get stacked diagnostics code = message_text, about = pg_exception_detail;
            refused := refused || jsonb_build_object('number', change.number, 'code', code, 'detail', about);
        end;
    end loop;
    return jsonb_build_object('done', done, 'refused', refused);
end $$;

select _supportchat.record_script('functions/undo.sql', 'f0409dbdfdba');

notify pgrst, 'reload schema';

commit;
