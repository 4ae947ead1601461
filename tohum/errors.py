"""The one exception for what a user can put right."""


class UserError(Exception):
    """Bad input or a bad environment: the message names the thing, what was expected and the next
    step.
    """
