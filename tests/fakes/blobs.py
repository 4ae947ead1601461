"""Small made-up code files, as Software Heritage knows them: raw bytes, ids, an encoding."""
# ruff: noqa: RUF001 - the Turkish dotless i is meant

import hashlib
import random
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from tests.fakes.repository import git_blob_sha1

# The names of src_encoding that Python does not know by that name.
PYTHON_CODECS = {"WINDOWS-874": "cp874"}

# In this order, again and again: sixteen blobs hold every encoding.
ENCODINGS = (
    *("UTF-8", "UTF-8", "ISO-8859-9", "UTF-8", "WINDOWS-1254", "UTF-8", "GB18030", "UTF-8"),
    *("UTF-8", "UTF-16", "UTF-8", "ISO-8859-9", "WINDOWS-874", "UTF-8", "WINDOWS-1254", "UTF-8"),
)

REMARKS = {
    "UTF-8": (
        "İki sayıyı toplar, çıkarmaz",
        "Kullanıcının adını döndürür ✓",
        "Soru: ayse@example.org",
    ),
    "ISO-8859-9": ("Değişken adı boş olmamalı", "Şifreyi ığdırır, güvenli değil"),
    "WINDOWS-1254": ("Dosyayı açar ve satırları sayar…", "Müşteri “ağır” ise İndirim yok"),
    "GB18030": ("计算两个数的和", "返回用户的名字，如果没有就返回空"),
    "UTF-16": ("Ölçüm sonuçlarını yazdırır", "Größe und Länge prüfen"),
    "WINDOWS-874": ("คำนวณผลรวมของตัวเลข", "ส่งคืนชื่อผู้ใช้"),
}

# language: (extension, source)
LANGUAGES = {
    "JavaScript": (
        "js",
        "// {remark}\nexport function {name}(items) {{\n"
        "  return items.filter((item) => item.value > {number}).map((item) => item.label);\n}}\n",
    ),
    "Python": (
        "py",
        'def {name}(values):\n    """{remark}"""\n'
        "    return [value * {number} for value in values if value is not None]\n",
    ),
    "TypeScript": (
        "ts",
        "/** {remark} */\nexport const {name} = (count: number): number => {{\n"
        "  if (count > {number}) {{\n    return count % {number};\n  }}\n  return count;\n}};\n",
    ),
    "C": ("c", "/* {remark} */\nint {name}(int left) {{\n\treturn left + {number};\n}}\n"),
    "C++": ("cpp", "// {remark}\nauto {name}(long left) -> long {{ return left << {number}; }}\n"),
    "C#": ("cs", "// {remark}\nclass Ölçüm {{ static int {name}() => {number}; }}\n"),
}
NAMES = ("toplam", "kullanici", "parseRow", "find_all", "hesapla", "siparis", "resize", "oku")
OWNERS = ("ayse", "mehmet", "octo", "deniz-lab", "wang", "somchai")
PROJECTS = ("araclar", "fatura", "oyun", "site", "notes")


@dataclass(frozen=True)
class Blob:
    """A file's bytes, and what the Stack's columns say of it."""

    content: bytes
    encoding: str = "UTF-8"
    path: str = "/src/main.js"
    language: str = "JavaScript"
    license_type: str = "permissive"
    licenses: tuple[str, ...] = ("MIT",)
    is_vendor: bool = False
    is_generated: bool = False
    stars: int = 0
    repo_name: str = "ayse/araclar"
    score: float = 3.4

    @property
    def blob_id(self) -> str:
        """The SHA-1 of the raw bytes, which is the key in the bucket."""
        return hashlib.sha1(self.content).hexdigest()

    @property
    def content_id(self) -> str:
        """The SHA-1 of the git object."""
        return git_blob_sha1(self.content)

    @property
    def text(self) -> str:
        """The decoded content."""
        return self.content.decode(PYTHON_CODECS.get(self.encoding, self.encoding))

    @property
    def length_bytes(self) -> int:
        """The length of the text in UTF-8, which is the column's meaning."""
        return len(self.text.encode())

    @property
    def extension(self) -> str:
        """The path's extension without its dot."""
        return PurePosixPath(self.path).suffix.removeprefix(".")


def contents(blobs: list[Blob]) -> dict[str, bytes]:
    """The content of each blob by its id, which is what a content store holds."""
    return {blob.blob_id: blob.content for blob in blobs}


def sample_blobs(count: int, seed: int = 0) -> list[Blob]:
    """Equal for equal arguments; sixteen blobs hold every encoding, and every tenth is a copy.

    A copy is an earlier blob's content at another path of another repository.
    """
    generator = random.Random(seed)
    blobs: list[Blob] = []
    for index in range(count):
        blob = _sample_blob(generator, index)
        if index % 10 == 9:
            original = generator.choice(blobs)
            path = f"/copies/{index}.{original.extension}"
            blob = replace(original, path=path, repo_name=blob.repo_name, stars=blob.stars)
        blobs.append(blob)
    return blobs


def _sample_blob(generator: random.Random, index: int) -> Blob:
    encoding = ENCODINGS[index % len(ENCODINGS)]
    # The class of the C# source has Turkish letters, which Chinese and Thai code pages lack.
    turkish = encoding not in ("GB18030", "WINDOWS-874")
    language = generator.choice([name for name in LANGUAGES if turkish or name != "C#"])
    extension, source = LANGUAGES[language]
    name = f"{generator.choice(NAMES)}{index}"
    functions = (
        source.format(
            remark=generator.choice(REMARKS[encoding]),
            name=f"{name}_{part}",
            number=generator.randint(2, 99),
        )
        for part in range(generator.randint(1, 6))
    )
    permissive = generator.random() < 0.8
    is_vendor = generator.random() < 0.1
    folder = "/vendor" if is_vendor else generator.choice(("", "/src", "/lib/İç klasör"))
    return Blob(
        content="\n".join(functions).encode(PYTHON_CODECS.get(encoding, encoding)),
        encoding=encoding,
        path=f"{folder}/{name}.{extension}",
        language=language,
        license_type="permissive" if permissive else "no_license",
        licenses=(generator.choice(("MIT", "Apache-2.0", "BSD-3-Clause")),) if permissive else (),
        is_vendor=is_vendor,
        is_generated=generator.random() < 0.05,
        stars=generator.choice((0, 0, 0, 1, 7, 250)),
        repo_name=f"{generator.choice(OWNERS)}/{generator.choice(PROJECTS)}",
        score=round(generator.uniform(0.0, 5.0), 3),
    )
