-- Mail that waits to be sent, or, where no mail server is configured, that is kept to be looked at. Written by the mail room only.
create table mail (
    -- random; also the Message-ID, so that a mail server can recognise a mail that comes twice
    id text primary key,
    -- what it is about, for logs
    kind text not null,
    -- recipient, subject, text and link; sealed, because the link is a secret and the address a person's
    sealed text not null,
    -- milliseconds since 1970, as all times here
    created_at bigint not null,
    -- how often it was tried
    attempts bigint not null,
    -- when it is to be tried; whoever tries moves this ahead first, so that two processes do not send it at once
    due_at bigint not null,
    -- when it is of no use any more, or no longer kept
    expires_at bigint not null,
    -- 1: it is not to be sent, only to be looked at
    kept bigint not null
);

create index mail_by_due on mail (kept, due_at);
create index mail_by_expiry on mail (expires_at);
