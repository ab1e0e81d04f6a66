-- audit.sql: who has done what, for people who have to know later. Safe to run again.
-- Kinds are codes such as 'login.ok' and 'person.disabled'; about holds codes and ids, and the address of who was invited.

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

-- Writes into the audit log what this transaction does for somebody (null: for nobody who is logged in).
create or replace function _supportchat.audit(
    p_kind text, p_agent_id uuid, p_about jsonb default '{}', p_address text default null
)
returns void
language sql
set search_path = ''
as $$
    insert into public.audit_log (kind, agent_id, about, address)
    values (p_kind, p_agent_id, p_about, nullif(left(p_address, 64), ''))
$$;

-- How long the audit log is kept: as admins have set it, for a year at least, and never shorter than the chats.
create or replace function _supportchat.audit_lasts()
returns interval
language plpgsql
stable
set search_path = ''
as $$
begin
    return make_interval(days => greatest(
        365, (_supportchat.setting('audit_days') #>> '{}')::integer, (_supportchat.setting('retention_days') #>> '{}')::integer
    ));
end $$;

-- Refuses every change of the audit log: rows are added, with the moment at which that is, and go when they are old enough.
create or replace function _supportchat.guard_audit()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if tg_op = 'INSERT' then
        new.created_at := clock_timestamp();
        return new;
    elsif tg_op = 'DELETE' and old.created_at < now() - _supportchat.audit_lasts() then
        return old;
    end if;
    raise sqlstate 'PT409' using message = 'audit_is_append_only';
end $$;

create or replace trigger guard_audit
before insert or update or delete on public.audit_log
for each row execute function _supportchat.guard_audit();

create or replace trigger guard_audit_as_a_whole
before truncate on public.audit_log
for each statement execute function _supportchat.guard_audit();

-- Deletes a few rows that are old enough.
create or replace function _supportchat.prune_audit()
returns void
language sql
set search_path = ''
as $$
    delete from public.audit_log where ctid = any (array(
        select ctid from public.audit_log
        where created_at < now() - _supportchat.audit_lasts() order by created_at limit 100 for update skip locked
    ))
$$;

-- A person as the audit log shows one: names change, and two people may have the same.
create or replace function _supportchat.audited_person_json(p_agent_id uuid)
returns jsonb
language plpgsql
stable
strict
set search_path = ''
as $$
begin
    return (
        select _supportchat.person_json(a.id) || jsonb_build_object('email', a.email) from public.agents a where a.id = p_agent_id
    );
end $$;

-- A page of the audit log, the newest first: of some kinds, of what somebody did or what was done to them, and before an id, whatever
-- is given. Everybody has the name that they have by now. With the people, if wanted, whom one can ask for.
create or replace function public.list_audit(
    p_agent_id uuid, p_kinds text[] default null, p_person_id uuid default null, p_before bigint default null,
    p_limit integer default 50, p_with_people boolean default true
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'see_audit');
    return jsonb_build_object(
        'rows', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', found.id, 'kind', found.kind, 'agent', _supportchat.audited_person_json(found.agent_id), 'about', found.about,
                'person', (
                    select _supportchat.audited_person_json(a.id) from public.agents a where a.id::text = found.about ->> 'person'
                ),
                'address', found.address, 'created_at', found.created_at
            ) order by found.id desc), '[]')
            from (
                select * from public.audit_log
                where (p_before is null or id < p_before) and (p_kinds is null or kind = any (p_kinds))
                    and (p_person_id is null or agent_id = p_person_id or about ->> 'person' = p_person_id::text)
                order by id desc limit p_limit
            ) as found
        ),
        'people', case when p_with_people then (
            select coalesce(jsonb_agg(_supportchat.person_json(id) order by lower(name), id), '[]') from public.agents
        ) else '[]' end
    );
end $$;

-- Notes that somebody takes the audit log away.
create or replace function public.note_audit_export(p_agent_id uuid, p_format text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'see_audit');
    perform _supportchat.audit('audit.exported', p_agent_id, jsonb_build_object('format', left(p_format, 8)));
end $$;

select _supportchat.record_script('functions/audit.sql', '9d46618190b0');

notify pgrst, 'reload schema';

commit;
