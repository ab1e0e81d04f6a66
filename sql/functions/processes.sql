-- processes.sql: the server processes, and who has a page open in them. Safe to run again.

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

-- Whether a server process lives: one that has not reported in time is gone.
create or replace function _supportchat.is_live(p_process public.server_processes)
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_process.live_until > now()
$$;

-- Notes which customers have come to a process and which have left it, and logs those who are here now, or no longer. One who
-- has the chat open in another process as well is here all along.
create or replace function _supportchat.note_customers(p_process_id uuid, p_came uuid[], p_left uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    moved uuid[];
begin
    with added as (
        insert into public.customers_here (session_id, process_id) select id, p_process_id from unnest(p_came) as id
        on conflict do nothing
        returning session_id
    )
    select array_agg(session_id) into moved from added;
    perform _supportchat.log_events('presence.changed', _supportchat.only_in(p_process_id, moved), '{"customer_here": true}');
    with removed as (
        delete from public.customers_here where process_id = p_process_id and session_id = any (p_left) returning session_id
    )
    select array_agg(session_id) into moved from removed;
    perform _supportchat.log_events('presence.changed', _supportchat.only_in(p_process_id, moved), '{"customer_here": false}');
end $$;

-- Of some conversations, those whose customer has the chat open in no other process than this one.
create or replace function _supportchat.only_in(p_process_id uuid, p_session_ids uuid[])
returns uuid[]
language sql
stable
set search_path = ''
as $$
    select array(
        select id from unnest(p_session_ids) as id where not exists (
            select from public.customers_here c where c.session_id = id and c.process_id <> p_process_id
        )
    )
$$;

-- Forgets some server processes, and logs their customers, who are gone.
create or replace function _supportchat.forget_processes(p_process_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    process uuid;
begin
    foreach process in array p_process_ids loop
        perform _supportchat.note_customers(
            process, '{}', array(select session_id from public.customers_here where process_id = process)
        );
    end loop;
    delete from public.server_processes where process_id = any (p_process_ids);
end $$;

-- Forgets the server processes that have not reported in time, as far as nobody else is about to.
create or replace function _supportchat.forget_dead_processes()
returns void
language sql
set search_path = ''
as $$
    select _supportchat.forget_processes(array(
        select process_id from public.server_processes where live_until < now() for update skip locked
    ))
$$;

-- Keeps the agents behind some login sessions here for another 45 seconds, and those sessions alive; gives how many of them
-- had not been here. A row that another transaction holds waits for the next report, so that what somebody changes by hand,
-- in whatever order, neither holds a report up nor fails because of one. Only agents who come are waited for, in one order,
-- so that two processes which report the same logins do not wait for each other in a circle.
create or replace function _supportchat.renew_leases(p_token_hashes text[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
    came bigint;
    unannounced uuid[];
    behind uuid[];
begin
    update public.agent_sessions set last_seen_at = now()
    where token_hash in (
        select token_hash from public.agent_sessions
        where token_hash = any (p_token_hashes) and last_seen_at < now() - interval '1 minute'
        for no key update skip locked
    );

    behind := array(select agent_id from public.agent_sessions where token_hash = any (p_token_hashes));
    perform from public.agents
    where id = any (behind) and lease_expires_at > now() is not true
    order by id for no key update;

    with known as (
        select id, lease_expires_at > now() is true as here, is_here from public.agents
        where id = any (behind) for no key update skip locked
    ), renewed as (
        update public.agents a set lease_expires_at = now() + interval '45 seconds', is_here = true
        from known where known.id = a.id
        returning a.id, known.here, known.is_here
    )
    select count(*) filter (where not here), array_agg(id) filter (where not is_here) into came, unannounced from renewed;
    perform _supportchat.log_event('agent.changed', null, p_agent_id => id) from unnest(unannounced) as id;
    return came;
end $$;

-- Logs the agents whose lease has run out, once.
create or replace function _supportchat.note_absent_agents()
returns void
language plpgsql
set search_path = ''
as $$
declare
    absent uuid;
begin
    for absent in
        update public.agents set is_here = false
        where id in (
            select id from public.agents where is_here and lease_expires_at > now() is not true for no key update skip locked
        )
        returning id
    loop
        perform _supportchat.log_event('agent.changed', null, p_agent_id => absent);
    end loop;
end $$;

-- Of an earlier version, which named all its conversations in each report.
drop function if exists public.report_process(uuid, integer, uuid[], text[], boolean);

-- A server process reports itself: its open sockets, the customers who have opened a chat in it since its last report or
-- have left, and the login sessions of the agents behind its pages, who keep their lease. It counts as live for p_seconds.
-- 'good' are the login sessions that are good; 'came' is how many agents have come, who take waiting tickets; 'known' says
-- whether the process was: if not, it is to name all its customers with the next report. While no page is open in it, this
-- is all that it asks (p_is_idle): then it sweeps and sends a heartbeat as well, and hears whether there is something to do about
-- alerts.
create or replace function public.report_process(
    p_process_id uuid, p_sockets integer, p_came uuid[], p_left uuid[], p_token_hashes text[],
    p_seconds double precision default 25, p_swept boolean default false, p_is_idle boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    good text[] := _supportchat.good_sessions(p_token_hashes);
    is_known boolean;
    came bigint;
    answer jsonb;
begin
    update public.server_processes as process set
        -- What has not reported for so long counts as started anew: see sweep_assignment.
        started_at = case when _supportchat.is_live(process) then process.started_at else now() end,
        seen_at = now(), live_until = now() + make_interval(secs => p_seconds), sockets = p_sockets,
        swept_at = case when p_swept then now() else swept_at end
    where process_id = p_process_id;
    is_known := found;
    if not is_known then
        insert into public.server_processes (process_id, live_until, sockets, swept_at)
        values (p_process_id, now() + make_interval(secs => p_seconds), p_sockets, case when p_swept then now() end)
        on conflict (process_id) do nothing;
    end if;
    perform _supportchat.note_customers(p_process_id, p_came, p_left);
    came := _supportchat.renew_leases(good);
    answer := jsonb_build_object('good', good, 'came', came, 'known', is_known);
    if p_is_idle then
        answer := answer || jsonb_build_object('sweep', public.sweep_assignment()) || public.send_heartbeat(p_seconds / 4)
            || jsonb_build_object('alerts_due', _supportchat.alerts_are_due());
        update public.server_processes set swept_at = now() where process_id = p_process_id;
    end if;
    return answer;
end $$;

-- Forgets a server process that stops in order, and the customers who had the chat open in it.
create or replace function public.forget_process(p_process_id uuid)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.forget_processes(array[p_process_id])
$$;

select _supportchat.record_script('functions/processes.sql', '67f818585d6f');

notify pgrst, 'reload schema';

commit;
