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

-- Each word of a line begins with the number of its slice, 65,536 lines (line_id >> 16), and '/': one index then finds the newest
-- lines first, in steps whose size is known. After the '/', '=' marks what a customer is called, '@' who of the agents has written.

-- Of an earlier version, in which who has written was looked up apart.
drop function if exists _supportchat.words_of(text, bigint, text);
drop function if exists _supportchat.author_words(uuid, bigint);

-- The words of a text, as the line of a number has them; with that by which lines of the agent are found who has written it.
create or replace function _supportchat.words_of(
    p_text text, p_line_id bigint, p_mark text default '', p_agent_id uuid default null
)
returns tsvector
language plpgsql
immutable
set search_path = ''
as $$
declare
    slice text := p_line_id >> 16;
    folded text := _supportchat.folded(p_text);
begin
    return concat_ws(' ',
        case when folded <> '' then slice || '/' || p_mark || replace(folded, ' ', ' ' || slice || '/' || p_mark) end,
        case when p_agent_id is not null then slice || '/' || _supportchat.author_word(p_agent_id) end
    )::tsvector;
end $$;

-- The word by which lines of an agent are found.
create or replace function _supportchat.author_word(p_agent_id uuid)
returns text
language sql
immutable
set search_path = ''
as $$
    select '@' || left(replace(p_agent_id::text, '-', ''), 16)
$$;

-- What is searched for, by the beginnings of words; '~' stands for the slice. Null for a text without any. Of many words the first 12
-- count. A character of writing without spaces goes without saying if a pair ends with it.
create or replace function _supportchat.terms_of(p_text text, p_mark text default '')
returns text[]
language sql
immutable
set search_path = ''
as $$
    with typed as materialized (
        select word, min(place) as place, word ~ ('^[' || _supportchat.dense_writing() || ']{2}$') as is_pair
        from unnest(string_to_array(nullif(_supportchat.folded(left(p_text, 200)), ''), ' ')) with ordinality as every (word, place)
        group by word
    )
    -- As folded cuts the words of a long text.
    select array_agg('~/' || p_mark || left(word, 64) || case when is_pair then '' else ':*' end order by place)
    from (
        select * from typed where not exists (
            select from typed as pair where pair.is_pair and char_length(typed.word) = 1 and right(pair.word, 1) = typed.word
        )
        order by place limit 12
    ) as counted
$$;

-- What terms ask of the lines of a slice; of texts that stand in none, such as names of tags, where p_slice is null.
create or replace function _supportchat.query_of(p_terms text[], p_slice bigint default null)
returns tsquery
language sql
immutable
set search_path = ''
as $$
    select replace(array_to_string(p_terms, ' & '), '~/', coalesce(p_slice || '/', ''))::tsquery
$$;

-- What a customer can be found by, in the line of a number: what they are called, and their phone, also as one number.
create or replace function _supportchat.words_of_customer(p_session_id uuid, p_line_id bigint)
returns tsvector
language sql
stable
set search_path = ''
as $$
    select _supportchat.words_of(called, p_line_id) || _supportchat.words_of(called, p_line_id, '=')
    from (
        select concat_ws(' ',
            s.customer_name, s.customer_phone, regexp_replace(s.customer_phone, '[^0-9]+', '', 'g'), p.name, p.email, p.sub
        )
        from public.user_sessions s
        left join public.persons p on p.visitor_id = s.visitor_id
        where s.session_id = p_session_id and s.erased_at is null
    ) as customer (called)
$$;

-- Notes from when to when the lines of the slices are that have just been written, those from one number to another.
create or replace function _supportchat.note_slices(p_first bigint, p_last bigint)
returns void
language sql
set search_path = ''
as $$
    insert into public.search_slices as slice (slice, first_at, last_at)
    select line_id >> 16, min(created_at), max(created_at) from public.search_lines where line_id between p_first and p_last
    group by line_id >> 16
    on conflict (slice) do update set
        first_at = least(slice.first_at, excluded.first_at), last_at = greatest(slice.last_at, excluded.last_at)
    where slice.first_at > excluded.first_at or slice.last_at < excluded.last_at
$$;

-- Writes by what the customers of some conversations can be found: where they have a line, there, else after p_last.
create or replace function _supportchat.index_customers(p_session_ids uuid[], p_last bigint)
returns void
language sql
set search_path = ''
as $$
    insert into public.search_lines as line (line_id, session_id, seq, words, created_at)
    select own.line_id, own.id, 0, own.words, own.created_at
    from (
        select
            place.line_id, s.session_id as id, s.created_at, l.words as former,
            _supportchat.words_of_customer(s.session_id, place.line_id) as words
        from unnest(p_session_ids) with ordinality as asked (id, turn)
        join public.user_sessions s on s.session_id = asked.id
        left join public.search_lines l on l.session_id = asked.id and l.seq = 0 and l.note_no = 0
        cross join lateral (select coalesce(l.line_id, p_last + turn) as line_id) as place
        offset 0
    ) as own
    where own.words is not null and own.words is distinct from own.former
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
    last_line bigint := greatest((select max(line_id) from public.search_lines), 0);
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
    -- Each line gets the number of its event, counted on.
    insert into public.search_lines (line_id, session_id, seq, words, created_at)
    select
        last_line + g.ordinality, m.session_id, m.seq,
        _supportchat.words_of(m.message, last_line + g.ordinality, p_agent_id => m.sender_agent_id),
        m.created_at
    from unnest(gained) with ordinality as g
    join public.chat_messages m on m.session_id = g.session_id and m.seq = (g.detail ->> 'seq')::integer
    where g.kind = 'message.posted' and m.sender <> 'system' and m.message <> ''
    on conflict (session_id, seq, note_no) do nothing;
    insert into public.search_lines (line_id, session_id, seq, note_no, words, created_at)
    select
        last_line + g.ordinality, n.session_id, n.after_seq, n.note_no,
        _supportchat.words_of(n.note, last_line + g.ordinality, p_agent_id => n.agent_id),
        n.created_at
    from unnest(gained) with ordinality as g
    join public.ticket_notes n on n.session_id = g.session_id and n.note_no = (g.detail ->> 'note_no')::integer
    where g.kind = 'ticket.noted'
    on conflict (session_id, seq, note_no) do nothing;
    perform _supportchat.index_customers(
        array(select distinct g.session_id from unnest(gained) as g where g.kind not in ('message.posted', 'ticket.noted')),
        last_line + cardinality(gained)
    );
    perform _supportchat.note_slices(last_line + 1, last_line + 2 * cardinality(gained));
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
    first_line bigint := (select next_line from public.search_state);
    line bigint := first_line;
    written integer := 0;
    added integer;
    is_long boolean;
    ticket record;
begin
    for ticket in
        select t.number, t.session_id, s.created_at from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        where t.number < place and s.erased_at is null
        order by t.number desc limit p_limit
    loop
        insert into public.search_lines (line_id, session_id, seq, note_no, words, created_at)
        select
            line - place_of_line, ticket.session_id, seq, note_no,
            _supportchat.words_of(text, line - place_of_line, p_agent_id => agent_id), created_at
        from (
            select own.*, row_number() over (order by own.seq desc, own.note_no desc) as place_of_line
            from (
                -- Each in the order of an index, and no further.
                (
                    select m.seq, 0 as note_no, m.message as text, m.sender_agent_id as agent_id, m.created_at
                    from public.chat_messages m
                    where m.session_id = ticket.session_id and m.sender <> 'system' and m.message <> ''
                        and not exists (
                            select from public.search_lines l
                            where l.session_id = ticket.session_id and l.seq = m.seq and l.note_no = 0
                        )
                    order by m.seq desc limit p_limit
                )
                union all
                (
                    select n.after_seq, n.note_no, n.note, n.agent_id, n.created_at from public.ticket_notes n
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
        insert into public.search_lines (line_id, session_id, seq, words, created_at)
        select line - added - 1, ticket.session_id, 0, words, ticket.created_at
        from _supportchat.words_of_customer(ticket.session_id, line - added - 1) as words
        where words is not null
        on conflict (session_id, seq, note_no) do nothing;
        line := line - added - 1;
        written := written + added + 1;
        place := ticket.number + is_long::integer;
        exit when written >= p_limit;
    end loop;
    perform _supportchat.note_slices(line, first_line);
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
language plpgsql
stable
set search_path = ''
as $$
declare
    query tsquery := _supportchat.query_of(_supportchat.terms_of(p_text));
begin
    return array(select tag_id from public.desk_tags where query is not null and folded::tsvector @@ query);
end $$;

-- Those of some tickets that are what a search asks for, in their order: with a tag of each list in p_tags (such as '{1, 2}'),
-- and all that p_states say.
create or replace function _supportchat.tickets_that_fit(p_ids uuid[], p_agent_id uuid, p_tags text[], p_states text[])
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
    left_over uuid[] := p_ids;
    named text;
    ids bigint[];
begin
    foreach named in array p_tags loop
        ids := named;
        left_over := array(
            select asked.id
            from unnest(left_over) with ordinality as asked (id, place)
            cross join lateral (
                select from public.ticket_tags own where own.ticket_id = asked.id and own.tag_id = any (ids) limit 1
            ) as tag
            order by asked.place
        );
    end loop;
    return array(
        select t.id
        from unnest(left_over) with ordinality as asked (id, place)
        cross join lateral (select * from public.tickets where id = asked.id limit 1) as t
        where t.session_id is not null and t.erased_at is null
            and p_states <@ array[
                case when t.status = 'closed' then 'closed' else 'open' end,
                case when t.status = 'waiting' then 'unassigned' end,
                case when t.status = 'open' and t.assigned_agent_id = p_agent_id then 'mine' end,
                case when t.snoozed_until is not null then 'snoozed' end,
                case when t.status <> 'closed' and t.awaiting_since is not null then 'waiting' end,
                case when t.is_spam then 'spam' end,
                case when t.status <> 'closed' then (array['urgent', 'high', null, 'low'])[t.urgency] end
            ]
        order by asked.place
    );
end $$;

-- The first p_enough of those, for which no more of the tickets are looked at than it takes, 500 at a time.
create or replace function _supportchat.first_that_fit(
    p_ids uuid[], p_enough integer, p_agent_id uuid, p_tags text[], p_states text[]
)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
    found_ones uuid[] := '{}';
begin
    for place in 1..cardinality(p_ids) by 500 loop
        found_ones := found_ones || _supportchat.tickets_that_fit(p_ids[place:place + 499], p_agent_id, p_tags, p_states);
        exit when cardinality(found_ones) >= p_enough;
    end loop;
    return found_ones[:p_enough];
end $$;

-- The tickets of a tag, or of a state, that are asked for, if there are no more than p_most of one of them; null if there are more.
-- Without sequential scans: the planner would read the table from its beginning, because few are asked for.
create or replace function _supportchat.few_tickets(p_agent_id uuid, p_tags text[], p_states text[], p_most integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
as $$
declare
    ids uuid[];
    asked text;
begin
    foreach asked in array p_tags loop
        ids := array(select ticket_id from public.ticket_tags where tag_id = any (asked::bigint[]) limit p_most + 1);
        if cardinality(ids) <= p_most then
            return array(select distinct id from unnest(ids) as id);
        end if;
    end loop;
    foreach asked in array p_states loop
        ids := case asked
            when 'snoozed' then array(select id from public.tickets where snoozed_until is not null limit p_most + 1)
            when 'spam' then array(select id from public.tickets where is_spam limit p_most + 1)
            when 'mine' then array(
                select id from public.tickets where status = 'open' and assigned_agent_id = p_agent_id limit p_most + 1
            )
            when 'unassigned' then array(select id from public.tickets where status = 'waiting' limit p_most + 1)
            when 'waiting' then array(
                select id from public.tickets where status <> 'closed' and awaiting_since is not null limit p_most + 1
            )
            when 'open' then array(
                (select id from public.tickets where status <> 'closed' and awaiting_since is not null limit p_most + 1)
                union all
                (select id from public.tickets where status <> 'closed' and awaiting_since is null limit p_most + 1)
            )
            when 'closed' then null
            else array(
                select id from public.tickets
                where status <> 'closed' and urgency <> 3 and urgency = array_position(array['urgent', 'high', '', 'low'], asked)
                limit p_most + 1
            )
        end;
        if cardinality(ids) <= p_most then
            return ids;
        end if;
    end loop;
    return null;
end $$;

-- How common each of the terms is in some slices: the share of their first lines, 512 altogether, that have it. Without statistics, too,
-- these lines are read in order of an index, and no others.
create or replace function _supportchat.shares_of(p_terms text[], p_slices bigint[])
returns real[]
language sql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
as $$
    with looked_at as materialized (
        select slice, l.words
        from unnest(p_slices) as slice
        cross join lateral (
            select words from public.search_lines where line_id >= slice << 16 and line_id < (slice + 1) << 16
            order by line_id limit 512 / cardinality(p_slices)
        ) as l
    ), asked as materialized (
        select slice, place, replace(term, '~', slice::text)::tsquery as query
        from unnest(p_slices) as slice cross join unnest(p_terms) with ordinality as every (term, place)
    ), shares as (
        select a.place, count(*) filter (where l.words @@ a.query)::real / count(*) as share
        from looked_at l join asked a on a.slice = l.slice
        group by a.place
    )
    select array(
        select coalesce(s.share, 0) from generate_subscripts(p_terms, 1) as turn (place)
        left join shares s on s.place = turn.place order by turn.place
    )
$$;

-- The newest lines that have all terms, p_enough of them, written in a span of time. It goes through the slices from the newest to
-- the oldest, so words that are common are found in the first ones, and those that are rare are looked up in all of them. Of common words
-- that seldom stand in one line it stops once it has read about as many entries of the index as p_work slices have lines. A
-- rare word is looked up by itself, whatever else is asked for. is_complete says whether there is no other line, and back_to how far
-- back all lines were found otherwise.
create or replace function _supportchat.newest_lines(
    p_terms text[], p_enough integer, p_before timestamptz default null, p_after timestamptz default null, p_work real default 6,
    out lines bigint[], out is_complete boolean, out back_to timestamptz
)
returns record
language plpgsql
set search_path = ''
set enable_seqscan = off
as $$
declare
    slices bigint[] := array(
        select slice from public.search_slices
        where first_at < coalesce(p_before, 'infinity') and last_at >= coalesce(p_after, '-infinity') order by slice desc
    );
    step bigint[] := slices[:1];
    seen integer := 0;
    left_over real := p_work;
    shares real[];
    rarest real;
    rare text[] := p_terms;
    others text[];
    -- Of each slice, in slices: what the index is to be read for, and what rows cost; to read one costs as much as twenty entries.
    entries real := 0;
    rows real := 0;
    more bigint[];
begin
    lines := '{}';
    while cardinality(step) > 0 and cardinality(lines) < p_enough and left_over > 0 loop
        if cardinality(p_terms) > 1 then
            shares := _supportchat.shares_of(p_terms, step);
            rarest := greatest((select min(share) from unnest(shares) as share), 0.002);
            rare := array(
                select term from unnest(p_terms, shares) as every (term, share) where share <= 10 * rarest order by share limit 4
            );
            others := nullif(array(select unnest(p_terms) except select unnest(rare)), '{}');
            entries := (select sum(share) from unnest(p_terms, shares) as every (term, share) where term = any (rare));
            rows := greatest(rows, case when others is null then 0 else 20 * rarest end);
            step := step[:greatest(1, floor(left_over / (entries + rows + 0.001)))::integer];
        end if;
        with asked as materialized (
            select _supportchat.query_of(rare, slice) as rare, _supportchat.query_of(others, slice) as others
            from unnest(step) as slice
        ), looked_at as materialized (
            select l.line_id, (asked.others is null or l.words @@ asked.others)
                and (p_before is null or l.created_at < p_before) and (p_after is null or l.created_at >= p_after) as fits
            from asked cross join public.search_lines l
            where l.words @@ asked.rare
        )
        -- In two parts: to give few lines in order, the planner would go through all of them.
        select array(select line_id from looked_at where fits order by line_id desc limit p_enough - cardinality(lines)),
            20.0 * count(*) / 65536 / cardinality(step)
        into more, rows
        from looked_at;
        lines := lines || more;
        left_over := left_over - cardinality(step) * (entries + rows);
        seen := seen + cardinality(step);
        step := slices[seen + 1:seen + least(seen + 1, case when cardinality(p_terms) > 1 then 32 else 4 end)];
    end loop;
    is_complete := seen >= cardinality(slices) and cardinality(lines) < p_enough;
    if cardinality(lines) >= p_enough then
        back_to := (select created_at from public.search_lines where line_id = lines[p_enough]);
    elsif not is_complete then
        back_to := (select max(last_at) from public.search_slices where slice < slices[seen]);
    end if;
end $$;

-- The same, of the lines of some conversations, each of which is looked at.
create or replace function _supportchat.lines_within(
    p_session_ids uuid[], p_terms text[], p_enough integer, p_before timestamptz default null, p_after timestamptz default null,
    out lines bigint[], out is_complete boolean
)
returns record
language sql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
as $$
    with looked_at as materialized (
        select l.line_id, l.line_id >> 16 as slice, l.words, l.created_at
        from unnest(p_session_ids) as own (id)
        cross join lateral (
            select * from public.search_lines where session_id = own.id order by seq desc, note_no desc limit 20000
        ) as l
        limit 20000
    ), asked as materialized (
        select slice, _supportchat.query_of(p_terms, slice) as query from (select distinct slice from looked_at) as every
    ), having_all as (
        select l.line_id from looked_at l join asked a on a.slice = l.slice
        where l.words @@ a.query and (p_before is null or l.created_at < p_before) and (p_after is null or l.created_at >= p_after)
        order by l.line_id desc limit p_enough
    )
    select array(select line_id from having_all order by line_id desc),
        (select count(*) from looked_at) < 20000 and (select count(*) from having_all) < p_enough
$$;

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

-- Of the newest 6,000 tickets those that fit, p_enough of them: of closed ones of those that were closed last. is_complete says whether
-- there is no other one.
create or replace function _supportchat.newest_tickets(
    p_agent_id uuid, p_tags text[], p_states text[], p_before timestamptz, p_after timestamptz, p_enough integer,
    out ids uuid[], out is_complete boolean
)
returns record
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    most constant integer := 6000;
    is_ever boolean := p_before is null and p_after is null;
    newest uuid[] := case
        when is_ever and 'spam' = any (p_states) then array(
            select id from public.tickets where is_spam order by closed_at desc limit most
        )
        when is_ever and 'closed' = any (p_states) then array(
            select id from public.tickets where status = 'closed' order by closed_at desc nulls last, number desc limit most
        )
        else array(
            select id from public.tickets
            where created_at < coalesce(p_before, 'infinity') and created_at >= coalesce(p_after, '-infinity')
            order by created_at desc, number desc limit most
        )
    end;
begin
    ids := _supportchat.first_that_fit(newest, p_enough, p_agent_id, p_tags, p_states);
    is_complete := cardinality(newest) < most and cardinality(ids) < p_enough;
end $$;

-- The newest tickets that are what a search asks for, p_enough of them. Where one of what is asked for is rare, all of those are looked
-- at; of somebody's the newest 1,000.
create or replace function _supportchat.tickets_found(
    p_agent_id uuid, p_tags text[], p_states text[], p_before timestamptz, p_after timestamptz, p_enough integer,
    p_few uuid[], p_authors uuid[] default null, p_customers uuid[] default null, out ids uuid[], out is_complete boolean
)
returns record
language plpgsql
stable
set search_path = ''
as $$
declare
    most constant integer := 1000;
    of_agents uuid[];
    newest uuid[];
begin
    if p_few is null and p_authors is null then
        select * into ids, is_complete
        from _supportchat.newest_tickets(p_agent_id, p_tags, p_states, p_before, p_after, p_enough);
        return;
    end if;
    is_complete := true;
    ids := p_few;
    if ids is null then
        of_agents := array(
            select t.id from unnest(p_authors) as agent_id
            cross join lateral (
                select id, assigned_at from public.tickets
                -- By the index; who was given one later is not looked for.
                where assigned_agent_id = agent_id and (p_before is null or assigned_at < p_before + interval '1 day')
                order by assigned_at desc limit most
            ) as t
            order by t.assigned_at desc limit most
        );
        is_complete := cardinality(of_agents) < most and p_before is null;
        ids := of_agents || array(
            select t.id from unnest(p_customers) as session (id) join public.tickets t on t.session_id = session.id
        );
    end if;
    newest := array(
        -- One by one: the planner would rather read a table of some thousand rows as a whole.
        select t.id from (select distinct id from unnest(ids) as id) as asked
        cross join lateral (select * from public.tickets where id = asked.id limit 1) as t
        where t.created_at < coalesce(p_before, 'infinity') and t.created_at >= coalesce(p_after, '-infinity')
            and (p_authors is null or t.assigned_agent_id = any (p_authors) or t.session_id = any (p_customers))
        order by t.created_at desc, t.number desc
    );
    ids := _supportchat.first_that_fit(newest, p_enough, p_agent_id, p_tags, p_states);
    is_complete := is_complete and cardinality(ids) < p_enough;
end $$;

-- The newest lines with all terms, p_enough of them: of some conversations (p_sessions), or of all; by some agents and by
-- some customers (p_customers, by their conversations), or by anybody.
create or replace function _supportchat.lines_found(
    p_terms text[], p_sessions uuid[], p_authors uuid[], p_customers uuid[], p_before timestamptz, p_after timestamptz, p_enough integer,
    out lines bigint[], out is_complete boolean, out back_to timestamptz
)
returns record
language plpgsql
set search_path = ''
as $$
declare
    by_agents text[];
    more record;
    own uuid[];
begin
    if p_authors is null then
        by_agents := p_terms;
    elsif cardinality(p_authors) > 0 then
        by_agents := p_terms || (
            select '(' || string_agg('~/' || _supportchat.author_word(id), ' | ') || ')' from unnest(p_authors) as id
        );
    end if;
    if by_agents is null then
        lines := '{}';
        is_complete := true;
    elsif p_sessions is null then
        select * into lines, is_complete, back_to from _supportchat.newest_lines(by_agents, p_enough, p_before, p_after);
    else
        select * into lines, is_complete from _supportchat.lines_within(p_sessions, by_agents, p_enough, p_before, p_after);
    end if;
    if cardinality(p_customers) > 0 then
        own := case when p_sessions is null then p_customers else array(
            select unnest(p_customers) intersect select unnest(p_sessions)
        ) end;
        -- No agent's, and not the line that says who the customer is.
        select * into more from _supportchat.lines_within(own, p_terms || '{!~/@:*, !~/=:*}'::text[], p_enough, p_before, p_after);
        lines := array(select line_id from unnest(lines || more.lines) as line_id order by line_id desc limit p_enough);
        is_complete := is_complete and more.is_complete;
    end if;
end $$;

-- The tickets that agents look for: by words of a message, of a note, of a tag, of who the customer is, or by the number, the
-- newest line first; without words by what else is asked for, the newest ticket first. p_author is who has written the line
-- ('me' for oneself), or without words who the customer or the agent is; p_tags and p_states see tickets_that_fit; p_before and p_after
-- are moments of the line, or of the ticket. Each with its last three lines that were found. 'is_complete' is whether that is all: 200
-- lines are looked for, at most, and among 1,000 where the tickets that are asked for are many; 'back_to' is how far back they were.
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
    few constant integer := 1000;
    terms text[] := _supportchat.terms_of(p_words);
    authors uuid[];
    customers uuid[];
    tags text[] := array(select _supportchat.tags_named(name)::text from unnest(p_tags[:5]) as name);
    tags_of_words bigint[];
    few_tickets uuid[];
    sessions uuid[];
    candidates integer := most + 1;
    got record;
    hits jsonb := '[]';
    shown uuid[];
    is_complete boolean := true;
    back_to timestamptz;
    state public.search_state;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    -- What was written a moment ago.
    select * into state from public.search_state for update skip locked;
    if state.only_row then
        perform _supportchat.index_new_lines(state, 100);
        if state.cursor is null then
            perform _supportchat.index_older_lines(100);
        end if;
    end if;
    if p_author = 'me' then
        authors := array[p_agent_id];
        customers := '{}';
    elsif p_author is not null then
        authors := array(
            select id from public.agents
            where _supportchat.folded(name)::tsvector @@ _supportchat.query_of(_supportchat.terms_of(p_author)) limit 10
        );
        select * into got from _supportchat.newest_lines(_supportchat.terms_of(p_author, '='), few);
        customers := array(
            select l.session_id from unnest(got.lines) as asked (line_id)
            cross join lateral (select session_id from public.search_lines where line_id = asked.line_id limit 1) as l
        );
        is_complete := got.is_complete and cardinality(authors) < 10;
    end if;
    if cardinality(tags) > 0 or cardinality(p_states) > 0 then
        few_tickets := _supportchat.few_tickets(p_agent_id, tags, p_states, few);
    end if;
    if terms is null and p_words ~ '\S' and p_author is null and p_before is null and p_after is null
        and cardinality(p_tags || p_states) = 0 then
        -- Words without a letter or a digit are in no ticket.
        select true as is_complete into got;
    elsif terms is null then
        select * into got from _supportchat.tickets_found(
            p_agent_id, tags, p_states, p_before, p_after, p_limit + 1, few_tickets, authors, customers
        );
        shown := got.ids;
    else
        -- By the number and by a tag only as a whole.
        if p_author is null then
            tags_of_words := _supportchat.tags_named(p_words);
            shown := _supportchat.tickets_that_fit(array(
                select id from public.tickets
                where p_words ~ '^\s*#?[0-9]{1,15}\s*$' and number = substring(p_words from '[0-9]{1,15}')::bigint
            ), p_agent_id, tags, p_states);
        end if;
        if cardinality(tags_of_words) > 0 then
            select * into got from _supportchat.tickets_found(
                p_agent_id, tags || tags_of_words::text, p_states, p_before, p_after, p_limit + 1,
                coalesce(few_tickets, _supportchat.few_tickets(p_agent_id, array[tags_of_words::text], '{}', few))
            );
            shown := shown || got.ids;
            is_complete := is_complete and got.is_complete;
        end if;
        if few_tickets is not null then
            sessions := array(
                select session_id from public.tickets
                where id = any (_supportchat.tickets_that_fit(few_tickets, p_agent_id, tags, p_states))
            );
        elsif cardinality(tags) > 0 or cardinality(p_states) > 0 then
            candidates := 1000;
        end if;
        select * into got from _supportchat.lines_found(terms, sessions, authors, customers, p_before, p_after, candidates);
        back_to := got.back_to;
        with found as materialized (
            select l.line_id, l.session_id, l.seq, l.note_no, t.id as ticket_id
            -- One by one: the planner would rather read a table of some thousand rows as a whole.
            from unnest(got.lines) as asked (line_id)
            cross join lateral (select * from public.search_lines where line_id = asked.line_id limit 1) as l
            cross join lateral (
                select id from public.tickets where session_id = l.session_id order by status = 'closed', number desc limit 1
            ) as t
        ), fitting as materialized (
            select unnest(_supportchat.tickets_that_fit(array(select distinct ticket_id from found), p_agent_id, tags, p_states)) as id
        )
        select coalesce(jsonb_agg(to_jsonb(hit) order by hit.line_id desc), '[]') into hits
        from (
            select found.* from found join fitting on fitting.id = found.ticket_id order by line_id desc limit most + 1
        ) as hit;
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
    end if;
    is_complete := is_complete and got.is_complete;
    return jsonb_build_object(
        'rows', _supportchat.queue_rows_json(shown[:p_limit]),
        'hits', (
            select coalesce(jsonb_object_agg(number, lines), '{}')
            from (
                select t.number, jsonb_agg(line order by turn) as lines
                from (
                    select hit, row_number() over (partition by hit ->> 'ticket_id' order by place) as turn
                    from jsonb_array_elements(hits) with ordinality as one (hit, place)
                ) as numbered
                join public.tickets t on t.id = (hit ->> 'ticket_id')::uuid
                cross join lateral _supportchat.hit_json(
                    (hit ->> 'session_id')::uuid, (hit ->> 'seq')::integer, (hit ->> 'note_no')::integer
                ) as line
                where turn <= 3 and t.id = any (shown[:p_limit]) and line is not null
                group by t.number
            ) as grouped
        ),
        'is_complete', is_complete and cardinality(shown) <= p_limit,
        'back_to', back_to
    );
end $$;

select _supportchat.record_script('functions/search.sql', '09171b4ede5b');

notify pgrst, 'reload schema';

commit;
