-- account.sql: what agents change about themselves: name, picture, password, open sessions. Safe to run again.

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

-- Of an earlier version, which knew no provider.
drop function if exists public.account(uuid, text);

-- What an agent's own page shows: when the password was changed, whether two-factor is on, since when the provider of p_issuer is
-- connected, and where they are logged in. p_token_hash is the login session that asks.
create or replace function public.account(p_agent_id uuid, p_token_hash text, p_issuer text default null)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_active(p_agent_id);
    return (
        select jsonb_build_object(
            'password_changed_at', c.changed_at,
            'two_factor_since', c.totp_since,
            'provider_since', (
                select i.created_at from public.agent_identities i where i.agent_id = p_agent_id and i.issuer = p_issuer
            ),
            'recovery_codes', (select count(*) from public.recovery_codes r where r.agent_id = p_agent_id),
            'sessions', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'id', s.id, 'user_agent', s.user_agent, 'created_at', s.created_at, 'last_seen_at', s.last_seen_at,
                    'is_this', s.token_hash = p_token_hash
                ) order by s.token_hash = p_token_hash desc, s.last_seen_at desc), '[]')
                from public.agent_sessions s
                where s.agent_id = p_agent_id and s.created_at > now() - _supportchat.login_lasts()
                    and s.last_seen_at > now() - interval '30 minutes'
            )
        )
        from public.agents a
        left join public.agent_credentials c on c.agent_id = a.id
        where a.id = p_agent_id
    );
end $$;

-- Changes the name of an agent, which customers see.
create or replace function public.change_name(p_agent_id uuid, p_name text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    former text := (select name from public.agents where id = p_agent_id);
    who public.agents;
begin
    update public.agents set name = p_name where id = p_agent_id and is_active returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    perform _supportchat.audit('name.changed', p_agent_id, jsonb_build_object('from', former, 'to', who.name));
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => p_agent_id);
    return _supportchat.colleague_json(who);
end $$;

-- Gives an agent another picture, by the key of the stored object; null for none. Returns the key of the former one, which
-- nothing needs any more.
create or replace function public.change_picture(p_agent_id uuid, p_key text)
returns text
language plpgsql
set search_path = ''
as $$
declare
    former text;
begin
    select picture_key into former from public.agents where id = p_agent_id and is_active for update;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    update public.agents set picture_key = p_key where id = p_agent_id;
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => p_agent_id);
    return former;
end $$;

-- Of an earlier version, without the logos of sites.
drop function if exists public.is_picture_of_agent(text);

-- Whether a stored object is the picture of an agent or the logo of a site, which everybody may see who knows its key. Nobody
-- guesses it.
create or replace function public.is_open_picture(p_key text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (select from public.agents where picture_key = p_key) or exists (select from public.sites where logo_path = p_key)
$$;

-- Ends login sessions of an agent, here and in every server process: the one that is named, or all but the one that asks.
-- Returns how many. PT404 when the one that is named is not theirs, or the one that asks has ended.
create or replace function public.end_agent_sessions(p_agent_id uuid, p_token_hash text, p_session_id uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    ended integer;
    own uuid := (select id from public.agent_sessions where token_hash = p_token_hash and agent_id = p_agent_id);
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    -- In the order of report_process, so that the two do not wait for each other in a circle.
    perform from public.agent_sessions where agent_id = p_agent_id order by token_hash for update;
    delete from public.agent_sessions
    where agent_id = p_agent_id and token_hash <> p_token_hash and (p_session_id is null or id = p_session_id);
    get diagnostics ended = row_count;
    if ended = 0 and p_session_id is not null then
        raise sqlstate 'PT404' using message = 'session_not_found';
    end if;
    -- A device that was lost may have a login that ended by itself: with all others it goes, too.
    perform _supportchat.log_devices_out(p_agent_id, coalesce(p_session_id, own), p_others => p_session_id is null);
    if ended > 0 then
        perform _supportchat.audit('session.ended', p_agent_id, jsonb_build_object('sessions', ended));
    end if;
    return ended;
end $$;

-- Gives an agent another password, ends every login session but the one that asks and every link for a password, and forgets the
-- browsers that they are known in but this one. PT404 when the session that asks has ended.
create or replace function public.change_password(p_agent_id uuid, p_password_hash text, p_token_hash text, p_browser text)
returns integer
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    update public.agent_credentials set password_hash = p_password_hash, changed_at = now() where agent_id = p_agent_id;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    delete from public.pending_logins where agent_id = p_agent_id;
    delete from public.one_time_links where agent_id = p_agent_id and purpose = 'password';
    delete from public.agent_browsers where agent_id = p_agent_id and token_hash is distinct from p_browser;
    perform _supportchat.audit('password.changed', p_agent_id, '{"by": "self"}');
    return public.end_agent_sessions(p_agent_id, p_token_hash);
end $$;

select _supportchat.record_script('functions/account.sql', '37ecb0947e57');

notify pgrst, 'reload schema';

commit;
