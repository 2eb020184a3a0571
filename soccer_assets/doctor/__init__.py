"""Looks at an installation as an operator would, and changes nothing: what is wrong, in a line each.

``machine`` is what is on this computer, ``services`` what it talks to, ``loop`` whether the graph
keeps itself fresh.
"""
