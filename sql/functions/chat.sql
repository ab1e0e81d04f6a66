-- chat.sql: what a customer can do. Safe to run again.
-- p_visitor is the SHA-256 of the browser's cookie, in hex. It alone decides which conversation is meant.

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

-- Does for its ticket what a customer's new message means: reopens a closed one, seeks an agent. Gives the answer with the lines
-- that there are by now.
create or replace function _supportchat.heed_message(p_session_id uuid, p_line jsonb, p_may_assign boolean)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    preferred uuid;
    is_afterword boolean;
    visitor uuid;
begin
    -- The same that ticket_of_session finds. Whoever changes it holds the conversation's lock.
    select * into ticket from public.tickets
    where session_id = p_session_id order by status = 'closed', number desc limit 1;
    if not found then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    elsif ticket.status = 'closed' and not p_may_assign then
        -- Ended a moment ago: the call is made again, and what it stands on is looked at anew.
        raise sqlstate '40001' using message = 'ended_meanwhile';
    end if;
    if ticket.status = 'closed' then
        preferred := ticket.assigned_agent_id;
        visitor := (select visitor_id from public.user_sessions where session_id = p_session_id);
        -- An afterword, which whoever answered takes without a place: see load_of_agent.
        is_afterword := ticket.first_reply_at is not null and ticket.closed_at > now() - interval '10 minutes';
        perform _supportchat.tell_event(ticket, 'reopened', 'The chat is open again.', 'customer');
        update public.tickets set
            status = 'waiting', assigned_agent_id = null, closed_at = case when is_afterword then closed_at end,
            awaiting_since = now(), given_back_by = null, held = case when is_spam then 'spam' else _supportchat.hold_for(visitor, p_line ->> 'message') end,
            is_spam = false
        where id = ticket.id
        returning * into ticket;
        if ticket.held is not null then
            perform _supportchat.tell_held(ticket);
        elsif is_afterword and exists (
            select from public.agents
            where id = preferred and is_active and availability = 'available' and lease_expires_at > now()
        ) then
            perform _supportchat.give_ticket(ticket, preferred, 'knows_customer', 'system');
        else
            perform _supportchat.seek_agent(ticket, preferred);
        end if;
    else
        if ticket.awaiting_since is null then
            update public.tickets set awaiting_since = now() where id = ticket.id;
        end if;
        if ticket.snoozed_until is not null then
            perform _supportchat.wake_ticket(ticket, 'customer');
        end if;
        if ticket.status = 'open' then
            return _supportchat.answer_json(p_session_id, jsonb_build_array(p_line));
        elsif p_may_assign then
            perform _supportchat.drain_queue();
        end if;
    end if;
    return _supportchat.answer_json(p_session_id, public.messages_after(p_session_id, (p_line ->> 'seq')::integer - 1));
end $$;

-- Puts a customer's message into a conversation. It comes first, because it takes the lock under which the ticket is looked at.
create or replace function _supportchat.post_as_customer(
    p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_may_assign boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.check_message(p_message, p_image is not null);
    return _supportchat.heed_message(
        p_session_id,
        _supportchat.append_message(
            p_session_id, 'user', p_message, p_client_message_id, p_image_id => _supportchat.add_image(p_session_id, p_image)
        ),
        p_may_assign
    );
end $$;

-- Stores a customer's message in the browser's conversation, and gives which one that is. The session_id says which one
-- the page showed (null: not said): when the browser has begun another one since, PT409. The first answer comes again for a
-- client_message_id that was stored. PT403 for a browser that is banned, or when nobody has the
-- chat and it came from a network that is.
create or replace function public.post_message(
    p_visitor text, p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    number bigint;
    status text;
    is_stored boolean;
    is_banned boolean;
    is_awaited boolean;
    may_assign boolean := false;
    line jsonb;
    answer jsonb;
begin
    -- Most messages are new, of the chat that an agent has, and change nothing of its ticket.
    if p_image is null and char_length(p_message) <= _supportchat.longest_message() and p_message ~ '\S' then
        line := _supportchat.append_message(p_session_id, 'user', p_message, p_client_message_id, p_visitor => p_visitor);
    end if;
    if line is not null then
        select t.number, t.status = 'open' and t.awaiting_since is not null and t.snoozed_until is null into number, is_awaited from public.tickets t
        where t.session_id = p_session_id order by t.status = 'closed', t.number desc limit 1;
        if is_awaited then
            -- As answer_json has it.
            return jsonb_build_object(
                'duplicate', false, 'session_id', p_session_id, 'messages', jsonb_build_array(line), 'image_key', null,
                'conversation', jsonb_build_object('session_id', p_session_id, 'number', number)
            );
        end if;
        return _supportchat.heed_message(p_session_id, line, false)
            || jsonb_build_object('conversation', jsonb_build_object('session_id', p_session_id, 'number', number));
    end if;
    -- A second time where it waited for the lock, as another conversation may have begun meanwhile.
    loop
        select s.session_id, t.number, t.status, exists (
            select from public.chat_messages m
            where m.session_id = s.session_id and m.sender = 'user' and m.client_message_id = p_client_message_id
        ), v.banned_until > now() is true into chat, number, status, is_stored, is_banned
        from public.visitors v
        cross join lateral (
            select session_id from public.user_sessions where visitor_id = v.visitor_id order by created_at desc limit 1
        ) as s
        left join lateral (
            select * from public.tickets where session_id = s.session_id
            order by tickets.status = 'closed', tickets.number desc limit 1
        ) as t on true
        -- As visitor_of has it, which would take a while to be called.
        where v.visitor_id = (
            select visitor_id from public.visitors where token_hash = p_visitor
            union all
            select visitor_id from public.person_keys where token_hash = p_visitor
        );
        -- Only a ticket without an agent can need one, so the others do not queue for the assignment lock.
        exit when may_assign or is_stored or is_banned or status = 'open' or chat = coalesce(p_session_id, chat) is not true;
        perform _supportchat.lock_assignment();
        may_assign := true;
    end loop;
    if chat is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    elsif p_session_id <> chat then
        -- Stored, perhaps, before the browser began another conversation, and its answer was lost.
        select _supportchat.repeated_message(us.session_id, 'user', p_client_message_id, p_message, p_image) into answer
        from public.user_sessions us
        where us.session_id = p_session_id and us.visitor_id = _supportchat.visitor_of(p_visitor);
        if answer is null then
            raise sqlstate 'PT409' using message = 'conversation_moved_on';
        end if;
    elsif is_stored then
        answer := _supportchat.repeated_message(chat, 'user', p_client_message_id, p_message, p_image);
    elsif is_banned then
        raise sqlstate 'PT403' using message = 'banned';
    else
        -- To look for a network takes a tenth of the time of a message: not while an agent has the chat.
        if status <> 'open' then
            perform _supportchat.refuse_network_of(chat);
        end if;
        answer := _supportchat.post_as_customer(chat, p_client_message_id, p_message, p_image, may_assign);
    end if;
    return answer || jsonb_build_object('conversation', jsonb_build_object('session_id', chat, 'number', number));
end $$;

-- The browser of a chat that is about to start, locked to the end: two clicks on "Start Chat" make one conversation.
create or replace function _supportchat.lock_visitor(p_visitor text)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    visitor uuid;
begin
    loop
        visitor := _supportchat.visitor_of(p_visitor);
        if visitor is null then
            insert into public.visitors (token_hash) values (p_visitor) on conflict (token_hash) do nothing;
        else
            perform from public.visitors where visitor_id = visitor for no key update;
            -- It may have become a person's while we waited.
            exit when visitor = _supportchat.visitor_of(p_visitor);
        end if;
    end loop;
    return visitor;
end $$;

-- The conversation in which a browser has stored a message before, by its client_message_id: of its last 20, as the same
-- message comes again soon or never.
create or replace function _supportchat.session_of_message(p_visitor_id uuid, p_client_message_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select s.session_id
    from (
        select session_id, created_at from public.user_sessions
        where visitor_id = p_visitor_id order by created_at desc limit 20
    ) as s
    join public.chat_messages m on m.session_id = s.session_id
    where m.sender = 'user' and m.client_message_id = p_client_message_id
    order by s.created_at desc limit 1
$$;

-- Of an earlier version, without sites.
drop function if exists _supportchat.open_chat(public.user_sessions, uuid, text, jsonb);

-- Opens a conversation with its ticket and first message, and seeks an agent. The caller holds the assignment lock.
create or replace function _supportchat.open_chat(
    p_session public.user_sessions, p_client_message_id uuid, p_message text, p_image jsonb, p_site text
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    ticket public.tickets;
begin
    insert into public.user_sessions (
        visitor_id, customer_name, customer_phone, time_zone, address, framed_on, is_anonymous, created_at
    ) values (
        p_session.visitor_id, p_session.customer_name, p_session.customer_phone, p_session.time_zone, p_session.address,
        p_session.framed_on,
        p_session.customer_name is null and p_session.customer_phone is null,
        -- After the browser's last one, which a wrong clock may have dated into the future: the newest is found by it.
        greatest(now(), (
            select max(created_at) from public.user_sessions where visitor_id = p_session.visitor_id
        ) + interval '1 microsecond')
    )
    returning session_id into chat;
    insert into public.tickets (session_id, site_id, awaiting_since, held)
    values (chat, _supportchat.site_id_of(p_site), now(), _supportchat.hold_for(p_session.visitor_id, p_message))
    returning * into ticket;
    perform _supportchat.append_message(
        chat, 'user', p_message, p_client_message_id, p_image_id => _supportchat.add_image(chat, p_image)
    );
    perform _supportchat.record_event(ticket, 'opened', 'customer');
    if ticket.held is null then
        perform _supportchat.seek_agent(ticket);
    else
        perform _supportchat.tell_held(ticket);
    end if;
    return chat;
end $$;

-- Of earlier versions, without limits, without a key of its own for each new browser, without sites, and without frames.
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text);
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb);
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text);
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text, text);

-- Starts a chat: session, ticket, first message and assignment in one transaction. A browser whose chat still runs
-- gets its message into that chat; a repeated client_message_id gives the first answer again. Only a new chat counts:
-- for its browser where that is known, and for the address it comes from; p_limits may have 'browser' and 'address'.
-- A browser whose key nobody has chatted with chats under p_fresh, if that is given: somebody else may have chosen its key.
-- The answer says which of the two it is. PT403 for a browser or an address that is banned. p_site is the key of the site; one
-- that is not there, or is archived, means the main one. p_framed_on is the origin of the page that shows the chat in a frame.
create or replace function public.start_chat(
    p_visitor text,
    p_client_message_id uuid,
    p_message text,
    p_image jsonb default null,
    p_customer_name text default null,
    p_customer_phone text default null,
    p_time_zone text default null,
    p_address text default '',
    p_limits jsonb default '{}',
    p_fresh text default null,
    p_site text default null,
    p_framed_on text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    key text := case
        when _supportchat.visitor_of(p_visitor) is not null then p_visitor else coalesce(p_fresh, p_visitor)
    end;
    new_session public.user_sessions;
    chat uuid;
    answer jsonb;
begin
    perform _supportchat.check_message(p_message, p_image is not null);
    perform _supportchat.refuse_banned(p_visitor, p_address);
    -- Before any lock that others wait for: a flood is to be refused on its way there.
    if not _supportchat.goes_on(key, p_client_message_id) then
        perform _supportchat.take_start(key, p_address, p_limits);
    end if;
    new_session.visitor_id := _supportchat.lock_visitor(key);
    perform _supportchat.lock_assignment();

    chat := _supportchat.session_of_message(new_session.visitor_id, p_client_message_id);
    if chat is not null then
        answer := _supportchat.repeated_message(chat, 'user', p_client_message_id, p_message, p_image);
    else
        chat := _supportchat.newest_session(new_session.visitor_id);
        if exists (select from public.tickets t where t.session_id = chat and t.status <> 'closed') then
            answer := _supportchat.post_as_customer(chat, p_client_message_id, p_message, p_image, p_may_assign => true);
        else
            new_session.customer_name := p_customer_name;
            new_session.customer_phone := p_customer_phone;
            new_session.time_zone := p_time_zone;
            new_session.address := nullif(left(p_address, 64), '');
            new_session.framed_on := p_framed_on;
            chat := _supportchat.open_chat(new_session, p_client_message_id, p_message, p_image, p_site);
            answer := _supportchat.answer_json(chat, public.messages_after(chat, 0));
        end if;
    end if;
    return answer || jsonb_build_object('visitor', key);
end $$;

-- Whether what a browser starts is no new chat: its last one still runs, or it has stored this very message before.
create or replace function _supportchat.goes_on(p_visitor text, p_client_message_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.visitors v
        where v.visitor_id = _supportchat.visitor_of(p_visitor) and (
            exists (
                select from public.tickets t
                where t.session_id = _supportchat.newest_session(v.visitor_id) and t.status <> 'closed'
            )
            or _supportchat.session_of_message(v.visitor_id, p_client_message_id) is not null
        )
    )
$$;

-- Counts a new chat. A browser that has chatted before has a count of its own, and one for its address that is five times
-- as large: others there cannot lock it out, and it cannot start without end by turning up as many.
create or replace function _supportchat.take_start(p_visitor text, p_address text, p_limits jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    of_address jsonb := p_limits -> 'address';
begin
    if _supportchat.visitor_of(p_visitor) is not null then
        perform _supportchat.take_token('starts', 'browser/' || p_visitor, p_limits -> 'browser');
        perform _supportchat.take_token('starts', 'known/' || p_address, jsonb_build_array(5 * (of_address ->> 0)::integer, of_address -> 1));
    else
        perform _supportchat.take_token('starts', 'address/' || p_address, of_address);
    end if;
end $$;

-- Gives the browser's conversation the name that its customer says, unless they have said one, and gives the conversation.
-- PT409 when the page showed another one.
create or replace function public.name_customer(p_visitor text, p_session_id uuid, p_name text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_viewer(p_visitor, null);
    ticket public.tickets;
begin
    if p_session_id is distinct from chat then
        raise sqlstate 'PT409' using message = 'conversation_moved_on';
    end if;
    ticket := _supportchat.lock_ticket(chat);
    update public.user_sessions set customer_name = p_name, is_anonymous = false
    where session_id = chat and customer_name is null and erased_at is null;
    if found then
        -- By its version desks see that there is something new about it.
        update public.tickets set version = version + 1 where id = ticket.id;
    end if;
    return _supportchat.conversation_json(chat);
end $$;

-- Of an earlier version, which did not ask what the page showed.
drop function if exists public.close_chat(text);

-- Ends the browser's conversation from the customer's side, and gives it as it is then, with the lines that this has made.
-- PT409 when the page showed another one (null: not said). Ending an ended one changes nothing.
create or replace function public.close_chat(p_visitor text, p_session_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_viewer(p_visitor, null);
    ticket public.tickets;
    seq_before integer;
begin
    if p_session_id <> chat then
        raise sqlstate 'PT409' using message = 'conversation_moved_on';
    end if;
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(chat);
    seq_before := (select last_seq from public.user_sessions where session_id = chat);
    if ticket.status <> 'closed' then
        perform _supportchat.end_ticket(ticket, 'customer');
    end if;
    return jsonb_build_object(
        'conversation', _supportchat.conversation_json(chat), 'messages', public.messages_after(chat, seq_before)
    );
end $$;

-- The median time to the first reply in seconds, of the last 100 tickets that have one since a moment; null below 3 of them.
create or replace function _supportchat.median_first_reply(p_since timestamptz)
returns integer
language sql
stable
set search_path = ''
as $$
    select case when count(*) >= 3 then
        round(percentile_cont(0.5) within group (order by extract(epoch from first_reply_at - created_at)))::integer
    end
    from (
        select first_reply_at, created_at from public.tickets
        where created_at >= p_since and first_reply_at is not null
        order by created_at desc limit 100
    ) as latest
$$;

-- Of an earlier version, without bans.
drop function if exists public.who_is_here();

-- What the start page may say about who is here: three of those who take new tickets, and how many others. The answer time is
-- left out below 3 answers in the last 7 days. 'banned' says that this browser, or this address, could not start a chat; 'known' that
-- this browser has the key of somebody, with or without a chat.
create or replace function public.who_is_here(p_visitor text default null, p_address text default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with available as materialized (
        select id, name, picture_key, row_number() over (order by id) as place from public.agents
        where is_active and availability = 'available' and lease_expires_at > now()
    )
    select jsonb_build_object(
        'agents', (
            select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'picture', picture_key) order by place), '[]')
            from available where place <= 3
        ),
        'others', (select count(*) from available where place > 3),
        'answers_in_seconds', _supportchat.median_first_reply(now() - interval '7 days'),
        'banned', exists (
                select from public.visitors where visitor_id = _supportchat.visitor_of(p_visitor) and banned_until > now()
            )
            or exists (select from public.bans where network = p_address and expires_at > now()),
        'known', _supportchat.visitor_of(p_visitor) is not null
    )
$$;

select _supportchat.record_script('functions/chat.sql', '779369e60d2f');

notify pgrst, 'reload schema';

commit;
