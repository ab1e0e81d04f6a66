-- alerts.sql: who is told that somebody writes, when, and how they were reached. Safe to run again.

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

-- Looks whether what has our names is ours, and stops if not: see docs/sql.md. Written by bin/migrate stamp.

-- How long an agent who has the desk open may take before their other devices are told as well.
create or replace function _supportchat.alert_patience()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '20 seconds'
$$;

-- How often a notification is tried before it is given up: with the waits in between that takes about ten minutes.
create or replace function _supportchat.most_tries()
returns integer
language sql
immutable
set search_path = ''
as $$
    select 5
$$;

-- What an agent wants to be told of, and how.
create or replace function _supportchat.alert_settings_of(p_agent_id uuid)
returns public.alert_choices
language sql
stable
set search_path = ''
as $$
    select coalesce(
        (select s from public.alert_choices s where s.agent_id = p_agent_id),
        -- By their names: a column that an update has added stands at the end.
        jsonb_populate_record(null::public.alert_choices, jsonb_build_object(
            'agent_id', p_agent_id, 'scope', 'unassigned', 'sound', true, 'desktop', true, 'push', true, 'shows_text', false,
            'time_zone', 'UTC'
        ))
    )
$$;

-- When the quiet hours end in which somebody is: now, if they are in none. They may go past midnight.
create or replace function _supportchat.quiet_until(p_settings public.alert_choices, p_now timestamptz default now())
returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
declare
    here timestamp := p_now at time zone p_settings.time_zone;
    starts time := p_settings.quiet_from::time;
    ends time := p_settings.quiet_until::time;
    is_quiet boolean := case
        when starts is null or starts = ends then false
        when starts < ends then here::time >= starts and here::time < ends
        else here::time >= starts or here::time < ends
    end;
begin
    if not is_quiet then
        return p_now;
    end if;
    return (here::date + case when here::time < ends then 0 else 1 end + ends) at time zone p_settings.time_zone;
end $$;

-- The conversations of which the log has gained something that decides who is told, for a reader who acts on each event once:
-- only of transactions that no running one can still come before. p_limit bounds the events of one look; 'more' says that
-- there are more, 'unsettled' that some are not to be read yet. A reader begins at the end of the log, and so in each history.
create or replace function _supportchat.read_log_once(p_reader text, p_limit integer)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    reader public.event_readers;
    horizon xid8 := pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot());
    found_events record;
begin
    select * into reader from public.event_readers where name = p_reader for update;
    if not found or reader.epoch <> public.database_epoch() then
        insert into public.event_readers (name, epoch, transaction, id) values (p_reader, public.database_epoch(), horizon, 0)
        on conflict (name) do update set epoch = excluded.epoch, transaction = excluded.transaction, id = 0;
        return '{"sessions": [], "more": false, "unsettled": false}';
    end if;
    select count(*) as read, max(transaction::text::numeric) as last_transaction,
        (array_agg(id order by transaction desc, id desc))[1] as last_id,
        coalesce(jsonb_agg(distinct session_id) filter (where session_id is not null and (
            kind in ('ticket.opened', 'ticket.changed', 'mention.added', 'mention.read') or (kind = 'message.posted' and actor = 'customer')
            or (kind = 'receipt.recorded' and agent_id is not null)
        )), '[]') as sessions
    into found_events
    from (
        select * from public.events e
        where (e.transaction, e.id) > (reader.transaction, reader.id) and e.transaction < horizon
        order by e.transaction, e.id limit p_limit
    ) as page;
    if found_events.read > 0 then
        update public.event_readers set transaction = found_events.last_transaction::text::xid8, id = found_events.last_id
        where name = p_reader;
    end if;
    return jsonb_build_object(
        'sessions', found_events.sessions, 'more', found_events.read = p_limit,
        -- By the end of the index: for an exists() the planner would rather read the table, to its end where there is none.
        'unsettled', coalesce((select e.transaction from public.events e order by e.transaction desc limit 1) >= horizon, false)
    );
end $$;

-- Of an earlier version, in which nobody was mentioned.
drop function if exists _supportchat.wanted_alerts(uuid[]);
drop function if exists _supportchat.alert_json(uuid);
drop function if exists _supportchat.tell_pages(uuid, uuid[]);

-- Who is to know that the customer of some conversations waits, and why: whoever has the ticket and has not read it; while nobody
-- has it, those who take new ones and want to know; those who want to know of all. Who was told because its agent did not come
-- is to know until that one has read. Not who may not see the desk before they have two-factor.
create or replace function _supportchat.awaited_agents(p_session_ids uuid[])
returns table (agent_id uuid, session_id uuid, lines integer, why text)
language sql
stable
set search_path = ''
as $$
    -- Once for all conversations: to look whether somebody needs two-factor takes longer than the rest.
    with able as materialized (
        select a.* from public.agents a
        where a.is_active and not _supportchat.needs_two_factor(a)
            and exists (select from public.role_rights r where r.role = a.role and r.right_name = 'answer')
    )
    select a.id, s.session_id, s.customer_lines, case
        when t.assigned_agent_id = a.id then 'mine' when t.status = 'waiting' then 'waiting'
        when w.scope = 'all' then 'all' else 'next'
    end
    from unnest(p_session_ids) as asked (id)
    join public.user_sessions s on s.session_id = asked.id
    -- As ticket_of_session has it.
    cross join lateral (
        select * from public.tickets where session_id = s.session_id order by status = 'closed', number desc limit 1
    ) as t
    cross join able as a
    left join public.alert_choices w on w.agent_id = a.id
    left join public.ticket_reads mine on mine.agent_id = a.id and mine.session_id = s.session_id
    where t.status <> 'closed' and t.held is null and t.snoozed_until is null and s.erased_at is null
        and s.customer_lines > coalesce(mine.read_lines, 0)
        and (
            t.assigned_agent_id = a.id
            or (t.awaiting_since is not null and case t.status
                when 'waiting' then a.availability = 'available' and coalesce(w.scope, 'unassigned') <> 'mine'
                else coalesce(w.scope = 'all', false) or exists (
                    select from public.agent_alerts known
                    where known.agent_id = a.id and known.session_id = s.session_id and known.why = 'next'
                        and s.customer_lines > coalesce((
                            select r.read_lines from public.ticket_reads r
                            where r.agent_id = t.assigned_agent_id and r.session_id = s.session_id
                        ), 0)
                )
            end)
        )
$$;

-- The newest note of a conversation that mentions an agent, and that they have not read; null for none.
create or replace function _supportchat.mention_of(p_agent_id uuid, p_session_id uuid)
returns integer
language sql
stable
set search_path = ''
as $$
    select max(note_no) from public.note_mentions
    where agent_id = p_agent_id and session_id = p_session_id and read_at is null
$$;

-- Who is to know of some conversations: of the customer, of a note that mentions them, or of both. The customer's wait is the reason
-- then.
create or replace function _supportchat.wanted_alerts(p_session_ids uuid[])
returns table (agent_id uuid, session_id uuid, lines integer, note_no integer, why text)
language sql
stable
set search_path = ''
as $$
    with mentioned as materialized (
        select m.agent_id, m.session_id, max(m.note_no) as note_no
        from public.note_mentions m
        join public.agents a on a.id = m.agent_id and a.is_active
        where m.session_id = any (p_session_ids) and m.read_at is null
            and exists (select from public.role_rights r where r.role = a.role and r.right_name = 'answer')
            and not _supportchat.needs_two_factor(a)
        group by m.agent_id, m.session_id
    )
    select agent_id, session_id, coalesce(awaited.lines, 0), coalesce(mentioned.note_no, 0), coalesce(awaited.why, 'mentioned')
    from _supportchat.awaited_agents(p_session_ids) as awaited
    full join mentioned using (agent_id, session_id)
$$;

-- After how long the next one is told when nobody has come; null for never.
create or replace function _supportchat.passes_after()
returns interval
language sql
stable
set search_path = ''
as $$
    select make_interval(mins => (_supportchat.setting('alert_next_minutes') #>> '{}')::integer)
$$;

-- What is shown of a conversation to who is told of it: who writes, and the last that they wrote; or the note that mentions them,
-- and by whom it is.
create or replace function _supportchat.alert_json(p_session_id uuid, p_note_no integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'number', t.number,
        'customer_name', coalesce(p.name, s.customer_name),
        'message', left(m.message, 200),
        'has_image', m.image_id is not null,
        'mention', (
            select jsonb_build_object('agent', _supportchat.person_json(n.agent_id), 'note', left(n.note, 200))
            from public.ticket_notes n where n.session_id = s.session_id and n.note_no = p_note_no
        )
    )
    from public.user_sessions s
    cross join lateral _supportchat.ticket_of_session(s.session_id) as t
    left join public.persons p on p.visitor_id = s.visitor_id
    left join lateral (
        select * from public.chat_messages c where c.session_id = s.session_id and c.sender = 'user' order by c.seq desc limit 1
    ) as m on true
    where s.session_id = p_session_id
$$;

-- Tells the open pages of some agents of a conversation, or of a note there that mentions them. How each is told is theirs to say: by
-- sound, by a notification, with the text. Who has quiet hours is left out.
create or replace function _supportchat.tell_pages(p_session_id uuid, p_agent_ids uuid[], p_note_no integer default null)
returns void
language sql
set search_path = ''
as $$
    -- Not more at once than a hint can hold.
    select _supportchat.notify_change(jsonb_build_object(
        'event', 'alert.raised', 'session_id', p_session_id, 'agents', told.agents,
        'about', _supportchat.alert_json(p_session_id, p_note_no)
    ))
    from (
        select jsonb_object_agg(id, jsonb_build_object('sound', w.sound, 'desktop', w.desktop, 'text', w.shows_text)) as agents
        from unnest(p_agent_ids) with ordinality as listed (id, place)
        cross join lateral _supportchat.alert_settings_of(id) as w
        where _supportchat.quiet_until(w) <= now()
        group by place / 50
    ) as told
$$;

-- Has the devices of an agent notified: at once, or after a while if their desk is open, and not before their quiet hours end.
create or replace function _supportchat.push_alert(p_agent_id uuid, p_session_id uuid)
returns void
language sql
set search_path = ''
as $$
    insert into public.agent_pushes (device_id, session_id, due_at)
    select d.id, p_session_id, greatest(
        _supportchat.quiet_until(w),
        now() + case when a.lease_expires_at > now() then _supportchat.alert_patience() else '0' end
    )
    from public.agent_devices d
    join public.agents a on a.id = d.agent_id
    cross join lateral _supportchat.alert_settings_of(a.id) as w
    where d.agent_id = p_agent_id and w.push
    -- What told of its end: what is under way knows its former id.
    on conflict (device_id, session_id) do update set
        id = gen_random_uuid(), kind = 'alert', due_at = excluded.due_at, tries = 0, created_at = now(), sent_at = null,
        arrived_at = null
$$;

-- Ends alerts that nobody needs any more: on the pages of their agents, and on devices that may show them. Apple's take the
-- permission from who sends what is not shown, so nothing is sent to them; there it goes when the desk is opened.
create or replace function _supportchat.end_alerts(p_session_id uuid, p_agent_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
    delete from public.agent_alerts where session_id = p_session_id and agent_id = any (p_agent_ids);
    delete from public.agent_pushes p using public.agent_devices d
    where d.id = p.device_id and d.agent_id = any (p_agent_ids) and p.session_id = p_session_id
        and p.kind = 'alert' and p.tries = 0;
    update public.agent_pushes p set kind = 'end', due_at = now(), tries = 0, created_at = now()
    from public.agent_devices d
    where d.id = p.device_id and d.agent_id = any (p_agent_ids) and p.session_id = p_session_id
        and p.kind = 'alert' and d.endpoint !~ '^https://[^/]*\.push\.apple\.com[:/]';
    perform _supportchat.notify_change(jsonb_build_object(
        'event', 'alert.ended', 'session_id', p_session_id, 'agents', to_jsonb(p_agent_ids),
        'about', jsonb_build_object('number', (_supportchat.ticket_of_session(p_session_id)).number)
    ));
end $$;

-- Brings the alerts of some conversations up to date: whom nobody has to tell any more, and who is to be told.
create or replace function _supportchat.update_alerts(p_session_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    wanted jsonb := (select coalesce(jsonb_agg(to_jsonb(w)), '[]') from _supportchat.wanted_alerts(p_session_ids) as w);
    next_at timestamptz := now() + _supportchat.passes_after();
    chat record;
begin
    for chat in
        select a.session_id, array_agg(a.agent_id) as agents from public.agent_alerts a
        where a.session_id = any (p_session_ids) and not exists (
            select from jsonb_to_recordset(wanted) as w (agent_id uuid, session_id uuid)
            where w.agent_id = a.agent_id and w.session_id = a.session_id
        )
        group by a.session_id
    loop
        perform _supportchat.end_alerts(chat.session_id, chat.agents);
    end loop;
    update public.agent_alerts a set
        why = w.why, lines = case when w.why = 'mentioned' then 0 else a.lines end, passes_at = case when w.why = 'mine' then next_at end
    from jsonb_to_recordset(wanted) as w (agent_id uuid, session_id uuid, why text)
    where w.agent_id = a.agent_id and w.session_id = a.session_id and w.why <> a.why;
    for chat in
        with former as materialized (
            select agent_id, session_id, note_no from public.agent_alerts where session_id = any (p_session_ids)
        ), told as (
            insert into public.agent_alerts as known (agent_id, session_id, lines, note_no, why, passes_at)
            select w.agent_id, w.session_id, w.lines, w.note_no, w.why,
                case when w.why = 'mine' then next_at end
            from jsonb_to_recordset(wanted) as w (agent_id uuid, session_id uuid, lines integer, note_no integer, why text)
            order by w.agent_id
            on conflict (agent_id, session_id) do update set
                lines = greatest(known.lines, excluded.lines), note_no = greatest(known.note_no, excluded.note_no)
            where known.lines < excluded.lines or known.note_no < excluded.note_no
            returning known.*
        )
        select told.session_id, mention.note_no, array_agg(told.agent_id) as agents,
            array_agg(told.agent_id) filter (where told.raised_at = now() or mention.note_no is not null) as new_ones
        from told
        left join former using (agent_id, session_id)
        cross join lateral (
            select case when told.note_no > coalesce(former.note_no, 0) then told.note_no end as note_no
        ) as mention
        group by told.session_id, mention.note_no
    loop
        perform _supportchat.tell_pages(chat.session_id, chat.agents, chat.note_no);
        -- Once until they have read: a telephone need not ring for each line. A mention is told by itself.
        perform _supportchat.push_alert(agent_id, chat.session_id) from unnest(chat.new_ones) as agent_id;
    end loop;
end $$;

-- Who is told next when nobody has come to a conversation: who takes new tickets, is not quiet, can be reached and was not
-- told yet; those who are here first, then the least loaded.
create or replace function _supportchat.next_to_tell(p_session_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select a.id
    from public.agents a
    cross join lateral _supportchat.alert_settings_of(a.id) as w
    where a.is_active and a.availability = 'available' and _supportchat.quiet_until(w) <= now()
        and exists (select from public.role_rights r where r.role = a.role and r.right_name = 'answer')
        and not _supportchat.needs_two_factor(a)
        and not exists (
            select from public.agent_alerts k where k.agent_id = a.id and k.session_id = p_session_id and k.why <> 'mentioned'
        )
        and (
            a.lease_expires_at > now()
            or (w.push and exists (select from public.agent_devices d where d.agent_id = a.id))
        )
    order by a.lease_expires_at > now() is true desc, _supportchat.load_of_agent(a.id), a.id
    limit 1
$$;

-- Tells the next one of the conversations to which nobody has come in time, of 100 at once: there may be thousands.
create or replace function _supportchat.pass_alerts_on()
returns void
language plpgsql
set search_path = ''
as $$
declare
    late public.agent_alerts;
    colleague uuid;
begin
    for late in
        update public.agent_alerts set passes_at = null
        where (agent_id, session_id) in (
            select agent_id, session_id from public.agent_alerts where passes_at <= now() order by passes_at limit 100
        )
        returning *
    loop
        continue when not exists (
            select from public.tickets t
            where t.session_id = late.session_id and t.status = 'open' and t.awaiting_since is not null
        );
        colleague := _supportchat.next_to_tell(late.session_id);
        continue when colleague is null;
        insert into public.agent_alerts (agent_id, session_id, lines, why, passes_at)
        values (colleague, late.session_id, late.lines, 'next', now() + _supportchat.passes_after())
        on conflict (agent_id, session_id) do update set
            lines = excluded.lines, why = excluded.why, passes_at = excluded.passes_at;
        perform _supportchat.tell_pages(late.session_id, array[colleague]);
        perform _supportchat.push_alert(colleague, late.session_id);
    end loop;
end $$;

-- Whether there is something to do about alerts that no process has done: asked by those that nobody looks at, which may have
-- missed a hint.
create or replace function _supportchat.alerts_are_due()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (select from public.agent_pushes where due_at <= now())
        or exists (select from public.agent_alerts where passes_at <= now())
        or exists (
            select from public.event_readers r
            join public.events e on (e.transaction, e.id) > (r.transaction, r.id)
            where r.name = 'alerts'
        )
$$;

-- Brings all alerts up to date with the log, and tells the next ones whose time has come. One process at a time does. 'due' says
-- whether notifications are to be sent now; 'next_in' is in how many seconds there is something to do again, null for nothing;
-- 'is_held_up' that it is to be tried again soon: another process is at it, or a transaction that runs holds back the log.
create or replace function public.advance_alerts()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    news jsonb;
    next_at timestamptz;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7308332046) then
        return '{"due": false, "next_in": null, "is_held_up": true}';
    end if;
    news := _supportchat.read_log_once('alerts', 3000);
    perform _supportchat.update_alerts(array(select jsonb_array_elements_text(news -> 'sessions')::uuid));
    perform _supportchat.pass_alerts_on();
    next_at := case when (news ->> 'more')::boolean then now() else least(
        (select min(passes_at) from public.agent_alerts where passes_at is not null),
        (select min(due_at) from public.agent_pushes where due_at > now())
    ) end;
    return jsonb_build_object(
        'due', exists (select from public.agent_pushes where due_at <= now()),
        'next_in', extract(epoch from next_at - now()),
        'is_held_up', news -> 'unsettled'
    );
end $$;

-- Takes notifications that are due, for a minute: if they are not noted by then, their process has gone, and another one takes them.
-- Nothing of customers is sent to who may not see the desk any more.
create or replace function public.take_pushes(p_limit integer default 20)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    taken_ones jsonb;
begin
    delete from public.agent_pushes where id in (
        select p.id from public.agent_pushes p
        join public.agent_devices d on d.id = p.device_id
        join public.agents a on a.id = d.agent_id
        where p.due_at <= now() and p.kind = 'alert'
            and (not _supportchat.has_right(a.id, 'answer') or _supportchat.needs_two_factor(a))
        for update of p skip locked
    );
    with taken as (
        update public.agent_pushes set due_at = now() + interval '1 minute', tries = tries + 1
        where id in (
            select id from public.agent_pushes where due_at <= now() order by due_at limit p_limit for update skip locked
        )
        returning *
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', p.id, 'kind', p.kind, 'tries', p.tries,
        'endpoint', d.endpoint, 'p256dh', d.p256dh, 'auth', d.auth,
        'language', coalesce(a.language, d.language), 'origin', d.origin,
        'session_id', p.session_id, 'about', _supportchat.alert_json(p.session_id, _supportchat.mention_of(a.id, p.session_id)),
        'shows_text', (_supportchat.alert_settings_of(a.id)).shows_text
    ) order by p.created_at, p.id), '[]')
    into taken_ones
    from taken p
    join public.agent_devices d on d.id = p.device_id
    join public.agents a on a.id = d.agent_id;
    return taken_ones;
end $$;

-- Notes what became of notifications that were sent: 'sent'; 'gone' when the device has no such address any more, which is
-- forgotten; 'later' to try again in so many seconds; 'failed'. problem is a code of why. What was tried too often is given up.
create or replace function public.note_pushes(p_results jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    said record;
    push public.agent_pushes;
begin
    for said in
        select * from jsonb_to_recordset(p_results) as r (id uuid, kind text, outcome text, problem text, seconds double precision)
        order by r.id
    loop
        select * into push from public.agent_pushes where id = said.id for update;
        continue when not found;
        if said.outcome = 'gone' then
            perform _supportchat.forget_device(push.device_id, 'gone');
            continue;
        end if;
        update public.agent_devices set
            sent_at = case when said.outcome = 'sent' and said.kind <> 'end' then now() else sent_at end,
            problem = case when said.outcome = 'sent' then null else left(said.problem, 80) end,
            problem_at = case when said.outcome = 'sent' then null else now() end
        where id = push.device_id;
        -- It has ended while it was on its way: that is sent next.
        continue when push.kind <> said.kind;
        if said.kind = 'end' and said.outcome <> 'later' then
            delete from public.agent_pushes where id = push.id;
        else
            update public.agent_pushes set
                sent_at = case when said.outcome = 'sent' then now() end,
                due_at = case
                    when said.outcome = 'later' and tries < _supportchat.most_tries()
                        then now() + make_interval(secs => least(said.seconds, 3600))
                end
            where id = push.id;
        end if;
    end loop;
end $$;

-- Notes that a device has shown a notification: whoever knows its id. It counts once.
create or replace function public.push_arrived(p_push_id uuid)
returns boolean
language sql
set search_path = ''
as $$
    with arrived as (
        update public.agent_pushes set arrived_at = now() where id = p_push_id and arrived_at is null returning device_id
    ), noted as (
        update public.agent_devices set arrived_at = now(), problem = null, problem_at = null
        where id in (select device_id from arrived)
        returning id
    )
    select exists (select from noted)
$$;

-- The key by which push services know the desk; null when there is none yet. With two keys, these are kept if there is none.
create or replace function public.push_keys(p_private_key text default null, p_public_key text default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    if p_private_key is not null and p_public_key is not null then
        insert into public.desk_push_keys (only_row, private_key, public_key) values (true, p_private_key, p_public_key)
        on conflict do nothing;
    end if;
    return (select jsonb_build_object('private_key', private_key, 'public_key', public_key) from public.desk_push_keys);
end $$;

-- What an agent wants to be told of and how, and the devices on which they are reached, each with its last test.
create or replace function public.show_alerts(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return jsonb_build_object(
        'settings', to_jsonb(_supportchat.alert_settings_of(p_agent_id)) - 'agent_id',
        'next_minutes', _supportchat.setting('alert_next_minutes'),
        'devices', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', d.id, 'endpoint_hash', encode(sha256(convert_to(d.endpoint, 'UTF8')), 'hex'), 'user_agent', d.user_agent, 'created_at', d.created_at, 'sent_at', d.sent_at,
                'arrived_at', d.arrived_at, 'problem', d.problem, 'problem_at', d.problem_at,
                'test', case when t.id is not null then jsonb_build_object(
                    'created_at', t.created_at, 'sent_at', t.sent_at, 'arrived_at', t.arrived_at,
                    'is_waiting', t.arrived_at is null and t.created_at > now() - interval '30 seconds'
                ) end
            ) order by d.created_at, d.id), '[]')
            from public.agent_devices d
            left join public.agent_pushes t on t.device_id = d.id and t.kind = 'test'
            where d.agent_id = p_agent_id
        )
    );
end $$;

-- Changes what an agent wants to be told of, and how: those of the settings that are named. PT422 for one that cannot be.
create or replace function public.change_alerts(p_agent_id uuid, p_values jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    now_wanted public.alert_choices;
    nothing timestamptz;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    begin
        now_wanted := jsonb_populate_record(_supportchat.alert_settings_of(p_agent_id), p_values - 'agent_id');
        nothing := _supportchat.quiet_until(now_wanted);  -- which no zone or time can spoil later
        insert into public.alert_choices select now_wanted.*
        on conflict (agent_id) do update set
            scope = excluded.scope, sound = excluded.sound, desktop = excluded.desktop, push = excluded.push,
            shows_text = excluded.shows_text, quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,
            time_zone = excluded.time_zone;
    exception when data_exception or integrity_constraint_violation then
        raise sqlstate 'PT422' using message = 'not_understood';
    end;
    if not now_wanted.push then
        delete from public.agent_pushes p using public.agent_devices d
        where d.id = p.device_id and d.agent_id = p_agent_id and p.kind = 'alert' and p.due_at is not null;
    end if;
end $$;

-- Has a browser of an agent notified from now on. One that was somebody else's is not notified for them any more. With
-- p_only_known it is what the browser says of itself when it opens the desk: one that its agent has removed stays so. Gives the id
-- of the device, or null. At most ten are kept: the one that was added first goes.
create or replace function public.add_device(
    p_agent_id uuid, p_endpoint text, p_p256dh text, p_auth text, p_origin text, p_user_agent text default null,
    p_language text default 'en', p_token_hash text default null, p_only_known boolean default false
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    login uuid := (select s.id from public.agent_sessions s where s.token_hash = p_token_hash and s.agent_id = p_agent_id);
    former public.agent_devices;
    device uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    select * into former from public.agent_devices where endpoint = p_endpoint;
    if former.agent_id <> p_agent_id then
        perform _supportchat.forget_device(former.id, 'taken_over');
    end if;
    if p_only_known and former.agent_id is distinct from p_agent_id then
        return null;
    end if;
    begin
        insert into public.agent_devices as known (agent_id, endpoint, p256dh, auth, origin, user_agent, language, login_id)
        values (p_agent_id, p_endpoint, p_p256dh, p_auth, p_origin, p_user_agent, p_language, login)
        on conflict (endpoint) do update set
            p256dh = excluded.p256dh, auth = excluded.auth, origin = excluded.origin, user_agent = excluded.user_agent,
            language = excluded.language, login_id = excluded.login_id
        returning id into device;
    exception when check_violation then
        raise sqlstate 'PT422' using message = 'not_understood';
    end;
    if former.agent_id is distinct from p_agent_id then
        perform _supportchat.audit('device.added', p_agent_id);
    end if;
    perform _supportchat.forget_device(id, 'too_many') from (
        select id from public.agent_devices where agent_id = p_agent_id and id <> device
        order by created_at desc, id offset 9
    ) as more;
    return device;
end $$;

-- Forgets a device, and why: 'removed' by its agent, 'logged_out', 'gone' as its push service says, 'taken_over', 'too_many'.
create or replace function _supportchat.forget_device(p_device_id uuid, p_reason text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    owner uuid;
begin
    delete from public.agent_devices where id = p_device_id returning agent_id into owner;
    if found then
        perform _supportchat.audit('device.removed', owner, jsonb_build_object('reason', p_reason));
    end if;
end $$;

-- Has a device of an agent notified no more. PT404 when it is not theirs.
create or replace function public.delete_device(p_agent_id uuid, p_device_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_active(p_agent_id);
    if not exists (select from public.agent_devices where id = p_device_id and agent_id = p_agent_id) then
        raise sqlstate 'PT404' using message = 'device_not_found';
    end if;
    perform _supportchat.forget_device(p_device_id, 'removed');
end $$;

-- Sends a notification to a device of an agent, to see whether it arrives. PT404 when it is not theirs.
create or replace function public.test_device(p_agent_id uuid, p_device_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform from public.agent_devices where id = p_device_id and agent_id = p_agent_id for no key update;
    if not found then
        raise sqlstate 'PT404' using message = 'device_not_found';
    end if;
    delete from public.agent_pushes where device_id = p_device_id and kind = 'test';
    insert into public.agent_pushes (device_id, kind, due_at) values (p_device_id, 'test', now());
end $$;

-- Forgets the devices of an agent that log out: those of one login session, or (p_others) all but those of one, all where that is null.
create or replace function _supportchat.log_devices_out(p_agent_id uuid, p_session_id uuid, p_others boolean)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.forget_device(id, 'logged_out') from public.agent_devices
    where agent_id = p_agent_id and ((login_id = p_session_id) is true) <> p_others
$$;

-- Forgets the devices and the alerts of an agent who is deactivated, by whatever statement.
create or replace function _supportchat.end_alerts_of_agent()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.forget_device(id, 'disabled') from public.agent_devices where agent_id = new.id;
    delete from public.agent_alerts where agent_id = new.id;
    return null;
end $$;

create or replace trigger end_alerts_of_agent
after update of is_active on public.agents
for each row when (old.is_active and not new.is_active) execute function _supportchat.end_alerts_of_agent();

-- How the devices of the desk are reached: how many there are, how many notifications were sent and shown within a day, and which
-- problems there are, by their codes.
create or replace function public.check_alerts()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'devices', (select count(*) from public.agent_devices),
        'sent', (select count(*) from public.agent_devices where sent_at > now() - interval '1 day'),
        'arrived', (select count(*) from public.agent_devices where sent_at > now() - interval '1 day' and arrived_at >= sent_at - interval '1 minute'),
        'problems', (
            select coalesce(jsonb_object_agg(problem, devices), '{}') from (
                select problem, count(*) as devices from public.agent_devices
                where problem is not null and problem_at > now() - interval '1 day' group by problem order by problem
            ) as found
        )
    )
$$;

-- Forgets a few notifications of yesterday.
create or replace function _supportchat.forget_pushes()
returns void
language sql
set search_path = ''
as $$
    delete from public.agent_pushes where ctid = any (array(
        select ctid from public.agent_pushes
        where created_at < now() - interval '1 day' and due_at is null order by created_at limit 100 for update skip locked
    ))
$$;

select _supportchat.record_script('functions/alerts.sql', '508e15114fe5');

notify pgrst, 'reload schema';

commit;
