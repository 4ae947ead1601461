"""The exception for everything that the user can fix."""


class UserError(Exception):
    """Bad input or a bad environment: the message names the thing, what was expected, and the next
    step.
    """
