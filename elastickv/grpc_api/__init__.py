"""The gRPC door: Raft administration, RawKV, Distribution, health and reflection. `server.GrpcServer` is its face.

The same port carries the peers' transport; its handlers are handed in, and this room does not know what they say.
"""
