-- tables.sql: what there is. Each column, index and reference stands here once, in one row; everything that makes, mends,
-- checks and closes tables reads these rows. An older database gets what it lacks.

-- What the web code calls stands in the schema public. Everything else is in one that PostgREST does not expose.
do $$
begin
    -- "if not exists" asks for the right to make one even where it is there.
    if to_regnamespace('_supportchat') is null then
        create schema _supportchat;
    end if;
end $$;

-- A table cannot be altered while a deferred key of an older version has rows to check.
set constraints all immediate;

-- The rows of a text that is written as a table: lines with bars, in their order. An empty cell is null.
create or replace function _supportchat.written_rows(p_text text)
returns table (place bigint, cells text[])
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, array(
        select nullif(btrim(cell), '') from unnest(string_to_array(line, '|')) with ordinality as split (cell, number) order by number
    )
    from unnest(string_to_array(p_text, E'\n')) with ordinality as written (line, place)
    where line like '%|%' and line not like '% -- %';
end $$;

-- Every column of every table. What is demanded of it: 'key', of the primary key; 'required', and rows of an older version
-- get the default; 'computed', required too, but upgrade.sql says what rows of an older version get. refers_to is the
-- table whose key it holds; on_delete is what happens to the row when that one is deleted (nothing: it may not be).
-- The tables with a column "legacy" are those that older versions had (is_older) and left in any shape; what they held goes
-- there when it has to change. A key to which nothing refers may be of any type in them (is_free).
create or replace function _supportchat.declared_columns()
returns table (
    place bigint, table_name text, column_name text, type text, demand text, default_value text, refers_to text,
    on_delete text, is_older boolean, is_free boolean
)
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7],
        bool_or(cells[2] = 'legacy') over (partition by cells[1]),
        cells[4] = 'key' and cells[1] <> all (array_agg(cells[6]) filter (where cells[6] is not null) over ())
    from _supportchat.written_rows($columns$
        -- Which script was applied in which version.
        schema_scripts     | name                   | text        | key      |
        schema_scripts     | checksum               | text        | required |
        schema_scripts     | applied_at             | timestamptz | required | now()

        -- A browser that has chatted here, known by the hash of its cookie and by nothing that a person could type.
        visitors           | visitor_id             | uuid        | key      | gen_random_uuid()
        visitors           | token_hash             | text        | required |
        -- What its ban says, so that a message need not ask; see apply_ban.
        visitors           | banned_until           | timestamptz |          |
        visitors           | created_at             | timestamptz | required | now()

        -- A person who answers. Passwords and login sessions live in tables of their own, so that no row holds a secret.
        agents             | id                     | uuid        | key      | gen_random_uuid()
        agents             | name                   | text        | computed |
        agents             | email                  | text        |          |
        agents             | role                   | text        | required | 'agent'
        agents             | availability           | text        | required | 'available'
        agents             | max_tickets            | integer     | required | 5
        agents             | language               | text        |          |
        agents             | single_keys            | boolean     | required | true
        agents             | is_active              | boolean     | required | true
        agents             | picture_key            | text        |          |
        agents             | queue_order            | text        | required | 'longest'
        agents             | disabled_at            | timestamptz |          |
        agents             | is_demo                | boolean     | computed | false
        agents             | lease_expires_at       | timestamptz |          |
        agents             | is_here                | boolean     | required | false
        agents             | created_at             | timestamptz | required | now()
        agents             | legacy                 | jsonb       |          |

        -- A site from which customers chat: its look, its words, and who may frame the chat (allowed_origins). The one with the
        -- id 1 and the key 'main' is always there. language is null for that of the browser; of the addresses of its pages,
        -- which are followed if it says so, kept_parameters are all of the query that is kept. tickets.site_id refers to it without a foreign key, whose index each change of a ticket
        -- would have to write: no site is ever deleted, and a ticket of one that is missing counts as the main one's.
        sites              | site_id                | bigint      | key      | identity
        sites              | key                    | text        | required |
        sites              | name                   | text        | required |
        sites              | colour                 | text        | required | '#017272'
        sites              | logo_path              | text        |          |
        sites              | greeting               | text        |          |
        sites              | show_faces             | boolean     | required | true
        sites              | show_reply_time        | boolean     | required | true
        sites              | language               | text        |          |
        sites              | allowed_origins        | text[]      | required | '{}'
        sites              | follow_pages           | boolean     | required | true
        sites              | kept_parameters        | text[]      | required | '{}'
        sites              | created_at             | timestamptz | required | now()
        sites              | archived_at            | timestamptz |          |

        -- How a site says who its customers are: by tokens that it signs with one of its secrets (method 'secret'), or by those of
        -- an issuer whose keys are read from keys_url ('issuer'). algorithm is the only one that counts; see docs/identity.md.
        site_identity      | site_id                | bigint      | key      |                   | sites         | cascade
        site_identity      | method                 | text        | required | 'off'
        site_identity      | algorithm              | text        | required | 'ES256'
        site_identity      | issuer                 | text        |          |
        site_identity      | keys_url               | text        |          |
        site_identity      | audience               | text        |          |
        site_identity      | longest_minutes        | integer     | required | 60
        site_identity      | shows_card             | boolean     | required | false

        -- The secrets that a site signs with, two at most: the next one while the former is still in use.
        site_secrets       | id                     | uuid        | key      | gen_random_uuid()
        site_secrets       | site_id                | bigint      | required |                   | sites         | cascade
        site_secrets       | secret                 | text        | required |
        site_secrets       | created_by             | uuid        |          |
        site_secrets       | created_at             | timestamptz | required | now()

        -- Whom a site has named by a signed token: a person is known by the site and the sub. Their chats are those of the row in
        -- visitors, whose own key nobody has; each of their browsers has a key in person_keys instead.
        persons            | person_id              | uuid        | key      | gen_random_uuid()
        persons            | site_id                | bigint      | required |                   | sites         | cascade
        persons            | sub                    | text        | required |
        persons            | visitor_id             | uuid        | required |                   | visitors      | cascade
        persons            | name                   | text        |          |
        persons            | email                  | text        |          |
        persons            | attributes             | jsonb       | required | '{}'
        persons            | created_at             | timestamptz | required | now()
        persons            | verified_at            | timestamptz | required | now()
        person_keys        | token_hash             | text        | key      |
        person_keys        | visitor_id             | uuid        | required |                   | visitors      | cascade
        person_keys        | seen_at                | timestamptz | required | now()

        -- A conversation. last_seq is the counter of its messages; it moves only under this row's lock. customer_lines counts
        -- those of the customer, and last_spoken_seq is the last message that a person wrote. last_at, last_writer (an agent's
        -- id, or the sender) and last_continues are of the last message, for the one after it. Of an erased one, and of its
        -- ticket, only what nobody can be known by is left: see privacy.sql.
        user_sessions      | session_id             | uuid        | key      | gen_random_uuid()
        user_sessions      | visitor_id             | uuid        |          |                   | visitors      | set null
        user_sessions      | customer_name          | text        |          |
        user_sessions      | customer_phone         | text        |          |
        user_sessions      | time_zone              | text        |          |
        -- From which network it was started: an IPv4 address, or the /64 of an IPv6 one.
        user_sessions      | address                | text        |          |
        -- The origin of the page in whose frame it was started, as that page says it.
        user_sessions      | framed_on              | text        |          |
        user_sessions      | channel                | text        | required | 'web-chat'
        user_sessions      | is_anonymous           | boolean     | computed | true
        user_sessions      | status                 | text        | required | 'active'
        user_sessions      | last_seq               | integer     | required | 0
        user_sessions      | last_spoken_seq        | integer     | computed | 0
        user_sessions      | customer_lines         | integer     | computed | 0
        user_sessions      | last_at                | timestamptz |          |
        user_sessions      | last_writer            | text        |          |
        user_sessions      | last_continues         | boolean     |          |
        user_sessions      | last_note_no           | integer     | required | 0
        user_sessions      | customer_delivered_seq | integer     | required | 0
        user_sessions      | customer_read_seq      | integer     | required | 0
        user_sessions      | agent_delivered_seq    | integer     | required | 0
        user_sessions      | agent_read_seq         | integer     | required | 0
        user_sessions      | created_at             | timestamptz | required | now()
        user_sessions      | erased_at              | timestamptz |          |
        user_sessions      | legacy                 | jsonb       |          |

        -- What was said. event and detail mark the lines of the system, which each audience reads in its own words. The id is known
        -- to nobody; for a secret one the embedded Postgres opens a file each time.
        chat_messages      | id                     | uuid        | key      | md5(concat(random(), clock_timestamp()))::uuid
        chat_messages      | session_id             | uuid        |          |                   | user_sessions | cascade
        chat_messages      | seq                    | integer     |          |
        chat_messages      | sender                 | text        | computed |
        chat_messages      | sender_agent_id        | uuid        |          |                   | agents        | set null
        chat_messages      | client_message_id      | uuid        | required | gen_random_uuid()
        chat_messages      | message                | text        | computed | ''
        chat_messages      | image_id               | uuid        |          |                   | chat_images
        chat_messages      | event                  | text        |          |
        chat_messages      | detail                 | jsonb       | required | '{}'
        chat_messages      | created_at             | timestamptz | required | clock_timestamp()
        chat_messages      | legacy                 | jsonb       |          |

        -- What the desk has to do about a conversation. awaiting_since is the moment from which the customer waits for an
        -- answer; it is null once an agent has answered.
        tickets            | id                     | uuid        | key      | gen_random_uuid()
        tickets            | number                 | bigint      | computed | nextval('public.ticket_numbers')
        tickets            | session_id             | uuid        |          |                   | user_sessions | cascade
        tickets            | channel                | text        | required | 'web-chat'
        tickets            | site_id                | bigint      | required | 1
        tickets            | status                 | text        | required | 'waiting'
        tickets            | assigned_agent_id      | uuid        |          |                   | agents
        tickets            | awaiting_since         | timestamptz |          |
        tickets            | assigned_at            | timestamptz |          |
        tickets            | given_back_by          | uuid        |          |
        tickets            | first_reply_at         | timestamptz |          |
        tickets            | closed_at              | timestamptz |          |
        tickets            | erased_at              | timestamptz |          |
        -- Why it is given to nobody by itself, and whether it was closed as spam: see spam.sql.
        tickets            | held                   | text        |          |
        tickets            | is_spam                | boolean     | required | false
        -- How soon somebody is to see to it: 1 urgent, 2 high, 3 normal, 4 low.
        tickets            | urgency                | smallint    | required | 3
        -- Until when it is out of sight ('infinity': until the customer writes), and since when it is back: see snooze.sql.
        tickets            | snoozed_until          | timestamptz |          |
        tickets            | woke_at                | timestamptz |          |
        tickets            | version                | integer     | required | 1
        tickets            | created_at             | timestamptz | required | now()
        tickets            | updated_at             | timestamptz | computed | now()
        tickets            | legacy                 | jsonb       |          |

        -- What must stay secret about an agent. Two-factor is on where there is a totp_secret, in base32; totp_step is the last
        -- one whose code has counted.
        agent_credentials  | agent_id               | uuid        | key      |                   | agents        | cascade
        agent_credentials  | password_hash          | text        | required |
        agent_credentials  | changed_at             | timestamptz | required | now()
        agent_credentials  | totp_secret            | text        |          |
        agent_credentials  | totp_since             | timestamptz |          |
        agent_credentials  | totp_step              | bigint      | required | 0

        -- The codes that count instead of one from the app, each once, by their SHA-256: what is used is deleted.
        recovery_codes     | agent_id               | uuid        | key      |                   | agents        | cascade
        recovery_codes     | code_hash              | text        | key      |

        agent_sessions     | token_hash             | text        | key      |
        agent_sessions     | id                     | uuid        | required | gen_random_uuid()
        agent_sessions     | agent_id               | uuid        | required |                   | agents        | cascade
        agent_sessions     | user_agent             | text        |          |
        agent_sessions     | created_at             | timestamptz | required | now()
        agent_sessions     | last_seen_at           | timestamptz | required | now()

        -- Logins whose password was right, and which wait for the second step.
        pending_logins     | token_hash             | text        | key      |
        pending_logins     | agent_id               | uuid        | required |                   | agents        | cascade
        pending_logins     | browser                | text        |          |
        pending_logins     | user_agent             | text        |          |
        pending_logins     | how                    | text        |          |
        pending_logins     | created_at             | timestamptz | required | now()

        -- Who an agent is to an OpenID Connect provider: an account of its own, known by issuer and subject, and by nothing else
        -- that the provider says.
        agent_identities   | issuer                 | text        | key      |
        agent_identities   | subject                | text        | key      |
        agent_identities   | agent_id               | uuid        | required |                   | agents        | cascade
        agent_identities   | created_at             | timestamptz | required | now()

        -- Who was sent to the provider and has not come back, known by the hash of their state: from which browser (the hash of
        -- its cookie), what for, and where they want to go. link_hash is the invitation that they accept, session_hash the login
        -- session that connects the provider.
        provider_flows     | state_hash             | text        | key      |
        provider_flows     | browser                | text        | required |
        provider_flows     | issuer                 | text        | required |
        provider_flows     | nonce                  | text        | required |
        provider_flows     | code_verifier          | text        | required |
        provider_flows     | purpose                | text        | required |
        provider_flows     | target                 | text        |          |
        provider_flows     | link_hash              | text        |          |
        provider_flows     | session_hash           | text        |          |
        provider_flows     | address                | text        | required |
        provider_flows     | created_at             | timestamptz | required | now()

        -- Browsers in which an agent has logged in before: somebody who guesses passwords elsewhere does not lock them out.
        agent_browsers     | agent_id               | uuid        | key      |                   | agents        | cascade
        agent_browsers     | token_hash             | text        | key      |
        agent_browsers     | seen_at                | timestamptz | required | now()

        -- What admins have set in the app; what is not here has the default of declared_settings.
        desk_settings      | name                   | text        | key      |
        desk_settings      | value                  | jsonb       | required |
        -- What each role may do: see rules.sql.
        role_rights        | role                   | text        | key      |
        role_rights        | right_name             | text        | key      |

        -- Links that somebody follows once, known by the hash of their token. agent_id is whose password a link is for; email,
        -- role and max_tickets are what an invitation promises.
        one_time_links     | token_hash             | text        | key      |
        one_time_links     | id                     | uuid        | required | gen_random_uuid()
        one_time_links     | purpose                | text        | required |
        one_time_links     | agent_id               | uuid        |          |                   | agents        | cascade
        one_time_links     | email                  | text        |          |
        one_time_links     | role                   | text        |          |
        one_time_links     | max_tickets            | integer     |          |
        one_time_links     | visitor_id             | uuid        |          |                   | visitors      | cascade
        one_time_links     | sealed_key             | text        |          |
        one_time_links     | created_by             | uuid        |          |
        one_time_links     | created_at             | timestamptz | required | now()
        one_time_links     | expires_at             | timestamptz | required |

        -- Who has done what, kept longer than chats, and never changed: about holds codes and ids. See audit.sql.
        audit_log          | id                     | bigint      | key      | identity
        audit_log          | kind                   | text        | required |
        audit_log          | agent_id               | uuid        |          |
        audit_log          | about                  | jsonb       | required | '{}'
        audit_log          | address                | text        |          |
        audit_log          | created_at             | timestamptz | required | clock_timestamp()

        -- Browsers and networks that may not write. session_id is the chat for which they were banned; is_spam says that it was done
        -- by closing it as spam. See bans.sql.
        bans               | id                     | uuid        | key      | gen_random_uuid()
        bans               | visitor_id             | uuid        |          |                   | visitors      | cascade
        bans               | network                | text        |          |
        bans               | session_id             | uuid        |          |                   | user_sessions | set null
        bans               | is_spam                | boolean     | required | false
        bans               | reason                 | text        | required | ''
        bans               | created_by             | uuid        |          |
        bans               | created_at             | timestamptz | required | now()
        bans               | expires_at             | timestamptz | required |

        -- Replies that agents have saved, of owner_id or (null) of everybody. Once one is sent, its ticket gets its tags, and close_after
        -- has it closed, or snooze has it snoozed until then (a choice that the web code knows). uses counts for each agent, so that theirs come first. See replies.sql.
        saved_replies      | id                     | uuid        | key      | gen_random_uuid()
        saved_replies      | owner_id               | uuid        |          |                   | agents        | cascade
        saved_replies      | name                   | text        | required |
        saved_replies      | message                | text        | required | ''
        saved_replies      | close_after            | boolean     | required | false
        saved_replies      | snooze                 | text        |          |
        saved_replies      | tags                   | text[]      | required | '{}'
        saved_replies      | picture_key            | text        |          |
        saved_replies      | picture_type           | text        |          |
        saved_replies      | picture_bytes          | integer     |          |
        saved_replies      | created_at             | timestamptz | required | now()
        saved_replies      | updated_at             | timestamptz | required | now()
        saved_reply_uses   | reply_id               | uuid        | key      |                   | saved_replies | cascade
        saved_reply_uses   | agent_id               | uuid        | key      |                   | agents        | cascade
        saved_reply_uses   | uses                   | integer     | required | 1

        -- How many logins were refused within an hour, for an account or from an address: see refuse_login.
        refused_logins     | key                    | text        | key      |
        refused_logins     | attempts               | integer     | required | 1
        refused_logins     | began_at               | timestamptz | required | now()

        -- A stored picture that a message needs.
        chat_images        | id                     | uuid        | key      | gen_random_uuid()
        chat_images        | session_id             | uuid        | required |                   | user_sessions | cascade
        chat_images        | storage_key            | text        | required |
        chat_images        | content_type           | text        | required |
        chat_images        | width                  | integer     | required |
        chat_images        | height                 | integer     | required |
        chat_images        | bytes                  | integer     | required |
        chat_images        | digest                 | text        | required |
        chat_images        | created_at             | timestamptz | required | now()

        -- Where on their site a customer is, and was: the last pages of the visit, and where it came from. See widget.sql.
        customer_pages     | session_id             | uuid        | key      |                   | user_sessions | cascade
        customer_pages     | pages                  | jsonb       | required | '[]'
        customer_pages     | referrer               | text        |          |
        customer_pages     | updated_at             | timestamptz | required | now()

        -- Receipts of what was erased: by whom (null: by the retention of chats, one for each day) and how much. closed_at is when
        -- the store had none of its pictures any more; erasure_files are those that it may still have.
        erasures           | id                     | uuid        | key      | gen_random_uuid()
        erasures           | kind                   | text        | required |
        erasures           | agent_id               | uuid        |          |
        erasures           | ticket_number          | bigint      |          |
        erasures           | days                   | integer     |          |
        erasures           | conversations          | integer     | required | 0
        erasures           | messages               | integer     | required | 0
        erasures           | notes                  | integer     | required | 0
        erasures           | pictures               | integer     | required | 0
        erasures           | created_at             | timestamptz | required | now()
        erasures           | closed_at              | timestamptz |          |
        erasure_files      | storage_key            | text        | key      |
        erasure_files      | erasure_id             | uuid        | required |                   | erasures      | cascade
        erasure_files      | tried_at               | timestamptz |          |

        -- The tags of the desk, and which tickets have them. folded is the name as search has it, by which two are the same.
        desk_tags          | tag_id                 | bigint      | key      | identity
        desk_tags          | name                   | text        | required |
        desk_tags          | folded                 | text        | required |
        desk_tags          | created_at             | timestamptz | required | now()
        ticket_tags        | ticket_id              | uuid        | key      |                   | tickets       | cascade
        ticket_tags        | tag_id                 | bigint      | key      |                   | desk_tags     | cascade

        -- What search knows: the words of each message (note_no 0), of each note, and of who the customer is (seq and note_no 0); the
        -- newest has the highest line_id. 65,536 numbers are a slice, and search_slices says when the lines of each were written.
        -- search_state says how far the log has been read, and at which ticket the older ones are, on their way from the newest
        -- to the first. See search.sql.
        search_lines       | line_id                | bigint      | key      |
        search_lines       | session_id             | uuid        | required |                   | user_sessions | cascade
        search_lines       | seq                    | integer     | required |
        search_lines       | note_no                | integer     | required | 0
        search_lines       | words                  | tsvector    | required |
        search_lines       | created_at             | timestamptz | required | now()
        search_slices      | slice                  | bigint      | key      |
        search_slices      | first_at               | timestamptz | required |
        search_slices      | last_at                | timestamptz | required |
        search_state       | only_row               | boolean     | key      | true
        search_state       | cursor                 | text        |          |
        search_state       | last_event             | bigint      | required | 0
        search_state       | read_at                | timestamptz | required | now()
        search_state       | next_ticket            | bigint      |          |
        search_state       | next_line              | bigint      | required | 0

        -- Searches with a name, of one agent or of everybody.
        desk_views         | view_id                | uuid        | key      | gen_random_uuid()
        desk_views         | agent_id               | uuid        | required |                   | agents        | cascade
        desk_views         | name                   | text        | required |
        desk_views         | query                  | text        | required |
        desk_views         | is_shared              | boolean     | required | false
        desk_views         | created_at             | timestamptz | required | now()

        -- The ways a ticket may go; guard_ticket refuses every other.
        ticket_transitions | from_status            | text        | key      |
        ticket_transitions | to_status              | text        | key      |

        -- The log: what has happened, written by the transaction that did it, for whoever follows it. detail holds codes and
        -- ids, never texts or names. What belongs to a ticket is its history and lives as long; the rest goes after a day.
        events             | id                     | bigint      | key      | identity
        events             | transaction            | xid8        | required | pg_current_xact_id()
        events             | kind                   | text        | required |
        events             | session_id             | uuid        |          |
        events             | ticket_id              | uuid        |          |                   | tickets       | cascade
        events             | actor                  | text        | required | 'system'
        events             | agent_id               | uuid        |          |
        events             | detail                 | jsonb       | required | '{}'
        events             | created_at             | timestamptz | required | clock_timestamp()

        -- Private notes stand apart from the messages: nothing that reads for a customer reads this table.
        -- after_seq is the last message that was there when the note was written, and so its place between them.
        ticket_notes       | id                     | uuid        | key      | gen_random_uuid()
        ticket_notes       | session_id             | uuid        | required |                   | user_sessions | cascade
        ticket_notes       | note_no                | integer     | required |
        ticket_notes       | after_seq              | integer     | required |
        ticket_notes       | agent_id               | uuid        | required |                   | agents
        ticket_notes       | client_message_id      | uuid        | required |
        ticket_notes       | note                   | text        | required |
        ticket_notes       | created_at             | timestamptz | required | clock_timestamp()

        -- Whom a note mentions, in which spellings, and when they have read it.
        note_mentions      | session_id             | uuid        | key      |                   | user_sessions | cascade
        note_mentions      | note_no                | integer     | key      |
        note_mentions      | agent_id               | uuid        | key      |                   | agents        | cascade
        note_mentions      | written                | text[]      | required |
        note_mentions      | read_at                | timestamptz |          |

        -- How far each agent has read each conversation. read_lines is what customer_lines was there: what it has grown by since
        -- is unread.
        ticket_reads       | agent_id               | uuid        | key      |                   | agents        | cascade
        ticket_reads       | session_id             | uuid        | key      |                   | user_sessions | cascade
        ticket_reads       | read_seq               | integer     | required | 0
        ticket_reads       | read_lines             | integer     | computed | 0

        -- What each agent has typed and not sent, as 'reply' or 'note'. It is empty once it was sent.
        ticket_drafts      | agent_id               | uuid        | key      |                   | agents        | cascade
        ticket_drafts      | session_id             | uuid        | key      |                   | user_sessions | cascade
        ticket_drafts      | mode                   | text        | key      |
        ticket_drafts      | draft                  | text        | required |
        ticket_drafts      | acts                   | jsonb       | required | '{}'
        ticket_drafts      | saved_at               | timestamptz | required | clock_timestamp()

        -- Replies that wait until due_at, so that whoever has written one can take it back: with the picture that is stored for
        -- it, what is to happen to its ticket then (acts), and the last line that there was when it was written (seen_seq). Once
        -- it is sent, its row goes. One without due_at is not sent, and refused says why: 'undone' by its agent, a code of what
        -- post_reply refuses, or 'gone' (only its id is left, so that no repeated attempt sends it). See held.sql.
        held_replies       | session_id             | uuid        | key      |                   | user_sessions | cascade
        held_replies       | client_message_id      | uuid        | key      |
        held_replies       | agent_id               | uuid        | required |                   | agents        | cascade
        held_replies       | message                | text        | required |
        held_replies       | image                  | jsonb       |          |
        held_replies       | acts                   | jsonb       | required | '{}'
        held_replies       | seen_seq               | integer     | required |
        held_replies       | due_at                 | timestamptz |          |
        held_replies       | refused                | text        |          |
        held_replies       | detail                 | text        |          |
        held_replies       | held_at                | timestamptz | required | clock_timestamp()

        -- What each agent wants to be told of, and how: who has no row has the defaults. quiet_from and quiet_until are times of
        -- day ('22:00') in time_zone, between which nothing is shown or heard. See alerts.sql.
        alert_choices      | agent_id               | uuid        | key      |                   | agents        | cascade
        alert_choices      | scope                  | text        | required | 'unassigned'
        alert_choices      | sound                  | boolean     | required | true
        alert_choices      | desktop                | boolean     | required | true
        alert_choices      | push                   | boolean     | required | true
        alert_choices      | shows_text             | boolean     | required | false
        alert_choices      | quiet_from             | text        |          |
        alert_choices      | quiet_until            | text        |          |
        alert_choices      | time_zone              | text        | required | 'UTC'

        -- The browsers that an agent has had ask for notifications (RFC 8030). login_id is the login session that said so last.
        agent_devices      | id                     | uuid        | key      | gen_random_uuid()
        agent_devices      | agent_id               | uuid        | required |                   | agents        | cascade
        agent_devices      | endpoint               | text        | required |
        agent_devices      | p256dh                 | text        | required |
        agent_devices      | auth                   | text        | required |
        agent_devices      | user_agent             | text        |          |
        agent_devices      | language               | text        | required | 'en'
        agent_devices      | origin                 | text        | required |
        agent_devices      | login_id               | uuid        |          |
        agent_devices      | created_at             | timestamptz | required | now()
        agent_devices      | sent_at                | timestamptz |          |
        agent_devices      | arrived_at             | timestamptz |          |
        agent_devices      | problem                | text        |          |
        agent_devices      | problem_at             | timestamptz |          |

        -- Who has been told that somebody writes, up to which of the customer's lines, and why: the ticket is theirs ('mine'),
        -- nobody's ('waiting'), they want to know of all ('all'), or whoever has it has not come ('next'); or that the note note_no
        -- mentions them ('mentioned'). At passes_at the next one is told. A row goes when its agent has read, or need not any more.
        agent_alerts       | agent_id               | uuid        | key      |                   | agents        | cascade
        agent_alerts       | session_id             | uuid        | key      |                   | user_sessions | cascade
        agent_alerts       | lines                  | integer     | required |
        agent_alerts       | why                    | text        | required |
        agent_alerts       | note_no                | integer     | required | 0
        agent_alerts       | raised_at              | timestamptz | required | now()
        agent_alerts       | passes_at              | timestamptz |          |

        -- What is sent to devices: an alert, its end, or a test, which is of no chat. due_at is when it is to be sent, or tried
        -- again; null once that is done. The id is known to the device alone, which says by it that the notification has arrived.
        agent_pushes       | id                     | uuid        | key      | gen_random_uuid()
        agent_pushes       | device_id              | uuid        | required |                   | agent_devices | cascade
        agent_pushes       | session_id             | uuid        |          |                   | user_sessions | cascade
        agent_pushes       | kind                   | text        | required | 'alert'
        agent_pushes       | due_at                 | timestamptz |          |
        agent_pushes       | tries                  | integer     | required | 0
        agent_pushes       | created_at             | timestamptz | required | now()
        agent_pushes       | sent_at                | timestamptz |          |
        agent_pushes       | arrived_at             | timestamptz |          |

        -- The key with which the desk shows push services that it is the same one as before (VAPID, RFC 8292): made once.
        desk_push_keys     | only_row               | boolean     | key      | true
        desk_push_keys     | private_key            | text        | required |
        desk_push_keys     | public_key             | text        | required |
        desk_push_keys     | created_at             | timestamptz | required | now()

        -- How far those have read the log who act on each event once, by transaction and id, in which history.
        event_readers      | name                   | text        | key      |
        event_readers      | epoch                  | text        | required |
        event_readers      | transaction            | xid8        | required |
        event_readers      | id                     | bigint      | required |

        -- The server processes that share this database. Each reports every few seconds, and says for how long that counts.
        server_processes   | process_id             | uuid        | key      |
        server_processes   | started_at             | timestamptz | required | now()
        server_processes   | seen_at                | timestamptz | required | now()
        server_processes   | live_until             | timestamptz | required | now()
        server_processes   | sockets                | integer     | required | 0
        server_processes   | swept_at               | timestamptz |          |

        -- The conversations whose customer has the chat open, and in which process.
        customers_here     | session_id             | uuid        | key      |
        customers_here     | process_id             | uuid        | key      |                   | server_processes | cascade

        -- The last heartbeat: one row, one beat for all processes. See send_heartbeat.
        heartbeat          | only_row               | boolean     | key      | true
        heartbeat          | number                 | bigint      | required | 0
        heartbeat          | sent_at                | timestamptz | required | 'epoch'

        -- How often somebody has done something lately: by then they may do it as often again as the limit says. See
        -- take_token.
        throttle_buckets   | key                    | text        | key      |
        throttle_buckets   | full_at                | timestamptz | required |
    $columns$) as written;
end $$;

-- Every index besides those of the primary keys.
create or replace function _supportchat.declared_indexes()
returns table (place bigint, index_name text, is_unique boolean, table_name text, definition text)
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, cells[1], cells[2] is not null, cells[3], cells[4]
    from _supportchat.written_rows($indexes$
        visitors_token_hash_key           | unique | visitors         | (token_hash)
        sites_key_key                     | unique | sites            | (key)
        site_secrets_site_id_idx          |        | site_secrets     | (site_id)
        persons_sub_key                   | unique | persons          | (site_id, sub)
        persons_visitor_id_key            | unique | persons          | (visitor_id)
        persons_verified_at_idx           |        | persons          | (verified_at)
        person_keys_visitor_id_idx        |        | person_keys      | (visitor_id, seen_at)
        person_keys_seen_at_idx           |        | person_keys      | (seen_at)
        agents_email_key                  | unique | agents           | (lower(email))
        user_sessions_visitor_id_idx      |        | user_sessions    | (visitor_id, created_at desc)
        user_sessions_created_at_idx      |        | user_sessions    | (created_at desc)
        chat_messages_seq_key             | unique | chat_messages    | (session_id, seq)
        chat_messages_client_key          | unique | chat_messages    | (session_id, sender, client_message_id)
        chat_messages_created_at_idx      |        | chat_messages    | (created_at desc)
        chat_messages_of_agent_idx        |        | chat_messages    | (sender_agent_id) where sender_agent_id is not null
        chat_messages_with_image_idx      |        | chat_messages    | (image_id) where image_id is not null
        tickets_number_key                | unique | tickets          | (number)
        tickets_of_session_idx            |        | tickets          | (session_id, (status = 'closed'), number desc)
        tickets_assigned_agent_id_idx     |        | tickets          | (assigned_agent_id, assigned_at desc)
        tickets_waiting_idx               |        | tickets          | (awaiting_since, number) where status = 'waiting'
        tickets_open_of_agent_idx         |        | tickets          | (assigned_agent_id, awaiting_since, updated_at) where status = 'open'
        tickets_unanswered_idx            |        | tickets          | (awaiting_since, number) where status <> 'closed' and awaiting_since is not null
        tickets_answered_idx              |        | tickets          | (updated_at desc, number) where status <> 'closed' and awaiting_since is null
        tickets_closed_idx                |        | tickets          | (closed_at desc nulls last, number desc) where status = 'closed'
        tickets_closed_of_agent_idx       |        | tickets          | (assigned_agent_id, closed_at desc nulls last, number desc) where status = 'closed'
        tickets_line_idx                  |        | tickets          | (urgency, awaiting_since, number) where status = 'waiting' and held is null and snoozed_until is null
        tickets_raised_idx                |        | tickets          | (urgency, awaiting_since, number) where status <> 'closed' and urgency <> 3
        tickets_raised_answered_idx       |        | tickets          | (urgency, updated_at desc, number) where status <> 'closed' and urgency <> 3 and awaiting_since is null
        tickets_snoozed_idx               |        | tickets          | (snoozed_until) where snoozed_until is not null
        tickets_woken_idx                 |        | tickets          | (woke_at, number) where woke_at is not null and status <> 'closed'
        desk_tags_folded_key              | unique | desk_tags        | (folded)
        ticket_tags_tag_id_idx            |        | ticket_tags      | (tag_id)
        search_lines_place_key            | unique | search_lines     | (session_id, seq, note_no)
        search_lines_words_idx            |        | search_lines     | using gin (words) with (fastupdate = on, gin_pending_list_limit = 64)
        desk_views_agent_id_idx           |        | desk_views       | (agent_id)
        desk_views_shared_idx             |        | desk_views       | (name) where is_shared
        tickets_spam_idx                  |        | tickets          | (closed_at desc) where is_spam
        tickets_given_back_by_idx         |        | tickets          | (given_back_by) where given_back_by is not null
        tickets_first_reply_idx           |        | tickets          | (created_at desc) where first_reply_at is not null
        tickets_created_at_idx            |        | tickets          | (created_at desc)
        tickets_to_erase_idx              |        | tickets          | (closed_at) where status = 'closed' and erased_at is null
        agent_sessions_agent_id_idx       |        | agent_sessions   | (agent_id)
        agent_sessions_created_at_idx     |        | agent_sessions   | (created_at)
        pending_logins_agent_id_idx       |        | pending_logins   | (agent_id)
        pending_logins_created_at_idx     |        | pending_logins   | (created_at)
        agent_identities_agent_id_key     | unique | agent_identities | (agent_id, issuer)
        provider_flows_created_at_idx     |        | provider_flows   | (created_at)
        provider_flows_address_idx        |        | provider_flows   | (address, created_at)
        one_time_links_id_key             | unique | one_time_links   | (id)
        one_time_links_invited_key        | unique | one_time_links   | (lower(email)) where purpose = 'invitation'
        one_time_links_agent_id_idx       |        | one_time_links   | (agent_id) where agent_id is not null
        one_time_links_visitor_id_idx     | unique | one_time_links   | (visitor_id) where visitor_id is not null
        customer_pages_updated_at_idx     |        | customer_pages   | (updated_at)
        user_sessions_address_idx         |        | user_sessions    | (created_at) where address is not null
        bans_visitor_id_key               | unique | bans             | (visitor_id)
        bans_network_key                  | unique | bans             | (network)
        bans_session_id_idx               |        | bans             | (session_id)
        saved_replies_name_key            | unique | saved_replies    | (owner_id, lower(name)) where owner_id is not null
        saved_replies_shared_name_key     | unique | saved_replies    | (lower(name)) where owner_id is null
        saved_replies_picture_key_key     | unique | saved_replies    | (picture_key)
        saved_reply_uses_agent_id_idx     |        | saved_reply_uses | (agent_id)
        audit_log_created_at_idx          |        | audit_log        | (created_at)
        audit_log_kind_idx                |        | audit_log        | (kind, id)
        audit_log_agent_id_idx            |        | audit_log        | (agent_id, id)
        audit_log_person_idx              |        | audit_log        | ((about ->> 'person'), id)
        refused_logins_began_at_idx       |        | refused_logins   | (began_at)
        chat_images_storage_key_key       | unique | chat_images      | (storage_key)
        chat_images_session_id_idx        |        | chat_images      | (session_id)
        erasures_created_at_idx           |        | erasures         | (created_at desc, id desc)
        erasure_files_erasure_id_idx      |        | erasure_files    | (erasure_id)
        erasure_files_tried_at_idx        |        | erasure_files    | (tried_at nulls first)
        events_transaction_idx            |        | events           | (transaction, id)
        events_of_ticket_idx              |        | events           | (ticket_id, id) where ticket_id is not null
        events_created_at_idx             |        | events           | (created_at) where ticket_id is null
        customers_here_process_id_idx     |        | customers_here   | (process_id)
        ticket_notes_note_no_key          | unique | ticket_notes     | (session_id, note_no)
        ticket_notes_client_key           | unique | ticket_notes     | (session_id, client_message_id)
        ticket_notes_agent_id_idx         |        | ticket_notes     | (agent_id)
        note_mentions_agent_id_idx        |        | note_mentions    | (agent_id, read_at)
        note_mentions_unread_idx          |        | note_mentions    | (session_id) where read_at is null
        ticket_reads_session_id_idx       |        | ticket_reads     | (session_id)
        ticket_drafts_session_id_idx      |        | ticket_drafts    | (session_id)
        ticket_drafts_saved_at_idx        |        | ticket_drafts    | (saved_at)
        held_replies_agent_id_idx         |        | held_replies     | (agent_id)
        held_replies_due_at_idx           |        | held_replies     | (due_at) where due_at is not null
        held_replies_held_at_idx          |        | held_replies     | (held_at) where due_at is null
        held_replies_image_idx            |        | held_replies     | ((image ->> 'key')) where image is not null
        agent_devices_endpoint_key        | unique | agent_devices    | (endpoint)
        agent_devices_agent_id_idx        |        | agent_devices    | (agent_id)
        agent_alerts_session_id_idx       |        | agent_alerts     | (session_id)
        agent_alerts_passes_at_idx        |        | agent_alerts     | (passes_at) where passes_at is not null
        agent_pushes_device_id_key        | unique | agent_pushes     | (device_id, session_id)
        agent_pushes_session_id_idx       |        | agent_pushes     | (session_id)
        agent_pushes_due_at_idx           |        | agent_pushes     | (due_at) where due_at is not null
        agent_pushes_created_at_idx       |        | agent_pushes     | (created_at)
        throttle_buckets_full_at_idx      |        | throttle_buckets | (full_at)
    $indexes$) as written;
end $$;

-- The longest text that a message or a note may have, in characters.
create or replace function _supportchat.longest_message()
returns integer
language sql
immutable
set search_path = ''
as $$
    select 8000
$$;

-- The types of the pictures that are stored, and how many bytes one may have.
create or replace function _supportchat.picture_limits()
returns table (types text[], bytes integer)
language sql
immutable
set search_path = ''
as $$
    select array['image/png', 'image/jpeg', 'image/webp', 'image/gif'], 10485760
$$;

-- Of an earlier version, which gave other columns.
drop function if exists _supportchat.declared_checks();

-- What is checked of each row. What is written with "new." is checked by a trigger: a check constraint is parsed and planned
-- anew by each statement that writes its table, also where it leaves those columns alone, and every message writes these two.
create or replace function _supportchat.declared_checks()
returns table (place bigint, table_name text, constraint_name text, condition text, by_trigger boolean)
language plpgsql
immutable
set search_path = ''
as $$
begin
    return query
    select written.place, cells[1], cells[1] || '_' || cells[2] || '_check', cells[3], cells[3] ~ '\mnew\.'
    from _supportchat.picture_limits() as picture, _supportchat.written_rows(format($checks$
        agents        | name           | char_length(name) between 1 and 80
        agents        | email          | char_length(email) between 3 and 254
        agents        | role           | role in ('agent', 'lead', 'admin')
        agents        | availability   | availability in ('available', 'away')
        agents        | max_tickets    | max_tickets between 0 and 1000
        agents        | language       | language ~ '^[a-z]{2,3}$'
        agents        | picture_key    | picture_key ~ '^[0-9a-f]{64}$'
        agent_sessions | user_agent    | char_length(user_agent) <= 256
        agent_credentials | totp_secret | totp_secret ~ '^[A-Z2-7]{32}$'
        agent_identities | issuer      | char_length(issuer) between 1 and 255
        agent_identities | subject     | char_length(subject) between 1 and 255
        provider_flows | state_hash    | char_length(state_hash) = 64
        provider_flows | purpose       | purpose in ('login', 'invitation', 'account')
        provider_flows | target        | char_length(target) <= 2000
        one_time_links | token_hash    | char_length(token_hash) = 64
        one_time_links | purpose       | purpose in ('setup', 'invitation', 'password', 'handover')
        one_time_links | email         | char_length(email) between 3 and 254
        one_time_links | role          | role in ('agent', 'lead', 'admin')
        one_time_links | max_tickets   | max_tickets between 0 and 1000
        one_time_links | sealed_key    | (purpose = 'handover') = (sealed_key is not null and visitor_id is not null)
        customer_pages | pages         | jsonb_typeof(pages) = 'array' and octet_length(pages::text) <= 32768
        customer_pages | referrer      | char_length(referrer) <= 500
        desk_settings | value         | case name when 'audit_days' then value between '365' and '3650' when 'retention_days' then value = 'null' or value between '1' and '3650' else true end
        sites         | key            | key ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'
        sites         | name           | char_length(name) between 1 and 80
        sites         | colour         | colour ~ '^#[0-9a-f]{6}$'
        sites         | logo_path      | logo_path ~ '^[0-9a-f]{64}$'
        sites         | greeting       | char_length(greeting) between 1 and 160
        sites         | language       | language ~ '^[a-z]{2,3}$'
        sites         | bounds         | cardinality(allowed_origins) <= 20 and cardinality(kept_parameters) <= 20
        sites         | archived_at    | site_id <> 1 or archived_at is null
        site_identity | method         | method in ('off', 'secret', 'issuer')
        site_identity | algorithm      | algorithm in ('ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256')
        site_identity | issuer         | method <> 'issuer' or (issuer is not null and keys_url is not null)
        site_identity | texts          | greatest(char_length(issuer), char_length(keys_url), char_length(audience)) <= 500
        site_identity | longest_minutes | longest_minutes between 1 and 1440
        site_secrets  | secret         | char_length(secret) between 32 and 128
        persons       | sub            | char_length(sub) between 1 and 255
        persons       | name           | char_length(name) between 1 and 80
        persons       | email          | char_length(email) between 3 and 254
        user_sessions | customer_name  | char_length(new.customer_name) between 1 and 80
        user_sessions | customer_phone | char_length(new.customer_phone) between 1 and 32
        user_sessions | time_zone      | char_length(new.time_zone) <= 64
        user_sessions | status         | new.status in ('active', 'ended')
        user_sessions | address        | char_length(new.address) between 1 and 64
        user_sessions | framed_on      | char_length(new.framed_on) between 1 and 300
        bans          | subject        | num_nonnulls(visitor_id, network) = 1
        bans          | network        | char_length(network) between 1 and 64
        bans          | reason         | char_length(reason) <= 200
        saved_replies | name           | char_length(name) between 1 and 80
        saved_replies | message        | char_length(message) <= %1$s and (message ~ '\S' or picture_key is not null)
        saved_replies | picture_key    | picture_key ~ '^[0-9a-f]{64}$' and num_nonnulls(picture_key, picture_type, picture_bytes) in (0, 3)
        saved_replies | snooze         | snooze is null or (snooze in ('hour', 'three_hours', 'tomorrow', 'monday', 'customer') and not close_after)
        saved_replies | tags           | cardinality(tags) <= 20
        saved_replies | picture_type   | picture_type in (%2$s)
        tickets       | held           | held in ('link', 'spam')
        tickets       | urgency        | urgency between 1 and 4
        agents        | queue_order    | queue_order in ('longest', 'newest', 'priority')
        desk_tags     | name           | char_length(name) between 1 and 40
        search_state  | only_row       | only_row
        desk_views    | name           | char_length(name) between 1 and 60
        desk_views    | query          | char_length(query) <= 200
        chat_messages | sender         | new.sender in ('user', 'agent', 'system')
        chat_messages | message        | new.legacy is not null or (char_length(new.message) <= %1$s and (new.message ~ '\S' or new.image_id is not null))
        chat_messages | seq            | new.seq > 0
        tickets       | status         | status in ('waiting', 'open', 'closed')
        tickets       | assigned       | case status when 'open' then assigned_agent_id is not null when 'waiting' then assigned_agent_id is null else true end
        chat_images   | content_type   | content_type in (%2$s)
        chat_images   | bytes          | bytes between 1 and %3$s
        chat_images   | size           | width > 0 and height > 0
        erasures      | kind           | kind in ('conversation', 'customer', 'retention')
        ticket_notes  | note           | note ~ '\S' and char_length(note) <= %1$s
        heartbeat     | only_row       | only_row
        ticket_drafts | acts           | octet_length(acts::text) <= 4000
        held_replies  | state          | num_nonnulls(due_at, refused) = 1
        alert_choices | scope          | scope in ('mine', 'unassigned', 'all')
        alert_choices | quiet          | quiet_from ~ '^[0-2][0-9]:[0-5][0-9]$' and quiet_until ~ '^[0-2][0-9]:[0-5][0-9]$' and num_nonnulls(quiet_from, quiet_until) <> 1
        alert_choices | time_zone      | char_length(time_zone) between 1 and 64
        agent_devices | endpoint       | endpoint ~ '^https://' and char_length(endpoint) <= 1000
        agent_devices | user_agent     | char_length(user_agent) <= 256
        agent_devices | language       | language ~ '^[a-z]{2,3}$'
        agent_devices | problem        | char_length(problem) <= 80
        agent_alerts  | why            | why in ('mine', 'waiting', 'all', 'next', 'mentioned')
        agent_pushes  | kind           | kind in ('alert', 'end', 'test')
        desk_push_keys | only_row       | only_row
    $checks$,
        _supportchat.longest_message(),
        (select string_agg(quote_literal(type), ', ') from unnest(picture.types) as type),
        picture.bytes
    )) as written;
end $$;

-- The tables, in the order in which they are declared.
create or replace function _supportchat.declared_tables()
returns setof text
language sql
immutable
set search_path = ''
as $$
    select table_name from _supportchat.declared_columns() group by table_name order by min(place)
$$;

-- Those of them that were there before this version, and may have any shape.
create or replace function _supportchat.older_tables()
returns setof text
language sql
immutable
set search_path = ''
as $$
    select table_name from _supportchat.declared_columns() where is_older group by table_name order by min(place)
$$;

-- The columns of the key of a table, as they are written between parentheses.
create or replace function _supportchat.key_of(p_table text)
returns text
language sql
immutable
set search_path = ''
as $$
    select string_agg(quote_ident(column_name), ', ' order by place)
    from _supportchat.declared_columns() where table_name = p_table and demand = 'key'
$$;

-- Of an earlier version, which read all declarations again for each table.
drop function if exists _supportchat.ensure_table(text);

-- Makes the tables that are missing, with all their columns.
create or replace function _supportchat.ensure_tables()
returns void
language plpgsql
set search_path = ''
as $$
declare
    missing record;
begin
    for missing in
        select table_name, string_agg(quote_ident(column_name), ', ' order by place) filter (where demand = 'key') as key,
            string_agg(concat_ws(' ',
                quote_ident(column_name), type,
                case when default_value = 'identity' then 'generated always as identity' else 'default ' || default_value end,
                case when demand is not null then 'not null' end
            ), ', ' order by place) as columns
        from _supportchat.declared_columns()
        where to_regclass(format('public.%I', table_name)) is null
        group by table_name order by min(place)
    loop
        execute format('create table public.%I (%s, primary key (%s))', missing.table_name, missing.columns, missing.key);
    end loop;
end $$;

-- Locks the tables that are there, all at once or none: a desk at work that has one of them and waits for another would
-- otherwise wait in a circle with us. It is not kept waiting either: what cannot be had at once is asked for again.
create or replace function _supportchat.lock_tables()
returns void
language plpgsql
set search_path = ''
as $$
declare
    present text := (
        select string_agg(format('public.%I', name), ', ')
        from (
            select name from _supportchat.declared_tables() as name
            -- One of an earlier version is about to be dropped.
            union select c.relname from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
            where c.oid = to_regclass('public.ticket_events') and p.polname = 'server_only'
        ) as ours
        where to_regclass(format('public.%I', name)) is not null
    );
    patience text := current_setting('lock_timeout');
begin
    for attempt in 1 .. case when present is null then 0 else 100 end loop
        -- Shorter than what Postgres waits for before it looks for a circle.
        perform set_config('lock_timeout', '100ms', true);
        begin
            execute format('lock table %s in access exclusive mode', present);
            exit;
        exception when lock_not_available then
            perform pg_sleep(0.1);
        end;
    end loop;
    perform set_config('lock_timeout', patience, true);
end $$;

select _supportchat.lock_tables();

create sequence if not exists public.ticket_numbers start 1001;
select _supportchat.ensure_tables();
