-- Who a user is at the provider of single sign-on: its issuer, a space, and the subject there. They have no password.
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (subject);
