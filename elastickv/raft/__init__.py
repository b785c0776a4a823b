"""The consensus core: sans-IO, standard library only.

No clock, no asyncio, no threads, no sockets, no bytes on wires. Time and chance are handed in; the core returns work
(`Ready`) in a safe order and a driver does it. Follows Ongaro's thesis ("Consensus: Bridging Theory and Practice",
2014) with the refinements of etcd's raft: pre-vote, check-quorum, ReadIndex, flow-controlled replication, joint
consensus, learners.
"""
