-- The life of a session that is shorter than the settings say, in milliseconds without a refresh; null: as they say.
alter table session add column unused_life bigint;
-- 1: its cookies have no expiry, so that browsers drop them when they are closed.
alter table session add column ends_with_browser bigint not null default 0;
