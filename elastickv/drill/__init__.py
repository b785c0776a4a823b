"""Proof that a cluster kept its promise: record what clients saw, then ask whether one machine could have said it.

`history` records operations with the times at which they were asked and answered; `checker` decides whether the record
is linearizable. The simulation in the tests and `elastickv drill` use the same two modules, so what a drill calls a
violation is exactly what the tests call one.

A drill against a running cluster: `command` has the flags, `runner` is the drill, `clients` are its clients,
`recording` is what it leaves on disk, `figures` are what follows from that, `page` shows them. Everything that judges
needs the standard library only, so a report can also be made where nothing else is installed.
"""
