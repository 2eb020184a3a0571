"""Looks at an installation as an operator would, and changes nothing: what is wrong, in a line each.

``lines`` says what is looked at, ``machine`` is what is on this computer, ``services`` what it talks
to, ``records`` what the database has on record, ``loop`` whether the graph keeps itself fresh.
``rounds`` goes through all of them.
"""
