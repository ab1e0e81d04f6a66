-- notes.sql: private notes, which agents see between the messages and a customer never receives. Safe to run again.

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

notify pgrst, 'reload schema';

commit;
