-- settings.sql: what admins set in the app, for the whole desk. Safe to run again.

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

-- Of an earlier version, which gave other columns.
drop function if exists _supportchat.declared_settings();

-- The settings, each with its default and what it may be: one of the choices, or a whole number between two others.
create or replace function _supportchat.declared_settings()
returns table (name text, default_value jsonb, choices jsonb, smallest integer, largest integer)
language sql
immutable
set search_path = ''
as $$
    values
        ('two_factor_required', '"off"'::jsonb, '["off", "admins", "everyone"]'::jsonb, null::integer, null::integer),
        -- Whether first messages with links wait until somebody releases them: see spam.sql.
        ('hold_links', '"off"', '["off", "on"]', null, null),
        -- For how many days chats are kept after their end (null: for ever), and the audit log.
        ('retention_days', 'null', '[null]', 1, 3650),
        ('audit_days', '730', '[]', 365, 3650),
        -- After how many minutes the next agent is told of somebody to whom nobody has come (null: never): see alerts.sql.
        ('alert_next_minutes', '3', '[null]', 1, 60),
        -- For how many seconds a reply waits, so that it can be taken back (0: not at all): see held.sql.
        ('undo_send_seconds', '0', '[]', 0, 30)
$$;

-- The value of a setting: what an admin has set, or else the default.
create or replace function _supportchat.setting(p_name text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(
        (select value from public.desk_settings where name = p_name),
        (select default_value from _supportchat.declared_settings() where name = p_name)
    )
$$;

-- Every setting of the desk, for those who may change them.
create or replace function public.show_settings(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    return (select jsonb_object_agg(name, _supportchat.setting(name)) from _supportchat.declared_settings());
end $$;

-- Whether an agent has to set up two-factor before anything else. Not who has no password here: another one lets them in.
create or replace function _supportchat.needs_two_factor(p_agent public.agents)
returns boolean
language sql
stable
set search_path = ''
as $$
    select case _supportchat.setting('two_factor_required') #>> '{}'
        when 'everyone' then true when 'admins' then p_agent.role = 'admin' else false
    end and exists (
        select from public.agent_credentials c where c.agent_id = p_agent.id and c.totp_secret is null
    )
$$;

-- Tells every server process to close the desks of those who have to set up two-factor first. They stay logged in.
create or replace function _supportchat.close_desks_without_two_factor()
returns void
language sql
set search_path = ''
as $$
    select _supportchat.log_event(
        'session.revoked', null, jsonb_build_object('token_hash', s.token_hash), p_agent_id => s.agent_id
    )
    from public.agent_sessions s
    join public.agents a on a.id = s.agent_id
    where _supportchat.needs_two_factor(a)
$$;

-- Changes settings of the desk, by their names. PT422 when there is no such setting, or it cannot be that.
create or replace function public.change_settings(p_agent_id uuid, p_values jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    if jsonb_typeof(p_values) is distinct from 'object' or exists (
        select from jsonb_each(p_values) as given
        left join _supportchat.declared_settings() as declared on declared.name = given.key
        where (
            declared.choices @> jsonb_build_array(given.value)
            or case when given.value::text ~ '^[0-9]{1,9}$' then given.value::integer between declared.smallest and declared.largest end
        ) is not true
    ) then
        raise sqlstate 'PT422' using message = 'setting_unknown';
    end if;
    insert into public.desk_settings (name, value) select key, value from jsonb_each(p_values)
    on conflict (name) do update set value = excluded.value;
    perform _supportchat.audit('settings.changed', p_agent_id, p_values);
    if p_values ? 'two_factor_required' then
        perform _supportchat.close_desks_without_two_factor();
    end if;
end $$;

select _supportchat.record_script('functions/settings.sql', '9a981f07834f');

notify pgrst, 'reload schema';

commit;
