-- privacy.sql: what customers may ask for, a copy of what we have of them or its end, and how long things are kept. Safe to run
-- again. docs/privacy.md says what is stored where, and for how long.
--
-- Lock order: the browser, then the assignment lock, then conversations, as start_chat has it.

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

-- What there is of some conversations, in figures.
create or replace function _supportchat.extent_json(p_session_ids uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'conversations', cardinality(p_session_ids),
        'messages', (select count(*) from public.chat_messages where session_id = any (p_session_ids) and sender <> 'system'),
        'notes', (select count(*) from public.ticket_notes where session_id = any (p_session_ids)),
        'pictures', (select count(*) from public.chat_images where session_id = any (p_session_ids))
    )
$$;

-- Every conversation of the browser that has one, the oldest first; of a browser that nobody knows only that one.
create or replace function _supportchat.sessions_of_customer(p_session_id uuid)
returns uuid[]
language sql
stable
set search_path = ''
as $$
    select array(
        select session_id
        from (
            select session_id, created_at from public.user_sessions where session_id = p_session_id
            union
            select other.session_id, other.created_at
            from public.user_sessions asked
            join public.user_sessions other on other.visitor_id = asked.visitor_id
            where asked.session_id = p_session_id
        ) as theirs
        order by created_at, session_id
    )
$$;

-- Begins a copy of what we have of the customer of a ticket, which the audit log notes: their conversations, the oldest first.
-- p_with_notes says whether the private notes are wanted too. Lines, notes and pictures come with calls of their own.
create or replace function public.export_customer(p_agent_id uuid, p_number bigint, p_with_notes boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    asked uuid;
    chats uuid[];
begin
    perform _supportchat.demand_right(p_agent_id, 'export');
    asked := _supportchat.session_of_ticket(p_number);
    chats := _supportchat.sessions_of_customer(asked);
    perform _supportchat.audit('customer.exported', p_agent_id, jsonb_build_object(
        'number', p_number, 'conversations', cardinality(chats), 'notes', p_with_notes
    ));
    return (
        select coalesce(jsonb_agg(jsonb_build_object(
            'session_id', s.session_id, 'number', t.number, 'status', t.status, 'channel', s.channel, 'framed_on', s.framed_on,
            'customer_name', s.customer_name, 'customer_phone', s.customer_phone, 'time_zone', s.time_zone, 'address', s.address,
            'created_at', s.created_at, 'closed_at', case when t.status = 'closed' then t.closed_at end,
            'customer_delivered_seq', s.customer_delivered_seq, 'customer_read_seq', s.customer_read_seq,
            'person', _supportchat.person_of_visitor(s.visitor_id),
            'tags', (
                select coalesce(jsonb_agg(tag.name order by tag.name), '[]') from public.ticket_tags own
                join public.desk_tags tag using (tag_id) where own.ticket_id = t.id
            ),
            'visit', public.pages_of_session(s.session_id),
            'bans', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'what', case when b.network is null then 'browser' else 'network' end, 'reason', b.reason,
                    'until', case when isfinite(b.expires_at) then b.expires_at end
                ) order by b.created_at, b.id), '[]')
                from public.bans b where b.session_id = s.session_id
            )
        ) order by s.created_at, s.session_id), '[]')
        from public.user_sessions s
        cross join _supportchat.ticket_of_session(s.session_id) as t
        where s.session_id = any (chats)
    );
end $$;

-- What erasing a ticket's chat, or everything of its customer, would take away.
create or replace function public.preview_erasure(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'erase');
    chat := _supportchat.session_of_ticket(p_number);
    return jsonb_build_object(
        'number', p_number,
        'customer_name', (
            select coalesce(p.name, s.customer_name) from public.user_sessions s
            left join public.persons p on p.visitor_id = s.visitor_id
            where s.session_id = chat
        ),
        'erased_at', (select erased_at from public.user_sessions where session_id = chat),
        'conversation', _supportchat.extent_json(array[chat]),
        'customer', _supportchat.extent_json(_supportchat.sessions_of_customer(chat))
    );
end $$;

-- Erases a conversation, and adds to a receipt how much that was. What stays is the ticket with its number, its moments and its
-- agent, and how many lines there were: nobody can be known by that. The caller holds its lock.
create or replace function _supportchat.erase_conversation(
    p_session_id uuid, p_erasure_id uuid, p_actor text, p_agent_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    extent jsonb := _supportchat.extent_json(array[p_session_id]);
    ticket public.tickets;
begin
    -- Whoever writes words for search may be at these lines: they have ended, or begin once nothing is left.
    perform from public.search_state for update;
    insert into public.erasure_files (storage_key, erasure_id)
    select storage_key, p_erasure_id from public.chat_images where session_id = p_session_id
    union
    select image ->> 'key', p_erasure_id from public.held_replies where session_id = p_session_id and image is not null
    on conflict do nothing;
    delete from public.chat_messages where session_id = p_session_id;
    delete from public.chat_images where session_id = p_session_id;
    delete from public.ticket_notes where session_id = p_session_id;
    perform _supportchat.erase_mentions(p_session_id);
    delete from public.search_lines where session_id = p_session_id;
    delete from public.ticket_reads where session_id = p_session_id;
    delete from public.ticket_drafts where session_id = p_session_id;
    delete from public.held_replies where session_id = p_session_id;
    delete from public.agent_alerts where session_id = p_session_id;
    delete from public.agent_pushes where session_id = p_session_id;
    delete from public.customer_pages where session_id = p_session_id;
    -- What was written of the customer goes; the ban itself stays until it ends.
    update public.bans set reason = '' where session_id = p_session_id and reason <> '';
    update public.user_sessions set
        visitor_id = null, customer_name = null, customer_phone = null, time_zone = null, address = null, framed_on = null, legacy = null,
        erased_at = now(),
        last_seq = 0, last_spoken_seq = 0, last_note_no = 0,
        customer_delivered_seq = 0, customer_read_seq = 0, agent_delivered_seq = 0, agent_read_seq = 0
    where session_id = p_session_id;
    for ticket in
        update public.tickets set
            status = 'closed', closed_at = case when status = 'closed' then closed_at else clock_timestamp() end,
            awaiting_since = null, given_back_by = null, held = null, snoozed_until = null, woke_at = null, legacy = null,
            erased_at = now()
        where session_id = p_session_id
        returning *
    loop
        delete from public.ticket_tags where ticket_id = ticket.id;
        perform _supportchat.record_event(ticket, 'erased', p_actor, p_agent_id, jsonb_build_object('erasure', p_erasure_id));
    end loop;
    update public.erasures set
        conversations = conversations + 1,
        messages = messages + (extent ->> 'messages')::integer,
        notes = notes + (extent ->> 'notes')::integer,
        pictures = pictures + (extent ->> 'pictures')::integer
    where id = p_erasure_id;
end $$;

-- Forgets a browser that has no conversation any more, and how often it did what is limited; one that is banned, once the ban has
-- ended. The caller holds its lock.
create or replace function _supportchat.forget_visitor(p_visitor_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    key_hash text;
begin
    delete from public.visitors v
    where v.visitor_id = p_visitor_id
        and not exists (select from public.user_sessions s where s.visitor_id = p_visitor_id)
        and not exists (select from public.bans b where b.visitor_id = p_visitor_id and b.expires_at > now())
    returning token_hash into key_hash;
    delete from public.throttle_buckets where key = 'starts/browser/' || key_hash;
end $$;

-- Closes a receipt once the store has none of its pictures any more, and opens it when there are some again.
create or replace function _supportchat.close_erasure(p_erasure_id uuid)
returns void
language sql
set search_path = ''
as $$
    update public.erasures set closed_at = case
        when not exists (select from public.erasure_files f where f.erasure_id = p_erasure_id) then coalesce(closed_at, now())
    end
    where id = p_erasure_id
$$;

-- A receipt as admins see it. 'files' is how many pictures the store may still have.
create or replace function _supportchat.erasure_json(p_row public.erasures)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', p_row.id, 'kind', p_row.kind, 'agent', _supportchat.person_json(p_row.agent_id), 'number', p_row.ticket_number,
        'days', p_row.days, 'conversations', p_row.conversations, 'messages', p_row.messages, 'notes', p_row.notes,
        'pictures', p_row.pictures, 'created_at', p_row.created_at, 'closed_at', p_row.closed_at,
        'files', (select count(*) from public.erasure_files f where f.erasure_id = p_row.id)
    )
$$;

-- Erases the chat of a ticket, or all that we have of its customer, in one transaction, and gives the receipt. The pictures are in
-- the store until take_erasure_files has them deleted. PT409 when it is erased already.
create or replace function public.erase_customer(p_agent_id uuid, p_number bigint, p_everything boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    asked uuid;
    visitor uuid;
    receipt public.erasures;
    chats uuid[];
    chat uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'erase');
    asked := _supportchat.session_of_ticket(p_number);
    loop
        select visitor_id into visitor from public.user_sessions where session_id = asked;
        perform from public.visitors where visitor_id = visitor for update;
        -- It may have become a person's while we waited.
        exit when visitor is not distinct from (select visitor_id from public.user_sessions where session_id = asked);
    end loop;
    perform _supportchat.lock_assignment();
    perform _supportchat.check_kept(_supportchat.lock_ticket(asked));
    insert into public.erasures (kind, agent_id, ticket_number)
    values (case when p_everything then 'customer' else 'conversation' end, p_agent_id, p_number)
    returning * into receipt;
    chats := case when p_everything then _supportchat.sessions_of_customer(asked) else array[asked] end;
    foreach chat in array chats loop
        perform from public.user_sessions where session_id = chat for no key update;
        perform _supportchat.erase_conversation(chat, receipt.id, 'agent', p_agent_id);
    end loop;
    if p_everything then
        delete from public.bans where visitor_id = visitor;
        update public.bans set session_id = null where session_id = any (chats);
    end if;
    perform _supportchat.forget_visitor(visitor);
    perform _supportchat.close_erasure(receipt.id);
    perform _supportchat.drain_queue();
    select * into receipt from public.erasures where id = receipt.id;
    perform _supportchat.audit(receipt.kind || '.erased', p_agent_id, jsonb_build_object(
        'number', p_number, 'erasure', receipt.id, 'conversations', receipt.conversations
    ));
    return _supportchat.erasure_json(receipt);
end $$;

-- For how long things are kept, and the receipts, the newest first, before one of them where it is given.
create or replace function public.show_privacy(p_agent_id uuid, p_before uuid default null, p_limit integer default 50)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    last_one public.erasures;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    select * into last_one from public.erasures where id = p_before;
    return jsonb_build_object(
        'retention_days', _supportchat.setting('retention_days'),
        'audit_days', _supportchat.setting('audit_days'),
        'receipts', (
            select coalesce(
                jsonb_agg(_supportchat.erasure_json(e.receipt) order by (e.receipt).created_at desc, (e.receipt).id desc), '[]'
            )
            from (
                select receipt from public.erasures as receipt
                where last_one.id is null or (receipt.created_at, receipt.id) < (last_one.created_at, last_one.id)
                order by receipt.created_at desc, receipt.id desc limit p_limit
            ) as e
        )
    );
end $$;

-- Some pictures to delete from the store, by their keys: those that nobody has tried to delete for a minute. Whoever takes them
-- deletes them, and says so with note_erased_files once the store has none.
create or replace function public.take_erasure_files(p_limit integer default 20)
returns jsonb
language sql
set search_path = ''
as $$
    with taken as (
        update public.erasure_files set tried_at = now()
        where storage_key in (
            select storage_key from public.erasure_files
            where tried_at is null or tried_at < now() - interval '1 minute'
            order by tried_at nulls first limit p_limit for update skip locked
        )
        returning storage_key
    )
    select coalesce(jsonb_agg(storage_key), '[]') from taken
$$;

-- Notes that the store has answered 'not there' for these pictures, and closes the receipts that have no other one.
create or replace function public.note_erased_files(p_keys text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    receipt uuid;
begin
    for receipt in
        with gone as (
            delete from public.erasure_files where storage_key = any (p_keys) returning erasure_id
        )
        select distinct erasure_id from gone order by erasure_id
    loop
        perform _supportchat.close_erasure(receipt);
    end loop;
end $$;

-- The moment before which a chat has to have ended for the retention to erase it. It moves once a day, so that each day has one
-- piece of work.
create or replace function _supportchat.retention_ends(p_days integer)
returns timestamptz
language sql
stable
set search_path = ''
as $$
    select date_trunc('day', now(), 'UTC') - make_interval(days => p_days)
$$;

-- What a retention of so many days would erase now: how many chats (10,001 stands for more), and when the oldest of them ended.
-- PT422 for a number of days that cannot be set.
create or replace function public.preview_retention(p_agent_id uuid, p_days integer)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    if not exists (
        select from _supportchat.declared_settings() where name = 'retention_days' and p_days between smallest and largest
    ) then
        raise sqlstate 'PT422' using message = 'days_out_of_range';
    end if;
    return (
        select jsonb_build_object('days', p_days, 'chats', count(*), 'oldest_at', min(closed_at))
        from (
            select closed_at from public.tickets
            where status = 'closed' and erased_at is null and closed_at < _supportchat.retention_ends(p_days)
            order by closed_at limit 10001
        ) as old
    );
end $$;

-- The receipt of today's retention. The first step of a day begins it, and tells the audit log.
create or replace function _supportchat.receipt_of_today(p_days integer)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    receipt uuid := (
        select id from public.erasures
        where kind = 'retention' and days = p_days and created_at >= date_trunc('day', now(), 'UTC')
        order by created_at desc limit 1
    );
begin
    if receipt is null then
        insert into public.erasures (kind, days) values ('retention', p_days) returning id into receipt;
        perform _supportchat.audit('retention.began', null, jsonb_build_object('days', p_days, 'erasure', receipt));
    end if;
    return receipt;
end $$;

-- Locks a conversation that the retention may erase, with its browser. Waits for nobody: false when somebody is at it, or has opened
-- it again.
create or replace function _supportchat.lock_old_chat(p_session_id uuid, p_before timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    visitor uuid := (select visitor_id from public.user_sessions where session_id = p_session_id);
begin
    if visitor is not null then
        perform from public.visitors where visitor_id = visitor for update skip locked;
        if not found then
            return false;
        end if;
    end if;
    perform from public.user_sessions where session_id = p_session_id for no key update skip locked;
    return found and not exists (
        select from public.tickets
        where session_id = p_session_id and (status <> 'closed' or closed_at >= p_before)
    );
end $$;

-- Erases some of the chats that ended long enough ago, the oldest first, and says whether there are more. No step is long: it ends
-- after so many chats, or with the one that makes it 2000 messages. One step at a time, whichever process makes it.
create or replace function public.erase_old_chats(p_limit integer default 20)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    kept_days integer := (_supportchat.setting('retention_days') #>> '{}')::integer;
    ends timestamptz := _supportchat.retention_ends(kept_days);
    receipt uuid;
    candidate record;
    visitor uuid;
    extent integer := 0;
    erased integer := 0;
begin
    if kept_days is not null and pg_catalog.pg_try_advisory_xact_lock(7308332047) then
        for candidate in
            select t.id, t.session_id, s.visitor_id, s.session_id is not null as has_chat, s.last_seq
            from public.tickets t
            left join public.user_sessions s on s.session_id = t.session_id
            where t.status = 'closed' and t.erased_at is null and t.closed_at < ends
            order by t.closed_at limit p_limit
        loop
            if not candidate.has_chat then
                -- Of an older version, without a conversation.
                update public.tickets set erased_at = now(), legacy = null where id = candidate.id;
            elsif _supportchat.lock_old_chat(candidate.session_id, ends) then
                receipt := coalesce(receipt, _supportchat.receipt_of_today(kept_days));
                perform _supportchat.erase_conversation(candidate.session_id, receipt, 'system');
                perform _supportchat.forget_visitor(candidate.visitor_id);
                extent := extent + candidate.last_seq;
                erased := erased + 1;
            end if;
            exit when extent >= 2000;
        end loop;
        if receipt is not null then
            perform _supportchat.close_erasure(receipt);
        end if;
    end if;
    return jsonb_build_object(
        'erased', erased,
        'today', (select e.conversations from public.erasures e where e.id = receipt),
        'days', kept_days,
        -- By the beginning of the index: for an exists() the planner would rather read the table, to its end where there is none.
        'more', erased > 0 and coalesce((
            select closed_at from public.tickets where status = 'closed' and erased_at is null order by closed_at limit 1
        ) < ends, false)
    );
end $$;

-- Forgets what nobody needs any more, a few rows of each kind: logins that have ended, browsers of agents that were not used
-- for 180 days, links that ended a month ago, drafts that nobody has changed for a month and replies
-- that were taken back so long ago, the networks of chats that began a
-- month ago, bans that have ended, counts of what is limited, notifications of yesterday, and the oldest of the audit log.
-- Says whether there may be more.
create or replace function public.forget_old_data()
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    most integer := 100;
    ended uuid;
    forgotten integer;
begin
    delete from public.agent_sessions where token_hash in (
        select token_hash from public.agent_sessions
        where created_at < now() - _supportchat.login_lasts() limit most for update skip locked
    );
    delete from public.pending_logins where token_hash in (
        select token_hash from public.pending_logins
        where created_at < now() - _supportchat.pending_lasts() limit most for update skip locked
    );
    perform _supportchat.forget_flows();
    delete from public.agent_browsers where ctid = any (array(
        select ctid from public.agent_browsers where seen_at < now() - interval '180 days' limit most for update skip locked
    ));
    delete from public.one_time_links where token_hash in (
        select token_hash from public.one_time_links
        where expires_at < now() - interval '30 days' or (purpose = 'handover' and expires_at < now())
        limit most for update skip locked
    );
    delete from public.customer_pages where session_id in (
        select session_id from public.customer_pages
        where updated_at < now() - interval '7 days' order by updated_at limit most for update skip locked
    );
    delete from public.ticket_drafts where ctid = any (array(
        select ctid from public.ticket_drafts
        where saved_at < now() - interval '30 days' order by saved_at limit most for update skip locked
    ));
    delete from public.held_replies where ctid = any (array(
        select ctid from public.held_replies
        where due_at is null and held_at < now() - case refused when 'gone' then interval '1 day' else interval '30 days' end
        order by held_at limit most for update skip locked
    ));
    delete from public.refused_logins where ctid = any (array(
        select ctid from public.refused_logins
        where began_at < now() - interval '1 hour' order by began_at limit most for update skip locked
    ));
    -- Persons who have never chatted, a month after their site has named them last, and browsers that a person no longer uses.
    delete from public.visitors where visitor_id in (
        select p.visitor_id from public.persons p
        where p.verified_at < now() - interval '30 days'
            and not exists (select from public.user_sessions s where s.visitor_id = p.visitor_id)
            and not exists (select from public.bans b where b.visitor_id = p.visitor_id and b.expires_at > now())
        order by p.verified_at limit most
    );
    delete from public.person_keys where token_hash in (
        select token_hash from public.person_keys
        where seen_at < now() - interval '180 days' order by seen_at limit most for update skip locked
    );
    perform _supportchat.prune_audit();
    perform _supportchat.forget_pushes();
    update public.user_sessions set address = null where session_id in (
        select session_id from public.user_sessions
        where address is not null and created_at < now() - interval '30 days'
        order by created_at limit most for no key update skip locked
    );
    for ended in
        delete from public.bans where id in (
            select id from public.bans where expires_at < now() limit most for update skip locked
        )
        returning visitor_id
    loop
        perform _supportchat.forget_visitor(ended);
    end loop;
    -- The only ones of which strangers can make many.
    delete from public.throttle_buckets where ctid = any (array(
        select ctid from public.throttle_buckets where full_at < now() order by full_at limit most for update skip locked
    ));
    get diagnostics forgotten = row_count;
    return forgotten = most;
end $$;

select _supportchat.record_script('functions/privacy.sql', '6607c9e9bd65');

notify pgrst, 'reload schema';

commit;
