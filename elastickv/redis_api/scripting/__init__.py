"""Scripts and functions in Lua 5.1, as Redis 7.2 runs them.

    commands/scripts, commands/functions     what clients say
    engine       runs one script at a time; a long one steps aside between slices so that the loop goes on
    bridge       redis.call: from the words of a script to a command's body, and its reply back
    replies      what a command answered, as values of Lua
    lua_state    the interpreter: the chunks of `lua/`, compiled scripts, memory
    shebang      the first line of a script: flags, name of a library
    store        which scripts and libraries the cluster has; replicated records and what is compiled of them here
    lua/         the sandbox and the libraries, in Lua

See docs/decisions/0037-scripts.md.
"""
