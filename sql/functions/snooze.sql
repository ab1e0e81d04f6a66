-- snooze.sql: tickets that are out of sight for a while. Safe to run again.

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

-- Puts a ticket out of sight: one's own, one that nobody has, or any with the right 'reassign'. It has no place in the line and takes
-- none of its agent's, until p_until (null: no such time), the customer's next message, or wake_ticket. PT422 for a time that is
-- over or more than a year ahead. Gives the ticket, and where the agent goes on.
create or replace function public.snooze_ticket(p_agent_id uuid, p_number bigint, p_until timestamptz default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if p_until <= now() or p_until > now() + interval '1 year' then
        raise sqlstate 'PT422' using message = 'snooze_out_of_range';
    end if;
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif ticket.assigned_agent_id is not null then
        perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
    end if;
    update public.tickets set snoozed_until = coalesce(p_until, 'infinity'), woke_at = null where id = ticket.id;
    perform _supportchat.record_event(ticket, 'snoozed', 'agent', p_agent_id, jsonb_build_object(
        'until', p_until, 'before', ticket.snoozed_until, 'woke_at', ticket.woke_at
    ));
    perform _supportchat.drain_queue();
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number), 'queue', _supportchat.queue_ahead(p_agent_id)
    );
end $$;

-- Brings a snoozed ticket back by hand. Nothing happens to one that is not.
create or replace function public.unsnooze_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.snoozed_until is not null then
        perform _supportchat.wake_ticket(ticket, 'agent', p_agent_id);
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select _supportchat.record_script('functions/snooze.sql', 'd2a5ba01b03c');

notify pgrst, 'reload schema';

commit;
