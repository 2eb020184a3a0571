"""What cannot be made yet."""


class NotYet(Exception):
    """There is nothing to make it of; the message says what is missing.

    No fault as long as it has never been there: so it is with everything in the beginning.
    """
