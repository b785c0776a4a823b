"""Access control: who may run which commands on which keys and channels (Redis' ACL, as 7.2 has it).

`categories` says which commands belong together, `rules` reads and describes the rules of a user, `permissions` judges
a command, `users` keeps all users of the cluster and follows the log, `audit` remembers what was refused on this node.
"""
