-- limits.sql: how often somebody may do something, exact across all server processes. Safe to run again.
-- A limit is [how many, in how many seconds], as JSON: so many at once, then one more whenever that share of the time has
-- passed. Null, or none at all, is no limit.

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

notify pgrst, 'reload schema';

commit;
