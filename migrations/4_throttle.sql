-- How often something was tried, to slow guessing down. Written by the throttle room only; losing it costs nothing but that.
create table throttle (
    -- SHA-256 of what is counted: no address of a person or of a machine stands here in clear
    key text primary key,
    -- attempts that did not turn out well, or are under way
    count bigint not null,
    -- milliseconds since 1970, as all times here: no attempt before that
    open_at bigint not null,
    -- when the count means nothing any more
    forget_at bigint not null,
    -- until when this is a network from which somebody signed in to that account; 0: it is none
    known_until bigint not null
);

create index throttle_by_age on throttle (known_until, forget_at);
