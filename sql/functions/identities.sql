-- identities.sql: who agents are to an OpenID Connect provider, and logins that are on their way there. Safe to run again.
-- The server checks what the provider says (docs/oidc.md); who that is, and whether they get in, is decided here.

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

-- How long somebody may take at the provider.
create or replace function _supportchat.flow_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '10 minutes'
$$;

-- Forgets who took too long at the provider, and the oldest of too many: those beyond 99 of an address, if one is given, and beyond
-- 9,999 in all.
create or replace function _supportchat.forget_flows(p_address text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    -- One transaction at a time: two that take the same rows in another order would wait in a circle.
    if not pg_catalog.pg_try_advisory_xact_lock(7308332048) then
        return;
    end if;
    delete from public.provider_flows where state_hash in (
        (select state_hash from public.provider_flows where created_at < now() - _supportchat.flow_lasts() limit 100)
        union all
        (select state_hash from public.provider_flows where address = p_address order by created_at desc offset 99 limit 100)
        union all
        (select state_hash from public.provider_flows order by created_at desc offset 9999 limit 100)
    );
end $$;

-- Of an earlier version, which counted every one for the address.
drop function if exists public.begin_provider_flow(text, text, text, text, text, text, text, text, text, text, jsonb);

-- Notes that a browser is sent to the provider, and what for. It counts for a browser in which an agent has logged in before, by its
-- key p_known, else for the address, and never against logins with a password. Of too many that have not come back the oldest are
-- forgotten: those of the address first, then any. PT429 when it was done too often.
create or replace function public.begin_provider_flow(
    p_state_hash text, p_browser text, p_issuer text, p_nonce text, p_code_verifier text, p_purpose text, p_address text,
    p_target text default null, p_link_hash text default null, p_session_hash text default null, p_limits jsonb default '{}',
    p_known text default ''
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if exists (select from public.agent_browsers where token_hash = p_known) then
        perform _supportchat.take_token('logins', 'flow/browser/' || p_known, p_limits -> 'account');
    else
        perform _supportchat.take_token('logins', 'flow/address/' || p_address, p_limits -> 'address');
    end if;
    perform _supportchat.forget_flows(p_address);
    insert into public.provider_flows (
        state_hash, browser, issuer, nonce, code_verifier, purpose, address, target, link_hash, session_hash
    ) values (
        p_state_hash, p_browser, p_issuer, p_nonce, p_code_verifier, p_purpose, p_address, p_target, p_link_hash, p_session_hash
    );
end $$;

-- Uses up what was noted about a browser that comes back: null when it was used before, has taken too long, or began in another
-- browser.
create or replace function public.take_provider_flow(p_state_hash text, p_browser text)
returns jsonb
language sql
set search_path = ''
as $$
    delete from public.provider_flows
    where state_hash = p_state_hash and browser = p_browser and created_at > now() - _supportchat.flow_lasts()
    returning jsonb_build_object(
        'issuer', issuer, 'nonce', nonce, 'code_verifier', code_verifier, 'purpose', purpose, 'target', target,
        'link_hash', link_hash, 'session_hash', session_hash
    )
$$;

-- Binds an identity to an agent, and notes how that came: 'invitation', 'account' or 'rule'. PT409 when it is somebody else's, or the
-- agent has another one of this issuer.
create or replace function _supportchat.bind_identity(p_agent_id uuid, p_issuer text, p_subject text, p_by text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into public.agent_identities (issuer, subject, agent_id) values (p_issuer, p_subject, p_agent_id)
    on conflict do nothing;
    if not found then
        raise sqlstate 'PT409' using message = case
            when exists (select from public.agent_identities where issuer = p_issuer and subject = p_subject and agent_id <> p_agent_id)
                then 'identity_taken'
            else 'identity_connected'
        end;
    end if;
    perform _supportchat.audit('identity.bound', p_agent_id, jsonb_build_object('issuer', p_issuer, 'by', p_by));
end $$;

-- The agent whom a provider names by issuer and subject: null when nobody is bound to them, or who is was disabled. p_role is what the
-- provider's claim makes of them, null for no say; the last admin keeps their role. Where a rule gives this account of the provider one
-- here, p_account has its name, email and role, and it is made. PT409 when the address is that of another account: an address alone
-- binds nobody.
create or replace function public.agent_of_identity(
    p_issuer text, p_subject text, p_role text default null, p_account jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    if p_role is not null or p_account is not null then
        perform _supportchat.lock_assignment();
    end if;
    select a.* into who from public.agents a
    join public.agent_identities i on i.agent_id = a.id
    where i.issuer = p_issuer and i.subject = p_subject;
    if not found and p_account is not null then
        return _supportchat.join_by_identity(p_issuer, p_subject, p_account ->> 'name', p_account ->> 'email', p_account ->> 'role', 'rule');
    elsif who.is_active is not true then
        return null;
    end if;
    if p_role <> who.role then
        perform _supportchat.follow_claim(who, p_role);
    end if;
    return (select _supportchat.colleague_json(a) from public.agents a where a.id = who.id);
end $$;

-- Gives an agent the role that a claim of the provider demands, unless nobody would be left who can let others in.
create or replace function _supportchat.follow_claim(p_person public.agents, p_role text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.give_role(p_person, p_role, null);
    perform _supportchat.keep_an_admin();
    perform _supportchat.log_event('agent.changed', null, p_actor => 'system', p_agent_id => p_person.id);
exception when sqlstate 'PT409' then
    null;
end $$;

-- Makes an agent who logs in by the provider, and has no password here. PT409 when the address is that of another account, whoever
-- can use that, or the identity somebody else's.
create or replace function _supportchat.join_by_identity(
    p_issuer text, p_subject text, p_name text, p_email text, p_role text, p_by text, p_max_tickets integer default 5
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    joined jsonb;
begin
    if exists (select from public.agents where lower(email) = lower(p_email)) then
        raise sqlstate 'PT409' using message = 'provider_email_taken';
    end if;
    joined := public.create_agent(
        coalesce(nullif(p_name, ''), left(split_part(p_email, '@', 1), 80)), p_email, null, p_role, p_max_tickets
    );
    perform _supportchat.bind_identity((joined ->> 'id')::uuid, p_issuer, p_subject, p_by);
    return joined;
end $$;

-- Makes an agent of somebody who was invited and comes from the provider instead of choosing a password. p_email is an address that the
-- provider has verified, null for none: PT409 when it is another one than was invited; then the invitation can still be used.
create or replace function public.accept_invitation_by_identity(
    p_token_hash text, p_issuer text, p_subject text, p_name text, p_email text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links := _supportchat.take_link(p_token_hash, 'invitation');
    joined jsonb;
begin
    if lower(p_email) <> lower(link.email) then
        raise sqlstate 'PT409' using message = 'provider_email_other';
    end if;
    joined := _supportchat.join_by_identity(
        p_issuer, p_subject, p_name, link.email, link.role, 'invitation', link.max_tickets
    );
    perform _supportchat.audit('person.joined', (joined ->> 'id')::uuid, jsonb_build_object('link', link.id));
    return joined;
end $$;

-- Of an earlier version, which did not ask by which login session.
drop function if exists public.connect_identity(uuid, text, text);
drop function if exists public.disconnect_identity(uuid, text);

-- Connects an identity with the agent who is logged in. PT404 when the login session that asks has ended, PT409 when it is somebody
-- else's, or they have another one of this issuer.
create or replace function public.connect_identity(p_agent_id uuid, p_issuer text, p_subject text, p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    perform _supportchat.bind_identity(p_agent_id, p_issuer, p_subject, 'account');
end $$;

-- Takes the identity of an issuer from the agent who is logged in. PT404 when the login session that asks has ended, PT409 when they
-- could not log in any more.
create or replace function public.disconnect_identity(p_agent_id uuid, p_issuer text, p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    if not exists (select from public.agent_credentials where agent_id = p_agent_id) then
        raise sqlstate 'PT409' using message = 'provider_is_only_way';
    end if;
    delete from public.pending_logins where agent_id = p_agent_id and how = 'provider';
    delete from public.agent_identities where agent_id = p_agent_id and issuer = p_issuer;
    if found then
        perform _supportchat.audit('identity.unbound', p_agent_id, jsonb_build_object('issuer', p_issuer));
    end if;
end $$;

select _supportchat.record_script('functions/identities.sql', '68dcf7f30eb5');

notify pgrst, 'reload schema';

commit;
