"""A Supabase project behind the three seams: database, events, images, over one client."""
