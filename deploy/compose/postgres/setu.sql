-- Runs once, when the data folder is made. Who owns the database is no superuser.
\set secret `cat /run/secrets/setu-password`
CREATE ROLE setu LOGIN PASSWORD :'secret';
CREATE DATABASE setu OWNER setu;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
