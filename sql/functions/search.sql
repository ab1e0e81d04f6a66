-- search.sql: how agents find a line of any conversation, and tickets by what they are. Safe to run again.
-- Storing a message writes no word of it here: server processes read the log and do it, and so does whoever searches.

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

-- The words of a text, as the index has them.
create or replace function _supportchat.words_of(p_text text)
returns tsvector
language sql
immutable
strict
set search_path = ''
as $$
    select _supportchat.folded(p_text)::tsvector
$$;

-- What is searched for, by the beginnings of words; null for a text without any. Of many words the first 12 count.
create or replace function _supportchat.query_of(p_text text)
returns tsquery
language sql
immutable
set search_path = ''
as $$
    -- As folded cuts the words of a long text.
    select string_agg(left(word, 64) || ':*', ' & ')::tsquery
    from (
        select word from unnest(string_to_array(nullif(_supportchat.folded(left(p_text, 200)), ''), ' ')) as word limit 12
    ) as counted
$$;

-- What a customer can be found by: what they are called, and their phone, also as one number.
create or replace function _supportchat.words_of_customer(p_session_id uuid)
returns tsvector
language sql
stable
set search_path = ''
as $$
    select _supportchat.words_of(concat_ws(' ',
        s.customer_name, s.customer_phone, regexp_replace(s.customer_phone, '[^0-9]+', '', 'g'), p.name, p.email, p.sub
    ))
    from public.user_sessions s
    left join public.persons p on p.visitor_id = s.visitor_id
    where s.session_id = p_session_id and s.erased_at is null
$$;

-- Writes by what the customers of some conversations can be found.
create or replace function _supportchat.index_customers(p_session_ids uuid[])
returns void
language sql
set search_path = ''
as $$
    insert into public.search_lines as line (session_id, seq, words)
    select own.id, 0, own.words
    from (select id, _supportchat.words_of_customer(id) as words from unnest(p_session_ids) as id) as own
    where own.words is not null
        and not exists (select from public.search_lines l where l.session_id = own.id and l.seq = 0 and l.note_no = 0 and l.words = own.words)
    on conflict (session_id, seq, note_no) do update set words = excluded.words
$$;

-- Reads what the log has gained, so many events at most, and writes the words of it; gives how many there were. The cursor is a
-- snapshot, as in events_after, with the last event that was read of its first transaction to come. Where the log may have forgotten
-- what nobody has read, or has another history, everything is looked at again, as index_older_lines does. The caller holds
-- the lock of search_state.
create or replace function _supportchat.index_new_lines(p_state public.search_state, p_limit integer)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    seen pg_catalog.pg_snapshot := p_state.cursor;
    current pg_catalog.pg_snapshot := pg_catalog.pg_current_snapshot();
    running xid8[] := array(select pg_catalog.pg_snapshot_xip(seen));
    gained public.events[];
    last_one public.events;
begin
    if seen is null or pg_catalog.pg_snapshot_xmax(seen) > pg_catalog.pg_snapshot_xmax(current)
        or p_state.read_at < now() - interval '20 hours' then
        update public.search_state set cursor = current::text, last_event = 0, read_at = now(), next_ticket = 9223372036854775807
        where only_row;
        return 0;
    end if;
    gained := array(
        select event
        from (
            (
                select e from public.events e
                where e.transaction = any (running)
                    and e.kind in ('message.posted', 'ticket.noted', 'ticket.opened', 'ticket.changed', 'ticket.identified')
                order by e.transaction, e.id limit p_limit
            )
            union all
            (
                select e from public.events e
                where (e.transaction, e.id) > (pg_catalog.pg_snapshot_xmax(seen), p_state.last_event)
                    and e.kind in ('message.posted', 'ticket.noted', 'ticket.opened', 'ticket.changed', 'ticket.identified')
                order by e.transaction, e.id limit p_limit
            )
        ) as together (event)
        order by (event).transaction, (event).id limit p_limit
    );
    insert into public.search_lines (session_id, seq, words)
    select m.session_id, m.seq, _supportchat.words_of(m.message)
    from unnest(gained) as g
    join public.chat_messages m on m.session_id = g.session_id and m.seq = (g.detail ->> 'seq')::integer
    where g.kind = 'message.posted' and m.sender <> 'system' and m.message <> ''
    order by g.id
    on conflict (session_id, seq, note_no) do nothing;
    insert into public.search_lines (session_id, seq, note_no, words)
    select n.session_id, n.after_seq, n.note_no, _supportchat.words_of(n.note)
    from unnest(gained) as g
    join public.ticket_notes n on n.session_id = g.session_id and n.note_no = (g.detail ->> 'note_no')::integer
    where g.kind = 'ticket.noted'
    order by g.id
    on conflict (session_id, seq, note_no) do nothing;
    perform _supportchat.index_customers(array(
        select distinct g.session_id from unnest(gained) as g where g.kind not in ('message.posted', 'ticket.noted')
    ));
    if cardinality(gained) < p_limit then
        update public.search_state set cursor = current::text, last_event = 0, read_at = now()
        where only_row and (cursor <> current::text or read_at < now() - interval '1 hour');
    else
        last_one := gained[p_limit];
        running := array(select xip from pg_catalog.pg_snapshot_xip(current) as xip where xip < last_one.transaction order by xip);
        update public.search_state set
            cursor = concat_ws(':', coalesce(running[1], last_one.transaction), last_one.transaction, array_to_string(running, ',')),
            last_event = last_one.id, read_at = now()
        where only_row;
    end if;
    return cardinality(gained);
end $$;

-- Writes the words of older tickets, from the newest to the first, until so many lines are written, and gives how many there were.
-- The lines get numbers below those of all that have come before. The caller holds the lock of search_state.
create or replace function _supportchat.index_older_lines(p_limit integer)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    place bigint := (select next_ticket from public.search_state);
    line bigint := (select next_line from public.search_state);
    written integer := 0;
    added integer;
    is_long boolean;
    ticket record;
begin
    for ticket in
        select t.number, t.session_id from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        where t.number < place and s.erased_at is null
        order by t.number desc limit p_limit
    loop
        insert into public.search_lines (line_id, session_id, seq, note_no, words) overriding system value
        select line - place_of_line, ticket.session_id, seq, note_no, _supportchat.words_of(text)
        from (
            select own.*, row_number() over (order by own.seq desc, own.note_no desc) as place_of_line
            from (
                -- Each in the order of an index, and no further.
                (
                    select m.seq, 0 as note_no, m.message as text from public.chat_messages m
                    where m.session_id = ticket.session_id and m.sender <> 'system' and m.message <> ''
                        and not exists (
                            select from public.search_lines l
                            where l.session_id = ticket.session_id and l.seq = m.seq and l.note_no = 0
                        )
                    order by m.seq desc limit p_limit
                )
                union all
                (
                    select n.after_seq, n.note_no, n.note from public.ticket_notes n
                    where n.session_id = ticket.session_id and not exists (
                        select from public.search_lines l
                        where l.session_id = ticket.session_id and l.seq = n.after_seq and l.note_no = n.note_no
                    )
                    order by n.note_no desc limit p_limit
                )
            ) as own
            order by place_of_line limit p_limit
        ) as numbered
        on conflict (session_id, seq, note_no) do nothing;
        get diagnostics added = row_count;
        -- A long conversation goes on with the next step.
        is_long := added = p_limit;
        insert into public.search_lines (line_id, session_id, seq, words) overriding system value
        select line - added - 1, ticket.session_id, 0, words
        from _supportchat.words_of_customer(ticket.session_id) as words
        where words is not null
        on conflict (session_id, seq, note_no) do nothing;
        line := line - added - 1;
        written := written + added + 1;
        place := ticket.number + is_long::integer;
        exit when written >= p_limit;
    end loop;
    update public.search_state set next_line = line, next_ticket = case when written >= p_limit then place end
    where only_row;
    return written;
end $$;

-- Brings what search knows up to date, as far as so many lines do. One does it at a time; null for who finds another at it.
create or replace function public.index_lines(p_limit integer default 500)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    state public.search_state;
    newer integer;
    older integer := 0;
begin
    select * into state from public.search_state for update skip locked;
    if not found then
        return null;
    end if;
    newer := _supportchat.index_new_lines(state, p_limit);
    if newer < p_limit and (select next_ticket is not null from public.search_state) then
        older := _supportchat.index_older_lines(p_limit - newer);
    end if;
    return jsonb_build_object(
        'newer', newer, 'older', older,
        'more', newer >= p_limit or (select next_ticket is not null from public.search_state)
    );
end $$;

-- The tags whose names begin with the words of a text, each.
create or replace function _supportchat.tags_named(p_text text)
returns bigint[]
language sql
stable
set search_path = ''
as $$
    select array(
        select tag_id from public.desk_tags where folded::tsvector @@ _supportchat.query_of(p_text)
    )
$$;

-- Whether a ticket is what a search asks for: it has a tag of each of the lists in p_tags, and is all that p_states say.
create or replace function _supportchat.ticket_fits(p_ticket public.tickets, p_agent_id uuid, p_tags jsonb, p_states text[])
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_ticket.erased_at is null
        and not exists (
            select from jsonb_array_elements(p_tags) as named
            where not exists (
                select from public.ticket_tags own
                where own.ticket_id = p_ticket.id and named @> to_jsonb(own.tag_id)
            )
        )
        and not exists (
            select from unnest(p_states) as state
            where not case state
                when 'open' then p_ticket.status <> 'closed'
                when 'closed' then p_ticket.status = 'closed'
                when 'unassigned' then p_ticket.status = 'waiting'
                when 'mine' then p_ticket.status = 'open' and p_ticket.assigned_agent_id = p_agent_id
                when 'snoozed' then p_ticket.snoozed_until is not null
                when 'waiting' then p_ticket.status <> 'closed' and p_ticket.awaiting_since is not null
                when 'spam' then p_ticket.is_spam
                when 'urgent' then p_ticket.urgency = 1 and p_ticket.status <> 'closed'
                when 'high' then p_ticket.urgency = 2 and p_ticket.status <> 'closed'
                when 'low' then p_ticket.urgency = 4 and p_ticket.status <> 'closed'
                else false
            end
        )
$$;

-- About how many rows a query of the index gives, as the planner estimates it.
create or replace function _supportchat.estimated_lines(p_query tsquery)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
    plan json;
begin
    execute format('explain (format json) select from public.search_lines where words @@ %L::tsquery', p_query) into plan;
    return (plan -> 0 -> 'Plan' ->> 'Plan Rows')::numeric::bigint;
end $$;

-- The newest lines in which words stand, p_enough of them: of all where the words are rare, else of the newest 200,000. is_complete
-- says whether there is no other one.
create or replace function _supportchat.lines_with(p_query tsquery, p_enough integer, out lines bigint[], out is_complete boolean)
returns record
language plpgsql
set search_path = ''
as $$
declare
    many constant integer := 20000;
    newest constant integer := 200000;
begin
    if _supportchat.estimated_lines(p_query) <= many then
        with every as materialized (select line_id from public.search_lines where words @@ p_query limit 2 * many)
        select array(select line_id from every order by line_id desc limit p_enough), count(*) < least(p_enough, 2 * many)
        into lines, is_complete from every;
    else
        lines := array(
            select line_id from (
                select line_id, words from public.search_lines order by line_id desc limit newest
            ) as latest
            where words @@ p_query limit p_enough
        );
        is_complete := cardinality(lines) < p_enough
            and not exists (select from public.search_lines order by line_id desc offset newest limit 1);
    end if;
end $$;

-- The tickets that a search without words looks at: by what is most special about them; of all others the newest 20,000.
create or replace function _supportchat.tickets_to_look_at(p_tags jsonb, p_states text[])
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
    most constant integer := 20000;
begin
    if jsonb_array_length(p_tags) > 0 then
        return array(
            select ticket_id from public.ticket_tags
            where tag_id = any (array(select id::bigint from jsonb_array_elements_text(p_tags -> 0) as id)) limit most
        );
    elsif 'snoozed' = any (p_states) then
        return array(select id from public.tickets where snoozed_until is not null limit most);
    elsif p_states && array['open', 'unassigned', 'mine', 'waiting', 'urgent', 'high', 'low'] then
        return array(
            (select id from public.tickets where status = 'waiting' limit most)
            union all
            (select id from public.tickets where status = 'open' limit most)
        );
    end if;
    return array(select id from public.tickets order by number desc limit most);
end $$;

-- What a line says, for whoever has searched for it: by whom, when and what. Of the line of a customer nothing.
create or replace function _supportchat.hit_json(p_session_id uuid, p_seq integer, p_note_no integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'kind', 'note', 'seq', n.after_seq, 'note_no', n.note_no, 'agent', _supportchat.person_json(n.agent_id), 'text', n.note,
        'created_at', n.created_at
    )
    from public.ticket_notes n where p_note_no > 0 and n.session_id = p_session_id and n.note_no = p_note_no
    union all
    select jsonb_build_object(
        'kind', 'message', 'seq', m.seq, 'note_no', 0, 'agent', _supportchat.person_json(m.sender_agent_id), 'text', m.message,
        'created_at', m.created_at
    )
    from public.chat_messages m where p_note_no = 0 and m.session_id = p_session_id and m.seq = p_seq
$$;

-- The tickets that agents look for: by words of a message, of a note, of a tag, of who the customer is, or by the number, the
-- newest line first; without words by what else is asked for, the newest ticket first. p_author is who has written the line
-- ('me' for oneself), or without words who the customer or the agent is; p_tags and p_states see ticket_fits; p_before and p_after are
-- moments of the line, or of the ticket. Each with its last three lines that were found. 'is_complete' is whether that is all.
create or replace function public.search_tickets(
    p_agent_id uuid, p_words text default '', p_author text default null, p_tags text[] default '{}', p_states text[] default '{}',
    p_before timestamptz default null, p_after timestamptz default null, p_limit integer default 50
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    most constant integer := 200;
    query tsquery := _supportchat.query_of(p_words);
    author_query tsquery := case when p_author <> 'me' then _supportchat.query_of(p_author) end;
    authors uuid[] := '{}';
    tags jsonb := (select coalesce(jsonb_agg(to_jsonb(_supportchat.tags_named(name))), '[]') from unnest(p_tags[:5]) as name);
    is_plain boolean := p_author is null and cardinality(p_tags) = 0 and cardinality(p_states) = 0 and p_before is null and p_after is null;
    got record;
    looked_at uuid[];
    hits jsonb;
    shown uuid[];
    is_complete boolean := true;
    state public.search_state;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    -- What was written a moment ago.
    select * into state from public.search_state for update skip locked;
    if state.only_row then
        perform _supportchat.index_new_lines(state, 300);
        if state.cursor is null then
            perform _supportchat.index_older_lines(300);
        end if;
    end if;
    if p_author = 'me' then
        authors := array[p_agent_id];
    elsif p_author is not null then
        authors := array(select id from public.agents where _supportchat.words_of(name) @@ author_query);
    end if;
    if query is not null then
        select * into got from _supportchat.lines_with(query, case when is_plain then most + 1 else 20000 end);
        is_complete := got.is_complete;
        select coalesce(jsonb_agg(to_jsonb(hit) order by hit.line_id desc), '[]') into hits
        from (
            select l.line_id, l.session_id, l.seq, l.note_no, t.id as ticket_id
            from unnest(got.lines) as asked (line_id)
            join public.search_lines l on l.line_id = asked.line_id
            cross join lateral (
                select * from public.tickets where session_id = l.session_id order by status = 'closed', number desc limit 1
            ) as t
            left join public.chat_messages m on not is_plain and l.note_no = 0 and m.session_id = l.session_id and m.seq = l.seq
            left join public.ticket_notes n on not is_plain and l.note_no > 0 and n.session_id = l.session_id and n.note_no = l.note_no
            where is_plain or (
                _supportchat.ticket_fits(t::public.tickets, p_agent_id, tags, p_states)
                and coalesce(m.created_at, n.created_at, t.created_at) < coalesce(p_before, 'infinity')
                and coalesce(m.created_at, n.created_at, t.created_at) >= coalesce(p_after, '-infinity')
                and (
                    p_author is null
                    or coalesce(m.sender_agent_id, n.agent_id) = any (authors)
                    or (m.sender = 'user' and exists (
                        select from public.search_lines c
                        where c.session_id = l.session_id and c.seq = 0 and c.note_no = 0 and c.words @@ author_query
                    ))
                )
            )
            order by l.line_id desc limit most + 1
        ) as hit;
        -- By the number and by a tag only as a whole.
        shown := array(
            select t.id from public.tickets t
            where p_words ~ '^\s*#?[0-9]{1,15}\s*$' and t.number = substring(p_words from '[0-9]{1,15}')::bigint
                and p_author is null and t.session_id is not null and _supportchat.ticket_fits(t, p_agent_id, tags, p_states)
        ) || array(
            select t.id from (
                select distinct own.ticket_id from public.ticket_tags own
                where own.tag_id = any (_supportchat.tags_named(p_words)) limit 1000
            ) as tagged
            join public.tickets t on t.id = tagged.ticket_id
            where p_author is null and _supportchat.ticket_fits(t, p_agent_id, tags, p_states)
                and t.created_at < coalesce(p_before, 'infinity') and t.created_at >= coalesce(p_after, '-infinity')
            order by t.number desc limit p_limit + 1
        );
        shown := array(
            select ticket_id from (
                select id as ticket_id, place from unnest(shown) with ordinality as first (id, place)
                union all
                select (hit ->> 'ticket_id')::uuid, 1000000 + place
                from jsonb_array_elements(hits) with ordinality as found_line (hit, place)
            ) as every
            group by ticket_id order by min(place)
        );
        is_complete := is_complete and jsonb_array_length(hits) <= most;
    else
        looked_at := _supportchat.tickets_to_look_at(tags, p_states);
        shown := array(
            select t.id from public.tickets t
            where t.id = any (looked_at) and t.session_id is not null and _supportchat.ticket_fits(t, p_agent_id, tags, p_states)
                and t.created_at < coalesce(p_before, 'infinity') and t.created_at >= coalesce(p_after, '-infinity')
                and (p_author is null or t.assigned_agent_id = any (authors) or exists (
                    select from public.search_lines c
                    where c.session_id = t.session_id and c.seq = 0 and c.note_no = 0 and c.words @@ author_query
                ))
            order by t.number desc limit p_limit + 1
        );
        is_complete := cardinality(looked_at) < 20000;
        hits := '[]';
    end if;
    return jsonb_build_object(
        'rows', _supportchat.queue_rows_json(shown[:p_limit]),
        'hits', (
            select coalesce(jsonb_object_agg(number, lines), '{}')
            from (
                select t.number, jsonb_agg(
                    _supportchat.hit_json((hit ->> 'session_id')::uuid, (hit ->> 'seq')::integer, (hit ->> 'note_no')::integer)
                    order by turn
                ) filter (where hit ->> 'seq' <> '0' or hit ->> 'note_no' <> '0') as lines
                from (
                    select hit, row_number() over (partition by hit ->> 'ticket_id' order by place) as turn
                    from jsonb_array_elements(hits) with ordinality as one (hit, place)
                ) as numbered
                join public.tickets t on t.id = (hit ->> 'ticket_id')::uuid
                where turn <= 3 and t.id = any (shown[:p_limit])
                group by t.number
            ) as grouped
            where lines is not null
        ),
        'is_complete', is_complete and cardinality(shown) <= p_limit
    );
end $$;

select _supportchat.record_script('functions/search.sql', 'a804e1aa210f');

notify pgrst, 'reload schema';

commit;
