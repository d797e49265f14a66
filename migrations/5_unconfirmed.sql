-- The tokens that are just being made, by user: whoever ends all sessions of a user sees to it that no more begin by what held
-- until then. There are only ever a few.
create index fauna_token_unconfirmed on fauna_token (user_id) where sealed_secret is null;
