-- A customer relationship manager. It has views, a partitioned table, a sequence, a domain, an index and a trigger under
-- names of ours.
create domain public.visitors as text check (value <> '');
create table public.staff (id serial primary key, email text unique, name text not null, boss_id integer references public.staff);
create view public.agents as select id, email, name from public.staff;
create materialized view public.heartbeat as select count(*) as people from public.staff;
create table public.cases (
    id serial primary key,
    number integer not null,
    status text not null default 'new' check (status in ('new', 'won', 'lost')),
    staff_id integer references public.staff
);
create unique index tickets_number_key on public.cases (number);
create sequence public.ticket_numbers start 500 increment 5;
alter table public.cases alter column number set default nextval('public.ticket_numbers');
create table public.events (case_id integer not null, at timestamptz not null, what text) partition by range (at);
create table public.events_2024 partition of public.events for values from ('2024-01-01') to ('2025-01-01');
create function public.guard_ticket() returns trigger language plpgsql set search_path = '' as $$
begin
    if old.status = 'won' then
        raise exception 'A case that is won stays won.';
    end if;
    return new;
end $$;
create trigger guard_ticket before update on public.cases for each row execute function public.guard_ticket();
-- As the linter wants it, and still not ours.
create function public.list_agents() returns jsonb language sql stable set search_path = '' as $$
    select jsonb_agg(name) from public.staff
$$;
grant execute on function public.list_agents() to public;
create function public.create_agent(email text) returns void language sql as $$ insert into public.staff (email, name) values (email, email) $$;
comment on function public.create_agent(text) is 'Hires somebody.';
insert into public.staff (email, name) values ('b@example.com', 'Bea'), ('c@example.com', 'Cem');
insert into public.cases (staff_id, status) values (1, 'won'), (2, 'new');
insert into public.events values (1, '2024-05-01Z', 'called');
refresh materialized view public.heartbeat;
