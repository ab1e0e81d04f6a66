-- logins.sql: how agents log in, and for how long. Safe to run again.
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

-- Gives an agent another password, ends every login session and link for a password of theirs, here and in every server process,
-- and forgets the browsers that they are known or notified in: whoever has guessed the former one has had one of them.
create or replace function _supportchat.set_password(p_agent_id uuid, p_password_hash text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    -- First, as open_agent_session does: no login that is under way gets in by the former password.
    perform from public.agents where id = p_agent_id for no key update;
    insert into public.agent_credentials (agent_id, password_hash) values (p_agent_id, p_password_hash)
    on conflict (agent_id) do update set password_hash = excluded.password_hash, changed_at = now();
    delete from public.pending_logins where agent_id = p_agent_id;
    delete from public.one_time_links where agent_id = p_agent_id and purpose = 'password';
    delete from public.agent_browsers where agent_id = p_agent_id;
    -- In the order of report_process, so that the two do not wait for each other in a circle.
    perform from public.agent_sessions where agent_id = p_agent_id order by token_hash for update;
    delete from public.agent_sessions where agent_id = p_agent_id;
    perform _supportchat.log_devices_out(p_agent_id, null, p_others => true);
    update public.agents set lease_expires_at = now() where id = p_agent_id and lease_expires_at > now();
    perform _supportchat.note_absent_agents();
end $$;

-- Notes that an account is no demo any more: whoever has set another password is the only one who knows it.
create or replace function _supportchat.end_demo()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    update public.agents set is_demo = false where id = new.agent_id and is_demo;
    return null;
end $$;

create or replace trigger end_demo
after insert or update of password_hash on public.agent_credentials
for each row execute function _supportchat.end_demo();

-- Of an earlier version, which had no two-factor.
drop function if exists public.reset_password(text, text);

-- The same for the agent of an e-mail address, from a terminal; two-factor is turned off as well if p_forget_two_factor says so.
-- PT404 when nobody has the address, PT409 when who has it may not log in any more.
create or replace function public.reset_password(p_email text, p_password_hash text, p_forget_two_factor boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    select * into who from public.agents where lower(email) = lower(p_email);
    if not found then
        raise sqlstate 'PT404' using message = 'agent_unknown';
    elsif not who.is_active then
        raise sqlstate 'PT409' using message = 'agent_deactivated', detail = who.name;
    end if;
    perform _supportchat.set_password(who.id, p_password_hash);
    perform _supportchat.audit('password.changed', who.id, jsonb_build_object('by', 'command'));
    if p_forget_two_factor and exists (
        select from public.agent_credentials where agent_id = who.id and totp_secret is not null
    ) then
        perform _supportchat.forget_two_factor(who.id);
        perform _supportchat.audit('two_factor.removed', null, jsonb_build_object('person', who.id, 'by', 'command'));
    end if;
    return _supportchat.colleague_json(who);
end $$;

-- Counts an attempt to log in, and gives what it is checked against, as credentials_of does, and whether the browser is one in
-- which this agent has logged in before; PT429 when there were too many. Such a browser has a count of its own, so that nobody
-- locks them out by guessing; any other one counts for the account and for the address it comes from.
create or replace function public.begin_login(p_email text, p_browser text, p_address text, p_limits jsonb default '{}')
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    known jsonb := _supportchat.credentials_of(p_email);
    is_known boolean := exists (
        select from public.agent_browsers
        where agent_id = (known ->> 'agent_id')::uuid and token_hash = p_browser
    );
begin
    if is_known then
        perform _supportchat.take_token('logins', 'browser/' || p_browser, p_limits -> 'account');
    else
        perform _supportchat.take_token('logins', 'address/' || p_address, p_limits -> 'address');
        perform _supportchat.take_token('logins', 'account/' || md5(lower(p_email)), p_limits -> 'account');
    end if;
    return known || jsonb_build_object('browser_known', is_known);
end $$;

-- Of an earlier version, which knew nothing but logins.
drop function if exists public.refuse_login(text, text);

-- Counts a login that was refused: per account, or per address for an account that does not exist. p_where is 'account' for a wrong
-- password of somebody who is logged in, and was asked for it once more. The audit log gets the 1st, 10th, 100th ... of an hour, so
-- that whoever guesses cannot fill it.
create or replace function public.refuse_login(p_email text, p_address text, p_where text default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    who uuid := (select id from public.agents where lower(email) = lower(p_email));
    counted integer;
begin
    insert into public.refused_logins as earlier (key) values (coalesce(who::text, 'address/' || left(p_address, 64)))
    on conflict (key) do update set
        attempts = case when earlier.began_at < now() - interval '1 hour' then 1 else earlier.attempts + 1 end,
        began_at = case when earlier.began_at < now() - interval '1 hour' then now() else earlier.began_at end
    returning attempts into counted;
    if counted::text ~ '^10*$' then
        perform _supportchat.audit('login.refused', who, jsonb_strip_nulls(jsonb_build_object(
            'attempts', counted, 'where', p_where
        )), p_address);
    end if;
    delete from public.refused_logins where ctid = any (array(
        select ctid from public.refused_logins
        where began_at < now() - interval '1 hour' order by began_at limit 10 for update skip locked
    ));
end $$;

-- Of earlier versions, without a browser or an address.
drop function if exists public.open_agent_session(uuid, text);
drop function if exists public.open_agent_session(uuid, text, text);
drop function if exists public.open_agent_session(uuid, text, text, text, text, text);
drop function if exists public.open_agent_session(uuid, text, text, text, text, text, text);
drop function if exists _supportchat.begin_session(uuid, text, text, text, text);

-- How long a login session lasts, used or not.
create or replace function _supportchat.login_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '12 hours'
$$;

-- Begins a login session, and forgets the ended ones. p_browser is the new key of the browser, in which this agent is known from
-- now on, as is everybody who was known by its former one. That one is worth nothing any more: somebody else may have put it there.
-- p_how is 'provider' where somebody else has said who they are.
create or replace function _supportchat.begin_session(
    p_agent_id uuid, p_token_hash text, p_browser text, p_former text, p_address text, p_user_agent text, p_how text
)
returns void
language sql
set search_path = ''
as $$
    -- What another transaction holds is left to the next login.
    delete from public.agent_sessions where token_hash in (
        select token_hash from public.agent_sessions
        where created_at < now() - _supportchat.login_lasts() for update skip locked
    );
    insert into public.agent_sessions (token_hash, agent_id, user_agent) values (p_token_hash, p_agent_id, p_user_agent);
    delete from public.agent_browsers where ctid in (
        select ctid from public.agent_browsers
        where agent_id = p_agent_id order by seen_at desc offset 19 for update skip locked
    );
    -- What was counted of this browser stays counted: who logs in as themselves must not get to guess anew for others.
    update public.throttle_buckets set key = replace(key, p_former, p_browser)
    where p_former <> '' and key in (
        select 'logins/browser/' || p_former
        union all
        select 'logins/flow/browser/' || p_former
        union all
        select concat_ws('/', 'codes', agent_id, p_former) from public.agent_browsers where token_hash = p_former
    );
    update public.agent_browsers set token_hash = p_browser where p_browser <> '' and token_hash = nullif(p_former, '');
    insert into public.agent_browsers (agent_id, token_hash)
    select p_agent_id, p_browser where p_browser <> ''
    on conflict (agent_id, token_hash) do update set seen_at = excluded.seen_at;
    select _supportchat.prune_audit();
    select _supportchat.audit('login.ok', p_agent_id, jsonb_strip_nulls(jsonb_build_object('how', p_how)), p_address);
$$;

-- Begins a login session of an agent who has shown who they are, or with two-factor a login that waits for its second step, by the
-- same token. p_known is the key that the browser has had until now, p_browser its next one, to which a second step is bound where
-- there was none. p_password_hash is what their password was checked against, p_issuer and p_subject whom the provider has named:
-- null when that has changed since, or the agent was disabled.
create or replace function public.open_agent_session(
    p_agent_id uuid, p_token_hash text, p_browser text default null, p_address text default null, p_user_agent text default null,
    p_known text default '', p_how text default null, p_password_hash text default null, p_issuer text default null,
    p_subject text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    needs_code boolean;
begin
    -- Whoever disables an agent, or changes how they log in, waits for this lock, or has had it before.
    perform from public.agents where id = p_agent_id and is_active for no key update;
    if not found or (
        p_password_hash is not null
        and not exists (select from public.agent_credentials where agent_id = p_agent_id and password_hash = p_password_hash)
    ) or (
        p_subject is not null and not exists (
            select from public.agent_identities where agent_id = p_agent_id and issuer = p_issuer and subject = p_subject
        )
    ) then
        return null;
    end if;
    needs_code := exists (select from public.agent_credentials where agent_id = p_agent_id and totp_secret is not null);
    if needs_code then
        perform _supportchat.begin_second_step(
            p_agent_id, p_token_hash, coalesce(nullif(p_known, ''), p_browser, ''), p_user_agent, p_how
        );
    else
        perform _supportchat.begin_session(p_agent_id, p_token_hash, p_browser, p_known, p_address, p_user_agent, p_how);
    end if;
    return jsonb_build_object('needs_code', needs_code);
end $$;

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
    ended uuid;
begin
    delete from public.agent_sessions where token_hash = p_token_hash returning agent_id, id into who, ended;
    if found then
        perform _supportchat.log_devices_out(who, ended, p_others => false);
        perform _supportchat.audit('logout', who);
    end if;
    update public.agents set lease_expires_at = now()
    where id = who and lease_expires_at > now()
        and not exists (select from public.agent_sessions s where s.agent_id = who and s.last_seen_at > now() - interval '2 minutes');
    perform _supportchat.note_absent_agents();
end $$;

-- Of an earlier version: report_process says it, and the log.
drop function if exists public.good_sessions(text[]);

-- Gives which of these login sessions are still good for a desk.
create or replace function _supportchat.good_sessions(p_token_hashes text[])
returns text[]
language sql
stable
set search_path = ''
as $$
    select coalesce(array_agg(s.token_hash), '{}')
    from public.agent_sessions s
    join public.agents a on a.id = s.agent_id
    where s.token_hash = any (p_token_hashes) and a.is_active and s.created_at > now() - _supportchat.login_lasts()
        and not _supportchat.needs_two_factor(a)
$$;

-- Logs the end of a login session, whatever has ended it, so that every server process closes its sockets.
create or replace function _supportchat.log_end_of_session()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.log_event(
        'session.revoked', null, jsonb_build_object('token_hash', old.token_hash), p_agent_id => old.agent_id
    );
    return null;
end $$;

create or replace trigger log_end_of_session
after delete on public.agent_sessions
for each row execute function _supportchat.log_end_of_session();

-- Ends what lets an agent in, or others for them, when they are deactivated, by whatever statement: login sessions, logins that wait for
-- their second step, links, and the browsers that they are known in.
create or replace function _supportchat.end_sessions()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    delete from public.pending_logins where agent_id = new.id;
    delete from public.agent_sessions where agent_id = new.id;
    delete from public.one_time_links where agent_id = new.id or created_by = new.id;
    delete from public.agent_browsers where agent_id = new.id;
    return null;
end $$;

create or replace trigger end_sessions
after update of is_active on public.agents
for each row when (old.is_active and not new.is_active) execute function _supportchat.end_sessions();

select _supportchat.record_script('functions/logins.sql', 'd44058f4ce82');

notify pgrst, 'reload schema';

commit;
