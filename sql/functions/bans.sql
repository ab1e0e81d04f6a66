-- bans.sql: who may not write to the desk for a time: a browser, or whoever comes from a network. Safe to run again.
-- A ban for good has no end: 'infinity'. Whoever makes or ends one locks the browser first, then takes the assignment lock, as
-- start_chat does.

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

-- Refuses to start a chat for a browser, or a network, that is banned: PT403.
create or replace function _supportchat.refuse_banned(p_visitor text, p_address text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if exists (select from public.visitors where visitor_id = _supportchat.visitor_of(p_visitor) and banned_until > now())
        or exists (select from public.bans where network = p_address and expires_at > now()) then
        raise sqlstate 'PT403' using message = 'banned';
    end if;
end $$;

-- Refuses a message in a chat that came from a network which is banned: PT403.
create or replace function _supportchat.refuse_network_of(p_session_id uuid)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if exists (
        select from public.user_sessions s
        join public.bans b on b.network = s.address
        where s.session_id = p_session_id and b.expires_at > now()
    ) then
        raise sqlstate 'PT403' using message = 'banned';
    end if;
end $$;

-- Locks the browser of a ticket, for whoever is about to ban it or to end its ban.
create or replace function _supportchat.lock_browser_of_ticket(p_number bigint)
returns void
language sql
set search_path = ''
as $$
    select from public.visitors v
    join public.user_sessions s on s.visitor_id = v.visitor_id
    join public.tickets t on t.session_id = s.session_id
    where t.number = p_number
    for no key update of v
$$;

-- Has the browser's row say until when it is banned, after its ban was made or ended, and the pages of customers and agents look
-- again: of a network at most 200 that are open.
create or replace function _supportchat.apply_ban(p_ban public.bans)
returns void
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    ticket public.tickets;
begin
    update public.visitors set banned_until = (select expires_at from public.bans where visitor_id = p_ban.visitor_id)
    where visitor_id = p_ban.visitor_id;
    for chat in
        select touched.session_id
        from (
            select p_ban.session_id
            union
            select _supportchat.newest_session(p_ban.visitor_id)
            union
            (
                select s.session_id from public.customers_here c
                join public.user_sessions s on s.session_id = c.session_id
                where s.address = p_ban.network limit 200
            )
        ) as touched
        where exists (select from public.tickets t where t.session_id = touched.session_id)
        order by touched.session_id
    loop
        ticket := _supportchat.lock_ticket(chat);
        update public.tickets set version = version + 1 where id = ticket.id;
    end loop;
end $$;

-- Bans the browser or the network of a ticket's customer, in place of an earlier ban of the same. PT409 when it is not known. The
-- caller holds the locks.
create or replace function _supportchat.make_ban(
    p_ticket public.tickets, p_agent_id uuid, p_what text, p_until timestamptz, p_reason text, p_is_spam boolean default false
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    made public.bans;
begin
    select case p_what when 'browser' then visitor_id end, case p_what when 'network' then address end
    into made.visitor_id, made.network
    from public.user_sessions where session_id = p_ticket.session_id;
    if made.visitor_id is null and made.network is null then
        raise sqlstate 'PT409' using message = 'nothing_to_ban';
    end if;
    delete from public.bans
    where visitor_id = made.visitor_id or network = made.network or expires_at < now();
    insert into public.bans (visitor_id, network, session_id, is_spam, reason, created_by, expires_at)
    values (made.visitor_id, made.network, p_ticket.session_id, p_is_spam, p_reason, p_agent_id, p_until)
    returning * into made;
    perform _supportchat.apply_ban(made);
    perform _supportchat.record_event(p_ticket, 'banned', 'agent', p_agent_id, jsonb_build_object(
        'what', p_what, 'until', case when isfinite(p_until) then p_until end
    ));
    perform _supportchat.audit('ban.made', p_agent_id, jsonb_build_object(
        'ban', made.id, 'what', p_what, 'ticket', p_ticket.number, 'until', case when isfinite(p_until) then p_until end
    ));
end $$;

-- Ends a ban. The caller holds the locks.
create or replace function _supportchat.lift_ban(p_ban public.bans, p_agent_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.ticket_of_session(p_ban.session_id);
    what text := case when p_ban.network is null then 'browser' else 'network' end;
begin
    delete from public.bans where id = p_ban.id;
    perform _supportchat.apply_ban(p_ban);
    if ticket.id is not null then
        perform _supportchat.record_event(ticket, 'unbanned', 'agent', p_agent_id, jsonb_build_object('what', what));
    end if;
    perform _supportchat.audit('ban.ended', p_agent_id, jsonb_build_object(
        'ban', p_ban.id, 'what', what, 'ticket', ticket.number
    ));
end $$;

-- Bans the customer of a ticket: their browser, or everybody in their network, for so many days (null: for good).
create or replace function public.ban_customer(
    p_agent_id uuid, p_number bigint, p_what text, p_days integer default null, p_reason text default ''
)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.lock_browser_of_ticket(p_number);
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'ban');
    if p_days not between 1 and 3650 or p_what in ('browser', 'network') is not true then
        raise sqlstate 'PT422' using message = 'value_refused';
    end if;
    perform _supportchat.make_ban(
        _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number)), p_agent_id, p_what,
        coalesce(now() + make_interval(days => p_days), 'infinity'), coalesce(p_reason, '')
    );
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Ends a ban. Nothing happens when it has ended already.
create or replace function public.end_ban(p_agent_id uuid, p_ban_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    ban public.bans;
begin
    perform from public.visitors where visitor_id = (select visitor_id from public.bans where id = p_ban_id) for no key update;
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'ban');
    select * into ban from public.bans where id = p_ban_id;
    if found then
        perform _supportchat.lift_ban(ban, p_agent_id);
    end if;
end $$;

-- A ban as those know it who may end it.
create or replace function _supportchat.ban_json(p_ban public.bans)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', p_ban.id,
        'what', case when p_ban.network is null then 'browser' else 'network' end,
        'network', p_ban.network,
        'number', (_supportchat.ticket_of_session(p_ban.session_id)).number,
        'customer_name', (
            select coalesce(p.name, s.customer_name) from public.user_sessions s
            left join public.persons p on p.visitor_id = s.visitor_id
            where s.session_id = p_ban.session_id
        ),
        'is_spam', p_ban.is_spam,
        'reason', p_ban.reason,
        'by', _supportchat.person_json(p_ban.created_by),
        'created_at', p_ban.created_at,
        'expires_at', case when isfinite(p_ban.expires_at) then p_ban.expires_at end
    )
$$;

-- The bans that last, the latest 200; the tickets that were closed as spam last, and how many were within 30 days, up to 1,000.
create or replace function public.list_bans(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'ban');
    return jsonb_build_object(
        'bans', (
            select coalesce(jsonb_agg(_supportchat.ban_json(latest) order by latest.created_at desc, latest.id), '[]')
            from (select * from public.bans where expires_at > now() order by created_at desc, id limit 200) as latest
        ),
        'count', (select count(*) from public.bans where expires_at > now()),
        'spam', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'number', latest.number, 'closed_at', latest.closed_at, 'customer_name', s.customer_name
            ) order by latest.closed_at desc, latest.number), '[]')
            from (select * from public.tickets where is_spam order by closed_at desc limit 20) as latest
            join public.user_sessions s on s.session_id = latest.session_id
        ),
        'spam_count', (
            select count(*)
            from (select from public.tickets where is_spam and closed_at > now() - interval '30 days' limit 1000) as counted
        ),
        'holds_links', _supportchat.setting('hold_links') = '"on"'
    );
end $$;

select _supportchat.record_script('functions/bans.sql', '3aee56bae5c4');

notify pgrst, 'reload schema';

commit;
