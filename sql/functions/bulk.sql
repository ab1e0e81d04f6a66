-- bulk.sql: what agents do with many tickets at once. Safe to run again.

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

notify pgrst, 'reload schema';

commit;
