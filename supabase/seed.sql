-- The demo people, for the local project of `supabase start` alone: everybody can read the password here, try-the-desk.
-- The hash was made by the desk, as SQL has no argon2.

do $$
begin
    -- Every local project has this secret, and no other one does.
    if current_setting('app.settings.jwt_secret', true)
        is distinct from 'super-secret-jwt-token-with-at-least-32-characters-long' then
        raise warning 'No demo people were made: this is not a local project.';
    elsif not exists (select from public.agents) then
        perform public.create_agent(
            person.name, person.email,
            '$argon2id$v=19$m=65536,t=3,p=1$HBbKU8nLP1RCvhBxtowh0w$9CyZUDBupmWukb1MnJUAi4T0s/oNRbfFp+GEh7RuFUE',
            person.role, p_is_demo => true
        )
        from (values
            ('Alice Kern', 'alice@example.com', 'agent'),
            ('Ben Ortiz', 'ben@example.com', 'agent'),
            ('Carol Tan', 'carol@example.com', 'admin')
        ) as person (name, email, role);
    end if;
end $$;
