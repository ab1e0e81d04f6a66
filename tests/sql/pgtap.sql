-- The functions of pgTAP that supabase/tests use, for a Postgres without that extension.

create temporary table pgtap_plan (expected integer, ran integer default 0);
grant all on pgtap_plan to public;

create function extensions.plan(expected integer) returns text language sql as $$
    insert into pg_temp.pgtap_plan values (expected) returning '1..' || expected
$$;

create function extensions.said(is_right boolean, description text, diagnosis text) returns text language sql as $$
    update pg_temp.pgtap_plan set ran = ran + 1
    returning case
        when is_right then format('ok %s - %s', ran, description)
        else format(E'not ok %s - %s\n# %s', ran, description, diagnosis)
    end
$$;

create function extensions.is(have anyelement, want anyelement, description text) returns text language sql as $$
    select extensions.said(have is not distinct from want, description, format('have %s, want %s', have, want))
$$;

create function extensions.is_empty(query text, description text) returns text language plpgsql as $$
declare
    found_rows text;
begin
    execute format('select string_agg(found::text, %L) from (%s) as found', ', ', query) into found_rows;
    return extensions.said(found_rows is null, description, found_rows);
end $$;

create function extensions.throws_ok(query text, state char, message text, description text) returns text language plpgsql as $$
begin
    execute query;
    return extensions.said(false, description, 'nothing was thrown');
exception when others then
    return extensions.said(sqlstate = state and coalesce(sqlerrm = message, true), description, sqlstate || ' ' || sqlerrm);
end $$;

create function extensions.finish() returns setof text language sql as $$
    select format('# planned %s, ran %s', expected, ran) from pg_temp.pgtap_plan where expected <> ran
$$;
