-- two_factor.sql: the second step of a login: codes of an authenticator app, and recovery codes. Safe to run again.
-- The server computes the codes (RFC 6238); what is exact is counted here: how often somebody may try, and that each code
-- counts once.

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

-- Counts an attempt at a code, and returns what it is checked against: the secret, and the last step whose code has counted. PT429
-- when there were too many. A browser in which this agent has logged in before has a count of its own, as in begin_login. Null
-- when two-factor is off.
create or replace function public.begin_code(p_agent_id uuid, p_browser text, p_limits jsonb default '{}')
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    known jsonb := (
        select jsonb_build_object('secret', totp_secret, 'step', totp_step)
        from public.agent_credentials where agent_id = p_agent_id and totp_secret is not null
    );
begin
    perform _supportchat.demand_active(p_agent_id);
    if known is not null then
        perform _supportchat.take_token('codes', _supportchat.whose_codes(p_agent_id, p_browser), p_limits -> 'codes');
    end if;
    return known;
end $$;

-- Under which name attempts at codes are counted: of a browser in which the agent is known, or of their account.
create or replace function _supportchat.whose_codes(p_agent_id uuid, p_browser text)
returns text
language sql
stable
set search_path = ''
as $$
    select concat_ws('/', p_agent_id, (
        select token_hash from public.agent_browsers where agent_id = p_agent_id and token_hash = p_browser
    ))
$$;

-- Takes a code that was right, of the app by its step or a recovery code by its hash, and forgives the attempts before it. PT422
-- when it has counted before, or there is no such code.
create or replace function public.use_code(p_agent_id uuid, p_browser text, p_step bigint default null, p_code_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_active(p_agent_id);
    if p_step is not null then
        update public.agent_credentials set totp_step = p_step
        where agent_id = p_agent_id and totp_secret is not null and totp_step < p_step;
    else
        delete from public.recovery_codes where agent_id = p_agent_id and code_hash = p_code_hash;
    end if;
    if not found then
        raise sqlstate 'PT422' using message = 'code_wrong';
    end if;
    if p_step is null then
        perform _supportchat.audit('two_factor.recovery_code_used', p_agent_id);
    end if;
    delete from public.throttle_buckets where key = 'codes/' || _supportchat.whose_codes(p_agent_id, p_browser);
end $$;

-- How long a login may wait for its second step.
create or replace function _supportchat.pending_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '5 minutes'
$$;

-- Of an earlier version, which knew only passwords.
drop function if exists _supportchat.begin_second_step(uuid, text, text, text);

-- Keeps a login whose first step was right, until its second step, and forgets the ones that waited too long.
create or replace function _supportchat.begin_second_step(
    p_agent_id uuid, p_token_hash text, p_browser text, p_user_agent text, p_how text
)
returns void
language sql
set search_path = ''
as $$
    delete from public.pending_logins where token_hash in (
        select token_hash from public.pending_logins
        where created_at < now() - _supportchat.pending_lasts() for update skip locked
    );
    insert into public.pending_logins (token_hash, agent_id, browser, user_agent, how)
    values (p_token_hash, p_agent_id, p_browser, p_user_agent, p_how);
$$;

-- The login that waits for its second step in the browser that began it; null when there is none, or it has waited too long.
create or replace function public.pending_login(p_token_hash text, p_browser text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('agent_id', a.id, 'email', a.email)
    from public.pending_logins p
    join public.agents a on a.id = p.agent_id
    where p.token_hash = p_token_hash and p.browser = p_browser and a.is_active
        and p.created_at > now() - _supportchat.pending_lasts()
$$;

-- Makes a login session of a login whose second code was right, as use_code takes it. p_pending is the token of its first step,
-- p_browser the browser that began it, p_new_browser the one that the agent is known in from now on. PT404 when it has waited
-- too long, PT422 when the code does not count.
create or replace function public.finish_login(
    p_pending text, p_browser text, p_token_hash text, p_new_browser text, p_step bigint default null,
    p_code_hash text default null, p_address text default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    pending public.pending_logins;
begin
    -- First, as in open_agent_session: a new password, or the end of an account, ends this login too.
    perform from public.agents
    where id = (select agent_id from public.pending_logins where token_hash = p_pending) for no key update;
    select * into pending from public.pending_logins p
    where p.token_hash = p_pending and p.browser = p_browser and p.created_at > now() - _supportchat.pending_lasts()
        and exists (select from public.agents a where a.id = p.agent_id and a.is_active)
    for update;
    if not found then
        raise sqlstate 'PT404' using message = 'login_expired';
    end if;
    perform public.use_code(pending.agent_id, p_browser, p_step, p_code_hash);
    delete from public.pending_logins where agent_id = pending.agent_id;
    perform _supportchat.begin_session(
        pending.agent_id, p_token_hash, p_new_browser, p_browser, p_address, pending.user_agent, pending.how
    );
end $$;

-- Gives an agent new recovery codes, by their hashes; the former ones count no more.
create or replace function _supportchat.give_recovery_codes(p_agent_id uuid, p_code_hashes text[])
returns void
language sql
set search_path = ''
as $$
    delete from public.recovery_codes where agent_id = p_agent_id;
    insert into public.recovery_codes (agent_id, code_hash) select p_agent_id, unnest(p_code_hashes);
$$;

-- Of an earlier version, which did not ask by which login session.
drop function if exists public.turn_on_two_factor(uuid, text, bigint, text[]);
drop function if exists public.replace_recovery_codes(uuid, text[]);
drop function if exists public.turn_off_two_factor(uuid);

-- Turns two-factor on for an agent who has shown a right code of this secret: that of p_step. p_token_hash is the login session that
-- asks. PT404 when that has ended, PT409 when it is on already.
create or replace function public.turn_on_two_factor(
    p_agent_id uuid, p_secret text, p_step bigint, p_code_hashes text[], p_token_hash text default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    update public.agent_credentials set totp_secret = p_secret, totp_since = now(), totp_step = p_step
    where agent_id = p_agent_id and totp_secret is null;
    if not found then
        raise sqlstate 'PT409' using message = 'two_factor_on';
    end if;
    perform _supportchat.give_recovery_codes(p_agent_id, p_code_hashes);
    perform _supportchat.audit('two_factor.on', p_agent_id);
end $$;

-- Gives an agent new recovery codes. PT404 when the login session that asks has ended, PT409 when two-factor is off.
create or replace function public.replace_recovery_codes(p_agent_id uuid, p_code_hashes text[], p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    perform from public.agent_credentials where agent_id = p_agent_id and totp_secret is not null for update;
    if not found then
        raise sqlstate 'PT409' using message = 'two_factor_off';
    end if;
    perform _supportchat.give_recovery_codes(p_agent_id, p_code_hashes);
    perform _supportchat.audit('two_factor.codes_replaced', p_agent_id);
end $$;

-- Takes secret and recovery codes away from an agent.
create or replace function _supportchat.forget_two_factor(p_agent_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.agent_credentials set totp_secret = null, totp_since = null
    where agent_id = p_agent_id and totp_secret is not null;
    if not found then
        raise sqlstate 'PT409' using message = 'two_factor_off';
    end if;
    delete from public.recovery_codes where agent_id = p_agent_id;
    delete from public.pending_logins where agent_id = p_agent_id;
end $$;

-- Turns two-factor off for the agent who asks. PT404 when the login session that asks has ended, PT409 when it is off already.
create or replace function public.turn_off_two_factor(p_agent_id uuid, p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    perform _supportchat.forget_two_factor(p_agent_id);
    perform _supportchat.audit('two_factor.off', p_agent_id);
    if exists (select from public.agents a where a.id = p_agent_id and _supportchat.needs_two_factor(a)) then
        perform _supportchat.close_desks_without_two_factor();
    end if;
end $$;

-- Turns two-factor off for somebody who has lost their phone, and logs them out everywhere. Their password is the only thing that
-- is asked for then. PT404 when there is no such person, PT409 when it is off already.
create or replace function public.remove_two_factor(p_agent_id uuid, p_person_id uuid)
returns text
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    perform _supportchat.forget_two_factor(p_person_id);
    perform _supportchat.audit('two_factor.removed', p_agent_id, jsonb_build_object('person', p_person_id));
    -- In the order of report_process, so that the two do not wait for each other in a circle.
    perform from public.agent_sessions where agent_id = p_person_id order by token_hash for update;
    delete from public.agent_sessions where agent_id = p_person_id;
    perform _supportchat.log_devices_out(p_person_id, null, p_others => true);
    return person.name;
end $$;

select _supportchat.record_script('functions/two_factor.sql', 'f94349671236');

notify pgrst, 'reload schema';

commit;
