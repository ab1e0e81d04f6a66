-- links.sql: links that somebody follows once, to set the desk up, to join it, or to set a new password. Safe to run again.
-- A link is known by the SHA-256 of its token, which nobody can read anywhere but in the link itself.

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

-- Makes a link, and forgets those that ended a month ago. It is the only one of its kind for an agent or an address.
create or replace function _supportchat.make_link(
    p_token_hash text, p_purpose text, p_lasts interval, p_created_by uuid default null, p_agent_id uuid default null,
    p_email text default null, p_role text default null, p_max_tickets integer default null
)
returns public.one_time_links
language plpgsql
set search_path = ''
as $$
declare
    made public.one_time_links;
begin
    delete from public.one_time_links
    where expires_at < now() - interval '30 days' or (
        purpose = p_purpose and agent_id is not distinct from p_agent_id
        and lower(email) is not distinct from lower(p_email)
    );
    insert into public.one_time_links (token_hash, purpose, expires_at, created_by, agent_id, email, role, max_tickets)
    values (p_token_hash, p_purpose, now() + p_lasts, p_created_by, p_agent_id, p_email, p_role, p_max_tickets)
    returning * into made;
    return made;
end $$;

-- Whether a link still counts: it is not over, and whoever has made it may still do so. Whatever takes that right away deletes their
-- links, but one that is being made at the same moment cannot be seen by it.
create or replace function _supportchat.is_good_link(p_link public.one_time_links)
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_link.expires_at > now() and (p_link.created_by is null or _supportchat.has_right(p_link.created_by, 'manage_people'))
$$;

-- Uses a link up, and gives it. PT404 for one that is used, withdrawn, over, made for something else, or never was one.
create or replace function _supportchat.take_link(p_token_hash text, p_purpose text)
returns public.one_time_links
language plpgsql
set search_path = ''
as $$
declare
    taken public.one_time_links;
begin
    delete from public.one_time_links as link
    where token_hash = p_token_hash and purpose = p_purpose and _supportchat.is_good_link(link)
    returning * into taken;
    if not found or (p_purpose = 'setup' and _supportchat.has_admin()) then
        raise sqlstate 'PT404' using message = 'link_unknown';
    end if;
    return taken;
end $$;

-- What a link is for, without using it up: null for one that take_link would refuse.
create or replace function public.show_link(p_token_hash text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'purpose', l.purpose, 'email', coalesce(a.email, l.email), 'name', a.name, 'expires_at', l.expires_at
    )
    from public.one_time_links l
    left join public.agents a on a.id = l.agent_id
    where l.token_hash = p_token_hash and _supportchat.is_good_link(l)
        and case l.purpose
            when 'setup' then not _supportchat.has_admin()
            when 'password' then a.is_active
            when 'handover' then false  -- see show_handover
            else true
        end
$$;

-- Of an earlier version, for which everybody could log in whom any provider had named.
drop function if exists public.offer_setup(text);

-- Offers the link of this token to set up the first admin, for an hour, in place of an earlier one. 'offered' is false when
-- there is an admin who can log in. p_issuer is the provider with which agents log in from now on: null for none.
create or replace function public.offer_setup(p_token_hash text, p_issuer text default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.lock_assignment();
    delete from public.desk_settings where name = 'oidc_issuer' and p_issuer is null;
    insert into public.desk_settings (name, value) select 'oidc_issuer', to_jsonb(p_issuer) where p_issuer is not null
    on conflict (name) do update set value = excluded.value where desk_settings.value <> excluded.value;
    if _supportchat.has_admin() then
        delete from public.one_time_links where purpose = 'setup';
        return jsonb_build_object('offered', false);
    end if;
    perform _supportchat.make_link(p_token_hash, 'setup', interval '1 hour');
    perform _supportchat.audit('setup.offered', null);
    return jsonb_build_object('offered', true);
end $$;

-- Makes the first admin, with the link that offer_setup has offered. PT409 when the e-mail address is taken.
create or replace function public.set_up(p_token_hash text, p_name text, p_email text, p_password_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.take_link(p_token_hash, 'setup');
    return public.create_agent(p_name, p_email, p_password_hash, 'admin');
end $$;

-- Makes an agent of somebody who was invited. PT409 when the address has an account by now.
create or replace function public.accept_invitation(p_token_hash text, p_name text, p_password_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links := _supportchat.take_link(p_token_hash, 'invitation');
    joined jsonb := public.create_agent(p_name, link.email, p_password_hash, link.role, link.max_tickets);
begin
    perform _supportchat.audit('person.joined', (joined ->> 'id')::uuid, jsonb_build_object('link', link.id));
    return joined;
end $$;

-- Sets a new password with a link, and ends every login session of its agent.
create or replace function public.use_password_link(p_token_hash text, p_password_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    -- The agent first, then the link, as make_password_link does.
    select * into who from public.agents
    where id = (select agent_id from public.one_time_links where token_hash = p_token_hash) and is_active for no key update;
    perform _supportchat.take_link(p_token_hash, 'password');
    if who.id is null then
        raise sqlstate 'PT404' using message = 'link_unknown';
    end if;
    perform _supportchat.set_password(who.id, p_password_hash);
    perform _supportchat.audit('password.changed', who.id, jsonb_build_object('by', 'link'));
    return _supportchat.colleague_json(who);
end $$;

select _supportchat.record_script('functions/links.sql', 'e0c3e13f43fe');

notify pgrst, 'reload schema';

commit;
