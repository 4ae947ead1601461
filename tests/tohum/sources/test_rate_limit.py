import pytest

from tohum.sources.rate_limit import LONGEST_WAIT, told_wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "-1"}, 0),
        ({"retry-after": "\u0663"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
        ({"retry-after": "9" * 400}, 0),
        ({"retry-after": "99999"}, LONGEST_WAIT),
        ({"ratelimit": '"resolvers";r=0;t=55'}, 56),
        ({"ratelimit": '"resolvers" ; r = 0 ; t = 299'}, 300),
        ({"ratelimit": '"resolvers";r=12;t=55'}, 0),
        ({"ratelimit": '"resolvers";r=0;t=' + "9" * 400}, 0),
        ({"ratelimit": "r=0"}, 0),
        ({"retry-after": "90", "ratelimit": '"resolvers";r=0;t=55'}, 90),
    ],
)
def test_the_longest_wait_that_a_server_asks_for(headers: dict[str, str], seconds: float) -> None:
    assert told_wait(headers) == seconds
