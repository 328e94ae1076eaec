-- The audit log is chained under the key of the installation from here on. A line of before has no salt; the first line
-- under the key holds the hash before it, and with it all lines before.
ALTER TABLE audit ADD COLUMN salt BLOB;   -- Goes with what was erased of the line.
ALTER TABLE audit ADD COLUMN erased BLOB; -- Vouches for a line of which something was erased.
