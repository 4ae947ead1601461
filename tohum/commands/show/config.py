"""The keys of conf/show.yaml."""

from dataclasses import dataclass

from tohum.config.sections import limits
from tohum.errors import UserError


@dataclass
class Show:
    """What `tohum show` looks at, and how."""

    text: str | None
    answer: str | None
    chat: bool
    svg: str | None
    count: int = limits(minimum=1, maximum=40)
    temperature: float = limits(minimum=0.01, maximum=100)
    layer: int | None = limits(minimum=1)
    head: int | None = limits(minimum=1)

    def wanted_text(self, picture: str) -> str:
        """Returns the text.

        Raises:
            UserError: there is none.
        """
        if not self.text:
            raise UserError(
                f"`tohum show {picture}` needs a text, for example: "
                f'tohum show {picture} "def f(x):"'
            )
        return self.text
