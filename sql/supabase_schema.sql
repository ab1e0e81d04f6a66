-- supabase_schema.sql creates every table of supportchat.
-- Run it first; it is safe to run again. A database that an older version left behind is brought up to date: what is
-- missing is added, and where a value has to change, the old one stays in the column "legacy" of the row, or in a
-- column "legacy_..." beside the new one. No row is deleted.
-- Foreign keys follow in fix_foreign_keys.sql, channel and is_anonymous in fix_user_sessions_columns.sql.
-- Written by bin/migrate stamp from the files in sql/schema: change it there.

begin;

-- Looks whether what has our names is ours, and stops if not: see docs/sql.md. Written by bin/migrate stamp.
do $look$
declare
    tables text[] := '{
        schema_scripts, visitors, agents, sites, site_identity, site_secrets, persons, person_keys, user_sessions,
        chat_messages, tickets, agent_credentials, recovery_codes, agent_sessions, pending_logins, agent_identities,
        provider_flows, agent_browsers, desk_settings, role_rights, one_time_links, audit_log, bans, saved_replies,
        saved_reply_uses, refused_logins, chat_images, customer_pages, erasures, erasure_files, desk_tags, ticket_tags,
        search_lines, search_slices, search_state, desk_views, ticket_transitions, events, ticket_notes, note_mentions,
        ticket_reads, ticket_drafts, held_replies, alert_choices, agent_devices, agent_alerts, agent_pushes,
        desk_push_keys, event_readers, server_processes, customers_here, heartbeat, throttle_buckets
    }';
    indexes text[] := '{
        visitors_token_hash_key, sites_key_key, site_secrets_site_id_idx, persons_sub_key, persons_visitor_id_key,
        persons_verified_at_idx, person_keys_visitor_id_idx, person_keys_seen_at_idx, agents_email_key,
        user_sessions_visitor_id_idx, user_sessions_created_at_idx, chat_messages_seq_key, chat_messages_client_key,
        chat_messages_created_at_idx, chat_messages_of_agent_idx, chat_messages_with_image_idx, tickets_number_key,
        tickets_of_session_idx, tickets_assigned_agent_id_idx, tickets_waiting_idx, tickets_open_of_agent_idx,
        tickets_unanswered_idx, tickets_answered_idx, tickets_closed_idx, tickets_closed_of_agent_idx, tickets_line_idx,
        tickets_raised_idx, tickets_raised_answered_idx, tickets_snoozed_idx, tickets_woken_idx, desk_tags_folded_key,
        ticket_tags_tag_id_idx, search_lines_place_key, search_lines_words_idx, desk_views_agent_id_idx,
        desk_views_shared_idx, tickets_spam_idx, tickets_given_back_by_idx, tickets_first_reply_idx,
        tickets_created_at_idx, tickets_to_erase_idx, agent_sessions_agent_id_idx, agent_sessions_created_at_idx,
        pending_logins_agent_id_idx, pending_logins_created_at_idx, agent_identities_agent_id_key,
        provider_flows_created_at_idx, provider_flows_address_idx, one_time_links_id_key, one_time_links_invited_key,
        one_time_links_agent_id_idx, one_time_links_visitor_id_idx, customer_pages_updated_at_idx,
        user_sessions_address_idx, bans_visitor_id_key, bans_network_key, bans_session_id_idx, saved_replies_name_key,
        saved_replies_shared_name_key, saved_replies_picture_key_key, saved_reply_uses_agent_id_idx,
        audit_log_created_at_idx, audit_log_kind_idx, audit_log_agent_id_idx, audit_log_person_idx,
        refused_logins_began_at_idx, chat_images_storage_key_key, chat_images_session_id_idx, erasures_created_at_idx,
        erasure_files_erasure_id_idx, erasure_files_tried_at_idx, events_transaction_idx, events_of_ticket_idx,
        events_created_at_idx, customers_here_process_id_idx, ticket_notes_note_no_key, ticket_notes_client_key,
        ticket_notes_agent_id_idx, note_mentions_agent_id_idx, note_mentions_unread_idx, ticket_reads_session_id_idx,
        ticket_drafts_session_id_idx, ticket_drafts_saved_at_idx, held_replies_agent_id_idx, held_replies_due_at_idx,
        held_replies_held_at_idx, held_replies_image_idx, agent_devices_endpoint_key, agent_devices_agent_id_idx,
        agent_alerts_session_id_idx, agent_alerts_passes_at_idx, agent_pushes_device_id_key,
        agent_pushes_session_id_idx, agent_pushes_due_at_idx, agent_pushes_created_at_idx, throttle_buckets_full_at_idx
    }';
    functions text[] := regexp_split_to_array(btrim('
        orphan_rows(text); list_audit(uuid, text[], uuid, bigint, integer, boolean); note_audit_export(uuid, text);
        events_after(text, integer); send_ping(text); send_heartbeat(double precision); database_epoch();
        show_settings(uuid); change_settings(uuid, jsonb); sites_in_use(); list_sites(uuid); add_site(uuid, text, text);
        change_site(uuid, text, jsonb); change_logo(uuid, text, text); archive_site(uuid, text, boolean);
        identity_rules(text); show_identity(uuid, text); change_identity(uuid, text, jsonb);
        add_site_secret(uuid, text, text); delete_site_secret(uuid, text, uuid);
        identify_customer(text, text, text, text, text, text, jsonb, boolean); end_visit(text); check_card();
        customer_card(uuid, bigint); messages_after(uuid, integer, integer, integer);
        messages_before(uuid, integer, integer, integer);
        report_process(uuid, integer, uuid[], uuid[], text[], double precision, boolean, boolean); forget_process(uuid);
        tag_ticket(uuid, bigint, text[], bigint[]); complete_tag(uuid, text, integer); list_tags(uuid);
        rename_tag(uuid, bigint, text); delete_tag(uuid, bigint); set_priority(uuid, bigint, integer);
        sweep_assignment(); ban_customer(uuid, bigint, text, integer, text); end_ban(uuid, uuid); list_bans(uuid);
        release_ticket(uuid, bigint); mark_spam(uuid, bigint); conversations(uuid[]); waiting_line();
        conversation_of_visitor(text); join_conversation(text, bigint, uuid, integer, integer);
        signal_typing(text, uuid, bigint); signal_looks(uuid, jsonb);
        record_receipt(integer, integer, text, uuid, bigint, text); record_receipts(jsonb);
        read_mentions(uuid, bigint, integer); complete_mention(uuid, text, integer);
        post_message(text, uuid, uuid, text, jsonb);
        start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text, text, text);
        name_customer(text, uuid, text); close_chat(text, uuid); who_is_here(text, text);
        image_of_session(uuid, text, bigint); orphan_images(text[]); drafts_of_agent(uuid, integer, integer);
        save_draft(uuid, bigint, text, text, text, jsonb); release_replies(uuid); take_back_reply(uuid, bigint, uuid);
        forget_reply(uuid, bigint, uuid); held_replies(uuid, bigint); picture_of_held(uuid, bigint, uuid);
        queue_changes(uuid[], uuid[]); queue_counts(); list_tickets(uuid, text, integer); set_queue_order(uuid, text);
        ticket_of_agent(uuid, bigint); show_ticket(uuid, bigint, integer, integer);
        follow_ticket(uuid, bigint, integer, integer);
        post_reply(uuid, bigint, uuid, text, jsonb, integer, boolean, jsonb, integer);
        assign_ticket(uuid, bigint, uuid, uuid); unassign_ticket(uuid, bigint); close_ticket(uuid, bigint);
        reopen_ticket(uuid, bigint, boolean); add_note(uuid, bigint, uuid, text);
        notes_after(uuid, integer, integer, integer, integer, integer);
        snooze_ticket(uuid, bigint, timestamp with time zone); unsnooze_ticket(uuid, bigint); index_lines(integer);
        search_tickets(uuid, text, text, text[], text[], timestamp with time zone, timestamp with time zone, integer);
        list_views(uuid); save_view(uuid, text, text, boolean, uuid); delete_view(uuid, uuid);
        change_tickets(uuid, bigint[], text, text); undo_tickets(uuid, text, jsonb); list_replies(uuid);
        replies_for_ticket(uuid, bigint, text[], integer); save_reply(uuid, jsonb, uuid); delete_reply(uuid, uuid);
        import_replies(uuid, jsonb, boolean); use_reply(uuid, uuid); picture_of_reply(uuid, uuid);
        reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamp with time zone, text[], integer, boolean, integer);
        create_agent(text, text, text, text, integer, boolean); set_availability(uuid, text); set_language(uuid, text);
        set_keys(uuid, boolean); list_agents(); reset_password(text, text, boolean);
        begin_login(text, text, text, jsonb); refuse_login(text, text, text);
        open_agent_session(uuid, text, text, text, text, text, text, text, text, text); agent_of_session(text);
        close_agent_session(text); begin_code(uuid, text, jsonb); use_code(uuid, text, bigint, text);
        pending_login(text, text); finish_login(text, text, text, text, bigint, text, text);
        turn_on_two_factor(uuid, text, bigint, text[], text); replace_recovery_codes(uuid, text[], text);
        turn_off_two_factor(uuid, text); remove_two_factor(uuid, uuid); account(uuid, text, text);
        change_name(uuid, text); change_picture(uuid, text); is_open_picture(text);
        end_agent_sessions(uuid, text, uuid); change_password(uuid, text, text, text); list_people(uuid);
        invite_person(uuid, text, text, text, integer); renew_invitation(uuid, uuid, text);
        make_password_link(uuid, uuid, text); withdraw_link(uuid, uuid); change_person(uuid, uuid, text, text, integer);
        disable_person(uuid, uuid); enable_person(uuid, uuid); close_demo_accounts(); show_link(text);
        offer_setup(text, text); set_up(text, text, text, text); accept_invitation(text, text, text);
        use_password_link(text, text); unread_of_visitor(text, text); record_pages(text, jsonb); pages_of_session(uuid);
        make_handover(text, text, text); show_handover(text); take_handover(text);
        begin_provider_flow(text, text, text, text, text, text, text, text, text, text, jsonb, text);
        take_provider_flow(text, text); agent_of_identity(text, text, text, jsonb);
        accept_invitation_by_identity(text, text, text, text, text); connect_identity(uuid, text, text, text);
        disconnect_identity(uuid, text, text); advance_alerts(); take_pushes(integer); note_pushes(jsonb);
        push_arrived(uuid); push_keys(text, text); show_alerts(uuid); change_alerts(uuid, jsonb);
        add_device(uuid, text, text, text, text, text, text, text, boolean); delete_device(uuid, uuid);
        test_device(uuid, uuid); check_alerts(); export_customer(uuid, bigint, boolean); preview_erasure(uuid, bigint);
        erase_customer(uuid, bigint, boolean); show_privacy(uuid, uuid, integer); take_erasure_files(integer);
        note_erased_files(text[]); preview_retention(uuid, integer); erase_old_chats(integer); forget_old_data();
        find_exposures(text[]); check_table(text); desk_figures(); stuck_tickets(); verify_chat();
        missing_functions(text[]); applied_scripts(); messages_after(uuid, integer, integer);
        messages_before(uuid, integer, integer); report_process(uuid, integer, uuid[], text[], boolean);
        conversation_heads(uuid[]); signal_typing(uuid, text, uuid); record_receipt(uuid, text, integer, integer, uuid);
        start_chat(text, uuid, text, jsonb, text, text, text);
        start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb);
        start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text);
        start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text, text); close_chat(text); who_is_here();
        image_of_session(uuid, uuid); save_draft(uuid, bigint, text, text, text); desk_fingerprint();
        session_of_ticket(bigint); post_reply(uuid, bigint, uuid, text, jsonb);
        post_reply(uuid, bigint, uuid, text, jsonb, integer); reopen_ticket(uuid, bigint);
        notes_after(uuid, integer, integer);
        reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamptz, text[], integer);
        create_agent(text, text, text, text, integer); reset_password(text, text); refuse_login(text, text);
        open_agent_session(uuid, text); open_agent_session(uuid, text, text);
        open_agent_session(uuid, text, text, text, text, text);
        open_agent_session(uuid, text, text, text, text, text, text); good_sessions(text[]);
        turn_on_two_factor(uuid, text, bigint, text[]); replace_recovery_codes(uuid, text[]); turn_off_two_factor(uuid);
        account(uuid, text); is_picture_of_agent(text); offer_setup(text);
        begin_provider_flow(text, text, text, text, text, text, text, text, text, text, jsonb);
        connect_identity(uuid, text, text); disconnect_identity(uuid, text)
    ', E' \n'), ';\s+');
    -- These would answer a call that is meant for one of those.
    overloads text[] := regexp_split_to_array(btrim('
        orphan_rows(); list_audit(uuid); list_audit(uuid, text[]); list_audit(uuid, text[], uuid);
        list_audit(uuid, text[], uuid, bigint); list_audit(uuid, text[], uuid, bigint, integer); events_after();
        events_after(text); archive_site(uuid, text); identify_customer(text, text, text, text);
        identify_customer(text, text, text, text, text); identify_customer(text, text, text, text, text, text);
        identify_customer(text, text, text, text, text, text, jsonb); messages_after(uuid, integer);
        messages_before(uuid); messages_before(uuid, integer); report_process(uuid, integer, uuid[], uuid[], text[]);
        report_process(uuid, integer, uuid[], uuid[], text[], double precision);
        report_process(uuid, integer, uuid[], uuid[], text[], double precision, boolean); tag_ticket(uuid, bigint);
        tag_ticket(uuid, bigint, text[]); complete_tag(uuid, text); ban_customer(uuid, bigint, text);
        ban_customer(uuid, bigint, text, integer); join_conversation(); join_conversation(text);
        join_conversation(text, bigint); join_conversation(text, bigint, uuid);
        join_conversation(text, bigint, uuid, integer); signal_typing(); signal_typing(text); signal_typing(text, uuid);
        record_receipt(integer, integer); record_receipt(integer, integer, text);
        record_receipt(integer, integer, text, uuid); record_receipt(integer, integer, text, uuid, bigint);
        complete_mention(uuid, text); post_message(text, uuid, uuid, text); start_chat(text, uuid, text);
        start_chat(text, uuid, text, jsonb); start_chat(text, uuid, text, jsonb, text);
        start_chat(text, uuid, text, jsonb, text, text); start_chat(text, uuid, text, jsonb, text, text, text, text);
        who_is_here(text); image_of_session(uuid); image_of_session(uuid, text); drafts_of_agent(uuid);
        drafts_of_agent(uuid, integer); save_draft(uuid, bigint, text, text); release_replies(); queue_changes(uuid[]);
        list_tickets(uuid); list_tickets(uuid, text); show_ticket(uuid, bigint); show_ticket(uuid, bigint, integer);
        post_reply(uuid, bigint, uuid, text); post_reply(uuid, bigint, uuid, text, jsonb, integer, boolean);
        post_reply(uuid, bigint, uuid, text, jsonb, integer, boolean, jsonb); assign_ticket(uuid, bigint, uuid);
        notes_after(uuid, integer); notes_after(uuid, integer, integer, integer);
        notes_after(uuid, integer, integer, integer, integer); snooze_ticket(uuid, bigint); index_lines();
        search_tickets(uuid); search_tickets(uuid, text); search_tickets(uuid, text, text);
        search_tickets(uuid, text, text, text[]); search_tickets(uuid, text, text, text[], text[]);
        search_tickets(uuid, text, text, text[], text[], timestamp with time zone);
        search_tickets(uuid, text, text, text[], text[], timestamp with time zone, timestamp with time zone);
        save_view(uuid, text, text); save_view(uuid, text, text, boolean); change_tickets(uuid, bigint[], text);
        replies_for_ticket(uuid, bigint); replies_for_ticket(uuid, bigint, text[]); save_reply(uuid, jsonb);
        import_replies(uuid, jsonb); reply_and_act(uuid, bigint, uuid, text);
        reply_and_act(uuid, bigint, uuid, text, jsonb); reply_and_act(uuid, bigint, uuid, text, jsonb, text);
        reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamp with time zone);
        reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamp with time zone, text[]);
        reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamp with time zone, text[], integer);
        reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamp with time zone, text[], integer, boolean);
        create_agent(text, text, text); create_agent(text, text, text, text); begin_login(text, text, text);
        open_agent_session(uuid, text, text, text); open_agent_session(uuid, text, text, text, text);
        open_agent_session(uuid, text, text, text, text, text, text, text);
        open_agent_session(uuid, text, text, text, text, text, text, text, text); begin_code(uuid, text);
        use_code(uuid, text); use_code(uuid, text, bigint); finish_login(text, text, text, text);
        finish_login(text, text, text, text, bigint); finish_login(text, text, text, text, bigint, text);
        end_agent_sessions(uuid, text); invite_person(uuid, text, text); invite_person(uuid, text, text, text);
        change_person(uuid, uuid); change_person(uuid, uuid, text); change_person(uuid, uuid, text, text);
        begin_provider_flow(text, text, text, text, text, text, text);
        begin_provider_flow(text, text, text, text, text, text, text, text);
        begin_provider_flow(text, text, text, text, text, text, text, text, text);
        begin_provider_flow(text, text, text, text, text, text, text, text, text, text); agent_of_identity(text, text);
        agent_of_identity(text, text, text); accept_invitation_by_identity(text, text, text, text); take_pushes();
        push_keys(); push_keys(text); add_device(uuid, text, text, text, text);
        add_device(uuid, text, text, text, text, text); add_device(uuid, text, text, text, text, text, text);
        add_device(uuid, text, text, text, text, text, text, text); export_customer(uuid, bigint);
        erase_customer(uuid, bigint); show_privacy(uuid); show_privacy(uuid, uuid); take_erasure_files();
        erase_old_chats()
    ', E' \n'), ';\s+');
    -- The tables that a desk had before it had schema_scripts.
    oldest text[] := '{agents,user_sessions,chat_messages,tickets}';
    is_adopted boolean := coalesce(current_setting('supportchat.adopt', true) = 'yes', false);
    marked text[];
    has_sessions boolean;
    is_desk boolean;
    is_older_desk boolean;
    others text;
    path text := current_setting('search_path');
begin
    -- An app may have a function like one of Postgres' own, which would be called instead.
    perform set_config('search_path', 'pg_catalog', true);
    -- Each table of a desk bears this policy. An app may have one of that name on a table or two, so a desk shows itself by
    -- more than that: by the function that stamps its scripts, or by all the tables of the oldest version.
    select coalesce(array_agg(c.relname), '{}') into marked
    from pg_policy p
    join pg_class c on c.oid = p.polrelid
    where c.relnamespace = 'public'::regnamespace and p.polname = 'server_only' and not p.polpermissive
        and pg_get_expr(p.polqual, p.polrelid) = 'false';
    has_sessions := 3 = (
        select count(*) from pg_attribute a
        join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and not a.attisdropped
            and c.relname in ('user_sessions', 'chat_messages', 'tickets') and a.attname = 'session_id'
    );
    is_desk := (has_sessions and marked @> oldest) or ('schema_scripts' = any (marked) and exists (
        -- Versions before the schema _supportchat had it in public.
        select from pg_proc
        where proname = 'record_script' and pronamespace in (to_regnamespace('_supportchat'), 'public'::regnamespace)
            and proargnames = '{p_name,p_checksum}' and proconfig @> array['search_path=""']
    ));
    is_older_desk := has_sessions and not exists (
        select from pg_constraint k
        join pg_class c on c.oid = k.conrelid
        join pg_class target on target.oid = k.confrelid
        where k.contype = 'f' and c.relnamespace = 'public'::regnamespace and c.relname = any (oldest)
            and target.relnamespace <> 'public'::regnamespace
    );

    with named as (
        select 1 as place, c.relkind, c.relname::text as name, case
            when c.relname = any (tables) then c.relkind = 'r' and (
                is_adopted or (is_desk and c.relname = any (marked))
                or (is_older_desk and not is_desk and c.relname = any (oldest))
            )
            when c.relname = 'ticket_numbers' then c.relkind = 'S' and (is_adopted or is_desk)
            else exists (
                select from pg_index i
                join pg_class its_table on its_table.oid = i.indrelid
                where i.indexrelid = c.oid and its_table.relname = any (tables)
            )
        end as is_ours
        from pg_class c
        where c.relnamespace = 'public'::regnamespace
            and (c.relname = any (tables) or c.relname = any (indexes) or c.relname = 'ticket_numbers')
        union all
        select 0, 'n', n.nspname, is_adopted or (is_desk and exists (
            select from pg_proc where pronamespace = n.oid and proname = 'record_script' and proargnames = '{p_name,p_checksum}'
        ))
        from pg_namespace n where n.nspname = '_supportchat'
        union all
        select 2, 'T', t.typname, false
        from pg_type t
        where t.typnamespace = 'public'::regnamespace and t.typname = any (tables) and t.typrelid = 0
        union all
        select 3, 't', 'guard_ticket', is_adopted or is_desk
        from pg_trigger where tgrelid = to_regclass('public.tickets') and tgname = 'guard_ticket'
        union all
        select 4, 'F', format('%s(%s)', p.proname, replace(oidvectortypes(p.proargtypes), 'public.', '')), is_adopted or (
            is_desk and coalesce(p.proconfig, '{}') @> array['search_path=""']
            and not exists (select from unnest(p.proargnames[1:p.pronargs]) as argument where argument not like 'p\_%')
        )
        from pg_proc p
        where p.pronamespace = 'public'::regnamespace
            and format('%s(%s)', p.proname, replace(oidvectortypes(p.proargtypes), 'public.', '')) = any (functions || overloads)
    ), strange as (
        select row_number() over (order by place, name) as number, format('%s %s', case relkind
            when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' when 'S' then 'sequence'
            when 'i' then 'index' when 'I' then 'index' when 'c' then 'type' when 'T' then 'type' when 't' then 'trigger'
            when 'F' then 'function' when 'n' then 'schema' else 'table'
        end, name) as thing
        from named where not is_ours
    )
    select string_agg(thing, ', ' order by number) filter (where number <= 12)
        || case when count(*) > 12 then format(', and %s more', count(*) - 12) else '' end into others
    from strange;
    if others is not null then
        raise exception using errcode = 'SC001', message = format(
            'Nothing was changed, because this database has something else under names that supportchat needs: %s.'
            || ' Use another project or database for supportchat; an empty one is best.'
            || ' Only if these tables belong to an older supportchat, put the line'
            || ' set supportchat.adopt = ''yes''; first in the same paste, or run bin/migrate --adopt:'
            || ' the tables are then changed to fit.',
            others
        );
    end if;

    select string_agg(format('%s (of %s)', c.relname, pg_get_userbyid(c.relowner)), ', ') into others
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relname = any (tables) and not pg_has_role(c.relowner, 'usage');
    if others is not null then
        raise exception using errcode = 'SC002', message = format(
            'Nothing was changed, because tables belong to another role: %s. Run this as that role.', others
        );
    end if;

    if to_regnamespace('_supportchat') is null and not has_database_privilege(current_database(), 'create') then
        raise exception using errcode = 'SC002', message = format(
            'Nothing was changed, because the role %1$s may not make a schema here.'
            || ' Let the owner of the database run: grant create on database %2$I to %1$I.',
            current_user, current_database()
        );
    end if;
    perform set_config('search_path', path, true);
end $look$;
-- The check ends here.

-- tables.sql: what there is. Each column, index and reference stands here once, in one row; everything that makes, mends,
-- checks and closes tables reads these rows. An older database gets what it lacks.

-- What the web code calls stands in the schema public. Everything else is in one that PostgREST does not expose.
do $$
begin
    -- "if not exists" asks for the right to make one even where it is there.
    if to_regnamespace('_supportchat') is null then
        create schema _supportchat;
    end if;
end $$;

-- A table cannot be altered while a deferred key of an older version has rows to check.
set constraints all immediate;

-- The rows of a text that is written as a table: lines with bars, in their order. An empty cell is null.
create or replace function _supportchat.written_rows(p_text text)
returns table (place bigint, cells text[])
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, array(
        select nullif(btrim(cell), '') from unnest(string_to_array(line, '|')) with ordinality as split (cell, number) order by number
    )
    from unnest(string_to_array(p_text, E'\n')) with ordinality as written (line, place)
    where line like '%|%' and line not like '% -- %';
end $$;

-- Every column of every table. What is demanded of it: 'key', of the primary key; 'required', and rows of an older version
-- get the default; 'computed', required too, but upgrade.sql says what rows of an older version get. refers_to is the
-- table whose key it holds; on_delete is what happens to the row when that one is deleted (nothing: it may not be).
-- The tables with a column "legacy" are those that older versions had (is_older) and left in any shape; what they held goes
-- there when it has to change. A key to which nothing refers may be of any type in them (is_free).
create or replace function _supportchat.declared_columns()
returns table (
    place bigint, table_name text, column_name text, type text, demand text, default_value text, refers_to text,
    on_delete text, is_older boolean, is_free boolean
)
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7],
        bool_or(cells[2] = 'legacy') over (partition by cells[1]),
        cells[4] = 'key' and cells[1] <> all (array_agg(cells[6]) filter (where cells[6] is not null) over ())
    from _supportchat.written_rows($columns$
        -- Which script was applied in which version.
        schema_scripts     | name                   | text        | key      |
        schema_scripts     | checksum               | text        | required |
        schema_scripts     | applied_at             | timestamptz | required | now()

        -- A browser that has chatted here, known by the hash of its cookie and by nothing that a person could type.
        visitors           | visitor_id             | uuid        | key      | gen_random_uuid()
        visitors           | token_hash             | text        | required |
        -- What its ban says, so that a message need not ask; see apply_ban.
        visitors           | banned_until           | timestamptz |          |
        visitors           | created_at             | timestamptz | required | now()

        -- A person who answers. Passwords and login sessions live in tables of their own, so that no row holds a secret.
        agents             | id                     | uuid        | key      | gen_random_uuid()
        agents             | name                   | text        | computed |
        agents             | email                  | text        |          |
        agents             | role                   | text        | required | 'agent'
        agents             | availability           | text        | required | 'available'
        agents             | max_tickets            | integer     | required | 5
        agents             | language               | text        |          |
        agents             | single_keys            | boolean     | required | true
        agents             | is_active              | boolean     | required | true
        agents             | picture_key            | text        |          |
        agents             | queue_order            | text        | required | 'longest'
        agents             | disabled_at            | timestamptz |          |
        agents             | is_demo                | boolean     | computed | false
        agents             | lease_expires_at       | timestamptz |          |
        agents             | is_here                | boolean     | required | false
        agents             | created_at             | timestamptz | required | now()
        agents             | legacy                 | jsonb       |          |

        -- A site from which customers chat: its look, its words, and who may frame the chat (allowed_origins). The one with the
        -- id 1 and the key 'main' is always there. language is null for that of the browser; of the addresses of its pages,
        -- which are followed if it says so, kept_parameters are all of the query that is kept. tickets.site_id refers to it without a foreign key, whose index each change of a ticket
        -- would have to write: no site is ever deleted, and a ticket of one that is missing counts as the main one's.
        sites              | site_id                | bigint      | key      | identity
        sites              | key                    | text        | required |
        sites              | name                   | text        | required |
        sites              | colour                 | text        | required | '#017272'
        sites              | logo_path              | text        |          |
        sites              | greeting               | text        |          |
        sites              | show_faces             | boolean     | required | true
        sites              | show_reply_time        | boolean     | required | true
        sites              | language               | text        |          |
        sites              | allowed_origins        | text[]      | required | '{}'
        sites              | follow_pages           | boolean     | required | true
        sites              | kept_parameters        | text[]      | required | '{}'
        sites              | created_at             | timestamptz | required | now()
        sites              | archived_at            | timestamptz |          |

        -- How a site says who its customers are: by tokens that it signs with one of its secrets (method 'secret'), or by those of
        -- an issuer whose keys are read from keys_url ('issuer'). algorithm is the only one that counts; see docs/identity.md.
        site_identity      | site_id                | bigint      | key      |                   | sites         | cascade
        site_identity      | method                 | text        | required | 'off'
        site_identity      | algorithm              | text        | required | 'ES256'
        site_identity      | issuer                 | text        |          |
        site_identity      | keys_url               | text        |          |
        site_identity      | audience               | text        |          |
        site_identity      | longest_minutes        | integer     | required | 60
        site_identity      | shows_card             | boolean     | required | false

        -- The secrets that a site signs with, two at most: the next one while the former is still in use.
        site_secrets       | id                     | uuid        | key      | gen_random_uuid()
        site_secrets       | site_id                | bigint      | required |                   | sites         | cascade
        site_secrets       | secret                 | text        | required |
        site_secrets       | created_by             | uuid        |          |
        site_secrets       | created_at             | timestamptz | required | now()

        -- Whom a site has named by a signed token: a person is known by the site and the sub. Their chats are those of the row in
        -- visitors, whose own key nobody has; each of their browsers has a key in person_keys instead.
        persons            | person_id              | uuid        | key      | gen_random_uuid()
        persons            | site_id                | bigint      | required |                   | sites         | cascade
        persons            | sub                    | text        | required |
        persons            | visitor_id             | uuid        | required |                   | visitors      | cascade
        persons            | name                   | text        |          |
        persons            | email                  | text        |          |
        persons            | attributes             | jsonb       | required | '{}'
        persons            | created_at             | timestamptz | required | now()
        persons            | verified_at            | timestamptz | required | now()
        person_keys        | token_hash             | text        | key      |
        person_keys        | visitor_id             | uuid        | required |                   | visitors      | cascade
        person_keys        | seen_at                | timestamptz | required | now()

        -- A conversation. last_seq is the counter of its messages; it moves only under this row's lock. customer_lines counts
        -- those of the customer, and last_spoken_seq is the last message that a person wrote. last_at, last_writer (an agent's
        -- id, or the sender) and last_continues are of the last message, for the one after it. Of an erased one, and of its
        -- ticket, only what nobody can be known by is left: see privacy.sql.
        user_sessions      | session_id             | uuid        | key      | gen_random_uuid()
        user_sessions      | visitor_id             | uuid        |          |                   | visitors      | set null
        user_sessions      | customer_name          | text        |          |
        user_sessions      | customer_phone         | text        |          |
        user_sessions      | time_zone              | text        |          |
        -- From which network it was started: an IPv4 address, or the /64 of an IPv6 one.
        user_sessions      | address                | text        |          |
        -- The origin of the page in whose frame it was started, as that page says it.
        user_sessions      | framed_on              | text        |          |
        user_sessions      | channel                | text        | required | 'web-chat'
        user_sessions      | is_anonymous           | boolean     | computed | true
        user_sessions      | status                 | text        | required | 'active'
        user_sessions      | last_seq               | integer     | required | 0
        user_sessions      | last_spoken_seq        | integer     | computed | 0
        user_sessions      | customer_lines         | integer     | computed | 0
        user_sessions      | last_at                | timestamptz |          |
        user_sessions      | last_writer            | text        |          |
        user_sessions      | last_continues         | boolean     |          |
        user_sessions      | last_note_no           | integer     | required | 0
        user_sessions      | customer_delivered_seq | integer     | required | 0
        user_sessions      | customer_read_seq      | integer     | required | 0
        user_sessions      | agent_delivered_seq    | integer     | required | 0
        user_sessions      | agent_read_seq         | integer     | required | 0
        user_sessions      | created_at             | timestamptz | required | now()
        user_sessions      | erased_at              | timestamptz |          |
        user_sessions      | legacy                 | jsonb       |          |

        -- What was said. event and detail mark the lines of the system, which each audience reads in its own words. The id is known
        -- to nobody; for a secret one the embedded Postgres opens a file each time.
        chat_messages      | id                     | uuid        | key      | md5(concat(random(), clock_timestamp()))::uuid
        chat_messages      | session_id             | uuid        |          |                   | user_sessions | cascade
        chat_messages      | seq                    | integer     |          |
        chat_messages      | sender                 | text        | computed |
        chat_messages      | sender_agent_id        | uuid        |          |                   | agents        | set null
        chat_messages      | client_message_id      | uuid        | required | gen_random_uuid()
        chat_messages      | message                | text        | computed | ''
        chat_messages      | image_id               | uuid        |          |                   | chat_images
        chat_messages      | event                  | text        |          |
        chat_messages      | detail                 | jsonb       | required | '{}'
        chat_messages      | created_at             | timestamptz | required | clock_timestamp()
        chat_messages      | legacy                 | jsonb       |          |

        -- What the desk has to do about a conversation. awaiting_since is the moment from which the customer waits for an
        -- answer; it is null once an agent has answered.
        tickets            | id                     | uuid        | key      | gen_random_uuid()
        tickets            | number                 | bigint      | computed | nextval('public.ticket_numbers')
        tickets            | session_id             | uuid        |          |                   | user_sessions | cascade
        tickets            | channel                | text        | required | 'web-chat'
        tickets            | site_id                | bigint      | required | 1
        tickets            | status                 | text        | required | 'waiting'
        tickets            | assigned_agent_id      | uuid        |          |                   | agents
        tickets            | awaiting_since         | timestamptz |          |
        tickets            | assigned_at            | timestamptz |          |
        tickets            | given_back_by          | uuid        |          |
        tickets            | first_reply_at         | timestamptz |          |
        tickets            | closed_at              | timestamptz |          |
        tickets            | erased_at              | timestamptz |          |
        -- Why it is given to nobody by itself, and whether it was closed as spam: see spam.sql.
        tickets            | held                   | text        |          |
        tickets            | is_spam                | boolean     | required | false
        -- How soon somebody is to see to it: 1 urgent, 2 high, 3 normal, 4 low.
        tickets            | urgency                | smallint    | required | 3
        -- Until when it is out of sight ('infinity': until the customer writes), and since when it is back: see snooze.sql.
        tickets            | snoozed_until          | timestamptz |          |
        tickets            | woke_at                | timestamptz |          |
        tickets            | version                | integer     | required | 1
        tickets            | created_at             | timestamptz | required | now()
        tickets            | updated_at             | timestamptz | computed | now()
        tickets            | legacy                 | jsonb       |          |

        -- What must stay secret about an agent. Two-factor is on where there is a totp_secret, in base32; totp_step is the last
        -- one whose code has counted.
        agent_credentials  | agent_id               | uuid        | key      |                   | agents        | cascade
        agent_credentials  | password_hash          | text        | required |
        agent_credentials  | changed_at             | timestamptz | required | now()
        agent_credentials  | totp_secret            | text        |          |
        agent_credentials  | totp_since             | timestamptz |          |
        agent_credentials  | totp_step              | bigint      | required | 0

        -- The codes that count instead of one from the app, each once, by their SHA-256: what is used is deleted.
        recovery_codes     | agent_id               | uuid        | key      |                   | agents        | cascade
        recovery_codes     | code_hash              | text        | key      |

        agent_sessions     | token_hash             | text        | key      |
        agent_sessions     | id                     | uuid        | required | gen_random_uuid()
        agent_sessions     | agent_id               | uuid        | required |                   | agents        | cascade
        agent_sessions     | user_agent             | text        |          |
        agent_sessions     | created_at             | timestamptz | required | now()
        agent_sessions     | last_seen_at           | timestamptz | required | now()

        -- Logins whose password was right, and which wait for the second step.
        pending_logins     | token_hash             | text        | key      |
        pending_logins     | agent_id               | uuid        | required |                   | agents        | cascade
        pending_logins     | browser                | text        |          |
        pending_logins     | user_agent             | text        |          |
        pending_logins     | how                    | text        |          |
        pending_logins     | created_at             | timestamptz | required | now()

        -- Who an agent is to an OpenID Connect provider: an account of its own, known by issuer and subject, and by nothing else
        -- that the provider says.
        agent_identities   | issuer                 | text        | key      |
        agent_identities   | subject                | text        | key      |
        agent_identities   | agent_id               | uuid        | required |                   | agents        | cascade
        agent_identities   | created_at             | timestamptz | required | now()

        -- Who was sent to the provider and has not come back, known by the hash of their state: from which browser (the hash of
        -- its cookie), what for, and where they want to go. link_hash is the invitation that they accept, session_hash the login
        -- session that connects the provider.
        provider_flows     | state_hash             | text        | key      |
        provider_flows     | browser                | text        | required |
        provider_flows     | issuer                 | text        | required |
        provider_flows     | nonce                  | text        | required |
        provider_flows     | code_verifier          | text        | required |
        provider_flows     | purpose                | text        | required |
        provider_flows     | target                 | text        |          |
        provider_flows     | link_hash              | text        |          |
        provider_flows     | session_hash           | text        |          |
        provider_flows     | address                | text        | required |
        provider_flows     | created_at             | timestamptz | required | now()

        -- Browsers in which an agent has logged in before: somebody who guesses passwords elsewhere does not lock them out.
        agent_browsers     | agent_id               | uuid        | key      |                   | agents        | cascade
        agent_browsers     | token_hash             | text        | key      |
        agent_browsers     | seen_at                | timestamptz | required | now()

        -- What admins have set in the app; what is not here has the default of declared_settings.
        desk_settings      | name                   | text        | key      |
        desk_settings      | value                  | jsonb       | required |
        -- What each role may do: see rules.sql.
        role_rights        | role                   | text        | key      |
        role_rights        | right_name             | text        | key      |

        -- Links that somebody follows once, known by the hash of their token. agent_id is whose password a link is for; email,
        -- role and max_tickets are what an invitation promises.
        one_time_links     | token_hash             | text        | key      |
        one_time_links     | id                     | uuid        | required | gen_random_uuid()
        one_time_links     | purpose                | text        | required |
        one_time_links     | agent_id               | uuid        |          |                   | agents        | cascade
        one_time_links     | email                  | text        |          |
        one_time_links     | role                   | text        |          |
        one_time_links     | max_tickets            | integer     |          |
        one_time_links     | visitor_id             | uuid        |          |                   | visitors      | cascade
        one_time_links     | sealed_key             | text        |          |
        one_time_links     | created_by             | uuid        |          |
        one_time_links     | created_at             | timestamptz | required | now()
        one_time_links     | expires_at             | timestamptz | required |

        -- Who has done what, kept longer than chats, and never changed: about holds codes and ids. See audit.sql.
        audit_log          | id                     | bigint      | key      | identity
        audit_log          | kind                   | text        | required |
        audit_log          | agent_id               | uuid        |          |
        audit_log          | about                  | jsonb       | required | '{}'
        audit_log          | address                | text        |          |
        audit_log          | created_at             | timestamptz | required | clock_timestamp()

        -- Browsers and networks that may not write. session_id is the chat for which they were banned; is_spam says that it was done
        -- by closing it as spam. See bans.sql.
        bans               | id                     | uuid        | key      | gen_random_uuid()
        bans               | visitor_id             | uuid        |          |                   | visitors      | cascade
        bans               | network                | text        |          |
        bans               | session_id             | uuid        |          |                   | user_sessions | set null
        bans               | is_spam                | boolean     | required | false
        bans               | reason                 | text        | required | ''
        bans               | created_by             | uuid        |          |
        bans               | created_at             | timestamptz | required | now()
        bans               | expires_at             | timestamptz | required |

        -- Replies that agents have saved, of owner_id or (null) of everybody. Once one is sent, its ticket gets its tags, and close_after
        -- has it closed, or snooze has it snoozed until then (a choice that the web code knows). uses counts for each agent, so that theirs come first. See replies.sql.
        saved_replies      | id                     | uuid        | key      | gen_random_uuid()
        saved_replies      | owner_id               | uuid        |          |                   | agents        | cascade
        saved_replies      | name                   | text        | required |
        saved_replies      | message                | text        | required | ''
        saved_replies      | close_after            | boolean     | required | false
        saved_replies      | snooze                 | text        |          |
        saved_replies      | tags                   | text[]      | required | '{}'
        saved_replies      | picture_key            | text        |          |
        saved_replies      | picture_type           | text        |          |
        saved_replies      | picture_bytes          | integer     |          |
        saved_replies      | created_at             | timestamptz | required | now()
        saved_replies      | updated_at             | timestamptz | required | now()
        saved_reply_uses   | reply_id               | uuid        | key      |                   | saved_replies | cascade
        saved_reply_uses   | agent_id               | uuid        | key      |                   | agents        | cascade
        saved_reply_uses   | uses                   | integer     | required | 1

        -- How many logins were refused within an hour, for an account or from an address: see refuse_login.
        refused_logins     | key                    | text        | key      |
        refused_logins     | attempts               | integer     | required | 1
        refused_logins     | began_at               | timestamptz | required | now()

        -- A stored picture that a message needs.
        chat_images        | id                     | uuid        | key      | gen_random_uuid()
        chat_images        | session_id             | uuid        | required |                   | user_sessions | cascade
        chat_images        | storage_key            | text        | required |
        chat_images        | content_type           | text        | required |
        chat_images        | width                  | integer     | required |
        chat_images        | height                 | integer     | required |
        chat_images        | bytes                  | integer     | required |
        chat_images        | digest                 | text        | required |
        chat_images        | created_at             | timestamptz | required | now()

        -- Where on their site a customer is, and was: the last pages of the visit, and where it came from. See widget.sql.
        customer_pages     | session_id             | uuid        | key      |                   | user_sessions | cascade
        customer_pages     | pages                  | jsonb       | required | '[]'
        customer_pages     | referrer               | text        |          |
        customer_pages     | updated_at             | timestamptz | required | now()

        -- Receipts of what was erased: by whom (null: by the retention of chats, one for each day) and how much. closed_at is when
        -- the store had none of its pictures any more; erasure_files are those that it may still have.
        erasures           | id                     | uuid        | key      | gen_random_uuid()
        erasures           | kind                   | text        | required |
        erasures           | agent_id               | uuid        |          |
        erasures           | ticket_number          | bigint      |          |
        erasures           | days                   | integer     |          |
        erasures           | conversations          | integer     | required | 0
        erasures           | messages               | integer     | required | 0
        erasures           | notes                  | integer     | required | 0
        erasures           | pictures               | integer     | required | 0
        erasures           | created_at             | timestamptz | required | now()
        erasures           | closed_at              | timestamptz |          |
        erasure_files      | storage_key            | text        | key      |
        erasure_files      | erasure_id             | uuid        | required |                   | erasures      | cascade
        erasure_files      | tried_at               | timestamptz |          |

        -- The tags of the desk, and which tickets have them. folded is the name as search has it, by which two are the same.
        desk_tags          | tag_id                 | bigint      | key      | identity
        desk_tags          | name                   | text        | required |
        desk_tags          | folded                 | text        | required |
        desk_tags          | created_at             | timestamptz | required | now()
        ticket_tags        | ticket_id              | uuid        | key      |                   | tickets       | cascade
        ticket_tags        | tag_id                 | bigint      | key      |                   | desk_tags     | cascade

        -- What search knows: the words of each message (note_no 0), of each note, and of who the customer is (seq and note_no 0); the
        -- newest has the highest line_id. 65,536 numbers are a slice, and search_slices says when the lines of each were written.
        -- search_state says how far the log has been read, and at which ticket the older ones are, on their way from the newest
        -- to the first. See search.sql.
        search_lines       | line_id                | bigint      | key      |
        search_lines       | session_id             | uuid        | required |                   | user_sessions | cascade
        search_lines       | seq                    | integer     | required |
        search_lines       | note_no                | integer     | required | 0
        search_lines       | words                  | tsvector    | required |
        search_lines       | created_at             | timestamptz | required | now()
        search_slices      | slice                  | bigint      | key      |
        search_slices      | first_at               | timestamptz | required |
        search_slices      | last_at                | timestamptz | required |
        search_state       | only_row               | boolean     | key      | true
        search_state       | cursor                 | text        |          |
        search_state       | last_event             | bigint      | required | 0
        search_state       | read_at                | timestamptz | required | now()
        search_state       | next_ticket            | bigint      |          |
        search_state       | next_line              | bigint      | required | 0

        -- Searches with a name, of one agent or of everybody.
        desk_views         | view_id                | uuid        | key      | gen_random_uuid()
        desk_views         | agent_id               | uuid        | required |                   | agents        | cascade
        desk_views         | name                   | text        | required |
        desk_views         | query                  | text        | required |
        desk_views         | is_shared              | boolean     | required | false
        desk_views         | created_at             | timestamptz | required | now()

        -- The ways a ticket may go; guard_ticket refuses every other.
        ticket_transitions | from_status            | text        | key      |
        ticket_transitions | to_status              | text        | key      |

        -- The log: what has happened, written by the transaction that did it, for whoever follows it. detail holds codes and
        -- ids, never texts or names. What belongs to a ticket is its history and lives as long; the rest goes after a day.
        events             | id                     | bigint      | key      | identity
        events             | transaction            | xid8        | required | pg_current_xact_id()
        events             | kind                   | text        | required |
        events             | session_id             | uuid        |          |
        events             | ticket_id              | uuid        |          |                   | tickets       | cascade
        events             | actor                  | text        | required | 'system'
        events             | agent_id               | uuid        |          |
        events             | detail                 | jsonb       | required | '{}'
        events             | created_at             | timestamptz | required | clock_timestamp()

        -- Private notes stand apart from the messages: nothing that reads for a customer reads this table.
        -- after_seq is the last message that was there when the note was written, and so its place between them.
        ticket_notes       | id                     | uuid        | key      | gen_random_uuid()
        ticket_notes       | session_id             | uuid        | required |                   | user_sessions | cascade
        ticket_notes       | note_no                | integer     | required |
        ticket_notes       | after_seq              | integer     | required |
        ticket_notes       | agent_id               | uuid        | required |                   | agents
        ticket_notes       | client_message_id      | uuid        | required |
        ticket_notes       | note                   | text        | required |
        ticket_notes       | created_at             | timestamptz | required | clock_timestamp()

        -- Whom a note mentions, in which spellings, and when they have read it.
        note_mentions      | session_id             | uuid        | key      |                   | user_sessions | cascade
        note_mentions      | note_no                | integer     | key      |
        note_mentions      | agent_id               | uuid        | key      |                   | agents        | cascade
        note_mentions      | written                | text[]      | required |
        note_mentions      | read_at                | timestamptz |          |

        -- How far each agent has read each conversation. read_lines is what customer_lines was there: what it has grown by since
        -- is unread.
        ticket_reads       | agent_id               | uuid        | key      |                   | agents        | cascade
        ticket_reads       | session_id             | uuid        | key      |                   | user_sessions | cascade
        ticket_reads       | read_seq               | integer     | required | 0
        ticket_reads       | read_lines             | integer     | computed | 0

        -- What each agent has typed and not sent, as 'reply' or 'note'. It is empty once it was sent.
        ticket_drafts      | agent_id               | uuid        | key      |                   | agents        | cascade
        ticket_drafts      | session_id             | uuid        | key      |                   | user_sessions | cascade
        ticket_drafts      | mode                   | text        | key      |
        ticket_drafts      | draft                  | text        | required |
        ticket_drafts      | acts                   | jsonb       | required | '{}'
        ticket_drafts      | saved_at               | timestamptz | required | clock_timestamp()

        -- Replies that wait until due_at, so that whoever has written one can take it back: with the picture that is stored for
        -- it, what is to happen to its ticket then (acts), and the last line that there was when it was written (seen_seq). Once
        -- it is sent, its row goes. One without due_at is not sent, and refused says why: 'undone' by its agent, a code of what
        -- post_reply refuses, or 'gone' (only its id is left, so that no repeated attempt sends it). See held.sql.
        held_replies       | session_id             | uuid        | key      |                   | user_sessions | cascade
        held_replies       | client_message_id      | uuid        | key      |
        held_replies       | agent_id               | uuid        | required |                   | agents        | cascade
        held_replies       | message                | text        | required |
        held_replies       | image                  | jsonb       |          |
        held_replies       | acts                   | jsonb       | required | '{}'
        held_replies       | seen_seq               | integer     | required |
        held_replies       | due_at                 | timestamptz |          |
        held_replies       | refused                | text        |          |
        held_replies       | detail                 | text        |          |
        held_replies       | held_at                | timestamptz | required | clock_timestamp()

        -- What each agent wants to be told of, and how: who has no row has the defaults. quiet_from and quiet_until are times of
        -- day ('22:00') in time_zone, between which nothing is shown or heard. See alerts.sql.
        alert_choices      | agent_id               | uuid        | key      |                   | agents        | cascade
        alert_choices      | scope                  | text        | required | 'unassigned'
        alert_choices      | sound                  | boolean     | required | true
        alert_choices      | desktop                | boolean     | required | true
        alert_choices      | push                   | boolean     | required | true
        alert_choices      | shows_text             | boolean     | required | false
        alert_choices      | quiet_from             | text        |          |
        alert_choices      | quiet_until            | text        |          |
        alert_choices      | time_zone              | text        | required | 'UTC'

        -- The browsers that an agent has had ask for notifications (RFC 8030). login_id is the login session that said so last.
        agent_devices      | id                     | uuid        | key      | gen_random_uuid()
        agent_devices      | agent_id               | uuid        | required |                   | agents        | cascade
        agent_devices      | endpoint               | text        | required |
        agent_devices      | p256dh                 | text        | required |
        agent_devices      | auth                   | text        | required |
        agent_devices      | user_agent             | text        |          |
        agent_devices      | language               | text        | required | 'en'
        agent_devices      | origin                 | text        | required |
        agent_devices      | login_id               | uuid        |          |
        agent_devices      | created_at             | timestamptz | required | now()
        agent_devices      | sent_at                | timestamptz |          |
        agent_devices      | arrived_at             | timestamptz |          |
        agent_devices      | problem                | text        |          |
        agent_devices      | problem_at             | timestamptz |          |

        -- Who has been told that somebody writes, up to which of the customer's lines, and why: the ticket is theirs ('mine'),
        -- nobody's ('waiting'), they want to know of all ('all'), or whoever has it has not come ('next'); or that the note note_no
        -- mentions them ('mentioned'). At passes_at the next one is told. A row goes when its agent has read, or need not any more.
        agent_alerts       | agent_id               | uuid        | key      |                   | agents        | cascade
        agent_alerts       | session_id             | uuid        | key      |                   | user_sessions | cascade
        agent_alerts       | lines                  | integer     | required |
        agent_alerts       | why                    | text        | required |
        agent_alerts       | note_no                | integer     | required | 0
        agent_alerts       | raised_at              | timestamptz | required | now()
        agent_alerts       | passes_at              | timestamptz |          |

        -- What is sent to devices: an alert, its end, or a test, which is of no chat. due_at is when it is to be sent, or tried
        -- again; null once that is done. The id is known to the device alone, which says by it that the notification has arrived.
        agent_pushes       | id                     | uuid        | key      | gen_random_uuid()
        agent_pushes       | device_id              | uuid        | required |                   | agent_devices | cascade
        agent_pushes       | session_id             | uuid        |          |                   | user_sessions | cascade
        agent_pushes       | kind                   | text        | required | 'alert'
        agent_pushes       | due_at                 | timestamptz |          |
        agent_pushes       | tries                  | integer     | required | 0
        agent_pushes       | created_at             | timestamptz | required | now()
        agent_pushes       | sent_at                | timestamptz |          |
        agent_pushes       | arrived_at             | timestamptz |          |

        -- The key with which the desk shows push services that it is the same one as before (VAPID, RFC 8292): made once.
        desk_push_keys     | only_row               | boolean     | key      | true
        desk_push_keys     | private_key            | text        | required |
        desk_push_keys     | public_key             | text        | required |
        desk_push_keys     | created_at             | timestamptz | required | now()

        -- How far those have read the log who act on each event once, by transaction and id, in which history.
        event_readers      | name                   | text        | key      |
        event_readers      | epoch                  | text        | required |
        event_readers      | transaction            | xid8        | required |
        event_readers      | id                     | bigint      | required |

        -- The server processes that share this database. Each reports every few seconds, and says for how long that counts.
        server_processes   | process_id             | uuid        | key      |
        server_processes   | started_at             | timestamptz | required | now()
        server_processes   | seen_at                | timestamptz | required | now()
        server_processes   | live_until             | timestamptz | required | now()
        server_processes   | sockets                | integer     | required | 0
        server_processes   | swept_at               | timestamptz |          |

        -- The conversations whose customer has the chat open, and in which process.
        customers_here     | session_id             | uuid        | key      |
        customers_here     | process_id             | uuid        | key      |                   | server_processes | cascade

        -- The last heartbeat: one row, one beat for all processes. See send_heartbeat.
        heartbeat          | only_row               | boolean     | key      | true
        heartbeat          | number                 | bigint      | required | 0
        heartbeat          | sent_at                | timestamptz | required | 'epoch'

        -- How often somebody has done something lately: by then they may do it as often again as the limit says. See
        -- take_token.
        throttle_buckets   | key                    | text        | key      |
        throttle_buckets   | full_at                | timestamptz | required |
    $columns$) as written;
end $$;

-- Every index besides those of the primary keys.
create or replace function _supportchat.declared_indexes()
returns table (place bigint, index_name text, is_unique boolean, table_name text, definition text)
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, cells[1], cells[2] is not null, cells[3], cells[4]
    from _supportchat.written_rows($indexes$
        visitors_token_hash_key           | unique | visitors         | (token_hash)
        sites_key_key                     | unique | sites            | (key)
        site_secrets_site_id_idx          |        | site_secrets     | (site_id)
        persons_sub_key                   | unique | persons          | (site_id, sub)
        persons_visitor_id_key            | unique | persons          | (visitor_id)
        persons_verified_at_idx           |        | persons          | (verified_at)
        person_keys_visitor_id_idx        |        | person_keys      | (visitor_id, seen_at)
        person_keys_seen_at_idx           |        | person_keys      | (seen_at)
        agents_email_key                  | unique | agents           | (lower(email))
        user_sessions_visitor_id_idx      |        | user_sessions    | (visitor_id, created_at desc)
        user_sessions_created_at_idx      |        | user_sessions    | (created_at desc)
        chat_messages_seq_key             | unique | chat_messages    | (session_id, seq)
        chat_messages_client_key          | unique | chat_messages    | (session_id, sender, client_message_id)
        chat_messages_created_at_idx      |        | chat_messages    | (created_at desc)
        chat_messages_of_agent_idx        |        | chat_messages    | (sender_agent_id) where sender_agent_id is not null
        chat_messages_with_image_idx      |        | chat_messages    | (image_id) where image_id is not null
        tickets_number_key                | unique | tickets          | (number)
        tickets_of_session_idx            |        | tickets          | (session_id, (status = 'closed'), number desc)
        tickets_assigned_agent_id_idx     |        | tickets          | (assigned_agent_id, assigned_at desc)
        tickets_waiting_idx               |        | tickets          | (awaiting_since, number) where status = 'waiting'
        tickets_open_of_agent_idx         |        | tickets          | (assigned_agent_id, awaiting_since, updated_at) where status = 'open'
        tickets_unanswered_idx            |        | tickets          | (awaiting_since, number) where status <> 'closed' and awaiting_since is not null
        tickets_answered_idx              |        | tickets          | (updated_at desc, number) where status <> 'closed' and awaiting_since is null
        tickets_closed_idx                |        | tickets          | (closed_at desc nulls last, number desc) where status = 'closed'
        tickets_closed_of_agent_idx       |        | tickets          | (assigned_agent_id, closed_at desc nulls last, number desc) where status = 'closed'
        tickets_line_idx                  |        | tickets          | (urgency, awaiting_since, number) where status = 'waiting' and held is null and snoozed_until is null
        tickets_raised_idx                |        | tickets          | (urgency, awaiting_since, number) where status <> 'closed' and urgency <> 3
        tickets_raised_answered_idx       |        | tickets          | (urgency, updated_at desc, number) where status <> 'closed' and urgency <> 3 and awaiting_since is null
        tickets_snoozed_idx               |        | tickets          | (snoozed_until) where snoozed_until is not null
        tickets_woken_idx                 |        | tickets          | (woke_at, number) where woke_at is not null and status <> 'closed'
        desk_tags_folded_key              | unique | desk_tags        | (folded)
        ticket_tags_tag_id_idx            |        | ticket_tags      | (tag_id)
        search_lines_place_key            | unique | search_lines     | (session_id, seq, note_no)
        search_lines_words_idx            |        | search_lines     | using gin (words) with (fastupdate = on, gin_pending_list_limit = 64)
        desk_views_agent_id_idx           |        | desk_views       | (agent_id)
        desk_views_shared_idx             |        | desk_views       | (name) where is_shared
        tickets_spam_idx                  |        | tickets          | (closed_at desc) where is_spam
        tickets_given_back_by_idx         |        | tickets          | (given_back_by) where given_back_by is not null
        tickets_first_reply_idx           |        | tickets          | (created_at desc) where first_reply_at is not null
        tickets_created_at_idx            |        | tickets          | (created_at desc)
        tickets_to_erase_idx              |        | tickets          | (closed_at) where status = 'closed' and erased_at is null
        agent_sessions_agent_id_idx       |        | agent_sessions   | (agent_id)
        agent_sessions_created_at_idx     |        | agent_sessions   | (created_at)
        pending_logins_agent_id_idx       |        | pending_logins   | (agent_id)
        pending_logins_created_at_idx     |        | pending_logins   | (created_at)
        agent_identities_agent_id_key     | unique | agent_identities | (agent_id, issuer)
        provider_flows_created_at_idx     |        | provider_flows   | (created_at)
        provider_flows_address_idx        |        | provider_flows   | (address, created_at)
        one_time_links_id_key             | unique | one_time_links   | (id)
        one_time_links_invited_key        | unique | one_time_links   | (lower(email)) where purpose = 'invitation'
        one_time_links_agent_id_idx       |        | one_time_links   | (agent_id) where agent_id is not null
        one_time_links_visitor_id_idx     | unique | one_time_links   | (visitor_id) where visitor_id is not null
        customer_pages_updated_at_idx     |        | customer_pages   | (updated_at)
        user_sessions_address_idx         |        | user_sessions    | (created_at) where address is not null
        bans_visitor_id_key               | unique | bans             | (visitor_id)
        bans_network_key                  | unique | bans             | (network)
        bans_session_id_idx               |        | bans             | (session_id)
        saved_replies_name_key            | unique | saved_replies    | (owner_id, lower(name)) where owner_id is not null
        saved_replies_shared_name_key     | unique | saved_replies    | (lower(name)) where owner_id is null
        saved_replies_picture_key_key     | unique | saved_replies    | (picture_key)
        saved_reply_uses_agent_id_idx     |        | saved_reply_uses | (agent_id)
        audit_log_created_at_idx          |        | audit_log        | (created_at)
        audit_log_kind_idx                |        | audit_log        | (kind, id)
        audit_log_agent_id_idx            |        | audit_log        | (agent_id, id)
        audit_log_person_idx              |        | audit_log        | ((about ->> 'person'), id)
        refused_logins_began_at_idx       |        | refused_logins   | (began_at)
        chat_images_storage_key_key       | unique | chat_images      | (storage_key)
        chat_images_session_id_idx        |        | chat_images      | (session_id)
        erasures_created_at_idx           |        | erasures         | (created_at desc, id desc)
        erasure_files_erasure_id_idx      |        | erasure_files    | (erasure_id)
        erasure_files_tried_at_idx        |        | erasure_files    | (tried_at nulls first)
        events_transaction_idx            |        | events           | (transaction, id)
        events_of_ticket_idx              |        | events           | (ticket_id, id) where ticket_id is not null
        events_created_at_idx             |        | events           | (created_at) where ticket_id is null
        customers_here_process_id_idx     |        | customers_here   | (process_id)
        ticket_notes_note_no_key          | unique | ticket_notes     | (session_id, note_no)
        ticket_notes_client_key           | unique | ticket_notes     | (session_id, client_message_id)
        ticket_notes_agent_id_idx         |        | ticket_notes     | (agent_id)
        note_mentions_agent_id_idx        |        | note_mentions    | (agent_id, read_at)
        note_mentions_unread_idx          |        | note_mentions    | (session_id) where read_at is null
        ticket_reads_session_id_idx       |        | ticket_reads     | (session_id)
        ticket_drafts_session_id_idx      |        | ticket_drafts    | (session_id)
        ticket_drafts_saved_at_idx        |        | ticket_drafts    | (saved_at)
        held_replies_agent_id_idx         |        | held_replies     | (agent_id)
        held_replies_due_at_idx           |        | held_replies     | (due_at) where due_at is not null
        held_replies_held_at_idx          |        | held_replies     | (held_at) where due_at is null
        held_replies_image_idx            |        | held_replies     | ((image ->> 'key')) where image is not null
        agent_devices_endpoint_key        | unique | agent_devices    | (endpoint)
        agent_devices_agent_id_idx        |        | agent_devices    | (agent_id)
        agent_alerts_session_id_idx       |        | agent_alerts     | (session_id)
        agent_alerts_passes_at_idx        |        | agent_alerts     | (passes_at) where passes_at is not null
        agent_pushes_device_id_key        | unique | agent_pushes     | (device_id, session_id)
        agent_pushes_session_id_idx       |        | agent_pushes     | (session_id)
        agent_pushes_due_at_idx           |        | agent_pushes     | (due_at) where due_at is not null
        agent_pushes_created_at_idx       |        | agent_pushes     | (created_at)
        throttle_buckets_full_at_idx      |        | throttle_buckets | (full_at)
    $indexes$) as written;
end $$;

-- The longest text that a message or a note may have, in characters.
create or replace function _supportchat.longest_message()
returns integer
language sql
immutable
set search_path = ''
as $$
    select 8000
$$;

-- The types of the pictures that are stored, and how many bytes one may have.
create or replace function _supportchat.picture_limits()
returns table (types text[], bytes integer)
language sql
immutable
set search_path = ''
as $$
    select array['image/png', 'image/jpeg', 'image/webp', 'image/gif'], 10485760
$$;

-- Of an earlier version, which gave other columns.
drop function if exists _supportchat.declared_checks();

-- What is checked of each row. What is written with "new." is checked by a trigger: a check constraint is parsed and planned
-- anew by each statement that writes its table, also where it leaves those columns alone, and every message writes these two.
create or replace function _supportchat.declared_checks()
returns table (place bigint, table_name text, constraint_name text, condition text, by_trigger boolean)
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, cells[1], cells[1] || '_' || cells[2] || '_check', cells[3], cells[3] ~ '\mnew\.'
    from _supportchat.picture_limits() as picture, _supportchat.written_rows(format($checks$
        agents        | name           | char_length(name) between 1 and 80
        agents        | email          | char_length(email) between 3 and 254
        agents        | role           | role in ('agent', 'lead', 'admin')
        agents        | availability   | availability in ('available', 'away')
        agents        | max_tickets    | max_tickets between 0 and 1000
        agents        | language       | language ~ '^[a-z]{2,3}$'
        agents        | picture_key    | picture_key ~ '^[0-9a-f]{64}$'
        agent_sessions | user_agent    | char_length(user_agent) <= 256
        agent_credentials | totp_secret | totp_secret ~ '^[A-Z2-7]{32}$'
        agent_identities | issuer      | char_length(issuer) between 1 and 255
        agent_identities | subject     | char_length(subject) between 1 and 255
        provider_flows | state_hash    | char_length(state_hash) = 64
        provider_flows | purpose       | purpose in ('login', 'invitation', 'account')
        provider_flows | target        | char_length(target) <= 2000
        one_time_links | token_hash    | char_length(token_hash) = 64
        one_time_links | purpose       | purpose in ('setup', 'invitation', 'password', 'handover')
        one_time_links | email         | char_length(email) between 3 and 254
        one_time_links | role          | role in ('agent', 'lead', 'admin')
        one_time_links | max_tickets   | max_tickets between 0 and 1000
        one_time_links | sealed_key    | (purpose = 'handover') = (sealed_key is not null and visitor_id is not null)
        customer_pages | pages         | jsonb_typeof(pages) = 'array' and octet_length(pages::text) <= 32768
        customer_pages | referrer      | char_length(referrer) <= 500
        desk_settings | value         | case name when 'audit_days' then value between '365' and '3650' when 'retention_days' then value = 'null' or value between '1' and '3650' else true end
        sites         | key            | key ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'
        sites         | name           | char_length(name) between 1 and 80
        sites         | colour         | colour ~ '^#[0-9a-f]{6}$'
        sites         | logo_path      | logo_path ~ '^[0-9a-f]{64}$'
        sites         | greeting       | char_length(greeting) between 1 and 160
        sites         | language       | language ~ '^[a-z]{2,3}$'
        sites         | bounds         | cardinality(allowed_origins) <= 20 and cardinality(kept_parameters) <= 20
        sites         | archived_at    | site_id <> 1 or archived_at is null
        site_identity | method         | method in ('off', 'secret', 'issuer')
        site_identity | algorithm      | algorithm in ('ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256')
        site_identity | issuer         | method <> 'issuer' or (issuer is not null and keys_url is not null)
        site_identity | texts          | greatest(char_length(issuer), char_length(keys_url), char_length(audience)) <= 500
        site_identity | longest_minutes | longest_minutes between 1 and 1440
        site_secrets  | secret         | char_length(secret) between 32 and 128
        persons       | sub            | char_length(sub) between 1 and 255
        persons       | name           | char_length(name) between 1 and 80
        persons       | email          | char_length(email) between 3 and 254
        user_sessions | customer_name  | char_length(new.customer_name) between 1 and 80
        user_sessions | customer_phone | char_length(new.customer_phone) between 1 and 32
        user_sessions | time_zone      | char_length(new.time_zone) <= 64
        user_sessions | status         | new.status in ('active', 'ended')
        user_sessions | address        | char_length(new.address) between 1 and 64
        user_sessions | framed_on      | char_length(new.framed_on) between 1 and 300
        bans          | subject        | num_nonnulls(visitor_id, network) = 1
        bans          | network        | char_length(network) between 1 and 64
        bans          | reason         | char_length(reason) <= 200
        saved_replies | name           | char_length(name) between 1 and 80
        saved_replies | message        | char_length(message) <= %1$s and (message ~ '\S' or picture_key is not null)
        saved_replies | picture_key    | picture_key ~ '^[0-9a-f]{64}$' and num_nonnulls(picture_key, picture_type, picture_bytes) in (0, 3)
        saved_replies | snooze         | snooze is null or (snooze in ('hour', 'three_hours', 'tomorrow', 'monday', 'customer') and not close_after)
        saved_replies | tags           | cardinality(tags) <= 20
        saved_replies | picture_type   | picture_type in (%2$s)
        tickets       | held           | held in ('link', 'spam')
        tickets       | urgency        | urgency between 1 and 4
        agents        | queue_order    | queue_order in ('longest', 'newest', 'priority')
        desk_tags     | name           | char_length(name) between 1 and 40
        search_state  | only_row       | only_row
        desk_views    | name           | char_length(name) between 1 and 60
        desk_views    | query          | char_length(query) <= 200
        chat_messages | sender         | new.sender in ('user', 'agent', 'system')
        chat_messages | message        | new.legacy is not null or (char_length(new.message) <= %1$s and (new.message ~ '\S' or new.image_id is not null))
        chat_messages | seq            | new.seq > 0
        tickets       | status         | status in ('waiting', 'open', 'closed')
        tickets       | assigned       | case status when 'open' then assigned_agent_id is not null when 'waiting' then assigned_agent_id is null else true end
        chat_images   | content_type   | content_type in (%2$s)
        chat_images   | bytes          | bytes between 1 and %3$s
        chat_images   | size           | width > 0 and height > 0
        erasures      | kind           | kind in ('conversation', 'customer', 'retention')
        ticket_notes  | note           | note ~ '\S' and char_length(note) <= %1$s
        heartbeat     | only_row       | only_row
        ticket_drafts | acts           | octet_length(acts::text) <= 4000
        held_replies  | state          | num_nonnulls(due_at, refused) = 1
        alert_choices | scope          | scope in ('mine', 'unassigned', 'all')
        alert_choices | quiet          | quiet_from ~ '^[0-2][0-9]:[0-5][0-9]$' and quiet_until ~ '^[0-2][0-9]:[0-5][0-9]$' and num_nonnulls(quiet_from, quiet_until) <> 1
        alert_choices | time_zone      | char_length(time_zone) between 1 and 64
        agent_devices | endpoint       | endpoint ~ '^https://' and char_length(endpoint) <= 1000
        agent_devices | user_agent     | char_length(user_agent) <= 256
        agent_devices | language       | language ~ '^[a-z]{2,3}$'
        agent_devices | problem        | char_length(problem) <= 80
        agent_alerts  | why            | why in ('mine', 'waiting', 'all', 'next', 'mentioned')
        agent_pushes  | kind           | kind in ('alert', 'end', 'test')
        desk_push_keys | only_row       | only_row
    $checks$,
        _supportchat.longest_message(),
        (select string_agg(quote_literal(type), ', ') from unnest(picture.types) as type),
        picture.bytes
    )) as written;
end $$;

-- The tables, in the order in which they are declared.
create or replace function _supportchat.declared_tables()
returns setof text
language sql
immutable
set search_path = ''
as $$
    select table_name from _supportchat.declared_columns() group by table_name order by min(place)
$$;

-- Those of them that were there before this version, and may have any shape.
create or replace function _supportchat.older_tables()
returns setof text
language sql
immutable
set search_path = ''
as $$
    select table_name from _supportchat.declared_columns() where is_older group by table_name order by min(place)
$$;

-- The columns of the key of a table, as they are written between parentheses.
create or replace function _supportchat.key_of(p_table text)
returns text
language sql
immutable
set search_path = ''
as $$
    select string_agg(quote_ident(column_name), ', ' order by place)
    from _supportchat.declared_columns() where table_name = p_table and demand = 'key'
$$;

-- Of an earlier version, which read all declarations again for each table.
drop function if exists _supportchat.ensure_table(text);

-- Makes the tables that are missing, with all their columns.
create or replace function _supportchat.ensure_tables()
returns void
language plpgsql
set search_path = ''
as $$
declare
    missing record;
begin
    for missing in
        select table_name, string_agg(quote_ident(column_name), ', ' order by place) filter (where demand = 'key') as key,
            string_agg(concat_ws(' ',
                quote_ident(column_name), type,
                case when default_value = 'identity' then 'generated always as identity' else 'default ' || default_value end,
                case when demand is not null then 'not null' end
            ), ', ' order by place) as columns
        from _supportchat.declared_columns()
        where to_regclass(format('public.%I', table_name)) is null
        group by table_name order by min(place)
    loop
        execute format('create table public.%I (%s, primary key (%s))', missing.table_name, missing.columns, missing.key);
    end loop;
end $$;

-- Locks the tables that are there, all at once or none: a desk at work that has one of them and waits for another would
-- otherwise wait in a circle with us. It is not kept waiting either: what cannot be had at once is asked for again.
create or replace function _supportchat.lock_tables()
returns void
language plpgsql
set search_path = ''
as $$
declare
    present text := (
        select string_agg(format('public.%I', name), ', ')
        from (
            select name from _supportchat.declared_tables() as name
            -- One of an earlier version is about to be dropped.
            union select c.relname from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
            where c.oid = to_regclass('public.ticket_events') and p.polname = 'server_only'
        ) as ours
        where to_regclass(format('public.%I', name)) is not null
    );
    patience text := current_setting('lock_timeout');
begin
    for attempt in 1 .. case when present is null then 0 else 100 end loop
        -- Shorter than what Postgres waits for before it looks for a circle.
        perform set_config('lock_timeout', '100ms', true);
        begin
            execute format('lock table %s in access exclusive mode', present);
            exit;
        exception when lock_not_available then
            perform pg_sleep(0.1);
        end;
    end loop;
    perform set_config('lock_timeout', patience, true);
end $$;

select _supportchat.lock_tables();

create sequence if not exists public.ticket_numbers start 1001;
select _supportchat.ensure_tables();

-- tools.sql: what the scripts do to a table, and how they end.

-- Of earlier versions: they would stand beside the functions of this one that have the same names, and calls would fit both.
drop function if exists _supportchat.log_event(text, uuid, jsonb, text, uuid, uuid, jsonb);
drop function if exists _supportchat.unassigned_reason();
drop function if exists _supportchat.message_json(public.chat_messages, text);
drop function if exists _supportchat.begin_session(uuid, text, text, text, text, text);
drop function if exists _supportchat.tell_held(public.held_replies);
drop function if exists _supportchat.few_tickets(uuid, jsonb, text[], integer);
drop function if exists _supportchat.index_customers(uuid[]);
drop function if exists _supportchat.query_of(text);
drop function if exists _supportchat.words_of(text);
drop function if exists _supportchat.words_of_customer(uuid);
-- Those of this version that gave another type then.
do $$
begin
    if pg_get_function_result(to_regprocedure('public.forget_old_data()')) <> 'boolean' then
        drop function public.forget_old_data();
    end if;
    if pg_get_function_result(to_regprocedure('public.post_message(text, uuid, uuid, text, jsonb)')) <> 'jsonb' then
        drop function public.post_message(text, uuid, uuid, text, jsonb);
    end if;
end $$;

-- Adds a constraint that is missing, and replaces one of that name that says something else: the definition that it was
-- made of is kept as its comment. Rows that break it stay as they are: it then binds new rows only, until they are gone.
create or replace function _supportchat.ensure_constraint(p_table regclass, p_name text, p_definition text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    present record;
begin
    select obj_description(oid, 'pg_constraint') as definition, convalidated into present
    from pg_catalog.pg_constraint where conrelid = p_table and conname = p_name;
    if found and present.definition is distinct from p_definition then
        execute format('alter table %s drop constraint %I', p_table, p_name);
    end if;
    if present.definition is distinct from p_definition then
        execute format('alter table %s add constraint %I %s not valid', p_table, p_name, p_definition);
        execute format('comment on constraint %I on %s is %L', p_name, p_table, p_definition);
    elsif present.convalidated then
        return;
    end if;
    begin
        execute format('alter table %s validate constraint %I', p_table, p_name);
    exception when check_violation or foreign_key_violation then
        raise warning '%: rows written before % stay as they are', p_table, p_name;
    end;
end $$;

-- Which of some conditions a row breaks, the first one: an expression that gives its name. As with a check constraint, null is
-- not false.
create or replace function _supportchat.broken_check(p_names text[], p_conditions text[])
returns text
language sql
immutable
set search_path = ''
as $$
    select format('case %s end', string_agg(format('when not (%s) then %L', condition, name), ' ' order by place))
    from unnest(p_names, p_conditions) with ordinality as one (name, condition, place)
$$;

-- Whether no row breaks conditions that a trigger of that name checks, as ensure_row_checks has found: or as the check
-- constraints of an earlier version say, which it replaces.
create or replace function _supportchat.is_row_checked(p_table text, p_name text, p_names text[], p_conditions text[])
returns boolean
language sql
stable
set search_path = ''
as $$
    select (
        exists (select from pg_catalog.pg_trigger where tgrelid = format('public.%I', p_table)::regclass and tgname = p_name)
        and obj_description(to_regprocedure(format('_supportchat.%I()', p_name)), 'pg_proc')
            is not distinct from _supportchat.broken_check(p_names, p_conditions)
    ) or not exists (
        select from unnest(p_names, p_conditions) as one (name, condition)
        where not exists (
            select from pg_catalog.pg_constraint k
            where k.conrelid = format('public.%I', p_table)::regclass and k.conname = one.name and k.convalidated
                and obj_description(k.oid, 'pg_constraint') = format('check (%s)', replace(one.condition, 'new.', ''))
        )
    )
$$;

-- Has a trigger refuse rows for which one of some conditions on new is false, as check constraints of those names would, and
-- takes these away. After the row, because one before it would lock each row that is updated. Rows that break them stay as they
-- are: the trigger only looks at what is written. That there are none is remembered in the comment of its function.
create or replace function _supportchat.ensure_row_checks(p_table text, p_name text, p_names text[], p_conditions text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    refuses text := format('_supportchat.%I()', p_name);
    broken text := _supportchat.broken_check(p_names, p_conditions);
    is_checked boolean := _supportchat.is_row_checked(p_table, p_name, p_names, p_conditions);
    found_broken boolean := false;
    name text;
begin
    execute format($made$
        create or replace function %s returns trigger language plpgsql set search_path = '' as $refuse$
        declare
            broken text := %s;
        begin
            if broken is not null then
                raise check_violation using
                    message = format('new row for relation "%%s" violates check constraint "%%s"', tg_table_name, broken),
                    schema = tg_table_schema, table = tg_table_name, constraint = broken;
            end if;
            return null;
        end $refuse$
    $made$, refuses, broken);
    execute format(
        'create or replace trigger %I after insert or update of %s on %s for each row execute function %s',
        p_name,
        (
            select string_agg(distinct quote_ident(named.words[1]), ', ')
            from unnest(p_conditions) as condition, regexp_matches(condition, '\mnew\.(\w+)', 'g') as named (words)
        ),
        here, refuses
    );
    foreach name in array p_names loop
        execute format('alter table %s drop constraint if exists %I', here, name);
    end loop;
    if not is_checked then
        for name in execute format('select distinct broken from (select %s as broken from %s as new) as looked where broken is not null', broken, here) loop
            found_broken := true;
            raise warning '%: rows written before % stay as they are', here, name;
        end loop;
    end if;
    execute format('comment on function %s is %L', refuses, case when not found_broken then broken end);
end $$;

-- Of earlier versions: one looked up for each key what is declared, another's arguments had other names.
drop function if exists _supportchat.ensure_foreign_key(text, text);
drop function if exists _supportchat.ensure_foreign_key(text, text, text, text, text);

-- Gives a column the foreign key that is declared for it, and takes away every other one: an older version's may point to
-- another table or column.
create or replace function _supportchat.ensure_foreign_key(
    p_table text, p_column text, p_refers_to text, p_key text, p_on_delete text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    wanted text := format('%s_%s_fkey', p_table, p_column);
    other text;
begin
    for other in
        select k.conname from pg_catalog.pg_constraint k
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
        where k.conrelid = here and k.contype = 'f' and a.attname = p_column and k.conname <> wanted
    loop
        execute format('alter table %s drop constraint %I', here, other);
    end loop;
    perform _supportchat.ensure_constraint(here, wanted, format(
        'foreign key (%I) references public.%I (%I) on delete %s',
        p_column, p_refers_to, p_key, coalesce(p_on_delete, 'no action')
    ));
end $$;

-- Makes an index that is missing.
create or replace function _supportchat.ensure_index(p_name text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    execute (
        select format(
            'create %s if not exists %I on public.%I %s',
            case when is_unique then 'unique index' else 'index' end, p_name, table_name, definition
        )
        from _supportchat.declared_indexes() where index_name = p_name
    );
end $$;

-- Of earlier versions, which read all declarations again for each table and column.
drop function if exists _supportchat.ensure_column(text, text);
drop function if exists _supportchat.ensure_columns(text);

-- Adds columns that are missing, makes those fit that an older version has left, and sets the defaults: of some tables, and
-- of all columns or one.
create or replace function _supportchat.ensure_columns(p_tables text[], p_column text default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass;
    wanted record;
    defaults record;
begin
    for wanted in
        select * from _supportchat.declared_columns()
        where table_name = any (p_tables) and column_name = coalesce(p_column, column_name)
        order by place
    loop
        here := format('public.%I', wanted.table_name);
        if exists (
            select from pg_catalog.pg_attribute where attrelid = here and attname = wanted.column_name and not attisdropped
        ) then
            if wanted.is_older and wanted.is_free is not true then
                perform _supportchat.fit_column(
                    here, wanted.column_name, wanted.type, coalesce(wanted.refers_to, wanted.table_name)
                );
            end if;
        else
            execute format('alter table %s add column %I %s default %s', here, wanted.column_name, wanted.type, case
                -- Rows of an older version get another value than this one.
                when wanted.demand in ('key', 'computed') then 'null' else coalesce(wanted.default_value, 'null')
            end);
            execute format(
                'alter table %s alter column %I set default %s',
                here, wanted.column_name, coalesce(wanted.default_value, 'null')
            );
        end if;
    end loop;
    for defaults in
        select format('public.%I', table_name)::regclass as here,
            string_agg(format('alter column %I set default %s', column_name, default_value), ', ') as settings
        from _supportchat.declared_columns()
        where table_name = any (p_tables) and column_name = coalesce(p_column, column_name)
            and default_value <> 'identity' and not (is_older and is_free is true)
        group by table_name
    loop
        execute format('alter table %s %s', defaults.here, defaults.settings);
    end loop;
end $$;

-- Of an earlier version, of one table.
drop function if exists _supportchat.require_columns(text, text[]);

-- Demands a value in the columns of some tables that have to have one, but for some: every row has it by now.
create or replace function _supportchat.require_columns(p_tables text[], p_but text[] default '{}')
returns void
language plpgsql
set search_path = ''
as $$
declare
    empty record;
begin
    for empty in
        select a.attrelid::regclass as here, a.attname from _supportchat.declared_columns() as declared
        join pg_catalog.pg_attribute a
            on a.attrelid = format('public.%I', declared.table_name)::regclass and a.attname = declared.column_name
        where declared.table_name = any (p_tables) and declared.demand is not null
            and not coalesce(declared.is_older and declared.is_free, false)
            and not a.attnotnull and not a.attisdropped and a.attname <> all (p_but)
    loop
        execute format('alter table %s alter column %I set not null', empty.here, empty.attname);
    end loop;
end $$;

-- Whether what this version demands of a table's rows holds for all of them already, as Postgres says itself: columns that have
-- a value, but for some; checks that are validated; indexes and keys that are there. Then there is no row to mend, and none is
-- looked at: to read a large table takes minutes, in which the desk waits.
create or replace function _supportchat.is_in_shape(p_table text, p_but text[] default '{}')
returns boolean
language sql
stable
set search_path = ''
as $$
    with own as (
        select to_regclass(format('public.%I', p_table)) as here
    ), constraints as (
        select k.conname, k.convalidated, obj_description(k.oid, 'pg_constraint') as definition
        from pg_catalog.pg_constraint k join own on k.conrelid = own.here
    )
    select exists (select from pg_catalog.pg_policy p join own on p.polrelid = own.here where p.polname = 'server_only')
        and not exists (
            select from _supportchat.declared_columns() as declared cross join own
            left join pg_catalog.pg_attribute a on a.attrelid = own.here and a.attname = declared.column_name and not a.attisdropped
            where declared.table_name = p_table and declared.column_name <> all (p_but)
                and (a.attname is null or (declared.demand is not null and not a.attnotnull and declared.is_free is not true))
        )
        and not exists (
            select from _supportchat.declared_checks() as declared
            left join constraints on constraints.conname = declared.constraint_name
            where declared.table_name = p_table and not declared.by_trigger
                and (constraints.convalidated and constraints.definition = format('check (%s)', declared.condition)) is not true
        )
        and not exists (
            select from _supportchat.declared_checks() as declared
            where declared.table_name = p_table and declared.by_trigger
            group by declared.table_name
            having not _supportchat.is_row_checked(
                p_table, 'check_' || p_table,
                array_agg(declared.constraint_name order by declared.place), array_agg(declared.condition order by declared.place)
            )
        )
        and not exists (
            select from _supportchat.declared_columns() as declared
            left join constraints on constraints.conname = format('%s_%s_fkey', p_table, declared.column_name)
            where declared.table_name = p_table and declared.refers_to is not null and constraints.conname is null
        )
        and not exists (
            select from _supportchat.declared_indexes() as declared
            where declared.table_name = p_table and declared.is_unique
                and to_regclass(format('public.%I', declared.index_name)) is null
        )
$$;

-- Whether a column may be empty, so that there may be rows to fill.
create or replace function _supportchat.may_be_empty(p_table text, p_column text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_attribute
        where attrelid = format('public.%I', p_table)::regclass and attname = p_column and not attnotnull
    )
$$;

-- Notes in a row what a column held before: the first value counts, and nothing is noted where nothing was.
create or replace function _supportchat.noted(p_legacy jsonb, p_column text, p_value text)
returns jsonb
language sql
immutable
set search_path = ''
as $$
    select case
        when p_value is null then p_legacy
        else jsonb_build_object(p_column, p_value) || coalesce(p_legacy, '{}')
    end
$$;

-- Turns the triggers of a table off while old rows are mended, or on again: they would count versions and move
-- updated_at. The ones that are off already stay so.
create or replace function _supportchat.pause_triggers(p_table text, p_pause boolean)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    other record;
begin
    for other in
        select oid, tgname, obj_description(oid, 'pg_trigger') as note from pg_catalog.pg_trigger
        where tgrelid = here and not tgisinternal and tgenabled = case when p_pause then 'O' else 'D' end
    loop
        if p_pause then
            execute format('alter table %s disable trigger %I', here, other.tgname);
            execute format('comment on trigger %I on %s is %L', other.tgname, here, 'paused: ' || coalesce(other.note, ''));
        elsif other.note like 'paused: %' then
            execute format('alter table %s enable trigger %I', here, other.tgname);
            execute format(
                'comment on trigger %I on %s is %L', other.tgname, here, nullif(substr(other.note, 9), '')
            );
        end if;
    end loop;
end $$;

-- Whether this transaction has written a row of that xmin: itself, or within a savepoint, which has a later number of its own.
-- What is in progress and can be seen is ours. A frozen row may have any number, and one in the future cannot be asked for.
create or replace function _supportchat.is_new(p_xmin xid)
returns boolean
language sql
set search_path = ''
as $$
    select case
        when later between 0 and 10000000
            then pg_xact_status((pg_current_xact_id()::text::bigint + later)::text::xid8) = 'in progress'
        else false
    end
    from (select age(pg_current_xact_id()::xid)::bigint - age(p_xmin) as later) as compared
$$;

-- Lets only the server's role run what this transaction has made, as everybody may run a new function. What it has made in
-- public is what the web code calls, and gives up in time. A psycopg connection says so for itself; PostgREST would wait 8
-- seconds for a statement and for a lock, but it takes a statement_timeout that it finds at a function for the whole
-- request (it "hoists" it), and lock_timeout works inside the function anyway. One that says less for itself keeps that.
-- Helpers have none: each setting costs a little on every call.
create or replace function _supportchat.close_functions()
returns void
language plpgsql
set search_path = ''
as $$
declare
    made record;
begin
    for made in
        select p.oid::regprocedure as signature, n.nspname = 'public' as is_called,
            coalesce(substring(array_to_string(p.proconfig, ' ') from 'statement_timeout=(\S+)'), '3s') as patience
        from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where case n.nspname
            -- Default privileges may have let others in from the beginning.
            when '_supportchat' then p.proacl is null or exists (
                select from aclexplode(p.proacl) where grantee = 0 or pg_get_userbyid(grantee) in ('anon', 'authenticated')
            )
            -- An old trigger's function may have got a path here. What has limits was closed by an earlier script.
            when 'public' then _supportchat.is_new(p.xmin) and p.prorettype <> 'trigger'::regtype
                and array_to_string(p.proconfig, ' ') !~ 'lock_timeout'
        end
    loop
        perform _supportchat.grant_to_server(format('function %s', made.signature), 'execute');
        if made.is_called then
            execute format('alter function %s set statement_timeout = %L set lock_timeout = ''2s''', made.signature, made.patience);
        end if;
    end loop;
end $$;

-- Ends a script: closes what it has made, and remembers its version, which /status and bin/migrate compare with the files.
create or replace function _supportchat.record_script(p_name text, p_checksum text)
returns text
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.close_functions();
    -- Who adopts something says so before each script: the next paste may use the same connection.
    perform set_config('supportchat.adopt', '', false);
    insert into public.schema_scripts as script (name, checksum) values (p_name, p_checksum)
    on conflict (name) do update set checksum = excluded.checksum, applied_at = now()
    where script.checksum <> excluded.checksum;
    return 'sql/' || p_name || ' is applied.';
end $$;

-- upgrade.sql: what older versions left in the tables, made to fit. In a new database, and in one of this version, it finds
-- nothing to do.

-- The uuid that stands for a key of an older version: the same key gives the same one in every table and every run.
create or replace function _supportchat.legacy_uuid(p_table text, p_key text)
returns uuid
language sql
immutable
set search_path = ''
as $$
    select case
        when p_key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then p_key::uuid
        else md5(p_table || ':' || p_key)::uuid
    end
$$;

-- Puts a column aside as legacy_<name>, with everything that hangs on it. Its indexes give their names free as well.
create or replace function _supportchat.set_aside(p_table regclass, p_column text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    name text;
begin
    for name in
        select c.relname from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
        where i.indrelid = p_table and a.attname = p_column
    loop
        execute format('alter index public.%I rename to %I', name, 'legacy_' || name);
    end loop;
    execute format('alter table %s rename column %I to %I', p_table, p_column, 'legacy_' || p_column);
end $$;

-- How a value of one type is read as another: a pattern for format(), because the column may get another name. p_keys_of
-- names the table whose keys the column holds, for a uuid.
create or replace function _supportchat.conversion(p_old_type text, p_type text, p_keys_of text)
returns text
language sql
immutable
set search_path = ''
as $$
    select case
        when p_type = 'uuid' then '_supportchat.legacy_uuid(' || quote_literal(p_keys_of) || ', %1$I::text)'
        when p_type <> 'timestamp with time zone' then '%1$I::text::' || p_type
        when p_old_type in ('timestamp without time zone', 'date') then '%1$I::timestamp at time zone ''UTC'''
        -- Seconds since 1970, or milliseconds: as seconds, those would be in the year 5138 or later.
        when p_old_type in ('integer', 'bigint', 'numeric', 'real', 'double precision')
            then 'to_timestamp(%1$I / case when %1$I > 1e11 then 1000.0 else 1.0 end)'
        else '%1$I::text::' || p_type
    end
$$;

-- Whether a column can get another type in place, because that changes no value.
create or replace function _supportchat.keeps_values(
    p_table regclass, p_column text, p_old_type text, p_type text, p_conversion text
)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    is_same boolean;
begin
    if p_type = 'timestamp with time zone' then
        return p_conversion not like 'to_timestamp(%';
    elsif p_type <> 'uuid' then
        return true;
    end if;
    execute format(
        'select coalesce(bool_and(lower(%1$I::text) = (' || p_conversion || ')::text), true) from %2$s', p_column, p_table
    ) into is_same;
    return is_same and p_old_type in ('text', 'character varying', 'character');
end $$;

-- Drops the keys between our own tables that would hold a column's old type fast; fix_foreign_keys.sql makes them anew.
create or replace function _supportchat.drop_keys_of(p_table regclass, p_column text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    other record;
begin
    for other in
        select k.conrelid::regclass as table_name, k.conname from pg_catalog.pg_constraint k
        where k.contype = 'f' and k.conrelid in (select format('public.%I', name)::regclass from _supportchat.older_tables() as name)
            and exists (
                select from pg_catalog.pg_attribute a
                where a.attname = p_column and (
                    (a.attrelid = k.conrelid and k.conrelid = p_table and a.attnum = any (k.conkey))
                    or (a.attrelid = k.confrelid and k.confrelid = p_table and a.attnum = any (k.confkey))
                )
            )
    loop
        execute format('alter table %s drop constraint %I', other.table_name, other.conname);
    end loop;
end $$;

-- Gives a column another type beside the old one, which goes on as legacy_<name> with everything that hangs on it.
create or replace function _supportchat.convert_aside(p_table regclass, p_column text, p_type text, p_conversion text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    old_name text := 'legacy_' || p_column;
begin
    perform _supportchat.set_aside(p_table, p_column);
    execute format('alter table %s add column %I %s', p_table, p_column, p_type);
    begin
        execute format(
            'update %s set %I = %s where %I is not null', p_table, p_column, format(p_conversion, old_name), old_name
        );
    exception when data_exception or cannot_coerce then
        raise warning '%: the values of legacy_% are kept, but cannot be read as %', p_table, p_column, p_type;
    end;
end $$;

-- Gives a column the type that the functions expect: in place when that changes no value, else beside the old one.
create or replace function _supportchat.convert_column(
    p_table regclass, p_column text, p_old_type text, p_type text, p_keys_of text
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    conversion text := _supportchat.conversion(p_old_type, p_type, p_keys_of);
begin
    perform _supportchat.drop_keys_of(p_table, p_column);
    if not _supportchat.keeps_values(p_table, p_column, p_old_type, p_type, conversion) then
        perform _supportchat.convert_aside(p_table, p_column, p_type, conversion);
        return;
    end if;
    begin
        execute format('alter table %s alter column %I drop identity if exists', p_table, p_column);
        execute format('alter table %s alter column %I drop default', p_table, p_column);
        execute format('alter table %s alter column %I type %s using %s', p_table, p_column, p_type, format(conversion, p_column));
    -- A view, a trigger or a foreign table's key needs the old type, or a value does not fit the new one.
    exception when data_exception or datatype_mismatch or cannot_coerce or feature_not_supported
        or dependent_objects_still_exist or undefined_function then
        perform _supportchat.convert_aside(p_table, p_column, p_type, conversion);
    end;
end $$;

-- Makes a column of an older version one that the functions can write, of the type that they expect.
create or replace function _supportchat.fit_column(p_table regclass, p_column text, p_type text, p_keys_of text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    present record;
    wanted text := p_type::regtype::text;
begin
    select format_type(atttypid, atttypmod) as type, format_type(atttypid, null) as bare_type,
        attidentity <> '' as is_identity, attgenerated as generated into present
    from pg_catalog.pg_attribute where attrelid = p_table and attname = p_column and not attisdropped;
    if present.generated = 's' then
        -- What other columns gave it stays as its value; from now on the functions write it.
        execute format('alter table %s alter column %I drop expression', p_table, p_column);
    elsif present.generated <> '' then
        perform _supportchat.convert_aside(p_table, p_column, present.type, '%I');
    end if;
    if present.type <> wanted then
        perform _supportchat.convert_column(p_table, p_column, present.bare_type, wanted, p_keys_of);
    elsif present.is_identity then
        execute format('alter table %s alter column %I drop identity', p_table, p_column);
    end if;
end $$;

-- Follows a reference of an older version that names a conversation by another column than session_id: the key then
-- says so, as in "references user_sessions (id)". Where the types differ, what it held goes on as legacy_session_id.
create or replace function _supportchat.follow_sessions(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    wrong record;
begin
    for wrong in
        select k.conname, k.confrelid::regclass as target, b.attname as target_column,
            format_type(a.atttypid, null) as type, format_type(theirs.atttypid, null) as their_type
        from pg_catalog.pg_constraint k
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
        join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
        left join pg_catalog.pg_attribute theirs
            on theirs.attrelid = k.confrelid and theirs.attname = 'session_id' and not theirs.attisdropped
        where k.contype = 'f' and k.conrelid = here and a.attname = 'session_id' and b.attname <> 'session_id'
    loop
        execute format('alter table %s drop constraint %I', here, wrong.conname);
        if wrong.type = wrong.their_type then
            execute format(
                'update %s as mine set session_id = theirs.session_id,'
                || ' legacy = _supportchat.noted(mine.legacy, ''session_id'', mine.session_id::text)'
                || ' from %s as theirs where theirs.%I = mine.session_id and theirs.session_id <> mine.session_id',
                here, wrong.target, wrong.target_column
            );
        elsif wrong.their_type is not null then
            perform _supportchat.set_aside(here, 'session_id');
            execute format('alter table %s add column session_id %s', here, wrong.their_type);
            execute format(
                'update %s as mine set session_id = theirs.session_id from %s as theirs where theirs.%I = mine.legacy_session_id',
                here, wrong.target, wrong.target_column
            );
        end if;
    end loop;
end $$;

-- Drops the checks of an older version on our columns. Our own are known by their comment.
create or replace function _supportchat.drop_older_checks(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    own text[] := array(select column_name from _supportchat.declared_columns() where table_name = p_table);
    other text;
begin
    for other in
        select k.conname from pg_catalog.pg_constraint k
        where k.conrelid = here and k.contype = 'c'
            and coalesce(obj_description(k.oid, 'pg_constraint'), '') not like 'check (%'
            and exists (
                select from pg_catalog.pg_attribute a
                where a.attrelid = here and a.attnum = any (k.conkey) and a.attname = any (own)
            )
    loop
        execute format('alter table %s drop constraint %I', here, other);
    end loop;
end $$;

-- Drops what an older version wants to be unique of our columns. Our own indexes are known by their name.
create or replace function _supportchat.drop_older_uniques(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    own text[] := array(select index_name from _supportchat.declared_indexes() where table_name = p_table)
        || format('%s_%s_key', p_table, _supportchat.key_of(p_table));
    columns text[] := array(
        select column_name from _supportchat.declared_columns() where table_name = p_table and demand is distinct from 'key'
    );
    other record;
begin
    for other in
        select c.relname, k.conname from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid and k.contype in ('u', 'x')
        where i.indrelid = here and (i.indisunique or i.indisexclusion) and not i.indisprimary
            and (c.relname <> all (own) or (c.relname = 'agents_email_key' and i.indexprs is null))
            and exists (
                select from pg_catalog.pg_attribute a
                where a.attrelid = here and a.attnum = any (i.indkey) and a.attname = any (columns)
            )
    loop
        begin
            if other.conname is not null then
                execute format('alter table %s drop constraint %I', here, other.conname);
            else
                execute format('drop index public.%I', other.relname);
            end if;
        exception when dependent_objects_still_exist then
            raise warning '%: % stays, because a foreign key needs it', here, other.relname;
        end;
    end loop;
end $$;

-- Takes away what an older version demands of our columns and the functions do not know of.
create or replace function _supportchat.loosen_table(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    policy text;
begin
    -- Security that binds the owner too would bind the functions, which run as the owner where there is no service_role.
    if (select relforcerowsecurity from pg_catalog.pg_class where oid = here) then
        execute format('alter table %s no force row level security', here);
    end if;
    perform _supportchat.drop_older_checks(p_table);
    perform _supportchat.drop_older_uniques(p_table);
    for policy in select polname from pg_catalog.pg_policy where polrelid = here and polname <> 'server_only' loop
        execute format('drop policy %I on %s', policy, here);
        raise warning '%: the policy "%" is dropped, because only the server may read this table', here, policy;
    end loop;
end $$;

-- Gives each row a value of its own in a column: of rows with the same one the oldest keeps it.
create or replace function _supportchat.separate_twins(p_table text, p_column text, p_type text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    counter text := pg_catalog.pg_get_serial_sequence(here::text, p_column);
begin
    execute format(
        'with twins as ('
        || ' select ctid as place, %1$I as key, row_number() over (partition by %1$I order by created_at, ctid) as number from %2$s'
        || '), others as ('
        || ' select place, row_number() over (order by place) as number from twins where key is null or number > 1'
        || ') update %2$s as mine set %1$I = %3$s, legacy = _supportchat.noted(legacy, %4$L, %1$I::text)'
        || ' from others where others.place = mine.ctid',
        p_column, here, case
            when p_type in ('smallint', 'integer', 'bigint', 'numeric')
                then format('(select coalesce(max(%I), 0) from %s) + others.number', p_column, here)
            else 'gen_random_uuid()::text::' || p_type
        end, p_column
    );
    -- What counts this column may lag behind, which did no harm while a value could come twice.
    if counter is not null then
        execute format(
            'select pg_catalog.setval(%L, greatest(max(%I), (select last_value from %s))) from %s',
            counter, p_column, counter, here
        );
    end if;
end $$;

-- Makes the key of a table one by which a row can be referred to: the primary key where there is none, else a unique index.
create or replace function _supportchat.ensure_unique(p_table text, p_column text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    has_key boolean := exists (select from pg_catalog.pg_index where indrelid = here and indisprimary);
    present record;
begin
    select format_type(a.atttypid, null) as type, a.attnotnull as is_required, exists (
        select from pg_catalog.pg_index i
        where i.indrelid = here and i.indkey[0] = a.attnum and i.indisunique and i.indnkeyatts = 1 and i.indpred is null
    ) as is_unique into present
    from pg_catalog.pg_attribute a where a.attrelid = here and a.attname = p_column and not a.attisdropped;
    if not present.is_unique or not present.is_required then
        perform _supportchat.separate_twins(p_table, p_column, present.type);
    end if;
    if not has_key then
        execute format('alter table %s add primary key (%I)', here, p_column);
        if (select relreplident from pg_catalog.pg_class where oid = here) = 'f' then
            execute format('alter table %s replica identity default', here);
        end if;
    elsif not present.is_unique then
        execute format('create unique index %I on %s (%I)', p_table || '_' || p_column || '_key', here, p_column);
    end if;
end $$;

-- Lets a key that the functions do not know get its value by itself.
create or replace function _supportchat.fill_key(p_table regclass, p_column text, p_type text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if p_type in ('smallint', 'integer', 'bigint') then
        execute format('alter table %s alter column %I add generated by default as identity', p_table, p_column);
        execute format(
            'select pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%L, %L), coalesce(max(%I), 0) + 1, false) from %s',
            p_table, p_column, p_column, p_table
        );
    elsif p_type in ('uuid', 'text', 'character varying') then
        execute format('alter table %s alter column %I set default gen_random_uuid()', p_table, p_column);
    end if;
end $$;

-- Lets every column be empty that need not have a value, as the functions do not fill what they do not know.
create or replace function _supportchat.release_columns(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    other record;
begin
    for other in
        select a.attname, format_type(a.atttypid, null) as type, coalesce(a.attnum = any (k.conkey), false) as is_key, a.atthasdef
        from pg_catalog.pg_attribute a
        left join pg_catalog.pg_constraint k on k.conrelid = a.attrelid and k.contype = 'p'
        where a.attrelid = here and a.attnum > 0 and a.attnotnull and not a.attisdropped
            -- An identity fills itself, and may not be empty.
            and a.attidentity = ''
            and not exists (
                select from _supportchat.declared_columns()
                where table_name = p_table and column_name = a.attname and demand is not null and is_free is not true
            )
    loop
        if not other.is_key then
            execute format('alter table %s alter column %I drop not null', here, other.attname);
        elsif not other.atthasdef then
            perform _supportchat.fill_key(here, other.attname, other.type);
        end if;
    end loop;
end $$;

-- Fills a column that is still empty from the first of some columns, which other versions had, that has something in it.
create or replace function _supportchat.fill_column(p_table text, p_column text, p_sources text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    here regclass := format('public.%I', p_table);
    name text;
begin
    for name in
        select s.name from unnest(p_sources) with ordinality as s (name, place)
        join pg_catalog.pg_attribute a on a.attrelid = here and a.attname = s.name and not a.attisdropped
        order by s.place
    loop
        execute format(
            'update %s set %I = %I::text, legacy = _supportchat.noted(legacy, %L, %I)'
            || ' where coalesce(%I, '''') !~ ''\S'' and %I::text ~ ''\S''',
            here, p_column, name, p_column, p_column, p_column, name
        );
    end loop;
end $$;

-- Whether a function of an earlier version is ours: they took arguments that begin with p_, and saw no schema. An app may have
-- some of these names.
create or replace function _supportchat.is_former(p_function oid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select pronamespace = 'public'::regnamespace and proconfig @> array['search_path=""'] and not exists (
        select from unnest(proargnames[1:pronargs]) as argument where argument not like 'p\_%'
    )
    from pg_catalog.pg_proc where oid = p_function
$$;

-- Drops the helpers that earlier versions had in the schema public, once nothing calls them any more.
create or replace function _supportchat.drop_former_helpers()
returns void
language plpgsql
set search_path = ''
as $$
declare
    former text[] := regexp_split_to_array(btrim('
        ensure_constraint(regclass, text, text); ensure_foreign_key(text, text, text, text, text);
        legacy_uuid(text, text); set_aside(regclass, text); convert_column(regclass, text, text, text);
        ensure_column(text, text, text, text, text); follow_sessions(text); loosen_table(text, text[], text[]);
        ensure_unique(text, text); require_columns(text, text[]); release_columns(text, text[]);
        fill_column(text, text, text[]); noted(jsonb, text, text); pause_triggers(text, boolean);
        own_functions(text[]); withdraw_functions(text[]); restrict_functions(text[]);
        limit_functions(text[]); guard_ticket(); has_buckets(); take_token(text, text, jsonb);
        notify_change(text, jsonb); agent_json(uuid); message_json(public.chat_messages);
        append_message(uuid, text, text, uuid, uuid, uuid, text, jsonb); check_message(text, boolean);
        add_image(uuid, jsonb); repeated_message(uuid, text, uuid, text, jsonb); lock_assignment(); lock_ticket(uuid);
        record_event(public.tickets, text, text, uuid, jsonb); load_of_agent(uuid); agents_here(); next_agent(uuid, uuid);
        unassigned_reason(); give_ticket(public.tickets, uuid, text, text, uuid); offer_ticket(uuid, boolean, uuid);
        drain_queue(uuid); return_to_queue(public.tickets, text, text, uuid);
        state_json(public.user_sessions, public.tickets, boolean, bigint); conversation_json(uuid); newest_session(uuid);
        post_as_customer(uuid, uuid, text, jsonb, boolean); goes_on(text, uuid); take_start(text, text, jsonb);
        median_first_reply(timestamp with time zone); check_owner(public.tickets, uuid);
        queue_row_json(public.tickets, uuid); note_json(public.ticket_notes); end_ticket(public.tickets, text, uuid);
        own_agent_json(public.agents); credentials_of(text); check_bucket(); next_agent(uuid); drain_queue()
    ', E' \n'), ';\s+');
    signature text;
begin
    -- By this one they were a desk's.
    if _supportchat.is_former(to_regprocedure('public.record_script(text, text)')) is not true then
        return;
    end if;
    foreach signature in array former || array['record_script(text, text)'] loop
        if _supportchat.is_former(to_regprocedure('public.' || signature)) then
            execute format('drop function public.%s', signature);
        end if;
    end loop;
end $$;

select _supportchat.pause_triggers(name, true) from _supportchat.older_tables() as name;

-- A row of a published table cannot be changed without a key by which subscribers know it. Until ensure_unique makes one,
-- the whole row is that.
do $$
declare
    keyless regclass;
begin
    for keyless in
        select c.oid::regclass from _supportchat.older_tables() as name
        join pg_class c on c.oid = format('public.%I', name)::regclass
        where c.relreplident = 'd' and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
    loop
        execute format('alter table %s replica identity full', keyless);
    end loop;
end $$;

-- Keys are made here. One that has to be a row's of another schema or table (agents.id references auth.users, say) would let
-- nobody make a new one, and the same goes for a key of an older version under another name.
do $$
declare
    other record;
begin
    for other in
        select distinct k.conrelid::regclass as here, k.conname, pg_get_constraintdef(k.oid) as definition
        from _supportchat.older_tables() as name
        join pg_constraint k on k.conrelid = format('public.%I', name)::regclass and k.contype = 'f'
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any (k.conkey)
        left join pg_constraint p on p.conrelid = k.conrelid and p.contype = 'p'
        where (a.attname = _supportchat.key_of(name) or a.attnum = any (p.conkey))
            and k.confrelid not in (select format('public.%I', ours)::regclass from _supportchat.older_tables() as ours)
    loop
        execute format('alter table %s drop constraint %I', other.here, other.conname);
        raise warning '%: % is dropped, because keys are made here: %', other.here, other.conname, other.definition;
    end loop;
end $$;

select _supportchat.loosen_table(name) from _supportchat.older_tables() as name;
select _supportchat.ensure_columns('{agents}'), _supportchat.ensure_unique('agents', 'id'), _supportchat.release_columns('agents');
select _supportchat.ensure_columns('{user_sessions}'), _supportchat.release_columns('user_sessions');

-- Every conversation gets a session_id of its own. Where an older version had rows without one, or several with the
-- same, the oldest keeps it, and with it the messages and tickets that name it.
do $$
begin
    if _supportchat.is_in_shape('user_sessions', array['last_spoken_seq', 'customer_lines', 'is_anonymous']) then
        return;
    end if;
    if exists (
        select from pg_attribute where attrelid = 'public.user_sessions'::regclass and attname = 'id' and not attisdropped
    ) then
        update public.user_sessions set session_id = _supportchat.legacy_uuid('user_sessions', id::text) where session_id is null;
    end if;
    update public.user_sessions set session_id = gen_random_uuid() where session_id is null;
    with twins as (
        select ctid as place, row_number() over (
            partition by s.session_id order by s.created_at nulls last, to_jsonb(s) ->> 'id', s.ctid
        ) as number
        from public.user_sessions s
    )
    update public.user_sessions s set
        session_id = _supportchat.legacy_uuid(
            'user_sessions', s.session_id || ':' || coalesce(to_jsonb(s) ->> 'id', twins.number::text)
        ),
        legacy = _supportchat.noted(legacy, 'session_id', s.session_id::text)
    from twins where twins.place = s.ctid and twins.number > 1;
end $$;
select _supportchat.require_columns('{user_sessions}', array(
    select column_name from _supportchat.declared_columns() where table_name = 'user_sessions' and demand <> 'key'
));
select _supportchat.ensure_unique('user_sessions', 'session_id');

select _supportchat.ensure_columns(array[name], 'legacy'), _supportchat.follow_sessions(name),
    _supportchat.ensure_columns(array[name]), _supportchat.ensure_unique(name, 'id'), _supportchat.release_columns(name)
from unnest(array['chat_messages', 'tickets']) as name;

select _supportchat.fill_column('agents', 'name', array['full_name', 'display_name', 'username']);

-- Agents of older versions: what a name, an address, a role and a limit may be.
update public.agents set
    name = left(coalesce(substring(trim(name) from '\S.*'), nullif(split_part(email, '@', 1), ''), 'Agent'), 80),
    legacy = _supportchat.noted(legacy, 'name', name)
where name is null or name !~ '\S' or char_length(name) > 80;
update public.agents set email = null, legacy = _supportchat.noted(legacy, 'email', email)
where char_length(email) not between 3 and 254;
with twins as (
    select id, row_number() over (partition by lower(email) order by created_at, id) as number
    from public.agents where email is not null
)
update public.agents a set email = null, legacy = _supportchat.noted(legacy, 'email', email)
from twins where twins.id = a.id and twins.number > 1;
update public.agents set
    role = case when lower(trim(role)) in ('admin', 'administrator', 'owner', 'superadmin') then 'admin' else 'agent' end,
    legacy = _supportchat.noted(legacy, 'role', role)
where role is null or role not in ('agent', 'lead', 'admin');
update public.agents set
    availability = case
        when availability is null or lower(trim(availability)) in ('available', 'online', 'active', 'free') then 'available'
        else 'away'
    end,
    legacy = _supportchat.noted(legacy, 'availability', availability)
where availability is null or availability not in ('available', 'away');
update public.agents set
    max_tickets = greatest(0, least(1000, coalesce(max_tickets, 5))),
    legacy = _supportchat.noted(legacy, 'max_tickets', max_tickets::text)
where max_tickets is null or max_tickets not between 0 and 1000;
update public.agents set is_active = true where is_active is null;
-- The demo accounts of versions that did not mark them, if they still have the password that was printed.
update public.agents a set is_demo = (name, email) in (
        ('Alice Kern', 'alice@example.com'), ('Ben Ortiz', 'ben@example.com'), ('Carol Tan', 'carol@example.com')
    ) and exists (select from public.agent_credentials c where c.agent_id = a.id and c.changed_at = a.created_at)
where is_demo is null;
-- Rows of a table that was adopted may be anything. Only who has answered here, or has a password, is somebody who can be
-- given a ticket; create_agent gives one.
update public.agents a set is_active = false, legacy = _supportchat.noted(legacy, 'is_active', 'true')
where is_active and current_setting('supportchat.adopt', true) = 'yes'
    and not exists (select from public.tickets t where t.assigned_agent_id = a.id)
    and not exists (select from public.chat_messages m where m.sender_agent_id = a.id)
    and not exists (select from public.agent_credentials c where c.agent_id = a.id)
    and not exists (
        select from pg_policy where polrelid = 'public.agents'::regclass and polname = 'server_only'
    );
update public.agents set created_at = now() where created_at is null;

-- Rows of older versions. Where every row is as it has to be, none is looked at.
do $mend$
declare
    name text;
    old_name text;
begin
    if (
        select bool_and(_supportchat.is_in_shape(older, array['last_spoken_seq', 'customer_lines', 'is_anonymous', 'site_id']))
        from unnest(array['user_sessions', 'chat_messages', 'tickets']) as older
    ) then
        return;
    end if;
    -- Nobody has counted these rows yet, and who guesses that there are few would read a table once for each of another.
    perform set_config('enable_nestloop', 'off', true);

    perform _supportchat.fill_column('chat_messages', 'sender', array['sender_type', 'sender_role', 'role']);
    perform _supportchat.fill_column('chat_messages', 'message', array['content', 'body', 'text', 'image_url', 'attachment_url']);

    -- References that name a conversation by its id, without a key that says so.
    if exists (
        select from pg_attribute where attrelid = 'public.user_sessions'::regclass and attname = 'id' and not attisdropped
    ) then
        foreach name in array array['chat_messages', 'tickets'] loop
            select coalesce(max(attname::text), 'session_id') into old_name from pg_attribute
            where attrelid = format('public.%I', name)::regclass and attname = 'legacy_session_id' and not attisdropped;
            execute format(
                'update public.%I as mine set session_id = theirs.session_id,'
                || ' legacy = _supportchat.noted(mine.legacy, ''session_id'', mine.%I::text)'
                || ' from public.user_sessions theirs where theirs.id::text = mine.%I::text and mine.session_id is not null'
                || ' and not exists (select from public.user_sessions s where s.session_id = mine.session_id)',
                name, old_name, old_name
            );
        end loop;
    end if;

    -- Conversations of older versions. A text that no column may hold is cut; the whole is in legacy.
    update public.user_sessions s set created_at = began.at
    from (select session_id, min(created_at) as at from public.chat_messages group by session_id) as began
    where began.session_id = s.session_id and s.created_at is null;
    update public.user_sessions set created_at = now() where created_at is null;
    update public.user_sessions set
        customer_name = left(substring(trim(customer_name) from '\S.*'), 80),
        legacy = _supportchat.noted(legacy, 'customer_name', customer_name)
    where customer_name !~ '\S' or char_length(customer_name) > 80;
    update public.user_sessions set
        customer_phone = left(substring(trim(customer_phone) from '\S.*'), 32),
        legacy = _supportchat.noted(legacy, 'customer_phone', customer_phone)
    where customer_phone !~ '\S' or char_length(customer_phone) > 32;
    update public.user_sessions set time_zone = null, legacy = _supportchat.noted(legacy, 'time_zone', time_zone)
    where char_length(time_zone) > 64;
    update public.user_sessions set
        status = case
            when lower(trim(status)) in (
                'ended', 'closed', 'resolved', 'solved', 'completed', 'complete', 'done', 'finished', 'inactive', 'archived',
                'expired', 'cancelled', 'canceled', 'disconnected'
            ) then 'ended' else 'active'
        end,
        legacy = _supportchat.noted(legacy, 'status', status)
    where status is null or status not in ('active', 'ended');

    -- Messages of older versions: seq counts them by time, and goes on after what is counted already.
    update public.chat_messages m set created_at = coalesce(
        (select s.created_at from public.user_sessions s where s.session_id = m.session_id), now()
    ) where created_at is null;
    update public.chat_messages set
        sender = case
            when lower(trim(sender)) in ('agent', 'admin', 'support', 'staff', 'operator', 'human', 'employee', 'representative')
                then 'agent'
            when lower(trim(sender)) in ('bot', 'chatbot', 'ai', 'assistant', 'auto', 'automation', 'system', 'info')
                then 'system'
            when sender_agent_id is not null or exists (
                select from public.agents a where sender in (a.id::text, a.name, a.email)
            ) then 'agent'
            else 'user'
        end,
        legacy = _supportchat.noted(legacy, 'sender', sender)
    where sender is null or sender not in ('user', 'agent', 'system');
    -- A message that no check would let in stays as it was said. legacy is what exempts it.
    update public.chat_messages set message = coalesce(message, ''), legacy = coalesce(legacy, '{}')
    where legacy is null and (
        message is null or char_length(message) > _supportchat.longest_message() or (message !~ '\S' and image_id is null)
    );
    update public.chat_messages set message = '' where message is null;
    update public.chat_messages set detail = '{}' where detail is null;
    with twins as (
        select ctid as place, row_number() over (partition by session_id, sender, client_message_id order by created_at, ctid) as number
        from public.chat_messages
        where client_message_id is not null and to_regclass('public.chat_messages_client_key') is null
    )
    update public.chat_messages m set
        client_message_id = gen_random_uuid(), legacy = _supportchat.noted(legacy, 'client_message_id', client_message_id::text)
    from twins where twins.place = m.ctid and twins.number > 1;
    update public.chat_messages set client_message_id = gen_random_uuid() where client_message_id is null;
    with counted as (
        select m.ctid as place, coalesce(known.last, 0) + row_number() over (
            partition by m.session_id order by m.created_at, m.id, m.ctid
        ) as seq
        from public.chat_messages m
        left join (
            select session_id, max(seq) as last from public.chat_messages where seq is not null group by session_id
        ) as known on known.session_id = m.session_id
        where m.seq is null and m.session_id is not null
    )
    update public.chat_messages m set seq = counted.seq from counted where counted.place = m.ctid;
    update public.user_sessions s set last_seq = counted.last
    from (select session_id, max(seq) as last from public.chat_messages group by session_id) as counted
    where counted.session_id = s.session_id and s.last_seq is distinct from counted.last and counted.last > coalesce(s.last_seq, 0);
    update public.user_sessions set last_seq = 0 where last_seq is null;

    -- Tickets of older versions. A ticket that has no number yet is one; numbers are given by time. Each table is read as a
    -- whole: what looks up the rows of one conversation has no index yet, or may not use one that is as new as this transaction.
    update public.tickets t set created_at = coalesce(
        (select s.created_at from public.user_sessions s where s.session_id = t.session_id), now()
    ) where created_at is null;
    update public.tickets set updated_at = coalesce(closed_at, created_at) where updated_at is null;
    update public.tickets set version = 1 where version is null;
    -- Here and not only in fix_user_sessions_columns.sql: a row that this transaction has written already is held against its
    -- foreign keys when it is written again, and those come in between.
    update public.tickets set channel = 'web-chat', legacy = _supportchat.noted(legacy, 'channel', channel)
    where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
    update public.tickets set channel = left(channel, 32), legacy = _supportchat.noted(legacy, 'channel', channel)
    where char_length(channel) > 32;
    update public.tickets set
        status = case
            when lower(translate(trim(status), ' -', '__')) in (
                'closed', 'resolved', 'solved', 'done', 'completed', 'complete', 'ended', 'finished', 'archived', 'cancelled',
                'canceled', 'expired', 'inactive', 'spam', 'deleted', 'rejected'
            ) then 'closed'
            when assigned_agent_id is null then 'waiting'
            else 'open'
        end,
        legacy = _supportchat.noted(legacy, 'status', status)
    where status is null or status not in ('waiting', 'open', 'closed')
        or (status = 'open' and assigned_agent_id is null) or (status = 'waiting' and assigned_agent_id is not null);
    -- What is open for an agent who is not there waits for another one.
    update public.tickets t set
        status = 'waiting', assigned_agent_id = null,
        legacy = _supportchat.noted(_supportchat.noted(legacy, 'status', status), 'assigned_agent_id', assigned_agent_id::text)
    where status = 'open' and not exists (select from public.agents a where a.id = t.assigned_agent_id);
    with twins as (
        select ctid as place, row_number() over (partition by number order by created_at, ctid) as number
        from public.tickets where number is not null and to_regclass('public.tickets_number_key') is null
    )
    update public.tickets t set number = null, legacy = _supportchat.noted(legacy, 'number', t.number::text)
    from twins where twins.place = t.ctid and twins.number > 1;
    with counted as (
        select t.ctid as place, greatest(1000, (select max(number) from public.tickets)) + row_number() over (
            order by t.created_at, to_jsonb(t) -> 'legacy_id', t.id, t.ctid
        ) as number
        from public.tickets t where t.number is null
    )
    update public.tickets t set number = counted.number from counted where counted.place = t.ctid;
    -- Since when a customer waits: since the first message after the last answer. And when a ticket was closed.
    with unknown as (
        select session_id from public.tickets where status <> 'closed' and awaiting_since is null and session_id is not null
    ), spoken as (
        select m.session_id, min(m.created_at) as since
        from (
            select session_id, sender, seq, created_at,
                max(seq) filter (where sender = 'agent') over (partition by session_id) as answered
            from public.chat_messages
            where session_id in (select session_id from unknown)
        ) as m
        where m.sender = 'user' and m.seq > coalesce(m.answered, 0)
        group by m.session_id
    )
    update public.tickets t set awaiting_since = spoken.since from spoken
    where spoken.session_id = t.session_id and t.status <> 'closed' and t.awaiting_since is null;
    update public.tickets set awaiting_since = null, legacy = _supportchat.noted(legacy, 'awaiting_since', awaiting_since::text)
    where status = 'closed' and awaiting_since is not null;
    update public.tickets set closed_at = updated_at where status = 'closed' and closed_at is null;
    -- Of an older version only: a ticket that is open again for an afterword keeps its closed_at. See load_of_agent.
    update public.tickets set closed_at = null, legacy = _supportchat.noted(legacy, 'closed_at', closed_at::text)
    where status <> 'closed' and closed_at is not null
        and not exists (
            select from pg_policy where polrelid = 'public.tickets'::regclass and polname = 'server_only'
        );
    perform setval('public.ticket_numbers', numbered.last)
    from (select max(number) as last from public.tickets) as numbered, public.ticket_numbers as counter
    where numbered.last > counter.last_value or (numbered.last = counter.last_value and not counter.is_called);
    -- One ticket at a time can be worked on in a conversation, and none without one.
    with older as (
        select t.place
        from (
            select ctid as place, session_id, number, max(number) over (partition by session_id) as newest
            from public.tickets where status <> 'closed'
        ) as t
        where t.number < t.newest or not exists (select from public.user_sessions s where s.session_id = t.session_id)
    )
    update public.tickets t set
        status = 'closed', closed_at = t.updated_at, awaiting_since = null, legacy = _supportchat.noted(legacy, 'status', status)
    from older where older.place = t.ctid;
    perform set_config('enable_nestloop', 'on', true);
end $mend$;

-- Counters that are newer than their rows.
do $$
begin
    if not _supportchat.may_be_empty('user_sessions', 'customer_lines')
        and not _supportchat.may_be_empty('user_sessions', 'last_spoken_seq') then
        return;
    end if;
    update public.user_sessions s set customer_lines = counted.lines, last_spoken_seq = coalesce(counted.last, 0)
    from (
        select session_id, count(*) filter (where sender = 'user') as lines, max(seq) filter (where sender <> 'system') as last
        from public.chat_messages
        where session_id in (select session_id from public.user_sessions where customer_lines is null or last_spoken_seq is null)
        group by session_id
    ) as counted
    where counted.session_id = s.session_id;
    update public.user_sessions set customer_lines = coalesce(customer_lines, 0), last_spoken_seq = coalesce(last_spoken_seq, 0)
    where customer_lines is null or last_spoken_seq is null;
end $$;

select _supportchat.pause_triggers(name, false) from _supportchat.older_tables() as name;

-- Columns that are new in tables of this version; and then every demand. fix_user_sessions_columns.sql makes two of them.
select _supportchat.ensure_columns(array(
    select _supportchat.declared_tables() except select _supportchat.older_tables()
));
do $$
begin
    if _supportchat.may_be_empty('ticket_reads', 'read_lines') then
        -- Who has read everything has read all lines: most have, and nothing is counted for them.
        update public.ticket_reads r set read_lines = case when r.read_seq >= s.last_seq then s.customer_lines else (
            select count(*) from public.chat_messages m
            where m.session_id = r.session_id and m.sender = 'user' and m.seq <= r.read_seq
        ) end
        from public.user_sessions s where s.session_id = r.session_id and r.read_lines is null;
    end if;
end $$;
select _supportchat.require_columns(array(select name from _supportchat.declared_tables() as name where name <> 'user_sessions'));
select _supportchat.require_columns('{user_sessions}', '{channel, is_anonymous}');
-- A key that a table of this version has lost. Those of older versions have unique indexes for it.
do $$
declare
    missing record;
begin
    for missing in
        select table_name, string_agg(quote_ident(column_name), ', ' order by place) as key
        from _supportchat.declared_columns() where demand = 'key' and is_older is not true group by table_name
        having not exists (
            select from pg_constraint where conrelid = format('public.%I', table_name)::regclass and contype = 'p'
        )
    loop
        execute format('alter table public.%I add primary key (%s)', missing.table_name, missing.key);
    end loop;
end $$;
select _supportchat.ensure_index(index_name) from _supportchat.declared_indexes();

-- The history of the tickets, which had a table of its own before there was a log. Its people become ids.
do $$
begin
    if not exists (
        select from pg_policy where polrelid = to_regclass('public.ticket_events') and polname = 'server_only'
    ) then
        return;
    end if;
    insert into public.events (id, transaction, kind, session_id, ticket_id, actor, agent_id, detail, created_at)
    overriding system value
    select e.id, '0', 'ticket.' || e.event, t.session_id, e.ticket_id, e.actor, e.agent_id, e.detail || coalesce((
        select jsonb_object_agg(key, value -> 'id') from jsonb_each(e.detail) where jsonb_typeof(value) = 'object'
    ), '{}'), e.created_at
    from public.ticket_events e join public.tickets t on t.id = e.ticket_id
    on conflict do nothing;
    perform setval(pg_get_serial_sequence('public.events', 'id'), last) from (select max(id) as last from public.events) as e
    where last is not null;
    drop table public.ticket_events;
end $$;
-- Which conversations are open in a process has a table of its own by now.
alter table public.server_processes drop column if exists sessions;

-- In another history than the one in which they were written (a dump that was read back), events are of the past.
update public.events set transaction = '0' where transaction >= pg_snapshot_xmax(pg_current_snapshot());

-- An earlier version numbered the lines of the search by itself, and wrote each new one into all of the index at once.
alter table public.search_lines alter column line_id drop identity if exists;
alter index public.search_lines_words_idx set (fastupdate = 'on', gin_pending_list_limit = 64);

-- Indexes that an earlier version used.
do $$
declare
    former regclass;
begin
    for former in
        select i.indexrelid::regclass from pg_index i
        join pg_class c on c.oid = i.indexrelid
        where (i.indrelid, c.relname) in (
            ('public.tickets'::regclass, 'tickets_not_closed_idx'), ('public.tickets'::regclass, 'tickets_updated_at_idx'),
            ('public.tickets'::regclass, 'tickets_session_id_idx'), ('public.tickets'::regclass, 'tickets_ready_idx'),
            ('public.chat_messages'::regclass, 'chat_messages_sender_agent_id_idx'),
            ('public.chat_messages'::regclass, 'chat_messages_image_id_idx'),
            ('public.events'::regclass, 'events_ticket_id_idx')
        )
    loop
        execute format('drop index %s', former);
    end loop;
end $$;

-- An index of an older version that does the same as one of these is only work.
do $$
declare
    twin regclass;
begin
    for twin in
        select other.indexrelid::regclass
        from _supportchat.declared_indexes() as declared
        join pg_index own on own.indexrelid = format('public.%I', declared.index_name)::regclass
        join pg_index other on other.indrelid = own.indrelid and other.indexrelid <> own.indexrelid
        join pg_class other_name on other_name.oid = other.indexrelid
        where not declared.is_unique
            and not exists (select from pg_constraint k where k.conindid = other.indexrelid)
            and replace(pg_get_indexdef(own.indexrelid), declared.index_name, '')
            = replace(pg_get_indexdef(other.indexrelid), other_name.relname, '')
    loop
        execute format('drop index %s', twin);
    end loop;
end $$;

-- The functions of this desk see no schema, and an old trigger that they set off would see none either: it gets the path
-- that it was written for. A function that other tables' triggers run as well, or of another schema, is not ours to alter.
do $$
declare
    other record;
    path text := (
        select string_agg(nspname, ', ' order by nspname desc) from pg_namespace where nspname in ('public', 'extensions')
    );
begin
    for other in
        select p.oid::regprocedure as signature, p.pronamespace = 'public'::regnamespace and pg_has_role(p.proowner, 'usage')
            and not exists (
                select from pg_trigger elsewhere
                join pg_class its_table on its_table.oid = elsewhere.tgrelid
                where elsewhere.tgfoid = p.oid and not (
                    its_table.relnamespace = 'public'::regnamespace
                    and its_table.relname in (select _supportchat.older_tables())
                )
            ) as is_ours
        from pg_proc p
        join pg_language l on l.oid = p.prolang
        where l.lanname not in ('internal', 'c')
            and exists (
                select from pg_trigger t
                where t.tgfoid = p.oid and not t.tgisinternal
                    and t.tgrelid in (select format('public.%I', name)::regclass from _supportchat.older_tables() as name)
            )
            and not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=%')
    loop
        if other.is_ours then
            execute format('alter function %s set search_path = %s', other.signature, path);
        else
            raise warning 'A trigger runs %, which is not only ours: alter function % set search_path = %, if it names tables without their schema',
                other.signature, other.signature, path;
        end if;
    end loop;
end $$;

-- rules.sql: what has to be true of a row, and which ways a ticket may go.

select _supportchat.ensure_constraint(format('public.%I', table_name)::regclass, constraint_name, format('check (%s)', condition))
from _supportchat.declared_checks() where not by_trigger order by place;
select _supportchat.ensure_row_checks(
    table_name, 'check_' || table_name, array_agg(constraint_name order by place), array_agg(condition order by place)
)
from _supportchat.declared_checks() where by_trigger group by table_name;

insert into public.ticket_transitions (from_status, to_status) values
    ('waiting', 'open'), ('open', 'waiting'), ('waiting', 'closed'), ('open', 'closed'), ('closed', 'waiting')
on conflict do nothing;

-- The roles, and what each may do. To work with tickets; to take or end somebody else's; to shut out customers; to change what
-- everybody at the desk uses (saved replies, tags, views); and what the whole desk depends on.
with wanted as (
    select role, right_name
    from (values
        ('agent', '{answer}'::text[]),
        ('lead', '{answer, reassign, ban, curate}'),
        ('admin', '{answer, reassign, ban, curate, manage_people, see_status, see_audit, manage_desk, export, erase}')
    ) as written (role, rights), unnest(rights) as right_name
), withdrawn as (
    delete from public.role_rights as former
    where not exists (select from wanted where wanted.role = former.role and wanted.right_name = former.right_name)
)
insert into public.role_rights (role, right_name) select role, right_name from wanted
on conflict do nothing;

-- The site of everything that names none.
insert into public.sites (site_id, key, name) overriding system value values (1, 'main', 'Support') on conflict do nothing;
select setval(pg_get_serial_sequence('public.sites', 'site_id'), max(site_id)) from public.sites;

insert into public.search_state (only_row, read_at) values (true, 'epoch') on conflict do nothing;
-- Words that an earlier version has written without their slice are written anew.
with former as (
    delete from public.search_lines where not exists (select from public.search_slices) returning line_id
)
update public.search_state set cursor = null where exists (select from former);
insert into public.heartbeat (only_row) values (true) on conflict do nothing;

-- Refuses a change of state that ticket_transitions does not list, keeps the status of the conversation, which nothing here
-- reads, to the one of its ticket, and counts the ticket's versions. What only a message
-- has changed is none: the message itself tells of it, and each new version has the pages of agents fetch the ticket.
create or replace function _supportchat.guard_ticket()
returns trigger
language plpgsql
set search_path = ''
as $$
declare
    by_messages text[] := array['awaiting_since', 'first_reply_at', 'updated_at'];
begin
    if new.status <> old.status and not exists (
        select from public.ticket_transitions where from_status = old.status and to_status = new.status
    ) then
        raise sqlstate 'PT409' using message = 'transition_not_allowed', detail = old.status || ' to ' || new.status;
    end if;
    if (new.status = 'closed') <> (old.status = 'closed') then
        update public.user_sessions set status = case new.status when 'closed' then 'ended' else 'active' end
        where session_id = new.session_id;
    end if;
    if to_jsonb(new) - by_messages <> to_jsonb(old) - by_messages then
        new.version := old.version + 1;
    end if;
    new.updated_at := clock_timestamp();
    return new;
end $$;

create or replace trigger guard_ticket
before update on public.tickets
for each row execute function _supportchat.guard_ticket();

-- access.sql: who may do what: the server's role everything that it needs, and nobody else anything.

-- Takes something from everybody but its owner, and gives the server's role what it needs of it, where there is one.
create or replace function _supportchat.grant_to_server(p_thing text, p_rights text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    outsider text;
begin
    execute format('revoke all on %s from public', p_thing);
    for outsider in select rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
        execute format('revoke all on %s from %I', p_thing, outsider);
    end loop;
    if exists (select from pg_catalog.pg_roles where rolname = 'service_role') then
        execute format('grant %s on %s to service_role', p_rights, p_thing);
    end if;
end $$;

-- Turns row-level security on for a table, with one policy that lets nobody through: the server's role stands above it,
-- and the keys that a browser may hold reach no row.
create or replace function _supportchat.close_table(p_table text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    execute format('alter table public.%I enable row level security', p_table);
    execute format('drop policy if exists server_only on public.%I', p_table);
    execute format('create policy server_only on public.%I as restrictive using (false) with check (false)', p_table);
    perform _supportchat.grant_to_server(format('public.%I', p_table), 'select, insert, update, delete');
end $$;

-- The tables, and every view that shows rows of them.
create or replace function _supportchat.own_relations()
returns table (relation_id oid)
language sql
stable
set search_path = ''
as $$
    with recursive own as (
        select to_regclass(format('public.%I', name))::oid as oid from _supportchat.declared_tables() as name
        union
        select r.ev_class from own
        join pg_catalog.pg_depend d
            on d.refobjid = own.oid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_rewrite'::regclass
        join pg_catalog.pg_rewrite r on r.oid = d.objid
    )
    select oid from own where oid is not null
$$;

-- The views that show rows of a table to a browser, and to whom. A view reads with the rights of its owner, past the
-- policies of the tables behind it.
create or replace function _supportchat.open_views()
returns table (view_id oid, outsiders text)
language sql
stable
set search_path = ''
as $$
    select c.oid, string_agg(distinct case grantee when 0 then 'public' else pg_get_userbyid(grantee)::text end, ', ')
    from _supportchat.own_relations()
    join pg_catalog.pg_class c on c.oid = relation_id, aclexplode(c.relacl) as granted
    where c.relkind in ('v', 'm') and (grantee = 0 or pg_get_userbyid(grantee) in ('anon', 'authenticated'))
    group by c.oid
$$;

select _supportchat.grant_to_server('schema _supportchat', 'usage');
select _supportchat.close_table(name) from _supportchat.declared_tables() as name;

-- The sequences too: of these tables, and the one of the ticket numbers. A default of nextval needs a right on it.
select _supportchat.grant_to_server(format('sequence public.%I', c.relname), 'usage')
from pg_class c
where c.relkind = 'S' and c.relnamespace = 'public'::regnamespace and (c.relname = 'ticket_numbers' or exists (
    select from pg_depend d
    where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        and d.refobjid in (select format('public.%I', own)::regclass from _supportchat.declared_tables() as own)
));

-- Not ours to close.
do $$
declare
    reader record;
begin
    for reader in select view_id::regclass as view_name, outsiders from _supportchat.open_views() loop
        raise warning 'The view % shows rows of the desk to browsers. It is left alone; to close it: revoke all on % from %',
            reader.view_name, reader.view_name, reader.outsiders;
    end loop;
end $$;

-- storage.sql: where Supabase keeps the pictures.

-- Says whether this is a database with Supabase's storage, whose buckets we may see. A schema 'storage' of another make
-- does not count, and neither does one that is closed to us: to_regclass would fail on it.
create or replace function _supportchat.has_buckets()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'storage' and c.relname = 'buckets'
            and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
            and 5 = (
                select count(*) from pg_catalog.pg_attribute a
                where a.attrelid = c.oid and not a.attisdropped
                    and a.attname in ('id', 'name', 'public', 'file_size_limit', 'allowed_mime_types')
            )
    )
$$;

-- The bucket of the pictures: private, and with the limits that the server keeps to as well. One that is there already
-- stays as its owner set it; check_bucket says when that is not as it should be.
do $$
begin
    if _supportchat.has_buckets() then
        insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
        select 'chat-images', 'chat-images', false, bytes, types from _supportchat.picture_limits()
        on conflict do nothing;
    end if;
end $$;

select _supportchat.record_script('supabase_schema.sql', '7b5491677a93');

notify pgrst, 'reload schema';

commit;
