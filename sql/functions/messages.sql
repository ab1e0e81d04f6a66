-- messages.sql: how a line gets into a conversation, and how it is read. Safe to run again.

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

-- An agent as others may know one: id and name.
create or replace function _supportchat.agent_json(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('id', a.id, 'name', a.name) from public.agents a where a.id = p_agent_id
$$;

-- The same with the picture, for what shows it.
create or replace function _supportchat.person_json(p_agent_id uuid)
returns jsonb
language sql
stable
strict
set search_path = ''
as $$
    select jsonb_build_object('id', a.id, 'name', a.name, 'picture', a.picture_key) from public.agents a where a.id = p_agent_id
$$;

-- Of an earlier version, which looked at the line before.
drop function if exists _supportchat.message_of_customer_json(public.chat_messages, text);

-- A picture as the web code knows it.
create or replace function _supportchat.image_json(p_image_id uuid)
returns jsonb
language sql
stable
strict
set search_path = ''
as $$
    select jsonb_build_object('id', i.id, 'width', i.width, 'height', i.height) from public.chat_images i where i.id = p_image_id
$$;

-- A message as the web code knows it. The caller knows the customer's name, and whether the message continues the one before.
-- Only what a message has is looked up.
create or replace function _supportchat.known_message_json(p_row public.chat_messages, p_customer_name text, p_continues boolean)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    agent jsonb;
begin
    if p_row.sender = 'agent' or p_row.sender_agent_id is not null then
        -- Of an agent's line by an older version it may be unknown whose it was.
        agent := coalesce(
            _supportchat.person_json(p_row.sender_agent_id),
            case p_row.sender when 'agent' then '{"id": null, "name": "Support", "picture": null}'::jsonb end
        );
    end if;
    return jsonb_build_object(
        'session_id', p_row.session_id,
        'seq', p_row.seq,
        'sender', p_row.sender,
        'agent', agent,
        'customer_name', case p_row.sender when 'user' then p_customer_name end,
        'message', p_row.message,
        'image', _supportchat.image_json(p_row.image_id),
        'event', p_row.event,
        'detail', p_row.detail,
        'client_message_id', p_row.client_message_id,
        'created_at', p_row.created_at,
        'continues', p_continues
    );
end $$;

-- The same of any message. It continues the one before when the same person spoke within 5 minutes.
create or replace function _supportchat.message_json(p_row public.chat_messages)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.known_message_json(
        p_row,
        (
            select coalesce(p.name, s.customer_name) from public.user_sessions s
            left join public.persons p on p.visitor_id = s.visitor_id
            where s.session_id = p_row.session_id and p_row.sender = 'user'
        ),
        p_row.sender <> 'system' and exists (
            select from public.chat_messages earlier
            where earlier.session_id = p_row.session_id
                and earlier.seq = p_row.seq - 1
                and earlier.sender = p_row.sender
                and earlier.sender_agent_id is not distinct from p_row.sender_agent_id
                and p_row.created_at - earlier.created_at < interval '5 minutes'
        )
    )
$$;

-- Of an earlier version, which did not look whose conversation it is.
drop function if exists _supportchat.append_message(uuid, text, text, uuid, uuid, uuid, text, jsonb);

-- Of an earlier version, which gave another type.
drop function if exists _supportchat.append_message(uuid, text, text, uuid, uuid, uuid, text, jsonb, text);

-- Writes one line at the end of a conversation, and gives it as known_message_json has it. The row lock that it takes makes commit
-- order the order of seq. With p_visitor it is written only if this is the newest conversation of that browser, which is not
-- banned, an agent has it, and the line is new there; or else null. The statement that counts the line looks all of that up:
-- each one of its own takes a tenth of the time.
create or replace function _supportchat.append_message(
    p_session_id uuid,
    p_sender text,
    p_message text,
    p_client_message_id uuid default gen_random_uuid(),
    p_sender_agent_id uuid default null,
    p_image_id uuid default null,
    p_event text default null,
    p_detail jsonb default '{}',
    p_visitor text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    -- Who writes. A line continues the one before when the same person spoke within 5 minutes: see message_json.
    writer text := coalesce(p_sender_agent_id::text, p_sender);
    actor text := case p_sender when 'user' then 'customer' else p_sender end;
    counted record;
    line jsonb;
    detail jsonb;
    logged bigint;
    nothing text;
begin
    if p_visitor is null then
        update public.user_sessions set
            last_seq = last_seq + 1,
            last_spoken_seq = case when p_sender = 'system' then last_spoken_seq else last_seq + 1 end,
            customer_lines = customer_lines + (p_sender = 'user')::integer,
            last_continues = last_writer = writer and last_at > clock_timestamp() - interval '5 minutes',
            last_writer = writer,
            last_at = clock_timestamp()
        where session_id = p_session_id and erased_at is null
        returning last_seq, coalesce(
            (select p.name from public.persons p where p.visitor_id = user_sessions.visitor_id), customer_name
        ) as customer_name, last_at, last_continues into counted;
        if not found then
            raise sqlstate 'PT404' using message = 'conversation_not_found';
        end if;
    else
        update public.user_sessions set
            last_seq = last_seq + 1,
            last_spoken_seq = last_seq + 1,
            customer_lines = customer_lines + 1,
            last_continues = last_writer = writer and last_at > clock_timestamp() - interval '5 minutes',
            last_writer = writer,
            last_at = clock_timestamp()
        where session_id = p_session_id and erased_at is null
            and session_id = (
                select session_id from public.user_sessions
                where visitor_id = (
                    select visitor_id from public.visitors
                    where token_hash = p_visitor and banned_until > now() is not true
                    union all
                    select v.visitor_id from public.person_keys k
                    join public.visitors v on v.visitor_id = k.visitor_id
                    where k.token_hash = p_visitor and v.banned_until > now() is not true
                )
                order by created_at desc limit 1
            )
            and 'open' = (
                select status from public.tickets where session_id = p_session_id
                order by status = 'closed', number desc limit 1
            )
            and not exists (
                select from public.chat_messages
                where session_id = p_session_id and sender = 'user' and client_message_id = p_client_message_id
            )
        returning last_seq, coalesce(
            (select p.name from public.persons p where p.visitor_id = user_sessions.visitor_id), customer_name
        ) as customer_name, last_at, last_continues into counted;
        if not found then
            return null;
        end if;
    end if;

    insert into public.chat_messages (
        session_id, seq, sender, sender_agent_id, client_message_id, message, image_id, event, detail, created_at
    )
    values (
        p_session_id, counted.last_seq, p_sender, p_sender_agent_id, p_client_message_id, p_message, p_image_id, p_event, p_detail,
        counted.last_at
    )
    on conflict (session_id, sender, client_message_id) do nothing;
    if not found then
        -- Two attempts at once, and the other one has stored it: the call is made again, and finds it.
        raise sqlstate '40001' using message = 'stored_meanwhile';
    end if;
    line := jsonb_build_object(
        'session_id', p_session_id,
        'seq', counted.last_seq,
        'sender', p_sender,
        'agent', case when p_sender_agent_id is not null then _supportchat.person_json(p_sender_agent_id) end,
        'customer_name', case p_sender when 'user' then counted.customer_name end,
        'message', p_message,
        'image', _supportchat.image_json(p_image_id),
        'event', p_event,
        'detail', p_detail,
        'client_message_id', p_client_message_id,
        'created_at', counted.last_at,
        'continues', p_sender <> 'system' and counted.last_continues is true
    );
    -- As log_event does it.
    detail := jsonb_build_object('seq', counted.last_seq);
    insert into public.events (kind, session_id, actor, agent_id, detail)
    values ('message.posted', p_session_id, actor, p_sender_agent_id, detail)
    returning id into logged;
    nothing := _supportchat.notify_change(jsonb_build_object(
        'id', logged, 'event', 'message.posted', 'session_id', p_session_id, 'actor', actor, 'agent_id', p_sender_agent_id,
        'detail', detail, 'row', line
    ));
    return line;
end $$;

-- Refuses a text that no message may have: nothing but space without an image, or more characters than longest_message.
create or replace function _supportchat.check_message(p_message text, p_has_image boolean)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    if char_length(p_message) > _supportchat.longest_message() then
        raise sqlstate 'PT422' using message = 'message_too_long';
    elsif p_message !~ '\S' and not p_has_image then
        raise sqlstate 'PT422' using message = 'message_empty';
    end if;
end $$;

-- Of an earlier version, bounded in lines alone.
drop function if exists public.messages_after(uuid, integer, integer);
drop function if exists public.messages_before(uuid, integer, integer);

-- The lines of a conversation after a seq, oldest first: so many at most, and none after the one with which their text
-- comes to p_bytes. What is left out comes with the next call.
create or replace function public.messages_after(
    p_session_id uuid, p_after integer, p_limit integer default 200, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.message_json(m.line) order by (m.line).seq), '[]')
    from (
        select line, sum(octet_length(line.message)) over (order by line.seq) - octet_length(line.message) as bytes_before
        from public.chat_messages as line
        where line.session_id = p_session_id and line.seq > p_after
        order by line.seq
        limit p_limit
    ) as m
    where m.bytes_before < p_bytes
$$;

-- The last lines before a seq (of the whole conversation when it is null), oldest first: so many at most, and none before
-- the one with which their text comes to p_bytes.
create or replace function public.messages_before(
    p_session_id uuid, p_before integer default null, p_limit integer default 50, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.message_json(m.line) order by (m.line).seq), '[]')
    from (
        select line, sum(octet_length(line.message)) over (order by line.seq desc) - octet_length(line.message) as bytes_after
        from public.chat_messages as line
        where line.session_id = p_session_id and line.seq < coalesce(p_before, 2147483647)
        order by line.seq desc
        limit p_limit
    ) as m
    where m.bytes_after < p_bytes
$$;

-- Keeps the record of an image whose bytes are stored already: key, content_type, width, height, bytes, digest.
create or replace function _supportchat.add_image(p_session_id uuid, p_image jsonb)
returns uuid
language sql
strict
set search_path = ''
as $$
    insert into public.chat_images (session_id, storage_key, content_type, width, height, bytes, digest)
    select p_session_id, i.key, i.content_type, i.width, i.height, i.bytes, i.digest
    from jsonb_to_record(p_image) as i (key text, content_type text, width integer, height integer, bytes integer, digest text)
    returning id
$$;

-- What became of a message that was sent: the lines that it has made, or those of an earlier attempt that had stored it
-- already, with the key of the picture that was kept.
create or replace function _supportchat.answer_json(
    p_session_id uuid, p_messages jsonb, p_duplicate boolean default false, p_image_key text default null
)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
    return jsonb_build_object(
        'duplicate', p_duplicate, 'session_id', p_session_id, 'messages', p_messages, 'image_key', p_image_key
    );
end $$;

-- Of an earlier version, which answered a colleague as well.
drop function if exists _supportchat.repeated_message(uuid, text, uuid, text, jsonb);

-- Finds the message that an earlier attempt with this id has stored: null, or the first answer again.
-- The same id with another text or another picture, or from another agent, is an error.
create or replace function _supportchat.repeated_message(
    p_session_id uuid, p_sender text, p_client_message_id uuid, p_message text, p_image jsonb, p_agent_id uuid default null
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    earlier public.chat_messages;
    earlier_digest text;
begin
    select * into earlier from public.chat_messages
    where session_id = p_session_id and sender = p_sender and client_message_id = p_client_message_id;
    if not found then
        return null;
    end if;
    select digest into earlier_digest from public.chat_images where id = earlier.image_id;
    if earlier.message <> p_message or earlier_digest is distinct from (p_image ->> 'digest')
        or earlier.sender_agent_id is distinct from p_agent_id
    then
        raise sqlstate 'PT422' using message = 'client_message_id_reused';
    end if;
    return _supportchat.answer_json(
        p_session_id, jsonb_build_array(_supportchat.message_json(earlier)), p_duplicate => true,
        p_image_key => (select storage_key from public.chat_images where id = earlier.image_id)
    );
end $$;

select _supportchat.record_script('functions/messages.sql', 'da8de2fb9ab1');

notify pgrst, 'reload schema';

commit;
