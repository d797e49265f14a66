-- The last six hexadecimal digits of SHA-256 of the secret: what logs and pages call the token. Null in rows of older versions.
alter table fauna_token add column fingerprint text;
