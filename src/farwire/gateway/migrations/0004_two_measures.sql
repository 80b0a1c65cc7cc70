-- A RADIUS session that is charged by volume and by time has two meters: each is charged, and has its limit, by itself.
ALTER TABLE gateway.radius_session ADD COLUMN beside boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN gateway.radius_session.beside IS 'the second meter of its session: it counts time, the first one volume';
COMMENT ON COLUMN gateway.radius_session.key_lo IS
    'with key_hi: the hash of client, NAS, Acct-Session-Id and account; of a second meter the hash of the first one''s';
