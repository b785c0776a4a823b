"""Peers talking to peers: messages over gRPC streams, snapshots in chunks. Knows nothing of roles or logs."""
