-- fix_foreign_keys.sql gives every table its foreign keys.
-- Run it after supabase_schema.sql; it is safe to run again. A key that is missing is added; rows that already break
-- it are kept, and the key then binds new rows only.

select public.ensure_constraint(
    'public.agent_credentials', 'agent_credentials_agent_id_fkey',
    'foreign key (agent_id) references public.agents (id) on delete cascade'
);
select public.ensure_constraint(
    'public.agent_sessions', 'agent_sessions_agent_id_fkey',
    'foreign key (agent_id) references public.agents (id) on delete cascade'
);
select public.ensure_constraint(
    'public.user_sessions', 'user_sessions_visitor_id_fkey',
    'foreign key (visitor_id) references public.visitors (visitor_id) on delete set null'
);
select public.ensure_constraint(
    'public.chat_images', 'chat_images_session_id_fkey',
    'foreign key (session_id) references public.user_sessions (session_id) on delete cascade'
);
select public.ensure_constraint(
    'public.chat_messages', 'chat_messages_session_id_fkey',
    'foreign key (session_id) references public.user_sessions (session_id) on delete cascade'
);
select public.ensure_constraint(
    'public.chat_messages', 'chat_messages_sender_agent_id_fkey',
    'foreign key (sender_agent_id) references public.agents (id) on delete set null'
);
select public.ensure_constraint(
    'public.chat_messages', 'chat_messages_image_id_fkey',
    'foreign key (image_id) references public.chat_images (id)'
);
select public.ensure_constraint(
    'public.tickets', 'tickets_session_id_fkey',
    'foreign key (session_id) references public.user_sessions (session_id) on delete cascade'
);
select public.ensure_constraint(
    'public.tickets', 'tickets_assigned_agent_id_fkey',
    'foreign key (assigned_agent_id) references public.agents (id)'
);
select public.ensure_constraint(
    'public.ticket_events', 'ticket_events_ticket_id_fkey',
    'foreign key (ticket_id) references public.tickets (id) on delete cascade'
);
select public.ensure_constraint(
    'public.ticket_events', 'ticket_events_agent_id_fkey',
    'foreign key (agent_id) references public.agents (id) on delete set null'
);
select public.ensure_constraint(
    'public.ticket_notes', 'ticket_notes_session_id_fkey',
    'foreign key (session_id) references public.user_sessions (session_id) on delete cascade'
);
select public.ensure_constraint(
    'public.ticket_notes', 'ticket_notes_agent_id_fkey',
    'foreign key (agent_id) references public.agents (id)'
);
select public.ensure_constraint(
    'public.ticket_reads', 'ticket_reads_agent_id_fkey',
    'foreign key (agent_id) references public.agents (id) on delete cascade'
);
select public.ensure_constraint(
    'public.ticket_reads', 'ticket_reads_session_id_fkey',
    'foreign key (session_id) references public.user_sessions (session_id) on delete cascade'
);

notify pgrst, 'reload schema';
