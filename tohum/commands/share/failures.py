"""Recognises what went wrong in a transfer by its exception, and says how to fix it.

`transient` failures are worth another try; the others need the user and come with a fix.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tohum.shortages import is_full

RATE_REASONS = ("rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded")
QUOTA_REASONS = ("storageQuotaExceeded", "quotaExceeded", "teamDriveFileLimitExceeded")
DAILY_REASONS = ("dailyLimitExceeded", "uploadLimitExceeded", "downloadQuotaExceeded")
LOGIN = (
    "Run `tohum share setup --login` to log in again. If it comes back every week, the "
    "consent screen of your Google Cloud project is in 'Testing', whose logins end after seven "
    "days: publish it to 'In production'."
)

FIXES = {
    "rate limit": "Google asks to slow down. The same command resumes; wait a few "
    "minutes, or use fewer jobs (--jobs 1).",
    "server": "Google's servers answer with errors. The same command resumes; try it "
    "again in a few minutes.",
    "connection": "The connection broke repeatedly. The same command resumes; "
    "see `tohum share doctor` for the network.",
    "offline": "The remote can't be reached. Check the network and HTTPS_PROXY, and run the same "
    "command again; `tohum share doctor` says more.",
    "stalled": "Nothing moved for too long. The same command resumes; on a very slow "
    "line use --jobs 1 and a larger --stall.",
    "quota": "The Drive is full, or its owner has no space: a service account owns none and can "
    "upload only to a Shared Drive. Free space (the trash counts), or see docs/sharing.md, "
    "'Workspace'.",
    "daily limit": "Google's daily limit is reached (750 GB uploaded per user). The same command "
    "resumes tomorrow.",
    "login": LOGIN,
    "scope": "The login does not cover Drive. Run `tohum share setup --login` and grant "
    "every permission that Google asks about.",
    "blocked client": "Google blocks DVC's own OAuth client. Make one of your own (docs/sharing.md "
    "has the steps) and give it to `tohum share setup`.",
    "folder": "The folder doesn't exist, or this account may not see it. Check its id in "
    ".dvc/config, ask its owner to share it with you, or run `tohum share setup`.",
    "permission": "This account may read the folder but not write to it. Ask its owner for the "
    "role Editor (in a Shared Drive: Contributor).",
    "missing": "The remote does not have all of it. Whoever has it runs `tohum share push`, "
    "which uploads what is missing; or make it yourself with `dvc repro`.",
    "damaged": "It is damaged on the remote: nothing damaged is kept here. `tohum share push` on a "
    "machine that has it replaces it (`share verify` checks all); or make it with `dvc repro`.",
    "damaged on the way": "Nothing damaged is kept here. The same command fetches it again.",
    "disk full": "This disk is full. Free some space (`dvc gc -w` drops old outputs) and run the "
    "same command again; finished files are kept.",
    "no remote": "Run `tohum share setup`, or name a remote with --remote.",
    "no client": "The client for this kind of remote is not installed. For Drive: python -m pip "
    'install -c constraints.txt -e ".[drive]"; for others see docs/sharing.md.',
    "changed outputs": "Files here differ from what dvc.lock says, and pull would overwrite them. "
    "Move them away, or run pull with --force.",
    "busy": "Another dvc command is running in this project. Wait until it ends.",
    "configuration": "Look into .dvc/config and .dvc/config.local, or run `tohum share "
    "setup` again. (A remote without a url: .dvc/config.local knows a remote that .dvc/config does "
    "not have at this commit.)",
    "unknown": "The log has everything that dvc printed.",
}
# RFC 6749, section 5.2, and Google's own
DEAD_LOGIN = ("invalid_grant", "invalid_client", "unauthorized_client", "deleted_client")
NO_BROWSER = "Non interactive mode"  # PyDrive2's words for: nobody has logged in here
TRANSIENT = frozenset(
    {"rate limit", "server", "connection", "stalled", "busy", "damaged on the way"}
)


@dataclass(frozen=True)
class Failure:
    """A kind of FIXES, and what was found, in the words of its source."""

    kind: str
    found: str

    @property
    def transient(self) -> bool:
        """Whether another try may help."""
        return self.kind in TRANSIENT

    def __str__(self) -> str:
        return f"{self.found.rstrip('.')}. {FIXES[self.kind]}"


def recognise(exception: BaseException) -> Failure:
    """Returns what an exception, or one that caused it, means."""
    causes = list(_causes(exception))
    for cause in causes:
        kind = _kind(cause)
        if kind:
            return Failure(kind, _one_line(cause))
    return Failure("unknown", _one_line(causes[-1]))


def _causes(exception: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while exception is not None and id(exception) not in seen:
        seen.add(id(exception))
        yield exception
        exception = exception.__cause__ or exception.__context__


def _kind(cause: BaseException) -> str | None:
    """The order matters: Drive's errors are OSErrors too."""
    answer = _google_error(cause)
    if answer is not None:
        return _google_kind(*answer)
    text, name = str(cause), type(cause).__name__
    if name in NAMED:
        return NAMED[name]
    if any(reason in text for reason in DEAD_LOGIN):
        return "login"
    if name == "RefreshError":  # Google's token endpoint gave a reason of its own
        return "server"
    if name in ("AuthenticationError", "AuthenticationRejected", "InvalidConfigError"):
        return "login"
    if "Confirm" in text and "exists and you can access it" in text:
        return "folder"
    if isinstance(cause, OSError):
        return _system_kind(cause)
    import http.client  # 25 ms, which the process that starts the worker saves

    if isinstance(cause, http.client.HTTPException):
        return "connection"
    return None


NAMED = {
    "ServerNotFoundError": "connection",  # httplib2's: no address for the name
    "ProxyConnectionError": "connection",
    "GeneralProxyError": "connection",
    "RedirectMissingLocation": "server",
    "LockError": "busy",
    "NoRemoteError": "no remote",
    "RemoteMissingDepsError": "no client",
    "CheckoutErrorSuggestGit": "missing",
    "CheckoutError": "missing",
    "ConfirmRemoveError": "changed outputs",
    "CollectCacheError": "missing",
    "ConfigError": "configuration",
    "RemoteConfigError": "configuration",
    "RemoteNotFoundError": "no remote",
    "SlowDown": "rate limit",  # S3's
    "EndpointConnectionError": "connection",
    "NoCredentialsError": "configuration",
}


def _google_error(cause: BaseException) -> tuple[int, str] | None:
    """Returns status and reason of PyDrive2's ApiRequestError or googleapiclient's HttpError."""
    error = getattr(cause, "error", None)
    if isinstance(error, dict) and isinstance(error.get("code"), int):
        details: list[dict[str, Any]] = error.get("errors") or [{}]
        return error["code"], str(details[0].get("reason", ""))
    status = getattr(getattr(cause, "resp", None), "status", None)
    return (int(status), "") if status else None


def _google_kind(status: int, reason: str) -> str:
    if status == 429 or reason in RATE_REASONS:
        return "rate limit"
    if reason in QUOTA_REASONS:
        return "quota"
    if reason in DAILY_REASONS:
        return "daily limit"
    if status == 404:
        return "folder"
    if status == 401:
        return "login"
    if reason in ("insufficientPermissions", "insufficientScopes"):
        return "scope"
    if status == 403:
        return "permission"
    return "server" if status >= 500 else "unknown"


def _system_kind(cause: OSError) -> str | None:
    if is_full(cause):
        return "disk full"
    import socket
    import ssl

    connection = (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
    unreachable = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ETIMEDOUT)
    if isinstance(cause, connection) or cause.errno in unreachable:
        return "connection"
    if isinstance(cause, PermissionError):
        # dvc-gdrive's error for a 404 has no path; an unreadable file on this machine has one
        return "folder" if cause.filename is None else "permission"
    if isinstance(cause, FileNotFoundError) and cause.filename:
        # a download that failed for another reason ends like this for its own unfinished file
        if str(cause.filename).endswith(".tmp"):
            return None
        path = Path(str(cause.filename))  # a service account's key is outside the project
        is_key = path.suffix == ".json" and not path.is_relative_to(Path.cwd())
        return "configuration" if is_key else "missing"
    return None


def _one_line(cause: BaseException) -> str:
    text = " ".join(str(cause).split()) or type(cause).__name__
    targets = getattr(cause, "target_infos", None)
    if targets:  # DVC's CheckoutError
        return f"the remote lacks files of {', '.join(sorted(map(str, targets)))}"
    if text.startswith(NO_BROWSER):
        return "nobody has logged in to Drive on this machine yet"
    answer = _google_error(cause)
    if answer is not None:  # the text has the upload's address, which is a key to it
        return f"Drive answered {answer[0]} {answer[1]}".rstrip()
    return text if len(text) <= 200 else text[:199] + "…"
