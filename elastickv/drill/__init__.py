"""Proof that a cluster kept its promise: record what clients saw, then ask whether one machine could have said it.

`history` records operations with the times at which they were asked and answered; `checker` decides whether the record
is linearizable. The simulation in the tests and an operator's failover drill use the same two modules, so what a drill
calls a violation is exactly what the tests call one. Standard library only: a drill also runs where nothing else is
installed.
"""
