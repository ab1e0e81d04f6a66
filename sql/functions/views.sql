-- views.sql: searches with a name. Safe to run again.

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

-- The views that an agent has, their own and everybody's, by name.
create or replace function public.list_views(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', v.view_id, 'name', v.name, 'query', v.query, 'is_shared', v.is_shared
        ) order by v.is_shared, lower(v.name), v.view_id), '[]')
        from public.desk_views v
        where v.is_shared or v.agent_id = p_agent_id
    );
end $$;

-- The view of an id that an agent may change: their own, or everybody's with the right 'curate'. PT404 when there is none.
create or replace function _supportchat.own_view(p_agent_id uuid, p_view_id uuid)
returns public.desk_views
language plpgsql
set search_path = ''
as $$
declare
    own public.desk_views;
begin
    select * into own from public.desk_views
    where view_id = p_view_id and (agent_id = p_agent_id or is_shared) for update;
    if not found then
        raise sqlstate 'PT404' using message = 'view_not_found';
    elsif own.is_shared then
        perform _supportchat.demand_right(p_agent_id, 'curate');
    end if;
    return own;
end $$;

-- Keeps a search under a name: as a new view, or (p_view_id) in the place of one. Everybody's takes the right 'curate'. PT422 without
-- a name, and when there are 50 already.
create or replace function public.save_view(
    p_agent_id uuid, p_name text, p_query text, p_is_shared boolean default false, p_view_id uuid default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    saved public.desk_views;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if p_is_shared then
        perform _supportchat.demand_right(p_agent_id, 'curate');
    end if;
    if btrim(p_name) = '' is not false then
        raise sqlstate 'PT422' using message = 'view_without_name';
    elsif char_length(p_name) > 60 or char_length(p_query) > 200 then
        raise sqlstate 'PT422' using message = 'view_too_long';
    end if;
    if p_view_id is not null then
        saved := _supportchat.own_view(p_agent_id, p_view_id);
    end if;
    if (
        select count(*) from public.desk_views
        where view_id is distinct from p_view_id and case when p_is_shared then is_shared else agent_id = p_agent_id and not is_shared end
    ) >= 50 then
        raise sqlstate 'PT422' using message = 'views_too_many';
    end if;
    if p_view_id is not null then
        -- One that is not everybody's any more belongs to who has said so, or it would vanish for them.
        update public.desk_views set
            name = btrim(p_name), query = p_query, is_shared = p_is_shared,
            agent_id = case when p_is_shared then agent_id else p_agent_id end
        where view_id = saved.view_id returning * into saved;
    else
        insert into public.desk_views (agent_id, name, query, is_shared) values (p_agent_id, btrim(p_name), p_query, p_is_shared)
        returning * into saved;
    end if;
    return jsonb_build_object('id', saved.view_id, 'name', saved.name, 'query', saved.query, 'is_shared', saved.is_shared);
end $$;

-- Deletes a view: one's own, or everybody's with the right 'curate'.
create or replace function public.delete_view(p_agent_id uuid, p_view_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    gone public.desk_views;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    gone := _supportchat.own_view(p_agent_id, p_view_id);
    delete from public.desk_views where view_id = gone.view_id;
    return jsonb_build_object('name', gone.name);
end $$;

select _supportchat.record_script('functions/views.sql', '2795cf1e9898');

notify pgrst, 'reload schema';

commit;
