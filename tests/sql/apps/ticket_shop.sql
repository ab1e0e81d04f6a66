-- A shop for tickets, with its own migrations under the very name and shape of ours, and functions that would be called.
create table public.schema_scripts (name text primary key, checksum text not null, applied_at timestamptz not null default now());
insert into public.schema_scripts (name, checksum, applied_at) values ('functions/status.sql', '000000000000', '2024-01-01Z');
create table public.visitors (visitor_id uuid primary key default gen_random_uuid(), created_at timestamptz not null default now(), basket jsonb);
create table public.tickets (
    number bigserial primary key, seat text not null, price numeric(8, 2) not null, status varchar(10) default 'sold',
    visitor_id uuid references public.visitors, created_at timestamptz default now(), unique (seat, created_at)
);
create table public.chat_images (id serial primary key, ticket bigint references public.tickets (number), qr bytea);
create table public.ticket_transitions (from_status text not null, to_status text not null, primary key (from_status, to_status));
create view public.sold as select number, seat from public.tickets where status = 'sold';
create rule sold_once as on delete to public.tickets do instead nothing;
create function public.check_bucket() returns text language plpgsql as $$ begin raise exception 'The bucket has a hole.'; end $$;
create function public.record_script(script text, sum text) returns void language sql as $$
    insert into public.schema_scripts (name, checksum) values (script, sum) on conflict do nothing
$$;
create procedure public.verify_chat() language sql as $$ update public.tickets set status = 'used' where false $$;
create function public.sweep_assignment() returns integer language sql security definer as $$ select 0 $$;
revoke execute on function public.sweep_assignment() from public;
create publication shop for table public.tickets, public.visitors;
alter table public.tickets replica identity full;
comment on table public.tickets is 'What people bought.';
insert into public.visitors (visitor_id, created_at) values ('b0000000-0000-0000-0000-0000000000bb', '2024-01-01Z');
insert into public.tickets (seat, price, visitor_id) select 'R' || i, 20 + i, 'b0000000-0000-0000-0000-0000000000bb' from generate_series(1, 5) i;
insert into public.ticket_transitions values ('sold', 'used');
