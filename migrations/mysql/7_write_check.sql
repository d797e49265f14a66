-- One row that the readiness check writes; see the file of this name one folder up.
create table write_check (
    id bigint primary key,
    count bigint not null
) engine = InnoDB default character set utf8mb4 collate utf8mb4_bin;
