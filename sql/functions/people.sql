-- people.sql: who is let in, who is shut out, and what an admin does about it. Safe to run again.
-- p_agent_id is the admin who acts.

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

-- Whether an agent could log in if they are not disabled: with a password, or by the provider that offer_setup was told of last.
create or replace function _supportchat.has_way_in(p_agent_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (select from public.agent_credentials where agent_id = p_agent_id)
        or exists (
            select from public.agent_identities where agent_id = p_agent_id and issuer = _supportchat.setting('oidc_issuer') #>> '{}'
        )
$$;

-- Whether there is an admin who can log in: somebody has to be able to let others in.
create or replace function _supportchat.has_admin()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.agents a
        join public.role_rights r on r.role = a.role and r.right_name = 'manage_people'
        where a.is_active and _supportchat.has_way_in(a.id)
    )
$$;

-- Refuses what has left the desk without an admin: PT409. Whoever calls it holds the assignment lock, so of two admins who
-- demote each other at the same moment one is refused.
create or replace function _supportchat.keep_an_admin()
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if not _supportchat.has_admin() then
        raise sqlstate 'PT409' using message = 'last_admin';
    end if;
end $$;

-- Finds somebody whom an admin wants to change, locked. PT404 when there is nobody of that id.
create or replace function _supportchat.person_to_change(p_person_id uuid)
returns public.agents
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
begin
    select * into person from public.agents where id = p_person_id for no key update;
    if not found then
        raise sqlstate 'PT404' using message = 'person_not_found';
    end if;
    return person;
end $$;

-- Everybody who can log in or once could, those who can first, and the invitations that nobody has accepted yet.
create or replace function public.list_people(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    return jsonb_build_object(
        'two_factor_required', _supportchat.setting('two_factor_required'),
        'people', (
            select coalesce(jsonb_agg(known.agent || jsonb_build_object(
                'is_active', a.is_active,
                'disabled_at', case when not a.is_active then a.disabled_at end,
                'is_demo', a.is_demo,
                'has_password', c.agent_id is not null,
                'has_way_in', _supportchat.has_way_in(a.id),
                'has_two_factor', c.totp_secret is not null,
                'here', a.is_active and a.lease_expires_at > now() is true,
                -- A lease lasts for 45 seconds after the page was last open.
                'last_seen_at', case
                    when a.lease_expires_at > now() then now()
                    else a.lease_expires_at - interval '45 seconds'
                end,
                'open_tickets', (select count(*) from public.tickets t where t.status = 'open' and t.assigned_agent_id = a.id),
                'link', case when l.token_hash is not null then jsonb_build_object('id', l.id, 'expires_at', l.expires_at) end
            ) order by a.is_active desc, lower(a.name), a.id), '[]')
            from public.agents a
            join _supportchat.colleagues_json((select array_agg(id) from public.agents)) as known on known.agent_id = a.id
            left join public.agent_credentials c on c.agent_id = a.id
            left join public.one_time_links l on l.agent_id = a.id and l.purpose = 'password' and _supportchat.is_good_link(l)
        ),
        'invited', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', id, 'email', email, 'role', role, 'by', _supportchat.person_json(created_by),
                'created_at', created_at, 'expires_at', expires_at, 'is_over', not _supportchat.is_good_link(l)
            ) order by created_at desc, id), '[]')
            from public.one_time_links l where purpose = 'invitation'
        )
    );
end $$;

-- How long an invitation is valid.
create or replace function _supportchat.invitation_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '7 days'
$$;

-- Invites somebody: the link of this token makes them an agent of that role within a week. An earlier invitation of the same
-- address ends. PT409 when the address has an account.
create or replace function public.invite_person(
    p_agent_id uuid, p_token_hash text, p_email text, p_role text default 'agent', p_max_tickets integer default 5
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links;
    present public.agents;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    if not exists (select from public.role_rights where role = p_role) then
        raise sqlstate 'PT422' using message = 'role_unknown';
    end if;
    select * into present from public.agents where lower(email) = lower(p_email);
    if found then
        raise sqlstate 'PT409' using
            message = case when present.is_active then 'email_taken' else 'email_of_disabled' end, detail = present.name;
    end if;
    link := _supportchat.make_link(
        p_token_hash, 'invitation', _supportchat.invitation_lasts(), p_agent_id, p_email => p_email, p_role => p_role,
        p_max_tickets => p_max_tickets
    );
    perform _supportchat.audit(
        'person.invited', p_agent_id, jsonb_build_object('link', link.id, 'email', link.email, 'role', link.role)
    );
    return jsonb_build_object('email', link.email, 'expires_at', link.expires_at);
end $$;

-- Gives an invitation another token, and another week. PT404 when there is none of that id.
create or replace function public.renew_invitation(p_agent_id uuid, p_link_id uuid, p_token_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    update public.one_time_links set
        token_hash = p_token_hash, expires_at = now() + _supportchat.invitation_lasts(), created_by = p_agent_id, created_at = now()
    where id = p_link_id and purpose = 'invitation'
    returning * into link;
    if not found then
        raise sqlstate 'PT404' using message = 'invitation_not_found';
    end if;
    perform _supportchat.audit(
        'person.invited', p_agent_id, jsonb_build_object('link', link.id, 'email', link.email, 'role', link.role)
    );
    return jsonb_build_object('email', link.email, 'expires_at', link.expires_at);
end $$;

-- Makes a link with which somebody sets a new password within a day, in place of an earlier one. PT409 when they are disabled.
create or replace function public.make_password_link(p_agent_id uuid, p_person_id uuid, p_token_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
    link public.one_time_links;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    if not person.is_active then
        raise sqlstate 'PT409' using message = 'agent_deactivated', detail = person.name;
    end if;
    link := _supportchat.make_link(p_token_hash, 'password', interval '1 day', p_agent_id, person.id);
    perform _supportchat.audit('password.link_made', p_agent_id, jsonb_build_object('person', person.id, 'link', link.id));
    return jsonb_build_object('email', person.email, 'expires_at', link.expires_at);
end $$;

-- Withdraws an invitation, or a link for a password. Nothing happens when it was used or withdrawn before.
create or replace function public.withdraw_link(p_agent_id uuid, p_link_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    delete from public.one_time_links where id = p_link_id and purpose <> 'setup' returning * into link;
    if found then
        perform _supportchat.audit('link.withdrawn', p_agent_id, jsonb_build_object('link', link.id, 'purpose', link.purpose));
    end if;
end $$;

-- Gives somebody another role. A right to manage people that they lose takes the links with it that they have made. The caller holds
-- the assignment lock, and sees to it that there is an admin.
create or replace function _supportchat.give_role(p_person public.agents, p_role text, p_by uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.agents set role = p_role where id = p_person.id;
    if not _supportchat.has_right(p_person.id, 'manage_people') then
        delete from public.one_time_links where created_by = p_person.id;
    end if;
    perform _supportchat.audit('person.role_changed', p_by, jsonb_build_object(
        'person', p_person.id, 'from', p_person.role, 'to', p_role
    ));
end $$;

-- Changes the name, the role or the limit of somebody, whatever is given. PT409 for the role of the last admin.
create or replace function public.change_person(
    p_agent_id uuid, p_person_id uuid, p_name text default null, p_role text default null, p_max_tickets integer default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    former public.agents;
    person public.agents;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    former := _supportchat.person_to_change(p_person_id);
    if p_role is not null and not exists (select from public.role_rights where role = p_role) then
        raise sqlstate 'PT422' using message = 'role_unknown';
    end if;
    if p_role <> former.role then
        perform _supportchat.give_role(former, p_role, p_agent_id);
        perform _supportchat.keep_an_admin();
    end if;
    update public.agents set name = coalesce(p_name, name), max_tickets = coalesce(p_max_tickets, max_tickets)
    where id = p_person_id
    returning * into person;
    if person.name <> former.name then
        perform _supportchat.audit('person.renamed', p_agent_id, jsonb_build_object(
            'person', person.id, 'from', former.name, 'to', person.name
        ));
    end if;
    if person.max_tickets <> former.max_tickets then
        perform _supportchat.audit('person.limit_changed', p_agent_id, jsonb_build_object(
            'person', person.id, 'from', former.max_tickets, 'to', person.max_tickets
        ));
        perform _supportchat.drain_queue();
    end if;
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => person.id);
    return _supportchat.colleague_json(person);
end $$;

-- Shuts somebody out: login sessions, links, and tickets, which go back to the queue. Gives how many tickets. The caller
-- holds the assignment lock.
create or replace function _supportchat.shut_out(p_person_id uuid, p_actor_id uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    candidate uuid;
    ticket public.tickets;
    is_wanted boolean;
    returned integer := 0;
begin
    -- In the order of report_process, as set_password does.
    perform from public.agent_sessions where agent_id = p_person_id order by token_hash for update;
    delete from public.agent_sessions where agent_id = p_person_id;
    update public.agents set is_active = false, disabled_at = now(), lease_expires_at = least(lease_expires_at, now())
    where id = p_person_id;
    is_wanted := _supportchat.has_taker(p_person_id);
    for candidate in
        select session_id from public.tickets where status = 'open' and assigned_agent_id = p_person_id
        order by awaiting_since, number
    loop
        ticket := _supportchat.lock_ticket(candidate);
        if ticket.status = 'open' and ticket.assigned_agent_id = p_person_id then
            perform _supportchat.return_to_queue(
                ticket, is_wanted, 'agent_disabled', case when p_actor_id is null then 'system' else 'agent' end, p_actor_id
            );
            returned := returned + 1;
        end if;
    end loop;
    perform _supportchat.note_absent_agents();
    perform _supportchat.drain_queue();
    return returned;
end $$;

-- Disables somebody: they are logged out everywhere, and their tickets go back to the queue. PT409 for the last admin.
create or replace function public.disable_person(p_agent_id uuid, p_person_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
    returned integer := 0;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    if person.is_active then
        returned := _supportchat.shut_out(person.id, p_agent_id);
        delete from public.ticket_drafts where agent_id = person.id;
        delete from public.held_replies where agent_id = person.id and due_at is null;
        perform _supportchat.keep_an_admin();
        perform _supportchat.audit('person.disabled', p_agent_id, jsonb_build_object('person', person.id, 'tickets', returned));
    end if;
    return jsonb_build_object('name', person.name, 'returned', returned);
end $$;

-- Lets somebody in again who was disabled. They log in as they did before.
create or replace function public.enable_person(p_agent_id uuid, p_person_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    if not person.is_active then
        update public.agents set is_active = true, disabled_at = null where id = person.id;
        perform _supportchat.audit('person.enabled', p_agent_id, jsonb_build_object('person', person.id));
        perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => person.id);
    end if;
    return jsonb_build_object('name', person.name, 'has_way_in', _supportchat.has_way_in(person.id));
end $$;

-- Disables the demo accounts that still have the password of the demo, and forgets it: others can reach the desk now. Gives
-- their addresses.
create or replace function public.close_demo_accounts()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
    closed jsonb := '[]';
begin
    perform _supportchat.lock_assignment();
    for person in
        select a.* from public.agents a
        join public.agent_credentials c on c.agent_id = a.id
        where a.is_demo
        order by a.email
    loop
        delete from public.agent_credentials where agent_id = person.id;
        perform _supportchat.shut_out(person.id);
        perform _supportchat.audit('person.disabled', null, jsonb_build_object('person', person.id, 'reason', 'demo'));
        closed := closed || to_jsonb(person.email);
    end loop;
    return closed;
end $$;

select _supportchat.record_script('functions/people.sql', '28c99e3a00d1');

notify pgrst, 'reload schema';

commit;
