import io
import tarfile

import pytest

from data_cards import BadInputError
from data_cards.demo import fetch
from data_cards.demo.debian_archive import extract_package, package_fields
from data_cards.demo.fetch import fetch_packages, unpack_folder


def tar(files, compression="xz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{compression}") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def deb(path, files, name="wordnet-base", version="1.0"):
    control = f"Package: {name}\nVersion: {version}\nDescription: x\n more: text\n".encode()
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tar({"./control": control}),
        "data.tar.xz": tar(files),
    }
    blob = b"!<arch>\n"
    for member, content in members.items():
        header = f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}".encode() + b"`\n"
        blob += header + content + b"\n" * (len(content) % 2)
    path.write_bytes(blob)
    return path


def test_python_unpacks_a_package(tmp_path):
    package = deb(tmp_path / "a.deb", {"./usr/share/x/a.txt": b"hello"})
    assert package_fields(package)["Version"] == "1.0"
    extract_package(package, tmp_path / "out")
    assert (tmp_path / "out/usr/share/x/a.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "files", [{"../evil": b"x"}, {"link": "/etc", "link/evil": b"x"}, {"link": "../../up"}]
)
def test_nothing_leaves_the_folder(tmp_path, files):
    package = deb(tmp_path / "a.deb", files)
    with pytest.raises(ValueError, match="unsafe"):
        extract_package(package, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("cut", [0, 7, 30, 120])
def test_damaged_packages_are_refused(tmp_path, cut):
    package = deb(tmp_path / "a.deb", {"./a": b"x"})
    package.write_bytes(package.read_bytes()[:cut])
    with pytest.raises(ValueError, match="Debian package"):
        package_fields(package)


@pytest.mark.parametrize("with_dpkg", [True, False])
def test_a_folder_of_packages_is_unpacked_once(tmp_path, monkeypatch, with_dpkg):
    if not with_dpkg:
        monkeypatch.setattr(fetch.shutil, "which", lambda _: None)
    (tmp_path / "debs").mkdir()
    deb(tmp_path / "debs/a.deb", {"./usr/share/wordnet/data.noun": b"text"})
    (tmp_path / "debs/b.deb").write_bytes(b"broken")
    first = unpack_folder(tmp_path / "debs", tmp_path / "root")
    assert first.unpacked == {"wordnet-base": "1.0"}
    assert "b.deb" in first.missing and "pysiogame" in first.missing
    target = tmp_path / "root/usr/share/wordnet/data.noun"
    stamp = target.stat().st_mtime_ns, target.stat().st_ino
    second = unpack_folder(tmp_path / "debs", tmp_path / "root")
    assert second.present == {"wordnet-base": "1.0"} and not second.unpacked
    assert (target.stat().st_mtime_ns, target.stat().st_ino) == stamp
    assert not list((tmp_path / "root").glob(".unpacking-*"))


def test_a_new_version_replaces_the_old(tmp_path):
    (tmp_path / "debs").mkdir()
    for version, content in (("1.0", b"old"), ("2.0", b"new")):
        deb(tmp_path / "debs/a.deb", {"./usr/share/wordnet/x": content}, version=version)
        assert unpack_folder(tmp_path / "debs", tmp_path / "root").unpacked
    assert (tmp_path / "root/usr/share/wordnet/x").read_bytes() == b"new"


def test_without_apt_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "which", lambda _: None)
    with pytest.raises(BadInputError, match=r"--packages FOLDER.*kgeography-data"):
        fetch_packages(tmp_path, ["kgeography-data"])
    with pytest.raises(BadInputError, match=r"no \.deb file"):
        unpack_folder(tmp_path, tmp_path / "root")


def test_present_packages_need_no_apt(tmp_path, monkeypatch):
    (tmp_path / "debs").mkdir()
    deb(tmp_path / "debs/a.deb", {"./usr/share/wordnet/x": b"x"})
    unpack_folder(tmp_path / "debs", tmp_path / "root")
    monkeypatch.setattr(fetch.shutil, "which", lambda _: None)
    assert fetch_packages(tmp_path / "root", ["wordnet-base"]).present == {"wordnet-base": "1.0"}


def test_a_package_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.shutil, "which", lambda name: f"/bin/{name}")
    asked = []

    def fail(command, cwd=None):
        asked.append(tuple(command))
        return 100, "E: Unable to locate package"

    monkeypatch.setattr(fetch, "_run", fail)
    report = fetch_packages(tmp_path, ["one", "two"])
    assert set(report.missing) == {"one", "two"} and "Unable to locate" in str(report)
    assert asked.count(("apt-get", "update")) == 1
