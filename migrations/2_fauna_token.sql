-- The Fauna tokens of sessions. Written by the fauna_tokens room only.
--
-- A row is written before its token is made in Fauna and removed after that token was deleted there, so at no moment is there
-- a token that no row speaks of. It outlives its session's row on purpose: there is no foreign key.
create table fauna_token (
    -- document id of the token in Fauna, chosen here
    id text primary key,
    session_handle text not null,
    user_id text not null,
    -- lineage of the refresh token that was handed out with it, and of the one that was effective then
    lineage text not null,
    parent_lineage text,
    -- null until the session's own transaction has confirmed the mint; never in clear
    sealed_secret text,
    -- when somebody gave up waiting for that (milliseconds since 1970): from then on it cannot be confirmed any more
    buried_at bigint,
    created_at bigint not null,
    -- when Fauna lets it end by itself
    expires_at bigint not null
);

create index fauna_token_by_session on fauna_token (session_handle, lineage);
