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
