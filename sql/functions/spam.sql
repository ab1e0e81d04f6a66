-- spam.sql: first messages that wait for somebody to look at them, and tickets that are closed as spam. Safe to run again.
-- A held ticket waits like any other, but is given to nobody by itself. tickets.held says why: 'link', of a first message that
-- has one; 'spam', of a customer who writes again in a ticket that was closed as spam.

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

-- Whether a text has a link: with a scheme, with www, or a name that ends like those of most sites. No e-mail address is one.
-- Whatever pages make a link to the web has to be one here: see rendering/links.py.
create or replace function _supportchat.has_link(p_text text)
returns boolean
language sql
immutable
set search_path = ''
as $$
    select p_text ~* '(https?://|(^|[^a-z0-9_])www\.)\S' or p_text ~* concat(
        '(^|[^[:alnum:]а-яёА-ЯЁ@._-])[[:alnum:]а-яёА-ЯЁ-]+(\.[[:alnum:]а-яёА-ЯЁ-]+)*',
        '\.(com|net|org|edu|gov|рф|info|biz|io|me|co|ai|app|dev|ru|cn|su|xyz|top|shop|store|site|online|click|link|live|club|vip|win|bet|',
        'icu|pw|ly|gl|gg|to)(?![a-z0-9а-яёА-ЯЁ_@-])'
    )
$$;

-- Why a chat that begins with this message has to wait for somebody to release it: null, or 'link' where the desk holds first
-- messages with links and nobody has replied to this browser in its last 20 chats.
create or replace function _supportchat.hold_for(p_visitor_id uuid, p_message text)
returns text
language sql
stable
set search_path = ''
as $$
    select 'link'
    where _supportchat.setting('hold_links') = '"on"' and _supportchat.has_link(p_message) and not exists (
        select from (
            select session_id from public.user_sessions where visitor_id = p_visitor_id order by created_at desc limit 20
        ) as chats
        join public.tickets t on t.session_id = chats.session_id
        where t.first_reply_at is not null
    )
$$;

-- Tells the customer of a held ticket that the message is there; agents read why it waits.
create or replace function _supportchat.tell_held(p_ticket public.tickets)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.append_message(
        p_ticket.session_id, 'system', 'The message is kept and will be answered here.',
        p_event => 'queued', p_detail => jsonb_build_object('code', 'held_' || p_ticket.held)
    );
end $$;

-- Lets a held ticket go to whoever has room, like any other. Nothing happens to one that is not held.
create or replace function public.release_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.held is not null then
        update public.tickets set held = null where id = ticket.id;
        perform _supportchat.record_event(ticket, 'released', 'agent', p_agent_id);
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Closes a ticket as spam, as close_ticket would, or says of a closed one that it was. Who may ban also bans the browser for a
-- day; reopen_ticket takes all of it back. PT409 when it is erased.
create or replace function public.mark_spam(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    bans boolean := false;
begin
    perform _supportchat.lock_browser_of_ticket(p_number);
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    perform _supportchat.check_kept(ticket);
    if ticket.status <> 'closed' and ticket.assigned_agent_id is not null then
        perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
    end if;
    if not ticket.is_spam then
        update public.tickets set is_spam = true where id = ticket.id;
        if ticket.status = 'closed' then
            perform _supportchat.record_event(ticket, 'spam', 'agent', p_agent_id);
        else
            perform _supportchat.end_ticket(ticket, 'agent', p_agent_id, p_is_spam => true);
        end if;
        bans := _supportchat.has_right(p_agent_id, 'ban') and exists (
            select from public.user_sessions s
            join public.visitors v on v.visitor_id = s.visitor_id
            where s.session_id = ticket.session_id and v.banned_until > now() is not true
        );
    end if;
    if bans then
        perform _supportchat.make_ban(ticket, p_agent_id, 'browser', now() + interval '1 day', '', p_is_spam => true);
    end if;
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number), 'queue', _supportchat.queue_ahead(p_agent_id),
        'banned', bans
    );
end $$;

-- Takes back what mark_spam has done besides closing: the mark, and the ban that it has made, for who may. The caller holds the
-- locks, and opens the ticket again.
create or replace function _supportchat.unmark_spam(p_ticket public.tickets, p_agent_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    ban public.bans;
begin
    update public.tickets set is_spam = false where id = p_ticket.id;
    if _supportchat.has_right(p_agent_id, 'ban') then
        select * into ban from public.bans where session_id = p_ticket.session_id and is_spam;
        if found then
            perform _supportchat.lift_ban(ban, p_agent_id);
        end if;
    end if;
end $$;

select _supportchat.record_script('functions/spam.sql', '8e299dc1c4cd');

notify pgrst, 'reload schema';

commit;
