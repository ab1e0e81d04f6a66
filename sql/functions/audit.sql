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

-- How long the audit log is kept.
create or replace function _supportchat.audit_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '2 years'
$$;

-- Refuses every change of the audit log: rows are added, and go when they are old enough.
create or replace function _supportchat.guard_audit()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if tg_op = 'DELETE' and old.created_at < now() - _supportchat.audit_lasts() then
        return old;
    end if;
    raise sqlstate 'PT409' using message = 'audit_is_append_only';
end $$;

create or replace trigger guard_audit
before update or delete on public.audit_log
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

select _supportchat.record_script('functions/audit.sql', 'f77ca8699a16');

notify pgrst, 'reload schema';

commit;
