-- sites.sql: the sites from which customers chat, each with its look and its words. Safe to run again.

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

-- How many sites there may be at once, archived ones not counted.
create or replace function _supportchat.most_sites()
returns integer
language sql
immutable
set search_path = ''
as $$
    select 50
$$;

-- A site, as pages and admins know it.
create or replace function _supportchat.site_json(p_site public.sites)
returns jsonb
language sql
immutable
set search_path = ''
as $$
    select to_jsonb(p_site) - array['site_id', 'logo_path', 'created_at'] || jsonb_build_object('logo', p_site.logo_path)
$$;

-- The id of the site with a key; of the main one, when there is no such site or it is archived.
create or replace function _supportchat.site_id_of(p_key text)
returns bigint
language sql
stable
set search_path = ''
as $$
    select coalesce((select site_id from public.sites where key = p_key and archived_at is null), 1)
$$;

-- What agents call the site of a ticket: null while there is only one, which goes without saying.
create or replace function _supportchat.site_label(p_site_id bigint)
returns text
language sql
stable
set search_path = ''
as $$
    select s.name from public.sites s
    where s.site_id = p_site_id
        and (p_site_id <> 1 or exists (select from public.sites o where o.site_id <> 1 and o.archived_at is null))
$$;

-- The sites that are not archived, the main one first. Each server process keeps them for two seconds.
create or replace function public.sites_in_use()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_agg(_supportchat.site_json(s) order by s.site_id <> 1, lower(s.name), s.site_id)
    from public.sites s where s.archived_at is null
$$;

-- All sites, for those who manage them: the main one first, archived ones last.
create or replace function public.list_sites(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    return (
        select jsonb_agg(
            _supportchat.site_json(s) order by s.archived_at nulls first, s.site_id <> 1, lower(s.name), s.site_id
        )
        from public.sites s
    );
end $$;

-- Locks a site for a change by an agent. PT404 when there is none with this key.
create or replace function _supportchat.lock_site(p_agent_id uuid, p_key text)
returns public.sites
language plpgsql
set search_path = ''
as $$
declare
    site public.sites;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    select * into site from public.sites where key = p_key for update;
    if not found then
        raise sqlstate 'PT404' using message = 'site_not_found';
    end if;
    return site;
end $$;

-- Tells every server process that a site has changed.
create or replace function _supportchat.tell_site(p_agent_id uuid, p_key text)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.log_event('site.changed', null, jsonb_build_object('site', p_key), 'agent', p_agent_id)
$$;

-- Refuses one site more than there may be: PT409.
create or replace function _supportchat.demand_room_for_site()
returns void
language plpgsql
set search_path = ''
as $$
begin
    -- One at a time: two who add the last one would not see each other's.
    perform from public.sites where site_id = 1 for update;
    if (select count(*) from public.sites where archived_at is null) >= _supportchat.most_sites() then
        raise sqlstate 'PT409' using message = 'sites_too_many', detail = _supportchat.most_sites()::text;
    end if;
end $$;

-- Adds a site. Its key stands in addresses, and never changes. PT409 when another one has it.
create or replace function public.add_site(p_agent_id uuid, p_key text, p_name text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    site public.sites;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    perform _supportchat.demand_room_for_site();
    insert into public.sites (key, name) values (p_key, p_name) on conflict (key) do nothing returning * into site;
    if not found then
        raise sqlstate 'PT409' using message = 'site_key_taken', detail = p_key;
    end if;
    perform _supportchat.audit('site.added', p_agent_id, jsonb_build_object('site', p_key));
    perform _supportchat.tell_site(p_agent_id, p_key);
    return _supportchat.site_json(site);
end $$;

-- Changes what is given of a site, by the names of its columns. PT422 for anything else.
create or replace function public.change_site(p_agent_id uuid, p_key text, p_values jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    site public.sites := _supportchat.lock_site(p_agent_id, p_key);
    wanted public.sites;
    changed jsonb;
begin
    if jsonb_typeof(p_values) is distinct from 'object' or p_values - array[
        'name', 'colour', 'greeting', 'show_faces', 'show_reply_time', 'language', 'allowed_origins', 'follow_pages', 'kept_parameters'
    ] <> '{}' then
        raise sqlstate 'PT422' using message = 'setting_unknown';
    end if;
    wanted := jsonb_populate_record(site, p_values);
    changed := (
        select jsonb_agg(given.key order by given.key) from jsonb_each(to_jsonb(wanted)) as given
        where given.value <> to_jsonb(site) -> given.key
    );
    if changed is null then
        return _supportchat.site_json(site);
    end if;
    update public.sites set
        name = wanted.name, colour = wanted.colour, greeting = wanted.greeting, show_faces = wanted.show_faces,
        show_reply_time = wanted.show_reply_time, language = wanted.language, allowed_origins = wanted.allowed_origins,
        follow_pages = wanted.follow_pages, kept_parameters = wanted.kept_parameters
    where site_id = site.site_id;
    perform _supportchat.audit('site.changed', p_agent_id, jsonb_build_object('site', p_key, 'changed', changed));
    perform _supportchat.tell_site(p_agent_id, p_key);
    return _supportchat.site_json(wanted);
end $$;

-- Gives a site another logo, by the key of the stored object; null for none. Returns the key of the former one, which nothing
-- needs any more.
create or replace function public.change_logo(p_agent_id uuid, p_key text, p_logo text)
returns text
language plpgsql
set search_path = ''
as $$
declare
    site public.sites := _supportchat.lock_site(p_agent_id, p_key);
begin
    if p_logo is distinct from site.logo_path then
        update public.sites set logo_path = p_logo where site_id = site.site_id;
        perform _supportchat.audit('site.changed', p_agent_id, jsonb_build_object('site', p_key, 'changed', '["logo"]'::jsonb));
        perform _supportchat.tell_site(p_agent_id, p_key);
    end if;
    return site.logo_path;
end $$;

-- Puts a site away, or (p_archived false) takes it up again. Its address shows the main one meanwhile; its tickets stay as they
-- are. The main one cannot be put away: PT409.
create or replace function public.archive_site(p_agent_id uuid, p_key text, p_archived boolean default true)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    site public.sites := _supportchat.lock_site(p_agent_id, p_key);
begin
    if p_archived and site.site_id = 1 then
        raise sqlstate 'PT409' using message = 'main_site_stays';
    elsif p_archived is distinct from (site.archived_at is not null) then
        if not p_archived then
            perform _supportchat.demand_room_for_site();
        end if;
        update public.sites set archived_at = case when p_archived then now() end
        where site_id = site.site_id returning * into site;
        if p_archived then
            perform _supportchat.audit('site.archived', p_agent_id, jsonb_build_object('site', p_key));
        else
            perform _supportchat.audit('site.restored', p_agent_id, jsonb_build_object('site', p_key));
        end if;
        perform _supportchat.tell_site(p_agent_id, p_key);
    end if;
    return _supportchat.site_json(site);
end $$;

select _supportchat.record_script('functions/sites.sql', '8a1f6d927544');

notify pgrst, 'reload schema';

commit;
