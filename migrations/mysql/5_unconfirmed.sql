-- The tokens of a user. Elsewhere this index has only those that are just being made; MySQL has no partial indexes.
create index fauna_token_unconfirmed on fauna_token (user_id);
