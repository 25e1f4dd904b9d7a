"""The files that every release of sops is given to encrypt: each format with odd values, and each rule."""

from dataclasses import dataclass, field
from typing import Final

Version = tuple[int, int, int]


@dataclass(frozen=True)
class Case:
    """One file: its name, its content in clear, the rule it is encrypted by, and the first release that can."""

    name: str
    content: bytes
    rule: dict[str, object] = field(default_factory=dict)
    since: Version = (3, 7, 0)
    convert: str = ""  # the type of `content`, where that is another than the name's

    @property
    def suffix(self) -> str:
        """Return what the store is known by."""
        return self.name.rpartition(".")[2]


YAML: Final = rb"""# a line of its own
text: CANARY-1 # behind a value
empty: ""
none: null
tilde: ~
numbers: [0, -5, 9223372036854775807, -9223372036854775808, 9007199254740993, 0777, 0o17, 0x1F, 1_000]
floats: [1.0, 1.5, 0.0000001, 1e21, 1e3, 3.141592653589793, 18446744073709551616]
words: [true, False, yes, on, 12:30:45, =, "2024-01-01", 'null', !!str 5]
# before a list
list:
    # in a list
    - a
    - [b, [c, {d: e}]]
    - []
    - {}
multiline: |
    l1
      l2

kept: |+
    l1

folded: >-
    a
    b
trailing: "a \t\n b \n"
odd: "\x00\x07\x85 \u2028 \U0001F680 'x' \"y\" \\n # no comment"
unicode: "NFC \u00e9 NFD e\u0301"
"key with spaces": x
a.b: x
"": x
"\u00e9": x
"e\u0301": x
nested: {deep: {deeper: {deepest: CANARY-2}}}
bytes: !!binary AP9DQU5BUlk=
looks: "ref+vault://x ${Y} $(z)"
clear_unencrypted: {text: visible, number: 0777, float: 1.50, word: yes, list: [1e3, ~, ""]}
"""
ANCHORS: Final = b"""a: &x {p: CANARY-1, q: [1, 2]}
b: *x
c:
    <<: *x
    r: CANARY-2
"""
DOCUMENTS: Final = b"a: CANARY-1\n---\nb: CANARY-2\nc_unencrypted: 1\n---\n# third\nd: [CANARY-3]\n"
TIMES: Final = (
    b"a: 2024-01-01\nb: 2006-01-02T15:04:05.123+07:06\nc: 2001-12-14 21:59:43.10 -5\nd_unencrypted: 2024-01-01\n"
)
SPECIAL: Final = b"a: [.inf, -.inf, .nan]\n"
JSON: Final = rb"""{
  "text": "CANARY-1",
  "empty": "", "none": null, "true": true, "false": false,
  "numbers": [0, -5, 1.0, 1.5, 1e3, 1E-7, 0.0000001, 1e21, 123456789],
  "large": [9007199254740993, 9223372036854775807, -9223372036854775808, 18446744073709551616],
  "list": ["a", ["b", [{"c": "d"}]], [], {}],
  "odd": "\u0000\u0007\u2028\ud83d\ude80 \/ \\n <&> \"y\"\r\n",
  "": "x", "a.b": "x", "\u00e9": "x", "e\u0301": "x",
  "nested": {"deep": {"deeper": "CANARY-2"}},
  "clear_unencrypted": {"text": "visible", "number": 5, "float": 1.5}
}
"""
DOTENV: Final = b"""# a comment
A=CANARY-1
EMPTY=
B=a=b=
C="in quotes"
D=l1\\nl2
E=  spaces behind \t
F = spaced
export G=x
#H=out

I=back\\slash \\t $X ${Y} `z` 'q'
\xc3\xa9=\xc3\xbc \xf0\x9f\x9a\x80
CLEAR_unencrypted=visible
"""
INI: Final = b"""top = CANARY-1

; a comment
[s]
# another one
k = `a # b`
v = CANARY-2
empty =
quoted = "in quotes"
path = C:\\dir\\new
uni = \xc3\xa9 \xf0\x9f\x9a\x80
clear_unencrypted = visible
[other.section]
k = a=b
"""
INI_LINES: Final = b'[s]\nlines = """CANARY-1\nl2\n"""\n'
INI_TWICE: Final = b"[s]\na = CANARY-1\n[t]\nb = x\n[s]\nc = CANARY-2\n"
BYTES: Final = bytes(range(256)) + b"CANARY"
COMMENTED: Final = b"""# encrypt:yes
a: CANARY-1
b: {c: x}
# encrypt:yes
d: {e: CANARY-2}
"""
NAMED: Final = b"kind: Secret\ndata: {PASSWORD: CANARY-1, n_plain: 5}\nname_SECRET: CANARY-2\n"

SMALL: Final = {
    "yaml": b"a: CANARY-1\nb: {c: [CANARY-2, 5]}\n",
    "json": b'{"a": "CANARY-1", "b": {"c": ["CANARY-2", 5]}}\n',
    "env": b"A=CANARY-1\nB=l1\\nl2\n",
    "ini": b"[s]\na = CANARY-1\nb = x\n",
    "bin": b"\0\xffCANARY-1",
}
"""One of each format, for the kinds of keys."""

VALUES: Final = (
    Case("odd.yaml", YAML),
    Case("anchors.yaml", ANCHORS),
    Case("documents.yaml", DOCUMENTS),
    Case("crlf.yaml", b"a: CANARY-1\r\nb: |\r\n  l1\r\n  l2\r\n"),
    Case("special.yaml", SPECIAL),
    Case("times.yaml", TIMES),
    Case("odd.json", JSON),
    Case("comments.json", b"# one\na:\n    # two\n    - CANARY-1 # three\nb: x\n", convert="yaml"),
    Case("odd.env", DOTENV),
    Case("crlf.env", b"A=CANARY-1\r\nB=\r\n"),
    Case("comments.env", b"# one\na: CANARY-1\nb: 5\n", convert="yaml"),
    Case("odd.ini", INI),
    Case("lines.ini", INI_LINES),
    Case("twice.ini", INI_TWICE),
    Case("odd.bin", BYTES),
    Case("text.bin", b'{"looks": "like JSON"}\n'),
    Case("empty.bin", b""),
)
RULES: Final = (
    Case("encrypted_regex.yaml", NAMED, {"encrypted_regex": "^(data|stringData)$"}),
    Case("unencrypted_regex.yaml", NAMED, {"unencrypted_regex": "^kind$"}),
    Case("encrypted_suffix.yaml", NAMED, {"encrypted_suffix": "_SECRET"}),
    Case("unencrypted_suffix.yaml", NAMED, {"unencrypted_suffix": "_plain"}),
    Case("encrypted_comment_regex.yaml", COMMENTED, {"encrypted_comment_regex": "encrypt:yes"}, (3, 9, 0)),
    Case("unencrypted_comment_regex.yaml", COMMENTED, {"unencrypted_comment_regex": "encrypt:yes"}, (3, 9, 0)),
    Case("mac_only.yaml", NAMED, {"encrypted_regex": "^data$", "mac_only_encrypted": True}, (3, 9, 0)),
    Case("rule.json", b'{"a": "x", "data": {"b": "CANARY-1"}}', {"encrypted_regex": "^data$"}),
    Case("rule.env", b"A=x\nDATA=CANARY-1\n", {"encrypted_regex": "^DATA$"}),
    Case("rule.ini", b"[s]\na = x\n[data]\nb = CANARY-1\n", {"encrypted_regex": "^data$"}),
    Case("rule.bin", b"CANARY-1", {"encrypted_regex": "^-$"}),
    Case("data.bin", b"CANARY-1", {"unencrypted_regex": "^data$"}),
)
