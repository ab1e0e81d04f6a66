-- rules.sql: what has to be true of a row, and which ways a ticket may go.

select _supportchat.ensure_constraint(format('public.%I', table_name)::regclass, constraint_name, format('check (%s)', condition))
from _supportchat.declared_checks() where not by_trigger order by place;
select _supportchat.ensure_row_checks(
    table_name, 'check_' || table_name, array_agg(constraint_name order by place), array_agg(condition order by place)
)
from _supportchat.declared_checks() where by_trigger group by table_name;

insert into public.ticket_transitions (from_status, to_status) values
    ('waiting', 'open'), ('open', 'waiting'), ('waiting', 'closed'), ('open', 'closed'), ('closed', 'waiting')
on conflict do nothing;

-- The roles, and what each may do. To work with tickets; to take or end somebody else's; to shut out customers; to change what
-- everybody at the desk uses (saved replies, tags, views); and what the whole desk depends on.
with wanted as (
    select role, right_name
    from (values
        ('agent', '{answer}'::text[]),
        ('lead', '{answer, reassign, ban, curate}'),
        ('admin', '{answer, reassign, ban, curate, manage_people, see_status, see_audit, manage_desk, export, erase}')
    ) as written (role, rights), unnest(rights) as right_name
), withdrawn as (
    delete from public.role_rights as former
    where not exists (select from wanted where wanted.role = former.role and wanted.right_name = former.right_name)
)
insert into public.role_rights (role, right_name) select role, right_name from wanted
on conflict do nothing;

-- The site of everything that names none.
insert into public.sites (site_id, key, name) overriding system value values (1, 'main', 'Support') on conflict do nothing;
select setval(pg_get_serial_sequence('public.sites', 'site_id'), max(site_id)) from public.sites;

insert into public.search_state (only_row, read_at) values (true, 'epoch') on conflict do nothing;
-- Words that an earlier version has written without their slice are written anew.
with former as (
    delete from public.search_lines where not exists (select from public.search_slices) returning line_id
)
update public.search_state set cursor = null where exists (select from former);
insert into public.heartbeat (only_row) values (true) on conflict do nothing;

-- Refuses a change of state that ticket_transitions does not list, keeps the status of the conversation, which nothing here
-- reads, to the one of its ticket, and counts the ticket's versions. What only a message
-- has changed is none: the message itself tells of it, and each new version has the pages of agents fetch the ticket.
create or replace function _supportchat.guard_ticket()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
    by_messages text[] := array['awaiting_since', 'first_reply_at', 'updated_at'];
begin
    if new.status <> old.status and not exists (
        select from public.ticket_transitions where from_status = old.status and to_status = new.status
    ) then
        raise sqlstate 'PT409' using message = 'transition_not_allowed', detail = old.status || ' to ' || new.status;
    end if;
    if (new.status = 'closed') <> (old.status = 'closed') then
        update public.user_sessions set status = case new.status when 'closed' then 'ended' else 'active' end
        where session_id = new.session_id;
    end if;
    if to_jsonb(new) - by_messages <> to_jsonb(old) - by_messages then
        new.version := old.version + 1;
    end if;
    new.updated_at := clock_timestamp();
    return new;
end $$;

create or replace trigger guard_ticket
before update on public.tickets
for each row execute function _supportchat.guard_ticket();
