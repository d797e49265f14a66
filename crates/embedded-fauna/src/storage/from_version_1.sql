-- Brings a file of version 1, which kept the whole past, to what schema.sql makes: what is in the past counts as having come there now.

create index documents_by_ttl on documents (ttl) where ttl is not null;

alter table history add column ended integer not null default 0;
alter table history add column due integer not null default 0;
update history set ended = unixepoch() * 1000000, due = (unixepoch() + 900) * 1000000;
create index history_by_due on history (due);

create index entries_by_ttl on entries (ttl) where ttl is not null;

alter table past_entries add column due integer not null default 0;
update past_entries set due = (unixepoch() + 900) * 1000000;
create index past_entries_by_due on past_entries (due);
