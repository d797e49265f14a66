-- What is in the file. Times are microseconds since 1970, values are encoded by codec.rs, keys by language/order.rs.

create table counters (name text primary key, value integer not null) without rowid;

create table databases (
    id integer primary key,
    parent integer not null,
    document integer not null,
    global_id integer not null unique
);
create unique index databases_by_document on databases (parent, document);

-- The current version of every document that has not been deleted.
create table documents (
    database integer not null, collection integer not null, id integer not null,
    ts integer not null, ttl integer, fields blob not null,
    primary key (database, collection, id)
) without rowid;

-- What expires, for prune.rs to take away.
create index documents_by_ttl on documents (ttl) where ttl is not null;

-- Earlier versions, and deletions (no fields). `ended` is when they came here, `due` when prune.rs looks at them.
create table history (
    database integer not null, collection integer not null, id integer not null,
    ts integer not null, ttl integer, fields blob, ended integer not null, due integer not null,
    primary key (database, collection, id, ts)
) without rowid;
create index history_by_due on history (due);

-- Names of schema documents. `ts` is when the name was given: a query does not see the names it gives itself.
create table names (
    database integer not null, collection integer not null, name text not null,
    id integer not null, ts integer not null,
    primary key (database, collection, name)
) without rowid;

-- What schema documents are or were called: references are written by name, also those to what has been deleted.
create table labels (
    database integer not null, collection integer not null, id integer not null, name text not null,
    primary key (database, collection, id)
) without rowid;

-- Which indexes a collection feeds; collection -1 stands for all collections of users.
create table sources (
    database integer not null, collection integer not null, index_id integer not null,
    primary key (database, collection, index_id)
) without rowid;

-- The entries that indexes have now.
create table entries (
    database integer not null, index_id integer not null, terms blob not null, sort blob not null,
    ts integer not null, ttl integer, entry blob not null,
    primary key (database, index_id, terms, sort)
) without rowid;

create index entries_by_ttl on entries (ttl) where ttl is not null;

-- Entries that indexes had, until when, and when prune.rs looks at them.
create table past_entries (
    database integer not null, index_id integer not null, terms blob not null, sort blob not null,
    ts integer not null, ended integer not null, ttl integer, entry blob not null, due integer not null,
    primary key (database, index_id, terms, sort, ts)
) without rowid;
create index past_entries_by_due on past_entries (due);

-- Where the document of a key is: a key's secret says only its id.
create table keys (id integer not null, database integer not null, primary key (id, database)) without rowid;

-- The credentials of a document.
create table credentials (
    database integer not null, collection integer not null, document integer not null, id integer not null,
    primary key (database, collection, document)
) without rowid;
