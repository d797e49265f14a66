-- What logs and pages call a token; see the file of this name one folder up.
alter table fauna_token add column fingerprint varchar(191);
