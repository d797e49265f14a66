-- One row that the readiness check writes, to see that the database can be written. Its content means nothing.
create table write_check (
    id bigint primary key,
    count bigint not null
);
