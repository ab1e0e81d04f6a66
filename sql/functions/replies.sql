-- replies.sql: replies that agents have saved, their own and everybody's. Safe to run again.

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

-- How many replies everybody may share, and each agent may have besides.
create or replace function _supportchat.most_replies(p_owner_id uuid)
returns integer
language sql
immutable
set search_path = ''
as $$
    select case when p_owner_id is null then 500 else 200 end
$$;

-- A saved reply as its list shows it, with how often an agent has used it.
create or replace function _supportchat.reply_json(p_row public.saved_replies, p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', p_row.id, 'name', p_row.name, 'message', p_row.message, 'is_shared', p_row.owner_id is null,
        'close_after', p_row.close_after, 'snooze', p_row.snooze, 'tags', to_jsonb(p_row.tags), 'has_picture', p_row.picture_key is not null,
        'uses', coalesce((select uses from public.saved_reply_uses u where u.reply_id = p_row.id and u.agent_id = p_agent_id), 0)
    )
$$;

-- The replies that an agent can use: everybody's, and then their own, by name.
create or replace function public.list_replies(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select coalesce(
            jsonb_agg(_supportchat.reply_json(r, p_agent_id) order by r.owner_id is not null, lower(r.name), r.id), '[]'
        )
        from public.saved_replies r where r.owner_id is null or r.owner_id = p_agent_id
    );
end $$;

-- The replies with all of some words in their name or text, those first that the agent has used most, and what a ticket fills
-- them with.
create or replace function public.replies_for_ticket(
    p_agent_id uuid, p_number bigint, p_words text[] default '{}', p_limit integer default 8
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    return (
        select jsonb_build_object(
            'number', t.number,
            'customer_name', coalesce(p.name, s.customer_name),
            'desk_name', coalesce(site.name, main.name),
            'replies', (
                select coalesce(jsonb_agg(found.reply order by found.place), '[]')
                from (
                    select
                        _supportchat.reply_json(r, p_agent_id) as reply,
                        row_number() over (
                            order by
                                coalesce(starts_with(lower(r.name), lower(p_words[1])), true) desc, u.uses desc nulls last,
                                lower(r.name), r.id
                        ) as place
                    from public.saved_replies r
                    left join public.saved_reply_uses u on u.reply_id = r.id and u.agent_id = p_agent_id
                    where (r.owner_id is null or r.owner_id = p_agent_id)
                        and not exists (
                            select from unnest(p_words) as word
                            where strpos(lower(r.name), lower(word)) = 0 and strpos(lower(r.message), lower(word)) = 0
                        )
                    order by place
                    limit p_limit
                ) as found
            )
        )
        from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        left join public.persons p on p.visitor_id = s.visitor_id
        left join public.sites site on site.site_id = t.site_id
        left join public.sites main on main.site_id = 1
        where t.number = p_number and t.session_id = chat
    );
end $$;

-- Locks a saved reply for a change by an agent: their own, or everybody's with the right to manage those. PT404 when there is none.
create or replace function _supportchat.lock_reply(p_agent_id uuid, p_reply_id uuid)
returns public.saved_replies
language plpgsql
set search_path = ''
as $$
declare
    reply public.saved_replies;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    select * into reply from public.saved_replies
    where id = p_reply_id and (owner_id is null or owner_id = p_agent_id)
    for update;
    if not found then
        raise sqlstate 'PT404' using message = 'reply_not_found';
    elsif reply.owner_id is null then
        perform _supportchat.demand_right(p_agent_id, 'curate');
    end if;
    return reply;
end $$;

-- Refuses more replies than there may be: PT409.
create or replace function _supportchat.demand_room_for_replies(p_owner_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if (select count(*) from public.saved_replies where owner_id is not distinct from p_owner_id)
        > _supportchat.most_replies(p_owner_id) then
        raise sqlstate 'PT409' using message = 'replies_too_many', detail = _supportchat.most_replies(p_owner_id)::text;
    end if;
end $$;

-- Refuses a text that cannot be saved: PT422.
create or replace function _supportchat.check_reply(p_row public.saved_replies)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    if p_row.name is null or char_length(p_row.name) not between 1 and 80 then
        raise sqlstate 'PT422' using message = 'reply_name_refused';
    end if;
    perform _supportchat.check_message(p_row.message, p_row.picture_key is not null);
end $$;

-- Saves a reply, or (p_reply_id) changes what is given of one: name, message, is_shared, close_after, snooze, tags, and picture,
-- null for none.
-- Returns it, with the key of a picture that nothing needs any more. PT409 when another one has this name.
create or replace function public.save_reply(p_agent_id uuid, p_values jsonb, p_reply_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    former public.saved_replies;
    wanted public.saved_replies;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if jsonb_typeof(p_values) is distinct from 'object'
        or p_values - array['name', 'message', 'is_shared', 'close_after', 'snooze', 'tags', 'picture'] <> '{}' then
        raise sqlstate 'PT422' using message = 'value_refused';
    end if;
    if p_reply_id is null then
        former.owner_id := p_agent_id;
        former.message := '';
        former.close_after := false;
        former.tags := '{}';
    else
        former := _supportchat.lock_reply(p_agent_id, p_reply_id);
    end if;
    wanted := jsonb_populate_record(former, p_values - array['is_shared', 'picture']);
    wanted.message := coalesce(wanted.message, '');
    wanted.close_after := coalesce(wanted.close_after, false);
    if cardinality(wanted.tags) > 20 then
        raise sqlstate 'PT422' using message = 'ticket_tags_too_many';
    end if;
    wanted.tags := array(
        select distinct _supportchat.tag_name(tag) from unnest(wanted.tags) as tag order by 1
    );
    if p_values ? 'is_shared' then
        wanted.owner_id := case when (p_values ->> 'is_shared')::boolean then null else p_agent_id end;
    end if;
    if p_values ? 'picture' then
        wanted.picture_key := p_values #>> '{picture,key}';
        wanted.picture_type := p_values #>> '{picture,content_type}';
        wanted.picture_bytes := (p_values #>> '{picture,bytes}')::integer;
    end if;
    if wanted.owner_id is null then
        perform _supportchat.demand_right(p_agent_id, 'curate');
    end if;
    perform _supportchat.check_reply(wanted);
    begin
        if p_reply_id is null then
            insert into public.saved_replies (
                owner_id, name, message, close_after, snooze, tags, picture_key, picture_type, picture_bytes
            )
            values (
                wanted.owner_id, wanted.name, wanted.message, wanted.close_after, wanted.snooze, wanted.tags,
                wanted.picture_key, wanted.picture_type, wanted.picture_bytes
            )
            returning * into wanted;
        else
            update public.saved_replies set
                owner_id = wanted.owner_id, name = wanted.name, message = wanted.message, close_after = wanted.close_after,
                snooze = wanted.snooze, tags = wanted.tags, picture_key = wanted.picture_key, picture_type = wanted.picture_type, picture_bytes = wanted.picture_bytes,
                updated_at = now()
            where id = p_reply_id returning * into wanted;
        end if;
    exception when unique_violation then
        raise sqlstate 'PT409' using message = 'reply_name_taken', detail = wanted.name;
    end;
    perform _supportchat.demand_room_for_replies(wanted.owner_id);
    -- Who has changed what everybody uses is in the audit log.
    if p_reply_id is null and wanted.owner_id is null then
        perform _supportchat.audit('reply.added', p_agent_id, jsonb_build_object('reply', wanted.id));
    elsif p_reply_id is not null and (former.owner_id is null or wanted.owner_id is null) then
        perform _supportchat.audit('reply.changed', p_agent_id, jsonb_build_object('reply', wanted.id));
    end if;
    return jsonb_build_object(
        'reply', _supportchat.reply_json(wanted, p_agent_id),
        'unneeded', case when former.picture_key is distinct from wanted.picture_key then former.picture_key end
    );
end $$;

-- Deletes a saved reply, and gives the key of its picture, which nothing needs any more.
create or replace function public.delete_reply(p_agent_id uuid, p_reply_id uuid)
returns text
language plpgsql
set search_path = ''
as $$
declare
    reply public.saved_replies := _supportchat.lock_reply(p_agent_id, p_reply_id);
begin
    delete from public.saved_replies where id = reply.id;
    if reply.owner_id is null then
        perform _supportchat.audit('reply.deleted', p_agent_id, jsonb_build_object('reply', reply.id));
    end if;
    return reply.picture_key;
end $$;

-- Saves a list of replies (name, message, close_after), all or none, everybody's or one's own. One with the name of another takes
-- its place. Returns how many are new, and how many took the place of another.
create or replace function public.import_replies(p_agent_id uuid, p_rows jsonb, p_shared boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    owner uuid := case when p_shared then null else p_agent_id end;
    asked jsonb;
    wanted public.saved_replies;
    added integer := 0;
    changed integer := 0;
begin
    perform _supportchat.demand_right(p_agent_id, case when p_shared then 'curate' else 'answer' end);
    for asked in select value from jsonb_array_elements(p_rows) loop
        wanted := null;
        wanted.name := asked ->> 'name';
        wanted.message := coalesce(asked ->> 'message', '');
        wanted.close_after := coalesce((asked ->> 'close_after')::boolean, false);
        perform _supportchat.check_reply(wanted);
        update public.saved_replies set
            name = wanted.name, message = wanted.message, close_after = wanted.close_after,
            snooze = case when not wanted.close_after then snooze end, updated_at = now()
        where owner_id is not distinct from owner and lower(name) = lower(wanted.name);
        if found then
            changed := changed + 1;
        else
            insert into public.saved_replies (owner_id, name, message, close_after)
            values (owner, wanted.name, wanted.message, wanted.close_after);
            added := added + 1;
        end if;
    end loop;
    perform _supportchat.demand_room_for_replies(owner);
    if p_shared and added + changed > 0 then
        perform _supportchat.audit('replies.imported', p_agent_id, jsonb_build_object('replies', added + changed));
    end if;
    return jsonb_build_object('added', added, 'changed', changed);
end $$;

-- Counts that an agent has used a reply.
create or replace function public.use_reply(p_agent_id uuid, p_reply_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    insert into public.saved_reply_uses (reply_id, agent_id)
    select id, p_agent_id from public.saved_replies
    where id = p_reply_id and (owner_id is null or owner_id = p_agent_id)
    on conflict (reply_id, agent_id) do update set uses = saved_reply_uses.uses + 1;
end $$;

-- Where the bytes of the picture of a reply lie, for an agent who can use it.
create or replace function public.picture_of_reply(p_agent_id uuid, p_reply_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select jsonb_build_object('key', picture_key, 'content_type', picture_type, 'bytes', picture_bytes)
        from public.saved_replies
        where id = p_reply_id and picture_key is not null and (owner_id is null or owner_id = p_agent_id)
    );
end $$;

-- Of an earlier version, which held no reply.
drop function if exists public.reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamptz, text[], integer);

-- Replies to a ticket, and then gives it tags, and closes it (p_then 'close') or snoozes it (any other p_then, the choice of when;
-- until p_until, null: the customer's next message): all in one transaction. A repeated client_message_id gives the first answer
-- again, and does nothing else: the customer may have written since. 'went' is what close_ticket or snooze_ticket gives, if there is
-- any. p_seen, p_may_hold and p_held_at: as in post_reply; a ticket whose customer has written while the reply was held stays open.
create or replace function public.reply_and_act(
    p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_message text, p_image jsonb default null,
    p_then text default null, p_until timestamptz default null, p_tags text[] default '{}', p_seen integer default null,
    p_may_hold boolean default null, p_held_at integer default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    acts jsonb := jsonb_strip_nulls(jsonb_build_object('then', p_then, 'until', p_until)) || case
        when cardinality(p_tags) > 0 then jsonb_build_object('tags', p_tags) else '{}'
    end;
    answer jsonb;
    went jsonb;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.tags_of_names(p_tags);
    perform _supportchat.lock_assignment();
    answer := public.post_reply(
        p_agent_id, p_number, p_client_message_id, p_message, p_image, p_seen, p_may_hold, acts, p_held_at
    );
    if not (answer ->> 'duplicate')::boolean and answer -> 'messages' <> '[]' then
        if cardinality(p_tags) > 0 then
            perform public.tag_ticket(p_agent_id, p_number, p_tags);
        end if;
        if p_held_at is not null and exists (
            select from public.tickets where number = p_number and awaiting_since is not null
        ) then
            went := null;
        elsif p_then = 'close' then
            went := public.close_ticket(p_agent_id, p_number);
        elsif p_then is not null then
            went := public.snooze_ticket(p_agent_id, p_number, p_until);
        end if;
    end if;
    return answer || jsonb_build_object('went', went);
end $$;

select _supportchat.record_script('functions/replies.sql', 'df5c0512fd21');

notify pgrst, 'reload schema';

commit;
