-- fix_user_sessions_columns.sql adds channel and is_anonymous to user_sessions, and names the channel 'web-chat'.
-- Run it after fix_foreign_keys.sql; it is safe to run again.

alter table public.user_sessions add column if not exists channel text;
alter table public.user_sessions add column if not exists is_anonymous boolean;

update public.user_sessions set channel = 'web-chat' where channel is null or channel = 'web';
update public.user_sessions set is_anonymous = (customer_name is null and customer_phone is null) where is_anonymous is null;
update public.tickets set channel = 'web-chat' where channel is null or channel = 'web';

alter table public.user_sessions alter column channel set default 'web-chat';
alter table public.user_sessions alter column channel set not null;
alter table public.user_sessions alter column is_anonymous set default true;
alter table public.user_sessions alter column is_anonymous set not null;

select public.ensure_constraint(
    'public.user_sessions', 'user_sessions_channel_check', 'check (char_length(channel) between 1 and 32)'
);
select public.ensure_constraint('public.tickets', 'tickets_channel_check', 'check (char_length(channel) between 1 and 32)');

notify pgrst, 'reload schema';
