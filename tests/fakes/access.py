"""Who may read a dataset of the fake Hub, and how the Hub says no.

huggingface_hub tells its errors apart by X-Error-Code, not by the status.
"""

from tests.fakes.messages import Request, json_reply

GOOD_TOKEN = "hf_good"
UNAUTHORISED_TOKEN = "hf_nobody"
INVALID_TOKEN = "hf_bad"


class Refused(Exception):
    """An answer that ends a request where the fact is known."""

    def __init__(self, status: int, message: str, code: str = "", commit: str = "") -> None:
        super().__init__(message)
        told = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": commit}
        headers = {name: value for name, value in told.items() if value}
        self.reply = json_reply({"error": message}, headers, status)


def check_token(request: Request) -> None:
    """Refuses every token but the two that exist, even where none is needed."""
    if request.token not in ("", GOOD_TOKEN, UNAUTHORISED_TOKEN):
        raise Refused(401, "Invalid credentials in Authorization header")


def check_gate(request: Request, repo_id: str) -> None:
    """Refuses those to whom the gated dataset was not granted."""
    if request.token == GOOD_TOKEN:
        return
    restricted = f"Access to dataset {repo_id} is restricted"
    if request.token:
        page = f"https://huggingface.co/datasets/{repo_id}"
        advice = f"and you are not in the authorized list. Visit {page} to ask for access."
        raise Refused(403, f"{restricted} {advice}", "GatedRepo")
    advice = "You must have access to it and be authenticated to access it. Please log in."
    raise Refused(401, f"{restricted}. {advice}", "GatedRepo")
