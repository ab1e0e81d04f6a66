-- supabase.sql sets up supportchat, or brings it up to date: paste it into Supabase's SQL editor and run it.
-- It is one transaction, loses no row, and is safe to run again. The editor stops after a minute or two: for a large
-- database of an older version use bin/migrate. Put together from the other scripts by bin/migrate stamp.

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

-- supabase_schema.sql creates every table of supportchat.
-- Run it first; it is safe to run again. A database that an older version left behind is brought up to date: what is
-- missing is added, and where a value has to change, the old one stays in the column "legacy" of the row, or in a
-- column "legacy_..." beside the new one. No row is deleted.
-- Foreign keys follow in fix_foreign_keys.sql, channel and is_anonymous in fix_user_sessions_columns.sql.
-- Written by bin/migrate stamp from the files in sql/schema: change it there.

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

-- fix_foreign_keys.sql gives every table its foreign keys.
-- Run it after supabase_schema.sql; it is safe to run again. A key that is missing is added, one that points elsewhere is
-- replaced. Rows that refer to nothing are kept, and shown at the end: the key then binds new rows only.

select _supportchat.lock_tables();
select _supportchat.ensure_foreign_key(mine.table_name, mine.column_name, mine.refers_to, theirs.column_name, mine.on_delete)
from _supportchat.declared_columns() as mine
join _supportchat.declared_columns() as theirs on theirs.table_name = mine.refers_to and theirs.demand = 'key'
order by mine.place;

-- The references to which not every row may keep, with the condition that finds the rows that do not: keys that could not be
-- validated, and rows that belong to no conversation at all.
create or replace function _supportchat.doubtful_references(p_table text)
returns table (here regclass, table_name name, column_name name, target_name name, condition text)
language sql
stable
set search_path = ''
as $$
    select k.conrelid::regclass, c.relname, a.attname, t.relname, case
        when k.convalidated then format('mine.%I is null', a.attname)
        else format(
            'case when mine.%I is null then %L::boolean else not exists (select from %s theirs where theirs.%I = mine.%I) end',
            a.attname, demanded.value, k.confrelid::regclass, b.attname, a.attname
        )
    end
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_class c on c.oid = k.conrelid
    join pg_catalog.pg_class t on t.oid = k.confrelid
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
    cross join lateral (select c.relname in ('chat_messages', 'tickets') and a.attname = 'session_id') as demanded (value)
    where k.contype = 'f' and k.connamespace = 'public'::regnamespace and c.relname = coalesce(p_table, c.relname)
        and obj_description(k.oid, 'pg_constraint') like 'foreign key (%' and (demanded.value or not k.convalidated)
$$;

-- How many rows of a table fulfil a condition, and the ids of some of them.
create or replace function _supportchat.count_orphans(p_table regclass, p_condition text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    counted jsonb;
begin
    execute format(
        'select jsonb_build_object(''count'', count(*), ''ids'', coalesce(jsonb_agg(id) filter (where place <= 5), ''[]''))'
        || ' from (select coalesce(to_jsonb(mine) ->> ''id'', to_jsonb(mine) ->> ''session_id'') as id,'
        || ' row_number() over () as place from %s mine where %s) as orphans',
        p_table, p_condition
    ) into counted;
    return counted;
end $$;

-- The rows that refer to nothing, of one table or of all: table, column, refers_to, count, and the ids of some of them.
-- Only a key that not every row keeps to is looked at, so this costs nothing where there are none.
create or replace function public.orphan_rows(p_table text default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(
        jsonb_build_object('table', table_name, 'column', column_name, 'refers_to', target_name) || counted
        order by table_name, column_name
    ), '[]')
    from _supportchat.doubtful_references(p_table), _supportchat.count_orphans(here, condition) as counted
    where counted ->> 'count' <> '0'
$$;

select _supportchat.record_script('fix_foreign_keys.sql', '5e5e47d4e8e2');

-- fix_user_sessions_columns.sql adds channel and is_anonymous to user_sessions, and names the channel 'web-chat'.
-- Run it after fix_foreign_keys.sql; it is safe to run again.

select _supportchat.lock_tables();
-- A table cannot be altered while a deferred key of an older version has rows to check.
set constraints all immediate;

select _supportchat.ensure_columns('{user_sessions}');

-- Where every row is as it has to be, and the checks at the end are there, this script has been here before: no row is looked at.
do $$
begin
    if _supportchat.is_in_shape('user_sessions') and _supportchat.is_in_shape('tickets')
        and _supportchat.is_row_checked(
            'user_sessions', 'check_channel', '{user_sessions_channel_check}', '{char_length(new.channel) between 1 and 32}'
        )
        and exists (
            select from pg_catalog.pg_constraint
            where conrelid = 'public.tickets'::regclass and convalidated and conname = 'tickets_channel_check'
        ) then
        return;
    end if;
    perform _supportchat.pause_triggers(name, true) from unnest(array['user_sessions', 'tickets']) as name;
    update public.user_sessions set channel = 'web-chat', legacy = _supportchat.noted(legacy, 'channel', channel)
    where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
    update public.user_sessions set channel = left(channel, 32), legacy = _supportchat.noted(legacy, 'channel', channel)
    where char_length(channel) > 32;
    update public.user_sessions set is_anonymous = (customer_name is null and customer_phone is null) where is_anonymous is null;
    update public.tickets set channel = 'web-chat', legacy = _supportchat.noted(legacy, 'channel', channel)
    where channel is null or channel !~ '\S' or lower(trim(channel)) = 'web';
    update public.tickets set channel = left(channel, 32), legacy = _supportchat.noted(legacy, 'channel', channel)
    where char_length(channel) > 32;
    perform _supportchat.pause_triggers(name, false) from unnest(array['user_sessions', 'tickets']) as name;
end $$;

select _supportchat.require_columns('{user_sessions, tickets}');

-- See declared_checks.
select _supportchat.ensure_row_checks(
    'user_sessions', 'check_channel', '{user_sessions_channel_check}', '{char_length(new.channel) between 1 and 32}'
);
select _supportchat.ensure_constraint('public.tickets', 'tickets_channel_check', 'check (char_length(channel) between 1 and 32)');

select _supportchat.record_script('fix_user_sessions_columns.sql', 'b2606becf573');

-- limits.sql: how often somebody may do something, exact across all server processes. Safe to run again.
-- A limit is [how many, in how many seconds], as JSON: so many at once, then one more whenever that share of the time has
-- passed. Null, or none at all, is no limit.

-- Takes one of what a limit allows; PT429 with the seconds to wait when there is nothing left, and then nothing is taken.
-- Buckets that are full again are the same as none: each call throws a few of them away.
create or replace function _supportchat.take_token(p_act text, p_whom text, p_limit jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    whole interval := make_interval(secs => (p_limit ->> 1)::double precision);
    each interval := whole / nullif((p_limit ->> 0)::integer, 0);
    right_now timestamptz := clock_timestamp();
    seconds integer;
begin
    if each is null then
        return;
    end if;
    insert into public.throttle_buckets as bucket (key, full_at) values (p_act || '/' || p_whom, right_now + each)
    on conflict (key) do update set full_at = each + case
        -- Later than any call can have made it: the clock was set back since, and would lock them out for as long.
        when bucket.full_at > right_now + whole + interval '1 minute' then right_now
        else greatest(bucket.full_at, right_now)
    end
    where greatest(bucket.full_at, right_now) + each <= right_now + whole
        or bucket.full_at > right_now + whole + interval '1 minute';
    if not found then
        select ceil(extract(epoch from full_at + each - whole - right_now)) into seconds
        from public.throttle_buckets where key = p_act || '/' || p_whom;
        raise sqlstate 'PT429' using message = p_act || '_too_fast', detail = greatest(coalesce(seconds, 1), 1)::text;
    end if;
    -- Last, and one transaction at a time: two that hold what the other one is about to take would wait in a circle.
    if pg_catalog.pg_try_advisory_xact_lock(7308332046) then
        -- By their places: a join would read the whole table.
        delete from public.throttle_buckets where ctid = any (array(
            select ctid from public.throttle_buckets where full_at < right_now limit 10 for update skip locked
        ));
    end if;
end $$;

select _supportchat.record_script('functions/limits.sql', '8247177ceb12');

-- rights.sql: what an agent may do, by their role. Safe to run again.

-- Whether an agent has a right: never when they were disabled.
create or replace function _supportchat.has_right(p_agent_id uuid, p_right text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.agents a
        join public.role_rights r on r.role = a.role and r.right_name = p_right
        where a.id = p_agent_id and a.is_active
    )
$$;

-- Refuses what an agent has no right to: PT403. Every function that acts for an agent asks it.
create or replace function _supportchat.demand_right(p_agent_id uuid, p_right text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    -- As has_right has it, which would take a while to be called.
    if not exists (
        select from public.agents a
        join public.role_rights r on r.role = a.role and r.right_name = p_right
        where a.id = p_agent_id and a.is_active
    ) then
        raise sqlstate 'PT403' using message = 'right_missing', detail = p_right;
    end if;
end $$;

-- Refuses whoever was disabled, or never was: PT404. Every function in which agents change or read what is their own asks it.
create or replace function _supportchat.demand_active(p_agent_id uuid)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if not exists (select from public.agents where id = p_agent_id and is_active) then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
end $$;

-- Refuses an agent who was disabled, and what a login session asks for that has ended meanwhile (null: none asks): PT404. To look at a
-- password takes a while, and whoever is thrown out in this time must not change how the account is protected. Whoever throws them
-- out waits for the lock that this takes, or has had it before.
create or replace function _supportchat.demand_session(p_agent_id uuid, p_token_hash text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform from public.agents where id = p_agent_id and is_active for no key update;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    elsif p_token_hash is not null and not exists (
        select from public.agent_sessions s
        where s.token_hash = p_token_hash and s.agent_id = p_agent_id and s.created_at > now() - _supportchat.login_lasts()
    ) then
        raise sqlstate 'PT404' using message = 'session_ended';
    end if;
end $$;

-- The rights of a role, as a list.
create or replace function _supportchat.rights_of(p_role text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(right_name order by right_name), '[]') from public.role_rights where role = p_role
$$;

select _supportchat.record_script('functions/rights.sql', '90c955b52574');

-- audit.sql: who has done what, for people who have to know later. Safe to run again.
-- Kinds are codes such as 'login.ok' and 'person.disabled'; about holds codes and ids, and the address of who was invited.

-- Writes into the audit log what this transaction does for somebody (null: for nobody who is logged in).
create or replace function _supportchat.audit(
    p_kind text, p_agent_id uuid, p_about jsonb default '{}', p_address text default null
)
returns void
language sql
set search_path = ''
as $$
    insert into public.audit_log (kind, agent_id, about, address)
    values (p_kind, p_agent_id, p_about, nullif(left(p_address, 64), ''))
$$;

-- How long the audit log is kept: as admins have set it, for a year at least, and never shorter than the chats.
create or replace function _supportchat.audit_lasts()
returns interval
language plpgsql
stable
set search_path = ''
as $$
begin
    return make_interval(days => greatest(
        365, (_supportchat.setting('audit_days') #>> '{}')::integer, (_supportchat.setting('retention_days') #>> '{}')::integer
    ));
end $$;

-- Refuses every change of the audit log: rows are added, with the moment at which that is, and go when they are old enough.
create or replace function _supportchat.guard_audit()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if tg_op = 'INSERT' then
        new.created_at := clock_timestamp();
        return new;
    elsif tg_op = 'DELETE' and old.created_at < now() - _supportchat.audit_lasts() then
        return old;
    end if;
    raise sqlstate 'PT409' using message = 'audit_is_append_only';
end $$;

create or replace trigger guard_audit
before insert or update or delete on public.audit_log
for each row execute function _supportchat.guard_audit();

create or replace trigger guard_audit_as_a_whole
before truncate on public.audit_log
for each statement execute function _supportchat.guard_audit();

-- Deletes a few rows that are old enough.
create or replace function _supportchat.prune_audit()
returns void
language sql
set search_path = ''
as $$
    delete from public.audit_log where ctid = any (array(
        select ctid from public.audit_log
        where created_at < now() - _supportchat.audit_lasts() order by created_at limit 100 for update skip locked
    ))
$$;

-- A person as the audit log shows one: names change, and two people may have the same.
create or replace function _supportchat.audited_person_json(p_agent_id uuid)
returns jsonb
language plpgsql
stable
strict
set search_path = ''
as $$
begin
    return (
        select _supportchat.person_json(a.id) || jsonb_build_object('email', a.email) from public.agents a where a.id = p_agent_id
    );
end $$;

-- A page of the audit log, the newest first: of some kinds, of what somebody did or what was done to them, and before an id, whatever
-- is given. Everybody has the name that they have by now. With the people, if wanted, whom one can ask for.
create or replace function public.list_audit(
    p_agent_id uuid, p_kinds text[] default null, p_person_id uuid default null, p_before bigint default null,
    p_limit integer default 50, p_with_people boolean default true
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'see_audit');
    return jsonb_build_object(
        'rows', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', found.id, 'kind', found.kind, 'agent', _supportchat.audited_person_json(found.agent_id), 'about', found.about,
                'person', (
                    select _supportchat.audited_person_json(a.id) from public.agents a where a.id::text = found.about ->> 'person'
                ),
                'address', found.address, 'created_at', found.created_at
            ) order by found.id desc), '[]')
            from (
                select * from public.audit_log
                where (p_before is null or id < p_before) and (p_kinds is null or kind = any (p_kinds))
                    and (p_person_id is null or agent_id = p_person_id or about ->> 'person' = p_person_id::text)
                order by id desc limit p_limit
            ) as found
        ),
        'people', case when p_with_people then (
            select coalesce(jsonb_agg(_supportchat.person_json(id) order by lower(name), id), '[]') from public.agents
        ) else '[]' end
    );
end $$;

-- Notes that somebody takes the audit log away.
create or replace function public.note_audit_export(p_agent_id uuid, p_format text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'see_audit');
    perform _supportchat.audit('audit.exported', p_agent_id, jsonb_build_object('format', left(p_format, 8)));
end $$;

select _supportchat.record_script('functions/audit.sql', '9d46618190b0');

-- events.sql: how the server processes hear of what has changed. Safe to run again.

-- Whether changes also go to Supabase Realtime. Looked up in the catalogue, because to_regprocedure fails on a schema that is
-- closed to the caller.
create or replace function _supportchat.has_realtime()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from pg_catalog.pg_proc p
        join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where p.proname = 'send' and n.nspname = 'realtime'
            and pg_catalog.oidvectortypes(p.proargtypes) = 'jsonb, text, text, boolean'
            and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')
    )
$$;

-- Of an earlier version, which put the name of the event in itself.
drop function if exists _supportchat.notify_change(text, jsonb);

-- Tells every server process that something changed, the 'event'. It is a hint: whoever misses it finds the change in the log.
-- With Supabase Realtime it goes to the private topic 'supportchat' as well, and leaves with the same commit.
create or replace function _supportchat.notify_change(p_body jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    payload text := p_body;
    nothing text;
begin
    -- The send is not even parsed where there is none.
    if to_regnamespace('realtime') is not null and _supportchat.has_realtime() then
        perform realtime.send(p_body, p_body ->> 'event', 'supportchat', true);
    end if;
    -- NOTIFY refuses 8000 bytes and more. Without the row the receiver reads it from the database.
    if octet_length(payload) >= 7900 then
        payload := (p_body - 'row')::text;
    end if;
    -- An assignment takes a fraction of the time of a statement.
    nothing := pg_catalog.pg_notify('supportchat', payload);
end $$;

-- Of an earlier version, which called it for each event.
drop function if exists _supportchat.event_json(public.events);

-- Writes into the log what this transaction has done, and tells every server process, unless another event will (p_hint).
-- p_row may spare them a read.
create or replace function _supportchat.log_event(
    p_kind text, p_session_id uuid, p_detail jsonb default '{}', p_actor text default 'system', p_agent_id uuid default null,
    p_ticket_id uuid default null, p_row jsonb default null, p_hint boolean default true
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    logged bigint;
    nothing text;
begin
    insert into public.events (kind, session_id, ticket_id, actor, agent_id, detail)
    values (p_kind, p_session_id, p_ticket_id, p_actor, p_agent_id, p_detail)
    returning id into logged;
    if p_hint then
        -- As events_after has it.
        nothing := _supportchat.notify_change(jsonb_build_object(
            'id', logged, 'event', p_kind, 'session_id', p_session_id, 'actor', p_actor, 'agent_id', p_agent_id,
            'detail', p_detail, 'row', p_row
        ));
    end if;
end $$;

-- Logs the same of many conversations at once. A crowd (a restart) is one hint: look at the log.
create or replace function _supportchat.log_events(p_kind text, p_session_ids uuid[], p_detail jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if cardinality(p_session_ids) <= 50 then
        perform _supportchat.log_event(p_kind, id, p_detail) from unnest(p_session_ids) as id;
    else
        insert into public.events (kind, session_id, detail) select p_kind, id, p_detail from unnest(p_session_ids) as id;
        perform _supportchat.notify_change('{"event": "log.grew"}');
    end if;
end $$;

-- What the log has gained since a reader's last look, oldest first, with the cursor for the next one. The cursor is the
-- snapshot of the look: of what it saw nothing comes again, and what was being written at that moment comes as soon as it is
-- committed, however long another transaction goes on. Without a cursor nothing comes but the first one. p_limit events
-- or more mean that some are left out: the reader has to look at everything anew. So it has when the epoch is another.
create or replace function public.events_after(p_cursor text default null, p_limit integer default 1000)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    seen pg_catalog.pg_snapshot := p_cursor;
    running xid8[] := array(select pg_catalog.pg_snapshot_xip(seen));
begin
    return (
        select jsonb_build_object(
            'cursor', pg_catalog.pg_current_snapshot()::text,
            'epoch', public.database_epoch(),
            'events', coalesce(jsonb_agg(jsonb_build_object(
                'id', id, 'event', kind, 'session_id', session_id, 'actor', actor, 'agent_id', agent_id, 'detail', detail
            ) order by id), '[]')
        )
        from (
            (
                select * from public.events e
                where e.transaction >= pg_catalog.pg_snapshot_xmax(seen)
                order by e.transaction, e.id limit p_limit
            )
            union all
            (
                select * from public.events e
                where e.transaction = any (running)
                order by e.transaction, e.id limit p_limit
            )
        ) as found
    );
end $$;

-- Forgets the events that are a day old and belong to no ticket: by then everybody who follows the log has seen them.
create or replace function _supportchat.prune_events()
returns void
language sql
set search_path = ''
as $$
    -- By their places: a join would read the whole log.
    delete from public.events where ctid = any (array(
        select ctid from public.events
        where ticket_id is null and created_at < now() - interval '1 day'
        order by created_at limit 5000 for update skip locked
    ))
$$;

-- Sends an event that means nothing, for whoever measures how long events take.
create or replace function public.send_ping(p_nonce text)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(jsonb_build_object('event', 'ping', 'nonce', p_nonce))
$$;

-- Sends an event when the last one is older than p_seconds, and gives its number: by it each process sees whether events
-- still reach it. One row serves all processes, so that many of them send no more than one does. Whoever finds another
-- one sending leaves it to that, and waits for nobody.
create or replace function public.send_heartbeat(p_seconds double precision)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    beat bigint;
begin
    insert into public.heartbeat (only_row) select true
    where not exists (select from public.heartbeat)
    on conflict do nothing;
    update public.heartbeat set number = number + 1, sent_at = clock_timestamp()
    where only_row = (
        select only_row from public.heartbeat
        where sent_at <= clock_timestamp() - make_interval(secs => p_seconds)
        for update skip locked
    )
    returning number into beat;
    if found then
        perform _supportchat.notify_change(jsonb_build_object('event', 'heartbeat', 'beat', beat));
    else
        select number into beat from public.heartbeat;
    end if;
    return jsonb_build_object('beat', beat);
end $$;

-- Which server this is, and which history of it. It is kept for the session, since to ask takes longer than all else that a page
-- needs when it opens; not by a replica, which may take over while a session lasts. Empty where a plain owner is told nothing.
create or replace function _supportchat.history_of_server()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    history text;
    is_replica boolean := false;
begin
    begin
        is_replica := pg_catalog.pg_is_in_recovery();
        history := concat_ws('/',
            (select system_identifier from pg_catalog.pg_control_system()),
            case when not is_replica then left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) end
        );
    exception when insufficient_privilege or feature_not_supported or undefined_function then
        history := '';
    end;
    if history = '' and has_function_privilege('pg_catalog.pg_postmaster_start_time()', 'execute') then
        -- A replica that takes over and a server that was restored have one of their own. Not text: that has a time zone.
        history := extract(epoch from pg_catalog.pg_postmaster_start_time());
    end if;
    if not is_replica then
        perform set_config('supportchat.history', history, false);
    end if;
    return history;
end $$;

-- Which history the database has. It is another one after a failover to a replica, a restore to a moment in the past and
-- a dump that was read back: what a page or a process knows of its conversations may never have happened then. Where the
-- server tells a plain owner neither its identity nor its timeline, each start of the server counts as another history.
create or replace function public.database_epoch()
returns text
language plpgsql
stable
set search_path = ''
as $$
declare
    history text := current_setting('supportchat.history', true);
begin
    if coalesce(history, '') = '' then
        history := _supportchat.history_of_server();
    end if;
    return left(md5(concat_ws('/',
        history,
        (select oid from pg_catalog.pg_database where datname = current_database()),
        'public.chat_messages'::regclass::oid
    )), 12);
end $$;

-- Which history of a conversation this is: in another one its lines may be others. p_database is database_epoch().
create or replace function _supportchat.epoch_of(p_session_id uuid, p_database text)
returns text
language sql
immutable
set search_path = ''
as $$
    select left(md5(p_database || p_session_id), 12)
$$;

select _supportchat.record_script('functions/events.sql', 'f7d16242dce9');

-- settings.sql: what admins set in the app, for the whole desk. Safe to run again.

-- Of an earlier version, which gave other columns.
drop function if exists _supportchat.declared_settings();

-- The settings, each with its default and what it may be: one of the choices, or a whole number between two others.
create or replace function _supportchat.declared_settings()
returns table (name text, default_value jsonb, choices jsonb, smallest integer, largest integer)
language sql
immutable
set search_path = ''
as $$
    values
        ('two_factor_required', '"off"'::jsonb, '["off", "admins", "everyone"]'::jsonb, null::integer, null::integer),
        -- Whether first messages with links wait until somebody releases them: see spam.sql.
        ('hold_links', '"off"', '["off", "on"]', null, null),
        -- For how many days chats are kept after their end (null: for ever), and the audit log.
        ('retention_days', 'null', '[null]', 1, 3650),
        ('audit_days', '730', '[]', 365, 3650),
        -- After how many minutes the next agent is told of somebody to whom nobody has come (null: never): see alerts.sql.
        ('alert_next_minutes', '3', '[null]', 1, 60),
        -- For how many seconds a reply waits, so that it can be taken back (0: not at all): see held.sql.
        ('undo_send_seconds', '0', '[]', 0, 30)
$$;

-- The value of a setting: what an admin has set, or else the default.
create or replace function _supportchat.setting(p_name text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(
        (select value from public.desk_settings where name = p_name),
        (select default_value from _supportchat.declared_settings() where name = p_name)
    )
$$;

-- Every setting of the desk, for those who may change them.
create or replace function public.show_settings(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    return (select jsonb_object_agg(name, _supportchat.setting(name)) from _supportchat.declared_settings());
end $$;

-- Whether an agent has to set up two-factor before anything else. Not who has no password here: another one lets them in.
create or replace function _supportchat.needs_two_factor(p_agent public.agents)
returns boolean
language sql
stable
set search_path = ''
as $$
    select case _supportchat.setting('two_factor_required') #>> '{}'
        when 'everyone' then true when 'admins' then p_agent.role = 'admin' else false
    end and exists (
        select from public.agent_credentials c where c.agent_id = p_agent.id and c.totp_secret is null
    )
$$;

-- Tells every server process to close the desks of those who have to set up two-factor first. They stay logged in.
create or replace function _supportchat.close_desks_without_two_factor()
returns void
language sql
set search_path = ''
as $$
    select _supportchat.log_event(
        'session.revoked', null, jsonb_build_object('token_hash', s.token_hash), p_agent_id => s.agent_id
    )
    from public.agent_sessions s
    join public.agents a on a.id = s.agent_id
    where _supportchat.needs_two_factor(a)
$$;

-- Changes settings of the desk, by their names. PT422 when there is no such setting, or it cannot be that.
create or replace function public.change_settings(p_agent_id uuid, p_values jsonb)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    if jsonb_typeof(p_values) is distinct from 'object' or exists (
        select from jsonb_each(p_values) as given
        left join _supportchat.declared_settings() as declared on declared.name = given.key
        where (
            declared.choices @> jsonb_build_array(given.value)
            or case when given.value::text ~ '^[0-9]{1,9}$' then given.value::integer between declared.smallest and declared.largest end
        ) is not true
    ) then
        raise sqlstate 'PT422' using message = 'setting_unknown';
    end if;
    insert into public.desk_settings (name, value) select key, value from jsonb_each(p_values)
    on conflict (name) do update set value = excluded.value;
    perform _supportchat.audit('settings.changed', p_agent_id, p_values);
    if p_values ? 'two_factor_required' then
        perform _supportchat.close_desks_without_two_factor();
    end if;
end $$;

select _supportchat.record_script('functions/settings.sql', '9a981f07834f');

-- folding.sql: how texts are compared, by search and by tags. Safe to run again.

-- The characters that stand on or below another one, as the inside of a bracket expression: those with a combining class, but for
-- the two of kana, without which other words would be the same.
create or replace function _supportchat.combining_marks()
returns text
language sql
immutable
set search_path = ''
as $$
    select '\u0300-\u034E\u0350-\u036F\u0483-\u0487\u0591-\u05BD\u05BF\u05C1-\u05C2\u05C4-\u05C5\u05C7\u0610-\u061A'
        || '\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E4\u06E7-\u06E8\u06EA-\u06ED\u0711\u0730-\u074A\u07EB-\u07F3'
        || '\u07FD\u0816-\u0819\u081B-\u0823\u0825-\u0827\u0829-\u082D\u0859-\u085B\u0898-\u089F\u08CA-\u08E1'
        || '\u08E3-\u08FF\u093C\u094D\u0951-\u0954\u09BC\u09CD\u09FE\u0A3C\u0A4D\u0ABC\u0ACD\u0B3C\u0B4D\u0BCD\u0C3C'
        || '\u0C4D\u0C55-\u0C56\u0CBC\u0CCD\u0D3B-\u0D3C\u0D4D\u0DCA\u0E38-\u0E3A\u0E48-\u0E4B\u0EB8-\u0EBA\u0EC8-\u0ECB'
        || '\u0F18-\u0F19\u0F35\u0F37\u0F39\u0F71-\u0F72\u0F74\u0F7A-\u0F7D\u0F80\u0F82-\u0F84\u0F86-\u0F87\u0FC6\u1037'
        || '\u1039-\u103A\u108D\u135D-\u135F\u1714-\u1715\u1734\u17D2\u17DD\u18A9\u1939-\u193B\u1A17-\u1A18\u1A60'
        || '\u1A75-\u1A7C\u1A7F\u1AB0-\u1ABD\u1ABF-\u1ACE\u1B34\u1B44\u1B6B-\u1B73\u1BAA-\u1BAB\u1BE6\u1BF2-\u1BF3\u1C37'
        || '\u1CD0-\u1CD2\u1CD4-\u1CE0\u1CE2-\u1CE8\u1CED\u1CF4\u1CF8-\u1CF9\u1DC0-\u1DFF\u20D0-\u20DC\u20E1'
        || '\u20E5-\u20F0\u2CEF-\u2CF1\u2D7F\u2DE0-\u2DFF\u302A-\u302F\uA66F\uA674-\uA67D\uA69E-\uA69F\uA6F0-\uA6F1'
        || '\uA806\uA82C\uA8C4\uA8E0-\uA8F1\uA92B-\uA92D\uA953\uA9B3\uA9C0\uAAB0\uAAB2-\uAAB4\uAAB7-\uAAB8\uAABE-\uAABF'
        || '\uAAC1\uAAF6\uABED\uFB1E\uFE20-\uFE2F\U000101FD\U000102E0\U00010376-\U0001037A\U00010A0D\U00010A0F'
        || '\U00010A38-\U00010A3A\U00010A3F\U00010AE5-\U00010AE6\U00010D24-\U00010D27\U00010EAB-\U00010EAC'
        || '\U00010F46-\U00010F50\U00010F82-\U00010F85\U00011046\U00011070\U0001107F\U000110B9-\U000110BA'
        || '\U00011100-\U00011102\U00011133-\U00011134\U00011173\U000111C0\U000111CA\U00011235-\U00011236'
        || '\U000112E9-\U000112EA\U0001133B-\U0001133C\U0001134D\U00011366-\U0001136C\U00011370-\U00011374\U00011442'
        || '\U00011446\U0001145E\U000114C2-\U000114C3\U000115BF-\U000115C0\U0001163F\U000116B6-\U000116B7\U0001172B'
        || '\U00011839-\U0001183A\U0001193D-\U0001193E\U00011943\U000119E0\U00011A34\U00011A47\U00011A99\U00011C3F'
        || '\U00011D42\U00011D44-\U00011D45\U00011D97\U00016AF0-\U00016AF4\U00016B30-\U00016B36\U00016FF0-\U00016FF1'
        || '\U0001BC9E\U0001D165-\U0001D169\U0001D16D-\U0001D172\U0001D17B-\U0001D182\U0001D185-\U0001D18B'
        || '\U0001D1AA-\U0001D1AD\U0001D242-\U0001D244\U0001E000-\U0001E006\U0001E008-\U0001E018\U0001E01B-\U0001E021'
        || '\U0001E023-\U0001E024\U0001E026-\U0001E02A\U0001E130-\U0001E136\U0001E2AE\U0001E2EC-\U0001E2EF'
        || '\U0001E8D0-\U0001E8D6\U0001E944-\U0001E94A'
$$;

-- The writing that has no spaces between words: Thai, Lao, Burmese, Khmer, kana, bopomofo and Han, as the inside of a bracket
-- expression.
create or replace function _supportchat.dense_writing()
returns text
language sql
immutable
set search_path = ''
as $$
    select '\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u2E80-\u2FDF\u3005-\u3007\u3041-\u30FA\u30FC-\u30FF\u3105-\u312F\u31F0-\u31FF'
        || '\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF'
$$;

-- A text as it is compared: words in small letters, without accents, in a long text each with no more than 64 characters, and with one
-- space between them. Where writing has no spaces, each two neighbours are a word, and so is the last character alone. Marks go before
-- Postgres takes characters apart: it sorts runs of marks, in quadratic time. Each expression takes as long as all else that
-- is done for a line, so a text gets none that it does not need.
create or replace function _supportchat.folded(p_text text)
returns text
language plpgsql
immutable
strict
set search_path = ''
as $$
declare
    rest text := lower(p_text);
    marks text;
    dense text;
begin
    if octet_length(rest) = char_length(rest) then
        rest := regexp_replace(rest, '[^0-9a-z]+', ' ', 'g');
    else
        marks := '[' || _supportchat.combining_marks() || ']+';
        rest := regexp_replace(normalize(regexp_replace(rest, marks, '', 'g'), nfkd), marks, '', 'g');
        -- What has no parts, and what lower() leaves in a database whose locale is C.
        rest := lower(translate(
            replace(replace(replace(rest, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'),
            'øØłŁđĐıςΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ',
            'oollddiσαβγδεζηθικλμνξοπρστυφχψωабвгдежзийклмнопрстуфхцчшщъыьэюя'
        ));
        rest := regexp_replace(rest, '[\x01-\x2f\x3a-\x60\x7b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7'
            || '\u055a-\u055f\u0589\u05be\u05c0\u05c3\u05f3\u05f4\u060c\u061b\u061f\u0640\u066a-\u066d\u06d4\u0964\u0965\u1361-\u1368\u1680'
            || '\u2000-\u206f\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ufe10-\ufe1f\ufe30-\ufe6f]+', ' ', 'g');
        dense := '[' || _supportchat.dense_writing() || ']';
        if rest ~ dense then
            rest := regexp_replace(rest, '(' || dense || '+)', ' \1 ', 'g');
            rest := regexp_replace(rest, '(' || dense || '{2})', '\1 ', 'g') || ' ' || regexp_replace(
                regexp_replace(rest, '(^|\s)' || dense, ' ', 'g'), '(' || dense || '{2})', '\1 ', 'g'
            );
        end if;
        rest := regexp_replace(rest, '\s+', ' ', 'g');
    end if;
    -- What fits into an index, as one word, needs no cut.
    if octet_length(rest) > 1000 then
        rest := regexp_replace(rest, '(\S{64})\S+', '\1', 'g');
    end if;
    return btrim(rest);
end $$;

select _supportchat.record_script('functions/folding.sql', '183085024735');

-- sites.sql: the sites from which customers chat, each with its look and its words. Safe to run again.

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

-- persons.sql: who customers are, as their site has said it by a signed token. Safe to run again.
-- The server has checked the token. Whoever identifies takes one lock for the person, then the browsers by their ids, then the
-- assignment lock, then conversations, as start_chat does.

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

-- messages.sql: how a line gets into a conversation, and how it is read. Safe to run again.

-- An agent as others may know one: id and name.
create or replace function _supportchat.agent_json(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('id', a.id, 'name', a.name) from public.agents a where a.id = p_agent_id
$$;

-- The same with the picture, for what shows it.
create or replace function _supportchat.person_json(p_agent_id uuid)
returns jsonb
language sql
stable
strict
set search_path = ''
as $$
    select jsonb_build_object('id', a.id, 'name', a.name, 'picture', a.picture_key) from public.agents a where a.id = p_agent_id
$$;

-- Of an earlier version, which looked at the line before.
drop function if exists _supportchat.message_of_customer_json(public.chat_messages, text);

-- A picture as the web code knows it.
create or replace function _supportchat.image_json(p_image_id uuid)
returns jsonb
language sql
stable
strict
set search_path = ''
as $$
    select jsonb_build_object('id', i.id, 'width', i.width, 'height', i.height) from public.chat_images i where i.id = p_image_id
$$;

-- A message as the web code knows it. The caller knows the customer's name, and whether the message continues the one before.
-- Only what a message has is looked up.
create or replace function _supportchat.known_message_json(p_row public.chat_messages, p_customer_name text, p_continues boolean)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    agent jsonb;
begin
    if p_row.sender = 'agent' or p_row.sender_agent_id is not null then
        -- Of an agent's line by an older version it may be unknown whose it was.
        agent := coalesce(
            _supportchat.person_json(p_row.sender_agent_id),
            case p_row.sender when 'agent' then '{"id": null, "name": "Support", "picture": null}'::jsonb end
        );
    end if;
    return jsonb_build_object(
        'session_id', p_row.session_id,
        'seq', p_row.seq,
        'sender', p_row.sender,
        'agent', agent,
        'customer_name', case p_row.sender when 'user' then p_customer_name end,
        'message', p_row.message,
        'image', _supportchat.image_json(p_row.image_id),
        'event', p_row.event,
        'detail', p_row.detail,
        'client_message_id', p_row.client_message_id,
        'created_at', p_row.created_at,
        'continues', p_continues
    );
end $$;

-- The same of any message. It continues the one before when the same person spoke within 5 minutes.
create or replace function _supportchat.message_json(p_row public.chat_messages)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.known_message_json(
        p_row,
        (
            select coalesce(p.name, s.customer_name) from public.user_sessions s
            left join public.persons p on p.visitor_id = s.visitor_id
            where s.session_id = p_row.session_id and p_row.sender = 'user'
        ),
        p_row.sender <> 'system' and exists (
            select from public.chat_messages earlier
            where earlier.session_id = p_row.session_id
                and earlier.seq = p_row.seq - 1
                and earlier.sender = p_row.sender
                and earlier.sender_agent_id is not distinct from p_row.sender_agent_id
                and p_row.created_at - earlier.created_at < interval '5 minutes'
        )
    )
$$;

-- Of an earlier version, which did not look whose conversation it is.
drop function if exists _supportchat.append_message(uuid, text, text, uuid, uuid, uuid, text, jsonb);

-- Of an earlier version, which gave another type.
drop function if exists _supportchat.append_message(uuid, text, text, uuid, uuid, uuid, text, jsonb, text);

-- Writes one line at the end of a conversation, and gives it as known_message_json has it. The row lock that it takes makes commit
-- order the order of seq. With p_visitor it is written only if this is the newest conversation of that browser, which is not
-- banned, an agent has it, and the line is new there; or else null. The statement that counts the line looks all of that up:
-- each one of its own takes a tenth of the time.
create or replace function _supportchat.append_message(
    p_session_id uuid,
    p_sender text,
    p_message text,
    p_client_message_id uuid default gen_random_uuid(),
    p_sender_agent_id uuid default null,
    p_image_id uuid default null,
    p_event text default null,
    p_detail jsonb default '{}',
    p_visitor text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    -- Who writes. A line continues the one before when the same person spoke within 5 minutes: see message_json.
    writer text := coalesce(p_sender_agent_id::text, p_sender);
    actor text := case p_sender when 'user' then 'customer' else p_sender end;
    counted record;
    line jsonb;
    detail jsonb;
    logged bigint;
    nothing text;
begin
    if p_visitor is null then
        update public.user_sessions set
            last_seq = last_seq + 1,
            last_spoken_seq = case when p_sender = 'system' then last_spoken_seq else last_seq + 1 end,
            customer_lines = customer_lines + (p_sender = 'user')::integer,
            last_continues = last_writer = writer and last_at > clock_timestamp() - interval '5 minutes',
            last_writer = writer,
            last_at = clock_timestamp()
        where session_id = p_session_id and erased_at is null
        returning last_seq, coalesce(
            (select p.name from public.persons p where p.visitor_id = user_sessions.visitor_id), customer_name
        ) as customer_name, last_at, last_continues into counted;
        if not found then
            raise sqlstate 'PT404' using message = 'conversation_not_found';
        end if;
    else
        update public.user_sessions set
            last_seq = last_seq + 1,
            last_spoken_seq = last_seq + 1,
            customer_lines = customer_lines + 1,
            last_continues = last_writer = writer and last_at > clock_timestamp() - interval '5 minutes',
            last_writer = writer,
            last_at = clock_timestamp()
        where session_id = p_session_id and erased_at is null
            and session_id = (
                select session_id from public.user_sessions
                where visitor_id = (
                    select visitor_id from public.visitors
                    where token_hash = p_visitor and banned_until > now() is not true
                    union all
                    select v.visitor_id from public.person_keys k
                    join public.visitors v on v.visitor_id = k.visitor_id
                    where k.token_hash = p_visitor and v.banned_until > now() is not true
                )
                order by created_at desc limit 1
            )
            and 'open' = (
                select status from public.tickets where session_id = p_session_id
                order by status = 'closed', number desc limit 1
            )
            and not exists (
                select from public.chat_messages
                where session_id = p_session_id and sender = 'user' and client_message_id = p_client_message_id
            )
        returning last_seq, coalesce(
            (select p.name from public.persons p where p.visitor_id = user_sessions.visitor_id), customer_name
        ) as customer_name, last_at, last_continues into counted;
        if not found then
            return null;
        end if;
    end if;

    insert into public.chat_messages (
        session_id, seq, sender, sender_agent_id, client_message_id, message, image_id, event, detail, created_at
    )
    values (
        p_session_id, counted.last_seq, p_sender, p_sender_agent_id, p_client_message_id, p_message, p_image_id, p_event, p_detail,
        counted.last_at
    )
    on conflict (session_id, sender, client_message_id) do nothing;
    if not found then
        -- Two attempts at once, and the other one has stored it: the call is made again, and finds it.
        raise sqlstate '40001' using message = 'stored_meanwhile';
    end if;
    line := jsonb_build_object(
        'session_id', p_session_id,
        'seq', counted.last_seq,
        'sender', p_sender,
        'agent', case when p_sender_agent_id is not null then _supportchat.person_json(p_sender_agent_id) end,
        'customer_name', case p_sender when 'user' then counted.customer_name end,
        'message', p_message,
        'image', _supportchat.image_json(p_image_id),
        'event', p_event,
        'detail', p_detail,
        'client_message_id', p_client_message_id,
        'created_at', counted.last_at,
        'continues', p_sender <> 'system' and counted.last_continues is true
    );
    -- As log_event does it.
    detail := jsonb_build_object('seq', counted.last_seq);
    insert into public.events (kind, session_id, actor, agent_id, detail)
    values ('message.posted', p_session_id, actor, p_sender_agent_id, detail)
    returning id into logged;
    nothing := _supportchat.notify_change(jsonb_build_object(
        'id', logged, 'event', 'message.posted', 'session_id', p_session_id, 'actor', actor, 'agent_id', p_sender_agent_id,
        'detail', detail, 'row', line
    ));
    return line;
end $$;

-- Refuses a text that no message may have: nothing but space without an image, or more characters than longest_message.
create or replace function _supportchat.check_message(p_message text, p_has_image boolean)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    if char_length(p_message) > _supportchat.longest_message() then
        raise sqlstate 'PT422' using message = 'message_too_long';
    elsif p_message !~ '\S' and not p_has_image then
        raise sqlstate 'PT422' using message = 'message_empty';
    end if;
end $$;

-- Of an earlier version, bounded in lines alone.
drop function if exists public.messages_after(uuid, integer, integer);
drop function if exists public.messages_before(uuid, integer, integer);

-- The lines of a conversation after a seq, oldest first: so many at most, and none after the one with which their text
-- comes to p_bytes. What is left out comes with the next call.
create or replace function public.messages_after(
    p_session_id uuid, p_after integer, p_limit integer default 200, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.message_json(m.line) order by (m.line).seq), '[]')
    from (
        select line, sum(octet_length(line.message)) over (order by line.seq) - octet_length(line.message) as bytes_before
        from public.chat_messages as line
        where line.session_id = p_session_id and line.seq > p_after
        order by line.seq
        limit p_limit
    ) as m
    where m.bytes_before < p_bytes
$$;

-- The last lines before a seq (of the whole conversation when it is null), oldest first: so many at most, and none before
-- the one with which their text comes to p_bytes.
create or replace function public.messages_before(
    p_session_id uuid, p_before integer default null, p_limit integer default 50, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.message_json(m.line) order by (m.line).seq), '[]')
    from (
        select line, sum(octet_length(line.message)) over (order by line.seq desc) - octet_length(line.message) as bytes_after
        from public.chat_messages as line
        where line.session_id = p_session_id and line.seq < coalesce(p_before, 2147483647)
        order by line.seq desc
        limit p_limit
    ) as m
    where m.bytes_after < p_bytes
$$;

-- Keeps the record of an image whose bytes are stored already: key, content_type, width, height, bytes, digest.
create or replace function _supportchat.add_image(p_session_id uuid, p_image jsonb)
returns uuid
language sql
strict
set search_path = ''
as $$
    insert into public.chat_images (session_id, storage_key, content_type, width, height, bytes, digest)
    select p_session_id, i.key, i.content_type, i.width, i.height, i.bytes, i.digest
    from jsonb_to_record(p_image) as i (key text, content_type text, width integer, height integer, bytes integer, digest text)
    returning id
$$;

-- What became of a message that was sent: the lines that it has made, or those of an earlier attempt that had stored it
-- already, with the key of the picture that was kept.
create or replace function _supportchat.answer_json(
    p_session_id uuid, p_messages jsonb, p_duplicate boolean default false, p_image_key text default null
)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
begin
    return jsonb_build_object(
        'duplicate', p_duplicate, 'session_id', p_session_id, 'messages', p_messages, 'image_key', p_image_key
    );
end $$;

-- Of an earlier version, which answered a colleague as well.
drop function if exists _supportchat.repeated_message(uuid, text, uuid, text, jsonb);

-- Finds the message that an earlier attempt with this id has stored: null, or the first answer again.
-- The same id with another text or another picture, or from another agent, is an error.
create or replace function _supportchat.repeated_message(
    p_session_id uuid, p_sender text, p_client_message_id uuid, p_message text, p_image jsonb, p_agent_id uuid default null
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    earlier public.chat_messages;
    earlier_digest text;
begin
    select * into earlier from public.chat_messages
    where session_id = p_session_id and sender = p_sender and client_message_id = p_client_message_id;
    if not found then
        return null;
    end if;
    select digest into earlier_digest from public.chat_images where id = earlier.image_id;
    if earlier.message <> p_message or earlier_digest is distinct from (p_image ->> 'digest')
        or earlier.sender_agent_id is distinct from p_agent_id
    then
        raise sqlstate 'PT422' using message = 'client_message_id_reused';
    end if;
    return _supportchat.answer_json(
        p_session_id, jsonb_build_array(_supportchat.message_json(earlier)), p_duplicate => true,
        p_image_key => (select storage_key from public.chat_images where id = earlier.image_id)
    );
end $$;

select _supportchat.record_script('functions/messages.sql', 'da8de2fb9ab1');

-- processes.sql: the server processes, and who has a page open in them. Safe to run again.

-- Whether a server process lives: one that has not reported in time is gone.
create or replace function _supportchat.is_live(p_process public.server_processes)
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_process.live_until > now()
$$;

-- Notes which customers have come to a process and which have left it, and logs those who are here now, or no longer. One who
-- has the chat open in another process as well is here all along.
create or replace function _supportchat.note_customers(p_process_id uuid, p_came uuid[], p_left uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    moved uuid[];
begin
    with added as (
        insert into public.customers_here (session_id, process_id) select id, p_process_id from unnest(p_came) as id
        on conflict do nothing
        returning session_id
    )
    select array_agg(session_id) into moved from added;
    perform _supportchat.log_events('presence.changed', _supportchat.only_in(p_process_id, moved), '{"customer_here": true}');
    with removed as (
        delete from public.customers_here where process_id = p_process_id and session_id = any (p_left) returning session_id
    )
    select array_agg(session_id) into moved from removed;
    perform _supportchat.log_events('presence.changed', _supportchat.only_in(p_process_id, moved), '{"customer_here": false}');
end $$;

-- Of some conversations, those whose customer has the chat open in no other process than this one.
create or replace function _supportchat.only_in(p_process_id uuid, p_session_ids uuid[])
returns uuid[]
language sql
stable
set search_path = ''
as $$
    select array(
        select id from unnest(p_session_ids) as id where not exists (
            select from public.customers_here c where c.session_id = id and c.process_id <> p_process_id
        )
    )
$$;

-- Forgets some server processes, and logs their customers, who are gone.
create or replace function _supportchat.forget_processes(p_process_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    process uuid;
begin
    foreach process in array p_process_ids loop
        perform _supportchat.note_customers(
            process, '{}', array(select session_id from public.customers_here where process_id = process)
        );
    end loop;
    delete from public.server_processes where process_id = any (p_process_ids);
end $$;

-- Forgets the server processes that have not reported in time, as far as nobody else is about to.
create or replace function _supportchat.forget_dead_processes()
returns void
language sql
set search_path = ''
as $$
    select _supportchat.forget_processes(array(
        select process_id from public.server_processes where live_until < now() for update skip locked
    ))
$$;

-- Keeps the agents behind some login sessions here for another 45 seconds, and those sessions alive; gives how many of them
-- had not been here. A row that another transaction holds waits for the next report, so that what somebody changes by hand,
-- in whatever order, neither holds a report up nor fails because of one. Only agents who come are waited for, in one order,
-- so that two processes which report the same logins do not wait for each other in a circle.
create or replace function _supportchat.renew_leases(p_token_hashes text[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
    came bigint;
    unannounced uuid[];
    behind uuid[];
begin
    update public.agent_sessions set last_seen_at = now()
    where token_hash in (
        select token_hash from public.agent_sessions
        where token_hash = any (p_token_hashes) and last_seen_at < now() - interval '1 minute'
        for no key update skip locked
    );

    behind := array(select agent_id from public.agent_sessions where token_hash = any (p_token_hashes));
    perform from public.agents
    where id = any (behind) and lease_expires_at > now() is not true
    order by id for no key update;

    with known as (
        select id, lease_expires_at > now() is true as here, is_here from public.agents
        where id = any (behind) for no key update skip locked
    ), renewed as (
        update public.agents a set lease_expires_at = now() + interval '45 seconds', is_here = true
        from known where known.id = a.id
        returning a.id, known.here, known.is_here
    )
    select count(*) filter (where not here), array_agg(id) filter (where not is_here) into came, unannounced from renewed;
    perform _supportchat.log_event('agent.changed', null, p_agent_id => id) from unnest(unannounced) as id;
    return came;
end $$;

-- Logs the agents whose lease has run out, once.
create or replace function _supportchat.note_absent_agents()
returns void
language plpgsql
set search_path = ''
as $$
declare
    absent uuid;
begin
    for absent in
        update public.agents set is_here = false
        where id in (
            select id from public.agents where is_here and lease_expires_at > now() is not true for no key update skip locked
        )
        returning id
    loop
        perform _supportchat.log_event('agent.changed', null, p_agent_id => absent);
    end loop;
end $$;

-- Of an earlier version, which named all its conversations in each report.
drop function if exists public.report_process(uuid, integer, uuid[], text[], boolean);

-- A server process reports itself: its open sockets, the customers who have opened a chat in it since its last report or
-- have left, and the login sessions of the agents behind its pages, who keep their lease. It counts as live for p_seconds.
-- 'good' are the login sessions that are good; 'came' is how many agents have come, who take waiting tickets; 'known' says
-- whether the process was: if not, it is to name all its customers with the next report. While no page is open in it, this
-- is all that it asks (p_is_idle): then it sweeps and sends a heartbeat as well, and hears whether there is something to do about
-- alerts.
create or replace function public.report_process(
    p_process_id uuid, p_sockets integer, p_came uuid[], p_left uuid[], p_token_hashes text[],
    p_seconds double precision default 25, p_swept boolean default false, p_is_idle boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    good text[] := _supportchat.good_sessions(p_token_hashes);
    is_known boolean;
    came bigint;
    answer jsonb;
begin
    update public.server_processes as process set
        -- What has not reported for so long counts as started anew: see sweep_assignment.
        started_at = case when _supportchat.is_live(process) then process.started_at else now() end,
        seen_at = now(), live_until = now() + make_interval(secs => p_seconds), sockets = p_sockets,
        swept_at = case when p_swept then now() else swept_at end
    where process_id = p_process_id;
    is_known := found;
    if not is_known then
        insert into public.server_processes (process_id, live_until, sockets, swept_at)
        values (p_process_id, now() + make_interval(secs => p_seconds), p_sockets, case when p_swept then now() end)
        on conflict (process_id) do nothing;
    end if;
    perform _supportchat.note_customers(p_process_id, p_came, p_left);
    came := _supportchat.renew_leases(good);
    answer := jsonb_build_object('good', good, 'came', came, 'known', is_known);
    if p_is_idle then
        answer := answer || jsonb_build_object('sweep', public.sweep_assignment()) || public.send_heartbeat(p_seconds / 4)
            || jsonb_build_object('alerts_due', _supportchat.alerts_are_due());
        update public.server_processes set swept_at = now() where process_id = p_process_id;
    end if;
    return answer;
end $$;

-- Forgets a server process that stops in order, and the customers who had the chat open in it.
create or replace function public.forget_process(p_process_id uuid)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.forget_processes(array[p_process_id])
$$;

select _supportchat.record_script('functions/processes.sql', '67f818585d6f');

-- tags.sql: the tags of the desk and of tickets, and how urgent a ticket is. Safe to run again.

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

-- assignment.sql: who answers whom, and why nobody does. Safe to run again.
--
-- Lock order, everywhere: the assignment lock, then a conversation, then its ticket. Whoever holds the assignment lock
-- may lock further conversations; whoever does not holds one at most. So no two transactions can wait in a circle.

-- Lets one transaction at a time decide who gets a ticket.
create or replace function _supportchat.lock_assignment()
returns void
language sql
set search_path = ''
as $$
    select pg_catalog.pg_advisory_xact_lock(7308332045)
$$;

-- The ticket of a conversation. An older version may have left several in one: then it is the newest that is not closed, or
-- else the newest.
create or replace function _supportchat.ticket_of_session(p_session_id uuid)
returns public.tickets
language sql
stable
set search_path = ''
as $$
    select * from public.tickets where session_id = p_session_id order by status = 'closed', number desc limit 1
$$;

-- Of an earlier version, which numbered everybody who waits.
drop function if exists _supportchat.waiting_tickets();

-- How far the places in the queue are counted: whoever stands behind has this one.
create or replace function _supportchat.last_place()
returns integer
language sql
immutable
set search_path = ''
as $$
    select 101
$$;

-- The place of a waiting ticket in the queue: the most urgent first, then the longest waiting, and of each urgency those that
-- have their answer last. Held and snoozed ones have none. It is last_place() at most, or a long queue would be counted each time
-- somebody looks.
create or replace function _supportchat.place_of_ticket(p_ticket public.tickets)
returns bigint
language sql
stable
set search_path = ''
as $$
    select 1 + count(*)
    from (
        select from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and urgency < p_ticket.urgency
        union all
        select from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and urgency = p_ticket.urgency
            and (awaiting_since, number) < (p_ticket.awaiting_since, p_ticket.number)
        union all
        select from public.tickets
        where p_ticket.awaiting_since is null and status = 'waiting' and held is null and snoozed_until is null
            and urgency = p_ticket.urgency and (awaiting_since is not null or number < p_ticket.number)
        limit _supportchat.last_place() - 1
    ) as ahead
$$;

-- Locks a conversation and gives its ticket, locked as well. PT404 when there is none.
create or replace function _supportchat.lock_ticket(p_session_id uuid)
returns public.tickets
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform from public.user_sessions where session_id = p_session_id for no key update;
    if found then
        -- The same that ticket_of_session finds: whoever changes it has locked the conversation before.
        select * into ticket from public.tickets
        where session_id = p_session_id order by status = 'closed', number desc limit 1 for no key update;
    end if;
    if not found then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    end if;
    return ticket;
end $$;

-- The detail of an event, with the ids of the people in it for their names: in the log nobody has a name.
create or replace function _supportchat.without_names(p_detail jsonb)
returns jsonb
language sql
immutable
set search_path = ''
as $$
    select p_detail || coalesce(
        (select jsonb_object_agg(key, value -> 'id') from jsonb_each(p_detail) where jsonb_typeof(value) = 'object'), '{}'
    )
$$;

-- The same the other way: the people and the tags that a detail names by their ids.
create or replace function _supportchat.with_names(p_detail jsonb)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select p_detail || coalesce((
        select jsonb_object_agg(key, case
            when key in ('added', 'removed') then (
                select coalesce(jsonb_agg(t.name order by t.name), '[]') from public.desk_tags t
                where t.tag_id in (select id::bigint from jsonb_array_elements_text(value) as id)
            )
            else _supportchat.agent_json((value #>> '{}')::uuid)
        end)
        from jsonb_each(p_detail) where key in ('agent', 'by', 'from', 'added', 'removed')
    ), '{}')
$$;

-- Logs what was done to a ticket: its history.
create or replace function _supportchat.record_event(
    p_ticket public.tickets, p_event text, p_actor text, p_agent_id uuid default null, p_detail jsonb default '{}'
)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.log_event(
        'ticket.' || p_event, p_ticket.session_id,
        _supportchat.without_names(p_detail), p_actor, p_agent_id, p_ticket.id,
        -- Of the others log_version tells.
        p_hint => p_event in ('opened', 'noted')
    )
$$;

-- Logs that a ticket has another version, whatever statement has made it. 'had' is the agent who had it before.
create or replace function _supportchat.log_version()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.log_event(
        'ticket.changed', new.session_id, jsonb_strip_nulls(jsonb_build_object('had', old.assigned_agent_id))
    );
    return null;
end $$;

create or replace trigger log_version
after update on public.tickets
for each row when (old.version <> new.version) execute function _supportchat.log_version();

-- Of an earlier version, which did not say how the ticket was.
drop function if exists _supportchat.tell_event(public.tickets, text, text, text, uuid, jsonb);

-- Writes what has happened to a ticket where people see it: a line of the system in its conversation, and the same in its
-- history, there with p_was (see state_of_ticket).
create or replace function _supportchat.tell_event(
    p_ticket public.tickets, p_event text, p_line text, p_actor text, p_agent_id uuid default null, p_detail jsonb default '{}',
    p_was jsonb default '{}'
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.append_message(p_ticket.session_id, 'system', p_line, p_event => p_event, p_detail => p_detail);
    perform _supportchat.record_event(p_ticket, p_event, p_actor, p_agent_id, p_detail || p_was);
end $$;

-- What becomes of a ticket by the way when it changes hands or ends, for restore_state: kept with the event of that.
create or replace function _supportchat.state_of_ticket(p_ticket public.tickets)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'held', p_ticket.held, 'snoozed_until', p_ticket.snoozed_until, 'woke_at', p_ticket.woke_at,
        'given_back_by', p_ticket.given_back_by
    ))
$$;

-- Makes a ticket again what it was, by the detail of an event. A snooze that has ended meanwhile has brought it back.
create or replace function _supportchat.restore_state(p_ticket_id uuid, p_was jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    until timestamptz := p_was ->> 'snoozed_until';
    woke timestamptz := coalesce((p_was ->> 'woke_at')::timestamptz, case when until <= now() then until end);
begin
    update public.tickets set
        snoozed_until = case when until > now() then until end, woke_at = woke,
        held = case when status = 'waiting' then p_was ->> 'held' end,
        given_back_by = case when status = 'waiting' then (p_was ->> 'given_back_by')::uuid end
    where id = p_ticket_id;
end $$;

-- How many places of the limits of some agents are taken; nothing of who has none taken. Neither a ticket that was answered,
-- and has been quiet for five minutes, takes one, or customers who have gone would keep the next ones waiting; nor one that
-- was taken up again within ten minutes of its end, which most do to say thanks; nor one that is snoozed.
create or replace function _supportchat.loads_of_agents(p_agent_ids uuid[])
returns table (agent_id uuid, load bigint)
language sql
stable
set search_path = ''
as $$
    -- Two parts, each in one stretch of the index: an agent has any number of closed and of quiet tickets.
    select taken.assigned_agent_id, count(*)
    from (
        select assigned_agent_id from public.tickets
        where assigned_agent_id = any (p_agent_ids) and status = 'open' and awaiting_since is not null
            and snoozed_until is null and (closed_at is null or awaiting_since > closed_at + interval '10 minutes')
        union all
        select assigned_agent_id from public.tickets
        where assigned_agent_id = any (p_agent_ids) and status = 'open' and awaiting_since is null
            and updated_at > now() - interval '5 minutes' and snoozed_until is null
    ) as taken
    group by taken.assigned_agent_id
$$;

-- The same of one agent.
create or replace function _supportchat.load_of_agent(p_agent_id uuid)
returns bigint
language sql
stable
set search_path = ''
as $$
    select coalesce(sum(load), 0)::bigint from _supportchat.loads_of_agents(array[p_agent_id])
$$;

-- Of an earlier version, which counted for each by itself.
drop function if exists _supportchat.agents_here();

-- The agents who are here, with their load: only they are considered for a ticket.
create or replace function _supportchat.agents_with_load()
returns table (agent_id uuid, availability text, load bigint, max_tickets integer)
language sql
stable
set search_path = ''
as $$
    with here as materialized (
        select id, availability, max_tickets from public.agents where is_active and lease_expires_at > now()
    )
    select here.id, here.availability, coalesce(taken.load, 0), here.max_tickets
    from here
    left join _supportchat.loads_of_agents((select array_agg(id) from here)) as taken on taken.agent_id = here.id
$$;

-- Of an earlier version, which called it for each agent.
drop function if exists _supportchat.last_assigned_at(uuid);

-- Whether an agent could take a ticket now: p_except is not asked.
create or replace function _supportchat.has_taker(p_except uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from _supportchat.agents_with_load()
        where availability = 'available' and load < max_tickets and agent_id is distinct from p_except
    )
$$;

-- The agent whose turn it is: available, here, below the limit, least loaded, then longest without a new ticket.
-- An agent who knows the customer already comes first; p_except is not asked: it was their ticket, and they gave it back.
create or replace function _supportchat.next_agent(p_preferred uuid default null, p_except uuid default null)
returns uuid
language sql
stable
set search_path = ''
as $$
    with able as materialized (
        select agent_id, case when agent_id = p_preferred then -1 else load end as load from _supportchat.agents_with_load()
        where availability = 'available' and load < max_tickets and agent_id is distinct from p_except
    )
    select agent_id from able
    cross join lateral (select max(assigned_at) as at from public.tickets where assigned_agent_id = agent_id) as last
    where load = (select min(load) from able)
    order by last.at nulls first, agent_id
    limit 1
$$;

-- The free places of the agents who are here, so many at most, in the order in which next_agent would fill them.
create or replace function _supportchat.free_places(p_limit integer)
returns setof uuid
language sql
stable
set search_path = ''
as $$
    with able as materialized (
        select agent_id, load, max_tickets,
            -- Whoever comes to a load by a ticket of now stands behind those who had it before.
            row_number() over (order by load desc, last.at nulls first, agent_id) as turn
        from _supportchat.agents_with_load()
        cross join lateral (select max(assigned_at) as at from public.tickets where assigned_agent_id = agent_id) as last
        where availability = 'available' and load < max_tickets
    )
    select agent_id
    from able cross join generate_series(load, least(max_tickets, load + p_limit) - 1) as taken
    order by taken, turn
    limit p_limit
$$;

-- Why a waiting ticket has nobody: a code, and the figures behind it. p_given_back_by gave it back, and is not asked again.
create or replace function _supportchat.unassigned_reason(p_given_back_by uuid default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with figures as (
        select
            (select count(*) from public.agents where is_active) as agents,
            count(*) as here,
            count(*) filter (where availability = 'available') as available,
            count(*) filter (where availability = 'available' and load < max_tickets) as with_room,
            count(*) filter (
                where availability = 'available' and load < max_tickets and agent_id is distinct from p_given_back_by
            ) as others,
            coalesce(sum(load) filter (where availability = 'available'), 0) as load,
            coalesce(sum(max_tickets) filter (where availability = 'available'), 0) as places
        from _supportchat.agents_with_load()
    )
    select to_jsonb(figures) - 'others' || jsonb_build_object('code', case
        when agents = 0 then 'no_agents'
        when here = 0 then 'nobody_here'
        when available = 0 then 'everybody_away'
        when with_room = 0 then 'everybody_full'
        when others = 0 then 'nobody_else'
        else 'about_to_be_assigned'
    end)
    from figures
$$;

-- Gives a ticket to an agent: state, line in the conversation, event. Whoever had it last has it 'again'. The caller
-- holds the locks.
create or replace function _supportchat.give_ticket(
    p_ticket public.tickets, p_agent_id uuid, p_reason text, p_actor text, p_actor_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object(
        'agent', _supportchat.agent_json(p_agent_id), 'by', _supportchat.agent_json(p_actor_id),
        'number', p_ticket.number, 'reason', p_reason
    );
    last_one text := (
        select e.detail ->> 'agent' from public.events e
        where e.ticket_id = p_ticket.id and e.kind = 'ticket.assigned' order by e.id desc limit 1
    );
    previous jsonb := _supportchat.agent_json(p_ticket.assigned_agent_id);
begin
    if previous is not null then
        detail := detail || jsonb_build_object('from', previous);
    elsif last_one = p_agent_id::text then
        detail := detail || '{"again": true}';
    end if;
    update public.tickets set
        status = 'open', assigned_agent_id = p_agent_id, assigned_at = clock_timestamp(), given_back_by = null, held = null,
        snoozed_until = null
    where id = p_ticket.id;
    -- What they read before counts for the customer from now on.
    perform _supportchat.move_marks(p_ticket.session_id, read_seq, read_seq, p_agent_id)
    from public.ticket_reads where agent_id = p_agent_id and session_id = p_ticket.session_id;
    perform _supportchat.tell_event(
        p_ticket, 'assigned', (detail -> 'agent' ->> 'name') || ' joined the chat.', p_actor, p_actor_id, detail,
        _supportchat.state_of_ticket(p_ticket)
    );
end $$;

-- Hands waiting tickets, in the order of the queue, to agents with room: all but p_except, and no more than a transaction
-- has time for; the next sweep goes on. The caller holds the assignment lock.
create or replace function _supportchat.drain_queue(p_except uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    places uuid[] := array(select _supportchat.free_places(25));
    candidate record;
    ticket public.tickets;
    place integer;
    given integer := 0;
begin
    for candidate in
        -- Whoever gave a ticket back does not get it again. With a limit, the index is read, and no further.
        select session_id, given_back_by from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and id is distinct from p_except
            and (given_back_by is null or given_back_by <> any (places))
        order by urgency, awaiting_since nulls last, number
        limit cardinality(places)
    loop
        place := (
            select min(turn) from unnest(places) with ordinality as free (agent_id, turn)
            where agent_id is distinct from candidate.given_back_by
        );
        continue when place is null;
        ticket := _supportchat.lock_ticket(candidate.session_id);
        if ticket.status = 'waiting' and ticket.held is null and ticket.snoozed_until is null then
            perform _supportchat.give_ticket(ticket, places[place], 'least_loaded', 'system');
            places := places[:place - 1] || places[place + 1:];
            given := given + 1;
        end if;
    end loop;
    return given;
end $$;

-- Of an earlier version, which drained no queue.
drop function if exists _supportchat.offer_ticket(uuid, boolean, uuid);

-- Seeks an agent for a ticket that has begun to wait, after the ones that waited before it: one who knows the customer comes
-- first. Tells the customer when nobody is free. The caller holds the assignment lock and the conversation.
create or replace function _supportchat.seek_agent(p_ticket public.tickets, p_preferred uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    reason jsonb := _supportchat.unassigned_reason();
    chosen uuid;
begin
    if reason ->> 'with_room' <> '0' then
        perform _supportchat.drain_queue(case when p_preferred is not null then p_ticket.id end);
        chosen := case when p_preferred is not null then _supportchat.next_agent(p_preferred) end;
    end if;
    if chosen is not null then
        perform _supportchat.give_ticket(
            p_ticket, chosen, case when chosen = p_preferred then 'knows_customer' else 'least_loaded' end, 'system'
        );
    elsif exists (select from public.tickets where id = p_ticket.id and status = 'waiting') then
        perform _supportchat.append_message(
            p_ticket.session_id, 'system', 'Nobody is free right now. The message is kept and will be answered here.',
            p_event => 'queued', p_detail => reason
        );
    end if;
end $$;

-- Of an earlier version, which asked who could take it for each ticket anew.
drop function if exists _supportchat.return_to_queue(public.tickets, text, text, uuid);

-- Takes a ticket from its agent and puts it back into the queue, where it keeps its place by awaiting_since. When an agent has
-- given it back, or somebody has for them (p_actor_id), they do not get it again by itself. p_is_wanted says whether somebody
-- else can take it now: only then is the customer told that we look for somebody.
create or replace function _supportchat.return_to_queue(
    p_ticket public.tickets, p_is_wanted boolean, p_reason text, p_actor text, p_actor_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object(
        'from', _supportchat.agent_json(p_ticket.assigned_agent_id), 'reason', p_reason,
        'wanted', p_is_wanted
    );
begin
    update public.tickets set status = 'waiting', assigned_agent_id = null, snoozed_until = null,
        given_back_by = case when p_actor_id is not null then p_ticket.assigned_agent_id end
    where id = p_ticket.id;
    perform _supportchat.tell_event(
        p_ticket, 'returned', (detail -> 'from' ->> 'name') || ' is no longer available. The chat is back in line.',
        p_actor, p_actor_id, detail, _supportchat.state_of_ticket(p_ticket)
    );
end $$;

-- Wakes a snoozed ticket: it is back on top, with a mark. p_why is 'time', 'customer' or 'agent'. The caller holds the lock of its
-- conversation.
create or replace function _supportchat.wake_ticket(p_ticket public.tickets, p_why text, p_agent_id uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.tickets set snoozed_until = null, woke_at = case when p_why <> 'agent' then clock_timestamp() end
    where id = p_ticket.id;
    perform _supportchat.record_event(
        p_ticket, 'woke', case p_why when 'time' then 'system' else p_why end, p_agent_id, jsonb_build_object('why', p_why)
    );
end $$;

-- Wakes tickets whose time has come, no more than a transaction has time for. The caller holds the assignment lock.
create or replace function _supportchat.wake_due_tickets()
returns void
language plpgsql
set search_path = ''
as $$
declare
    due uuid;
    ticket public.tickets;
begin
    for due in select session_id from public.tickets where snoozed_until <= now() order by snoozed_until limit 50 loop
        ticket := _supportchat.lock_ticket(due);
        if ticket.snoozed_until <= now() then
            perform _supportchat.wake_ticket(ticket, 'time');
        end if;
    end loop;
end $$;

-- Wakes the snoozed tickets that are due, returns the unanswered tickets of agents whose lease ran out, the most urgent first, no
-- more than a transaction has time for, logs who is gone, forgets what is old, then drains the queue. Every server process calls it every
-- few seconds; whoever finds it running already leaves it to the other. Gives what was done, or null then.
create or replace function public.sweep_assignment()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    candidate record;
    ticket public.tickets;
    returned integer := 0;
    is_wanted boolean;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7308332045) then
        return null;
    end if;
    perform _supportchat.wake_due_tickets();
    for candidate in
        select t.session_id, t.number, t.assigned_agent_id from public.tickets t
        join public.agents a on a.id = t.assigned_agent_id
        where t.status = 'open' and t.awaiting_since is not null and t.snoozed_until is null
            and (a.lease_expires_at is null or a.lease_expires_at <= now())
            -- After an outage or a restart no lease has been renewed: pages have 20 seconds to come back.
            and exists (
                select from public.server_processes p
                where _supportchat.is_live(p) and p.started_at < now() - interval '20 seconds'
            )
            -- Who took it without an open page (a browser without scripts has none that tells) is here while they ask. Not
            -- who was given it while the lease was ending: no statement lasts for 5 seconds.
            and not (
                coalesce(a.lease_expires_at, '-infinity') < t.assigned_at - interval '5 seconds'
                and exists (select from public.agent_sessions s where s.agent_id = a.id and s.last_seen_at > now() - interval '10 minutes')
            )
        order by t.urgency, t.awaiting_since, t.number
    loop
        exit when returned = 25;
        -- Whoever has written a reply, and left before its time had come, has answered.
        perform _supportchat.send_held(candidate.assigned_agent_id, candidate.number);
        ticket := _supportchat.lock_ticket(candidate.session_id);
        if ticket.status = 'open' and ticket.awaiting_since is not null and ticket.snoozed_until is null
            and ticket.assigned_agent_id = candidate.assigned_agent_id then
            -- The same for all: who has left takes none.
            is_wanted := coalesce(is_wanted, _supportchat.has_taker(null));
            perform _supportchat.return_to_queue(ticket, is_wanted, 'agent_left', 'system');
            returned := returned + 1;
        end if;
    end loop;
    perform _supportchat.note_absent_agents();
    perform _supportchat.forget_dead_processes();
    perform _supportchat.prune_events();
    return jsonb_build_object(
        'returned', returned, 'assigned', case when is_wanted is false then 0 else _supportchat.drain_queue() end,
        -- Their own process would have sent them by now; or the clock has gone back.
        'held_due', exists (
            select from public.held_replies where due_at < now() - interval '1 second' or due_at > now() + interval '31 seconds'
        )
    );
end $$;

select _supportchat.record_script('functions/assignment.sql', 'cbe3ec3ddb7a');

-- bans.sql: who may not write to the desk for a time: a browser, or whoever comes from a network. Safe to run again.
-- A ban for good has no end: 'infinity'. Whoever makes or ends one locks the browser first, then takes the assignment lock, as
-- start_chat does.

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

-- spam.sql: first messages that wait for somebody to look at them, and tickets that are closed as spam. Safe to run again.
-- A held ticket waits like any other, but is given to nobody by itself. tickets.held says why: 'link', of a first message that
-- has one; 'spam', of a customer who writes again in a ticket that was closed as spam.

-- Whether a text has a link: with a scheme, with www, or a name that ends like those of most sites. No e-mail address is one.
-- Whatever pages make a link to the web has to be one here: see rendering/links.py.
create or replace function _supportchat.has_link(p_text text)
returns boolean
language sql
immutable
set search_path = ''
as $$
    select p_text ~* '(https?://|(^|[^a-z0-9_])www\.)\S' or p_text ~* concat(
        '(^|[^[:alnum:]а-яёА-ЯЁ@._-])[[:alnum:]а-яёА-ЯЁ-]+(\.[[:alnum:]а-яёА-ЯЁ-]+)*',
        '\.(com|net|org|edu|gov|рф|info|biz|io|me|co|ai|app|dev|ru|cn|su|xyz|top|shop|store|site|online|click|link|live|club|vip|win|bet|',
        'icu|pw|ly|gl|gg|to)(?![a-z0-9а-яёА-ЯЁ_@-])'
    )
$$;

-- Why a chat that begins with this message has to wait for somebody to release it: null, or 'link' where the desk holds first
-- messages with links and nobody has replied to this browser in its last 20 chats.
create or replace function _supportchat.hold_for(p_visitor_id uuid, p_message text)
returns text
language sql
stable
set search_path = ''
as $$
    select 'link'
    where _supportchat.setting('hold_links') = '"on"' and _supportchat.has_link(p_message) and not exists (
        select from (
            select session_id from public.user_sessions where visitor_id = p_visitor_id order by created_at desc limit 20
        ) as chats
        join public.tickets t on t.session_id = chats.session_id
        where t.first_reply_at is not null
    )
$$;

-- Tells the customer of a held ticket that the message is there; agents read why it waits.
create or replace function _supportchat.tell_held(p_ticket public.tickets)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.append_message(
        p_ticket.session_id, 'system', 'The message is kept and will be answered here.',
        p_event => 'queued', p_detail => jsonb_build_object('code', 'held_' || p_ticket.held)
    );
end $$;

-- Lets a held ticket go to whoever has room, like any other. Nothing happens to one that is not held.
create or replace function public.release_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.held is not null then
        update public.tickets set held = null where id = ticket.id;
        perform _supportchat.record_event(ticket, 'released', 'agent', p_agent_id);
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Closes a ticket as spam, as close_ticket would, or says of a closed one that it was. Who may ban also bans the browser for a
-- day; reopen_ticket takes all of it back. PT409 when it is erased.
create or replace function public.mark_spam(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    bans boolean := false;
begin
    perform _supportchat.lock_browser_of_ticket(p_number);
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    perform _supportchat.check_kept(ticket);
    if ticket.status <> 'closed' and ticket.assigned_agent_id is not null then
        perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
    end if;
    if not ticket.is_spam then
        update public.tickets set is_spam = true where id = ticket.id;
        if ticket.status = 'closed' then
            perform _supportchat.record_event(ticket, 'spam', 'agent', p_agent_id);
        else
            perform _supportchat.end_ticket(ticket, 'agent', p_agent_id, p_is_spam => true);
        end if;
        bans := _supportchat.has_right(p_agent_id, 'ban') and exists (
            select from public.user_sessions s
            join public.visitors v on v.visitor_id = s.visitor_id
            where s.session_id = ticket.session_id and v.banned_until > now() is not true
        );
    end if;
    if bans then
        perform _supportchat.make_ban(ticket, p_agent_id, 'browser', now() + interval '1 day', '', p_is_spam => true);
    end if;
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number), 'queue', _supportchat.queue_ahead(p_agent_id),
        'banned', bans
    );
end $$;

-- Takes back what mark_spam has done besides closing: the mark, and the ban that it has made, for who may. The caller holds the
-- locks, and opens the ticket again.
create or replace function _supportchat.unmark_spam(p_ticket public.tickets, p_agent_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    ban public.bans;
begin
    update public.tickets set is_spam = false where id = p_ticket.id;
    if _supportchat.has_right(p_agent_id, 'ban') then
        select * into ban from public.bans where session_id = p_ticket.session_id and is_spam;
        if found then
            perform _supportchat.lift_ban(ban, p_agent_id);
        end if;
    end if;
end $$;

select _supportchat.record_script('functions/spam.sql', '8e299dc1c4cd');

-- conversations.sql: what a page shows about a conversation besides its messages. Safe to run again.

-- What a page shows about a conversation besides its messages: ticket, who answers, place in the queue, receipts. Whether
-- the customer is here and which place it has is found by the caller, for one conversation or for many at once.
create or replace function _supportchat.state_json(
    p_session public.user_sessions, p_ticket public.tickets, p_customer_here boolean, p_queue_position bigint
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', p_session.session_id,
        'epoch', _supportchat.epoch_of(p_session.session_id, public.database_epoch()),
        'customer_name', coalesce(
            (select p.name from public.persons p where p.visitor_id = p_session.visitor_id), p_session.customer_name
        ),
        'site', coalesce((select s.key from public.sites s where s.site_id = p_ticket.site_id), 'main'),
        'status', p_ticket.status,
        'number', p_ticket.number,
        'version', p_ticket.version,
        'erased_at', p_ticket.erased_at,
        'agent', _supportchat.person_json(p_ticket.assigned_agent_id),
        'agent_here', coalesce((
            select a.is_active and a.availability = 'available' and a.lease_expires_at > now()
            from public.agents a where a.id = p_ticket.assigned_agent_id
        ), false),
        'customer_here', p_customer_here,
        'queue_position', p_queue_position,
        -- As post_message finds it.
        'banned', coalesce((select v.banned_until > now() from public.visitors v where v.visitor_id = p_session.visitor_id), false)
            or exists (select from public.bans where network = p_session.address and expires_at > now()),
        'somebody_here', exists (
            select from public.agents a where a.is_active and a.availability = 'available' and a.lease_expires_at > now()
        ),
        'last_seq', p_session.last_seq,
        'last_note_no', p_session.last_note_no,
        'customer_delivered_seq', p_session.customer_delivered_seq,
        'customer_read_seq', p_session.customer_read_seq,
        'agent_delivered_seq', p_session.agent_delivered_seq,
        'agent_read_seq', p_session.agent_read_seq
    )
$$;

-- The state of one conversation; null when there is none.
create or replace function _supportchat.conversation_json(p_session_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.state_json(
        s, t,
        exists (select from public.customers_here c where c.session_id = s.session_id),
        case when t.status = 'waiting' and t.held is null and t.snoozed_until is null then _supportchat.place_of_ticket(t) end
    )
    from public.user_sessions s
    cross join _supportchat.ticket_of_session(s.session_id) as t
    where s.session_id = p_session_id and t.id is not null
$$;

-- The same for several conversations at once. The places in the queue are read once for all of them. Planned once,
-- because that takes as long as one of them.
create or replace function public.conversations(p_session_ids uuid[])
returns jsonb
language sql
stable
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
    with asked as materialized (
        select s as session, t as ticket, t.id, t.status
        from public.user_sessions s
        cross join _supportchat.ticket_of_session(s.session_id) as t
        where s.session_id = any (p_session_ids) and t.id is not null
    ), places as materialized (
        -- As place_of_ticket counts, and none of it where nobody waits.
        select id, row_number() over () as place
        from (
            select id from public.tickets
            where status = 'waiting' and held is null and snoozed_until is null
                and exists (select from asked where asked.status = 'waiting')
            order by urgency, awaiting_since nulls last, number
            limit _supportchat.last_place() - 1
        ) as ahead
    )
    select coalesce(jsonb_agg(_supportchat.state_json(
        asked.session, asked.ticket,
        exists (select from public.customers_here c where c.session_id = (asked.session).session_id),
        case when asked.status = 'waiting' and (asked.ticket).held is null and (asked.ticket).snoozed_until is null then coalesce(places.place, _supportchat.last_place()) end
    )), '[]')
    from asked
    left join places on places.id = asked.id
$$;

-- What those who wait are told while others are served: whose conversations have the places in the queue, in order, which
-- place all others have, and whether an agent is here. However many wait, it reads as many of them as are counted.
create or replace function public.waiting_line()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_ids', to_jsonb(array(
            -- As place_of_ticket counts.
            select session_id from public.tickets
            where status = 'waiting' and held is null and snoozed_until is null
            order by urgency, awaiting_since nulls last, number
            limit _supportchat.last_place() - 1
        )),
        'behind', _supportchat.last_place(),
        'somebody_here', exists (
            select from public.agents a where a.is_active and a.availability = 'available' and a.lease_expires_at > now()
        )
    )
$$;

-- Of an earlier version, which had no log.
drop function if exists public.conversation_heads(uuid[]);

-- The newest conversation of a browser. Each is dated after the ones before it, whatever the clock says: see open_chat.
create or replace function _supportchat.newest_session(p_visitor_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select session_id from public.user_sessions where visitor_id = p_visitor_id order by created_at desc limit 1
$$;

-- The same, by the key of the browser; null when it has none.
create or replace function _supportchat.session_of_visitor(p_visitor text)
returns uuid
language sql
stable
set search_path = ''
as $$
    select _supportchat.newest_session(_supportchat.visitor_of(p_visitor))
$$;

-- The conversation that a viewer means: an agent that of a ticket, a browser its newest. PT404 when there is none.
create or replace function _supportchat.session_of_viewer(p_visitor text, p_number bigint)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
    found_id uuid;
begin
    if p_number is not null then
        return _supportchat.session_of_ticket(p_number);
    end if;
    found_id := _supportchat.session_of_visitor(p_visitor);
    if found_id is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    end if;
    return found_id;
end $$;

-- The conversation of a browser, the newest one; null when it has none.
create or replace function public.conversation_of_visitor(p_visitor text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.conversation_json(_supportchat.session_of_visitor(p_visitor))
$$;

-- What a page needs that is about to show a conversation: its state, when its last line was written, the lines after a seq with
-- that one itself (null: none, most pages that come back lack nothing), and the notes after a number (null: none, for a customer's
-- page). Which conversation is said in one of three ways: the newest one of a browser, that of a ticket, or by its id. Null when
-- there is none.
create or replace function public.join_conversation(
    p_visitor text default null, p_number bigint default null, p_session_id uuid default null,
    p_after integer default null, p_after_note integer default null
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid := p_session_id;
    state jsonb;
begin
    if p_visitor is not null then
        chat := _supportchat.session_of_visitor(p_visitor);
    elsif p_number is not null then
        select session_id into chat from public.tickets where number = p_number;
    end if;
    state := _supportchat.conversation_json(chat);
    if state is null then
        return null;
    end if;
    return jsonb_build_object(
        'conversation', state,
        'last_at', (
            select created_at from public.chat_messages where session_id = chat and seq = (state ->> 'last_seq')::integer
        ),
        'messages', case when p_after is null then '[]' else public.messages_after(chat, p_after - 1) end,
        'notes', case when p_after_note is null then '[]' else public.notes_after(chat, p_after_note) end,
        'visit', case when p_after_note is not null then public.pages_of_session(chat) end
    );
end $$;

-- Logs that a conversation is gone, so that no page goes on showing it.
create or replace function _supportchat.log_end_of_conversation()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.log_event('conversation.deleted', old.session_id);
    return null;
end $$;

create or replace trigger log_end_of_conversation
after delete on public.user_sessions
for each row execute function _supportchat.log_end_of_conversation();

select _supportchat.record_script('functions/conversations.sql', '090e55bddecd');

-- marks.sql: who is typing, and how far each side has received and read. Safe to run again.

-- Of an earlier version, by the conversation.
drop function if exists public.signal_typing(uuid, text, uuid);
drop function if exists public.record_receipt(uuid, text, integer, integer, uuid);

-- Of an earlier version, which moved an agent's own mark by itself.
drop function if exists _supportchat.move_mark_of_agent(uuid, integer, uuid);

-- Whether an agent has the ticket of a conversation, or had it when it was closed.
create or replace function _supportchat.has_ticket(p_agent_id uuid, p_session_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_agent_id is not distinct from assigned_agent_id
    from _supportchat.ticket_of_session(p_session_id)
$$;

-- Moves the marks of one side, and for an agent their own: they only go forward, and never past the last message. The marks of
-- the agents' side, which the customer sees, move for the agent who has the ticket, as has_ticket has it. The agent's own mark counts
-- how many of the customer's lines it has passed: none of the last 100 or more that come after it.
create or replace function _supportchat.move_marks(
    p_session_id uuid, p_delivered integer, p_read integer, p_agent_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    marks jsonb;
    lines integer;
    nothing text;
begin
    if p_agent_id is null then
        update public.user_sessions set
            customer_delivered_seq = greatest(customer_delivered_seq, least(greatest(p_delivered, p_read), last_seq)),
            customer_read_seq = greatest(customer_read_seq, least(p_read, last_seq))
        where session_id = p_session_id
            and (least(greatest(p_delivered, p_read), last_seq) > customer_delivered_seq or least(p_read, last_seq) > customer_read_seq)
        returning jsonb_build_object(
            'customer_delivered_seq', customer_delivered_seq, 'customer_read_seq', customer_read_seq
        ) into marks;
    else
        update public.user_sessions set
            agent_delivered_seq = greatest(agent_delivered_seq, least(greatest(p_delivered, p_read), last_seq)),
            agent_read_seq = greatest(agent_read_seq, least(p_read, last_seq))
        where session_id = p_session_id
            and (least(greatest(p_delivered, p_read), last_seq) > agent_delivered_seq or least(p_read, last_seq) > agent_read_seq)
            and p_agent_id = (
                select assigned_agent_id from public.tickets
                where session_id = p_session_id order by status = 'closed', number desc limit 1
            )
        returning jsonb_build_object('agent_delivered_seq', agent_delivered_seq, 'agent_read_seq', agent_read_seq) into marks;
        insert into public.ticket_reads as mine (agent_id, session_id, read_seq, read_lines)
        select p_agent_id, s.session_id, least(p_read, s.last_seq), s.customer_lines - (
            select count(*) from (
                select from public.chat_messages m
                where m.session_id = s.session_id and m.sender = 'user' and m.seq > least(p_read, s.last_seq)
                limit 100
            ) as unread
        )
        from public.user_sessions s
        where s.session_id = p_session_id and not exists (
            select from public.ticket_reads r
            where r.agent_id = p_agent_id and r.session_id = s.session_id and r.read_seq >= least(p_read, s.last_seq)
        )
        on conflict (agent_id, session_id) do update set
            read_seq = excluded.read_seq, read_lines = greatest(mine.read_lines, excluded.read_lines)
        where mine.read_seq < excluded.read_seq
        returning read_lines into lines;
    end if;
    if marks is not null or lines is not null then
        -- An assignment takes a fraction of the time of a statement.
        nothing := _supportchat.log_event(
            'receipt.recorded', p_session_id,
            coalesce(marks, '{}') || case when lines is null then '{}' else jsonb_build_object('read_lines', lines) end,
            case when p_agent_id is null then 'customer' else 'agent' end, p_agent_id
        );
    end if;
end $$;

-- Says to the other side that the customer of this browser, or else an agent in their own ticket, is typing, and after which
-- line. Nothing is stored.
create or replace function public.signal_typing(
    p_visitor text default null, p_agent_id uuid default null, p_number bigint default null
)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.demand_right(p_agent_id, 'answer') where p_number is not null;
    select _supportchat.notify_change(
        jsonb_build_object(
            'event', 'typing', 'session_id', session_id, 'sender', case when p_agent_id is null then 'user' else 'agent' end,
            'agent', _supportchat.person_json(p_agent_id), 'seq', last_seq
        )
    )
    from public.user_sessions
    where session_id = _supportchat.session_of_viewer(p_visitor, p_number)
        and (p_number is null or _supportchat.has_ticket(p_agent_id, session_id))
$$;

-- Says to the desks of all processes what agents do in tickets, as those of one process know it: 'looks', writes a 'reply' or a
-- 'note', or has 'left'. Nothing is stored; a process says it again before it is forgotten.
create or replace function public.signal_looks(p_process_id uuid, p_looks jsonb)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(jsonb_build_object('event', 'looking', 'process', p_process_id, 'looks', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'session_id', said.session_id, 'agent', _supportchat.person_json(said.agent_id), 'does', said.does
        )), '[]')
        from jsonb_to_recordset(p_looks) as said (session_id uuid, agent_id uuid, does text)
        join public.agents a on a.id = said.agent_id
    )))
$$;

-- Remembers how far the customer of this browser, or else an agent in a ticket, has received and read. Nothing of a page
-- that shows another conversation, or another history of it, than p_epoch says.
create or replace function public.record_receipt(
    p_delivered integer, p_read integer, p_visitor text default null, p_agent_id uuid default null,
    p_number bigint default null, p_epoch text default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
begin
    if p_number is not null then
        perform _supportchat.demand_right(p_agent_id, 'answer');
    end if;
    chat := _supportchat.session_of_viewer(p_visitor, p_number);
    if p_epoch is null or p_epoch = _supportchat.epoch_of(chat, public.database_epoch()) then
        perform _supportchat.move_marks(chat, p_delivered, p_read, p_agent_id);
    end if;
end $$;

-- Remembers what many pages say at once, each as record_receipt does: a customer's by p_receipts' visitor, an agent's by
-- agent_id and the token_hash of a login session that has not ended. What a page may not say is left out. Waits for nobody:
-- gives the conversations into which others are writing at this moment, whose receipts are to be said again.
create or replace function public.record_receipts(p_receipts jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    asked uuid[] := array(select distinct session_id from jsonb_to_recordset(p_receipts) as r (session_id uuid));
    free uuid[] := array(
        select session_id from public.user_sessions where session_id = any (asked) for no key update skip locked
    );
    good text[] := _supportchat.good_sessions(array(
        select distinct token_hash from jsonb_to_recordset(p_receipts) as r (token_hash text)
    ));
    history text := public.database_epoch();
    said record;
    nothing text;
begin
    for said in
        select r.* from jsonb_to_recordset(p_receipts) as r (
            session_id uuid, epoch text, delivered integer, read integer, visitor text, agent_id uuid, token_hash text
        )
        -- As epoch_of and visitor_of have it.
        where r.session_id = any (free) and r.epoch = left(md5(history || r.session_id), 12)
            and case when r.agent_id is null then exists (
                select from public.user_sessions s
                where s.session_id = r.session_id and s.visitor_id = (
                    select visitor_id from public.visitors where token_hash = r.visitor
                    union all
                    select visitor_id from public.person_keys where token_hash = r.visitor
                )
            ) else exists (
                select from public.agent_sessions a
                where a.agent_id = r.agent_id and a.token_hash = r.token_hash and a.token_hash = any (good)
            ) end
    loop
        nothing := _supportchat.move_marks(said.session_id, said.delivered, said.read, said.agent_id);
    end loop;
    return jsonb_build_object('busy', array(
        select session_id from public.user_sessions where session_id = any (asked) and session_id <> all (free)
    ));
end $$;

select _supportchat.record_script('functions/marks.sql', '5f3d99b0bb5a');

-- mentions.sql: who is named in a note with an @, and has to read it. Safe to run again.

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

-- chat.sql: what a customer can do. Safe to run again.
-- p_visitor is the SHA-256 of the browser's cookie, in hex. It alone decides which conversation is meant.

-- Does for its ticket what a customer's new message means: reopens a closed one, seeks an agent. Gives the answer with the lines
-- that there are by now.
create or replace function _supportchat.heed_message(p_session_id uuid, p_line jsonb, p_may_assign boolean)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    preferred uuid;
    is_afterword boolean;
    visitor uuid;
begin
    -- The same that ticket_of_session finds. Whoever changes it holds the conversation's lock.
    select * into ticket from public.tickets
    where session_id = p_session_id order by status = 'closed', number desc limit 1;
    if not found then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    elsif ticket.status = 'closed' and not p_may_assign then
        -- Ended a moment ago: the call is made again, and what it stands on is looked at anew.
        raise sqlstate '40001' using message = 'ended_meanwhile';
    end if;
    if ticket.status = 'closed' then
        preferred := ticket.assigned_agent_id;
        visitor := (select visitor_id from public.user_sessions where session_id = p_session_id);
        -- An afterword, which whoever answered takes without a place: see load_of_agent.
        is_afterword := ticket.first_reply_at is not null and ticket.closed_at > now() - interval '10 minutes';
        perform _supportchat.tell_event(ticket, 'reopened', 'The chat is open again.', 'customer');
        update public.tickets set
            status = 'waiting', assigned_agent_id = null, closed_at = case when is_afterword then closed_at end,
            awaiting_since = now(), given_back_by = null, held = case when is_spam then 'spam' else _supportchat.hold_for(visitor, p_line ->> 'message') end,
            is_spam = false
        where id = ticket.id
        returning * into ticket;
        if ticket.held is not null then
            perform _supportchat.tell_held(ticket);
        elsif is_afterword and exists (
            select from public.agents
            where id = preferred and is_active and availability = 'available' and lease_expires_at > now()
        ) then
            perform _supportchat.give_ticket(ticket, preferred, 'knows_customer', 'system');
        else
            perform _supportchat.seek_agent(ticket, preferred);
        end if;
    else
        if ticket.awaiting_since is null then
            update public.tickets set awaiting_since = now() where id = ticket.id;
        end if;
        if ticket.snoozed_until is not null then
            perform _supportchat.wake_ticket(ticket, 'customer');
        end if;
        if ticket.status = 'open' then
            return _supportchat.answer_json(p_session_id, jsonb_build_array(p_line));
        elsif p_may_assign then
            perform _supportchat.drain_queue();
        end if;
    end if;
    return _supportchat.answer_json(p_session_id, public.messages_after(p_session_id, (p_line ->> 'seq')::integer - 1));
end $$;

-- Puts a customer's message into a conversation. It comes first, because it takes the lock under which the ticket is looked at.
create or replace function _supportchat.post_as_customer(
    p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_may_assign boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.check_message(p_message, p_image is not null);
    return _supportchat.heed_message(
        p_session_id,
        _supportchat.append_message(
            p_session_id, 'user', p_message, p_client_message_id, p_image_id => _supportchat.add_image(p_session_id, p_image)
        ),
        p_may_assign
    );
end $$;

-- Stores a customer's message in the browser's conversation, and gives which one that is. The session_id says which one
-- the page showed (null: not said): when the browser has begun another one since, PT409. The first answer comes again for a
-- client_message_id that was stored. PT403 for a browser that is banned, or when nobody has the
-- chat and it came from a network that is.
create or replace function public.post_message(
    p_visitor text, p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    number bigint;
    status text;
    is_stored boolean;
    is_banned boolean;
    is_awaited boolean;
    may_assign boolean := false;
    line jsonb;
    answer jsonb;
begin
    -- Most messages are new, of the chat that an agent has, and change nothing of its ticket.
    if p_image is null and char_length(p_message) <= _supportchat.longest_message() and p_message ~ '\S' then
        line := _supportchat.append_message(p_session_id, 'user', p_message, p_client_message_id, p_visitor => p_visitor);
    end if;
    if line is not null then
        select t.number, t.status = 'open' and t.awaiting_since is not null and t.snoozed_until is null into number, is_awaited from public.tickets t
        where t.session_id = p_session_id order by t.status = 'closed', t.number desc limit 1;
        if is_awaited then
            -- As answer_json has it.
            return jsonb_build_object(
                'duplicate', false, 'session_id', p_session_id, 'messages', jsonb_build_array(line), 'image_key', null,
                'conversation', jsonb_build_object('session_id', p_session_id, 'number', number)
            );
        end if;
        return _supportchat.heed_message(p_session_id, line, false)
            || jsonb_build_object('conversation', jsonb_build_object('session_id', p_session_id, 'number', number));
    end if;
    -- A second time where it waited for the lock, as another conversation may have begun meanwhile.
    loop
        select s.session_id, t.number, t.status, exists (
            select from public.chat_messages m
            where m.session_id = s.session_id and m.sender = 'user' and m.client_message_id = p_client_message_id
        ), v.banned_until > now() is true into chat, number, status, is_stored, is_banned
        from public.visitors v
        cross join lateral (
            select session_id from public.user_sessions where visitor_id = v.visitor_id order by created_at desc limit 1
        ) as s
        left join lateral (
            select * from public.tickets where session_id = s.session_id
            order by tickets.status = 'closed', tickets.number desc limit 1
        ) as t on true
        -- As visitor_of has it, which would take a while to be called.
        where v.visitor_id = (
            select visitor_id from public.visitors where token_hash = p_visitor
            union all
            select visitor_id from public.person_keys where token_hash = p_visitor
        );
        -- Only a ticket without an agent can need one, so the others do not queue for the assignment lock.
        exit when may_assign or is_stored or is_banned or status = 'open' or chat = coalesce(p_session_id, chat) is not true;
        perform _supportchat.lock_assignment();
        may_assign := true;
    end loop;
    if chat is null then
        raise sqlstate 'PT404' using message = 'conversation_not_found';
    elsif p_session_id <> chat then
        -- Stored, perhaps, before the browser began another conversation, and its answer was lost.
        select _supportchat.repeated_message(us.session_id, 'user', p_client_message_id, p_message, p_image) into answer
        from public.user_sessions us
        where us.session_id = p_session_id and us.visitor_id = _supportchat.visitor_of(p_visitor);
        if answer is null then
            raise sqlstate 'PT409' using message = 'conversation_moved_on';
        end if;
    elsif is_stored then
        answer := _supportchat.repeated_message(chat, 'user', p_client_message_id, p_message, p_image);
    elsif is_banned then
        raise sqlstate 'PT403' using message = 'banned';
    else
        -- To look for a network takes a tenth of the time of a message: not while an agent has the chat.
        if status <> 'open' then
            perform _supportchat.refuse_network_of(chat);
        end if;
        answer := _supportchat.post_as_customer(chat, p_client_message_id, p_message, p_image, may_assign);
    end if;
    return answer || jsonb_build_object('conversation', jsonb_build_object('session_id', chat, 'number', number));
end $$;

-- The browser of a chat that is about to start, locked to the end: two clicks on "Start Chat" make one conversation.
create or replace function _supportchat.lock_visitor(p_visitor text)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    visitor uuid;
begin
    loop
        visitor := _supportchat.visitor_of(p_visitor);
        if visitor is null then
            insert into public.visitors (token_hash) values (p_visitor) on conflict (token_hash) do nothing;
        else
            perform from public.visitors where visitor_id = visitor for no key update;
            -- It may have become a person's while we waited.
            exit when visitor = _supportchat.visitor_of(p_visitor);
        end if;
    end loop;
    return visitor;
end $$;

-- The conversation in which a browser has stored a message before, by its client_message_id: of its last 20, as the same
-- message comes again soon or never.
create or replace function _supportchat.session_of_message(p_visitor_id uuid, p_client_message_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select s.session_id
    from (
        select session_id, created_at from public.user_sessions
        where visitor_id = p_visitor_id order by created_at desc limit 20
    ) as s
    join public.chat_messages m on m.session_id = s.session_id
    where m.sender = 'user' and m.client_message_id = p_client_message_id
    order by s.created_at desc limit 1
$$;

-- Of an earlier version, without sites.
drop function if exists _supportchat.open_chat(public.user_sessions, uuid, text, jsonb);

-- Opens a conversation with its ticket and first message, and seeks an agent. The caller holds the assignment lock.
create or replace function _supportchat.open_chat(
    p_session public.user_sessions, p_client_message_id uuid, p_message text, p_image jsonb, p_site text
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    ticket public.tickets;
begin
    insert into public.user_sessions (
        visitor_id, customer_name, customer_phone, time_zone, address, framed_on, is_anonymous, created_at
    ) values (
        p_session.visitor_id, p_session.customer_name, p_session.customer_phone, p_session.time_zone, p_session.address,
        p_session.framed_on,
        p_session.customer_name is null and p_session.customer_phone is null,
        -- After the browser's last one, which a wrong clock may have dated into the future: the newest is found by it.
        greatest(now(), (
            select max(created_at) from public.user_sessions where visitor_id = p_session.visitor_id
        ) + interval '1 microsecond')
    )
    returning session_id into chat;
    insert into public.tickets (session_id, site_id, awaiting_since, held)
    values (chat, _supportchat.site_id_of(p_site), now(), _supportchat.hold_for(p_session.visitor_id, p_message))
    returning * into ticket;
    perform _supportchat.append_message(
        chat, 'user', p_message, p_client_message_id, p_image_id => _supportchat.add_image(chat, p_image)
    );
    perform _supportchat.record_event(ticket, 'opened', 'customer');
    if ticket.held is null then
        perform _supportchat.seek_agent(ticket);
    else
        perform _supportchat.tell_held(ticket);
    end if;
    return chat;
end $$;

-- Of earlier versions, without limits, without a key of its own for each new browser, without sites, and without frames.
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text);
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb);
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text);
drop function if exists public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text, text);

-- Starts a chat: session, ticket, first message and assignment in one transaction. A browser whose chat still runs
-- gets its message into that chat; a repeated client_message_id gives the first answer again. Only a new chat counts:
-- for its browser where that is known, and for the address it comes from; p_limits may have 'browser' and 'address'.
-- A browser whose key nobody has chatted with chats under p_fresh, if that is given: somebody else may have chosen its key.
-- The answer says which of the two it is. PT403 for a browser or an address that is banned. p_site is the key of the site; one
-- that is not there, or is archived, means the main one. p_framed_on is the origin of the page that shows the chat in a frame.
create or replace function public.start_chat(
    p_visitor text,
    p_client_message_id uuid,
    p_message text,
    p_image jsonb default null,
    p_customer_name text default null,
    p_customer_phone text default null,
    p_time_zone text default null,
    p_address text default '',
    p_limits jsonb default '{}',
    p_fresh text default null,
    p_site text default null,
    p_framed_on text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    key text := case
        when _supportchat.visitor_of(p_visitor) is not null then p_visitor else coalesce(p_fresh, p_visitor)
    end;
    new_session public.user_sessions;
    chat uuid;
    answer jsonb;
begin
    perform _supportchat.check_message(p_message, p_image is not null);
    perform _supportchat.refuse_banned(p_visitor, p_address);
    -- Before any lock that others wait for: a flood is to be refused on its way there.
    if not _supportchat.goes_on(key, p_client_message_id) then
        perform _supportchat.take_start(key, p_address, p_limits);
    end if;
    new_session.visitor_id := _supportchat.lock_visitor(key);
    perform _supportchat.lock_assignment();

    chat := _supportchat.session_of_message(new_session.visitor_id, p_client_message_id);
    if chat is not null then
        answer := _supportchat.repeated_message(chat, 'user', p_client_message_id, p_message, p_image);
    else
        chat := _supportchat.newest_session(new_session.visitor_id);
        if exists (select from public.tickets t where t.session_id = chat and t.status <> 'closed') then
            answer := _supportchat.post_as_customer(chat, p_client_message_id, p_message, p_image, p_may_assign => true);
        else
            new_session.customer_name := p_customer_name;
            new_session.customer_phone := p_customer_phone;
            new_session.time_zone := p_time_zone;
            new_session.address := nullif(left(p_address, 64), '');
            new_session.framed_on := p_framed_on;
            chat := _supportchat.open_chat(new_session, p_client_message_id, p_message, p_image, p_site);
            answer := _supportchat.answer_json(chat, public.messages_after(chat, 0));
        end if;
    end if;
    return answer || jsonb_build_object('visitor', key);
end $$;

-- Whether what a browser starts is no new chat: its last one still runs, or it has stored this very message before.
create or replace function _supportchat.goes_on(p_visitor text, p_client_message_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.visitors v
        where v.visitor_id = _supportchat.visitor_of(p_visitor) and (
            exists (
                select from public.tickets t
                where t.session_id = _supportchat.newest_session(v.visitor_id) and t.status <> 'closed'
            )
            or _supportchat.session_of_message(v.visitor_id, p_client_message_id) is not null
        )
    )
$$;

-- Counts a new chat. A browser that has chatted before has a count of its own, and one for its address that is five times
-- as large: others there cannot lock it out, and it cannot start without end by turning up as many.
create or replace function _supportchat.take_start(p_visitor text, p_address text, p_limits jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    of_address jsonb := p_limits -> 'address';
begin
    if _supportchat.visitor_of(p_visitor) is not null then
        perform _supportchat.take_token('starts', 'browser/' || p_visitor, p_limits -> 'browser');
        perform _supportchat.take_token('starts', 'known/' || p_address, jsonb_build_array(5 * (of_address ->> 0)::integer, of_address -> 1));
    else
        perform _supportchat.take_token('starts', 'address/' || p_address, of_address);
    end if;
end $$;

-- Gives the browser's conversation the name that its customer says, unless they have said one, and gives the conversation.
-- PT409 when the page showed another one.
create or replace function public.name_customer(p_visitor text, p_session_id uuid, p_name text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_viewer(p_visitor, null);
    ticket public.tickets;
begin
    if p_session_id is distinct from chat then
        raise sqlstate 'PT409' using message = 'conversation_moved_on';
    end if;
    ticket := _supportchat.lock_ticket(chat);
    update public.user_sessions set customer_name = p_name, is_anonymous = false
    where session_id = chat and customer_name is null and erased_at is null;
    if found then
        -- By its version desks see that there is something new about it.
        update public.tickets set version = version + 1 where id = ticket.id;
    end if;
    return _supportchat.conversation_json(chat);
end $$;

-- Of an earlier version, which did not ask what the page showed.
drop function if exists public.close_chat(text);

-- Ends the browser's conversation from the customer's side, and gives it as it is then, with the lines that this has made.
-- PT409 when the page showed another one (null: not said). Ending an ended one changes nothing.
create or replace function public.close_chat(p_visitor text, p_session_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid := _supportchat.session_of_viewer(p_visitor, null);
    ticket public.tickets;
    seq_before integer;
begin
    if p_session_id <> chat then
        raise sqlstate 'PT409' using message = 'conversation_moved_on';
    end if;
    perform _supportchat.lock_assignment();
    ticket := _supportchat.lock_ticket(chat);
    seq_before := (select last_seq from public.user_sessions where session_id = chat);
    if ticket.status <> 'closed' then
        perform _supportchat.end_ticket(ticket, 'customer');
    end if;
    return jsonb_build_object(
        'conversation', _supportchat.conversation_json(chat), 'messages', public.messages_after(chat, seq_before)
    );
end $$;

-- The median time to the first reply in seconds, of the last 100 tickets that have one since a moment; null below 3 of them.
create or replace function _supportchat.median_first_reply(p_since timestamptz)
returns integer
language sql
stable
set search_path = ''
as $$
    select case when count(*) >= 3 then
        round(percentile_cont(0.5) within group (order by extract(epoch from first_reply_at - created_at)))::integer
    end
    from (
        select first_reply_at, created_at from public.tickets
        where created_at >= p_since and first_reply_at is not null
        order by created_at desc limit 100
    ) as latest
$$;

-- Of an earlier version, without bans.
drop function if exists public.who_is_here();

-- What the start page may say about who is here: three of those who take new tickets, and how many others. The answer time is
-- left out below 3 answers in the last 7 days. 'banned' says that this browser, or this address, could not start a chat; 'known' that
-- this browser has the key of somebody, with or without a chat.
create or replace function public.who_is_here(p_visitor text default null, p_address text default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with available as materialized (
        select id, name, picture_key, row_number() over (order by id) as place from public.agents
        where is_active and availability = 'available' and lease_expires_at > now()
    )
    select jsonb_build_object(
        'agents', (
            select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'picture', picture_key) order by place), '[]')
            from available where place <= 3
        ),
        'others', (select count(*) from available where place > 3),
        'answers_in_seconds', _supportchat.median_first_reply(now() - interval '7 days'),
        'banned', exists (
                select from public.visitors where visitor_id = _supportchat.visitor_of(p_visitor) and banned_until > now()
            )
            or exists (select from public.bans where network = p_address and expires_at > now()),
        'known', _supportchat.visitor_of(p_visitor) is not null
    )
$$;

select _supportchat.record_script('functions/chat.sql', '779369e60d2f');

-- pictures.sql: where the bytes of a picture lie, and who may see them. Safe to run again.

-- Of an earlier version, by the conversation.
drop function if exists public.image_of_session(uuid, uuid);

-- Where the bytes of an image lie, if it belongs to the conversation of this browser, or else of this ticket.
create or replace function public.image_of_session(p_image_id uuid, p_visitor text default null, p_number bigint default null)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('key', storage_key, 'content_type', content_type, 'bytes', bytes)
    from public.chat_images
    where id = p_image_id and session_id = _supportchat.session_of_viewer(p_visitor, p_number)
$$;

-- Of some stored objects, those that nothing needs. None of a database without any picture: it may be
-- about to be restored.
create or replace function public.orphan_images(p_keys text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(asked), '[]') from unnest(p_keys) as asked
    where not exists (select from public.chat_images where storage_key = asked)
        and not exists (select from public.agents where picture_key = asked)
        and not exists (select from public.sites where logo_path = asked)
        and not exists (select from public.saved_replies where picture_key = asked)
        and not exists (select from public.held_replies where image ->> 'key' = asked)
        and (
            exists (select from public.chat_images)
            or exists (select from public.agents where picture_key is not null)
            or exists (select from public.sites where logo_path is not null)
            or exists (select from public.saved_replies where picture_key is not null)
            or exists (select from public.held_replies where image is not null)
        )
$$;

-- The bucket of the pictures as it is set up: exists, public, file_size_limit, allowed_mime_types. Null where there is
-- no Supabase Storage.
create or replace function _supportchat.check_bucket()
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    answer jsonb;
begin
    if not _supportchat.has_buckets() then
        return null;
    end if;
    select jsonb_build_object(
        'exists', true, 'public', b.public, 'file_size_limit', b.file_size_limit, 'allowed_mime_types', b.allowed_mime_types
    )
    into answer
    from storage.buckets b where b.id = 'chat-images';
    return coalesce(answer, jsonb_build_object(
        'exists', false, 'public', null, 'file_size_limit', null, 'allowed_mime_types', null
    ));
end $$;

select _supportchat.record_script('functions/pictures.sql', '2eb21d20ff98');

-- drafts.sql: what agents have typed and not sent, for their own pages only. Safe to run again.

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

-- held.sql: replies that wait for some seconds, so that whoever has written one can take it back. Safe to run again.
--
-- Nobody but their agent reads them: no function for customers, no event and no search has anything of this table.

-- A held reply, or one that was not sent, as its agent sees it. due_in is in seconds; null says that it is not going to be sent.
create or replace function _supportchat.held_json(p_row public.held_replies)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'client_message_id', p_row.client_message_id, 'message', p_row.message, 'acts', p_row.acts,
        'image', case when p_row.image is not null then jsonb_build_object(
            'id', p_row.client_message_id, 'width', (p_row.image ->> 'width')::integer, 'height', (p_row.image ->> 'height')::integer
        ) end,
        'due_in', case when p_row.due_at is not null then greatest(0, extract(epoch from p_row.due_at - clock_timestamp()))::double precision end,
        'refused', p_row.refused, 'detail', coalesce(p_row.detail, ''), 'held_at', p_row.held_at
    )
$$;

-- What an agent has written in a conversation that is held or was not sent, in the order in which it was written: what is held, and
-- the newest of the rest, 50 at most. Others come to light once some of these are sent, edited or deleted.
create or replace function _supportchat.held_of_agent(p_session_id uuid, p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.held_json(h) order by (h).held_at, (h).client_message_id), '[]')
    from (
        select own as h from public.held_replies own
        where own.session_id = p_session_id and own.agent_id = p_agent_id and own.refused is distinct from 'gone'
        order by own.due_at is null, own.held_at desc limit 50
    ) as newest
$$;

-- The replies of an agent that were refused when their time had come, the newest 20: for a notice, in which ticket and why.
create or replace function _supportchat.unsent_of_agent(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'number', t.number, 'client_message_id', h.client_message_id, 'refused', h.refused, 'detail', coalesce(h.detail, '')
    ) order by h.held_at desc), '[]')
    from (
        select * from public.held_replies
        where agent_id = p_agent_id and due_at is null and refused not in ('gone', 'undone')
        order by held_at desc limit 20
    ) as h
    cross join lateral _supportchat.ticket_of_session(h.session_id) as t
$$;

-- Tells the pages of an agent that what is held of them in a ticket has changed. Nothing of it is in the log.
create or replace function _supportchat.tell_held_reply(p_row public.held_replies)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.notify_change(jsonb_build_object(
        'event', 'held.changed', 'agent_id', p_row.agent_id, 'number', t.number, 'reply', p_row.client_message_id,
        'state', coalesce(p_row.refused, 'held')
    ))
    from _supportchat.ticket_of_session(p_row.session_id) as t
$$;

-- Finds the reply that an earlier attempt with this id has had held: null, or the same answer again, also when it was taken back
-- since. The same id with another text or another picture, or from another agent, is an error.
create or replace function _supportchat.repeated_held(
    p_session_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_agent_id uuid
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    earlier public.held_replies;
begin
    select * into earlier from public.held_replies
    where session_id = p_session_id and client_message_id = p_client_message_id;
    if not found then
        return null;
    end if;
    if earlier.agent_id <> p_agent_id or (earlier.refused is distinct from 'gone' and (
        earlier.message <> p_message or (earlier.image ->> 'digest') is distinct from (p_image ->> 'digest')
    )) then
        raise sqlstate 'PT422' using message = 'client_message_id_reused';
    end if;
    return _supportchat.answer_json(p_session_id, '[]', p_duplicate => true, p_image_key => earlier.image ->> 'key');
end $$;

-- Holds a reply that could be sent now, for as long as the desk wants it; behind those of its agent that are held here already, also
-- when it would be sent at once by itself (p_may_hold: whether it would not). Null when it is not held. The caller holds the lock of
-- the conversation.
create or replace function _supportchat.hold_reply(
    p_ticket public.tickets, p_agent_id uuid, p_client_message_id uuid, p_message text, p_image jsonb, p_acts jsonb, p_may_hold boolean
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    seconds integer := case when p_may_hold then (_supportchat.setting('undo_send_seconds') #>> '{}')::integer else 0 end;
    last_due timestamptz := (
        select max(due_at) from public.held_replies where session_id = p_ticket.session_id and agent_id = p_agent_id
    );
    seen integer;
    held public.held_replies;
begin
    if seconds = 0 and last_due is null then
        return null;
    end if;
    select last_seq into seen from public.user_sessions where session_id = p_ticket.session_id;
    insert into public.held_replies (session_id, client_message_id, agent_id, message, image, acts, seen_seq, due_at)
    values (
        p_ticket.session_id, p_client_message_id, p_agent_id, p_message, p_image, p_acts, seen,
        -- They are sent in the order in which they were written, whatever the setting was for the one before.
        greatest(clock_timestamp() + make_interval(secs => seconds), last_due + interval '1 microsecond')
    )
    returning * into held;
    perform _supportchat.end_draft(p_agent_id, p_ticket.session_id, 'reply', p_message);
    perform _supportchat.move_marks(p_ticket.session_id, seen, seen, p_agent_id);
    perform _supportchat.end_mentions(p_agent_id, p_ticket.session_id, 2147483647);
    perform _supportchat.tell_held_reply(held);
    return _supportchat.answer_json(p_ticket.session_id, '[]');
end $$;

-- Sends a held reply, once, whoever asks, and gives the answer of reply_and_act. One that cannot be sent is kept for its agent, with
-- the reason; then, and when it is not held any more, null. A reply with acts needs the assignment lock before.
create or replace function _supportchat.release_reply(p_session_id uuid, p_client_message_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    held public.held_replies;
    number bigint;
    state text;
    code text;
    about text;
begin
    perform from public.user_sessions where session_id = p_session_id for no key update;
    begin
        delete from public.held_replies
        where session_id = p_session_id and client_message_id = p_client_message_id and due_at is not null
        returning * into held;
        if not found then
            return null;
        end if;
        number := (_supportchat.ticket_of_session(p_session_id)).number;
        if held.acts = '{}' then
            return public.post_reply(
                held.agent_id, number, held.client_message_id, held.message, held.image, p_held_at => held.seen_seq
            );
        end if;
        return public.reply_and_act(
            held.agent_id, number, held.client_message_id, held.message, held.image, held.acts ->> 'then',
            (held.acts ->> 'until')::timestamptz,
            array(select jsonb_array_elements_text(coalesce(held.acts -> 'tags', '[]'))), p_held_at => held.seen_seq
        );
    exception when others then
        get stacked diagnostics state = returned_sqlstate, code = message_text, about = pg_exception_detail;
        -- What passes is tried again.
        if state !~ '^(PT4|22|23)' then
            raise;
        end if;
    end;
    update public.held_replies set
        due_at = null, refused = case when state like 'PT4%' then code else 'value_refused' end, detail = nullif(about, '')
    where session_id = p_session_id and client_message_id = p_client_message_id
    returning * into held;
    perform _supportchat.tell_held_reply(held);
    return null;
end $$;

-- Sends at once what an agent has held in a ticket, because of what they do with it next. The caller holds the assignment lock.
create or replace function _supportchat.send_held(p_agent_id uuid, p_number bigint)
returns void
language plpgsql
set search_path = ''
as $$
declare
    held record;
begin
    for held in
        select h.session_id, h.client_message_id from public.tickets t
        join public.held_replies h on h.session_id = t.session_id
        where t.number = p_number and h.agent_id = p_agent_id and h.due_at is not null
        order by h.due_at
    loop
        perform _supportchat.release_reply(held.session_id, held.client_message_id);
    end loop;
end $$;

-- Sends the held replies whose time has come, in the order in which they were written, no more than a transaction has time for: those
-- of one conversation, or of all. Gives the answers of those that were sent, and whether there may be more.
create or replace function public.release_replies(p_session_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    moment timestamptz := clock_timestamp(); -- a function that changes would not use the index
    due public.held_replies[] := array(
        select h from public.held_replies h
        -- None is held for longer than 30 seconds, unless the clock has gone back since.
        where (h.due_at <= moment or h.due_at > moment + interval '31 seconds')
            and (p_session_id is null or h.session_id = p_session_id)
        order by h.due_at limit 20
    );
    held public.held_replies;
    answer jsonb;
    answers jsonb := '[]';
begin
    -- Whoever holds it may lock one conversation after the other.
    if p_session_id is null or exists (select from unnest(due) as one where one.acts <> '{}') then
        perform _supportchat.lock_assignment();
    end if;
    foreach held in array due loop
        answer := _supportchat.release_reply(held.session_id, held.client_message_id);
        if answer is not null then
            answers := answers || jsonb_build_array(answer - 'went');
        end if;
    end loop;
    return jsonb_build_object('answers', answers, 'more', cardinality(due) = 20);
end $$;

-- Takes back a held reply: it is not sent, and kept for its agent until forget_reply. Gives it, and gives it again. PT409 when it was
-- sent already, PT404 when there is none of this id.
create or replace function public.take_back_reply(p_agent_id uuid, p_number bigint, p_client_message_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    chat uuid;
    held public.held_replies;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    perform from public.user_sessions where session_id = chat for no key update;
    update public.held_replies set due_at = null, refused = 'undone'
    where session_id = chat and client_message_id = p_client_message_id and agent_id = p_agent_id and due_at is not null
    returning * into held;
    if found then
        perform _supportchat.tell_held_reply(held);
        return _supportchat.held_json(held);
    end if;
    select * into held from public.held_replies
    where session_id = chat and client_message_id = p_client_message_id and agent_id = p_agent_id and refused <> 'gone';
    if found then
        return _supportchat.held_json(held);
    elsif exists (
        select from public.chat_messages
        where session_id = chat and sender = 'agent' and client_message_id = p_client_message_id and sender_agent_id = p_agent_id
    ) then
        raise sqlstate 'PT409' using message = 'reply_sent';
    end if;
    raise sqlstate 'PT404' using message = 'reply_not_held';
end $$;

-- Forgets a reply that was not sent: its text is in a box again, or its agent does not want it any more. Its id stays for a day.
create or replace function public.forget_reply(p_agent_id uuid, p_number bigint, p_client_message_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    held public.held_replies;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    update public.held_replies set message = '', image = null, acts = '{}', refused = 'gone', detail = null
    where session_id = _supportchat.session_of_ticket(p_number) and client_message_id = p_client_message_id
        and agent_id = p_agent_id and due_at is null and refused <> 'gone'
    returning * into held;
    if found then
        perform _supportchat.tell_held_reply(held);
    end if;
end $$;

-- What an agent has in a ticket that is held or was not sent, in the order in which it was written.
create or replace function public.held_replies(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return _supportchat.held_of_agent(_supportchat.session_of_ticket(p_number), p_agent_id);
end $$;

-- Where the bytes of the picture of a reply lie that is held or was not sent, for its agent.
create or replace function public.picture_of_held(p_agent_id uuid, p_number bigint, p_client_message_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return (
        select jsonb_build_object('key', image ->> 'key', 'content_type', image ->> 'content_type', 'bytes', (image ->> 'bytes')::integer)
        from public.held_replies
        where session_id = _supportchat.session_of_ticket(p_number) and client_message_id = p_client_message_id
            and agent_id = p_agent_id and image is not null
    );
end $$;

select _supportchat.record_script('functions/held.sql', 'f140a6876d0c');

-- queue.sql: the list of tickets that an agent sees. Safe to run again.

-- Of an earlier version: a row that was counted and worded for one agent.
drop function if exists _supportchat.queue_row_json(public.tickets, uuid);

-- Rows of the queue, in the order of the tickets that are asked for; a ticket without a conversation, which an older version
-- may have left, has none. Nothing in a row depends on who sees it: what an agent has not read is customer_lines less their
-- own mark, which is missing when they have read nothing. Closed tickets come without marks.
create or replace function _supportchat.queue_rows_json(p_tickets uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object(
        'number', t.number,
        'session_id', t.session_id,
        'status', t.status,
        'held', t.held,
        'is_spam', t.is_spam,
        'priority', t.urgency,
        'snoozed', t.snoozed_until is not null,
        'snoozed_until', case when isfinite(t.snoozed_until) then t.snoozed_until end,
        'woke_at', case when t.status <> 'closed' then t.woke_at end,
        -- As tags_of_ticket and site_label have them, each of which takes longer to be called than to be looked up.
        'tags', (
            select coalesce(jsonb_agg(jsonb_build_object('id', g.tag_id, 'name', g.name) order by g.folded, g.tag_id), '[]')
            from public.ticket_tags own join public.desk_tags g on g.tag_id = own.tag_id
            where own.ticket_id = t.id
        ),
        'customer_name', coalesce(p.name, s.customer_name),
        'is_verified', p.person_id is not null,
        'site_name', case
            when t.site_id <> 1 or exists (select from public.sites o where o.site_id <> 1 and o.archived_at is null)
                then (select name from public.sites where site_id = t.site_id)
        end,
        'agent', case when a.id is not null then jsonb_build_object('id', a.id, 'name', a.name, 'picture', a.picture_key) end,
        'awaiting_since', case when t.status <> 'closed' then t.awaiting_since end,
        'updated_at', t.updated_at,
        'closed_at', case when t.status = 'closed' then t.closed_at end,
        'is_erased', t.erased_at is not null,
        'customer_lines', s.customer_lines,
        -- The agents who are mentioned in notes that they have not read.
        'mentioned', (
            select coalesce(jsonb_agg(distinct n.agent_id), '[]') from public.note_mentions n
            where n.session_id = s.session_id and n.read_at is null
        ),
        'marks', case when t.status = 'closed' then '{}' else (
            select coalesce(jsonb_object_agg(r.agent_id, r.read_lines), '{}')
            from public.ticket_reads r where r.session_id = s.session_id
        ) end,
        'last', case when m.seq is not null then jsonb_build_object(
            'sender', m.sender,
            'agent', case when writer.id is not null then jsonb_build_object(
                'id', writer.id, 'name', writer.name, 'picture', writer.picture_key
            ) end,
            'message', left(m.message, 200),
            'has_image', m.image_id is not null,
            'created_at', m.created_at
        ) end
    ) order by asked.place), '[]')
    from unnest(p_tickets) with ordinality as asked (id, place)
    -- One by one: the planner would rather read a table of some thousand rows as a whole.
    cross join lateral (select * from public.tickets where id = asked.id limit 1) as t
    join public.user_sessions s on s.session_id = t.session_id
    left join public.persons p on p.visitor_id = s.visitor_id
    left join public.agents a on a.id = t.assigned_agent_id
    left join public.chat_messages m on m.session_id = s.session_id and m.seq = s.last_spoken_seq
    left join public.agents writer on writer.id = m.sender_agent_id
$$;

-- What has changed at the desk: the rows of some conversations, and how busy their agents, and some others, are now.
-- Planned once, because that takes twice as long as a few rows do; the plan is the same for every list.
create or replace function public.queue_changes(p_session_ids uuid[], p_agent_ids uuid[] default '{}')
returns jsonb
language sql
stable
set search_path = ''
set plan_cache_mode = force_generic_plan
as $$
    with changed as materialized (
        select _supportchat.queue_rows_json(array(
            -- Of several tickets the one that ticket_of_session gives.
            select distinct on (t.session_id) t.id from public.tickets t
            where t.session_id = any (p_session_ids)
            order by t.session_id, t.status = 'closed', t.number desc
        )) as rows
    ), concerned as materialized (
        select array(
            select unnest(p_agent_ids)
            union select (line -> 'agent' ->> 'id')::uuid from changed, jsonb_array_elements(changed.rows) as line
        ) as ids
    )
    select jsonb_build_object(
        'rows', changed.rows,
        'agents', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', a.id, 'availability', a.availability, 'max_tickets', a.max_tickets, 'load', coalesce(taken.load, 0)
            ) order by a.id), '[]')
            from public.agents a
            left join _supportchat.loads_of_agents(concerned.ids) as taken on taken.agent_id = a.id
            where a.id = any (concerned.ids)
        )
    )
    from changed cross join concerned
$$;

-- How many tickets are not closed: those that nobody has, all of them, and those of each agent who has any; without snoozed ones,
-- which are counted by themselves. Read from indexes without closed tickets.
create or replace function _supportchat.open_tickets_json()
returns jsonb
language sql
stable
set search_path = ''
as $$
    with asleep as materialized (
        select status, assigned_agent_id as agent_id, count(*) as tickets from public.tickets
        where snoozed_until is not null group by status, assigned_agent_id
    ), taken as materialized (
        select open.agent_id, open.tickets - coalesce(asleep.tickets, 0) as tickets
        from (
            select assigned_agent_id as agent_id, count(*) as tickets from public.tickets
            where status = 'open' group by assigned_agent_id
        ) as open
        left join asleep on asleep.status = 'open' and asleep.agent_id = open.agent_id
    ), waiting as materialized (
        select (select count(*) from public.tickets where status = 'waiting') - coalesce((
            select sum(tickets) from asleep where status = 'waiting'
        ), 0) as tickets
    )
    select jsonb_build_object(
        'unassigned', waiting.tickets,
        'all', waiting.tickets + (select coalesce(sum(tickets), 0) from taken),
        'snoozed', (select coalesce(sum(tickets), 0) from asleep),
        'agents', (select coalesce(jsonb_object_agg(agent_id, tickets), '{}') from taken where tickets > 0)
    )
    from waiting
$$;

-- The counts of each view, as an agent sees them.
create or replace function _supportchat.counts_for(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select counts - 'agents' || jsonb_build_object('mine', coalesce((counts -> 'agents' ->> p_agent_id::text)::integer, 0))
    from _supportchat.open_tickets_json() as counts
$$;

-- The counts, and why the tickets that nobody has wait, for all desks at once.
create or replace function public.queue_counts()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select counts || jsonb_build_object(
        'reason', case when counts ->> 'unassigned' <> '0' then _supportchat.unassigned_reason() end
    )
    from _supportchat.open_tickets_json() as counts
$$;

-- Of earlier versions, which had one order, and called a function for the place of each ticket.
drop function if exists _supportchat.tickets_in_view(uuid, text, integer);
drop function if exists _supportchat.place_in_order(public.tickets, text, text);

-- The first tickets of a view of the queue, in an order: first what has woken; then who waits for an answer, then the latest
-- activity, or for 'unassigned' the first come. 'longest' has the longest wait first, behind what is urgent; 'newest' the shortest;
-- 'priority' goes by that, and then by the wait. static/js/lib/rows.js sorts in the same way. Of many tickets only those are looked
-- at that can be among the first: the beginning of each index that has them in the order of one of its parts.
create or replace function _supportchat.tickets_in_view(p_agent_id uuid, p_view text, p_order text, p_limit integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
    candidates uuid[];
begin
    if p_view = 'snoozed' then
        return array(
            select id from public.tickets where snoozed_until is not null order by snoozed_until, number limit p_limit
        );
    elsif p_view = 'mine' then
        candidates := array(
            select id from public.tickets where status = 'open' and assigned_agent_id = p_agent_id and snoozed_until is null
        );
    elsif p_view = 'unassigned' then
        candidates := array(
            (
                select id from public.tickets where woke_at is not null and status <> 'closed' and status = 'waiting'
                order by woke_at, number limit p_limit
            )
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and status = 'waiting' and urgency <> 3 and urgency = level
                        and awaiting_since is not null and snoozed_until is null
                    order by awaiting_since, number limit p_limit
                ) as raised
                where p_order = 'priority' or (p_order = 'longest' and level = 1)
            )
            union (
                select id from public.tickets where status = 'waiting' and (p_order <> 'priority' or urgency <= 3)
                    and awaiting_since is not null and snoozed_until is null and p_order <> 'newest'
                order by awaiting_since, number limit p_limit
            )
            union (
                select id from public.tickets
                where status = 'waiting' and awaiting_since is not null and snoozed_until is null and p_order = 'newest'
                order by awaiting_since desc, number desc limit p_limit
            )
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and status = 'waiting' and urgency <> 3 and urgency = level
                        and awaiting_since is null and snoozed_until is null
                    order by awaiting_since, number limit p_limit
                ) as raised
                where p_order = 'priority'
            )
            union (
                select id from public.tickets where status = 'waiting' and (p_order <> 'priority' or urgency <= 3)
                    and awaiting_since is null and snoozed_until is null
                order by awaiting_since, number limit p_limit
            )
        );
    else
        candidates := array(
            (select id from public.tickets where woke_at is not null and status <> 'closed' order by woke_at, number limit p_limit)
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and urgency <> 3 and urgency = level
                        and awaiting_since is not null and snoozed_until is null
                    order by awaiting_since, number limit p_limit
                ) as raised
                where p_order = 'priority' or (p_order = 'longest' and level = 1)
            )
            union (
                select id from public.tickets
                where status <> 'closed' and awaiting_since is not null and (p_order <> 'priority' or urgency <= 3)
                    and snoozed_until is null and p_order <> 'newest'
                order by awaiting_since, number limit p_limit
            )
            union (
                select id from public.tickets
                where status <> 'closed' and awaiting_since is not null and snoozed_until is null and p_order = 'newest'
                order by awaiting_since desc, number desc limit p_limit
            )
            union (
                select raised.id
                from unnest(array[1, 2, 4]) as level
                cross join lateral (
                    select id from public.tickets
                    where status <> 'closed' and urgency <> 3 and urgency = level
                        and awaiting_since is null and snoozed_until is null
                    order by updated_at desc, number limit p_limit
                ) as raised
                where p_order = 'priority'
            )
            union (
                select id from public.tickets where status <> 'closed' and awaiting_since is null and snoozed_until is null
                    and (p_order <> 'priority' or urgency <= 3)
                order by updated_at desc, number limit p_limit
            )
        );
    end if;
    return array(
        select t.id
        from unnest(candidates) as candidate (id)
        -- One by one: the planner would rather read all that wait.
        cross join lateral (select * from public.tickets where id = candidate.id limit 1) as t
        where t.snoozed_until is null and (t.status = 'waiting' or (t.status = 'open' and p_view <> 'unassigned'))
        order by
            t.woke_at,
            t.woke_at is null and t.awaiting_since is null,
            case
                when t.woke_at is not null then 0
                when p_order = 'priority' then t.urgency
                when p_order = 'longest' and t.awaiting_since is not null then (t.urgency > 1)::integer
                else 0
            end,
            case
                when t.woke_at is not null then 0
                when t.awaiting_since is not null then
                    date_part('epoch', t.awaiting_since) * case p_order when 'newest' then -1 else 1 end
                when p_view = 'unassigned' then 0
                else -date_part('epoch', t.updated_at)
            end,
            t.number
        limit p_limit
    );
end $$;

-- The tickets that were closed last, the latest first: for 'all' a third as many as there may be open ones, for 'mine' five.
create or replace function _supportchat.tickets_closed_last(p_agent_id uuid, p_view text, p_limit integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
begin
    if p_view = 'mine' then
        return array(
            select id from public.tickets
            where status = 'closed' and assigned_agent_id = p_agent_id
            order by closed_at desc nulls last, number desc
            limit 5
        );
    elsif p_view = 'all' then
        return array(
            select id from public.tickets where status = 'closed' order by closed_at desc nulls last, number desc limit p_limit / 3
        );
    end if;
    return '{}';
end $$;

-- The queue of an agent, in the order that they have chosen: the counts of each view, their own tickets with something unread, their
-- drafts, which tickets have notes that mention them, the first rows of one view ('mine', 'unassigned', 'snoozed' or 'all'; with
-- 'mine' other tickets that mention them too), and the tickets closed last.
create or replace function public.list_tickets(p_agent_id uuid, p_view text default 'mine', p_limit integer default 100)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.demand_right(p_agent_id, 'answer');
    with counted as materialized (
        select _supportchat.counts_for(p_agent_id) as json
    ), chosen as materialized (
        select queue_order as name from public.agents where id = p_agent_id
    ), mentioning as materialized (
        select * from _supportchat.tickets_mentioning(p_agent_id)
    )
    select jsonb_build_object(
        'counts', json,
        'order', chosen.name,
        'unread', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'number', t.number, 'session_id', s.session_id,
                'customer_lines', s.customer_lines, 'read_lines', coalesce(r.read_lines, 0)
            ) order by t.number), '[]')
            from public.tickets t
            join public.user_sessions s on s.session_id = t.session_id
            left join public.ticket_reads r on r.agent_id = p_agent_id and r.session_id = s.session_id
            where t.status = 'open' and t.assigned_agent_id = p_agent_id and s.customer_lines > coalesce(r.read_lines, 0)
        ),
        'drafts', public.drafts_of_agent(p_agent_id),
        'unsent', _supportchat.unsent_of_agent(p_agent_id),
        'mentions', (select coalesce(jsonb_agg(number), '[]') from mentioning),
        'mentioned', case when p_view <> 'mine' then '[]' else _supportchat.queue_rows_json(array(
            select id from mentioning
            where status <> 'open' or snoozed_until is not null or assigned_agent_id is distinct from p_agent_id
        )) end,
        'rows', _supportchat.queue_rows_json(_supportchat.tickets_in_view(p_agent_id, p_view, chosen.name, p_limit)),
        'closed', _supportchat.queue_rows_json(_supportchat.tickets_closed_last(p_agent_id, p_view, p_limit)),
        'reason', case when p_view <> 'mine' and json ->> 'unassigned' <> '0' then _supportchat.unassigned_reason() end
    )
    from counted cross join chosen
$$;

-- Where an agent goes on once a ticket is done: the counts of each view, and the first of their own tickets.
create or replace function _supportchat.queue_ahead(p_agent_id uuid)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'counts', _supportchat.counts_for(id),
        'rows', _supportchat.queue_rows_json(_supportchat.tickets_in_view(id, 'mine', queue_order, 1))
    )
    from public.agents where id = p_agent_id
$$;

-- Remembers in which order an agent wants the queue: 'longest', 'newest' or 'priority'. PT422 for any other.
create or replace function public.set_queue_order(p_agent_id uuid, p_order text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if p_order is null or p_order not in ('longest', 'newest', 'priority') then
        raise sqlstate 'PT422' using message = 'not_understood';
    end if;
    update public.agents set queue_order = p_order where id = p_agent_id and queue_order <> p_order;
end $$;

-- Of an earlier version, which had no log.
drop function if exists public.desk_fingerprint();

select _supportchat.record_script('functions/queue.sql', '01b2fa1fcebe');

-- tickets.sql: what an agent can do with a ticket. Safe to run again.
-- p_agent_id is the agent who acts. A ticket is named by its number.

-- Of an earlier version, in which server processes called it.
drop function if exists public.session_of_ticket(bigint);

-- Finds the conversation of a ticket. PT404 when there is none.
create or replace function _supportchat.session_of_ticket(p_number bigint)
returns uuid
language plpgsql
stable
set search_path = ''
as $$
declare
    found_id uuid;
begin
    select s.session_id into found_id from public.tickets t
    join public.user_sessions s on s.session_id = t.session_id
    where t.number = p_number;
    if found_id is null then
        raise sqlstate 'PT404' using message = 'ticket_not_found';
    end if;
    return found_id;
end $$;

-- Of an earlier version, before there were rights.
drop function if exists _supportchat.check_owner(public.tickets, uuid);

-- Refuses what only the agent of a ticket may do, and who has the right to do it for others: PT409 with the name of the one
-- who has it.
create or replace function _supportchat.check_owner(p_ticket public.tickets, p_agent_id uuid, p_right text default null)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if p_ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif p_ticket.assigned_agent_id is null then
        raise sqlstate 'PT409' using message = 'ticket_unassigned';
    elsif p_ticket.assigned_agent_id <> p_agent_id and (p_right is null or not _supportchat.has_right(p_agent_id, p_right)) then
        raise sqlstate 'PT409' using
            message = 'assigned_to_other', detail = _supportchat.agent_json(p_ticket.assigned_agent_id) ->> 'name';
    end if;
end $$;

-- Refuses to go on with an erased ticket: PT409. Nobody can be reached by it.
create or replace function _supportchat.check_kept(p_ticket public.tickets)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    if p_ticket.erased_at is not null then
        raise sqlstate 'PT409' using message = 'ticket_erased';
    end if;
end $$;

-- A ticket with everything that an agent sees beside the messages: conversation, customer, history, earlier tickets; of one
-- that they may hand over the first 20 who could take it.
create or replace function public.ticket_of_agent(p_agent_id uuid, p_number bigint)
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
        select _supportchat.conversation_json(chat) || jsonb_build_object(
            'mine', t.status <> 'closed' and t.assigned_agent_id is not distinct from p_agent_id,
            'created_at', t.created_at,
            'closed_at', case when t.status = 'closed' then t.closed_at end,
            'awaiting_since', t.awaiting_since,
            'reason', case when t.status = 'waiting' then _supportchat.unassigned_reason(t.given_back_by) || case
                when t.held is null then '{}' else jsonb_build_object('code', 'held_' || t.held)
            end end,
            'held', t.held,
            'is_spam', t.is_spam,
            'priority', t.urgency,
            'snoozed', t.snoozed_until is not null,
            'snoozed_until', case when isfinite(t.snoozed_until) then t.snoozed_until end,
            'woke_at', t.woke_at,
            'tags', _supportchat.tags_of_ticket(t.id),
            'held_replies', _supportchat.held_of_agent(chat, p_agent_id),
            'site_name', _supportchat.site_label(t.site_id),
            'customer', jsonb_build_object(
                'name', coalesce(p.name, s.customer_name), 'typed_name', s.customer_name, 'phone', s.customer_phone, 'channel', s.channel, 'framed_on', s.framed_on,
                'time_zone', s.time_zone,
                'person', _supportchat.person_of_visitor(s.visitor_id),
                'address', case when _supportchat.has_right(p_agent_id, 'ban') then s.address end
            ),
            'bans', (
                select coalesce(jsonb_agg(_supportchat.ban_json(b) order by b.created_at), '[]') from public.bans b
                where (b.visitor_id = s.visitor_id or b.network = s.address) and b.expires_at > now()
            ),
            'visit', public.pages_of_session(chat),
            'read_seq', coalesce((
                select r.read_seq from public.ticket_reads r where r.agent_id = p_agent_id and r.session_id = chat
            ), 0),
            'history', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'event', split_part(e.kind, '.', 2), 'actor', e.actor, 'agent', _supportchat.person_json(e.agent_id),
                    'detail', _supportchat.with_names(e.detail), 'created_at', e.created_at
                ) order by e.id), '[]')
                from (select * from public.events where ticket_id = t.id order by id desc limit 50) as e
            ),
            'earlier', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'number', other.number, 'status', other.status, 'created_at', other.created_at
                ) order by other.number desc), '[]')
                from (
                    select o.*
                    from (
                        -- With its own.
                        select session_id from public.user_sessions
                        where visitor_id = s.visitor_id and created_at <= s.created_at
                        order by created_at desc limit 11
                    ) as chats
                    join public.tickets o on o.session_id = chats.session_id
                    where o.number < t.number
                    order by o.number desc limit 10
                ) as other
            ),
            'colleagues', case
                when (t.status <> 'closed' and t.assigned_agent_id = p_agent_id)
                    or (t.status = 'open' and _supportchat.has_right(p_agent_id, 'reassign'))
                    then _supportchat.colleagues_of_desk(20)
            end
        )
        from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        left join public.persons p on p.visitor_id = s.visitor_id
        where t.number = p_number
    );
end $$;

-- A ticket as its page shows it: with its last lines before a seq (of all when it is null), and the notes between them.
create or replace function public.show_ticket(
    p_agent_id uuid, p_number bigint, p_before integer default null, p_limit integer default 50
)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid;
    messages jsonb;
    first_seq integer;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    chat := _supportchat.session_of_ticket(p_number);
    messages := public.messages_before(chat, p_before, p_limit);
    first_seq := messages -> 0 ->> 'seq';
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number),
        'messages', messages,
        'notes', case when first_seq is null then '[]' else public.notes_after(
            chat, 0, case when first_seq > 1 then first_seq else 0 end, (messages -> -1 ->> 'seq')::integer
        ) end
    );
end $$;

-- A ticket with what a page of it lacks: the lines after a seq, and the notes after a number.
create or replace function public.follow_ticket(p_agent_id uuid, p_number bigint, p_after integer, p_after_note integer)
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
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number),
        'messages', public.messages_after(chat, p_after),
        'notes', public.notes_after(chat, p_after_note)
    );
end $$;

-- Of earlier versions, which did not ask what the agent had seen, and held no reply.
drop function if exists public.post_reply(uuid, bigint, uuid, text, jsonb);
drop function if exists public.post_reply(uuid, bigint, uuid, text, jsonb, integer);

-- Stores an agent's reply. Only the agent who has it may reply: PT409 says who has it. p_seen is
-- the last line that the agent had seen: when the customer has written more since, PT422 says how much, and nothing is stored.
-- p_may_hold: the reply is held if the desk wants that, or (also with false) behind one of theirs that is held here; then the answer
-- has no lines. p_acts is kept with it: see reply_and_act. p_held_at is for one that was held, the last line that there was when it
-- was written: what the customer has written since goes on waiting for an answer.
create or replace function public.post_reply(
    p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_message text, p_image jsonb default null,
    p_seen integer default null, p_may_hold boolean default null, p_acts jsonb default '{}', p_held_at integer default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    answer jsonb;
    line jsonb;
    unseen integer;
    place integer;
    waits_since timestamptz;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    answer := _supportchat.repeated_message(
        ticket.session_id, 'agent', p_client_message_id, p_message, p_image, p_agent_id
    );
    if answer is null and p_may_hold is not null then
        answer := _supportchat.repeated_held(ticket.session_id, p_client_message_id, p_message, p_image, p_agent_id);
    end if;
    if answer is not null then
        return answer;
    end if;
    perform _supportchat.check_message(p_message, p_image is not null);
    perform _supportchat.check_owner(ticket, p_agent_id);
    if p_seen is not null then
        select count(*) into unseen from public.chat_messages
        where session_id = ticket.session_id and seq > p_seen and sender = 'user';
        if unseen > 0 then
            raise sqlstate 'PT422' using message = 'messages_came', detail = unseen;
        end if;
    end if;
    if p_may_hold is not null then
        answer := _supportchat.hold_reply(
            ticket, p_agent_id, p_client_message_id, p_message, p_image, p_acts, p_may_hold
        );
        if answer is not null then
            return answer;
        end if;
    end if;
    line := _supportchat.append_message(
        ticket.session_id, 'agent', p_message, p_client_message_id, p_agent_id, _supportchat.add_image(ticket.session_id, p_image)
    );
    place := (line ->> 'seq')::integer;
    if p_held_at is not null then
        select min(m.created_at) into waits_since from public.chat_messages m
        where m.session_id = ticket.session_id and m.seq > p_held_at and m.sender = 'user';
    end if;
    -- Also when nobody waits: who goes on writing keeps the ticket from being quiet. See load_of_agent.
    update public.tickets set
        awaiting_since = waits_since,
        woke_at = null,
        first_reply_at = case when awaiting_since is null then first_reply_at else coalesce(first_reply_at, clock_timestamp()) end
    where id = ticket.id;
    perform _supportchat.end_draft(p_agent_id, ticket.session_id, 'reply', p_message);
    -- Who answers has read what was there.
    if waits_since is null then
        perform _supportchat.move_marks(ticket.session_id, place, place, p_agent_id);
    end if;
    if p_held_at is null then
        perform _supportchat.end_mentions(p_agent_id, ticket.session_id, 2147483647);
    end if;
    return _supportchat.answer_json(ticket.session_id, jsonb_build_array(line));
end $$;

-- Gives a ticket to an agent: a claim when agents act for themselves, else a hand-over. p_expected is the agent whom
-- the page showed (null: nobody); when it is somebody else by now, PT409 says who. To give somebody's ticket to a third one
-- takes the right 'reassign'.
create or replace function public.assign_ticket(p_agent_id uuid, p_number bigint, p_assignee_id uuid, p_expected_id uuid default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    assignee public.agents;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    select * into assignee from public.agents where id = p_assignee_id and is_active;
    if not found then
        raise sqlstate 'PT422' using message = 'agent_not_found';
    elsif ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif ticket.assigned_agent_id is distinct from p_assignee_id then
        if ticket.assigned_agent_id is distinct from p_expected_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(_supportchat.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        end if;
        if p_agent_id not in (p_assignee_id, coalesce(ticket.assigned_agent_id, p_agent_id)) then
            perform _supportchat.demand_right(p_agent_id, 'reassign');
        end if;
        if p_assignee_id <> p_agent_id and assignee.lease_expires_at > now() is not true then
            raise sqlstate 'PT409' using message = 'agent_not_here', detail = assignee.name;
        end if;
        perform _supportchat.give_ticket(
            ticket, p_assignee_id, case when p_assignee_id = p_agent_id then 'claimed' else 'handed_over' end,
            'agent', p_agent_id
        );
        -- Whoever handed it over has a place free.
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Puts an agent's own ticket back into the queue; somebody else's with the right 'reassign'.
create or replace function public.unassign_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
    perform _supportchat.return_to_queue(
        ticket, _supportchat.has_taker(ticket.assigned_agent_id), 'given_back', 'agent', p_agent_id
    );
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

-- Of an earlier version, which knew no spam.
drop function if exists _supportchat.end_ticket(public.tickets, text, uuid);

-- Ends a ticket and its conversation, and gives the freed place to who waits. The caller holds the locks.
create or replace function _supportchat.end_ticket(
    p_ticket public.tickets, p_actor text, p_agent_id uuid default null, p_is_spam boolean default false
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    detail jsonb := jsonb_build_object('actor', p_actor, 'agent', _supportchat.agent_json(p_agent_id))
        || case when p_is_spam then '{"spam": true}' else '{}' end::jsonb;
begin
    update public.tickets set
        status = 'closed', closed_at = clock_timestamp(), awaiting_since = null, given_back_by = null, held = null,
        snoozed_until = null, woke_at = null
    where id = p_ticket.id;
    perform _supportchat.append_message(
        p_ticket.session_id, 'system',
        case p_actor when 'agent' then (detail -> 'agent' ->> 'name') || ' ended the chat.' else 'The customer ended the chat.' end,
        p_event => 'closed', p_detail => detail
    );
    -- With how it was, for reopen_ticket.
    perform _supportchat.record_event(
        p_ticket, 'closed', p_actor, p_agent_id,
        detail || jsonb_build_object('awaiting_since', p_ticket.awaiting_since) || _supportchat.state_of_ticket(p_ticket)
    );
    perform _supportchat.drain_queue();
end $$;

-- Closes a ticket from the agent's side: one's own, one that nobody has, or any with the right 'reassign'. Closing a closed one
-- changes nothing. Gives the ticket, and where the agent goes on.
create or replace function public.close_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is not null then
            perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
        end if;
        perform _supportchat.end_ticket(ticket, 'agent', p_agent_id);
    end if;
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number), 'queue', _supportchat.queue_ahead(p_agent_id)
    );
end $$;

-- Of an earlier version, which gave it to nobody else.
drop function if exists public.reopen_ticket(uuid, bigint);

-- Opens a closed ticket again, for the agent who does it, or (p_as_before) for whoever had it, if anybody did; it is no spam then. A
-- customer who had no answer waits for one again; with p_as_before for as long as before, and what was held, snoozed or
-- back from snooze is so again. PT409 when somebody has it open already, or when the customer has begun another chat since.
create or replace function public.reopen_ticket(p_agent_id uuid, p_number bigint, p_as_before boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    newer bigint;
    owner uuid := p_agent_id;
    former jsonb;
begin
    perform _supportchat.lock_browser_of_ticket(p_number);
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status <> 'closed' then
        if ticket.assigned_agent_id is distinct from p_agent_id then
            raise sqlstate 'PT409' using
                message = case when ticket.assigned_agent_id is null then 'ticket_unassigned' else 'assigned_to_other' end,
                detail = coalesce(_supportchat.agent_json(ticket.assigned_agent_id) ->> 'name', '');
        end if;
        return public.ticket_of_agent(p_agent_id, p_number);
    end if;
    perform _supportchat.check_kept(ticket);
    -- A browser shows its newest conversation: what is written in this one would reach nobody.
    select t.number into newer from public.user_sessions mine
    join public.tickets t on t.session_id = _supportchat.newest_session(mine.visitor_id)
    where mine.session_id = ticket.session_id and t.number > ticket.number
    order by t.number desc limit 1;
    if found then
        raise sqlstate 'PT409' using message = 'customer_moved_on', detail = newer;
    end if;
    if ticket.is_spam then
        perform _supportchat.unmark_spam(ticket, p_agent_id);
    end if;
    if p_as_before then
        select case when a.is_active is false then p_agent_id else ticket.assigned_agent_id end into owner
        from (select) as one left join public.agents a on a.id = ticket.assigned_agent_id;
        select detail into former from public.events
        where ticket_id = ticket.id and kind = 'ticket.closed' order by id desc limit 1;
    end if;
    update public.tickets set
        status = 'waiting', assigned_agent_id = null, closed_at = null,
        awaiting_since = case when former ? 'awaiting_since' then (former ->> 'awaiting_since')::timestamptz when (
            select m.sender from public.user_sessions s
            join public.chat_messages m on m.session_id = s.session_id and m.seq = s.last_spoken_seq
            where s.session_id = ticket.session_id
        ) = 'user' then now() end
    where id = ticket.id;
    perform _supportchat.tell_event(ticket, 'reopened', 'The chat is open again.', 'agent', p_agent_id);
    select * into ticket from public.tickets where id = ticket.id;
    if owner is not null then
        perform _supportchat.give_ticket(ticket, owner, 'reopened', 'agent', p_agent_id);
    end if;
    if former is not null then
        perform _supportchat.restore_state(ticket.id, former);
    end if;
    if owner is null then
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select _supportchat.record_script('functions/tickets.sql', '6729ca1e98ab');

-- notes.sql: private notes, which agents see between the messages and a customer never receives. Safe to run again.

-- A private note as the web code knows it.
create or replace function _supportchat.note_json(p_row public.ticket_notes)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'session_id', p_row.session_id, 'note_no', p_row.note_no, 'after_seq', p_row.after_seq,
        'agent', _supportchat.person_json(p_row.agent_id), 'client_message_id', p_row.client_message_id,
        'note', p_row.note, 'created_at', p_row.created_at,
        'mentions', _supportchat.mentions_json(p_row.session_id, p_row.note_no)
    )
$$;

-- Adds a private note, which agents see between the messages and a customer never receives, tells whom it mentions ("@Name"), and
-- gives the ticket as it is then. A repeated client_message_id gives the first note again.
create or replace function public.add_note(p_agent_id uuid, p_number bigint, p_client_message_id uuid, p_note text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
    line public.ticket_notes;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    select * into line from public.ticket_notes
    where session_id = ticket.session_id and client_message_id = p_client_message_id;
    if not found then
        perform _supportchat.check_message(p_note, false);
        perform _supportchat.check_kept(ticket);
        update public.user_sessions set last_note_no = last_note_no + 1
        where session_id = ticket.session_id
        returning last_note_no, last_seq into line.note_no, line.after_seq;
        insert into public.ticket_notes (session_id, note_no, after_seq, agent_id, client_message_id, note)
        values (ticket.session_id, line.note_no, line.after_seq, p_agent_id, p_client_message_id, p_note)
        returning * into line;
        perform _supportchat.end_draft(p_agent_id, ticket.session_id, 'note', p_note);
        perform _supportchat.record_event(ticket, 'noted', 'agent', p_agent_id, jsonb_build_object('note_no', line.note_no));
        -- Who answers has read what was there.
        perform _supportchat.end_mentions(p_agent_id, ticket.session_id, line.note_no);
        perform _supportchat.mention_agents(line);
    elsif line.note <> p_note or line.agent_id <> p_agent_id then
        raise sqlstate 'PT422' using message = 'client_message_id_reused';
    end if;
    return jsonb_build_object(
        'note', _supportchat.note_json(line), 'ticket', public.ticket_of_agent(p_agent_id, p_number)
    );
end $$;

-- Of an earlier version, without any bound.
drop function if exists public.notes_after(uuid, integer, integer);

-- The notes of a conversation after a number that stand after one message and before another, oldest first: so many at
-- most, and none after the one with which their text comes to p_bytes. What is left out comes with the next call.
create or replace function public.notes_after(
    p_session_id uuid, p_after integer, p_from_seq integer default 0, p_to_seq integer default 2147483647,
    p_limit integer default 200, p_bytes integer default 262144
)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(_supportchat.note_json(n.line) order by (n.line).note_no), '[]')
    from (
        select line, sum(octet_length(line.note)) over (order by line.note_no) - octet_length(line.note) as bytes_before
        from public.ticket_notes as line
        where line.session_id = p_session_id and line.note_no > p_after and line.after_seq between p_from_seq and p_to_seq
        order by line.note_no
        limit p_limit
    ) as n
    where n.bytes_before < p_bytes
$$;

select _supportchat.record_script('functions/notes.sql', '10b2a485a9bf');

-- snooze.sql: tickets that are out of sight for a while. Safe to run again.

-- Puts a ticket out of sight: one's own, one that nobody has, or any with the right 'reassign'. It has no place in the line and takes
-- none of its agent's, until p_until (null: no such time), the customer's next message, or wake_ticket. PT422 for a time that is
-- over or more than a year ahead. Gives the ticket, and where the agent goes on.
create or replace function public.snooze_ticket(p_agent_id uuid, p_number bigint, p_until timestamptz default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if p_until <= now() or p_until > now() + interval '1 year' then
        raise sqlstate 'PT422' using message = 'snooze_out_of_range';
    end if;
    perform _supportchat.send_held(p_agent_id, p_number);
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.status = 'closed' then
        raise sqlstate 'PT409' using message = 'ticket_closed';
    elsif ticket.assigned_agent_id is not null then
        perform _supportchat.check_owner(ticket, p_agent_id, 'reassign');
    end if;
    update public.tickets set snoozed_until = coalesce(p_until, 'infinity'), woke_at = null where id = ticket.id;
    perform _supportchat.record_event(ticket, 'snoozed', 'agent', p_agent_id, jsonb_build_object(
        'until', p_until, 'before', ticket.snoozed_until, 'woke_at', ticket.woke_at
    ));
    perform _supportchat.drain_queue();
    return jsonb_build_object(
        'ticket', public.ticket_of_agent(p_agent_id, p_number), 'queue', _supportchat.queue_ahead(p_agent_id)
    );
end $$;

-- Brings a snoozed ticket back by hand. Nothing happens to one that is not.
create or replace function public.unsnooze_ticket(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    ticket := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    if ticket.snoozed_until is not null then
        perform _supportchat.wake_ticket(ticket, 'agent', p_agent_id);
        perform _supportchat.drain_queue();
    end if;
    return public.ticket_of_agent(p_agent_id, p_number);
end $$;

select _supportchat.record_script('functions/snooze.sql', 'd2a5ba01b03c');

-- search.sql: how agents find a line of any conversation, and tickets by what they are. Safe to run again.
-- Storing a message writes no word of it here: server processes read the log and do it, and so does whoever searches.

-- Each word of a line begins with the number of its slice, 65,536 lines (line_id >> 16), and '/': one index then finds the newest
-- lines first, in steps whose size is known. After the '/', '=' marks what a customer is called, '@' who of the agents has written.

-- Of an earlier version, in which who has written was looked up apart.
drop function if exists _supportchat.words_of(text, bigint, text);
drop function if exists _supportchat.author_words(uuid, bigint);

-- The words of a text, as the line of a number has them; with that by which lines of the agent are found who has written it.
create or replace function _supportchat.words_of(
    p_text text, p_line_id bigint, p_mark text default '', p_agent_id uuid default null
)
returns tsvector
language plpgsql
immutable
set search_path = ''
as $$
declare
    slice text := p_line_id >> 16;
    folded text := _supportchat.folded(p_text);
begin
    return concat_ws(' ',
        case when folded <> '' then slice || '/' || p_mark || replace(folded, ' ', ' ' || slice || '/' || p_mark) end,
        case when p_agent_id is not null then slice || '/' || _supportchat.author_word(p_agent_id) end
    )::tsvector;
end $$;

-- The word by which lines of an agent are found.
create or replace function _supportchat.author_word(p_agent_id uuid)
returns text
language sql
immutable
set search_path = ''
as $$
    select '@' || left(replace(p_agent_id::text, '-', ''), 16)
$$;

-- What is searched for, by the beginnings of words; '~' stands for the slice. Null for a text without any. Of many words the first 12
-- count. A character of writing without spaces goes without saying if a pair ends with it.
create or replace function _supportchat.terms_of(p_text text, p_mark text default '')
returns text[]
language sql
immutable
set search_path = ''
as $$
    with typed as materialized (
        select word, min(place) as place, word ~ ('^[' || _supportchat.dense_writing() || ']{2}$') as is_pair
        from unnest(string_to_array(nullif(_supportchat.folded(left(p_text, 200)), ''), ' ')) with ordinality as every (word, place)
        group by word
    )
    -- As folded cuts the words of a long text.
    select array_agg('~/' || p_mark || left(word, 64) || case when is_pair then '' else ':*' end order by place)
    from (
        select * from typed where not exists (
            select from typed as pair where pair.is_pair and char_length(typed.word) = 1 and right(pair.word, 1) = typed.word
        )
        order by place limit 12
    ) as counted
$$;

-- What terms ask of the lines of a slice; of texts that stand in none, such as names of tags, where p_slice is null.
create or replace function _supportchat.query_of(p_terms text[], p_slice bigint default null)
returns tsquery
language sql
immutable
set search_path = ''
as $$
    select replace(array_to_string(p_terms, ' & '), '~/', coalesce(p_slice || '/', ''))::tsquery
$$;

-- What a customer can be found by, in the line of a number: what they are called, and their phone, also as one number.
create or replace function _supportchat.words_of_customer(p_session_id uuid, p_line_id bigint)
returns tsvector
language sql
stable
set search_path = ''
as $$
    select _supportchat.words_of(called, p_line_id) || _supportchat.words_of(called, p_line_id, '=')
    from (
        select concat_ws(' ',
            s.customer_name, s.customer_phone, regexp_replace(s.customer_phone, '[^0-9]+', '', 'g'), p.name, p.email, p.sub
        )
        from public.user_sessions s
        left join public.persons p on p.visitor_id = s.visitor_id
        where s.session_id = p_session_id and s.erased_at is null
    ) as customer (called)
$$;

-- Notes from when to when the lines of the slices are that have just been written, those from one number to another.
create or replace function _supportchat.note_slices(p_first bigint, p_last bigint)
returns void
language sql
set search_path = ''
as $$
    insert into public.search_slices as slice (slice, first_at, last_at)
    select line_id >> 16, min(created_at), max(created_at) from public.search_lines where line_id between p_first and p_last
    group by line_id >> 16
    on conflict (slice) do update set
        first_at = least(slice.first_at, excluded.first_at), last_at = greatest(slice.last_at, excluded.last_at)
    where slice.first_at > excluded.first_at or slice.last_at < excluded.last_at
$$;

-- Writes by what the customers of some conversations can be found: where they have a line, there, else after p_last.
create or replace function _supportchat.index_customers(p_session_ids uuid[], p_last bigint)
returns void
language sql
set search_path = ''
as $$
    insert into public.search_lines as line (line_id, session_id, seq, words, created_at)
    select own.line_id, own.id, 0, own.words, own.created_at
    from (
        select
            place.line_id, s.session_id as id, s.created_at, l.words as former,
            _supportchat.words_of_customer(s.session_id, place.line_id) as words
        from unnest(p_session_ids) with ordinality as asked (id, turn)
        join public.user_sessions s on s.session_id = asked.id
        left join public.search_lines l on l.session_id = asked.id and l.seq = 0 and l.note_no = 0
        cross join lateral (select coalesce(l.line_id, p_last + turn) as line_id) as place
        offset 0
    ) as own
    where own.words is not null and own.words is distinct from own.former
    on conflict (session_id, seq, note_no) do update set words = excluded.words
$$;

-- Reads what the log has gained, so many events at most, and writes the words of it; gives how many there were. The cursor is a
-- snapshot, as in events_after, with the last event that was read of its first transaction to come. Where the log may have forgotten
-- what nobody has read, or has another history, everything is looked at again, as index_older_lines does. The caller holds
-- the lock of search_state.
create or replace function _supportchat.index_new_lines(p_state public.search_state, p_limit integer)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    seen pg_catalog.pg_snapshot := p_state.cursor;
    current pg_catalog.pg_snapshot := pg_catalog.pg_current_snapshot();
    running xid8[] := array(select pg_catalog.pg_snapshot_xip(seen));
    gained public.events[];
    last_one public.events;
    last_line bigint := greatest((select max(line_id) from public.search_lines), 0);
begin
    if seen is null or pg_catalog.pg_snapshot_xmax(seen) > pg_catalog.pg_snapshot_xmax(current)
        or p_state.read_at < now() - interval '20 hours' then
        update public.search_state set cursor = current::text, last_event = 0, read_at = now(), next_ticket = 9223372036854775807
        where only_row;
        return 0;
    end if;
    gained := array(
        select event
        from (
            (
                select e from public.events e
                where e.transaction = any (running)
                    and e.kind in ('message.posted', 'ticket.noted', 'ticket.opened', 'ticket.changed', 'ticket.identified')
                order by e.transaction, e.id limit p_limit
            )
            union all
            (
                select e from public.events e
                where (e.transaction, e.id) > (pg_catalog.pg_snapshot_xmax(seen), p_state.last_event)
                    and e.kind in ('message.posted', 'ticket.noted', 'ticket.opened', 'ticket.changed', 'ticket.identified')
                order by e.transaction, e.id limit p_limit
            )
        ) as together (event)
        order by (event).transaction, (event).id limit p_limit
    );
    -- Each line gets the number of its event, counted on.
    insert into public.search_lines (line_id, session_id, seq, words, created_at)
    select
        last_line + g.ordinality, m.session_id, m.seq,
        _supportchat.words_of(m.message, last_line + g.ordinality, p_agent_id => m.sender_agent_id),
        m.created_at
    from unnest(gained) with ordinality as g
    join public.chat_messages m on m.session_id = g.session_id and m.seq = (g.detail ->> 'seq')::integer
    where g.kind = 'message.posted' and m.sender <> 'system' and m.message <> ''
    on conflict (session_id, seq, note_no) do nothing;
    insert into public.search_lines (line_id, session_id, seq, note_no, words, created_at)
    select
        last_line + g.ordinality, n.session_id, n.after_seq, n.note_no,
        _supportchat.words_of(n.note, last_line + g.ordinality, p_agent_id => n.agent_id),
        n.created_at
    from unnest(gained) with ordinality as g
    join public.ticket_notes n on n.session_id = g.session_id and n.note_no = (g.detail ->> 'note_no')::integer
    where g.kind = 'ticket.noted'
    on conflict (session_id, seq, note_no) do nothing;
    perform _supportchat.index_customers(
        array(select distinct g.session_id from unnest(gained) as g where g.kind not in ('message.posted', 'ticket.noted')),
        last_line + cardinality(gained)
    );
    perform _supportchat.note_slices(last_line + 1, last_line + 2 * cardinality(gained));
    if cardinality(gained) < p_limit then
        update public.search_state set cursor = current::text, last_event = 0, read_at = now()
        where only_row and (cursor <> current::text or read_at < now() - interval '1 hour');
    else
        last_one := gained[p_limit];
        running := array(select xip from pg_catalog.pg_snapshot_xip(current) as xip where xip < last_one.transaction order by xip);
        update public.search_state set
            cursor = concat_ws(':', coalesce(running[1], last_one.transaction), last_one.transaction, array_to_string(running, ',')),
            last_event = last_one.id, read_at = now()
        where only_row;
    end if;
    return cardinality(gained);
end $$;

-- Writes the words of older tickets, from the newest to the first, until so many lines are written, and gives how many there were.
-- The lines get numbers below those of all that have come before. The caller holds the lock of search_state.
create or replace function _supportchat.index_older_lines(p_limit integer)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    place bigint := (select next_ticket from public.search_state);
    first_line bigint := (select next_line from public.search_state);
    line bigint := first_line;
    written integer := 0;
    added integer;
    is_long boolean;
    ticket record;
begin
    for ticket in
        select t.number, t.session_id, s.created_at from public.tickets t
        join public.user_sessions s on s.session_id = t.session_id
        where t.number < place and s.erased_at is null
        order by t.number desc limit p_limit
    loop
        insert into public.search_lines (line_id, session_id, seq, note_no, words, created_at)
        select
            line - place_of_line, ticket.session_id, seq, note_no,
            _supportchat.words_of(text, line - place_of_line, p_agent_id => agent_id), created_at
        from (
            select own.*, row_number() over (order by own.seq desc, own.note_no desc) as place_of_line
            from (
                -- Each in the order of an index, and no further.
                (
                    select m.seq, 0 as note_no, m.message as text, m.sender_agent_id as agent_id, m.created_at
                    from public.chat_messages m
                    where m.session_id = ticket.session_id and m.sender <> 'system' and m.message <> ''
                        and not exists (
                            select from public.search_lines l
                            where l.session_id = ticket.session_id and l.seq = m.seq and l.note_no = 0
                        )
                    order by m.seq desc limit p_limit
                )
                union all
                (
                    select n.after_seq, n.note_no, n.note, n.agent_id, n.created_at from public.ticket_notes n
                    where n.session_id = ticket.session_id and not exists (
                        select from public.search_lines l
                        where l.session_id = ticket.session_id and l.seq = n.after_seq and l.note_no = n.note_no
                    )
                    order by n.note_no desc limit p_limit
                )
            ) as own
            order by place_of_line limit p_limit
        ) as numbered
        on conflict (session_id, seq, note_no) do nothing;
        get diagnostics added = row_count;
        -- A long conversation goes on with the next step.
        is_long := added = p_limit;
        insert into public.search_lines (line_id, session_id, seq, words, created_at)
        select line - added - 1, ticket.session_id, 0, words, ticket.created_at
        from _supportchat.words_of_customer(ticket.session_id, line - added - 1) as words
        where words is not null
        on conflict (session_id, seq, note_no) do nothing;
        line := line - added - 1;
        written := written + added + 1;
        place := ticket.number + is_long::integer;
        exit when written >= p_limit;
    end loop;
    perform _supportchat.note_slices(line, first_line);
    update public.search_state set next_line = line, next_ticket = case when written >= p_limit then place end
    where only_row;
    return written;
end $$;

-- Brings what search knows up to date, as far as so many lines do. One does it at a time; null for who finds another at it.
create or replace function public.index_lines(p_limit integer default 500)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    state public.search_state;
    newer integer;
    older integer := 0;
begin
    select * into state from public.search_state for update skip locked;
    if not found then
        return null;
    end if;
    newer := _supportchat.index_new_lines(state, p_limit);
    if newer < p_limit and (select next_ticket is not null from public.search_state) then
        older := _supportchat.index_older_lines(p_limit - newer);
    end if;
    return jsonb_build_object(
        'newer', newer, 'older', older,
        'more', newer >= p_limit or (select next_ticket is not null from public.search_state)
    );
end $$;

-- The tags whose names begin with the words of a text, each.
create or replace function _supportchat.tags_named(p_text text)
returns bigint[]
language plpgsql
stable
set search_path = ''
as $$
declare
    query tsquery := _supportchat.query_of(_supportchat.terms_of(p_text));
begin
    return array(select tag_id from public.desk_tags where query is not null and folded::tsvector @@ query);
end $$;

-- Those of some tickets that are what a search asks for, in their order: with a tag of each list in p_tags (such as '{1, 2}'),
-- and all that p_states say.
create or replace function _supportchat.tickets_that_fit(p_ids uuid[], p_agent_id uuid, p_tags text[], p_states text[])
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
    left_over uuid[] := p_ids;
    named text;
    ids bigint[];
begin
    foreach named in array p_tags loop
        ids := named;
        left_over := array(
            select asked.id
            from unnest(left_over) with ordinality as asked (id, place)
            cross join lateral (
                select from public.ticket_tags own where own.ticket_id = asked.id and own.tag_id = any (ids) limit 1
            ) as tag
            order by asked.place
        );
    end loop;
    return array(
        select t.id
        from unnest(left_over) with ordinality as asked (id, place)
        cross join lateral (select * from public.tickets where id = asked.id limit 1) as t
        where t.session_id is not null and t.erased_at is null
            and p_states <@ array[
                case when t.status = 'closed' then 'closed' else 'open' end,
                case when t.status = 'waiting' then 'unassigned' end,
                case when t.status = 'open' and t.assigned_agent_id = p_agent_id then 'mine' end,
                case when t.snoozed_until is not null then 'snoozed' end,
                case when t.status <> 'closed' and t.awaiting_since is not null then 'waiting' end,
                case when t.is_spam then 'spam' end,
                case when t.status <> 'closed' then (array['urgent', 'high', null, 'low'])[t.urgency] end
            ]
        order by asked.place
    );
end $$;

-- The first p_enough of those, for which no more of the tickets are looked at than it takes, 500 at a time.
create or replace function _supportchat.first_that_fit(
    p_ids uuid[], p_enough integer, p_agent_id uuid, p_tags text[], p_states text[]
)
returns uuid[]
language plpgsql
stable
set search_path = ''
as $$
declare
    found_ones uuid[] := '{}';
begin
    for place in 1..cardinality(p_ids) by 500 loop
        found_ones := found_ones || _supportchat.tickets_that_fit(p_ids[place:place + 499], p_agent_id, p_tags, p_states);
        exit when cardinality(found_ones) >= p_enough;
    end loop;
    return found_ones[:p_enough];
end $$;

-- The tickets of a tag, or of a state, that are asked for, if there are no more than p_most of one of them; null if there are more.
-- Without sequential scans: the planner would read the table from its beginning, because few are asked for.
create or replace function _supportchat.few_tickets(p_agent_id uuid, p_tags text[], p_states text[], p_most integer)
returns uuid[]
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
as $$
declare
    ids uuid[];
    asked text;
begin
    foreach asked in array p_tags loop
        ids := array(select ticket_id from public.ticket_tags where tag_id = any (asked::bigint[]) limit p_most + 1);
        if cardinality(ids) <= p_most then
            return array(select distinct id from unnest(ids) as id);
        end if;
    end loop;
    foreach asked in array p_states loop
        ids := case asked
            when 'snoozed' then array(select id from public.tickets where snoozed_until is not null limit p_most + 1)
            when 'spam' then array(select id from public.tickets where is_spam limit p_most + 1)
            when 'mine' then array(
                select id from public.tickets where status = 'open' and assigned_agent_id = p_agent_id limit p_most + 1
            )
            when 'unassigned' then array(select id from public.tickets where status = 'waiting' limit p_most + 1)
            when 'waiting' then array(
                select id from public.tickets where status <> 'closed' and awaiting_since is not null limit p_most + 1
            )
            when 'open' then array(
                (select id from public.tickets where status <> 'closed' and awaiting_since is not null limit p_most + 1)
                union all
                (select id from public.tickets where status <> 'closed' and awaiting_since is null limit p_most + 1)
            )
            when 'closed' then null
            else array(
                select id from public.tickets
                where status <> 'closed' and urgency <> 3 and urgency = array_position(array['urgent', 'high', '', 'low'], asked)
                limit p_most + 1
            )
        end;
        if cardinality(ids) <= p_most then
            return ids;
        end if;
    end loop;
    return null;
end $$;

-- How common each of the terms is in some slices: the share of their first lines, 512 altogether, that have it. Without statistics, too,
-- these lines are read in order of an index, and no others.
create or replace function _supportchat.shares_of(p_terms text[], p_slices bigint[])
returns real[]
language sql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
as $$
    with looked_at as materialized (
        select slice, l.words
        from unnest(p_slices) as slice
        cross join lateral (
            select words from public.search_lines where line_id >= slice << 16 and line_id < (slice + 1) << 16
            order by line_id limit 512 / cardinality(p_slices)
        ) as l
    ), asked as materialized (
        select slice, place, replace(term, '~', slice::text)::tsquery as query
        from unnest(p_slices) as slice cross join unnest(p_terms) with ordinality as every (term, place)
    ), shares as (
        select a.place, count(*) filter (where l.words @@ a.query)::real / count(*) as share
        from looked_at l join asked a on a.slice = l.slice
        group by a.place
    )
    select array(
        select coalesce(s.share, 0) from generate_subscripts(p_terms, 1) as turn (place)
        left join shares s on s.place = turn.place order by turn.place
    )
$$;

-- The newest lines that have all terms, p_enough of them, written in a span of time. It goes through the slices from the newest to
-- the oldest, so words that are common are found in the first ones, and those that are rare are looked up in all of them. Of common words
-- that seldom stand in one line it stops once it has read about as many entries of the index as p_work slices have lines. A
-- rare word is looked up by itself, whatever else is asked for. is_complete says whether there is no other line, and back_to how far
-- back all lines were found otherwise.
create or replace function _supportchat.newest_lines(
    p_terms text[], p_enough integer, p_before timestamptz default null, p_after timestamptz default null, p_work real default 6,
    out lines bigint[], out is_complete boolean, out back_to timestamptz
)
returns record
language plpgsql
set search_path = ''
set enable_seqscan = off
as $$
declare
    slices bigint[] := array(
        select slice from public.search_slices
        where first_at < coalesce(p_before, 'infinity') and last_at >= coalesce(p_after, '-infinity') order by slice desc
    );
    step bigint[] := slices[:1];
    seen integer := 0;
    left_over real := p_work;
    shares real[];
    rarest real;
    rare text[] := p_terms;
    others text[];
    -- Of each slice, in slices: what the index is to be read for, and what rows cost; to read one costs as much as twenty entries.
    entries real := 0;
    rows real := 0;
    more bigint[];
begin
    lines := '{}';
    while cardinality(step) > 0 and cardinality(lines) < p_enough and left_over > 0 loop
        if cardinality(p_terms) > 1 then
            shares := _supportchat.shares_of(p_terms, step);
            rarest := greatest((select min(share) from unnest(shares) as share), 0.002);
            rare := array(
                select term from unnest(p_terms, shares) as every (term, share) where share <= 10 * rarest order by share limit 4
            );
            others := nullif(array(select unnest(p_terms) except select unnest(rare)), '{}');
            entries := (select sum(share) from unnest(p_terms, shares) as every (term, share) where term = any (rare));
            rows := greatest(rows, case when others is null then 0 else 20 * rarest end);
            step := step[:greatest(1, floor(left_over / (entries + rows + 0.001)))::integer];
        end if;
        with asked as materialized (
            select _supportchat.query_of(rare, slice) as rare, _supportchat.query_of(others, slice) as others
            from unnest(step) as slice
        ), looked_at as materialized (
            select l.line_id, (asked.others is null or l.words @@ asked.others)
                and (p_before is null or l.created_at < p_before) and (p_after is null or l.created_at >= p_after) as fits
            from asked cross join public.search_lines l
            where l.words @@ asked.rare
        )
        -- In two parts: to give few lines in order, the planner would go through all of them.
        select array(select line_id from looked_at where fits order by line_id desc limit p_enough - cardinality(lines)),
            20.0 * count(*) / 65536 / cardinality(step)
        into more, rows
        from looked_at;
        lines := lines || more;
        left_over := left_over - cardinality(step) * (entries + rows);
        seen := seen + cardinality(step);
        step := slices[seen + 1:seen + least(seen + 1, case when cardinality(p_terms) > 1 then 32 else 4 end)];
    end loop;
    is_complete := seen >= cardinality(slices) and cardinality(lines) < p_enough;
    if cardinality(lines) >= p_enough then
        back_to := (select created_at from public.search_lines where line_id = lines[p_enough]);
    elsif not is_complete then
        back_to := (select max(last_at) from public.search_slices where slice < slices[seen]);
    end if;
end $$;

-- The same, of the lines of some conversations, each of which is looked at.
create or replace function _supportchat.lines_within(
    p_session_ids uuid[], p_terms text[], p_enough integer, p_before timestamptz default null, p_after timestamptz default null,
    out lines bigint[], out is_complete boolean
)
returns record
language sql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
as $$
    with looked_at as materialized (
        select l.line_id, l.line_id >> 16 as slice, l.words, l.created_at
        from unnest(p_session_ids) as own (id)
        cross join lateral (
            select * from public.search_lines where session_id = own.id order by seq desc, note_no desc limit 20000
        ) as l
        limit 20000
    ), asked as materialized (
        select slice, _supportchat.query_of(p_terms, slice) as query from (select distinct slice from looked_at) as every
    ), having_all as (
        select l.line_id from looked_at l join asked a on a.slice = l.slice
        where l.words @@ a.query and (p_before is null or l.created_at < p_before) and (p_after is null or l.created_at >= p_after)
        order by l.line_id desc limit p_enough
    )
    select array(select line_id from having_all order by line_id desc),
        (select count(*) from looked_at) < 20000 and (select count(*) from having_all) < p_enough
$$;

-- What a line says, for whoever has searched for it: by whom, when and what. Of the line of a customer nothing.
create or replace function _supportchat.hit_json(p_session_id uuid, p_seq integer, p_note_no integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'kind', 'note', 'seq', n.after_seq, 'note_no', n.note_no, 'agent', _supportchat.person_json(n.agent_id), 'text', n.note,
        'created_at', n.created_at
    )
    from public.ticket_notes n where p_note_no > 0 and n.session_id = p_session_id and n.note_no = p_note_no
    union all
    select jsonb_build_object(
        'kind', 'message', 'seq', m.seq, 'note_no', 0, 'agent', _supportchat.person_json(m.sender_agent_id), 'text', m.message,
        'created_at', m.created_at
    )
    from public.chat_messages m where p_note_no = 0 and m.session_id = p_session_id and m.seq = p_seq
$$;

-- Of the newest 6,000 tickets those that fit, p_enough of them: of closed ones of those that were closed last. is_complete says whether
-- there is no other one.
create or replace function _supportchat.newest_tickets(
    p_agent_id uuid, p_tags text[], p_states text[], p_before timestamptz, p_after timestamptz, p_enough integer,
    out ids uuid[], out is_complete boolean
)
returns record
language plpgsql
stable
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    most constant integer := 6000;
    is_ever boolean := p_before is null and p_after is null;
    newest uuid[] := case
        when is_ever and 'spam' = any (p_states) then array(
            select id from public.tickets where is_spam order by closed_at desc limit most
        )
        when is_ever and 'closed' = any (p_states) then array(
            select id from public.tickets where status = 'closed' order by closed_at desc nulls last, number desc limit most
        )
        else array(
            select id from public.tickets
            where created_at < coalesce(p_before, 'infinity') and created_at >= coalesce(p_after, '-infinity')
            order by created_at desc, number desc limit most
        )
    end;
begin
    ids := _supportchat.first_that_fit(newest, p_enough, p_agent_id, p_tags, p_states);
    is_complete := cardinality(newest) < most and cardinality(ids) < p_enough;
end $$;

-- The newest tickets that are what a search asks for, p_enough of them. Where one of what is asked for is rare, all of those are looked
-- at; of somebody's the newest 1,000.
create or replace function _supportchat.tickets_found(
    p_agent_id uuid, p_tags text[], p_states text[], p_before timestamptz, p_after timestamptz, p_enough integer,
    p_few uuid[], p_authors uuid[] default null, p_customers uuid[] default null, out ids uuid[], out is_complete boolean
)
returns record
language plpgsql
stable
set search_path = ''
as $$
declare
    most constant integer := 1000;
    of_agents uuid[];
    newest uuid[];
begin
    if p_few is null and p_authors is null then
        select * into ids, is_complete
        from _supportchat.newest_tickets(p_agent_id, p_tags, p_states, p_before, p_after, p_enough);
        return;
    end if;
    is_complete := true;
    ids := p_few;
    if ids is null then
        of_agents := array(
            select t.id from unnest(p_authors) as agent_id
            cross join lateral (
                select id, assigned_at from public.tickets
                -- By the index; who was given one later is not looked for.
                where assigned_agent_id = agent_id and (p_before is null or assigned_at < p_before + interval '1 day')
                order by assigned_at desc limit most
            ) as t
            order by t.assigned_at desc limit most
        );
        is_complete := cardinality(of_agents) < most and p_before is null;
        ids := of_agents || array(
            select t.id from unnest(p_customers) as session (id) join public.tickets t on t.session_id = session.id
        );
    end if;
    newest := array(
        -- One by one: the planner would rather read a table of some thousand rows as a whole.
        select t.id from (select distinct id from unnest(ids) as id) as asked
        cross join lateral (select * from public.tickets where id = asked.id limit 1) as t
        where t.created_at < coalesce(p_before, 'infinity') and t.created_at >= coalesce(p_after, '-infinity')
            and (p_authors is null or t.assigned_agent_id = any (p_authors) or t.session_id = any (p_customers))
        order by t.created_at desc, t.number desc
    );
    ids := _supportchat.first_that_fit(newest, p_enough, p_agent_id, p_tags, p_states);
    is_complete := is_complete and cardinality(ids) < p_enough;
end $$;

-- The newest lines with all terms, p_enough of them: of some conversations (p_sessions), or of all; by some agents and by
-- some customers (p_customers, by their conversations), or by anybody.
create or replace function _supportchat.lines_found(
    p_terms text[], p_sessions uuid[], p_authors uuid[], p_customers uuid[], p_before timestamptz, p_after timestamptz, p_enough integer,
    out lines bigint[], out is_complete boolean, out back_to timestamptz
)
returns record
language plpgsql
set search_path = ''
as $$
declare
    by_agents text[];
    more record;
    own uuid[];
begin
    if p_authors is null then
        by_agents := p_terms;
    elsif cardinality(p_authors) > 0 then
        by_agents := p_terms || (
            select '(' || string_agg('~/' || _supportchat.author_word(id), ' | ') || ')' from unnest(p_authors) as id
        );
    end if;
    if by_agents is null then
        lines := '{}';
        is_complete := true;
    elsif p_sessions is null then
        select * into lines, is_complete, back_to from _supportchat.newest_lines(by_agents, p_enough, p_before, p_after);
    else
        select * into lines, is_complete from _supportchat.lines_within(p_sessions, by_agents, p_enough, p_before, p_after);
    end if;
    if cardinality(p_customers) > 0 then
        own := case when p_sessions is null then p_customers else array(
            select unnest(p_customers) intersect select unnest(p_sessions)
        ) end;
        -- No agent's, and not the line that says who the customer is.
        select * into more from _supportchat.lines_within(own, p_terms || '{!~/@:*, !~/=:*}'::text[], p_enough, p_before, p_after);
        lines := array(select line_id from unnest(lines || more.lines) as line_id order by line_id desc limit p_enough);
        is_complete := is_complete and more.is_complete;
    end if;
end $$;

-- The tickets that agents look for: by words of a message, of a note, of a tag, of who the customer is, or by the number, the
-- newest line first; without words by what else is asked for, the newest ticket first. p_author is who has written the line
-- ('me' for oneself), or without words who the customer or the agent is; p_tags and p_states see tickets_that_fit; p_before and p_after
-- are moments of the line, or of the ticket. Each with its last three lines that were found. 'is_complete' is whether that is all: 200
-- lines are looked for, at most, and among 1,000 where the tickets that are asked for are many; 'back_to' is how far back they were.
create or replace function public.search_tickets(
    p_agent_id uuid, p_words text default '', p_author text default null, p_tags text[] default '{}', p_states text[] default '{}',
    p_before timestamptz default null, p_after timestamptz default null, p_limit integer default 50
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    most constant integer := 200;
    few constant integer := 1000;
    terms text[] := _supportchat.terms_of(p_words);
    authors uuid[];
    customers uuid[];
    tags text[] := array(select _supportchat.tags_named(name)::text from unnest(p_tags[:5]) as name);
    tags_of_words bigint[];
    few_tickets uuid[];
    sessions uuid[];
    candidates integer := most + 1;
    got record;
    hits jsonb := '[]';
    shown uuid[];
    is_complete boolean := true;
    back_to timestamptz;
    state public.search_state;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    -- What was written a moment ago.
    select * into state from public.search_state for update skip locked;
    if state.only_row then
        perform _supportchat.index_new_lines(state, 100);
        if state.cursor is null then
            perform _supportchat.index_older_lines(100);
        end if;
    end if;
    if p_author = 'me' then
        authors := array[p_agent_id];
        customers := '{}';
    elsif p_author is not null then
        authors := array(
            select id from public.agents
            where _supportchat.folded(name)::tsvector @@ _supportchat.query_of(_supportchat.terms_of(p_author)) limit 10
        );
        select * into got from _supportchat.newest_lines(_supportchat.terms_of(p_author, '='), few);
        customers := array(
            select l.session_id from unnest(got.lines) as asked (line_id)
            cross join lateral (select session_id from public.search_lines where line_id = asked.line_id limit 1) as l
        );
        is_complete := got.is_complete and cardinality(authors) < 10;
    end if;
    if cardinality(tags) > 0 or cardinality(p_states) > 0 then
        few_tickets := _supportchat.few_tickets(p_agent_id, tags, p_states, few);
    end if;
    if terms is null and p_words ~ '\S' and p_author is null and p_before is null and p_after is null
        and cardinality(p_tags || p_states) = 0 then
        -- Words without a letter or a digit are in no ticket.
        select true as is_complete into got;
    elsif terms is null then
        select * into got from _supportchat.tickets_found(
            p_agent_id, tags, p_states, p_before, p_after, p_limit + 1, few_tickets, authors, customers
        );
        shown := got.ids;
    else
        -- By the number and by a tag only as a whole.
        if p_author is null then
            tags_of_words := _supportchat.tags_named(p_words);
            shown := _supportchat.tickets_that_fit(array(
                select id from public.tickets
                where p_words ~ '^\s*#?[0-9]{1,15}\s*$' and number = substring(p_words from '[0-9]{1,15}')::bigint
            ), p_agent_id, tags, p_states);
        end if;
        if cardinality(tags_of_words) > 0 then
            select * into got from _supportchat.tickets_found(
                p_agent_id, tags || tags_of_words::text, p_states, p_before, p_after, p_limit + 1,
                coalesce(few_tickets, _supportchat.few_tickets(p_agent_id, array[tags_of_words::text], '{}', few))
            );
            shown := shown || got.ids;
            is_complete := is_complete and got.is_complete;
        end if;
        if few_tickets is not null then
            sessions := array(
                select session_id from public.tickets
                where id = any (_supportchat.tickets_that_fit(few_tickets, p_agent_id, tags, p_states))
            );
        elsif cardinality(tags) > 0 or cardinality(p_states) > 0 then
            candidates := 1000;
        end if;
        select * into got from _supportchat.lines_found(terms, sessions, authors, customers, p_before, p_after, candidates);
        back_to := got.back_to;
        with found as materialized (
            select l.line_id, l.session_id, l.seq, l.note_no, t.id as ticket_id
            -- One by one: the planner would rather read a table of some thousand rows as a whole.
            from unnest(got.lines) as asked (line_id)
            cross join lateral (select * from public.search_lines where line_id = asked.line_id limit 1) as l
            cross join lateral (
                select id from public.tickets where session_id = l.session_id order by status = 'closed', number desc limit 1
            ) as t
        ), fitting as materialized (
            select unnest(_supportchat.tickets_that_fit(array(select distinct ticket_id from found), p_agent_id, tags, p_states)) as id
        )
        select coalesce(jsonb_agg(to_jsonb(hit) order by hit.line_id desc), '[]') into hits
        from (
            select found.* from found join fitting on fitting.id = found.ticket_id order by line_id desc limit most + 1
        ) as hit;
        shown := array(
            select ticket_id from (
                select id as ticket_id, place from unnest(shown) with ordinality as first (id, place)
                union all
                select (hit ->> 'ticket_id')::uuid, 1000000 + place
                from jsonb_array_elements(hits) with ordinality as found_line (hit, place)
            ) as every
            group by ticket_id order by min(place)
        );
        is_complete := is_complete and jsonb_array_length(hits) <= most;
    end if;
    is_complete := is_complete and got.is_complete;
    return jsonb_build_object(
        'rows', _supportchat.queue_rows_json(shown[:p_limit]),
        'hits', (
            select coalesce(jsonb_object_agg(number, lines), '{}')
            from (
                select t.number, jsonb_agg(line order by turn) as lines
                from (
                    select hit, row_number() over (partition by hit ->> 'ticket_id' order by place) as turn
                    from jsonb_array_elements(hits) with ordinality as one (hit, place)
                ) as numbered
                join public.tickets t on t.id = (hit ->> 'ticket_id')::uuid
                cross join lateral _supportchat.hit_json(
                    (hit ->> 'session_id')::uuid, (hit ->> 'seq')::integer, (hit ->> 'note_no')::integer
                ) as line
                where turn <= 3 and t.id = any (shown[:p_limit]) and line is not null
                group by t.number
            ) as grouped
        ),
        'is_complete', is_complete and cardinality(shown) <= p_limit,
        'back_to', back_to
    );
end $$;

select _supportchat.record_script('functions/search.sql', '09171b4ede5b');

-- views.sql: searches with a name. Safe to run again.

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

-- bulk.sql: what agents do with many tickets at once. Safe to run again.

-- Does the same with many tickets, 50 at most, each as by itself: 'close', 'tag' (p_value is the name of the tag), 'assign' (the
-- id of the agent), 'priority' (1 to 4), 'snooze' (a moment, or null). Gives which were done, why the others were not, and which
-- have another version by that, for undo_tickets.
create or replace function public.change_tickets(p_agent_id uuid, p_numbers bigint[], p_act text, p_value text default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    one bigint;
    done bigint[] := '{}';
    refused jsonb := '[]';
    changes jsonb := '[]';
    before integer;
    code text;
    about text;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if cardinality(p_numbers) > 50 or p_act in ('close', 'tag', 'assign', 'priority', 'snooze') is not true then
        raise sqlstate 'PT422' using message = 'not_understood';
    end if;
    -- Whoever holds it may lock one conversation after the other.
    perform _supportchat.lock_assignment();
    foreach one in array p_numbers loop
        begin
            perform _supportchat.send_held(p_agent_id, one) where p_act in ('close', 'assign', 'snooze');
            before := (select version from public.tickets where number = one);
            case p_act
                when 'close' then perform public.close_ticket(p_agent_id, one);
                when 'tag' then perform public.tag_ticket(p_agent_id, one, array[p_value]);
                when 'assign' then perform public.assign_ticket(p_agent_id, one, p_value::uuid, (
                    select assigned_agent_id from public.tickets where number = one
                ));
                when 'priority' then perform public.set_priority(p_agent_id, one, p_value::integer);
                else perform public.snooze_ticket(p_agent_id, one, p_value::timestamptz);
            end case;
            done := done || one;
            changes := changes || coalesce((
                select jsonb_agg(jsonb_build_object('number', number, 'version', version)) from public.tickets
                where number = one and version > before
            ), '[]');
        exception when sqlstate 'PT404' or sqlstate 'PT409' or sqlstate 'PT403' or sqlstate 'PT422' then
            -- What else is wrong with the act is wrong with it for every ticket.
            if sqlstate = 'PT422' and sqlerrm <> 'ticket_tags_too_many' then
                raise;
            end if;
            get stacked diagnostics code = message_text, about = pg_exception_detail;
            refused := refused || jsonb_build_object('number', one, 'code', code, 'detail', about);
        end;
    end loop;
    return jsonb_build_object('done', done, 'refused', refused, 'changes', changes);
end $$;

select _supportchat.record_script('functions/bulk.sql', 'acf385d748a0');

-- undo.sql: taking back what was done with tickets a moment ago. Safe to run again.

-- Whether somebody else has done something with a ticket since an event of it; what the system has done does not count.
create or replace function _supportchat.is_touched_since(p_ticket public.tickets, p_event public.events)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.events e where e.ticket_id = p_ticket.id and e.id > p_event.id and e.actor <> 'system'
    ) or exists (
        select from public.chat_messages m
        where m.session_id = p_ticket.session_id and m.sender = 'agent' and m.created_at > p_event.created_at
    ) or exists (
        select from public.held_replies h
        where h.session_id = p_ticket.session_id and h.due_at is not null and h.held_at > p_event.created_at
    )
$$;

-- Takes back what an agent has done with a ticket (p_act, as in undo_tickets) and by which it got this version. PT409 when anything has
-- become of it since: nothing that somebody else has done is overridden. The caller holds the assignment lock.
create or replace function _supportchat.undo_ticket(p_agent_id uuid, p_act text, p_number bigint, p_version integer)
returns void
language plpgsql
set search_path = ''
as $$
declare
    ticket public.tickets := _supportchat.lock_ticket(_supportchat.session_of_ticket(p_number));
    done public.events;
    former uuid;
    until timestamptz;
begin
    select * into done from public.events
    where ticket_id = ticket.id and kind = 'ticket.' || case p_act
        when 'close' then 'closed' when 'tag' then 'tagged' when 'assign' then 'assigned' when 'priority' then 'prioritised'
        when 'snooze' then 'snoozed' else 'returned'
    end
    order by id desc limit 1;
    if done.agent_id is distinct from p_agent_id
        -- Whoever got a returned ticket from the system, and has done nothing with it, has not changed it.
        or (ticket.version is distinct from p_version and p_act <> 'return')
        or (p_act in ('assign', 'return') and _supportchat.is_touched_since(ticket, done))
    then
        raise sqlstate 'PT409' using message = 'changed_since';
    end if;
    former := done.detail ->> 'from';
    case p_act
        when 'close' then perform public.reopen_ticket(p_agent_id, p_number, p_as_before => true);
        when 'snooze' then
            until := (done.detail ->> 'before')::timestamptz;
            if until > now() then
                perform public.snooze_ticket(p_agent_id, p_number, case when isfinite(until) then until end);
            else
                perform public.unsnooze_ticket(p_agent_id, p_number);
                perform _supportchat.restore_state(
                    ticket.id, _supportchat.state_of_ticket(ticket)
                        || jsonb_build_object('snoozed_until', until, 'woke_at', done.detail -> 'woke_at')
                );
            end if;
        when 'priority' then perform public.set_priority(p_agent_id, p_number, (done.detail ->> 'before')::integer);
        when 'tag' then perform public.tag_ticket(
            p_agent_id, p_number,
            array(select t.name from public.desk_tags t where done.detail -> 'removed' @> to_jsonb(t.tag_id)),
            array(select jsonb_array_elements_text(done.detail -> 'added')::bigint)
        );
        else
            if former is not null then
                perform public.assign_ticket(p_agent_id, p_number, former, ticket.assigned_agent_id);
            else
                perform _supportchat.return_to_queue(
                    ticket, _supportchat.has_taker(ticket.assigned_agent_id), 'given_back', 'agent', p_agent_id
                );
            end if;
            perform _supportchat.restore_state(ticket.id, done.detail);
    end case;
end $$;

-- Takes back what an agent has done with tickets a moment ago, 50 at most: p_act is as in change_tickets, or 'return', for what
-- unassign_ticket has done; p_changes are objects with the number of a ticket and the version that it got by that. Gives with which it
-- was done, and why not with the others.
create or replace function public.undo_tickets(p_agent_id uuid, p_act text, p_changes jsonb)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    change record;
    done bigint[] := '{}';
    refused jsonb := '[]';
    code text;
    about text;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    if jsonb_typeof(p_changes) is distinct from 'array' or jsonb_array_length(p_changes) > 50
        or p_act not in ('close', 'tag', 'assign', 'priority', 'snooze', 'return') then
        raise sqlstate 'PT422' using message = 'not_understood';
    end if;
    if p_act = 'close' then
        -- Before the assignment lock, as whoever starts a chat has it.
        perform _supportchat.lock_browser_of_ticket(asked.number)
        from (select number from jsonb_to_recordset(p_changes) as given (number bigint) order by number) as asked;
    end if;
    perform _supportchat.lock_assignment();
    for change in select * from jsonb_to_recordset(p_changes) as given (number bigint, version integer) loop
        begin
            perform _supportchat.undo_ticket(p_agent_id, p_act, change.number, change.version);
            done := done || change.number;
        exception when sqlstate 'PT403' or sqlstate 'PT404' or sqlstate 'PT409' or sqlstate 'PT422' then
            get stacked diagnostics code = message_text, about = pg_exception_detail;
            refused := refused || jsonb_build_object('number', change.number, 'code', code, 'detail', about);
        end;
    end loop;
    return jsonb_build_object('done', done, 'refused', refused);
end $$;

select _supportchat.record_script('functions/undo.sql', 'f0409dbdfdba');

-- replies.sql: replies that agents have saved, their own and everybody's. Safe to run again.

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

-- agents.sql: who agents are, and whether they take new tickets. Safe to run again.

-- Some agents as colleagues know them: all at once, as each one's load alone would take as long.
create or replace function _supportchat.colleagues_json(p_agent_ids uuid[])
returns table (agent_id uuid, agent jsonb)
language sql
stable
set search_path = ''
as $$
    select a.id, jsonb_build_object(
        'id', a.id, 'name', a.name, 'picture', a.picture_key, 'email', a.email, 'role', a.role,
        'availability', a.availability, 'max_tickets', a.max_tickets, 'language', a.language,
        'single_keys', a.single_keys, 'load', coalesce(taken.load, 0)
    )
    from public.agents a
    left join _supportchat.loads_of_agents(p_agent_ids) as taken on taken.agent_id = a.id
    where a.id = any (p_agent_ids)
$$;

-- An agent as each knows themself: as colleagues do, with their rights, whether they have to set up two-factor first, and whether
-- they want to hear a sound.
create or replace function _supportchat.colleague_json(p_row public.agents)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select agent || jsonb_build_object(
        'rights', _supportchat.rights_of(p_row.role), 'needs_two_factor', _supportchat.needs_two_factor(p_row),
        'sound', coalesce((select sound from public.alert_choices c where c.agent_id = p_row.id), true)
    )
    from _supportchat.colleagues_json(array[p_row.id])
$$;

-- Of an earlier version, without demo accounts.
drop function if exists public.create_agent(text, text, text, text, integer);

-- Makes an agent of some role; p_is_demo says that others know the password. Without a password (null) somebody else has to let
-- them in. An agent whom an older version left here, who can not log in at all, gets this one, and the name, role and limit given.
-- PT409 when the e-mail address is taken.
create or replace function public.create_agent(
    p_name text, p_email text, p_password_hash text, p_role text default 'agent', p_max_tickets integer default 5,
    p_is_demo boolean default false
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    made public.agents;
begin
    insert into public.agents (name, email, role, max_tickets)
    values (p_name, p_email, p_role, p_max_tickets)
    on conflict (lower(email)) do update set
        name = excluded.name, role = excluded.role, max_tickets = excluded.max_tickets, is_active = true, disabled_at = null
    where not exists (select from public.agent_credentials c where c.agent_id = agents.id)
        and not exists (select from public.agent_identities i where i.agent_id = agents.id)
    returning * into made;
    if found and p_password_hash is not null then
        insert into public.agent_credentials (agent_id, password_hash) values (made.id, p_password_hash)
        on conflict do nothing;
    end if;
    if not found then
        raise sqlstate 'PT409' using message = 'email_taken';
    end if;
    -- After the password, which ends a demo: see end_demo.
    update public.agents set is_demo = p_is_demo where id = made.id and is_demo <> p_is_demo;
    perform _supportchat.audit('person.created', null, jsonb_build_object('person', made.id, 'role', made.role));
    return _supportchat.colleague_json(made);
end $$;

-- Says whether an agent takes new tickets. 'available' takes the first ones at once when others wait; who comes back from
-- 'away' may also be given what they gave back before.
create or replace function public.set_availability(p_agent_id uuid, p_availability text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
    was_away boolean;
begin
    if p_availability not in ('available', 'away') then
        raise sqlstate 'PT422' using message = 'availability_unknown';
    end if;
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'answer');
    was_away := (select availability = 'away' from public.agents where id = p_agent_id);
    update public.agents set availability = p_availability where id = p_agent_id returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    if was_away and p_availability = 'available' then
        -- Each conversation before its ticket, as everywhere.
        perform _supportchat.lock_ticket(session_id) from public.tickets where status = 'waiting' and given_back_by = p_agent_id;
        update public.tickets set given_back_by = null where status = 'waiting' and given_back_by = p_agent_id;
    end if;
    perform _supportchat.drain_queue();
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => p_agent_id);
    return _supportchat.colleague_json(who);
end $$;

-- Keeps the language in which an agent reads the desk, as 'de'; null for that of their browser.
create or replace function public.set_language(p_agent_id uuid, p_language text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    if p_language !~ '^[a-z]{2,3}$' then
        raise sqlstate 'PT422' using message = 'language_unknown';
    end if;
    update public.agents set language = p_language where id = p_agent_id and is_active returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    return _supportchat.colleague_json(who);
end $$;

-- Keeps whether single keys do something at the desk of an agent.
create or replace function public.set_keys(p_agent_id uuid, p_single_keys boolean)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    update public.agents set single_keys = coalesce(p_single_keys, true) where id = p_agent_id and is_active returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    return _supportchat.colleague_json(who);
end $$;

-- The agents who could take over a ticket, the ones who are here first, with their load: so many at most, or all.
create or replace function _supportchat.colleagues_of_desk(p_limit integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    with listed as materialized (
        select id, name, lease_expires_at > now() is true as here from public.agents
        where is_active order by here desc, name limit p_limit
    )
    select coalesce(jsonb_agg(known.agent || jsonb_build_object('here', listed.here) order by listed.here desc, listed.name), '[]')
    from listed
    join _supportchat.colleagues_json((select array_agg(id) from listed)) as known on known.agent_id = listed.id
$$;

-- All of them.
create or replace function public.list_agents()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select _supportchat.colleagues_of_desk(null)
$$;

select _supportchat.record_script('functions/agents.sql', '3186a5eb6a22');

-- logins.sql: how agents log in, and for how long. Safe to run again.
-- Login sessions are known by the SHA-256 of their cookie; they end after `login_lasts`, or after 30 minutes without
-- a request or an open page (OWASP ASVS 5.0, 7.3.1 and 7.3.2).

-- What a login is checked against; null for an unknown address or an agent who left.
create or replace function _supportchat.credentials_of(p_email text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('agent_id', a.id, 'password_hash', c.password_hash)
    from public.agents a
    join public.agent_credentials c on c.agent_id = a.id
    where lower(a.email) = lower(p_email) and a.is_active
$$;

-- Gives an agent another password, ends every login session and link for a password of theirs, here and in every server process,
-- and forgets the browsers that they are known or notified in: whoever has guessed the former one has had one of them.
create or replace function _supportchat.set_password(p_agent_id uuid, p_password_hash text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    -- First, as open_agent_session does: no login that is under way gets in by the former password.
    perform from public.agents where id = p_agent_id for no key update;
    insert into public.agent_credentials (agent_id, password_hash) values (p_agent_id, p_password_hash)
    on conflict (agent_id) do update set password_hash = excluded.password_hash, changed_at = now();
    delete from public.pending_logins where agent_id = p_agent_id;
    delete from public.one_time_links where agent_id = p_agent_id and purpose = 'password';
    delete from public.agent_browsers where agent_id = p_agent_id;
    -- In the order of report_process, so that the two do not wait for each other in a circle.
    perform from public.agent_sessions where agent_id = p_agent_id order by token_hash for update;
    delete from public.agent_sessions where agent_id = p_agent_id;
    perform _supportchat.log_devices_out(p_agent_id, null, p_others => true);
    update public.agents set lease_expires_at = now() where id = p_agent_id and lease_expires_at > now();
    perform _supportchat.note_absent_agents();
end $$;

-- Notes that an account is no demo any more: whoever has set another password is the only one who knows it.
create or replace function _supportchat.end_demo()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    update public.agents set is_demo = false where id = new.agent_id and is_demo;
    return null;
end $$;

create or replace trigger end_demo
after insert or update of password_hash on public.agent_credentials
for each row execute function _supportchat.end_demo();

-- Of an earlier version, which had no two-factor.
drop function if exists public.reset_password(text, text);

-- The same for the agent of an e-mail address, from a terminal; two-factor is turned off as well if p_forget_two_factor says so.
-- PT404 when nobody has the address, PT409 when who has it may not log in any more.
create or replace function public.reset_password(p_email text, p_password_hash text, p_forget_two_factor boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    select * into who from public.agents where lower(email) = lower(p_email);
    if not found then
        raise sqlstate 'PT404' using message = 'agent_unknown';
    elsif not who.is_active then
        raise sqlstate 'PT409' using message = 'agent_deactivated', detail = who.name;
    end if;
    perform _supportchat.set_password(who.id, p_password_hash);
    perform _supportchat.audit('password.changed', who.id, jsonb_build_object('by', 'command'));
    if p_forget_two_factor and exists (
        select from public.agent_credentials where agent_id = who.id and totp_secret is not null
    ) then
        perform _supportchat.forget_two_factor(who.id);
        perform _supportchat.audit('two_factor.removed', null, jsonb_build_object('person', who.id, 'by', 'command'));
    end if;
    return _supportchat.colleague_json(who);
end $$;

-- Counts an attempt to log in, and gives what it is checked against, as credentials_of does, and whether the browser is one in
-- which this agent has logged in before; PT429 when there were too many. Such a browser has a count of its own, so that nobody
-- locks them out by guessing; any other one counts for the account and for the address it comes from.
create or replace function public.begin_login(p_email text, p_browser text, p_address text, p_limits jsonb default '{}')
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    known jsonb := _supportchat.credentials_of(p_email);
    is_known boolean := exists (
        select from public.agent_browsers
        where agent_id = (known ->> 'agent_id')::uuid and token_hash = p_browser
    );
begin
    if is_known then
        perform _supportchat.take_token('logins', 'browser/' || p_browser, p_limits -> 'account');
    else
        perform _supportchat.take_token('logins', 'address/' || p_address, p_limits -> 'address');
        perform _supportchat.take_token('logins', 'account/' || md5(lower(p_email)), p_limits -> 'account');
    end if;
    return known || jsonb_build_object('browser_known', is_known);
end $$;

-- Of an earlier version, which knew nothing but logins.
drop function if exists public.refuse_login(text, text);

-- Counts a login that was refused: per account, or per address for an account that does not exist. p_where is 'account' for a wrong
-- password of somebody who is logged in, and was asked for it once more. The audit log gets the 1st, 10th, 100th ... of an hour, so
-- that whoever guesses cannot fill it.
create or replace function public.refuse_login(p_email text, p_address text, p_where text default null)
returns void
language plpgsql
set search_path = ''
as $$
declare
    who uuid := (select id from public.agents where lower(email) = lower(p_email));
    counted integer;
begin
    insert into public.refused_logins as earlier (key) values (coalesce(who::text, 'address/' || left(p_address, 64)))
    on conflict (key) do update set
        attempts = case when earlier.began_at < now() - interval '1 hour' then 1 else earlier.attempts + 1 end,
        began_at = case when earlier.began_at < now() - interval '1 hour' then now() else earlier.began_at end
    returning attempts into counted;
    if counted::text ~ '^10*$' then
        perform _supportchat.audit('login.refused', who, jsonb_strip_nulls(jsonb_build_object(
            'attempts', counted, 'where', p_where
        )), p_address);
    end if;
    delete from public.refused_logins where ctid = any (array(
        select ctid from public.refused_logins
        where began_at < now() - interval '1 hour' order by began_at limit 10 for update skip locked
    ));
end $$;

-- Of earlier versions, without a browser or an address.
drop function if exists public.open_agent_session(uuid, text);
drop function if exists public.open_agent_session(uuid, text, text);
drop function if exists public.open_agent_session(uuid, text, text, text, text, text);
drop function if exists public.open_agent_session(uuid, text, text, text, text, text, text);
drop function if exists _supportchat.begin_session(uuid, text, text, text, text);

-- How long a login session lasts, used or not.
create or replace function _supportchat.login_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '12 hours'
$$;

-- Begins a login session, and forgets the ended ones. p_browser is the new key of the browser, in which this agent is known from
-- now on, as is everybody who was known by its former one. That one is worth nothing any more: somebody else may have put it there.
-- p_how is 'provider' where somebody else has said who they are.
create or replace function _supportchat.begin_session(
    p_agent_id uuid, p_token_hash text, p_browser text, p_former text, p_address text, p_user_agent text, p_how text
)
returns void
language sql
set search_path = ''
as $$
    -- What another transaction holds is left to the next login.
    delete from public.agent_sessions where token_hash in (
        select token_hash from public.agent_sessions
        where created_at < now() - _supportchat.login_lasts() for update skip locked
    );
    insert into public.agent_sessions (token_hash, agent_id, user_agent) values (p_token_hash, p_agent_id, p_user_agent);
    delete from public.agent_browsers where ctid in (
        select ctid from public.agent_browsers
        where agent_id = p_agent_id order by seen_at desc offset 19 for update skip locked
    );
    -- What was counted of this browser stays counted: who logs in as themselves must not get to guess anew for others.
    update public.throttle_buckets set key = replace(key, p_former, p_browser)
    where p_former <> '' and key in (
        select 'logins/browser/' || p_former
        union all
        select 'logins/flow/browser/' || p_former
        union all
        select concat_ws('/', 'codes', agent_id, p_former) from public.agent_browsers where token_hash = p_former
    );
    update public.agent_browsers set token_hash = p_browser where p_browser <> '' and token_hash = nullif(p_former, '');
    insert into public.agent_browsers (agent_id, token_hash)
    select p_agent_id, p_browser where p_browser <> ''
    on conflict (agent_id, token_hash) do update set seen_at = excluded.seen_at;
    select _supportchat.prune_audit();
    select _supportchat.audit('login.ok', p_agent_id, jsonb_strip_nulls(jsonb_build_object('how', p_how)), p_address);
$$;

-- Begins a login session of an agent who has shown who they are, or with two-factor a login that waits for its second step, by the
-- same token. p_known is the key that the browser has had until now, p_browser its next one, to which a second step is bound where
-- there was none. p_password_hash is what their password was checked against, p_issuer and p_subject whom the provider has named:
-- null when that has changed since, or the agent was disabled.
create or replace function public.open_agent_session(
    p_agent_id uuid, p_token_hash text, p_browser text default null, p_address text default null, p_user_agent text default null,
    p_known text default '', p_how text default null, p_password_hash text default null, p_issuer text default null,
    p_subject text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    needs_code boolean;
begin
    -- Whoever disables an agent, or changes how they log in, waits for this lock, or has had it before.
    perform from public.agents where id = p_agent_id and is_active for no key update;
    if not found or (
        p_password_hash is not null
        and not exists (select from public.agent_credentials where agent_id = p_agent_id and password_hash = p_password_hash)
    ) or (
        p_subject is not null and not exists (
            select from public.agent_identities where agent_id = p_agent_id and issuer = p_issuer and subject = p_subject
        )
    ) then
        return null;
    end if;
    needs_code := exists (select from public.agent_credentials where agent_id = p_agent_id and totp_secret is not null);
    if needs_code then
        perform _supportchat.begin_second_step(
            p_agent_id, p_token_hash, coalesce(nullif(p_known, ''), p_browser, ''), p_user_agent, p_how
        );
    else
        perform _supportchat.begin_session(p_agent_id, p_token_hash, p_browser, p_known, p_address, p_user_agent, p_how);
    end if;
    return jsonb_build_object('needs_code', needs_code);
end $$;

-- The agent behind a login session; null when it has ended. Its use keeps it alive.
create or replace function public.agent_of_session(p_token_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
    seen timestamptz;
begin
    select a.* into who from public.agents a
    join public.agent_sessions s on s.agent_id = a.id
    where s.token_hash = p_token_hash and a.is_active
        and s.created_at > now() - _supportchat.login_lasts() and s.last_seen_at > now() - interval '30 minutes';
    if not found then
        return null;
    end if;
    update public.agent_sessions set last_seen_at = now()
    where token_hash = p_token_hash and last_seen_at < now() - interval '1 minute';
    return _supportchat.colleague_json(who);
end $$;

-- Ends a login session, and tells the server processes to close its sockets. Whoever has no other one is gone at once; a
-- page of another one that is open somewhere says within seconds that they are still here.
create or replace function public.close_agent_session(p_token_hash text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    who uuid;
    ended uuid;
begin
    delete from public.agent_sessions where token_hash = p_token_hash returning agent_id, id into who, ended;
    if found then
        perform _supportchat.log_devices_out(who, ended, p_others => false);
        perform _supportchat.audit('logout', who);
    end if;
    update public.agents set lease_expires_at = now()
    where id = who and lease_expires_at > now()
        and not exists (select from public.agent_sessions s where s.agent_id = who and s.last_seen_at > now() - interval '2 minutes');
    perform _supportchat.note_absent_agents();
end $$;

-- Of an earlier version: report_process says it, and the log.
drop function if exists public.good_sessions(text[]);

-- Gives which of these login sessions are still good for a desk.
create or replace function _supportchat.good_sessions(p_token_hashes text[])
returns text[]
language sql
stable
set search_path = ''
as $$
    select coalesce(array_agg(s.token_hash), '{}')
    from public.agent_sessions s
    join public.agents a on a.id = s.agent_id
    where s.token_hash = any (p_token_hashes) and a.is_active and s.created_at > now() - _supportchat.login_lasts()
        and not _supportchat.needs_two_factor(a)
$$;

-- Logs the end of a login session, whatever has ended it, so that every server process closes its sockets.
create or replace function _supportchat.log_end_of_session()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.log_event(
        'session.revoked', null, jsonb_build_object('token_hash', old.token_hash), p_agent_id => old.agent_id
    );
    return null;
end $$;

create or replace trigger log_end_of_session
after delete on public.agent_sessions
for each row execute function _supportchat.log_end_of_session();

-- Ends what lets an agent in, or others for them, when they are deactivated, by whatever statement: login sessions, logins that wait for
-- their second step, links, and the browsers that they are known in.
create or replace function _supportchat.end_sessions()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    delete from public.pending_logins where agent_id = new.id;
    delete from public.agent_sessions where agent_id = new.id;
    delete from public.one_time_links where agent_id = new.id or created_by = new.id;
    delete from public.agent_browsers where agent_id = new.id;
    return null;
end $$;

create or replace trigger end_sessions
after update of is_active on public.agents
for each row when (old.is_active and not new.is_active) execute function _supportchat.end_sessions();

select _supportchat.record_script('functions/logins.sql', 'd44058f4ce82');

-- two_factor.sql: the second step of a login: codes of an authenticator app, and recovery codes. Safe to run again.
-- The server computes the codes (RFC 6238); what is exact is counted here: how often somebody may try, and that each code
-- counts once.

-- Counts an attempt at a code, and returns what it is checked against: the secret, and the last step whose code has counted. PT429
-- when there were too many. A browser in which this agent has logged in before has a count of its own, as in begin_login. Null
-- when two-factor is off.
create or replace function public.begin_code(p_agent_id uuid, p_browser text, p_limits jsonb default '{}')
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    known jsonb := (
        select jsonb_build_object('secret', totp_secret, 'step', totp_step)
        from public.agent_credentials where agent_id = p_agent_id and totp_secret is not null
    );
begin
    perform _supportchat.demand_active(p_agent_id);
    if known is not null then
        perform _supportchat.take_token('codes', _supportchat.whose_codes(p_agent_id, p_browser), p_limits -> 'codes');
    end if;
    return known;
end $$;

-- Under which name attempts at codes are counted: of a browser in which the agent is known, or of their account.
create or replace function _supportchat.whose_codes(p_agent_id uuid, p_browser text)
returns text
language sql
stable
set search_path = ''
as $$
    select concat_ws('/', p_agent_id, (
        select token_hash from public.agent_browsers where agent_id = p_agent_id and token_hash = p_browser
    ))
$$;

-- Takes a code that was right, of the app by its step or a recovery code by its hash, and forgives the attempts before it. PT422
-- when it has counted before, or there is no such code.
create or replace function public.use_code(p_agent_id uuid, p_browser text, p_step bigint default null, p_code_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_active(p_agent_id);
    if p_step is not null then
        update public.agent_credentials set totp_step = p_step
        where agent_id = p_agent_id and totp_secret is not null and totp_step < p_step;
    else
        delete from public.recovery_codes where agent_id = p_agent_id and code_hash = p_code_hash;
    end if;
    if not found then
        raise sqlstate 'PT422' using message = 'code_wrong';
    end if;
    if p_step is null then
        perform _supportchat.audit('two_factor.recovery_code_used', p_agent_id);
    end if;
    delete from public.throttle_buckets where key = 'codes/' || _supportchat.whose_codes(p_agent_id, p_browser);
end $$;

-- How long a login may wait for its second step.
create or replace function _supportchat.pending_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '5 minutes'
$$;

-- Of an earlier version, which knew only passwords.
drop function if exists _supportchat.begin_second_step(uuid, text, text, text);

-- Keeps a login whose first step was right, until its second step, and forgets the ones that waited too long.
create or replace function _supportchat.begin_second_step(
    p_agent_id uuid, p_token_hash text, p_browser text, p_user_agent text, p_how text
)
returns void
language sql
set search_path = ''
as $$
    delete from public.pending_logins where token_hash in (
        select token_hash from public.pending_logins
        where created_at < now() - _supportchat.pending_lasts() for update skip locked
    );
    insert into public.pending_logins (token_hash, agent_id, browser, user_agent, how)
    values (p_token_hash, p_agent_id, p_browser, p_user_agent, p_how);
$$;

-- The login that waits for its second step in the browser that began it; null when there is none, or it has waited too long.
create or replace function public.pending_login(p_token_hash text, p_browser text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object('agent_id', a.id, 'email', a.email)
    from public.pending_logins p
    join public.agents a on a.id = p.agent_id
    where p.token_hash = p_token_hash and p.browser = p_browser and a.is_active
        and p.created_at > now() - _supportchat.pending_lasts()
$$;

-- Makes a login session of a login whose second code was right, as use_code takes it. p_pending is the token of its first step,
-- p_browser the browser that began it, p_new_browser the one that the agent is known in from now on. PT404 when it has waited
-- too long, PT422 when the code does not count.
create or replace function public.finish_login(
    p_pending text, p_browser text, p_token_hash text, p_new_browser text, p_step bigint default null,
    p_code_hash text default null, p_address text default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    pending public.pending_logins;
begin
    -- First, as in open_agent_session: a new password, or the end of an account, ends this login too.
    perform from public.agents
    where id = (select agent_id from public.pending_logins where token_hash = p_pending) for no key update;
    select * into pending from public.pending_logins p
    where p.token_hash = p_pending and p.browser = p_browser and p.created_at > now() - _supportchat.pending_lasts()
        and exists (select from public.agents a where a.id = p.agent_id and a.is_active)
    for update;
    if not found then
        raise sqlstate 'PT404' using message = 'login_expired';
    end if;
    perform public.use_code(pending.agent_id, p_browser, p_step, p_code_hash);
    delete from public.pending_logins where agent_id = pending.agent_id;
    perform _supportchat.begin_session(
        pending.agent_id, p_token_hash, p_new_browser, p_browser, p_address, pending.user_agent, pending.how
    );
end $$;

-- Gives an agent new recovery codes, by their hashes; the former ones count no more.
create or replace function _supportchat.give_recovery_codes(p_agent_id uuid, p_code_hashes text[])
returns void
language sql
set search_path = ''
as $$
    delete from public.recovery_codes where agent_id = p_agent_id;
    insert into public.recovery_codes (agent_id, code_hash) select p_agent_id, unnest(p_code_hashes);
$$;

-- Of an earlier version, which did not ask by which login session.
drop function if exists public.turn_on_two_factor(uuid, text, bigint, text[]);
drop function if exists public.replace_recovery_codes(uuid, text[]);
drop function if exists public.turn_off_two_factor(uuid);

-- Turns two-factor on for an agent who has shown a right code of this secret: that of p_step. p_token_hash is the login session that
-- asks. PT404 when that has ended, PT409 when it is on already.
create or replace function public.turn_on_two_factor(
    p_agent_id uuid, p_secret text, p_step bigint, p_code_hashes text[], p_token_hash text default null
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    update public.agent_credentials set totp_secret = p_secret, totp_since = now(), totp_step = p_step
    where agent_id = p_agent_id and totp_secret is null;
    if not found then
        raise sqlstate 'PT409' using message = 'two_factor_on';
    end if;
    perform _supportchat.give_recovery_codes(p_agent_id, p_code_hashes);
    perform _supportchat.audit('two_factor.on', p_agent_id);
end $$;

-- Gives an agent new recovery codes. PT404 when the login session that asks has ended, PT409 when two-factor is off.
create or replace function public.replace_recovery_codes(p_agent_id uuid, p_code_hashes text[], p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    perform from public.agent_credentials where agent_id = p_agent_id and totp_secret is not null for update;
    if not found then
        raise sqlstate 'PT409' using message = 'two_factor_off';
    end if;
    perform _supportchat.give_recovery_codes(p_agent_id, p_code_hashes);
    perform _supportchat.audit('two_factor.codes_replaced', p_agent_id);
end $$;

-- Takes secret and recovery codes away from an agent.
create or replace function _supportchat.forget_two_factor(p_agent_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.agent_credentials set totp_secret = null, totp_since = null
    where agent_id = p_agent_id and totp_secret is not null;
    if not found then
        raise sqlstate 'PT409' using message = 'two_factor_off';
    end if;
    delete from public.recovery_codes where agent_id = p_agent_id;
    delete from public.pending_logins where agent_id = p_agent_id;
end $$;

-- Turns two-factor off for the agent who asks. PT404 when the login session that asks has ended, PT409 when it is off already.
create or replace function public.turn_off_two_factor(p_agent_id uuid, p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    perform _supportchat.forget_two_factor(p_agent_id);
    perform _supportchat.audit('two_factor.off', p_agent_id);
    if exists (select from public.agents a where a.id = p_agent_id and _supportchat.needs_two_factor(a)) then
        perform _supportchat.close_desks_without_two_factor();
    end if;
end $$;

-- Turns two-factor off for somebody who has lost their phone, and logs them out everywhere. Their password is the only thing that
-- is asked for then. PT404 when there is no such person, PT409 when it is off already.
create or replace function public.remove_two_factor(p_agent_id uuid, p_person_id uuid)
returns text
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    perform _supportchat.forget_two_factor(p_person_id);
    perform _supportchat.audit('two_factor.removed', p_agent_id, jsonb_build_object('person', p_person_id));
    -- In the order of report_process, so that the two do not wait for each other in a circle.
    perform from public.agent_sessions where agent_id = p_person_id order by token_hash for update;
    delete from public.agent_sessions where agent_id = p_person_id;
    perform _supportchat.log_devices_out(p_person_id, null, p_others => true);
    return person.name;
end $$;

select _supportchat.record_script('functions/two_factor.sql', 'f94349671236');

-- account.sql: what agents change about themselves: name, picture, password, open sessions. Safe to run again.

-- Of an earlier version, which knew no provider.
drop function if exists public.account(uuid, text);

-- What an agent's own page shows: when the password was changed, whether two-factor is on, since when the provider of p_issuer is
-- connected, and where they are logged in. p_token_hash is the login session that asks.
create or replace function public.account(p_agent_id uuid, p_token_hash text, p_issuer text default null)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_active(p_agent_id);
    return (
        select jsonb_build_object(
            'password_changed_at', c.changed_at,
            'two_factor_since', c.totp_since,
            'provider_since', (
                select i.created_at from public.agent_identities i where i.agent_id = p_agent_id and i.issuer = p_issuer
            ),
            'recovery_codes', (select count(*) from public.recovery_codes r where r.agent_id = p_agent_id),
            'sessions', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'id', s.id, 'user_agent', s.user_agent, 'created_at', s.created_at, 'last_seen_at', s.last_seen_at,
                    'is_this', s.token_hash = p_token_hash
                ) order by s.token_hash = p_token_hash desc, s.last_seen_at desc), '[]')
                from public.agent_sessions s
                where s.agent_id = p_agent_id and s.created_at > now() - _supportchat.login_lasts()
                    and s.last_seen_at > now() - interval '30 minutes'
            )
        )
        from public.agents a
        left join public.agent_credentials c on c.agent_id = a.id
        where a.id = p_agent_id
    );
end $$;

-- Changes the name of an agent, which customers see.
create or replace function public.change_name(p_agent_id uuid, p_name text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    former text := (select name from public.agents where id = p_agent_id);
    who public.agents;
begin
    update public.agents set name = p_name where id = p_agent_id and is_active returning * into who;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    perform _supportchat.audit('name.changed', p_agent_id, jsonb_build_object('from', former, 'to', who.name));
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => p_agent_id);
    return _supportchat.colleague_json(who);
end $$;

-- Gives an agent another picture, by the key of the stored object; null for none. Returns the key of the former one, which
-- nothing needs any more.
create or replace function public.change_picture(p_agent_id uuid, p_key text)
returns text
language plpgsql
set search_path = ''
as $$
declare
    former text;
begin
    select picture_key into former from public.agents where id = p_agent_id and is_active for update;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    update public.agents set picture_key = p_key where id = p_agent_id;
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => p_agent_id);
    return former;
end $$;

-- Of an earlier version, without the logos of sites.
drop function if exists public.is_picture_of_agent(text);

-- Whether a stored object is the picture of an agent or the logo of a site, which everybody may see who knows its key. Nobody
-- guesses it.
create or replace function public.is_open_picture(p_key text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (select from public.agents where picture_key = p_key) or exists (select from public.sites where logo_path = p_key)
$$;

-- Ends login sessions of an agent, here and in every server process: the one that is named, or all but the one that asks.
-- Returns how many. PT404 when the one that is named is not theirs, or the one that asks has ended.
create or replace function public.end_agent_sessions(p_agent_id uuid, p_token_hash text, p_session_id uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    ended integer;
    own uuid := (select id from public.agent_sessions where token_hash = p_token_hash and agent_id = p_agent_id);
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    -- In the order of report_process, so that the two do not wait for each other in a circle.
    perform from public.agent_sessions where agent_id = p_agent_id order by token_hash for update;
    delete from public.agent_sessions
    where agent_id = p_agent_id and token_hash <> p_token_hash and (p_session_id is null or id = p_session_id);
    get diagnostics ended = row_count;
    if ended = 0 and p_session_id is not null then
        raise sqlstate 'PT404' using message = 'session_not_found';
    end if;
    -- A device that was lost may have a login that ended by itself: with all others it goes, too.
    perform _supportchat.log_devices_out(p_agent_id, coalesce(p_session_id, own), p_others => p_session_id is null);
    if ended > 0 then
        perform _supportchat.audit('session.ended', p_agent_id, jsonb_build_object('sessions', ended));
    end if;
    return ended;
end $$;

-- Gives an agent another password, ends every login session but the one that asks and every link for a password, and forgets the
-- browsers that they are known in but this one. PT404 when the session that asks has ended.
create or replace function public.change_password(p_agent_id uuid, p_password_hash text, p_token_hash text, p_browser text)
returns integer
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    update public.agent_credentials set password_hash = p_password_hash, changed_at = now() where agent_id = p_agent_id;
    if not found then
        raise sqlstate 'PT404' using message = 'agent_not_found';
    end if;
    delete from public.pending_logins where agent_id = p_agent_id;
    delete from public.one_time_links where agent_id = p_agent_id and purpose = 'password';
    delete from public.agent_browsers where agent_id = p_agent_id and token_hash is distinct from p_browser;
    perform _supportchat.audit('password.changed', p_agent_id, '{"by": "self"}');
    return public.end_agent_sessions(p_agent_id, p_token_hash);
end $$;

select _supportchat.record_script('functions/account.sql', '37ecb0947e57');

-- people.sql: who is let in, who is shut out, and what an admin does about it. Safe to run again.
-- p_agent_id is the admin who acts.

-- Whether an agent could log in if they are not disabled: with a password, or by the provider that offer_setup was told of last.
create or replace function _supportchat.has_way_in(p_agent_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (select from public.agent_credentials where agent_id = p_agent_id)
        or exists (
            select from public.agent_identities where agent_id = p_agent_id and issuer = _supportchat.setting('oidc_issuer') #>> '{}'
        )
$$;

-- Whether there is an admin who can log in: somebody has to be able to let others in.
create or replace function _supportchat.has_admin()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from public.agents a
        join public.role_rights r on r.role = a.role and r.right_name = 'manage_people'
        where a.is_active and _supportchat.has_way_in(a.id)
    )
$$;

-- Refuses what has left the desk without an admin: PT409. Whoever calls it holds the assignment lock, so of two admins who
-- demote each other at the same moment one is refused.
create or replace function _supportchat.keep_an_admin()
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if not _supportchat.has_admin() then
        raise sqlstate 'PT409' using message = 'last_admin';
    end if;
end $$;

-- Finds somebody whom an admin wants to change, locked. PT404 when there is nobody of that id.
create or replace function _supportchat.person_to_change(p_person_id uuid)
returns public.agents
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
begin
    select * into person from public.agents where id = p_person_id for no key update;
    if not found then
        raise sqlstate 'PT404' using message = 'person_not_found';
    end if;
    return person;
end $$;

-- Everybody who can log in or once could, those who can first, and the invitations that nobody has accepted yet.
create or replace function public.list_people(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    return jsonb_build_object(
        'two_factor_required', _supportchat.setting('two_factor_required'),
        'people', (
            select coalesce(jsonb_agg(known.agent || jsonb_build_object(
                'is_active', a.is_active,
                'disabled_at', case when not a.is_active then a.disabled_at end,
                'is_demo', a.is_demo,
                'has_password', c.agent_id is not null,
                'has_way_in', _supportchat.has_way_in(a.id),
                'has_two_factor', c.totp_secret is not null,
                'here', a.is_active and a.lease_expires_at > now() is true,
                -- A lease lasts for 45 seconds after the page was last open.
                'last_seen_at', case
                    when a.lease_expires_at > now() then now()
                    else a.lease_expires_at - interval '45 seconds'
                end,
                'open_tickets', (select count(*) from public.tickets t where t.status = 'open' and t.assigned_agent_id = a.id),
                'link', case when l.token_hash is not null then jsonb_build_object('id', l.id, 'expires_at', l.expires_at) end
            ) order by a.is_active desc, lower(a.name), a.id), '[]')
            from public.agents a
            join _supportchat.colleagues_json((select array_agg(id) from public.agents)) as known on known.agent_id = a.id
            left join public.agent_credentials c on c.agent_id = a.id
            left join public.one_time_links l on l.agent_id = a.id and l.purpose = 'password' and _supportchat.is_good_link(l)
        ),
        'invited', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', id, 'email', email, 'role', role, 'by', _supportchat.person_json(created_by),
                'created_at', created_at, 'expires_at', expires_at, 'is_over', not _supportchat.is_good_link(l)
            ) order by created_at desc, id), '[]')
            from public.one_time_links l where purpose = 'invitation'
        )
    );
end $$;

-- How long an invitation is valid.
create or replace function _supportchat.invitation_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '7 days'
$$;

-- Invites somebody: the link of this token makes them an agent of that role within a week. An earlier invitation of the same
-- address ends. PT409 when the address has an account.
create or replace function public.invite_person(
    p_agent_id uuid, p_token_hash text, p_email text, p_role text default 'agent', p_max_tickets integer default 5
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links;
    present public.agents;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    if not exists (select from public.role_rights where role = p_role) then
        raise sqlstate 'PT422' using message = 'role_unknown';
    end if;
    select * into present from public.agents where lower(email) = lower(p_email);
    if found then
        raise sqlstate 'PT409' using
            message = case when present.is_active then 'email_taken' else 'email_of_disabled' end, detail = present.name;
    end if;
    link := _supportchat.make_link(
        p_token_hash, 'invitation', _supportchat.invitation_lasts(), p_agent_id, p_email => p_email, p_role => p_role,
        p_max_tickets => p_max_tickets
    );
    perform _supportchat.audit(
        'person.invited', p_agent_id, jsonb_build_object('link', link.id, 'email', link.email, 'role', link.role)
    );
    return jsonb_build_object('email', link.email, 'expires_at', link.expires_at);
end $$;

-- Gives an invitation another token, and another week. PT404 when there is none of that id.
create or replace function public.renew_invitation(p_agent_id uuid, p_link_id uuid, p_token_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    update public.one_time_links set
        token_hash = p_token_hash, expires_at = now() + _supportchat.invitation_lasts(), created_by = p_agent_id, created_at = now()
    where id = p_link_id and purpose = 'invitation'
    returning * into link;
    if not found then
        raise sqlstate 'PT404' using message = 'invitation_not_found';
    end if;
    perform _supportchat.audit(
        'person.invited', p_agent_id, jsonb_build_object('link', link.id, 'email', link.email, 'role', link.role)
    );
    return jsonb_build_object('email', link.email, 'expires_at', link.expires_at);
end $$;

-- Makes a link with which somebody sets a new password within a day, in place of an earlier one. PT409 when they are disabled.
create or replace function public.make_password_link(p_agent_id uuid, p_person_id uuid, p_token_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
    link public.one_time_links;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    if not person.is_active then
        raise sqlstate 'PT409' using message = 'agent_deactivated', detail = person.name;
    end if;
    link := _supportchat.make_link(p_token_hash, 'password', interval '1 day', p_agent_id, person.id);
    perform _supportchat.audit('password.link_made', p_agent_id, jsonb_build_object('person', person.id, 'link', link.id));
    return jsonb_build_object('email', person.email, 'expires_at', link.expires_at);
end $$;

-- Withdraws an invitation, or a link for a password. Nothing happens when it was used or withdrawn before.
create or replace function public.withdraw_link(p_agent_id uuid, p_link_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    delete from public.one_time_links where id = p_link_id and purpose <> 'setup' returning * into link;
    if found then
        perform _supportchat.audit('link.withdrawn', p_agent_id, jsonb_build_object('link', link.id, 'purpose', link.purpose));
    end if;
end $$;

-- Gives somebody another role. A right to manage people that they lose takes the links with it that they have made. The caller holds
-- the assignment lock, and sees to it that there is an admin.
create or replace function _supportchat.give_role(p_person public.agents, p_role text, p_by uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    update public.agents set role = p_role where id = p_person.id;
    if not _supportchat.has_right(p_person.id, 'manage_people') then
        delete from public.one_time_links where created_by = p_person.id;
    end if;
    perform _supportchat.audit('person.role_changed', p_by, jsonb_build_object(
        'person', p_person.id, 'from', p_person.role, 'to', p_role
    ));
end $$;

-- Changes the name, the role or the limit of somebody, whatever is given. PT409 for the role of the last admin.
create or replace function public.change_person(
    p_agent_id uuid, p_person_id uuid, p_name text default null, p_role text default null, p_max_tickets integer default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    former public.agents;
    person public.agents;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    former := _supportchat.person_to_change(p_person_id);
    if p_role is not null and not exists (select from public.role_rights where role = p_role) then
        raise sqlstate 'PT422' using message = 'role_unknown';
    end if;
    if p_role <> former.role then
        perform _supportchat.give_role(former, p_role, p_agent_id);
        perform _supportchat.keep_an_admin();
    end if;
    update public.agents set name = coalesce(p_name, name), max_tickets = coalesce(p_max_tickets, max_tickets)
    where id = p_person_id
    returning * into person;
    if person.name <> former.name then
        perform _supportchat.audit('person.renamed', p_agent_id, jsonb_build_object(
            'person', person.id, 'from', former.name, 'to', person.name
        ));
    end if;
    if person.max_tickets <> former.max_tickets then
        perform _supportchat.audit('person.limit_changed', p_agent_id, jsonb_build_object(
            'person', person.id, 'from', former.max_tickets, 'to', person.max_tickets
        ));
        perform _supportchat.drain_queue();
    end if;
    perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => person.id);
    return _supportchat.colleague_json(person);
end $$;

-- Shuts somebody out: login sessions, links, and tickets, which go back to the queue. Gives how many tickets. The caller
-- holds the assignment lock.
create or replace function _supportchat.shut_out(p_person_id uuid, p_actor_id uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
    candidate uuid;
    ticket public.tickets;
    is_wanted boolean;
    returned integer := 0;
begin
    -- In the order of report_process, as set_password does.
    perform from public.agent_sessions where agent_id = p_person_id order by token_hash for update;
    delete from public.agent_sessions where agent_id = p_person_id;
    update public.agents set is_active = false, disabled_at = now(), lease_expires_at = least(lease_expires_at, now())
    where id = p_person_id;
    is_wanted := _supportchat.has_taker(p_person_id);
    for candidate in
        select session_id from public.tickets where status = 'open' and assigned_agent_id = p_person_id
        order by awaiting_since, number
    loop
        ticket := _supportchat.lock_ticket(candidate);
        if ticket.status = 'open' and ticket.assigned_agent_id = p_person_id then
            perform _supportchat.return_to_queue(
                ticket, is_wanted, 'agent_disabled', case when p_actor_id is null then 'system' else 'agent' end, p_actor_id
            );
            returned := returned + 1;
        end if;
    end loop;
    perform _supportchat.note_absent_agents();
    perform _supportchat.drain_queue();
    return returned;
end $$;

-- Disables somebody: they are logged out everywhere, and their tickets go back to the queue. PT409 for the last admin.
create or replace function public.disable_person(p_agent_id uuid, p_person_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
    returned integer := 0;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    if person.is_active then
        returned := _supportchat.shut_out(person.id, p_agent_id);
        delete from public.ticket_drafts where agent_id = person.id;
        delete from public.held_replies where agent_id = person.id and due_at is null;
        perform _supportchat.keep_an_admin();
        perform _supportchat.audit('person.disabled', p_agent_id, jsonb_build_object('person', person.id, 'tickets', returned));
    end if;
    return jsonb_build_object('name', person.name, 'returned', returned);
end $$;

-- Lets somebody in again who was disabled. They log in as they did before.
create or replace function public.enable_person(p_agent_id uuid, p_person_id uuid)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.demand_right(p_agent_id, 'manage_people');
    person := _supportchat.person_to_change(p_person_id);
    if not person.is_active then
        update public.agents set is_active = true, disabled_at = null where id = person.id;
        perform _supportchat.audit('person.enabled', p_agent_id, jsonb_build_object('person', person.id));
        perform _supportchat.log_event('agent.changed', null, p_actor => 'agent', p_agent_id => person.id);
    end if;
    return jsonb_build_object('name', person.name, 'has_way_in', _supportchat.has_way_in(person.id));
end $$;

-- Disables the demo accounts that still have the password of the demo, and forgets it: others can reach the desk now. Gives
-- their addresses.
create or replace function public.close_demo_accounts()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    person public.agents;
    closed jsonb := '[]';
begin
    perform _supportchat.lock_assignment();
    for person in
        select a.* from public.agents a
        join public.agent_credentials c on c.agent_id = a.id
        where a.is_demo
        order by a.email
    loop
        delete from public.agent_credentials where agent_id = person.id;
        perform _supportchat.shut_out(person.id);
        perform _supportchat.audit('person.disabled', null, jsonb_build_object('person', person.id, 'reason', 'demo'));
        closed := closed || to_jsonb(person.email);
    end loop;
    return closed;
end $$;

select _supportchat.record_script('functions/people.sql', '28c99e3a00d1');

-- links.sql: links that somebody follows once, to set the desk up, to join it, or to set a new password. Safe to run again.
-- A link is known by the SHA-256 of its token, which nobody can read anywhere but in the link itself.

-- Makes a link, and forgets those that ended a month ago. It is the only one of its kind for an agent or an address.
create or replace function _supportchat.make_link(
    p_token_hash text, p_purpose text, p_lasts interval, p_created_by uuid default null, p_agent_id uuid default null,
    p_email text default null, p_role text default null, p_max_tickets integer default null
)
returns public.one_time_links
language plpgsql
set search_path = ''
as $$
declare
    made public.one_time_links;
begin
    delete from public.one_time_links
    where expires_at < now() - interval '30 days' or (
        purpose = p_purpose and agent_id is not distinct from p_agent_id
        and lower(email) is not distinct from lower(p_email)
    );
    insert into public.one_time_links (token_hash, purpose, expires_at, created_by, agent_id, email, role, max_tickets)
    values (p_token_hash, p_purpose, now() + p_lasts, p_created_by, p_agent_id, p_email, p_role, p_max_tickets)
    returning * into made;
    return made;
end $$;

-- Whether a link still counts: it is not over, and whoever has made it may still do so. Whatever takes that right away deletes their
-- links, but one that is being made at the same moment cannot be seen by it.
create or replace function _supportchat.is_good_link(p_link public.one_time_links)
returns boolean
language sql
stable
set search_path = ''
as $$
    select p_link.expires_at > now() and (p_link.created_by is null or _supportchat.has_right(p_link.created_by, 'manage_people'))
$$;

-- Uses a link up, and gives it. PT404 for one that is used, withdrawn, over, made for something else, or never was one.
create or replace function _supportchat.take_link(p_token_hash text, p_purpose text)
returns public.one_time_links
language plpgsql
set search_path = ''
as $$
declare
    taken public.one_time_links;
begin
    delete from public.one_time_links as link
    where token_hash = p_token_hash and purpose = p_purpose and _supportchat.is_good_link(link)
    returning * into taken;
    if not found or (p_purpose = 'setup' and _supportchat.has_admin()) then
        raise sqlstate 'PT404' using message = 'link_unknown';
    end if;
    return taken;
end $$;

-- What a link is for, without using it up: null for one that take_link would refuse.
create or replace function public.show_link(p_token_hash text)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'purpose', l.purpose, 'email', coalesce(a.email, l.email), 'name', a.name, 'expires_at', l.expires_at
    )
    from public.one_time_links l
    left join public.agents a on a.id = l.agent_id
    where l.token_hash = p_token_hash and _supportchat.is_good_link(l)
        and case l.purpose
            when 'setup' then not _supportchat.has_admin()
            when 'password' then a.is_active
            when 'handover' then false  -- see show_handover
            else true
        end
$$;

-- Of an earlier version, for which everybody could log in whom any provider had named.
drop function if exists public.offer_setup(text);

-- Offers the link of this token to set up the first admin, for an hour, in place of an earlier one. 'offered' is false when
-- there is an admin who can log in. p_issuer is the provider with which agents log in from now on: null for none.
create or replace function public.offer_setup(p_token_hash text, p_issuer text default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.lock_assignment();
    delete from public.desk_settings where name = 'oidc_issuer' and p_issuer is null;
    insert into public.desk_settings (name, value) select 'oidc_issuer', to_jsonb(p_issuer) where p_issuer is not null
    on conflict (name) do update set value = excluded.value where desk_settings.value <> excluded.value;
    if _supportchat.has_admin() then
        delete from public.one_time_links where purpose = 'setup';
        return jsonb_build_object('offered', false);
    end if;
    perform _supportchat.make_link(p_token_hash, 'setup', interval '1 hour');
    perform _supportchat.audit('setup.offered', null);
    return jsonb_build_object('offered', true);
end $$;

-- Makes the first admin, with the link that offer_setup has offered. PT409 when the e-mail address is taken.
create or replace function public.set_up(p_token_hash text, p_name text, p_email text, p_password_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.lock_assignment();
    perform _supportchat.take_link(p_token_hash, 'setup');
    return public.create_agent(p_name, p_email, p_password_hash, 'admin');
end $$;

-- Makes an agent of somebody who was invited. PT409 when the address has an account by now.
create or replace function public.accept_invitation(p_token_hash text, p_name text, p_password_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links := _supportchat.take_link(p_token_hash, 'invitation');
    joined jsonb := public.create_agent(p_name, link.email, p_password_hash, link.role, link.max_tickets);
begin
    perform _supportchat.audit('person.joined', (joined ->> 'id')::uuid, jsonb_build_object('link', link.id));
    return joined;
end $$;

-- Sets a new password with a link, and ends every login session of its agent.
create or replace function public.use_password_link(p_token_hash text, p_password_hash text)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    -- The agent first, then the link, as make_password_link does.
    select * into who from public.agents
    where id = (select agent_id from public.one_time_links where token_hash = p_token_hash) and is_active for no key update;
    perform _supportchat.take_link(p_token_hash, 'password');
    if who.id is null then
        raise sqlstate 'PT404' using message = 'link_unknown';
    end if;
    perform _supportchat.set_password(who.id, p_password_hash);
    perform _supportchat.audit('password.changed', who.id, jsonb_build_object('by', 'link'));
    return _supportchat.colleague_json(who);
end $$;

select _supportchat.record_script('functions/links.sql', 'e0c3e13f43fe');

-- widget.sql: what the chat on another site's page needs: how much is unread, where the customer is, and the link that takes the
-- chat along into a window of its own. Safe to run again.

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

-- identities.sql: who agents are to an OpenID Connect provider, and logins that are on their way there. Safe to run again.
-- The server checks what the provider says (docs/oidc.md); who that is, and whether they get in, is decided here.

-- How long somebody may take at the provider.
create or replace function _supportchat.flow_lasts()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '10 minutes'
$$;

-- Forgets who took too long at the provider, and the oldest of too many: those beyond 99 of an address, if one is given, and beyond
-- 9,999 in all.
create or replace function _supportchat.forget_flows(p_address text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    -- One transaction at a time: two that take the same rows in another order would wait in a circle.
    if not pg_catalog.pg_try_advisory_xact_lock(7308332048) then
        return;
    end if;
    delete from public.provider_flows where state_hash in (
        (select state_hash from public.provider_flows where created_at < now() - _supportchat.flow_lasts() limit 100)
        union all
        (select state_hash from public.provider_flows where address = p_address order by created_at desc offset 99 limit 100)
        union all
        (select state_hash from public.provider_flows order by created_at desc offset 9999 limit 100)
    );
end $$;

-- Of an earlier version, which counted every one for the address.
drop function if exists public.begin_provider_flow(text, text, text, text, text, text, text, text, text, text, jsonb);

-- Notes that a browser is sent to the provider, and what for. It counts for a browser in which an agent has logged in before, by its
-- key p_known, else for the address, and never against logins with a password. Of too many that have not come back the oldest are
-- forgotten: those of the address first, then any. PT429 when it was done too often.
create or replace function public.begin_provider_flow(
    p_state_hash text, p_browser text, p_issuer text, p_nonce text, p_code_verifier text, p_purpose text, p_address text,
    p_target text default null, p_link_hash text default null, p_session_hash text default null, p_limits jsonb default '{}',
    p_known text default ''
)
returns void
language plpgsql
set search_path = ''
as $$
begin
    if exists (select from public.agent_browsers where token_hash = p_known) then
        perform _supportchat.take_token('logins', 'flow/browser/' || p_known, p_limits -> 'account');
    else
        perform _supportchat.take_token('logins', 'flow/address/' || p_address, p_limits -> 'address');
    end if;
    perform _supportchat.forget_flows(p_address);
    insert into public.provider_flows (
        state_hash, browser, issuer, nonce, code_verifier, purpose, address, target, link_hash, session_hash
    ) values (
        p_state_hash, p_browser, p_issuer, p_nonce, p_code_verifier, p_purpose, p_address, p_target, p_link_hash, p_session_hash
    );
end $$;

-- Uses up what was noted about a browser that comes back: null when it was used before, has taken too long, or began in another
-- browser.
create or replace function public.take_provider_flow(p_state_hash text, p_browser text)
returns jsonb
language sql
set search_path = ''
as $$
    delete from public.provider_flows
    where state_hash = p_state_hash and browser = p_browser and created_at > now() - _supportchat.flow_lasts()
    returning jsonb_build_object(
        'issuer', issuer, 'nonce', nonce, 'code_verifier', code_verifier, 'purpose', purpose, 'target', target,
        'link_hash', link_hash, 'session_hash', session_hash
    )
$$;

-- Binds an identity to an agent, and notes how that came: 'invitation', 'account' or 'rule'. PT409 when it is somebody else's, or the
-- agent has another one of this issuer.
create or replace function _supportchat.bind_identity(p_agent_id uuid, p_issuer text, p_subject text, p_by text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into public.agent_identities (issuer, subject, agent_id) values (p_issuer, p_subject, p_agent_id)
    on conflict do nothing;
    if not found then
        raise sqlstate 'PT409' using message = case
            when exists (select from public.agent_identities where issuer = p_issuer and subject = p_subject and agent_id <> p_agent_id)
                then 'identity_taken'
            else 'identity_connected'
        end;
    end if;
    perform _supportchat.audit('identity.bound', p_agent_id, jsonb_build_object('issuer', p_issuer, 'by', p_by));
end $$;

-- The agent whom a provider names by issuer and subject: null when nobody is bound to them, or who is was disabled. p_role is what the
-- provider's claim makes of them, null for no say; the last admin keeps their role. Where a rule gives this account of the provider one
-- here, p_account has its name, email and role, and it is made. PT409 when the address is that of another account: an address alone
-- binds nobody.
create or replace function public.agent_of_identity(
    p_issuer text, p_subject text, p_role text default null, p_account jsonb default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    who public.agents;
begin
    if p_role is not null or p_account is not null then
        perform _supportchat.lock_assignment();
    end if;
    select a.* into who from public.agents a
    join public.agent_identities i on i.agent_id = a.id
    where i.issuer = p_issuer and i.subject = p_subject;
    if not found and p_account is not null then
        return _supportchat.join_by_identity(p_issuer, p_subject, p_account ->> 'name', p_account ->> 'email', p_account ->> 'role', 'rule');
    elsif who.is_active is not true then
        return null;
    end if;
    if p_role <> who.role then
        perform _supportchat.follow_claim(who, p_role);
    end if;
    return (select _supportchat.colleague_json(a) from public.agents a where a.id = who.id);
end $$;

-- Gives an agent the role that a claim of the provider demands, unless nobody would be left who can let others in.
create or replace function _supportchat.follow_claim(p_person public.agents, p_role text)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.give_role(p_person, p_role, null);
    perform _supportchat.keep_an_admin();
    perform _supportchat.log_event('agent.changed', null, p_actor => 'system', p_agent_id => p_person.id);
exception when sqlstate 'PT409' then
    null;
end $$;

-- Makes an agent who logs in by the provider, and has no password here. PT409 when the address is that of another account, whoever
-- can use that, or the identity somebody else's.
create or replace function _supportchat.join_by_identity(
    p_issuer text, p_subject text, p_name text, p_email text, p_role text, p_by text, p_max_tickets integer default 5
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    joined jsonb;
begin
    if exists (select from public.agents where lower(email) = lower(p_email)) then
        raise sqlstate 'PT409' using message = 'provider_email_taken';
    end if;
    joined := public.create_agent(
        coalesce(nullif(p_name, ''), left(split_part(p_email, '@', 1), 80)), p_email, null, p_role, p_max_tickets
    );
    perform _supportchat.bind_identity((joined ->> 'id')::uuid, p_issuer, p_subject, p_by);
    return joined;
end $$;

-- Makes an agent of somebody who was invited and comes from the provider instead of choosing a password. p_email is an address that the
-- provider has verified, null for none: PT409 when it is another one than was invited; then the invitation can still be used.
create or replace function public.accept_invitation_by_identity(
    p_token_hash text, p_issuer text, p_subject text, p_name text, p_email text default null
)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    link public.one_time_links := _supportchat.take_link(p_token_hash, 'invitation');
    joined jsonb;
begin
    if lower(p_email) <> lower(link.email) then
        raise sqlstate 'PT409' using message = 'provider_email_other';
    end if;
    joined := _supportchat.join_by_identity(
        p_issuer, p_subject, p_name, link.email, link.role, 'invitation', link.max_tickets
    );
    perform _supportchat.audit('person.joined', (joined ->> 'id')::uuid, jsonb_build_object('link', link.id));
    return joined;
end $$;

-- Of an earlier version, which did not ask by which login session.
drop function if exists public.connect_identity(uuid, text, text);
drop function if exists public.disconnect_identity(uuid, text);

-- Connects an identity with the agent who is logged in. PT404 when the login session that asks has ended, PT409 when it is somebody
-- else's, or they have another one of this issuer.
create or replace function public.connect_identity(p_agent_id uuid, p_issuer text, p_subject text, p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    perform _supportchat.bind_identity(p_agent_id, p_issuer, p_subject, 'account');
end $$;

-- Takes the identity of an issuer from the agent who is logged in. PT404 when the login session that asks has ended, PT409 when they
-- could not log in any more.
create or replace function public.disconnect_identity(p_agent_id uuid, p_issuer text, p_token_hash text default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_session(p_agent_id, p_token_hash);
    if not exists (select from public.agent_credentials where agent_id = p_agent_id) then
        raise sqlstate 'PT409' using message = 'provider_is_only_way';
    end if;
    delete from public.pending_logins where agent_id = p_agent_id and how = 'provider';
    delete from public.agent_identities where agent_id = p_agent_id and issuer = p_issuer;
    if found then
        perform _supportchat.audit('identity.unbound', p_agent_id, jsonb_build_object('issuer', p_issuer));
    end if;
end $$;

select _supportchat.record_script('functions/identities.sql', '68dcf7f30eb5');

-- alerts.sql: who is told that somebody writes, when, and how they were reached. Safe to run again.

-- Looks whether what has our names is ours, and stops if not: see docs/sql.md. Written by bin/migrate stamp.

-- How long an agent who has the desk open may take before their other devices are told as well.
create or replace function _supportchat.alert_patience()
returns interval
language sql
immutable
set search_path = ''
as $$
    select interval '20 seconds'
$$;

-- How often a notification is tried before it is given up: with the waits in between that takes about ten minutes.
create or replace function _supportchat.most_tries()
returns integer
language sql
immutable
set search_path = ''
as $$
    select 5
$$;

-- What an agent wants to be told of, and how.
create or replace function _supportchat.alert_settings_of(p_agent_id uuid)
returns public.alert_choices
language sql
stable
set search_path = ''
as $$
    select coalesce(
        (select s from public.alert_choices s where s.agent_id = p_agent_id),
        -- By their names: a column that an update has added stands at the end.
        jsonb_populate_record(null::public.alert_choices, jsonb_build_object(
            'agent_id', p_agent_id, 'scope', 'unassigned', 'sound', true, 'desktop', true, 'push', true, 'shows_text', false,
            'time_zone', 'UTC'
        ))
    )
$$;

-- When the quiet hours end in which somebody is: now, if they are in none. They may go past midnight.
create or replace function _supportchat.quiet_until(p_settings public.alert_choices, p_now timestamptz default now())
returns timestamptz
language plpgsql
stable
set search_path = ''
as $$
declare
    here timestamp := p_now at time zone p_settings.time_zone;
    starts time := p_settings.quiet_from::time;
    ends time := p_settings.quiet_until::time;
    is_quiet boolean := case
        when starts is null or starts = ends then false
        when starts < ends then here::time >= starts and here::time < ends
        else here::time >= starts or here::time < ends
    end;
begin
    if not is_quiet then
        return p_now;
    end if;
    return (here::date + case when here::time < ends then 0 else 1 end + ends) at time zone p_settings.time_zone;
end $$;

-- The conversations of which the log has gained something that decides who is told, for a reader who acts on each event once:
-- only of transactions that no running one can still come before. p_limit bounds the events of one look; 'more' says that
-- there are more, 'unsettled' that some are not to be read yet. A reader begins at the end of the log, and so in each history.
create or replace function _supportchat.read_log_once(p_reader text, p_limit integer)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    reader public.event_readers;
    horizon xid8 := pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot());
    found_events record;
begin
    select * into reader from public.event_readers where name = p_reader for update;
    if not found or reader.epoch <> public.database_epoch() then
        insert into public.event_readers (name, epoch, transaction, id) values (p_reader, public.database_epoch(), horizon, 0)
        on conflict (name) do update set epoch = excluded.epoch, transaction = excluded.transaction, id = 0;
        return '{"sessions": [], "more": false, "unsettled": false}';
    end if;
    select count(*) as read, max(transaction::text::numeric) as last_transaction,
        (array_agg(id order by transaction desc, id desc))[1] as last_id,
        coalesce(jsonb_agg(distinct session_id) filter (where session_id is not null and (
            kind in ('ticket.opened', 'ticket.changed', 'mention.added', 'mention.read') or (kind = 'message.posted' and actor = 'customer')
            or (kind = 'receipt.recorded' and agent_id is not null)
        )), '[]') as sessions
    into found_events
    from (
        select * from public.events e
        where (e.transaction, e.id) > (reader.transaction, reader.id) and e.transaction < horizon
        order by e.transaction, e.id limit p_limit
    ) as page;
    if found_events.read > 0 then
        update public.event_readers set transaction = found_events.last_transaction::text::xid8, id = found_events.last_id
        where name = p_reader;
    end if;
    return jsonb_build_object(
        'sessions', found_events.sessions, 'more', found_events.read = p_limit,
        -- By the end of the index: for an exists() the planner would rather read the table, to its end where there is none.
        'unsettled', coalesce((select e.transaction from public.events e order by e.transaction desc limit 1) >= horizon, false)
    );
end $$;

-- Of an earlier version, in which nobody was mentioned.
drop function if exists _supportchat.wanted_alerts(uuid[]);
drop function if exists _supportchat.alert_json(uuid);
drop function if exists _supportchat.tell_pages(uuid, uuid[]);

-- Who is to know that the customer of some conversations waits, and why: whoever has the ticket and has not read it; while nobody
-- has it, those who take new ones and want to know; those who want to know of all. Who was told because its agent did not come
-- is to know until that one has read. Not who may not see the desk before they have two-factor.
create or replace function _supportchat.awaited_agents(p_session_ids uuid[])
returns table (agent_id uuid, session_id uuid, lines integer, why text)
language sql
stable
set search_path = ''
as $$
    -- Once for all conversations: to look whether somebody needs two-factor takes longer than the rest.
    with able as materialized (
        select a.* from public.agents a
        where a.is_active and not _supportchat.needs_two_factor(a)
            and exists (select from public.role_rights r where r.role = a.role and r.right_name = 'answer')
    )
    select a.id, s.session_id, s.customer_lines, case
        when t.assigned_agent_id = a.id then 'mine' when t.status = 'waiting' then 'waiting'
        when w.scope = 'all' then 'all' else 'next'
    end
    from unnest(p_session_ids) as asked (id)
    join public.user_sessions s on s.session_id = asked.id
    -- As ticket_of_session has it.
    cross join lateral (
        select * from public.tickets where session_id = s.session_id order by status = 'closed', number desc limit 1
    ) as t
    cross join able as a
    left join public.alert_choices w on w.agent_id = a.id
    left join public.ticket_reads mine on mine.agent_id = a.id and mine.session_id = s.session_id
    where t.status <> 'closed' and t.held is null and t.snoozed_until is null and s.erased_at is null
        and s.customer_lines > coalesce(mine.read_lines, 0)
        and (
            t.assigned_agent_id = a.id
            or (t.awaiting_since is not null and case t.status
                when 'waiting' then a.availability = 'available' and coalesce(w.scope, 'unassigned') <> 'mine'
                else coalesce(w.scope = 'all', false) or exists (
                    select from public.agent_alerts known
                    where known.agent_id = a.id and known.session_id = s.session_id and known.why = 'next'
                        and s.customer_lines > coalesce((
                            select r.read_lines from public.ticket_reads r
                            where r.agent_id = t.assigned_agent_id and r.session_id = s.session_id
                        ), 0)
                )
            end)
        )
$$;

-- The newest note of a conversation that mentions an agent, and that they have not read; null for none.
create or replace function _supportchat.mention_of(p_agent_id uuid, p_session_id uuid)
returns integer
language sql
stable
set search_path = ''
as $$
    select max(note_no) from public.note_mentions
    where agent_id = p_agent_id and session_id = p_session_id and read_at is null
$$;

-- Who is to know of some conversations: of the customer, of a note that mentions them, or of both. The customer's wait is the reason
-- then.
create or replace function _supportchat.wanted_alerts(p_session_ids uuid[])
returns table (agent_id uuid, session_id uuid, lines integer, note_no integer, why text)
language sql
stable
set search_path = ''
as $$
    with mentioned as materialized (
        select m.agent_id, m.session_id, max(m.note_no) as note_no
        from public.note_mentions m
        join public.agents a on a.id = m.agent_id and a.is_active
        where m.session_id = any (p_session_ids) and m.read_at is null
            and exists (select from public.role_rights r where r.role = a.role and r.right_name = 'answer')
            and not _supportchat.needs_two_factor(a)
        group by m.agent_id, m.session_id
    )
    select agent_id, session_id, coalesce(awaited.lines, 0), coalesce(mentioned.note_no, 0), coalesce(awaited.why, 'mentioned')
    from _supportchat.awaited_agents(p_session_ids) as awaited
    full join mentioned using (agent_id, session_id)
$$;

-- After how long the next one is told when nobody has come; null for never.
create or replace function _supportchat.passes_after()
returns interval
language sql
stable
set search_path = ''
as $$
    select make_interval(mins => (_supportchat.setting('alert_next_minutes') #>> '{}')::integer)
$$;

-- What is shown of a conversation to who is told of it: who writes, and the last that they wrote; or the note that mentions them,
-- and by whom it is.
create or replace function _supportchat.alert_json(p_session_id uuid, p_note_no integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'number', t.number,
        'customer_name', coalesce(p.name, s.customer_name),
        'message', left(m.message, 200),
        'has_image', m.image_id is not null,
        'mention', (
            select jsonb_build_object('agent', _supportchat.person_json(n.agent_id), 'note', left(n.note, 200))
            from public.ticket_notes n where n.session_id = s.session_id and n.note_no = p_note_no
        )
    )
    from public.user_sessions s
    cross join lateral _supportchat.ticket_of_session(s.session_id) as t
    left join public.persons p on p.visitor_id = s.visitor_id
    left join lateral (
        select * from public.chat_messages c where c.session_id = s.session_id and c.sender = 'user' order by c.seq desc limit 1
    ) as m on true
    where s.session_id = p_session_id
$$;

-- Tells the open pages of some agents of a conversation, or of a note there that mentions them. How each is told is theirs to say: by
-- sound, by a notification, with the text. Who has quiet hours is left out.
create or replace function _supportchat.tell_pages(p_session_id uuid, p_agent_ids uuid[], p_note_no integer default null)
returns void
language sql
set search_path = ''
as $$
    -- Not more at once than a hint can hold.
    select _supportchat.notify_change(jsonb_build_object(
        'event', 'alert.raised', 'session_id', p_session_id, 'agents', told.agents,
        'about', _supportchat.alert_json(p_session_id, p_note_no)
    ))
    from (
        select jsonb_object_agg(id, jsonb_build_object('sound', w.sound, 'desktop', w.desktop, 'text', w.shows_text)) as agents
        from unnest(p_agent_ids) with ordinality as listed (id, place)
        cross join lateral _supportchat.alert_settings_of(id) as w
        where _supportchat.quiet_until(w) <= now()
        group by place / 50
    ) as told
$$;

-- Has the devices of an agent notified: at once, or after a while if their desk is open, and not before their quiet hours end.
create or replace function _supportchat.push_alert(p_agent_id uuid, p_session_id uuid)
returns void
language sql
set search_path = ''
as $$
    insert into public.agent_pushes (device_id, session_id, due_at)
    select d.id, p_session_id, greatest(
        _supportchat.quiet_until(w),
        now() + case when a.lease_expires_at > now() then _supportchat.alert_patience() else '0' end
    )
    from public.agent_devices d
    join public.agents a on a.id = d.agent_id
    cross join lateral _supportchat.alert_settings_of(a.id) as w
    where d.agent_id = p_agent_id and w.push
    -- What told of its end: what is under way knows its former id.
    on conflict (device_id, session_id) do update set
        id = gen_random_uuid(), kind = 'alert', due_at = excluded.due_at, tries = 0, created_at = now(), sent_at = null,
        arrived_at = null
$$;

-- Ends alerts that nobody needs any more: on the pages of their agents, and on devices that may show them. Apple's take the
-- permission from who sends what is not shown, so nothing is sent to them; there it goes when the desk is opened.
create or replace function _supportchat.end_alerts(p_session_id uuid, p_agent_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
    delete from public.agent_alerts where session_id = p_session_id and agent_id = any (p_agent_ids);
    delete from public.agent_pushes p using public.agent_devices d
    where d.id = p.device_id and d.agent_id = any (p_agent_ids) and p.session_id = p_session_id
        and p.kind = 'alert' and p.tries = 0;
    update public.agent_pushes p set kind = 'end', due_at = now(), tries = 0, created_at = now()
    from public.agent_devices d
    where d.id = p.device_id and d.agent_id = any (p_agent_ids) and p.session_id = p_session_id
        and p.kind = 'alert' and d.endpoint !~ '^https://[^/]*\.push\.apple\.com[:/]';
    perform _supportchat.notify_change(jsonb_build_object(
        'event', 'alert.ended', 'session_id', p_session_id, 'agents', to_jsonb(p_agent_ids),
        'about', jsonb_build_object('number', (_supportchat.ticket_of_session(p_session_id)).number)
    ));
end $$;

-- Brings the alerts of some conversations up to date: whom nobody has to tell any more, and who is to be told.
create or replace function _supportchat.update_alerts(p_session_ids uuid[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    wanted jsonb := (select coalesce(jsonb_agg(to_jsonb(w)), '[]') from _supportchat.wanted_alerts(p_session_ids) as w);
    next_at timestamptz := now() + _supportchat.passes_after();
    chat record;
begin
    for chat in
        select a.session_id, array_agg(a.agent_id) as agents from public.agent_alerts a
        where a.session_id = any (p_session_ids) and not exists (
            select from jsonb_to_recordset(wanted) as w (agent_id uuid, session_id uuid)
            where w.agent_id = a.agent_id and w.session_id = a.session_id
        )
        group by a.session_id
    loop
        perform _supportchat.end_alerts(chat.session_id, chat.agents);
    end loop;
    update public.agent_alerts a set
        why = w.why, lines = case when w.why = 'mentioned' then 0 else a.lines end, passes_at = case when w.why = 'mine' then next_at end
    from jsonb_to_recordset(wanted) as w (agent_id uuid, session_id uuid, why text)
    where w.agent_id = a.agent_id and w.session_id = a.session_id and w.why <> a.why;
    for chat in
        with former as materialized (
            select agent_id, session_id, note_no from public.agent_alerts where session_id = any (p_session_ids)
        ), told as (
            insert into public.agent_alerts as known (agent_id, session_id, lines, note_no, why, passes_at)
            select w.agent_id, w.session_id, w.lines, w.note_no, w.why,
                case when w.why = 'mine' then next_at end
            from jsonb_to_recordset(wanted) as w (agent_id uuid, session_id uuid, lines integer, note_no integer, why text)
            order by w.agent_id
            on conflict (agent_id, session_id) do update set
                lines = greatest(known.lines, excluded.lines), note_no = greatest(known.note_no, excluded.note_no)
            where known.lines < excluded.lines or known.note_no < excluded.note_no
            returning known.*
        )
        select told.session_id, mention.note_no, array_agg(told.agent_id) as agents,
            array_agg(told.agent_id) filter (where told.raised_at = now() or mention.note_no is not null) as new_ones
        from told
        left join former using (agent_id, session_id)
        cross join lateral (
            select case when told.note_no > coalesce(former.note_no, 0) then told.note_no end as note_no
        ) as mention
        group by told.session_id, mention.note_no
    loop
        perform _supportchat.tell_pages(chat.session_id, chat.agents, chat.note_no);
        -- Once until they have read: a telephone need not ring for each line. A mention is told by itself.
        perform _supportchat.push_alert(agent_id, chat.session_id) from unnest(chat.new_ones) as agent_id;
    end loop;
end $$;

-- Who is told next when nobody has come to a conversation: who takes new tickets, is not quiet, can be reached and was not
-- told yet; those who are here first, then the least loaded.
create or replace function _supportchat.next_to_tell(p_session_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select a.id
    from public.agents a
    cross join lateral _supportchat.alert_settings_of(a.id) as w
    where a.is_active and a.availability = 'available' and _supportchat.quiet_until(w) <= now()
        and exists (select from public.role_rights r where r.role = a.role and r.right_name = 'answer')
        and not _supportchat.needs_two_factor(a)
        and not exists (
            select from public.agent_alerts k where k.agent_id = a.id and k.session_id = p_session_id and k.why <> 'mentioned'
        )
        and (
            a.lease_expires_at > now()
            or (w.push and exists (select from public.agent_devices d where d.agent_id = a.id))
        )
    order by a.lease_expires_at > now() is true desc, _supportchat.load_of_agent(a.id), a.id
    limit 1
$$;

-- Tells the next one of the conversations to which nobody has come in time, of 100 at once: there may be thousands.
create or replace function _supportchat.pass_alerts_on()
returns void
language plpgsql
set search_path = ''
as $$
declare
    late public.agent_alerts;
    colleague uuid;
begin
    for late in
        update public.agent_alerts set passes_at = null
        where (agent_id, session_id) in (
            select agent_id, session_id from public.agent_alerts where passes_at <= now() order by passes_at limit 100
        )
        returning *
    loop
        continue when not exists (
            select from public.tickets t
            where t.session_id = late.session_id and t.status = 'open' and t.awaiting_since is not null
        );
        colleague := _supportchat.next_to_tell(late.session_id);
        continue when colleague is null;
        insert into public.agent_alerts (agent_id, session_id, lines, why, passes_at)
        values (colleague, late.session_id, late.lines, 'next', now() + _supportchat.passes_after())
        on conflict (agent_id, session_id) do update set
            lines = excluded.lines, why = excluded.why, passes_at = excluded.passes_at;
        perform _supportchat.tell_pages(late.session_id, array[colleague]);
        perform _supportchat.push_alert(colleague, late.session_id);
    end loop;
end $$;

-- Whether there is something to do about alerts that no process has done: asked by those that nobody looks at, which may have
-- missed a hint.
create or replace function _supportchat.alerts_are_due()
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (select from public.agent_pushes where due_at <= now())
        or exists (select from public.agent_alerts where passes_at <= now())
        or exists (
            select from public.event_readers r
            join public.events e on (e.transaction, e.id) > (r.transaction, r.id)
            where r.name = 'alerts'
        )
$$;

-- Brings all alerts up to date with the log, and tells the next ones whose time has come. One process at a time does. 'due' says
-- whether notifications are to be sent now; 'next_in' is in how many seconds there is something to do again, null for nothing;
-- 'is_held_up' that it is to be tried again soon: another process is at it, or a transaction that runs holds back the log.
create or replace function public.advance_alerts()
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    news jsonb;
    next_at timestamptz;
begin
    if not pg_catalog.pg_try_advisory_xact_lock(7308332046) then
        return '{"due": false, "next_in": null, "is_held_up": true}';
    end if;
    news := _supportchat.read_log_once('alerts', 3000);
    perform _supportchat.update_alerts(array(select jsonb_array_elements_text(news -> 'sessions')::uuid));
    perform _supportchat.pass_alerts_on();
    next_at := case when (news ->> 'more')::boolean then now() else least(
        (select min(passes_at) from public.agent_alerts where passes_at is not null),
        (select min(due_at) from public.agent_pushes where due_at > now())
    ) end;
    return jsonb_build_object(
        'due', exists (select from public.agent_pushes where due_at <= now()),
        'next_in', extract(epoch from next_at - now()),
        'is_held_up', news -> 'unsettled'
    );
end $$;

-- Takes notifications that are due, for a minute: if they are not noted by then, their process has gone, and another one takes them.
-- Nothing of customers is sent to who may not see the desk any more.
create or replace function public.take_pushes(p_limit integer default 20)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    taken_ones jsonb;
begin
    delete from public.agent_pushes where id in (
        select p.id from public.agent_pushes p
        join public.agent_devices d on d.id = p.device_id
        join public.agents a on a.id = d.agent_id
        where p.due_at <= now() and p.kind = 'alert'
            and (not _supportchat.has_right(a.id, 'answer') or _supportchat.needs_two_factor(a))
        for update of p skip locked
    );
    with taken as (
        update public.agent_pushes set due_at = now() + interval '1 minute', tries = tries + 1
        where id in (
            select id from public.agent_pushes where due_at <= now() order by due_at limit p_limit for update skip locked
        )
        returning *
    )
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', p.id, 'kind', p.kind, 'tries', p.tries,
        'endpoint', d.endpoint, 'p256dh', d.p256dh, 'auth', d.auth,
        'language', coalesce(a.language, d.language), 'origin', d.origin,
        'session_id', p.session_id, 'about', _supportchat.alert_json(p.session_id, _supportchat.mention_of(a.id, p.session_id)),
        'shows_text', (_supportchat.alert_settings_of(a.id)).shows_text
    ) order by p.created_at, p.id), '[]')
    into taken_ones
    from taken p
    join public.agent_devices d on d.id = p.device_id
    join public.agents a on a.id = d.agent_id;
    return taken_ones;
end $$;

-- Notes what became of notifications that were sent: 'sent'; 'gone' when the device has no such address any more, which is
-- forgotten; 'later' to try again in so many seconds; 'failed'. problem is a code of why. What was tried too often is given up.
create or replace function public.note_pushes(p_results jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    said record;
    push public.agent_pushes;
begin
    for said in
        select * from jsonb_to_recordset(p_results) as r (id uuid, kind text, outcome text, problem text, seconds double precision)
        order by r.id
    loop
        select * into push from public.agent_pushes where id = said.id for update;
        continue when not found;
        if said.outcome = 'gone' then
            perform _supportchat.forget_device(push.device_id, 'gone');
            continue;
        end if;
        update public.agent_devices set
            sent_at = case when said.outcome = 'sent' and said.kind <> 'end' then now() else sent_at end,
            problem = case when said.outcome = 'sent' then null else left(said.problem, 80) end,
            problem_at = case when said.outcome = 'sent' then null else now() end
        where id = push.device_id;
        -- It has ended while it was on its way: that is sent next.
        continue when push.kind <> said.kind;
        if said.kind = 'end' and said.outcome <> 'later' then
            delete from public.agent_pushes where id = push.id;
        else
            update public.agent_pushes set
                sent_at = case when said.outcome = 'sent' then now() end,
                due_at = case
                    when said.outcome = 'later' and tries < _supportchat.most_tries()
                        then now() + make_interval(secs => least(said.seconds, 3600))
                end
            where id = push.id;
        end if;
    end loop;
end $$;

-- Notes that a device has shown a notification: whoever knows its id. It counts once.
create or replace function public.push_arrived(p_push_id uuid)
returns boolean
language sql
set search_path = ''
as $$
    with arrived as (
        update public.agent_pushes set arrived_at = now() where id = p_push_id and arrived_at is null returning device_id
    ), noted as (
        update public.agent_devices set arrived_at = now(), problem = null, problem_at = null
        where id in (select device_id from arrived)
        returning id
    )
    select exists (select from noted)
$$;

-- The key by which push services know the desk; null when there is none yet. With two keys, these are kept if there is none.
create or replace function public.push_keys(p_private_key text default null, p_public_key text default null)
returns jsonb
language plpgsql
set search_path = ''
as $$
begin
    if p_private_key is not null and p_public_key is not null then
        insert into public.desk_push_keys (only_row, private_key, public_key) values (true, p_private_key, p_public_key)
        on conflict do nothing;
    end if;
    return (select jsonb_build_object('private_key', private_key, 'public_key', public_key) from public.desk_push_keys);
end $$;

-- What an agent wants to be told of and how, and the devices on which they are reached, each with its last test.
create or replace function public.show_alerts(p_agent_id uuid)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    return jsonb_build_object(
        'settings', to_jsonb(_supportchat.alert_settings_of(p_agent_id)) - 'agent_id',
        'next_minutes', _supportchat.setting('alert_next_minutes'),
        'devices', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', d.id, 'endpoint_hash', encode(sha256(convert_to(d.endpoint, 'UTF8')), 'hex'), 'user_agent', d.user_agent, 'created_at', d.created_at, 'sent_at', d.sent_at,
                'arrived_at', d.arrived_at, 'problem', d.problem, 'problem_at', d.problem_at,
                'test', case when t.id is not null then jsonb_build_object(
                    'created_at', t.created_at, 'sent_at', t.sent_at, 'arrived_at', t.arrived_at,
                    'is_waiting', t.arrived_at is null and t.created_at > now() - interval '30 seconds'
                ) end
            ) order by d.created_at, d.id), '[]')
            from public.agent_devices d
            left join public.agent_pushes t on t.device_id = d.id and t.kind = 'test'
            where d.agent_id = p_agent_id
        )
    );
end $$;

-- Changes what an agent wants to be told of, and how: those of the settings that are named. PT422 for one that cannot be.
create or replace function public.change_alerts(p_agent_id uuid, p_values jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
    now_wanted public.alert_choices;
    nothing timestamptz;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    begin
        now_wanted := jsonb_populate_record(_supportchat.alert_settings_of(p_agent_id), p_values - 'agent_id');
        nothing := _supportchat.quiet_until(now_wanted);  -- which no zone or time can spoil later
        insert into public.alert_choices select now_wanted.*
        on conflict (agent_id) do update set
            scope = excluded.scope, sound = excluded.sound, desktop = excluded.desktop, push = excluded.push,
            shows_text = excluded.shows_text, quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until,
            time_zone = excluded.time_zone;
    exception when data_exception or integrity_constraint_violation then
        raise sqlstate 'PT422' using message = 'not_understood';
    end;
    if not now_wanted.push then
        delete from public.agent_pushes p using public.agent_devices d
        where d.id = p.device_id and d.agent_id = p_agent_id and p.kind = 'alert' and p.due_at is not null;
    end if;
end $$;

-- Has a browser of an agent notified from now on. One that was somebody else's is not notified for them any more. With
-- p_only_known it is what the browser says of itself when it opens the desk: one that its agent has removed stays so. Gives the id
-- of the device, or null. At most ten are kept: the one that was added first goes.
create or replace function public.add_device(
    p_agent_id uuid, p_endpoint text, p_p256dh text, p_auth text, p_origin text, p_user_agent text default null,
    p_language text default 'en', p_token_hash text default null, p_only_known boolean default false
)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    login uuid := (select s.id from public.agent_sessions s where s.token_hash = p_token_hash and s.agent_id = p_agent_id);
    former public.agent_devices;
    device uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    select * into former from public.agent_devices where endpoint = p_endpoint;
    if former.agent_id <> p_agent_id then
        perform _supportchat.forget_device(former.id, 'taken_over');
    end if;
    if p_only_known and former.agent_id is distinct from p_agent_id then
        return null;
    end if;
    begin
        insert into public.agent_devices as known (agent_id, endpoint, p256dh, auth, origin, user_agent, language, login_id)
        values (p_agent_id, p_endpoint, p_p256dh, p_auth, p_origin, p_user_agent, p_language, login)
        on conflict (endpoint) do update set
            p256dh = excluded.p256dh, auth = excluded.auth, origin = excluded.origin, user_agent = excluded.user_agent,
            language = excluded.language, login_id = excluded.login_id
        returning id into device;
    exception when check_violation then
        raise sqlstate 'PT422' using message = 'not_understood';
    end;
    if former.agent_id is distinct from p_agent_id then
        perform _supportchat.audit('device.added', p_agent_id);
    end if;
    perform _supportchat.forget_device(id, 'too_many') from (
        select id from public.agent_devices where agent_id = p_agent_id and id <> device
        order by created_at desc, id offset 9
    ) as more;
    return device;
end $$;

-- Forgets a device, and why: 'removed' by its agent, 'logged_out', 'gone' as its push service says, 'taken_over', 'too_many'.
create or replace function _supportchat.forget_device(p_device_id uuid, p_reason text)
returns void
language plpgsql
set search_path = ''
as $$
declare
    owner uuid;
begin
    delete from public.agent_devices where id = p_device_id returning agent_id into owner;
    if found then
        perform _supportchat.audit('device.removed', owner, jsonb_build_object('reason', p_reason));
    end if;
end $$;

-- Has a device of an agent notified no more. PT404 when it is not theirs.
create or replace function public.delete_device(p_agent_id uuid, p_device_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_active(p_agent_id);
    if not exists (select from public.agent_devices where id = p_device_id and agent_id = p_agent_id) then
        raise sqlstate 'PT404' using message = 'device_not_found';
    end if;
    perform _supportchat.forget_device(p_device_id, 'removed');
end $$;

-- Sends a notification to a device of an agent, to see whether it arrives. PT404 when it is not theirs.
create or replace function public.test_device(p_agent_id uuid, p_device_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'answer');
    perform from public.agent_devices where id = p_device_id and agent_id = p_agent_id for no key update;
    if not found then
        raise sqlstate 'PT404' using message = 'device_not_found';
    end if;
    delete from public.agent_pushes where device_id = p_device_id and kind = 'test';
    insert into public.agent_pushes (device_id, kind, due_at) values (p_device_id, 'test', now());
end $$;

-- Forgets the devices of an agent that log out: those of one login session, or (p_others) all but those of one, all where that is null.
create or replace function _supportchat.log_devices_out(p_agent_id uuid, p_session_id uuid, p_others boolean)
returns void
language sql
set search_path = ''
as $$
    select _supportchat.forget_device(id, 'logged_out') from public.agent_devices
    where agent_id = p_agent_id and ((login_id = p_session_id) is true) <> p_others
$$;

-- Forgets the devices and the alerts of an agent who is deactivated, by whatever statement.
create or replace function _supportchat.end_alerts_of_agent()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
    perform _supportchat.forget_device(id, 'disabled') from public.agent_devices where agent_id = new.id;
    delete from public.agent_alerts where agent_id = new.id;
    return null;
end $$;

create or replace trigger end_alerts_of_agent
after update of is_active on public.agents
for each row when (old.is_active and not new.is_active) execute function _supportchat.end_alerts_of_agent();

-- How the devices of the desk are reached: how many there are, how many notifications were sent and shown within a day, and which
-- problems there are, by their codes.
create or replace function public.check_alerts()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'devices', (select count(*) from public.agent_devices),
        'sent', (select count(*) from public.agent_devices where sent_at > now() - interval '1 day'),
        'arrived', (select count(*) from public.agent_devices where sent_at > now() - interval '1 day' and arrived_at >= sent_at - interval '1 minute'),
        'problems', (
            select coalesce(jsonb_object_agg(problem, devices), '{}') from (
                select problem, count(*) as devices from public.agent_devices
                where problem is not null and problem_at > now() - interval '1 day' group by problem order by problem
            ) as found
        )
    )
$$;

-- Forgets a few notifications of yesterday.
create or replace function _supportchat.forget_pushes()
returns void
language sql
set search_path = ''
as $$
    delete from public.agent_pushes where ctid = any (array(
        select ctid from public.agent_pushes
        where created_at < now() - interval '1 day' and due_at is null order by created_at limit 100 for update skip locked
    ))
$$;

select _supportchat.record_script('functions/alerts.sql', '508e15114fe5');

-- privacy.sql: what customers may ask for, a copy of what we have of them or its end, and how long things are kept. Safe to run
-- again. docs/privacy.md says what is stored where, and for how long.
--
-- Lock order: the browser, then the assignment lock, then conversations, as start_chat has it.

-- What there is of some conversations, in figures.
create or replace function _supportchat.extent_json(p_session_ids uuid[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'conversations', cardinality(p_session_ids),
        'messages', (select count(*) from public.chat_messages where session_id = any (p_session_ids) and sender <> 'system'),
        'notes', (select count(*) from public.ticket_notes where session_id = any (p_session_ids)),
        'pictures', (select count(*) from public.chat_images where session_id = any (p_session_ids))
    )
$$;

-- Every conversation of the browser that has one, the oldest first; of a browser that nobody knows only that one.
create or replace function _supportchat.sessions_of_customer(p_session_id uuid)
returns uuid[]
language sql
stable
set search_path = ''
as $$
    select array(
        select session_id
        from (
            select session_id, created_at from public.user_sessions where session_id = p_session_id
            union
            select other.session_id, other.created_at
            from public.user_sessions asked
            join public.user_sessions other on other.visitor_id = asked.visitor_id
            where asked.session_id = p_session_id
        ) as theirs
        order by created_at, session_id
    )
$$;

-- Begins a copy of what we have of the customer of a ticket, which the audit log notes: their conversations, the oldest first.
-- p_with_notes says whether the private notes are wanted too. Lines, notes and pictures come with calls of their own.
create or replace function public.export_customer(p_agent_id uuid, p_number bigint, p_with_notes boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    asked uuid;
    chats uuid[];
begin
    perform _supportchat.demand_right(p_agent_id, 'export');
    asked := _supportchat.session_of_ticket(p_number);
    chats := _supportchat.sessions_of_customer(asked);
    perform _supportchat.audit('customer.exported', p_agent_id, jsonb_build_object(
        'number', p_number, 'conversations', cardinality(chats), 'notes', p_with_notes
    ));
    return (
        select coalesce(jsonb_agg(jsonb_build_object(
            'session_id', s.session_id, 'number', t.number, 'status', t.status, 'channel', s.channel, 'framed_on', s.framed_on,
            'customer_name', s.customer_name, 'customer_phone', s.customer_phone, 'time_zone', s.time_zone, 'address', s.address,
            'created_at', s.created_at, 'closed_at', case when t.status = 'closed' then t.closed_at end,
            'customer_delivered_seq', s.customer_delivered_seq, 'customer_read_seq', s.customer_read_seq,
            'person', _supportchat.person_of_visitor(s.visitor_id),
            'tags', (
                select coalesce(jsonb_agg(tag.name order by tag.name), '[]') from public.ticket_tags own
                join public.desk_tags tag using (tag_id) where own.ticket_id = t.id
            ),
            'visit', public.pages_of_session(s.session_id),
            'bans', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'what', case when b.network is null then 'browser' else 'network' end, 'reason', b.reason,
                    'until', case when isfinite(b.expires_at) then b.expires_at end
                ) order by b.created_at, b.id), '[]')
                from public.bans b where b.session_id = s.session_id
            )
        ) order by s.created_at, s.session_id), '[]')
        from public.user_sessions s
        cross join _supportchat.ticket_of_session(s.session_id) as t
        where s.session_id = any (chats)
    );
end $$;

-- What erasing a ticket's chat, or everything of its customer, would take away.
create or replace function public.preview_erasure(p_agent_id uuid, p_number bigint)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    chat uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'erase');
    chat := _supportchat.session_of_ticket(p_number);
    return jsonb_build_object(
        'number', p_number,
        'customer_name', (
            select coalesce(p.name, s.customer_name) from public.user_sessions s
            left join public.persons p on p.visitor_id = s.visitor_id
            where s.session_id = chat
        ),
        'erased_at', (select erased_at from public.user_sessions where session_id = chat),
        'conversation', _supportchat.extent_json(array[chat]),
        'customer', _supportchat.extent_json(_supportchat.sessions_of_customer(chat))
    );
end $$;

-- Erases a conversation, and adds to a receipt how much that was. What stays is the ticket with its number, its moments and its
-- agent, and how many lines there were: nobody can be known by that. The caller holds its lock.
create or replace function _supportchat.erase_conversation(
    p_session_id uuid, p_erasure_id uuid, p_actor text, p_agent_id uuid default null
)
returns void
language plpgsql
set search_path = ''
as $$
declare
    extent jsonb := _supportchat.extent_json(array[p_session_id]);
    ticket public.tickets;
begin
    -- Whoever writes words for search may be at these lines: they have ended, or begin once nothing is left.
    perform from public.search_state for update;
    insert into public.erasure_files (storage_key, erasure_id)
    select storage_key, p_erasure_id from public.chat_images where session_id = p_session_id
    union
    select image ->> 'key', p_erasure_id from public.held_replies where session_id = p_session_id and image is not null
    on conflict do nothing;
    delete from public.chat_messages where session_id = p_session_id;
    delete from public.chat_images where session_id = p_session_id;
    delete from public.ticket_notes where session_id = p_session_id;
    perform _supportchat.erase_mentions(p_session_id);
    delete from public.search_lines where session_id = p_session_id;
    delete from public.ticket_reads where session_id = p_session_id;
    delete from public.ticket_drafts where session_id = p_session_id;
    delete from public.held_replies where session_id = p_session_id;
    delete from public.agent_alerts where session_id = p_session_id;
    delete from public.agent_pushes where session_id = p_session_id;
    delete from public.customer_pages where session_id = p_session_id;
    -- What was written of the customer goes; the ban itself stays until it ends.
    update public.bans set reason = '' where session_id = p_session_id and reason <> '';
    update public.user_sessions set
        visitor_id = null, customer_name = null, customer_phone = null, time_zone = null, address = null, framed_on = null, legacy = null,
        erased_at = now(),
        last_seq = 0, last_spoken_seq = 0, last_note_no = 0,
        customer_delivered_seq = 0, customer_read_seq = 0, agent_delivered_seq = 0, agent_read_seq = 0
    where session_id = p_session_id;
    for ticket in
        update public.tickets set
            status = 'closed', closed_at = case when status = 'closed' then closed_at else clock_timestamp() end,
            awaiting_since = null, given_back_by = null, held = null, snoozed_until = null, woke_at = null, legacy = null,
            erased_at = now()
        where session_id = p_session_id
        returning *
    loop
        delete from public.ticket_tags where ticket_id = ticket.id;
        perform _supportchat.record_event(ticket, 'erased', p_actor, p_agent_id, jsonb_build_object('erasure', p_erasure_id));
    end loop;
    update public.erasures set
        conversations = conversations + 1,
        messages = messages + (extent ->> 'messages')::integer,
        notes = notes + (extent ->> 'notes')::integer,
        pictures = pictures + (extent ->> 'pictures')::integer
    where id = p_erasure_id;
end $$;

-- Forgets a browser that has no conversation any more, and how often it did what is limited; one that is banned, once the ban has
-- ended. The caller holds its lock.
create or replace function _supportchat.forget_visitor(p_visitor_id uuid)
returns void
language plpgsql
set search_path = ''
as $$
declare
    key_hash text;
begin
    delete from public.visitors v
    where v.visitor_id = p_visitor_id
        and not exists (select from public.user_sessions s where s.visitor_id = p_visitor_id)
        and not exists (select from public.bans b where b.visitor_id = p_visitor_id and b.expires_at > now())
    returning token_hash into key_hash;
    delete from public.throttle_buckets where key = 'starts/browser/' || key_hash;
end $$;

-- Closes a receipt once the store has none of its pictures any more, and opens it when there are some again.
create or replace function _supportchat.close_erasure(p_erasure_id uuid)
returns void
language sql
set search_path = ''
as $$
    update public.erasures set closed_at = case
        when not exists (select from public.erasure_files f where f.erasure_id = p_erasure_id) then coalesce(closed_at, now())
    end
    where id = p_erasure_id
$$;

-- A receipt as admins see it. 'files' is how many pictures the store may still have.
create or replace function _supportchat.erasure_json(p_row public.erasures)
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'id', p_row.id, 'kind', p_row.kind, 'agent', _supportchat.person_json(p_row.agent_id), 'number', p_row.ticket_number,
        'days', p_row.days, 'conversations', p_row.conversations, 'messages', p_row.messages, 'notes', p_row.notes,
        'pictures', p_row.pictures, 'created_at', p_row.created_at, 'closed_at', p_row.closed_at,
        'files', (select count(*) from public.erasure_files f where f.erasure_id = p_row.id)
    )
$$;

-- Erases the chat of a ticket, or all that we have of its customer, in one transaction, and gives the receipt. The pictures are in
-- the store until take_erasure_files has them deleted. PT409 when it is erased already.
create or replace function public.erase_customer(p_agent_id uuid, p_number bigint, p_everything boolean default false)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    asked uuid;
    visitor uuid;
    receipt public.erasures;
    chats uuid[];
    chat uuid;
begin
    perform _supportchat.demand_right(p_agent_id, 'erase');
    asked := _supportchat.session_of_ticket(p_number);
    loop
        select visitor_id into visitor from public.user_sessions where session_id = asked;
        perform from public.visitors where visitor_id = visitor for update;
        -- It may have become a person's while we waited.
        exit when visitor is not distinct from (select visitor_id from public.user_sessions where session_id = asked);
    end loop;
    perform _supportchat.lock_assignment();
    perform _supportchat.check_kept(_supportchat.lock_ticket(asked));
    insert into public.erasures (kind, agent_id, ticket_number)
    values (case when p_everything then 'customer' else 'conversation' end, p_agent_id, p_number)
    returning * into receipt;
    chats := case when p_everything then _supportchat.sessions_of_customer(asked) else array[asked] end;
    foreach chat in array chats loop
        perform from public.user_sessions where session_id = chat for no key update;
        perform _supportchat.erase_conversation(chat, receipt.id, 'agent', p_agent_id);
    end loop;
    if p_everything then
        delete from public.bans where visitor_id = visitor;
        update public.bans set session_id = null where session_id = any (chats);
    end if;
    perform _supportchat.forget_visitor(visitor);
    perform _supportchat.close_erasure(receipt.id);
    perform _supportchat.drain_queue();
    select * into receipt from public.erasures where id = receipt.id;
    perform _supportchat.audit(receipt.kind || '.erased', p_agent_id, jsonb_build_object(
        'number', p_number, 'erasure', receipt.id, 'conversations', receipt.conversations
    ));
    return _supportchat.erasure_json(receipt);
end $$;

-- For how long things are kept, and the receipts, the newest first, before one of them where it is given.
create or replace function public.show_privacy(p_agent_id uuid, p_before uuid default null, p_limit integer default 50)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    last_one public.erasures;
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    select * into last_one from public.erasures where id = p_before;
    return jsonb_build_object(
        'retention_days', _supportchat.setting('retention_days'),
        'audit_days', _supportchat.setting('audit_days'),
        'receipts', (
            select coalesce(
                jsonb_agg(_supportchat.erasure_json(e.receipt) order by (e.receipt).created_at desc, (e.receipt).id desc), '[]'
            )
            from (
                select receipt from public.erasures as receipt
                where last_one.id is null or (receipt.created_at, receipt.id) < (last_one.created_at, last_one.id)
                order by receipt.created_at desc, receipt.id desc limit p_limit
            ) as e
        )
    );
end $$;

-- Some pictures to delete from the store, by their keys: those that nobody has tried to delete for a minute. Whoever takes them
-- deletes them, and says so with note_erased_files once the store has none.
create or replace function public.take_erasure_files(p_limit integer default 20)
returns jsonb
language sql
set search_path = ''
as $$
    with taken as (
        update public.erasure_files set tried_at = now()
        where storage_key in (
            select storage_key from public.erasure_files
            where tried_at is null or tried_at < now() - interval '1 minute'
            order by tried_at nulls first limit p_limit for update skip locked
        )
        returning storage_key
    )
    select coalesce(jsonb_agg(storage_key), '[]') from taken
$$;

-- Notes that the store has answered 'not there' for these pictures, and closes the receipts that have no other one.
create or replace function public.note_erased_files(p_keys text[])
returns void
language plpgsql
set search_path = ''
as $$
declare
    receipt uuid;
begin
    for receipt in
        with gone as (
            delete from public.erasure_files where storage_key = any (p_keys) returning erasure_id
        )
        select distinct erasure_id from gone order by erasure_id
    loop
        perform _supportchat.close_erasure(receipt);
    end loop;
end $$;

-- The moment before which a chat has to have ended for the retention to erase it. It moves once a day, so that each day has one
-- piece of work.
create or replace function _supportchat.retention_ends(p_days integer)
returns timestamptz
language sql
stable
set search_path = ''
as $$
    select date_trunc('day', now(), 'UTC') - make_interval(days => p_days)
$$;

-- What a retention of so many days would erase now: how many chats (10,001 stands for more), and when the oldest of them ended.
-- PT422 for a number of days that cannot be set.
create or replace function public.preview_retention(p_agent_id uuid, p_days integer)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
begin
    perform _supportchat.demand_right(p_agent_id, 'manage_desk');
    if not exists (
        select from _supportchat.declared_settings() where name = 'retention_days' and p_days between smallest and largest
    ) then
        raise sqlstate 'PT422' using message = 'days_out_of_range';
    end if;
    return (
        select jsonb_build_object('days', p_days, 'chats', count(*), 'oldest_at', min(closed_at))
        from (
            select closed_at from public.tickets
            where status = 'closed' and erased_at is null and closed_at < _supportchat.retention_ends(p_days)
            order by closed_at limit 10001
        ) as old
    );
end $$;

-- The receipt of today's retention. The first step of a day begins it, and tells the audit log.
create or replace function _supportchat.receipt_of_today(p_days integer)
returns uuid
language plpgsql
set search_path = ''
as $$
declare
    receipt uuid := (
        select id from public.erasures
        where kind = 'retention' and days = p_days and created_at >= date_trunc('day', now(), 'UTC')
        order by created_at desc limit 1
    );
begin
    if receipt is null then
        insert into public.erasures (kind, days) values ('retention', p_days) returning id into receipt;
        perform _supportchat.audit('retention.began', null, jsonb_build_object('days', p_days, 'erasure', receipt));
    end if;
    return receipt;
end $$;

-- Locks a conversation that the retention may erase, with its browser. Waits for nobody: false when somebody is at it, or has opened
-- it again.
create or replace function _supportchat.lock_old_chat(p_session_id uuid, p_before timestamptz)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    visitor uuid := (select visitor_id from public.user_sessions where session_id = p_session_id);
begin
    if visitor is not null then
        perform from public.visitors where visitor_id = visitor for update skip locked;
        if not found then
            return false;
        end if;
    end if;
    perform from public.user_sessions where session_id = p_session_id for no key update skip locked;
    return found and not exists (
        select from public.tickets
        where session_id = p_session_id and (status <> 'closed' or closed_at >= p_before)
    );
end $$;

-- Erases some of the chats that ended long enough ago, the oldest first, and says whether there are more. No step is long: it ends
-- after so many chats, or with the one that makes it 2000 messages. One step at a time, whichever process makes it.
create or replace function public.erase_old_chats(p_limit integer default 20)
returns jsonb
language plpgsql
set search_path = ''
as $$
declare
    kept_days integer := (_supportchat.setting('retention_days') #>> '{}')::integer;
    ends timestamptz := _supportchat.retention_ends(kept_days);
    receipt uuid;
    candidate record;
    visitor uuid;
    extent integer := 0;
    erased integer := 0;
begin
    if kept_days is not null and pg_catalog.pg_try_advisory_xact_lock(7308332047) then
        for candidate in
            select t.id, t.session_id, s.visitor_id, s.session_id is not null as has_chat, s.last_seq
            from public.tickets t
            left join public.user_sessions s on s.session_id = t.session_id
            where t.status = 'closed' and t.erased_at is null and t.closed_at < ends
            order by t.closed_at limit p_limit
        loop
            if not candidate.has_chat then
                -- Of an older version, without a conversation.
                update public.tickets set erased_at = now(), legacy = null where id = candidate.id;
            elsif _supportchat.lock_old_chat(candidate.session_id, ends) then
                receipt := coalesce(receipt, _supportchat.receipt_of_today(kept_days));
                perform _supportchat.erase_conversation(candidate.session_id, receipt, 'system');
                perform _supportchat.forget_visitor(candidate.visitor_id);
                extent := extent + candidate.last_seq;
                erased := erased + 1;
            end if;
            exit when extent >= 2000;
        end loop;
        if receipt is not null then
            perform _supportchat.close_erasure(receipt);
        end if;
    end if;
    return jsonb_build_object(
        'erased', erased,
        'today', (select e.conversations from public.erasures e where e.id = receipt),
        'days', kept_days,
        -- By the beginning of the index: for an exists() the planner would rather read the table, to its end where there is none.
        'more', erased > 0 and coalesce((
            select closed_at from public.tickets where status = 'closed' and erased_at is null order by closed_at limit 1
        ) < ends, false)
    );
end $$;

-- Forgets what nobody needs any more, a few rows of each kind: logins that have ended, browsers of agents that were not used
-- for 180 days, links that ended a month ago, drafts that nobody has changed for a month and replies
-- that were taken back so long ago, the networks of chats that began a
-- month ago, bans that have ended, counts of what is limited, notifications of yesterday, and the oldest of the audit log.
-- Says whether there may be more.
create or replace function public.forget_old_data()
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    most integer := 100;
    ended uuid;
    forgotten integer;
begin
    delete from public.agent_sessions where token_hash in (
        select token_hash from public.agent_sessions
        where created_at < now() - _supportchat.login_lasts() limit most for update skip locked
    );
    delete from public.pending_logins where token_hash in (
        select token_hash from public.pending_logins
        where created_at < now() - _supportchat.pending_lasts() limit most for update skip locked
    );
    perform _supportchat.forget_flows();
    delete from public.agent_browsers where ctid = any (array(
        select ctid from public.agent_browsers where seen_at < now() - interval '180 days' limit most for update skip locked
    ));
    delete from public.one_time_links where token_hash in (
        select token_hash from public.one_time_links
        where expires_at < now() - interval '30 days' or (purpose = 'handover' and expires_at < now())
        limit most for update skip locked
    );
    delete from public.customer_pages where session_id in (
        select session_id from public.customer_pages
        where updated_at < now() - interval '7 days' order by updated_at limit most for update skip locked
    );
    delete from public.ticket_drafts where ctid = any (array(
        select ctid from public.ticket_drafts
        where saved_at < now() - interval '30 days' order by saved_at limit most for update skip locked
    ));
    delete from public.held_replies where ctid = any (array(
        select ctid from public.held_replies
        where due_at is null and held_at < now() - case refused when 'gone' then interval '1 day' else interval '30 days' end
        order by held_at limit most for update skip locked
    ));
    delete from public.refused_logins where ctid = any (array(
        select ctid from public.refused_logins
        where began_at < now() - interval '1 hour' order by began_at limit most for update skip locked
    ));
    -- Persons who have never chatted, a month after their site has named them last, and browsers that a person no longer uses.
    delete from public.visitors where visitor_id in (
        select p.visitor_id from public.persons p
        where p.verified_at < now() - interval '30 days'
            and not exists (select from public.user_sessions s where s.visitor_id = p.visitor_id)
            and not exists (select from public.bans b where b.visitor_id = p.visitor_id and b.expires_at > now())
        order by p.verified_at limit most
    );
    delete from public.person_keys where token_hash in (
        select token_hash from public.person_keys
        where seen_at < now() - interval '180 days' order by seen_at limit most for update skip locked
    );
    perform _supportchat.prune_audit();
    perform _supportchat.forget_pushes();
    update public.user_sessions set address = null where session_id in (
        select session_id from public.user_sessions
        where address is not null and created_at < now() - interval '30 days'
        order by created_at limit most for no key update skip locked
    );
    for ended in
        delete from public.bans where id in (
            select id from public.bans where expires_at < now() limit most for update skip locked
        )
        returning visitor_id
    loop
        perform _supportchat.forget_visitor(ended);
    end loop;
    -- The only ones of which strangers can make many.
    delete from public.throttle_buckets where ctid = any (array(
        select ctid from public.throttle_buckets where full_at < now() order by full_at limit most for update skip locked
    ));
    get diagnostics forgotten = row_count;
    return forgotten = most;
end $$;

select _supportchat.record_script('functions/privacy.sql', '6607c9e9bd65');

-- exposures.sql: what of the desk somebody else than its server can reach, and how to close it. Safe to run again.

-- Who is not let in: everybody, and the roles of the keys that a browser may hold.
create or replace function _supportchat.outsiders()
returns table (role_id oid, role_name text)
language sql
stable
set search_path = ''
as $$
    select 0::oid, 'public'
    union all
    select oid, rolname from pg_catalog.pg_roles where rolname in ('anon', 'authenticated')
$$;

-- Everything that is the desk's: schema, tables and what belongs to them, the views above them, and functions by their
-- names in public, whatever their arguments are. `target` is what a grant calls it.
create or replace function _supportchat.own_things(p_names text[])
returns table (kind text, id oid, thing text, target text, owner_id oid, acl aclitem[])
language sql
stable
set search_path = ''
as $$
    with own as (
        select relation_id as id from _supportchat.own_relations()
        union
        select oid from pg_catalog.pg_class
        where relkind in ('r', 'p', 'v', 'm', 'S', 'f') and (
            relnamespace = '_supportchat'::regnamespace
            or (relnamespace = 'public'::regnamespace and relname = 'ticket_numbers')
        )
        union
        select s.oid
        from _supportchat.own_relations()
        join pg_catalog.pg_depend d on d.refobjid = relation_id and d.refclassid = 'pg_class'::regclass
            and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
        join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
    )
    select 'relation', c.oid, c.oid::regclass::text,
        case c.relkind when 'S' then 'sequence ' else '' end || c.oid::regclass::text,
        c.relowner, coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))
    from own join pg_catalog.pg_class c on c.oid = own.id
    union all
    select 'routine', p.oid, p.oid::regprocedure::text, 'routine ' || p.oid::regprocedure::text,
        p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    from pg_catalog.pg_proc p
    where p.pronamespace = '_supportchat'::regnamespace
        or (p.pronamespace = 'public'::regnamespace and p.proname = any (p_names))
    union all
    select 'schema', n.oid, 'schema ' || n.nspname, 'schema ' || n.nspname, n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
    from pg_catalog.pg_namespace n where n.nspname = '_supportchat'
$$;

-- What was granted to them, or is theirs: whole things, columns, and new things in our schemas.
create or replace function _supportchat.granted_to_outsiders(p_names text[])
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    with own as materialized (
        select * from _supportchat.own_things(p_names)
    ), outsider as materialized (
        select role_id, role_name, case role_id when 0 then 'public' else quote_ident(role_name) end as grantee
        from _supportchat.outsiders()
    ), granted as (
        select thing, target, owner_id, g.*
        from own cross join aclexplode(own.acl) as g
        union all
        select format('%s (%s)', own.thing, a.attname), own.target, own.owner_id, g.*
        from own join pg_catalog.pg_attribute a on own.kind = 'relation' and a.attrelid = own.id and not a.attisdropped
        cross join aclexplode(a.attacl) as g
        union all
        -- Who may create something in public could put a function in the place of one of ours.
        select 'schema public', 'schema public', n.nspowner, g.*
        from pg_catalog.pg_namespace n cross join aclexplode(n.nspacl) as g
        where n.nspname = 'public' and g.privilege_type = 'CREATE'
    )
    select 'grant', o.role_name, g.thing, string_agg(distinct g.privilege_type, ', '), case
        when g.grantor = g.owner_id then format('revoke %s on %s from %s', case g.target
            when 'schema public' then 'create' else 'all'
        end, g.target, o.grantee)
        -- Only who has granted it could take it back by name.
        else format('revoke grant option for all on %s from %I cascade', g.target, pg_get_userbyid(g.grantor))
    end
    from granted g join outsider o on o.role_id = g.grantee and g.grantee <> g.owner_id
    group by o.role_name, o.grantee, g.thing, g.target, g.grantor, g.owner_id
    union all
    select 'owner', o.role_name, own.thing, null, format(
        'alter %s owner to %I', case own.kind when 'relation' then 'table ' || own.thing else own.target end, (
            select pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = '_supportchat'
        )
    )
    from own join outsider o on o.role_id = own.owner_id
    where own.target not like 'sequence %'
    union all
    select 'default', o.role_name, '_supportchat', string_agg(distinct g.privilege_type, ', '), format(
        'alter default privileges for role %I in schema _supportchat revoke all on %s from %s',
        pg_get_userbyid(d.defaclrole),
        case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' else 'types' end,
        o.grantee
    )
    from pg_catalog.pg_default_acl d
    cross join aclexplode(d.defaclacl) as g
    join outsider o on o.role_id = g.grantee
    where d.defaclnamespace = '_supportchat'::regnamespace
    group by o.role_name, o.grantee, d.defaclrole, d.defaclobjtype
$$;

-- Tables whose rows are not closed by row-level security any more, and tables whose changes Supabase tells to browsers.
create or replace function _supportchat.opened_tables()
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    with own as materialized (
        select c.oid, c.oid::regclass::text as thing, c.relrowsecurity
        from _supportchat.declared_tables() as name
        join pg_catalog.pg_class c on c.oid = to_regclass(format('public.%I', name))
    )
    select 'row_security', null, thing, null, format('alter table %s enable row level security', thing)
    from own where not relrowsecurity
    union all
    select 'no_policy', null, thing, null, format(
        'drop policy if exists server_only on %1$s;'
        ' create policy server_only on %1$s as restrictive using (false) with check (false)', thing
    )
    from own
    where not exists (
        select from pg_catalog.pg_policy p
        where p.polrelid = own.oid and p.polname = 'server_only' and not p.polpermissive and p.polcmd = '*'
            and p.polroles = '{0}' and pg_get_expr(p.polqual, p.polrelid) = 'false'
            and pg_get_expr(p.polwithcheck, p.polrelid) = 'false'
    )
    union all
    select 'policy', string_agg(o.role_name, ', ' order by o.role_name), own.thing, p.polname, format(
        'drop policy %I on %s', p.polname, own.thing
    )
    from own
    join pg_catalog.pg_policy p on p.polrelid = own.oid and p.polpermissive and p.polname <> 'server_only'
    join _supportchat.outsiders() as o on o.role_id = any (p.polroles)
    group by own.thing, p.polname
    union all
    select 'published', null, coalesce(own.thing, 'public'), p.pubname, case
        when p.puballtables then format('drop publication %1$I; create publication %1$I', p.pubname)
        when own.thing is null then format('alter publication %I drop tables in schema public', p.pubname)
        else format('alter publication %I drop table %s', p.pubname, own.thing)
    end
    from pg_catalog.pg_publication p
    left join pg_catalog.pg_publication_namespace n on n.pnpubid = p.oid and n.pnnspid = 'public'::regnamespace
    left join (pg_catalog.pg_publication_rel r join own on own.oid = r.prrelid) on r.prpubid = p.oid
    where p.pubname like 'supabase\_realtime%' and (p.puballtables or n.oid is not null or own.oid is not null)
$$;

-- The roles that stand above row-level security and all grants, or own the tables, and are neither the desk nor Supabase's own:
-- attributes of an outsider, what outsiders are members of, and others with rights on the tables.
create or replace function _supportchat.powerful_roles(p_names text[])
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    with own as materialized (
        select * from _supportchat.own_things(p_names)
    ), outsider as materialized (
        select r.* from pg_catalog.pg_roles r join _supportchat.outsiders() as o on o.role_id = r.oid
    ), owner as materialized (
        select distinct owner_id from own where owner_id not in (select oid from outsider)
    ), powerful as materialized (
        select r.oid from pg_catalog.pg_roles r
        where r.oid not in (select oid from outsider) and (
            r.rolsuper or r.rolbypassrls or r.oid in (
                select owner_id from owner union select g.grantee from own cross join aclexplode(own.acl) as g
            ) or r.rolname in (
                'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files',
                'pg_execute_server_program'
            )
        )
    ), others as materialized (
        select r.* from pg_catalog.pg_roles r
        where r.oid <> 10 and r.oid not in (select oid from outsider) and r.oid not in (select owner_id from owner)
            and r.rolname not in (current_user, session_user, 'service_role', 'postgres')
            and r.rolname !~ '^(pg|supabase|cli_login)_'
    )
    select 'attribute', o.rolname, null, has.attribute, format('alter role %I no%s', o.rolname, lower(has.attribute))
    from outsider o cross join lateral (values
        ('SUPERUSER', o.rolsuper), ('BYPASSRLS', o.rolbypassrls), ('CREATEROLE', o.rolcreaterole),
        ('REPLICATION', o.rolreplication)
    ) as has (attribute, is_so)
    where has.is_so
    union all
    select 'member', o.rolname, pg_get_userbyid(m.roleid), null, format(
        'revoke %I from %I granted by %I', pg_get_userbyid(m.roleid), o.rolname, pg_get_userbyid(m.grantor)
    )
    from outsider o join pg_catalog.pg_auth_members m on m.member = o.oid
    where exists (select from powerful p where pg_has_role(m.roleid, p.oid, 'member'))
    union all
    select case when r.rolsuper then 'superuser' else 'bypass' end, r.rolname, null, case when r.rolsuper then 'SUPERUSER' else 'BYPASSRLS' end,
        format('alter role %I %s', r.rolname, case when r.rolsuper then 'nosuperuser' else 'nobypassrls' end)
    from others r
    where r.rolsuper or (r.rolbypassrls and exists (
        select from own where own.kind = 'relation' and own.target not like 'sequence %'
            and has_table_privilege(r.oid, own.id, 'select, insert, update, delete, truncate')
    ))
    union all
    -- An administrator of the owner is no member of it yet: CREATEROLE makes everybody one of who they create.
    select 'member', r.rolname, pg_get_userbyid(m.roleid), null, format(
        'revoke %I from %I granted by %I', pg_get_userbyid(m.roleid), r.rolname, pg_get_userbyid(m.grantor)
    )
    from others r
    join pg_catalog.pg_auth_members m on m.member = r.oid and m.roleid in (select owner_id from owner)
    where not r.rolsuper and (
        coalesce(to_jsonb(m) ->> 'inherit_option', 'true')::boolean or coalesce(to_jsonb(m) ->> 'set_option', 'true')::boolean
    )
$$;

-- Functions of others that outsiders may run and that read our tables with the rights of their owner.
create or replace function _supportchat.functions_that_lend_rights(p_names text[])
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
stable
set search_path = ''
as $$
    select 'lends', o.role_name, p.oid::regprocedure::text, null, format(
        'revoke all on routine %s from %s', p.oid::regprocedure, case o.role_id when 0 then 'public' else quote_ident(o.role_name) end
    )
    from pg_catalog.pg_proc p
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as g
    join _supportchat.outsiders() as o on o.role_id = g.grantee
    where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema', '_supportchat')
        and not (n.nspname = 'public' and p.proname = any (p_names))
        and exists (
            select from _supportchat.declared_tables() as name
            where has_table_privilege(p.proowner, to_regclass(format('public.%I', name)), 'select, insert, update, delete')
                -- A path that does not lead to public means tables of somebody else, unless it is written out.
                and coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) ~* format(
                    '\m(from|join|into|update|table|only)\s+(public\.)%s"?%s\M', case
                        when array_to_string(p.proconfig, ',') ~ 'search_path=(?!.*public)' then '' else '?'
                    end, name
                )
        )
$$;

-- Of an earlier version, whose arguments had other names.
drop function if exists _supportchat.may_do(text, text, text);

-- Whether a role may do something that the policies of Supabase's own tables decide. It is tried with a row of ours, and taken
-- back; nothing is said of what cannot be tried.
create or replace function _supportchat.may_do(p_role text, p_right text, p_table text)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
    done bigint;
begin
    if p_table = 'realtime.messages' then
        insert into realtime.messages (topic, extension, event, private, payload)
        values ('supportchat', 'broadcast', 'look', true, '{}');
    else
        insert into storage.objects (bucket_id, name) values ('chat-images', 'look');
    end if;
    perform set_config('request.jwt.claims', jsonb_build_object('role', p_role, 'sub', gen_random_uuid())::text, true),
        set_config('realtime.topic', 'supportchat', true), set_config('storage.can_delete', 'true', true),
        set_config('role', p_role, true);
    case p_right || ' ' || p_table
        when 'SELECT realtime.messages' then
            perform from realtime.messages where topic = 'supportchat' limit 1;
        when 'INSERT realtime.messages' then
            insert into realtime.messages (topic, extension, private) values ('supportchat', 'broadcast', true);
        when 'SELECT storage.objects' then
            perform from storage.objects where bucket_id = 'chat-images' limit 1;
        when 'INSERT storage.objects' then
            insert into storage.objects (bucket_id, name) values ('chat-images', 'look again');
        when 'UPDATE storage.objects' then
            update storage.objects set name = 'changed' where bucket_id = 'chat-images';
        when 'DELETE storage.objects' then
            delete from storage.objects where bucket_id = 'chat-images';
    end case;
    get diagnostics done = row_count;
    raise sqlstate 'SC003' using message = done;
exception
    when sqlstate 'SC003' then
        return sqlerrm::bigint > 0;
    when others then
        return false;
end $$;

-- Policies of an app on Supabase's own tables that also let its users hear our events, or see and change our pictures.
-- The restrictive policy that closes it leaves the app's as they are.
create or replace function _supportchat.opened_on_supabase()
returns table (kind text, role_name text, thing text, rights text, fix text)
language sql
set search_path = ''
as $$
    with place (kind, thing, possible, bounds) as (
        values
        (
            'realtime', 'realtime.messages', '{SELECT,INSERT}'::text[],
            'realtime.topic() is distinct from ''supportchat'''
        ),
        (
            'storage', 'storage.objects', '{SELECT,INSERT,UPDATE,DELETE}'::text[],
            'bucket_id is distinct from ''chat-images'''
        )
    )
    select place.kind, o.role_name, place.thing, string_agg(right_name, ', ' order by right_name desc), format(
        'drop policy if exists supportchat_is_private on %1$s;'
        ' create policy supportchat_is_private on %1$s as restrictive to anon, authenticated using (%2$s)',
        place.thing, place.bounds
    )
    from place
    cross join unnest(place.possible) as right_name
    join _supportchat.outsiders() as o on o.role_id <> 0
    -- Whoever stands above all policies is reported for that.
    join pg_catalog.pg_roles r on r.oid = o.role_id and not r.rolsuper and not r.rolbypassrls
    where _supportchat.may_do(o.role_name, right_name, place.thing)
    group by place.kind, place.thing, place.bounds, o.role_name
$$;

-- What of the desk others than its server can reach. `p_names` are the functions that it calls. Each entry has a kind, who can,
-- what, with which rights, and the statements that close it.
create or replace function public.find_exposures(p_names text[])
returns jsonb
language sql
set search_path = ''
as $$
    select coalesce(jsonb_agg(
        jsonb_build_object('kind', kind, 'role', upper_public, 'thing', thing, 'rights', rights, 'fix', fix || ';')
        order by kind, thing, upper_public
    ), '[]')
    from (
        select 'key' as kind, current_user::text as role_name, null::text as thing, null::text as rights, null::text as fix
        where current_user in (select o.role_name from _supportchat.outsiders() as o)
        union all select * from _supportchat.granted_to_outsiders(p_names)
        union all select * from _supportchat.opened_tables()
        union all select * from _supportchat.powerful_roles(p_names)
        union all select * from _supportchat.functions_that_lend_rights(p_names)
        union all select * from _supportchat.opened_on_supabase()
    ) as found
    cross join lateral (select case role_name when 'public' then 'PUBLIC' else role_name end as upper_public) as said
$$;

select _supportchat.record_script('functions/exposures.sql', 'fb737301e99e');

-- status.sql: what /status asks. Every answer is read when it is asked for. Safe to run again.

-- Of an earlier version, which read what is declared for each.
drop function if exists _supportchat.missing_columns(regclass, text);
drop function if exists _supportchat.missing_keys(regclass, text);

-- The columns of a table that are declared and not there, and those whose foreign key is not.
create or replace function _supportchat.missing_parts(p_table regclass, p_name text)
returns table (is_older boolean, columns jsonb, keys jsonb)
language sql
stable
set search_path = ''
as $$
    select
        bool_or(declared.is_older),
        coalesce(jsonb_agg(column_name order by place) filter (where not exists (
            select from pg_catalog.pg_attribute where attrelid = p_table and attname = column_name and not attisdropped
        )), '[]'),
        coalesce(jsonb_agg(column_name order by place) filter (where refers_to is not null and not exists (
            select from pg_catalog.pg_constraint k
            join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
            join pg_catalog.pg_class c on c.oid = k.confrelid
            where k.contype = 'f' and k.conrelid = p_table and a.attname = column_name and c.relname = refers_to
                and c.relnamespace = 'public'::regnamespace
        )), '[]')
    from _supportchat.declared_columns() as declared where table_name = p_name
$$;

-- How many rows a table has: exact up to 1,000, then Postgres' own estimate.
create or replace function _supportchat.count_rows(p_table regclass)
returns bigint
language plpgsql
stable
set search_path = ''
as $$
declare
    estimated bigint := (select reltuples from pg_catalog.pg_class where oid = p_table);
    counted bigint;
begin
    if estimated > 1000 then
        return estimated;
    end if;
    execute format('select count(*) from (select from %s limit 1001) as counted', p_table) into counted;
    return counted;
end $$;

-- Examines one of the tables of a chat: is it there, with its columns, its foreign keys, its row-level security?
create or replace function public.check_table(p_table text)
returns jsonb
language plpgsql
stable
set search_path = ''
as $$
declare
    here regclass := to_regclass(format('public.%I', p_table));
    missing record;
    last_at timestamptz;
begin
    select * into missing from _supportchat.missing_parts(here, p_table);
    if missing.is_older is not true then
        raise sqlstate 'PT404' using message = 'table_unknown';
    elsif here is null then
        return jsonb_build_object('table', p_table, 'exists', false);
    end if;
    if not missing.columns ? 'created_at' then
        execute format('select max(created_at) from %s', here) into last_at;
    end if;
    return jsonb_build_object(
        'table', p_table,
        'exists', true,
        'rows', _supportchat.count_rows(here),
        'last_at', last_at,
        'row_security', (select relrowsecurity from pg_catalog.pg_class where oid = here),
        'missing_columns', missing.columns,
        'missing_keys', missing.keys
    );
end $$;

-- The figures at the head of /status. Sockets and processes are those that live.
create or replace function public.desk_figures()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'waiting', (select count(*) from public.tickets where status = 'waiting' and snoozed_until is null),
        'open', (select count(*) from public.tickets where status = 'open'),
        'longest_wait_seconds', (
            select extract(epoch from now() - min(awaiting_since))::integer from public.tickets where status = 'waiting' and snoozed_until is null
        ),
        'first_reply_seconds', _supportchat.median_first_reply(date_trunc('day', now())),
        'reason', _supportchat.unassigned_reason(),
        'processes', (select count(*) from public.server_processes as p where _supportchat.is_live(p)),
        'sockets', (select coalesce(sum(sockets), 0) from public.server_processes as p where _supportchat.is_live(p)),
        'swept_seconds_ago', (select extract(epoch from now() - max(swept_at))::integer from public.server_processes)
    )
$$;

-- The first 100 tickets that wait although somebody could take them for longer than the sweep needs. There should be none.
create or replace function public.stuck_tickets()
returns jsonb
language sql
stable
set search_path = ''
as $$
    with free as materialized (
        -- Whoever gave a ticket back is not asked again: a second one can take it.
        select agent_id from _supportchat.agents_with_load() where availability = 'available' and load < max_tickets limit 2
    )
    select coalesce(jsonb_agg(stuck.number order by stuck.number), '[]')
    from (
        select number from public.tickets
        where status = 'waiting' and held is null and snoozed_until is null and updated_at < now() - interval '15 seconds'
            and exists (select from free) -- at first, and then the queue is not read
            and exists (select from free where free.agent_id is distinct from given_back_by)
        order by urgency, awaiting_since nulls last, number
        limit 100
    ) as stuck
$$;

-- The three queries that show a started chat, with their rows.
create or replace function public.verify_chat()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select jsonb_build_object(
        'sessions', (
            select coalesce(jsonb_agg(to_jsonb(s)), '[]')
            from (select * from public.user_sessions order by created_at desc limit 5) as s
        ),
        'messages', (
            select coalesce(jsonb_agg(to_jsonb(m)), '[]')
            from (select * from public.chat_messages order by created_at desc limit 10) as m
        ),
        'tickets', (
            select coalesce(jsonb_agg(to_jsonb(t)), '[]')
            from (select * from public.tickets where channel = 'web-chat' order by created_at desc limit 5) as t
        )
    )
$$;

-- Of some functions, those that this database does not have.
create or replace function public.missing_functions(p_names text[])
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_agg(name order by name), '[]') from unnest(p_names) as name
    where not exists (
        select from pg_catalog.pg_proc
        where pronamespace = 'public'::regnamespace and proname = name and proconfig @> array['search_path=""']
    )
$$;

-- The applied scripts and their checksums: what this database knows of its own version.
create or replace function public.applied_scripts()
returns jsonb
language sql
stable
set search_path = ''
as $$
    select coalesce(jsonb_object_agg(name, checksum), '{}') from public.schema_scripts
$$;

-- The last script: nothing calls them any more.
select _supportchat.drop_former_helpers();

select _supportchat.record_script('functions/status.sql', '58dc34ea5396');

notify pgrst, 'reload schema';

commit;

-- Rows that refer to nothing, if there are any. They are kept; look at them, and delete them or add what they refer to.
select found ->> 'table' as "table", found ->> 'column' as "column", found ->> 'refers_to' as refers_to,
    found ->> 'count' as number_of_rows, found ->> 'ids' as some_of_them
from jsonb_array_elements(public.orphan_rows()) as found;
