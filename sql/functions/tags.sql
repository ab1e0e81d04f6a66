-- tags.sql: the tags of the desk and of tickets, and how urgent a ticket is. Safe to run again.

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

-- The tags of a ticket, by their names.
create or replace function _supportchat.tags_of_ticket(p_ticket_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object('id', t.tag_id, 'name', t.name) order by t.folded, t.tag_id), '[]')
    from public.ticket_tags own join public.desk_tags t on t.tag_id = own.tag_id
    where own.ticket_id = p_ticket_id
$$;

-- A name for a tag as it is kept: without a leading '#', with single spaces. PT422 when nothing is left, or it is longer than 40.
create or replace function _supportchat.tag_name(p_name text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
    name text := btrim(regexp_replace(ltrim(left(p_name, 200), '# '), '\s+', ' ', 'g'));
begin
    if char_length(name) > 40 then
        raise sqlstate 'PT422' using message = 'tag_too_long';
    elsif _supportchat.folded(name) = '' is not false then
        raise sqlstate 'PT422' using message = 'tag_empty';
    end if;
    return name;
end $$;

-- The tag of a name, made if there is none. PT422 when there are 1,000 already.
create or replace function _supportchat.tag_of_name(p_name text)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
    wanted text := _supportchat.tag_name(p_name);
    found_id bigint;
begin
    loop
        select tag_id into found_id from public.desk_tags where folded = _supportchat.folded(wanted);
        exit when found;
        if (select count(*) from public.desk_tags) >= 1000 then
            raise sqlstate 'PT422' using message = 'tags_too_many';
        end if;
        insert into public.desk_tags (name, folded) values (wanted, _supportchat.folded(wanted)) on conflict (folded) do nothing;
    end loop;
    return found_id;
end $$;

-- The tags of some names, made where there are none: in one order, and before anything is locked, so that no two who make the same
-- ones wait for each other in a circle.
create or replace function _supportchat.tags_of_names(p_names text[])
returns bigint[]
language plpgsql
set search_path = ''
as $$
declare
    name text;
    wanted bigint[] := '{}';
begin
    for name in select given from unnest(p_names) as given order by _supportchat.folded(_supportchat.tag_name(given)) loop
        wanted := wanted || _supportchat.tag_of_name(name);
    end loop;
    return wanted;
end $$;

-- Gives a ticket tags by their names, and takes some away by their ids; 'changed' says whether that made a difference. PT422 for more
-- than 20 at once, or on one ticket.
create or replace function public.tag_ticket(
    p_agent_id uuid, p_number bigint, p_add text[] default '{}', p_remove bigint[] default '{}'
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    ticket public.tickets;
    wanted bigint[];
    added bigint[];
    removed bigint[];
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if cardinality(p_add) > 20 then
        raise sqlstate 'PT422' using message = 'ticket_tags_too_many';
    end if;
    chat := _supportchat.session_of_ticket(p_number);
    wanted := _supportchat.tags_of_names(p_add);
    ticket := _supportchat.lock_ticket(chat);
    perform _supportchat.check_kept(ticket);
    with gone as (
        delete from public.ticket_tags where ticket_id = ticket.id and tag_id = any (p_remove) and tag_id <> all (wanted) returning tag_id
    )
    select array(select tag_id from gone) into removed;
    with new as (
        insert into public.ticket_tags (ticket_id, tag_id) select distinct ticket.id, id from unnest(wanted) as id
        on conflict do nothing returning tag_id
    )
    select array(select tag_id from new) into added;
    if (select count(*) from public.ticket_tags where ticket_id = ticket.id) > 20 then
        raise sqlstate 'PT422' using message = 'ticket_tags_too_many';
    end if;
    if cardinality(added || removed) > 0 then
        update public.tickets set version = version + 1 where id = ticket.id;
        perform _supportchat.record_event(
            ticket, 'tagged', 'agent', p_agent_id, jsonb_build_object('added', added, 'removed', removed)
        );
    end if;
    return public.ticket_of_agent(p_agent_id, p_number) || jsonb_build_object('changed', cardinality(added || removed) > 0);
end $$;

-- Tags whose name, or a word in it, begins with a text, for whoever types one: the most used come first.
create or replace function public.complete_tag(p_agent_id uuid, p_text text, p_limit integer default 8)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    wanted text := _supportchat.folded(left(p_text, 40));
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select coalesce(jsonb_agg(jsonb_build_object('id', tag_id, 'name', name) order by used desc, folded), '[]')
        from (
            select t.tag_id, t.name, t.folded, (
                -- So many that the order shows, and no more: a tag may be on each ticket.
                select count(*) from (select from public.ticket_tags own where own.tag_id = t.tag_id limit 100) as counted
            ) as used
            from public.desk_tags t
            where starts_with(t.folded, wanted) or strpos(t.folded, ' ' || wanted) > 0
            order by used desc, t.folded limit least(p_limit, 50)
        ) as found
    );
end $$;

-- Every tag, with the number of its tickets: 101 stands for more.
create or replace function public.list_tags(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', t.tag_id, 'name', t.name, 'tickets', (
                select count(*) from (select from public.ticket_tags own where own.tag_id = t.tag_id limit 101) as counted
            )
        ) order by t.folded), '[]')
        from public.desk_tags t
    );
end $$;

-- Gives a tag another name. Where another tag has that name already, the two become one: its tickets get that one. PT404 when there
-- is none of this id.
create or replace function public.rename_tag(p_agent_id uuid, p_tag_id bigint, p_name text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    wanted text := _supportchat.tag_name(p_name);
    other bigint;
begin
    perform _supportchat.demand_right(p_agent_id, 'curate');
    -- One at a time, or two could be merged into each other.
    perform from public.desk_tags where tag_id = p_tag_id or folded = _supportchat.folded(wanted) order by tag_id for update;
    if not exists (select from public.desk_tags where tag_id = p_tag_id) then
        raise sqlstate 'PT404' using message = 'tag_not_found';
    end if;
    select tag_id into other from public.desk_tags where folded = _supportchat.folded(wanted) and tag_id <> p_tag_id;
    if found then
        insert into public.ticket_tags (ticket_id, tag_id)
        select ticket_id, other from public.ticket_tags where tag_id = p_tag_id
        on conflict do nothing;
        delete from public.desk_tags where tag_id = p_tag_id;
    else
        update public.desk_tags set name = wanted, folded = _supportchat.folded(wanted) where tag_id = p_tag_id;
    end if;
    perform _supportchat.log_event('tag.changed', null, jsonb_build_object('tag', p_tag_id), 'agent', p_agent_id);
    return jsonb_build_object('name', wanted, 'merged', other is not null);
end $$;

-- Deletes a tag, which takes it from its tickets. PT404 when there is none of this id.
create or replace function public.delete_tag(p_agent_id uuid, p_tag_id bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    former text;
begin
    perform _supportchat.demand_right(p_agent_id, 'curate');
    delete from public.desk_tags where tag_id = p_tag_id returning name into former;
    if not found then
        raise sqlstate 'PT404' using message = 'tag_not_found';
    end if;
    perform _supportchat.log_event('tag.changed', null, jsonb_build_object('tag', p_tag_id), 'agent', p_agent_id);
    return jsonb_build_object('name', former);
end $$;

-- Says how soon somebody is to see to a ticket: 1 urgent, 2 high, 3 normal, 4 low. It moves the ticket in the line, and in the queues
-- of agents. PT422 for any other, PT409 for a closed one.
create or replace function public.set_priority(p_agent_id uuid, p_number bigint, p_priority integer)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if p_priority between 1 and 4 is not true then
        raise sqlstate 'PT422' using message = 'not_understood';
    end if;
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif ticket.urgency <> p_priority then
        update public.tickets set urgency = p_priority where id = ticket.id;
        perform _supportchat.record_event(
            ticket, 'prioritised', 'agent', p_agent_id, jsonb_build_object('priority', p_priority, 'before', ticket.urgency)
        );
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select _supportchat.record_script('functions/tags.sql', 'f5295ebf78c1');

notify pgrst, 'reload schema';

commit;
