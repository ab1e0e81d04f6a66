-- agents.sql: who agents are, and whether they take new tickets. Safe to run again.

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

-- Some agents as colleagues know them: all at once, as each one's load alone would take as long.
create or replace function _supportchat.colleagues_json(p_agent_ids uuid[])
returns table (agent_id uuid, agent jsonb)
language sql
stable
set search_path = ''
as $$
    select a.id, jsonb_build_object(
        'id', a.id, 'name', a.name, 'picture', a.picture_key, 'email', a.email, 'role', a.role,
        'availability', a.availability, 'max_tickets', a.max_tickets, 'language', a.language,
        'single_keys', a.single_keys, 'load', coalesce(taken.load, 0)
    )
    from public.agents a
    left join _supportchat.loads_of_agents(p_agent_ids) as taken on taken.agent_id = a.id
    where a.id = any (p_agent_ids)
$$;

-- An agent as each knows themself: as colleagues do, with their rights, whether they have to set up two-factor first, and whether
-- they want to hear a sound.
create or replace function _supportchat.colleague_json(p_row public.agents)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select agent || jsonb_build_object(
        'rights', _supportchat.rights_of(p_row.role), 'needs_two_factor', _supportchat.needs_two_factor(p_row),
        'sound', coalesce((select sound from public.alert_choices c where c.agent_id = p_row.id), true)
    )
    from _supportchat.colleagues_json(array[p_row.id])
$$;

-- Of an earlier version, without demo accounts.
drop function if exists public.create_agent(text, text, text, text, integer);

-- Makes an agent of some role; p_is_demo says that others know the password. Without a password (null) somebody else has to let
-- them in. An agent whom an older version left here, who can not log in at all, gets this one, and the name, role and limit given.
-- PT409 when the e-mail address is taken.
create or replace function public.create_agent(
    p_name text, p_email text, p_password_hash text, p_role text default 'agent', p_max_tickets integer default 5,
    p_is_demo boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    made public.agents;
begin
    insert into public.agents (name, email, role, max_tickets)
    values (p_name, p_email, p_role, p_max_tickets)
    on conflict (lower(email)) do update set
        name = excluded.name, role = excluded.role, max_tickets = excluded.max_tickets, is_active = true, disabled_at = null
    where not exists (select from public.agent_credentials c where c.agent_id = agents.id)
        and not exists (select from public.agent_identities i where i.agent_id = agents.id)
    returning * into made;
    if found and p_password_hash is not null then
        insert into public.agent_credentials (agent_id, password_hash) values (made.id, p_password_hash)
        on conflict do nothing;
    end if;
    if not found then
        raise sqlstate 'PT409' using message = 'email_taken';
    end if;
    -- After the password, which ends a demo: see end_demo.
    update public.agents set is_demo = p_is_demo where id = made.id and is_demo <> p_is_demo;
    perform _supportchat.audit('person.created', null, jsonb_build_object('person', made.id, 'role', made.role));
    return _supportchat.colleague_json(made);
end $$;

-- Says whether an agent takes new tickets. 'available' takes the first ones at once when others wait; who comes back from
-- 'away' may also be given what they gave back before.
create or replace function public.set_availability(p_agent_id uuid, p_availability text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
    was_away boolean;
begin
    if p_availability not in ('available', 'away') then
        raise sqlstate 'PT422' using message = 'availability_unknown';
    end if;
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    was_away := (select availability = 'away' from public.agents where id = p_agent_id);
    update public.agents set availability = p_availability where id = p_agent_id returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    if was_away and p_availability = 'available' then
        -- Each conversation before its ticket, as everywhere.
        perform _supportchat.lock_ticket(session_id) from public.tickets where status = 'waiting' and given_back_by = p_agent_id;
        update public.tickets set given_back_by = null where status = 'waiting' and given_back_by = p_agent_id;
    end if;
    perform _supportchat.drain_queue();
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => p_agent_id);
    return _supportchat.colleague_json(who);
end $$;

-- Keeps the language in which an agent reads the desk, as 'de'; null for that of their browser.
create or replace function public.set_language(p_agent_id uuid, p_language text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    if p_language !~ '^[a-z]{2,3}$' then
        raise sqlstate 'PT422' using message = 'language_unknown';
    end if;
    update public.agents set language = p_language where id = p_agent_id and is_active returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    return _supportchat.colleague_json(who);
end $$;

-- Keeps whether single keys do something at the desk of an agent.
create or replace function public.set_keys(p_agent_id uuid, p_single_keys boolean)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    update public.agents set single_keys = coalesce(p_single_keys, true) where id = p_agent_id and is_active returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    return _supportchat.colleague_json(who);
end $$;

-- The agents who could take over a ticket, the ones who are here first, with their load: so many at most, or all.
create or replace function _supportchat.colleagues_of_desk(p_limit integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with listed as materialized (
        select id, name, lease_expires_at > now() is true as here from public.agents
        where is_active order by here desc, name limit p_limit
    )
    select coalesce(jsonb_agg(known.agent || jsonb_build_object('here', listed.here) order by listed.here desc, listed.name), '[]')
    from listed
    join _supportchat.colleagues_json((select array_agg(id) from listed)) as known on known.agent_id = listed.id
$$;

-- All of them.
create or replace function public.list_agents()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.colleagues_of_desk(null)
$$;

select _supportchat.record_script('functions/agents.sql', '3186a5eb6a22');

notify pgrst, 'reload schema';

commit;
