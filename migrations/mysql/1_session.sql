-- The same tables as in the file of this name one folder up, which explains them, in the types of MySQL: keys and what is
-- searched for have a length, because an index needs one; all text is compared byte by byte.
create table session (
    handle varchar(191) primary key,
    user_id varchar(191) not null,
    current_lineage varchar(191) not null,
    previous_lineage varchar(191),
    rotated_at bigint,
    created_at bigint not null,
    refreshed_at bigint not null,
    expires_at bigint not null,
    ends_at bigint not null,
    payload mediumtext not null,
    data mediumtext not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create index session_by_user on session (user_id, expires_at);
create index session_by_expiry on session (expires_at);

create table session_key (
    kid varchar(191) primary key,
    kind varchar(191) not null,
    generation bigint not null,
    created_at bigint not null,
    sealed mediumtext not null,
    unique (kind, generation)
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
