-- Mail that waits to be sent; see the file of this name one folder up.
create table mail (
    id varchar(191) primary key,
    kind varchar(191) not null,
    sealed mediumtext not null,
    created_at bigint not null,
    attempts bigint not null,
    due_at bigint not null,
    expires_at bigint not null,
    kept bigint not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create index mail_by_due on mail (kept, due_at);
create index mail_by_expiry on mail (expires_at);
