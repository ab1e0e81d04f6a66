-- fix_user_sessions_columns.sql adds channel and is_anonymous to user_sessions, and names the channel 'web-chat'.
-- Run it after fix_foreign_keys.sql; it is safe to run again.

-- A table cannot be altered while a deferred key of an older version has rows to check.
set constraints all immediate;

select public.ensure_column('user_sessions', 'channel', 'text', '''web-chat''');
select public.ensure_column('user_sessions', 'is_anonymous', 'boolean');

select public.pause_triggers(name, true) from unnest(array['user_sessions', 'tickets']) as name;
update public.user_sessions set channel = 'web-chat', legacy = public.noted(legacy, 'channel', channel)
where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
update public.user_sessions set channel = left(channel, 32), legacy = public.noted(legacy, 'channel', channel)
where char_length(channel) > 32;
update public.user_sessions set is_anonymous = (customer_name is null and customer_phone is null) where is_anonymous is null;
update public.tickets set channel = 'web-chat', legacy = public.noted(legacy, 'channel', channel)
where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
update public.tickets set channel = left(channel, 32), legacy = public.noted(legacy, 'channel', channel)
where char_length(channel) > 32;
select public.pause_triggers(name, false) from unnest(array['user_sessions', 'tickets']) as name;

alter table public.user_sessions alter column is_anonymous set default true;
select public.require_columns('user_sessions', array['channel', 'is_anonymous']);
select public.require_columns('tickets', array['channel']);

select public.ensure_constraint(
    'public.user_sessions', 'user_sessions_channel_check', 'check (char_length(channel) between 1 and 32)'
);
select public.ensure_constraint('public.tickets', 'tickets_channel_check', 'check (char_length(channel) between 1 and 32)');

select public.record_script('fix_user_sessions_columns.sql', 'edbca8dfa87e');

notify pgrst, 'reload schema';
