-- drafts.sql: what agents have typed and not sent, for their own pages only. Safe to run again.

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

-- What an agent has typed and not sent, the newest first: so many, until their text comes to p_bytes. An empty one says that it
-- was sent or deleted, so that a page which still shows its text knows. saved_at is in microseconds.
create or replace function public.drafts_of_agent(p_agent_id uuid, p_limit integer default 50, p_bytes integer default 262144)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.demand_right(p_agent_id, 'answer');
    select coalesce(jsonb_agg(jsonb_build_object(
        'number', t.number, 'mode', d.mode, 'draft', d.draft, 'acts', d.acts, 'saved_at', (extract(epoch from d.saved_at) * 1000000)::bigint
    ) order by d.saved_at desc), '[]')
    from (
        select *, sum(octet_length(draft)) over (order by saved_at desc) - octet_length(draft) as bytes_before
        from public.ticket_drafts
        where agent_id = p_agent_id
        order by saved_at desc
        limit p_limit
    ) as d
    cross join lateral _supportchat.ticket_of_session(d.session_id) as t
    where d.bytes_before < p_bytes
$$;

-- Tells the pages of an agent that their drafts have changed, all but the page that says so. Nothing of it is in the log.
create or replace function _supportchat.tell_draft(p_agent_id uuid, p_page text default null)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(jsonb_build_object('event', 'draft.saved', 'agent_id', p_agent_id, 'page', p_page))
$$;

-- Of an earlier version, which kept only the text.
drop function if exists public.save_draft(uuid, bigint, text, text, text);

-- Keeps what an agent has typed and not sent in a ticket, as 'reply' or as 'note', and what is to happen to the ticket then (p_acts:
-- 'then', as in reply_and_act, and 'tags'); the last one to come stays. Gives the moment in microseconds. p_page names the page that
-- needs not be told.
create or replace function public.save_draft(
    p_agent_id uuid, p_number bigint, p_mode text, p_draft text, p_page text default null, p_acts jsonb default '{}'
)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    moment timestamptz;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    if p_mode not in ('reply', 'note') then
        raise sqlstate 'PT422' using message = 'not_understood';
    elsif char_length(p_draft) > _supportchat.longest_message() then
        raise sqlstate 'PT422' using message = 'message_too_long';
    end if;
    -- An erasure that runs at this moment would miss it.
    perform from public.user_sessions where session_id = chat and erased_at is null for share;
    if not found then
        raise sqlstate 'PT409' using message = 'ticket_erased';
    end if;
    insert into public.ticket_drafts as mine (agent_id, session_id, mode, draft, acts, saved_at)
    values (p_agent_id, chat, p_mode, p_draft, p_acts, clock_timestamp())
    on conflict (agent_id, session_id, mode) do update set
        draft = excluded.draft, acts = excluded.acts, saved_at = clock_timestamp()
    returning saved_at into moment;
    perform _supportchat.tell_draft(p_agent_id, p_page);
    return (extract(epoch from moment) * 1000000)::bigint;
end $$;

-- Empties an agent's draft when it has been sent. One that is no beginning of what was sent has been typed since.
create or replace function _supportchat.end_draft(p_agent_id uuid, p_session_id uuid, p_mode text, p_sent text)
returns void
language sql
set search_path = ''
as $$
    with ended as (
        update public.ticket_drafts set draft = '', acts = '{}', saved_at = clock_timestamp()
        where agent_id = p_agent_id and session_id = p_session_id and mode = p_mode
            and draft <> '' and starts_with(btrim(p_sent, E' \t\n'), btrim(draft, E' \t\n'))
        returning agent_id
    )
    select _supportchat.tell_draft(agent_id) from ended
$$;

select _supportchat.record_script('functions/drafts.sql', '45929c12674a');

notify pgrst, 'reload schema';

commit;
