"""The Redis door: RESP, sessions, the command table and its commands."""
