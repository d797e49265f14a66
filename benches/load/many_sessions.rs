//! Many sessions of other users.

/// Inserts so many sessions, spread over the key space, that expire one second after the other. `now` is in milliseconds since 1970.
pub fn insert(count: i64, now: i64) -> String {
    format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
         insert into session (handle, user_id, current_lineage, created_at, refreshed_at, expires_at, ends_at, payload, data)
         select lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4000-8000-' || lower(hex(randomblob(6))),
         'user' || (abs(random()) % {count}), lower(hex(randomblob(32))), {now}, {now}, {now} + 2592000000 - i * 1000,
         {now} + 8640000000, '{{\"iss\":\"http://localhost:3000/auth\"}}', '{{}}' from n"
    )
}
