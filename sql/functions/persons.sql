-- persons.sql: who customers are, as their site has said it by a signed token. Safe to run again.
-- The server has checked the token. Whoever identifies takes one lock for the person, then the browsers by their ids, then the
-- assignment lock, then conversations, as start_chat does.

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

-- Whose browser a key belongs to: that of an unknown customer, or one of a person's. Null for a key that nobody has.
create or replace function _supportchat.visitor_of(p_visitor text)
returns uuid
language sql
stable
set search_path = ''
as $$
    select visitor_id from public.visitors where token_hash = p_visitor
    union all
    select visitor_id from public.person_keys where token_hash = p_visitor
$$;

-- A hash of a key that nobody has.
create or replace function _supportchat.no_key()
returns text
language sql
volatile
set search_path = ''
as $$
    select encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid(), 'UTF8')), 'hex')
$$;

-- Whom agents see behind a conversation's browser; null for somebody whom no site has named.
create or replace function _supportchat.person_of_visitor(p_visitor_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'sub', p.sub, 'name', p.name, 'email', p.email, 'attributes', p.attributes, 'verified_at', p.verified_at, 'site', s.key
    )
    from public.persons p
    join public.sites s on s.site_id = p.site_id
    where p.visitor_id = p_visitor_id
$$;

-- Tells every server process to close the sockets of a browser: its key is another one now, or none.
create or replace function _supportchat.end_key(p_token_hash text)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.log_event('session.revoked', null, jsonb_build_object('token_hash', p_token_hash), 'customer')
$$;

-- What a site demands of a token, with its secrets; null when it names nobody. For the server alone.
create or replace function public.identity_rules(p_site text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'method', i.method, 'algorithm', i.algorithm, 'issuer', i.issuer, 'keys_url', i.keys_url, 'audience', i.audience,
        'longest_minutes', i.longest_minutes,
        'secrets', (
            select coalesce(jsonb_agg(secret order by created_at desc), '[]') from public.site_secrets where site_id = i.site_id
        )
    )
    from public.site_identity i
    join public.sites s on s.site_id = i.site_id
    where s.key = p_site and s.archived_at is null and i.method <> 'off'
$$;

-- How a site says who its customers are, for those who manage it. Of its secrets only when they were made and by whom.
create or replace function public.show_identity(p_agent_id uuid, p_key text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    return (
        select jsonb_build_object(
            'site', s.key, 'is_new', i.site_id is null, 'method', coalesce(i.method, 'off'), 'algorithm', coalesce(i.algorithm, 'ES256'),
            'issuer', i.issuer, 'keys_url', i.keys_url, 'audience', i.audience,
            'longest_minutes', coalesce(i.longest_minutes, 60), 'shows_card', coalesce(i.shows_card, s.site_id = 1),
            'secrets', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'id', k.id, 'created_at', k.created_at, 'by', _supportchat.person_json(k.created_by)
                ) order by k.created_at), '[]')
                from public.site_secrets k where k.site_id = s.site_id
            )
        )
        from public.sites s
        left join public.site_identity i on i.site_id = s.site_id
        where s.key = p_key
    );
end $$;

-- Changes how a site says who its customers are, by the names of the columns. PT422 for anything else.
create or replace function public.change_identity(p_agent_id uuid, p_key text, p_values jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    site public.sites := _supportchat.lock_site(p_agent_id, p_key);
    former public.site_identity;
    wanted public.site_identity;
    changed jsonb;
begin
    if jsonb_typeof(p_values) is distinct from 'object' or p_values - array[
        'method', 'algorithm', 'issuer', 'keys_url', 'audience', 'longest_minutes', 'shows_card'
    ] <> '{}' then
        raise sqlstate 'PT422' using message = 'setting_unknown';
    end if;
    insert into public.site_identity (site_id, shows_card) values (site.site_id, site.site_id = 1) on conflict do nothing;
    select * into former from public.site_identity where site_id = site.site_id;
    wanted := jsonb_populate_record(former, p_values);
    changed := (
        select jsonb_agg(given.key order by given.key) from jsonb_each(to_jsonb(wanted)) as given
        where given.value <> to_jsonb(former) -> given.key
    );
    if changed is null then
        return;
    end if;
    update public.site_identity set
        method = wanted.method, algorithm = wanted.algorithm, issuer = wanted.issuer, keys_url = wanted.keys_url,
        audience = wanted.audience, longest_minutes = wanted.longest_minutes, shows_card = wanted.shows_card
    where site_id = site.site_id;
    perform _supportchat.audit('site.identity_changed', p_agent_id, jsonb_build_object('site', p_key, 'changed', changed));
end $$;

-- Gives a site another secret to sign with. PT409 when it has two.
create or replace function public.add_site_secret(p_agent_id uuid, p_key text, p_secret text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    site public.sites := _supportchat.lock_site(p_agent_id, p_key);
begin
    if (select count(*) from public.site_secrets where site_id = site.site_id) >= 2 then
        raise sqlstate 'PT409' using message = 'secrets_too_many';
    end if;
    insert into public.site_secrets (site_id, secret, created_by) values (site.site_id, p_secret, p_agent_id);
    perform _supportchat.audit('site.secret_made', p_agent_id, jsonb_build_object('site', p_key));
end $$;

-- Takes a secret away: what it has signed counts no more. Nothing happens when it is gone already.
create or replace function public.delete_site_secret(p_agent_id uuid, p_key text, p_secret_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    site public.sites := _supportchat.lock_site(p_agent_id, p_key);
begin
    delete from public.site_secrets where id = p_secret_id and site_id = site.site_id;
    if found then
        perform _supportchat.audit('site.secret_deleted', p_agent_id, jsonb_build_object('site', p_key));
    end if;
end $$;

-- Locks two browsers, in the order of their ids. Either may be null.
create or replace function _supportchat.lock_visitors(p_one uuid, p_other uuid)
returns void
language sql
set search_path = ''
as $$
    select from public.visitors where visitor_id in (p_one, p_other) order by visitor_id for update
$$;

-- Gives the chats of a browser to the person whose browser it is, and its ban, if it has one that ends later. The browser's row
-- goes. The caller holds the locks.
create or replace function _supportchat.join_visitor(p_from uuid, p_to uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.user_sessions set visitor_id = p_to where visitor_id = p_from;
    delete from public.bans b
    using public.bans other
    where (b.visitor_id, other.visitor_id) in ((p_from, p_to), (p_to, p_from))
        and (b.expires_at, b.visitor_id = p_to) < (other.expires_at, other.visitor_id = p_to);
    update public.bans set visitor_id = p_to where visitor_id = p_from;
    update public.visitors set banned_until = (select expires_at from public.bans where visitor_id = p_to)
    where visitor_id = p_to;
    delete from public.visitors where visitor_id = p_from;
end $$;

-- Notes in the history of a person's tickets that they have been named, or (p_joined false) only has the desk look again. Of
-- those that are open and the newest one, up to 20.
create or replace function _supportchat.tell_identified(p_session_ids uuid[], p_joined boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    ticket public.tickets;
begin
    for chat in
        select s.session_id from public.user_sessions s
        where s.session_id = any (p_session_ids) and exists (select from public.tickets t where t.session_id = s.session_id)
        order by s.created_at desc limit 20
    loop
        ticket := _supportchat.lock_ticket(chat);
        if ticket.erased_at is null and (p_joined or ticket.status <> 'closed') then
            if p_joined then
                perform _supportchat.record_event(ticket, 'identified', 'customer');
            end if;
            update public.tickets set version = version + 1 where id = ticket.id;
        end if;
    end loop;
end $$;

-- Says that a browser is that of a person, whom their site has named by its sub. The chats of an unknown browser become the
-- person's, in this transaction, and the browser chats under p_fresh from now on: whoever has given it the key that it had reads
-- nothing. A browser of somebody else's is asked first: PT409, until p_replaces says so; their chats stay theirs.
-- 'visitor' is the key that counts from now on; 'has_chat' says whether it has a chat, 'moved' whether the key is a new one.
create or replace function public.identify_customer(
    p_visitor text, p_fresh text, p_site text, p_sub text, p_name text default null, p_email text default null,
    p_attributes jsonb default '{}', p_replaces boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    site bigint := (select site_id from public.sites where key = p_site and archived_at is null);
    browser uuid;
    person public.persons;
    former public.persons;
    is_known boolean;
    ended text;
    chats uuid[] := '{}';
begin
    if site is null then
        raise sqlstate 'PT404' using message = 'site_not_found';
    end if;
    -- Two browsers of the same person, or one twice, wait for each other here.
    perform pg_advisory_xact_lock(hashtextextended('person/' || site || '/' || p_sub, 0));
    browser := _supportchat.visitor_of(p_visitor);
    perform _supportchat.lock_visitors(browser, (select visitor_id from public.persons where site_id = site and sub = p_sub));
    perform _supportchat.lock_assignment();
    -- What both are now, as they may have been erased, or have gone elsewhere, meanwhile.
    browser := _supportchat.visitor_of(p_visitor);
    is_known := browser is not null;
    select * into person from public.persons where site_id = site and sub = p_sub;
    former := person;

    if exists (select from public.persons where visitor_id = browser and person_id is distinct from person.person_id) then
        if not p_replaces then
            raise sqlstate 'PT409' using message = 'other_person_here';
        end if;
        delete from public.person_keys where token_hash = p_visitor;
        browser := null;
    end if;
    if person.person_id is null then
        if browser is null then
            insert into public.visitors (token_hash) values (_supportchat.no_key()) returning visitor_id into person.visitor_id;
        else
            update public.visitors set token_hash = _supportchat.no_key() where visitor_id = browser;
            person.visitor_id := browser;
        end if;
        insert into public.persons (site_id, sub, visitor_id) values (site, p_sub, person.visitor_id) returning * into person;
    end if;
    if browser is not null and former.visitor_id is distinct from browser then
        chats := array(select session_id from public.user_sessions where visitor_id = browser);
        if browser <> person.visitor_id then
            perform _supportchat.join_visitor(browser, person.visitor_id);
        end if;
    end if;

    update public.persons set name = p_name, email = p_email, attributes = p_attributes, verified_at = now()
    where person_id = person.person_id returning * into person;
    if browser is not null and browser = former.visitor_id then
        update public.person_keys set seen_at = now() where token_hash = p_visitor and seen_at < now() - interval '1 day';
    else
        insert into public.person_keys (token_hash, visitor_id) values (p_fresh, person.visitor_id) on conflict do nothing;
        -- The newest 20: browsers that forget their cookies leave others behind.
        for ended in
            delete from public.person_keys where token_hash in (
                select token_hash from public.person_keys where visitor_id = person.visitor_id order by seen_at desc, token_hash offset 20
            )
            returning token_hash
        loop
            perform _supportchat.end_key(ended);
        end loop;
        if is_known then
            perform _supportchat.end_key(p_visitor);
        end if;
    end if;
    perform _supportchat.tell_identified(chats, p_joined => true);
    if (former.name, former.email, former.attributes) is distinct from (person.name, person.email, person.attributes) then
        perform _supportchat.tell_identified(array(
            select session_id from public.user_sessions
            where visitor_id = person.visitor_id and session_id <> all (chats) order by created_at desc limit 20
        ), p_joined => false);
    end if;
    return jsonb_build_object(
        'moved', former.visitor_id is null or browser is distinct from former.visitor_id,
        'has_chat', _supportchat.newest_session(person.visitor_id) is not null
    );
end $$;

-- Ends the key of a browser: whoever has it reads nothing any more, and its pages are closed. The chats stay, a person's with the
-- person.
create or replace function public.end_visit(p_visitor text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    delete from public.person_keys where token_hash = p_visitor;
    if not found then
        update public.visitors set token_hash = _supportchat.no_key() where token_hash = p_visitor;
    end if;
    if found then
        perform _supportchat.end_key(p_visitor);
    end if;
end $$;

-- What runs as supportchat.support_card, for /status; null when there is none. 'reads_only': its owner may write to no table, and it
-- runs as its owner. 'is_open': everybody in the database may run it.
create or replace function public.check_card()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'owner', owner.rolname,
        'reads_only', p.prosecdef and not owner.rolsuper and not exists (
            select from pg_catalog.pg_class c
            join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
                and has_table_privilege(owner.oid, c.oid, 'insert, update, delete, truncate')
        ),
        'is_open', exists (
            select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as granted
            where granted.grantee = 0
        ) and exists (
            select from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as granted
            where granted.grantee = 0 and granted.privilege_type = 'USAGE'
        )
    )
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    join pg_catalog.pg_roles owner on owner.oid = p.proowner
    where n.nspname = 'supportchat' and p.proname = 'support_card' and pg_catalog.oidvectortypes(p.proargtypes) = 'text'
$$;

-- What the shop's own tables tell of a ticket's customer: the answer of supportchat.support_card, which only ever gets the sub of a
-- person whom their site has named. Null when there is no such person or function, or the site shows no card. 'error' says what
-- was wrong: 'slow', 'large', 'closed' (the desk may not run it) or 'failed'. Nothing can be written meanwhile, and nothing that it
-- sets stays. 'card' is the text of the answer, for the server to read: not every reader takes what jsonb may hold.
create or replace function public.customer_card(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
set statement_timeout = '500ms'
as $$
declare
    ref text;
    card text;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    select p.sub into ref from public.tickets t
    join public.user_sessions s on s.session_id = t.session_id
    join public.persons p on p.visitor_id = s.visitor_id
    join public.site_identity i on i.site_id = p.site_id
    where t.session_id = _supportchat.session_of_ticket(p_number) and i.shows_card;
    if ref is null or public.check_card() is null then
        return null;
    end if;
    perform set_config('transaction_read_only', 'on', true);
    begin
        card := supportchat.support_card(ref)::text;
        -- Takes back whatever it has set: others get the connection next. Variables keep their value.
        raise sqlstate 'SC003';
    exception
        when sqlstate 'SC003' then
            null;
        when query_canceled then
            return '{"card": null, "error": "slow"}';
        when insufficient_privilege then
            return '{"card": null, "error": "closed"}';
        when others then
            return '{"card": null, "error": "failed"}';
    end;
    if octet_length(card) > 16384 then
        return '{"card": null, "error": "large"}';
    end if;
    return jsonb_build_object('card', card, 'error', null);
end $$;

select _supportchat.record_script('functions/persons.sql', 'fe0c25f32e67');

notify pgrst, 'reload schema';

commit;
