-- fix_user_sessions_columns.sql adds channel and is_anonymous to user_sessions, and names the channel 'web-chat'.
-- Run it after fix_foreign_keys.sql; it is safe to run again.

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

select _supportchat.lock_tables();
-- A table cannot be altered while a deferred key of an older version has rows to check.
set constraints all immediate;

select _supportchat.ensure_columns('{user_sessions}');

-- Where every row is as it has to be, and the checks at the end are there, this script has been here before: no row is looked at.
do $$
begin
    if _supportchat.is_in_shape('user_sessions') and _supportchat.is_in_shape('tickets')
        and _supportchat.is_row_checked(
            'user_sessions', 'check_channel', '{user_sessions_channel_check}', '{char_length(new.channel) between 1 and 32}'
        )
        and exists (
            select from pg_catalog.pg_constraint
            where conrelid = 'public.tickets'::regclass and convalidated and conname = 'tickets_channel_check'
        ) then
        return;
    end if;
    perform _supportchat.pause_triggers(name, true) from unnest(array['user_sessions', 'tickets']) as name;
    update public.user_sessions set channel = 'web-chat', legacy = _supportchat.noted(legacy, 'channel', channel)
    where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
    update public.user_sessions set channel = left(channel, 32), legacy = _supportchat.noted(legacy, 'channel', channel)
    where char_length(channel) > 32;
    update public.user_sessions set is_anonymous = (customer_name is null and customer_phone is null) where is_anonymous is null;
    update public.tickets set channel = 'web-chat', legacy = _supportchat.noted(legacy, 'channel', channel)
    where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
    update public.tickets set channel = left(channel, 32), legacy = _supportchat.noted(legacy, 'channel', channel)
    where char_length(channel) > 32;
    perform _supportchat.pause_triggers(name, false) from unnest(array['user_sessions', 'tickets']) as name;
end $$;

select _supportchat.require_columns('{user_sessions, tickets}');

-- See declared_checks.
select _supportchat.ensure_row_checks(
    'user_sessions', 'check_channel', '{user_sessions_channel_check}', '{char_length(new.channel) between 1 and 32}'
);
select _supportchat.ensure_constraint('public.tickets', 'tickets_channel_check', 'check (char_length(channel) between 1 and 32)');

select _supportchat.record_script('fix_user_sessions_columns.sql', 'b2606becf573');

notify pgrst, 'reload schema';

commit;
