-- agents.sql: who agents are, and whether they are here. Safe to run again.
-- Login sessions are known by the SHA-256 of their cookie; they end after `login_lasts`, or after 30 minutes without
-- a request or an open page (OWASP ASVS 5.0, 7.3.1 and 7.3.2).

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

-- An agent as colleagues know one, and each knows themself.
create or replace function _supportchat.colleague_json(p_row public.agents)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', p_row.id, 'name', p_row.name, 'email', p_row.email, 'role', p_row.role,
        'availability', p_row.availability, 'max_tickets', p_row.max_tickets,
        'load', _supportchat.load_of_agent(p_row.id)
    )
$$;

-- Makes an agent, or an admin. An agent whom an older version left here without a password, who so can not log in, gets
-- this one, and the name, role and limit given. PT409 when the e-mail address is taken.
create or replace function public.create_agent(
    p_name text, p_email text, p_password_hash text, p_role text default 'agent', p_max_tickets integer default 5
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
        name = excluded.name, role = excluded.role, max_tickets = excluded.max_tickets, is_active = true
    where not exists (select from public.agent_credentials c where c.agent_id = agents.id)
    returning * into made;
    if found then
        insert into public.agent_credentials (agent_id, password_hash) values (made.id, p_password_hash)
        on conflict do nothing;
    end if;
    if not found then
        raise sqlstate 'PT409' using message = 'email_taken';
    end if;
    return _supportchat.colleague_json(made);
end $$;

-- What a login is checked against; null for an unknown address or an agent who left.
create or replace function _supportchat.credentials_of(p_email text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('agent_id', a.id, 'password_hash', c.password_hash)
    from public.agents a
    join public.agent_credentials c on c.agent_id = a.id
    where lower(a.email) = lower(p_email) and a.is_active
$$;

-- Gives an agent another password, and ends every login session of theirs, here and in every server process. PT404 when
-- nobody has the address, PT409 when who has it may not log in any more.
create or replace function public.reset_password(p_email text, p_password_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
    token text;
begin
    select * into who from public.agents where lower(email) = lower(p_email);
    if not found then
        raise sqlstate 'PT404' using message = 'agent_unknown';
    elsif not who.is_active then
        raise sqlstate 'PT409' using message = 'agent_deactivated', detail = who.name;
    end if;
    insert into public.agent_credentials (agent_id, password_hash) values (who.id, p_password_hash)
    on conflict (agent_id) do update set password_hash = excluded.password_hash, changed_at = now();
    -- In the order of report_process, so that the two do not wait for each other in a circle.
    perform from public.agent_sessions where agent_id = who.id order by token_hash for update;
    for token in delete from public.agent_sessions where agent_id = who.id returning token_hash loop
        perform _supportchat.notify_change('session.revoked', jsonb_build_object('token_hash', token));
    end loop;
    update public.agents set lease_expires_at = now() where id = who.id and lease_expires_at > now();
    return _supportchat.colleague_json(who);
end $$;

-- Counts an attempt to log in, and gives what it is checked against, as credentials_of does; PT429 when there were too
-- many. A browser in which this agent has logged in before has a count of its own, so that nobody locks them out by
-- guessing; any other one counts for the account and for the address it comes from.
create or replace function public.begin_login(p_email text, p_browser text, p_address text, p_limits jsonb default '{}')
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    known jsonb := _supportchat.credentials_of(p_email);
begin
    if exists (
        select from public.agent_browsers
        where agent_id = (known ->> 'agent_id')::uuid and token_hash = p_browser
    ) then
        perform _supportchat.take_token('logins', 'browser/' || p_browser, p_limits -> 'account');
    else
        perform _supportchat.take_token('logins', 'address/' || p_address, p_limits -> 'address');
        perform _supportchat.take_token('logins', 'account/' || md5(lower(p_email)), p_limits -> 'account');
    end if;
    return known;
end $$;

-- Of an earlier version, without a browser.
drop function if exists public.open_agent_session(uuid, text);

-- How long a login session lasts, used or not.
create or replace function _supportchat.login_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '12 hours'
$$;

-- Begins a login session, and forgets the ended ones. The browser is one that this agent is known in from now on.
create or replace function public.open_agent_session(p_agent_id uuid, p_token_hash text, p_browser text default null)
returns void
language sql
set search_path = ''
as $$
    -- What another transaction holds is left to the next login.
    delete from public.agent_sessions where token_hash in (
        select token_hash from public.agent_sessions
        where created_at < now() - _supportchat.login_lasts() for update skip locked
    );
    insert into public.agent_sessions (token_hash, agent_id) values (p_token_hash, p_agent_id);
    delete from public.agent_browsers where ctid in (
        select ctid from public.agent_browsers
        where agent_id = p_agent_id order by seen_at desc offset 19 for update skip locked
    );
    insert into public.agent_browsers (agent_id, token_hash)
    select p_agent_id, p_browser where p_browser <> ''
    on conflict (agent_id, token_hash) do update set seen_at = excluded.seen_at;
$$;

-- The agent behind a login session; null when it has ended. Its use keeps it alive.
create or replace function public.agent_of_session(p_token_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
    seen timestamptz;
begin
    select a.* into who from public.agents a
    join public.agent_sessions s on s.agent_id = a.id
    where s.token_hash = p_token_hash and a.is_active
        and s.created_at > now() - _supportchat.login_lasts() and s.last_seen_at > now() - interval '30 minutes';
    if not found then
        return null;
    end if;
    update public.agent_sessions set last_seen_at = now()
    where token_hash = p_token_hash and last_seen_at < now() - interval '1 minute';
    return _supportchat.colleague_json(who);
end $$;

-- Ends a login session, and tells the server processes to close its sockets. Whoever has no other one is gone at once; a
-- page of another one that is open somewhere says within seconds that they are still here.
create or replace function public.close_agent_session(p_token_hash text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    who uuid;
begin
    delete from public.agent_sessions where token_hash = p_token_hash returning agent_id into who;
    update public.agents set lease_expires_at = now()
    where id = who and lease_expires_at > now()
        and not exists (select from public.agent_sessions s where s.agent_id = who and s.last_seen_at > now() - interval '2 minutes');
    perform _supportchat.notify_change('session.revoked', jsonb_build_object('token_hash', p_token_hash));
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
    perform _supportchat.notify_change('agent.changed', jsonb_build_object('agent_id', p_agent_id));
    return _supportchat.colleague_json(who);
end $$;

-- The agents who could take over a ticket, the ones who are here first, with their load.
create or replace function public.list_agents()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(agent order by here desc, agent ->> 'name'), '[]')
    from (
        select a.lease_expires_at > now() is true as here,
            _supportchat.colleague_json(a) || jsonb_build_object('here', a.lease_expires_at > now() is true) as agent
        from public.agents a where a.is_active
    ) as listed
$$;

-- Gives which of these login sessions are still good.
create or replace function public.good_sessions(p_token_hashes text[])
returns text[]
language sql
stable
set search_path = ''
as $$
    select coalesce(array_agg(s.token_hash), '{}')
    from public.agent_sessions s
    join public.agents a on a.id = s.agent_id
    where s.token_hash = any (p_token_hashes) and a.is_active and s.created_at > now() - _supportchat.login_lasts()
$$;

-- A server process reports itself: its open sockets, the conversations and the agents behind them. Agents named here
-- keep their lease for another 45 seconds, and their login sessions; the first one that comes takes waiting tickets.
-- Gives which of the login sessions are still good.
create or replace function public.report_process(
    p_process_id uuid, p_sockets integer, p_sessions uuid[], p_token_hashes text[], p_swept boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    good text[] := public.good_sessions(p_token_hashes);
    came integer;
    before uuid[] := (select sessions from public.server_processes where process_id = p_process_id);
    changed uuid[];
begin
    insert into public.server_processes as process (process_id, sockets, sessions, swept_at)
    values (p_process_id, p_sockets, p_sessions, case when p_swept then now() end)
    on conflict (process_id) do update set
        -- What has not reported for so long counts as started anew: see sweep_assignment.
        started_at = case when _supportchat.is_live(process) then process.started_at else now() end,
        seen_at = now(), sockets = excluded.sockets, sessions = excluded.sessions,
        swept_at = coalesce(excluded.swept_at, process.swept_at);
    delete from public.server_processes where seen_at < now() - interval '1 day';

    -- Customers who came or went. When it is a crowd (a restart), the sweeps of the others find it.
    select array_agg(id) into changed from (
        (select unnest(p_sessions) except select unnest(before)) union (select unnest(before) except select unnest(p_sessions))
    ) as moved (id);
    if cardinality(changed) <= 50 then
        perform _supportchat.notify_change('presence.changed', jsonb_build_object('session_id', id)) from unnest(changed) as id;
    end if;

    -- Both in one order, so that two processes which report the same logins do not wait for each other in a circle.
    perform from public.agent_sessions
    where token_hash = any (good) and last_seen_at < now() - interval '1 minute'
    order by token_hash for no key update;
    update public.agent_sessions set last_seen_at = now()
    where token_hash = any (good) and last_seen_at < now() - interval '1 minute';

    with known as (
        select id, lease_expires_at > now() is true as here from public.agents
        where id in (select agent_id from public.agent_sessions where token_hash = any (good))
        order by id for no key update
    ), renewed as (
        update public.agents a set lease_expires_at = now() + interval '45 seconds'
        from known where known.id = a.id
        returning known.here
    )
    select count(*) filter (where not here) into came from renewed;
    if came > 0 then
        perform _supportchat.notify_change('agent.changed', '{}');
    end if;
    return jsonb_build_object('good', good, 'came', came);
end $$;

-- Forgets a server process that stops in order, so that /status does not count its sockets any longer.
create or replace function public.forget_process(p_process_id uuid)
returns void
language sql
set search_path = ''
as $$
    delete from public.server_processes where process_id = p_process_id
$$;

select _supportchat.record_script('functions/agents.sql', 'ab63b1b71cd5');

notify pgrst, 'reload schema';

commit;
