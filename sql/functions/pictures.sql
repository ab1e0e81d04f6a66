-- pictures.sql: where the bytes of a picture lie, and who may see them. Safe to run again.

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

notify pgrst, 'reload schema';

commit;
