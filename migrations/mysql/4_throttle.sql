-- How often something was tried; see the file of this name one folder up.
create table throttle (
    `key` varchar(191) primary key,
    count bigint not null,
    open_at bigint not null,
    forget_at bigint not null,
    known_until bigint not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;

create index throttle_by_age on throttle (known_until, forget_at);
