"""The fake's side of OAuth: access tokens for a service account and for a user's refresh token."""

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

SCOPE = "https://www.googleapis.com/auth/drive https://www.googleapis.com/auth/drive.appdata"
LIFETIME = 3600

Answer = tuple[int, dict[str, Any]]


@dataclass
class Accounts:
    """`refresh_tokens` and `service_accounts` are those that Google would accept."""

    refresh_tokens: set[str] = field(default_factory=lambda: {"1//fake-refresh"})
    codes: set[str] = field(default_factory=lambda: {"code"})
    scope: str = SCOPE
    testing: bool = False  # the consent screen's state: its refresh tokens live for seven days
    _live: dict[str, str] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def grant(self, form: dict[str, str]) -> Answer:
        """Answers a POST to the token endpoint."""
        kind = form.get("grant_type", "")
        if kind == "refresh_token" and form.get("refresh_token") in self.refresh_tokens:
            return 200, self._token("user")
        if kind == "authorization_code" and form.get("code") in self.codes:
            return 200, self._token("user") | {"refresh_token": min(self.refresh_tokens)}
        if kind.endswith("jwt-bearer") and form.get("assertion", "").count(".") == 2:
            return 200, self._token("service")
        described = "Token has been expired or revoked."
        return 400, {"error": "invalid_grant", "error_description": described}

    def account_of(self, authorization: str) -> str | None:
        """Returns "user" or "service", or None for a token that is not live."""
        return self._live.get(authorization.removeprefix("Bearer "))

    def expire(self) -> None:
        """Lets every access token end before its time."""
        self._live.clear()

    def _token(self, account: str) -> dict[str, Any]:
        token = f"fake-access-{next(self._numbers)}"
        self._live[token] = account
        told = {"access_token": token, "expires_in": LIFETIME, "token_type": "Bearer"}
        if self.testing and account == "user":
            told["refresh_token_expires_in"] = 7 * 86400 - 1
        return told | {"scope": self.scope}


def user_credentials(client_id: str, refresh_token: str = "1//fake-refresh") -> dict[str, Any]:
    """What PyDrive2 keeps after a login, with an access token that has expired."""
    expired = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    return {
        "access_token": "fake-expired",
        "client_id": client_id,
        "client_secret": "fake-secret",
        "refresh_token": refresh_token,
        "token_expiry": expired,
        "token_uri": "https://oauth2.googleapis.com/token",
        "user_agent": None,
        "revoke_uri": "https://oauth2.googleapis.com/revoke",
        "id_token": None,
        "id_token_jwt": None,
        "token_response": {},
        "scopes": SCOPE.split(),
        "token_info_uri": "https://oauth2.googleapis.com/tokeninfo",
        "invalid": False,
        "_class": "OAuth2Credentials",
        "_module": "oauth2client.client",
    }
