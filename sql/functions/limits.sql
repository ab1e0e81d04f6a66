-- limits.sql: how often somebody may do something, exact across all server processes. Safe to run again.
-- A limit is [how many, in how many seconds], as JSON: so many at once, then one more whenever that share of the time has
-- passed. Null, or none at all, is no limit.

-- Takes one of what a limit allows; PT429 with the seconds to wait when there is nothing left, and then nothing is taken.
-- Buckets that are full again are the same as none: each call throws a few of them away.
create or replace function public.take_token(p_act text, p_whom text, p_limit jsonb)
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
    delete from public.throttle_buckets where key in (
        select key from public.throttle_buckets where full_at < right_now limit 10 for update skip locked
    );
    insert into public.throttle_buckets as bucket (key, full_at) values (p_act || '/' || p_whom, right_now + each)
    on conflict (key) do update set full_at = greatest(bucket.full_at, right_now) + each
    where greatest(bucket.full_at, right_now) + each <= right_now + whole;
    if not found then
        select ceil(extract(epoch from full_at + each - whole - right_now)) into seconds
        from public.throttle_buckets where key = p_act || '/' || p_whom;
        raise sqlstate 'PT429' using message = p_act || '_too_fast', detail = greatest(coalesce(seconds, 1), 1)::text;
    end if;
end $$;

select public.restrict_functions(array['take_token']);

select public.record_script('functions/limits.sql', '5d5524ad7ab9');

notify pgrst, 'reload schema';
