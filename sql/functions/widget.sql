-- widget.sql: what the chat on another site's page needs: how much is unread, where the customer is, and the link that takes the
-- chat along into a window of its own. Safe to run again.

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

-- How many lines of agents a browser has not read in its newest chat, up to 100: none of a chat with another site.
create or replace function public.unread_of_visitor(p_visitor text, p_site text)
returns integer
language sql
stable
set search_path = ''
as $$
    select count(*)::integer
    from (
        select from public.user_sessions s
        cross join _supportchat.ticket_of_session(s.session_id) as t
        join public.chat_messages m on m.session_id = s.session_id and m.seq > s.customer_read_seq
        where s.session_id = _supportchat.session_of_visitor(p_visitor)
            and t.site_id = _supportchat.site_id_of(p_site) and m.sender = 'agent'
        limit 100
    ) as unread
$$;

-- Remembers where the customer of this browser is: 'pages', the last ones of their visit, the newest last, and 'referrer', where it
-- came from. Their addresses are cut by the caller, which knows what the site keeps of them.
create or replace function public.record_pages(p_visitor text, p_visit jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_viewer(p_visitor, null);
begin
    -- Against an erasure, after which nothing may be written.
    perform from public.user_sessions where session_id = chat and erased_at is null for share;
    if not found then
        return;
    end if;
    insert into public.customer_pages as kept (session_id, pages, referrer)
    values (chat, p_visit -> 'pages', p_visit ->> 'referrer')
    on conflict (session_id) do update set pages = excluded.pages, referrer = excluded.referrer, updated_at = now()
    where (kept.pages, kept.referrer) is distinct from (excluded.pages, excluded.referrer);
    if found then
        perform _supportchat.log_event('pages.changed', chat, '{}', 'customer');
    end if;
end $$;

-- Where the customer of a conversation is; null when that is not known.
create or replace function public.pages_of_session(p_session_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('pages', pages, 'referrer', referrer, 'updated_at', updated_at)
    from public.customer_pages where session_id = p_session_id
$$;

-- Makes the link, by the hash of its token, that takes the chat of a browser along into another window, for two minutes and in
-- place of an earlier one. p_sealed_key is the key of the browser, which only who has the token can read. PT404 when there is
-- no chat.
create or replace function public.make_handover(p_visitor text, p_token_hash text, p_sealed_key text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    visitor uuid := _supportchat.visitor_of(p_visitor);
begin
    perform from public.visitors where visitor_id = visitor for no key update;
    if _supportchat.newest_session(visitor) is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    end if;
    delete from public.one_time_links where visitor_id = visitor;
    insert into public.one_time_links (token_hash, purpose, expires_at, visitor_id, sealed_key)
    values (p_token_hash, 'handover', now() + interval '2 minutes', visitor, p_sealed_key);
end $$;

-- Which chat a link takes along, without using it up: null for one that take_handover would refuse.
create or replace function public.show_handover(p_token_hash text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('number', t.number, 'site', coalesce((select s.key from public.sites s where s.site_id = t.site_id), 'main'))
    from public.one_time_links l
    cross join _supportchat.ticket_of_session(_supportchat.newest_session(l.visitor_id)) as t
    where l.token_hash = p_token_hash and l.purpose = 'handover' and l.expires_at > now() and t.id is not null
$$;

-- Uses a link up: gives the sealed key, and the hashes of the keys that its customer's browsers have by now. PT404 for a link
-- that is used, too old, or never was one.
create or replace function public.take_handover(p_token_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links := _supportchat.take_link(p_token_hash, 'handover');
begin
    return jsonb_build_object(
        'sealed_key', link.sealed_key,
        'visitors', (
            select jsonb_agg(token_hash)
            from (
                select token_hash from public.visitors where visitor_id = link.visitor_id
                union all
                select token_hash from public.person_keys where visitor_id = link.visitor_id
            ) as theirs
        )
    );
end $$;

select _supportchat.record_script('functions/widget.sql', '5101002021fe');

notify pgrst, 'reload schema';

commit;
