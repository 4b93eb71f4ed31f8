"""Files as a revision of git has them: paths, patterns, links, and what cannot be had. With the real git."""

import subprocess
from pathlib import Path

import pytest
from support import manifest_text

from wanbatch.errors import Exit, WanbatchError
from wanbatch.manifest import revision
from wanbatch.manifest.check import load
from wanbatch.manifest.files import DISK
from wanbatch.manifest.revision import GitFiles, tracked


def git(folder, *words):
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def commit(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    git(folder, "add", ".")
    who = ["-c", "user.name=n", "-c", "user.email=n@example.invalid", "-c", "commit.gpgsign=false"]
    git(folder, *who, "commit", "-q", "--allow-empty", "-m", "one")


@pytest.fixture
def repo(in_tmp, monkeypatch):
    """An empty repository, which is the working directory; what is above it is its own too, and empty."""
    folder = in_tmp / "repo"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git(folder, "init", "-q", "-b", "main")
    return folder


def test_a_file_is_as_it_was_committed(repo):
    commit(repo, film=b"then")
    (repo / "film").write_bytes(b"now")
    assert GitFiles("HEAD").read(Path("film"), 100) == b"then"
    assert GitFiles("main").read(repo / "film", 100) == b"then"


def test_a_revision_stays_the_one_that_it_was_when_it_was_named(repo):
    commit(repo, film=b"then")
    files = GitFiles("main")
    commit(repo, film=b"later")
    assert files.read(Path("film"), 100) == b"then"


def test_of_a_long_file_one_byte_more_than_allowed_is_read(repo):
    commit(repo, film=b"x" * 3_000_000)
    assert len(GitFiles("HEAD").read(Path("film"), 10)) == 11


def test_paths_are_those_of_the_working_directory(repo, monkeypatch):
    commit(repo, film=b"top", more__film=b"below", more__ä=b"named")
    monkeypatch.chdir(repo / "more")
    files = GitFiles("HEAD")
    assert files.read(Path("film"), 100) == b"below"
    assert files.read(Path("../film"), 100) == b"top"
    assert files.read(Path("ä"), 100) == b"named"
    assert files.below(Path()) == [Path("film"), Path("ä")]


def test_a_repository_that_is_reached_by_a_link_has_the_same_files(repo, monkeypatch):
    commit(repo, film=b"top")
    (repo / "alias").symlink_to(repo)
    assert GitFiles("HEAD").read(repo / "alias" / "film", 100) == b"top"
    monkeypatch.chdir(repo / "alias")
    assert GitFiles("HEAD").read(Path("film"), 100) == b"top"


@pytest.mark.parametrize("path", ["film", "more", "/etc/passwd", "../film"])
def test_what_the_revision_does_not_have_is_not_found(path, repo):
    commit(repo, more__other=b"")
    (repo / "film").write_bytes(b"not committed")
    with pytest.raises(FileNotFoundError, match="not there at HEAD"):
        GitFiles("HEAD").read(Path(path), 100)


def test_links_are_followed_inside_the_revision(repo):
    (repo / "link").symlink_to("more/film")
    (repo / "loop").symlink_to("loop")
    (repo / "out").symlink_to("/etc/passwd")
    commit(repo, more__film=b"there")
    files = GitFiles("HEAD")
    assert files.read(Path("link"), 100) == b"there"
    assert files.identity(Path("link")) == files.identity(Path("more/film")) == "more/film"
    for name in ("loop", "out"):
        with pytest.raises(OSError, match=r"not there|Too many levels"):
            files.read(Path(name), 100)


NAMES = ("a.yaml", "b.yml", "more/a.yaml", "more/x1.yaml", "more/deep/y.yaml", "more/.hidden.yaml", "more/[z].yaml")
PATTERNS = ("*.yaml", "more/*.yaml", "**/*.yaml", "more/**/*.yaml", "more/x?.yaml", "more/[ax]*.yaml", "m*/*.yaml")
PATTERNS += ("more/[!a]*.yaml", "*/deep/*", "**/deep/y.yaml", "./more/*.yaml", "../*.yaml", "more/[[]z].yaml")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_names_the_same_files_as_on_the_disk(pattern, repo):
    commit(repo, **{name.replace("/", "__"): b"" for name in NAMES})
    for folder in (Path(), repo, Path("more")):
        here, there = DISK.glob(folder, pattern), GitFiles("HEAD").glob(folder, pattern)
        assert [path.resolve() for path in there] == [path.resolve() for path in here]


def test_a_manifest_is_read_with_all_that_belonged_to_it(repo):
    text = manifest_text("alley") + "  - include: more/*.yaml\n  - {id: pier, prompt_file: pier.txt}\n"
    included = b"wanbatch: 1\nscenes:\n  - {id: roof, prompt: then}\n"
    commit(repo, **{"film.yaml": text.encode(), "more__a.yaml": included, "pier.txt": b"a pier\n"})
    (repo / "more/a.yaml").write_bytes(included.replace(b"then", b"now"))
    (repo / "pier.txt").unlink()
    found = load(Path("film.yaml"), files=GitFiles("HEAD"))
    assert [one.request.prompt for one in found.wanted] == ["a alley in the rain", "then", "a pier"]


@pytest.mark.parametrize("name", ["", "-x", "--help", "nope", "a..b", "HEAD~9", "x\0y"])
def test_what_is_no_revision_is_refused_before_git_could_take_it_for_an_option(name, repo):
    commit(repo, film=b"")
    with pytest.raises(WanbatchError) as caught:
        GitFiles(name)
    assert caught.value.exit_code is Exit.USAGE
    assert "HEAD~3, main or a tag" in caught.value.hint


def test_a_shell_would_find_nothing_to_do_in_a_revision(repo):
    commit(repo, film=b"")
    with pytest.raises(WanbatchError):
        GitFiles("HEAD; touch pwned")
    assert not (repo / "pwned").exists()


def test_outside_of_a_repository_the_words_are_ours(in_tmp):
    with pytest.raises(WanbatchError, match="no git repository here") as caught:
        GitFiles("HEAD")
    assert caught.value.exit_code is Exit.USAGE


def test_without_git_it_is_said(repo, monkeypatch):
    commit(repo, film=b"")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(revision, "PROGRAM", "no-such-git")
    with pytest.raises(WanbatchError, match="git is not installed") as caught:
        GitFiles("HEAD")
    assert caught.value.exit_code is Exit.USAGE


def test_what_git_cannot_do_is_said_in_its_words(repo):
    commit(repo, film=b"")
    (repo / ".git/config").write_text("[broken", "utf-8")
    with pytest.raises(WanbatchError, match="git: bad config line"):
        GitFiles("HEAD")


def test_a_submodules_commit_is_no_file(repo):
    other = repo / "other"
    other.mkdir()
    git(other, "init", "-q")
    commit(other, film=b"")
    git(repo, "add", "other")
    commit(repo, film=b"")
    assert GitFiles("HEAD").below(Path()) == [Path("film")]


def test_a_file_that_git_has_lost_is_an_error_and_no_empty_file(repo):
    commit(repo, film=b"precious")
    files = GitFiles("HEAD")
    name = files.blobs["film"].name
    (repo / ".git/objects" / name[:2] / name[2:]).unlink()
    with pytest.raises(OSError, match="git cannot read it"):
        files.read(Path("film"), 100)


def test_tracked_files_are_those_that_are_there_and_not_ignored(repo):
    commit(repo, **{".gitignore": b"out/\n", "film": b"", "gone": b"", "more__a b": b""})
    (repo / "gone").unlink()
    (repo / "new").write_bytes(b"")
    (repo / "out").mkdir()
    (repo / "out/x").write_bytes(b"")
    assert [str(path) for path in tracked(Path())] == [".gitignore", "film", "more/a b", "new"]
