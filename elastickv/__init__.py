"""Elastickv: a Raft-replicated key-value store that speaks Redis, DynamoDB and gRPC."""

__version__ = "0.1.0"
