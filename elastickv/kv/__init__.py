"""What the cluster stores, independent of any client protocol: keyspace, view, executor, state machine."""
