-- rights.sql: what an agent may do, by their role. Safe to run again.

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

-- Whether an agent has a right: never when they were disabled.
create or replace function _supportchat.has_right(p_agent_id uuid, p_right text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.agents a
        join public.role_rights r on r.role = a.role and r.right_name = p_right
        where a.id = p_agent_id and a.is_active
    )
$$;

-- Refuses what an agent has no right to: PT403. Every function that acts for an agent asks it.
create or replace function _supportchat.demand_right(p_agent_id uuid, p_right text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    -- As has_right has it, which would take a while to be called.
    if not exists (
        select from public.agents a
        join public.role_rights r on r.role = a.role and r.right_name = p_right
        where a.id = p_agent_id and a.is_active
    ) then
        raise sqlstate 'PT403' using message = 'right_missing', detail = p_right;
    end if;
end $$;

-- Refuses whoever was disabled, or never was: PT404. Every function in which agents change or read what is their own asks it.
create or replace function _supportchat.demand_active(p_agent_id uuid)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if not exists (select from public.agents where id = p_agent_id and is_active) then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
end $$;

-- Refuses an agent who was disabled, and what a login session asks for that has ended meanwhile (null: none asks): PT404. To look at a
-- password takes a while, and whoever is thrown out in this time must not change how the account is protected. Whoever throws them
-- out waits for the lock that this takes, or has had it before.
create or replace function _supportchat.demand_session(p_agent_id uuid, p_token_hash text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform from public.agents where id = p_agent_id and is_active for no key update;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    elsif p_token_hash is not null and not exists (
        select from public.agent_sessions s
        where s.token_hash = p_token_hash and s.agent_id = p_agent_id and s.created_at > now() - _supportchat.login_lasts()
    ) then
        raise sqlstate 'PT404' using message = 'session_ended';
    end if;
end $$;

-- The rights of a role, as a list.
create or replace function _supportchat.rights_of(p_role text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(right_name order by right_name), '[]') from public.role_rights where role = p_role
$$;

select _supportchat.record_script('functions/rights.sql', '90c955b52574');

notify pgrst, 'reload schema';

commit;
