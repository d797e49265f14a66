-- The Fauna tokens of sessions; see the file of this name one folder up.
create table fauna_token (
    id varchar(191) primary key,
    session_handle varchar(191) not null,
    user_id varchar(191) not null,
    lineage varchar(191) not null,
    parent_lineage varchar(191),
    sealed_secret mediumtext,
    buried_at bigint,
    created_at bigint not null,
    expires_at bigint not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create index fauna_token_by_session on fauna_token (session_handle, lineage);
