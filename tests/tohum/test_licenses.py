import re
from importlib.metadata import distribution

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from tests.conftest import PROJECT
from tohum.licenses import BY_NAME, NAMES, _canonical, by_expression, expression, spdx
from tohum.sources.packages import _license

BSD_FAMILY = {"Jinja2", "mpmath", "omegaconf", "prompt_toolkit", "sympy"}  # say "BSD License"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        # Expressions, in one form.
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("MIT OR Apache-2.0", "Apache-2.0 OR MIT"),
        ("Apache-2.0 or MIT", "Apache-2.0 OR MIT"),
        ("MPL-2.0 AND MIT", "MIT AND MPL-2.0"),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", "BSD-3-Clause AND (Apache-2.0 OR MIT)"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("LGPL-2.1-or-later", "LGPL-2.1-or-later"),
        # Classifiers of PyPI, without what stands before.
        ("MIT License", "MIT"),
        ("MIT No Attribution License (MIT-0)", "MIT-0"),
        ("Apache Software License", "Apache-2.0"),
        ("ISC License (ISCL)", "ISC"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
        ("Python Software Foundation License", "PSF-2.0"),
        ("The Unlicense (Unlicense)", "Unlicense"),
        ("zlib/libpng License", "Zlib"),
        ("Boost Software License 1.0 (BSL-1.0)", "BSL-1.0"),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
        ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
        ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", "LGPL-2.0-or-later"),
        ("GNU Affero General Public License v3", "AGPL-3.0-only"),
        ("GNU General Public License (GPL)", "GPL-1.0-or-later"),
        ("European Union Public Licence 1.2 (EUPL 1.2)", "EUPL-1.2"),
        ("BSD License", None),
        # What people write.
        ("Apache 2.0", "Apache-2.0"),
        ("Apache 2.0 License", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache-2.0 licence", "Apache-2.0"),
        ("BSD 3-Clause", "BSD-3-Clause"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ('BSD 3-Clause "New" or "Revised" License', "BSD-3-Clause"),
        ("New BSD", "BSD-3-Clause"),
        ("Simplified BSD", "BSD-2-Clause"),
        ("GPL v2", "GPL-2.0-only"),
        ("LGPLv3+", "LGPL-3.0-or-later"),
        ("The MIT License (MIT)", "MIT"),
        ("Zlib License", "Zlib"),
        ("MIT/Apache-2.0", "Apache-2.0 OR MIT"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        # Turkish and others.
        ("MIT Lisansı", "MIT"),
        ("MİT LİSANSI", "MIT"),
        ("Apache Lisansı 2.0", "Apache-2.0"),
        ("Tüm hakları saklıdır", None),
        ("Kamu malı", None),
        ("Лицензия MIT", None),
        # Lists: The Stack's detected_licenses, joined; a package's classifiers.
        ("MIT; Apache-2.0", "Apache-2.0 AND MIT"),
        ("MIT; MIT", "MIT"),
        ("MIT License; BSD-2-Clause", "BSD-2-Clause AND MIT"),
        ("MIT OR ISC; Apache-2.0", "Apache-2.0 AND (ISC OR MIT)"),
        (
            "LicenseRef-scancode-unknown-license-reference; MIT",
            "LicenseRef-scancode-unknown-license-reference AND MIT",
        ),
        ("MIT; NOASSERTION", None),
        ("MIT; BSD License", None),
        # Nothing that is known.
        (None, None),
        ("", None),
        (" ; ", None),
        ("NOASSERTION", None),
        ("NONE", None),
        ("unknown", None),
        ("UNKNOWN", None),
        ("BSD", None),
        ("Public Domain", None),
        ("Other/Proprietary License", None),
        ("Dual License", None),
        ("AND", None),
        ("MIT and", None),
        ("Permission is hereby granted, free of charge, to any person " * 20, None),
        ("https://opensource.org/licenses/MIT", None),
    ],
)
def test_what_a_source_says_is_an_expression_or_nothing(
    stated: str | None, expected: str | None
) -> None:
    assert spdx(stated) == expected


def test_every_licence_of_the_default_corpus_is_known_but_for_a_family_of_them() -> None:
    preset = (PROJECT / "conf/source/packages.yaml").read_text(encoding="utf-8")
    found = {}
    for pin in yaml.safe_load(preset)["packages"]:
        name = pin.partition("==")[0]
        found[name] = spdx(_license(distribution(name)))
    assert {name for name, known in found.items() if known is None} == BSD_FAMILY
    assert set(found.values()) - {None} == {
        *("Apache-2.0", "BSD-3-Clause", "MIT", "MIT AND MPL-2.0", "Apache-2.0 OR BSD-2-Clause"),
    }


def test_every_identifier_is_one_of_spdx_and_every_name_is_in_its_canonical_form() -> None:
    known = get_spdx_licensing().known_symbols
    assert set(NAMES) <= set(known)
    assert [name for name in BY_NAME if _canonical(name) != name] == []
    assert len(BY_NAME) == sum(map(len, NAMES.values())), "a name stands for one licence"


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(["MIT", "Apache", "(", ")", "AND", "OR", "WITH", "/", ";", "2.0", "+"])
    ).map(" ".join)
)
def test_any_text_is_answered_and_an_answer_is_its_own_form(stated: str) -> None:
    found = spdx(stated)
    assert found is None or (expression(found) == found and spdx(found) == found)


def test_a_list_of_very_many_licences_is_an_expression() -> None:
    known = [key for key in get_spdx_licensing().known_symbols if re.fullmatch(r"BSD-[\w-]+", key)]
    joined = spdx("; ".join(known))
    assert joined is not None and len(joined) > 200 and joined.count(" AND ") > 10


def test_names_of_one_licence_are_one_group_with_the_most_bytes_first() -> None:
    stated = {
        "Apache 2.0 License": 10,
        "BSD License": 25,
        "Apache Software License": 20,
        "MIT License": 5,
        "MIT": 1,
        "unknown": 2,
    }
    licenses = {
        name: {"spdx": spdx(name), "documents": 1, "bytes": size} for name, size in stated.items()
    }
    groups = by_expression(licenses)
    assert [(name, group.documents, group.bytes) for name, group in groups.items()] == [
        ("Apache-2.0", 2, 30),
        ("BSD License", 1, 25),
        ("MIT", 2, 6),
        ("unknown", 1, 2),
    ]
    assert groups["Apache-2.0"].names == ["Apache 2.0 License", "Apache Software License"]
