"""The program `driftline`: a file or folder for each command.

Commands read declarations, lake and registry, start runs, and print; what they decide is decided in
the rooms below.
"""
