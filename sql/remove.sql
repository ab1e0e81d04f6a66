-- remove.sql removes supportchat from a database: its tables with every row in them, and its functions.
-- Nothing else is touched. When something else needs one of them, a view say, it stops, says what, and removes nothing.
-- The bucket chat-images stays: delete it in the project's dashboard, under Storage.

begin;

select set_config('supportchat.adopt', '', true);

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


do $$
begin
    if to_regnamespace('_supportchat') is null then
        raise exception 'Nothing was removed, because there is no supportchat of this version here.';
    end if;
end $$;

do $$
declare
    own record;
    helper regprocedure;
begin
    for own in
        select t.tgname, t.tgrelid::regclass as tgtable from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where p.pronamespace = '_supportchat'::regnamespace
    loop
        execute format('drop trigger %I on %s', own.tgname, own.tgtable);
    end loop;
    for helper in select oid from pg_proc where pronamespace = '_supportchat'::regnamespace loop
        execute format('drop function %s', helper);
    end loop;
end $$;
drop function if exists
    public.orphan_rows(text),
    public.list_audit(uuid, text[], uuid, bigint, integer, boolean),
    public.note_audit_export(uuid, text),
    public.events_after(text, integer),
    public.send_ping(text),
    public.send_heartbeat(double precision),
    public.database_epoch(),
    public.show_settings(uuid),
    public.change_settings(uuid, jsonb),
    public.sites_in_use(),
    public.list_sites(uuid),
    public.add_site(uuid, text, text),
    public.change_site(uuid, text, jsonb),
    public.change_logo(uuid, text, text),
    public.archive_site(uuid, text, boolean),
    public.identity_rules(text),
    public.show_identity(uuid, text),
    public.change_identity(uuid, text, jsonb),
    public.add_site_secret(uuid, text, text),
    public.delete_site_secret(uuid, text, uuid),
    public.identify_customer(text, text, text, text, text, text, jsonb, boolean),
    public.end_visit(text),
    public.check_card(),
    public.customer_card(uuid, bigint),
    public.messages_after(uuid, integer, integer, integer),
    public.messages_before(uuid, integer, integer, integer),
    public.report_process(uuid, integer, uuid[], uuid[], text[], double precision, boolean, boolean),
    public.forget_process(uuid),
    public.tag_ticket(uuid, bigint, text[], bigint[]),
    public.complete_tag(uuid, text, integer),
    public.list_tags(uuid),
    public.rename_tag(uuid, bigint, text),
    public.delete_tag(uuid, bigint),
    public.set_priority(uuid, bigint, integer),
    public.sweep_assignment(),
    public.ban_customer(uuid, bigint, text, integer, text),
    public.end_ban(uuid, uuid),
    public.list_bans(uuid),
    public.release_ticket(uuid, bigint),
    public.mark_spam(uuid, bigint),
    public.conversations(uuid[]),
    public.waiting_line(),
    public.conversation_of_visitor(text),
    public.join_conversation(text, bigint, uuid, integer, integer),
    public.signal_typing(text, uuid, bigint),
    public.signal_looks(uuid, jsonb),
    public.record_receipt(integer, integer, text, uuid, bigint, text),
    public.record_receipts(jsonb),
    public.read_mentions(uuid, bigint, integer),
    public.complete_mention(uuid, text, integer),
    public.post_message(text, uuid, uuid, text, jsonb),
    public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text, text, text),
    public.name_customer(text, uuid, text),
    public.close_chat(text, uuid),
    public.who_is_here(text, text),
    public.image_of_session(uuid, text, bigint),
    public.orphan_images(text[]),
    public.drafts_of_agent(uuid, integer, integer),
    public.save_draft(uuid, bigint, text, text, text, jsonb),
    public.release_replies(uuid),
    public.take_back_reply(uuid, bigint, uuid),
    public.forget_reply(uuid, bigint, uuid),
    public.held_replies(uuid, bigint),
    public.picture_of_held(uuid, bigint, uuid),
    public.queue_changes(uuid[], uuid[]),
    public.queue_counts(),
    public.list_tickets(uuid, text, integer),
    public.set_queue_order(uuid, text),
    public.ticket_of_agent(uuid, bigint),
    public.show_ticket(uuid, bigint, integer, integer),
    public.follow_ticket(uuid, bigint, integer, integer),
    public.post_reply(uuid, bigint, uuid, text, jsonb, integer, boolean, jsonb, integer),
    public.assign_ticket(uuid, bigint, uuid, uuid),
    public.unassign_ticket(uuid, bigint),
    public.close_ticket(uuid, bigint),
    public.reopen_ticket(uuid, bigint, boolean),
    public.add_note(uuid, bigint, uuid, text),
    public.notes_after(uuid, integer, integer, integer, integer, integer),
    public.snooze_ticket(uuid, bigint, timestamp with time zone),
    public.unsnooze_ticket(uuid, bigint),
    public.index_lines(integer),
    public.search_tickets(uuid, text, text, text[], text[], timestamp with time zone, timestamp with time zone, integer),
    public.list_views(uuid),
    public.save_view(uuid, text, text, boolean, uuid),
    public.delete_view(uuid, uuid),
    public.change_tickets(uuid, bigint[], text, text),
    public.undo_tickets(uuid, text, jsonb),
    public.list_replies(uuid),
    public.replies_for_ticket(uuid, bigint, text[], integer),
    public.save_reply(uuid, jsonb, uuid),
    public.delete_reply(uuid, uuid),
    public.import_replies(uuid, jsonb, boolean),
    public.use_reply(uuid, uuid),
    public.picture_of_reply(uuid, uuid),
    public.reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamp with time zone, text[], integer, boolean, integer),
    public.create_agent(text, text, text, text, integer, boolean),
    public.set_availability(uuid, text),
    public.set_language(uuid, text),
    public.set_keys(uuid, boolean),
    public.list_agents(),
    public.reset_password(text, text, boolean),
    public.begin_login(text, text, text, jsonb),
    public.refuse_login(text, text, text),
    public.open_agent_session(uuid, text, text, text, text, text, text, text, text, text),
    public.agent_of_session(text),
    public.close_agent_session(text),
    public.begin_code(uuid, text, jsonb),
    public.use_code(uuid, text, bigint, text),
    public.pending_login(text, text),
    public.finish_login(text, text, text, text, bigint, text, text),
    public.turn_on_two_factor(uuid, text, bigint, text[], text),
    public.replace_recovery_codes(uuid, text[], text),
    public.turn_off_two_factor(uuid, text),
    public.remove_two_factor(uuid, uuid),
    public.account(uuid, text, text),
    public.change_name(uuid, text),
    public.change_picture(uuid, text),
    public.is_open_picture(text),
    public.end_agent_sessions(uuid, text, uuid),
    public.change_password(uuid, text, text, text),
    public.list_people(uuid),
    public.invite_person(uuid, text, text, text, integer),
    public.renew_invitation(uuid, uuid, text),
    public.make_password_link(uuid, uuid, text),
    public.withdraw_link(uuid, uuid),
    public.change_person(uuid, uuid, text, text, integer),
    public.disable_person(uuid, uuid),
    public.enable_person(uuid, uuid),
    public.close_demo_accounts(),
    public.show_link(text),
    public.offer_setup(text, text),
    public.set_up(text, text, text, text),
    public.accept_invitation(text, text, text),
    public.use_password_link(text, text),
    public.unread_of_visitor(text, text),
    public.record_pages(text, jsonb),
    public.pages_of_session(uuid),
    public.make_handover(text, text, text),
    public.show_handover(text),
    public.take_handover(text),
    public.begin_provider_flow(text, text, text, text, text, text, text, text, text, text, jsonb, text),
    public.take_provider_flow(text, text),
    public.agent_of_identity(text, text, text, jsonb),
    public.accept_invitation_by_identity(text, text, text, text, text),
    public.connect_identity(uuid, text, text, text),
    public.disconnect_identity(uuid, text, text),
    public.advance_alerts(),
    public.take_pushes(integer),
    public.note_pushes(jsonb),
    public.push_arrived(uuid),
    public.push_keys(text, text),
    public.show_alerts(uuid),
    public.change_alerts(uuid, jsonb),
    public.add_device(uuid, text, text, text, text, text, text, text, boolean),
    public.delete_device(uuid, uuid),
    public.test_device(uuid, uuid),
    public.check_alerts(),
    public.export_customer(uuid, bigint, boolean),
    public.preview_erasure(uuid, bigint),
    public.erase_customer(uuid, bigint, boolean),
    public.show_privacy(uuid, uuid, integer),
    public.take_erasure_files(integer),
    public.note_erased_files(text[]),
    public.preview_retention(uuid, integer),
    public.erase_old_chats(integer),
    public.forget_old_data(),
    public.find_exposures(text[]),
    public.check_table(text),
    public.desk_figures(),
    public.stuck_tickets(),
    public.verify_chat(),
    public.missing_functions(text[]),
    public.applied_scripts(),
    public.messages_after(uuid, integer, integer),
    public.messages_before(uuid, integer, integer),
    public.report_process(uuid, integer, uuid[], text[], boolean),
    public.conversation_heads(uuid[]),
    public.signal_typing(uuid, text, uuid),
    public.record_receipt(uuid, text, integer, integer, uuid),
    public.start_chat(text, uuid, text, jsonb, text, text, text),
    public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb),
    public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text),
    public.start_chat(text, uuid, text, jsonb, text, text, text, text, jsonb, text, text),
    public.close_chat(text),
    public.who_is_here(),
    public.image_of_session(uuid, uuid),
    public.save_draft(uuid, bigint, text, text, text),
    public.desk_fingerprint(),
    public.session_of_ticket(bigint),
    public.post_reply(uuid, bigint, uuid, text, jsonb),
    public.post_reply(uuid, bigint, uuid, text, jsonb, integer),
    public.reopen_ticket(uuid, bigint),
    public.notes_after(uuid, integer, integer),
    public.reply_and_act(uuid, bigint, uuid, text, jsonb, text, timestamptz, text[], integer),
    public.create_agent(text, text, text, text, integer),
    public.reset_password(text, text),
    public.refuse_login(text, text),
    public.open_agent_session(uuid, text),
    public.open_agent_session(uuid, text, text),
    public.open_agent_session(uuid, text, text, text, text, text),
    public.open_agent_session(uuid, text, text, text, text, text, text),
    public.good_sessions(text[]),
    public.turn_on_two_factor(uuid, text, bigint, text[]),
    public.replace_recovery_codes(uuid, text[]),
    public.turn_off_two_factor(uuid),
    public.account(uuid, text),
    public.is_picture_of_agent(text),
    public.offer_setup(text),
    public.begin_provider_flow(text, text, text, text, text, text, text, text, text, text, jsonb),
    public.connect_identity(uuid, text, text),
    public.disconnect_identity(uuid, text);
drop table if exists
    public.schema_scripts,
    public.visitors,
    public.agents,
    public.sites,
    public.site_identity,
    public.site_secrets,
    public.persons,
    public.person_keys,
    public.user_sessions,
    public.chat_messages,
    public.tickets,
    public.agent_credentials,
    public.recovery_codes,
    public.agent_sessions,
    public.pending_logins,
    public.agent_identities,
    public.provider_flows,
    public.agent_browsers,
    public.desk_settings,
    public.role_rights,
    public.one_time_links,
    public.audit_log,
    public.bans,
    public.saved_replies,
    public.saved_reply_uses,
    public.refused_logins,
    public.chat_images,
    public.customer_pages,
    public.erasures,
    public.erasure_files,
    public.desk_tags,
    public.ticket_tags,
    public.search_lines,
    public.search_slices,
    public.search_state,
    public.desk_views,
    public.ticket_transitions,
    public.events,
    public.ticket_notes,
    public.note_mentions,
    public.ticket_reads,
    public.ticket_drafts,
    public.held_replies,
    public.alert_choices,
    public.agent_devices,
    public.agent_alerts,
    public.agent_pushes,
    public.desk_push_keys,
    public.event_readers,
    public.server_processes,
    public.customers_here,
    public.heartbeat,
    public.throttle_buckets;
drop sequence if exists public.ticket_numbers;
drop schema _supportchat;

notify pgrst, 'reload schema';

commit;
