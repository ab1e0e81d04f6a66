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

-- Whether a server process has reported within 25 seconds: one that has not is gone.
create or replace function _supportchat.is_live(p_process public.server_processes)
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_process.seen_at > now() - interval '25 seconds'
$$;

-- Tells of the customers who came or went. When it is a crowd (a restart), the sweeps of the others find it.
create or replace function _supportchat.tell_presence(p_before uuid[], p_now uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    changed uuid[] := array(
        (select unnest(p_now) except select unnest(p_before)) union (select unnest(p_before) except select unnest(p_now))
    );
begin
    if cardinality(changed) <= 50 then
        perform _supportchat.notify_change('presence.changed', jsonb_build_object('session_id', id)) from unnest(changed) as id;
    end if;
end $$;

-- Keeps the agents behind some login sessions here for another 45 seconds, and those sessions alive; gives how many of them
-- had not been here. Rows are locked in one order, so that two processes which report the same logins do not wait for each
-- other in a circle.
create or replace function _supportchat.renew_leases(p_token_hashes text[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
    came bigint;
begin
    perform from public.agent_sessions
    where token_hash = any (p_token_hashes) and last_seen_at < now() - interval '1 minute'
    order by token_hash for no key update;
    update public.agent_sessions set last_seen_at = now()
    where token_hash = any (p_token_hashes) and last_seen_at < now() - interval '1 minute';

    with known as (
        select id, lease_expires_at > now() is true as here from public.agents
        where id in (select agent_id from public.agent_sessions where token_hash = any (p_token_hashes))
        order by id for no key update
    ), renewed as (
        update public.agents a set lease_expires_at = now() + interval '45 seconds'
        from known where known.id = a.id
        returning known.here
    )
    select count(*) filter (where not here) into came from renewed;
    return came;
end $$;

-- A server process reports itself: its open sockets, the conversations and the agents behind them. Agents named here
-- keep their lease, and their login sessions. Gives which of those are good, and how many agents came, who take waiting
-- tickets.
create or replace function public.report_process(
    p_process_id uuid, p_sockets integer, p_sessions uuid[], p_token_hashes text[], p_swept boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    good text[] := public.good_sessions(p_token_hashes);
    came bigint;
    before uuid[] := (select sessions from public.server_processes where process_id = p_process_id);
begin
    insert into public.server_processes as process (process_id, sockets, sessions, swept_at)
    values (p_process_id, p_sockets, p_sessions, case when p_swept then now() end)
    on conflict (process_id) do update set
        -- What has not reported for so long counts as started anew: see sweep_assignment.
        started_at = case when _supportchat.is_live(process) then process.started_at else now() end,
        seen_at = now(), sockets = excluded.sockets, sessions = excluded.sessions,
        swept_at = coalesce(excluded.swept_at, process.swept_at);
    delete from public.server_processes where seen_at < now() - interval '1 day';
    perform _supportchat.tell_presence(before, p_sessions);
    came := _supportchat.renew_leases(good);
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

select _supportchat.record_script('functions/processes.sql', 'af0379218b5f');

notify pgrst, 'reload schema';

commit;
