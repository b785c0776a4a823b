"""Bytes on disk: the durable Raft log, the ordered state, snapshots. The only room that knows LMDB."""
