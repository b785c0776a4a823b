"""A cluster in a box: real cores, and everything around them made up and drawn from one seed.

Virtual time, a network that loses, doubles, delays and cuts, disks that forget what was not synced, processes that
crash, freeze and are replaced, clocks that do not agree, operators who change the membership in the middle of it. After
each step the promises of Raft are asked (`invariants`), in the end everything is healed, the cluster has to come
together within a bounded time, and what the clients saw has to be linearizable (`elastickv.drill`).

    loop        virtual time and each node's own clock
    disk        what is durable and what is only on its way
    network     who hears whom, when and how often
    machine     the state machine: a small map
    node        the driver: does what a Ready says, to the letter
    client      asks, waits, gives up; writes down what it saw
    faults      the schedule of misfortune, membership changes included
    invariants  what must never happen
    cluster     puts them together and runs one seed
    profile     how hostile a seed is
    runner      many seeds, and what is printed when one fails

Nothing here reads a clock, and nothing iterates over a set: the same seed is the same run, on every machine.
"""
