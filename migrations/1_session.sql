-- Sessions and the keys of their tokens. Written by the session room only. Anybody may read `session`, and deleting one of
-- its rows, by whatever means, ends that session.

-- One row for each signed-in device.
create table session (
    handle text primary key,
    user_id text not null,
    -- hash2 of the refresh token that is effective now; never the token, never its single hash
    current_lineage text not null,
    -- the one that was effective before, and when it stopped (milliseconds since 1970): the grace period is measured from there
    previous_lineage text,
    rotated_at bigint,
    created_at bigint not null,
    -- the last time a refresh was answered
    refreshed_at bigint not null,
    -- slides with use, never past ends_at
    expires_at bigint not null,
    ends_at bigint not null,
    -- JSON object that goes into the access token
    payload text not null,
    -- JSON object that stays here
    data text not null
);

create index session_by_user on session (user_id, expires_at);
create index session_by_expiry on session (expires_at);

-- Keys that sign access tokens (kind dynamic: replaced every few days; kind static: never) and that authenticate refresh
-- tokens (kind refresh). Sealed with a key of the environment, so that a copy of the database signs nothing.
create table session_key (
    kid text primary key,
    kind text not null,
    -- counts up within a kind: two processes that make the next key at the same moment meet in this constraint
    generation bigint not null,
    created_at bigint not null,
    sealed text not null,
    unique (kind, generation)
);
