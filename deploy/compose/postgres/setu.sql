-- Runs once, when the data folder is made. Who owns the database is no superuser.
\set secret `cat /run/secrets/setu-password`
CREATE ROLE setu LOGIN PASSWORD :'secret';
CREATE DATABASE setu OWNER setu ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE setu, postgres FROM PUBLIC;
