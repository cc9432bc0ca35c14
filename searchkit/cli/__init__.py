"""The command line: one file a command. A command parses, makes one call to the library, prints.

Nothing heavy is imported at the top of these files, so that `--help` is quick: the library comes in inside
the functions. Results go to stdout, everything else to stderr; see `output`.
"""
