import struct
import zlib
from collections import Counter

import pytest
from PIL import Image

from data_cards.demo import gcompris, gimp, kgeography, openclipart, tuxpaint, wesnoth, wordnet
from data_cards.demo.captioned import make_texts
from data_cards.demo.qt_resource import iter_members
from data_cards.demo.sources import iter_captioned, missing_sources
from data_cards.demo.topics import with_article


def picture(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path)
    return path


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")


SVG = """<svg><metadata><rdf:RDF><cc:Work rdf:about=""><dc:title>{title}</dc:title>
<dc:description>{description}</dc:description><dc:subject><rdf:Bag><rdf:li>hash(0x1)</rdf:li>
<rdf:li>animal</rdf:li><rdf:li>two_words</rdf:li></rdf:Bag></dc:subject><dc:creator><cc:Agent>
<dc:title>Some Author</dc:title></cc:Agent></dc:creator></cc:Work></rdf:RDF></metadata></svg>"""


def test_openclipart_marks_bad_titles(tmp_path):
    top = tmp_path / openclipart.FOLDER
    entries = [
        ("animals/bee_01", "Bee &amp; flower 02", "A bee that sits on a flower"),
        ("animals/no_title", "", ""),
        ("theme/x", "Lemon SVG theme", ""),
        *[(f"stars/star_{n}", "gramastar", "") for n in range(9)],
        *[(f"sky/clouds_{n}", "clouds", "") for n in range(9)],
    ]
    for key, title, description in entries:
        picture(top / "png" / f"{key}.png")
        text(top / "svg" / f"{key}.svg", SVG.format(title=title, description=description))
    (top / "png/animals/link.png").symlink_to("bee_01.png")
    items = {item.key: item for item in openclipart.iter_openclipart(tmp_path)}
    assert len(items) == len(entries)
    bee = items["animals/bee_01"]
    assert (bee.caption, bee.category, bee.natural_defect) == ("Bee & flower", "animals", None)
    assert bee.text("description").startswith("A bee that")
    assert bee.text("keywords") == "animal, two words"
    assert items["animals/no_title"].natural_defect == "empty title"
    assert items["theme/x"].natural_defect == "boilerplate title"
    assert items["stars/star_3"].natural_defect == "boilerplate title"
    assert items["sky/clouds_3"].natural_defect is None


def test_tuxpaint_reads_translations(tmp_path):
    top = tmp_path / tuxpaint.FOLDER / "food" / "nuts"
    picture(top / "pecan.png")
    text(top / "pecan.txt", "A pecan.\nde.utf8=Eine Pekannuss.\nnonsense\nfr.utf8=\n")
    picture(top / "silent.png")
    (item,) = tuxpaint.iter_tuxpaint(tmp_path)
    assert (item.caption, item.category) == ("A pecan.", "food/nuts")
    assert item.text("caption", "de") == "Eine Pekannuss." and len(item.texts) == 2


def test_kgeography_reads_each_flag_once(tmp_path):
    top = tmp_path / kgeography.FOLDER
    picture(top / "flags/a.png")
    division = "<division><name>Aland</name><flag>a.png</flag><capital>A City</capital></division>"
    text(top / "x.kgm", f"<map><name>Europe</name>{division}{division}</map>")
    (item,) = kgeography.iter_kgeography(tmp_path)
    assert (item.caption, item.text("capital"), item.category) == ("Aland", "A City", "Europe")


def test_gimp_joins_title_own_caption_and_paragraph(tmp_path):
    top = tmp_path / gimp.FOLDER
    for name in ("one", "two", "three"):
        picture(top / f"images/f/{name}.png")
    media = '<div class="mediaobject"><img src="images/f/{}.png"/>{}</div>'
    caption = '<div class="caption"><p>Original</p></div>'
    text(
        top / "a.html",
        '<html xmlns="http://www.w3.org/1999/xhtml"><body><div class="figure">'
        '<p class="title"><strong>Figure 1.2. A <em>blur</em></strong></p>'
        f"{media.format('one', caption)}{media.format('two', '')}</div><br/>"
        f"<p>This filter blurs.</p>{media.format('three', '')}</body></html>",
    )
    items = {item.key: item for item in gimp.iter_gimp(tmp_path)}
    assert set(items) == {"f/one.png", "f/two.png"}
    assert items["f/one.png"].caption == "A blur: Original"
    assert items["f/two.png"].caption == "A blur"
    assert items["f/two.png"].text("paragraph") == "This filter blurs."


def test_wesnoth_ignores_nested_names(tmp_path):
    data = tmp_path / wesnoth.FOLDER / "1.16/data"
    picture(data / "core/images/portraits/elf.png")
    text(
        data / "core/units/elf.cfg",
        '[unit_type]\n[attack]\nname=sword\n[/attack]\nname= _ "Elf"\nrace=elf\n'
        'profile="portraits/elf.png~RIGHT()"\ndescription= _ "Says ""hello"" a lot."\n[/unit_type]',
    )
    (item,) = wesnoth.iter_wesnoth(tmp_path)
    assert (item.caption, item.category) == ("Elf", "elf")
    assert item.text("description") == 'Says "hello" a lot.'


def rcc(members):
    """Version 1 of Qt's format: one folder ``g`` with these (name, bytes, compressed)."""
    names, offsets = b"", {}
    for name in ["g", *[m[0] for m in members]]:
        offsets[name] = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    data, tree = b"", struct.pack(">IHII", 0, 2, 1, 1)
    tree += struct.pack(">IHII", offsets["g"], 2, len(members), 2)
    for name, content, compressed in members:
        stored = struct.pack(">I", len(content)) + zlib.compress(content) if compressed else content
        tree += struct.pack(">IHHHI", offsets[name], int(compressed), 0, 0, len(data))
        data += struct.pack(">I", len(stored)) + stored
    head = 20
    where = (head, head + len(tree), head + len(tree) + len(data))
    return b"qres" + struct.pack(">IIII", 1, *where) + tree + data + names


def test_qt_resources_are_read(tmp_path):
    path = tmp_path / "a.rcc"
    blob = rcc([("b.txt", b"plain", False), ("a.txt", b"packed" * 50, True)])
    path.write_bytes(blob)
    assert list(iter_members(path)) == [("/g/a.txt", b"packed" * 50), ("/g/b.txt", b"plain")]
    for broken in (b"", b"qres", blob[:30], b"PK" + blob[2:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"a\.rcc"):
            list(iter_members(path))


def test_gcompris_pairs_pictures_with_their_sentences(tmp_path):
    board = '"title": qsTr("Ox"), "text": qsTr("It\\\'s big."), "image2": "qrc:/g/ox.webp"'
    path = tmp_path / gcompris.FOLDER / "farm.rcc"
    path.parent.mkdir(parents=True)
    path.write_bytes(rcc([("board.qml", board.encode(), True), ("ox.webp", b"RIFF", False)]))
    (item,) = gcompris.iter_gcompris(tmp_path)
    assert (item.caption, item.text("description"), item.data) == ("Ox", "It's big.", b"RIFF")


def test_definitions_come_from_the_fitting_file(tmp_path):
    top = tmp_path / wordnet.FOLDER
    text(top / "index.noun", "  1 licence\nbat n 2 1 @ 2 1 00000001 00000002\n")
    text(
        top / "data.noun",
        '00000001 06 n 01 bat 0 000 | a club; "he swung the bat"\n'
        "00000002 05 n 01 bat 0 000 | a flying mammal; nocturnal\n",
    )
    glosses = wordnet.Glosses(tmp_path)
    assert glosses.definition("Bat", ("animal",)) == "a flying mammal; nocturnal"
    assert glosses.definition("bat", ("artifact",)) == "a club"
    assert glosses.definition("bat", ("plant",)) == ""


def test_texts_are_cleaned():
    texts = make_texts(("title", " a\u00a0 b\n"), ("description", "A B"), ("keywords", ""))
    assert [(t.kind, t.text) for t in texts] == [("title", "a b")]


@pytest.mark.parametrize(
    ("noun", "phrase"),
    [
        ("wolf", "a wolf"),
        ("owl", "an owl"),
        ("unicorn", "a unicorn"),
        ("hourglass", "an hourglass"),
        ("scissors", ""),
        ("bus", "a bus"),
        ("glass", ""),
        ("cutting board", "a cutting board"),
    ],
)
def test_articles(noun, phrase):
    assert with_article(noun) == phrase


def test_nothing_there_is_nothing_yielded(tmp_path):
    assert list(iter_captioned(tmp_path)) == []
    assert "wordnet" in missing_sources(tmp_path) and len(missing_sources(tmp_path)) == 9


def test_real_packages_hold_what_the_specification_counts(packages):
    if missing_sources(packages):
        pytest.skip(f"missing: {missing_sources(packages)}")
    items = list(iter_captioned(packages))
    good = Counter(item.source for item in items if item.natural_defect is None)
    expected = {"openclipart": 2000, "emoji": 1800, "gimp": 1600, "tuxpaint": 780}
    expected |= {"kgeography": 660, "wordcards": 580, "gcompris": 200, "wesnoth": 140}
    assert all(good[source] >= count for source, count in expected.items()), good
    natural = Counter(item.natural_defect for item in items)
    assert natural["boilerplate title"] > 2500 and natural["empty title"] == 58
    assert len({(item.source, item.key) for item in items}) == len(items)
    assert all((item.image is None) != (item.data is None) for item in items)
    assert all(item.texts for item in items if item.natural_defect is None)
