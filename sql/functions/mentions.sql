-- mentions.sql: who is named in a note with an @, and has to read it. Safe to run again.

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

-- The agents who can be mentioned, and how each is written: by the name, and where somebody else has the same one also with the
-- e-mail address behind it.
create or replace function _supportchat.mentionable_agents()
returns table (agent_id uuid, name text, written text, folded text, is_shared boolean)
language sql
stable
set search_path = ''
as $$
    with named as materialized (
        select a.id, a.name, a.email, f.folded, count(*) over (partition by f.folded) > 1 as is_shared
        from public.agents a
        cross join lateral (select _supportchat.folded(a.name) as folded) as f
        where a.is_active and f.folded <> ''
            and exists (select from public.role_rights r where r.role = a.role and r.right_name = 'answer')
    )
    select id, name, case when is_shared then name || ' (' || email || ')' else name end,
        case when is_shared then _supportchat.folded(name || ' ' || email) else folded end, is_shared
    from named
$$;

-- What follows each @ that begins a word, up to the end of its line: the first 20 of a text.
create or replace function _supportchat.mention_signs(p_text text)
returns table (rest text)
language plpgsql
immutable
set search_path = ''
as $$
declare
    place integer := 0;
    step integer;
    looked integer := 0;
    signs integer := 0;
    before text;
    line text;
begin
    loop
        step := strpos(substr(p_text, place + 1), '@');
        exit when step = 0 or signs = 20 or looked = 200;
        place := place + step;
        looked := looked + 1;
        before := substr(p_text, place - 1, case when place > 1 then 1 else 0 end);
        line := split_part(substr(p_text, place + 1, 400), E'\n', 1);
        continue when _supportchat.folded(left(line, 1)) = '';
        if _supportchat.folded(before) = '' or before ~ ('[' || _supportchat.dense_writing() || ']') then
            signs := signs + 1;
            rest := line;
            return next;
        end if;
    end loop;
end $$;

-- Who is mentioned in a text, 20 at most, and in which spellings. The longest name counts, whatever its case and accents, up to where
-- a word ends. A name that several have means each of them.
create or replace function _supportchat.mentions_in(p_text text)
returns table (agent_id uuid, written text[])
language sql
stable
set search_path = ''
as $$
    with signs as materialized (
        select row_number() over () as sign, rest from _supportchat.mention_signs(p_text)
    ), listed as materialized (
        select * from _supportchat.mentionable_agents() where exists (select from signs)
    ), known as materialized (
        select agent_id, written, folded from listed
        union
        select agent_id, name, _supportchat.folded(name) from listed where is_shared
    ), named as (
        -- The shortest text that reads as the name, before what ends its last word.
        select distinct on (signs.sign, known.agent_id) signs.sign, known.agent_id, known.folded, cut.length, signs.rest
        from signs
        cross join lateral generate_series(
            1, least(char_length(signs.rest), (select max(char_length(written)) + 16 from known))
        ) as cut (length)
        join known on known.folded = _supportchat.folded(left(signs.rest, cut.length))
        where _supportchat.folded(substr(signs.rest, cut.length + 1, 1)) = ''
            or substr(signs.rest, cut.length, 2) ~ ('[' || _supportchat.dense_writing() || ']')
        order by signs.sign, known.agent_id, char_length(known.folded) desc, cut.length
    ), longest as (
        select *, rank() over (partition by sign order by char_length(folded) desc) as place from named
    )
    select agent_id, array_agg(distinct '@' || left(rest, length) || coalesce(case
        when strpos(left(rest, length), '(') > 0 then substring(substr(rest, length + 1) from '^\)')
        else substring(substr(rest, length + 1) from '^[' || _supportchat.combining_marks() || ']+')
    end, ''))
    from longest
    where place = 1
    group by agent_id
    order by min(sign), agent_id
    limit 20
$$;

-- The agents who are mentioned in a note, and in which spellings.
create or replace function _supportchat.mentions_json(p_session_id uuid, p_note_no integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'agent', _supportchat.person_json(agent_id), 'written', written
    ) order by agent_id), '[]')
    from public.note_mentions where session_id = p_session_id and note_no = p_note_no
$$;

-- The tickets with notes that mention an agent, and that they have not read: the last active first, 100 at most.
create or replace function _supportchat.tickets_mentioning(p_agent_id uuid)
returns setof public.tickets
language sql
stable
set search_path = ''
as $$
    select t.*
    from (
        select distinct session_id from public.note_mentions where agent_id = p_agent_id and read_at is null
    ) as unread
    cross join lateral _supportchat.ticket_of_session(unread.session_id) as t
    where t.id is not null
    order by t.updated_at desc, t.number
    limit 100
$$;

-- Keeps who is mentioned in a new note, and tells them. Whoever mentions themselves is told nothing.
create or replace function _supportchat.mention_agents(p_note public.ticket_notes)
returns void
language plpgsql
set search_path = ''
as $$
declare
    others jsonb;
begin
    if strpos(p_note.note, '@') = 0 then
        return;
    end if;
    with mentioned as (
        insert into public.note_mentions (session_id, note_no, agent_id, written, read_at)
        select p_note.session_id, p_note.note_no, agent_id, written, case when agent_id = p_note.agent_id then now() end
        from _supportchat.mentions_in(p_note.note)
        returning agent_id, read_at
    )
    select jsonb_agg(agent_id order by agent_id) into others from mentioned where read_at is null;
    if others is not null then
        perform _supportchat.log_event(
            'mention.added', p_note.session_id, jsonb_build_object('note_no', p_note.note_no, 'agents', others),
            'agent', p_note.agent_id
        );
    end if;
end $$;

-- Notes that an agent has read the notes of a conversation that mention them, up to a number.
create or replace function _supportchat.end_mentions(p_agent_id uuid, p_session_id uuid, p_note_no integer)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.note_mentions set read_at = now()
    where session_id = p_session_id and agent_id = p_agent_id and note_no <= p_note_no and read_at is null;
    if found then
        perform _supportchat.log_event(
            'mention.read', p_session_id, jsonb_build_object('agents', jsonb_build_array(p_agent_id)), 'agent', p_agent_id
        );
    end if;
end $$;

-- Takes away the mentions of a conversation, and tells whoever was to read one.
create or replace function _supportchat.erase_mentions(p_session_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    unread jsonb;
begin
    with gone as (
        delete from public.note_mentions where session_id = p_session_id returning agent_id, read_at
    )
    select jsonb_agg(distinct agent_id) into unread from gone where read_at is null;
    if unread is not null then
        perform _supportchat.log_event('mention.read', p_session_id, jsonb_build_object('agents', unread));
    end if;
end $$;

-- Notes that an agent has read the notes of a ticket that mention them, up to a number.
create or replace function public.read_mentions(p_agent_id uuid, p_number bigint, p_note_no integer)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.end_mentions(p_agent_id, _supportchat.session_of_ticket(p_number), p_note_no);
end $$;

-- Colleagues who can be mentioned and whose name, or a word in it, begins with a text: who is here comes first. 'written' is what
-- stands behind the @; 'email' is there where somebody else has the same name.
create or replace function public.complete_mention(p_agent_id uuid, p_text text, p_limit integer default 8)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    wanted text := _supportchat.folded(left(p_text, 80));
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', id, 'name', name, 'email', email, 'picture', picture_key, 'here', here, 'written', written
        ) order by here desc, name, written), '[]')
        from (
            select a.id, a.name, m.written, a.picture_key, a.lease_expires_at > now() is true as here,
                case when m.is_shared then a.email end as email
            from _supportchat.mentionable_agents() as m
            join public.agents a on a.id = m.agent_id
            where a.id <> p_agent_id and (starts_with(m.folded, wanted) or strpos(m.folded, ' ' || wanted) > 0)
            order by here desc, a.name, m.written limit least(p_limit, 50)
        ) as found
    );
end $$;

select _supportchat.record_script('functions/mentions.sql', '6efed022487c');

notify pgrst, 'reload schema';

commit;
