"""``dvc.yaml`` read, whatever DVC allows in it."""

from pathlib import Path

import pytest

from soccer_assets.dvc.command import DvcError
from soccer_assets.dvc.lock import read_lock
from soccer_assets.dvc.pipeline import Pipeline, StageOut

PLAIN = """
stages:
  first:
    cmd: [one, two]
    wdir: sub
    desc: Of the stage.
    deps: [../raw.csv, s3://bucket/raw, src/]
    params: [a, b.c, other.json: [d], whole.yaml: ]
    outs:
      - data/:
          desc: Its own.
          persist: true
          meta: {owner: me}
      - numbers.json
    metrics: [eval.json: {cache: false}]
    plots: [curve.csv: {x: day}, roc.csv: [{x: a}, {x: b}]]
    frozen: true
    always_changed: true
    meta: anything
  second: {cmd: three, deps: [sub/data/part.csv]}
metrics: [sub/numbers.json]
plots: [sub/eval.json: {x: day}]
"""
TEMPLATED = """
vars: [{kind: pickle}]
stages:
  each:
    foreach: [a, b]
    do: {cmd: "make ${item} ${limit}", outs: ["${item}.${kind}"]}
  crossed:
    matrix: {letter: [a], number: [1, 2]}
    cmd: make ${item.letter}
    deps: [a.pickle]
    outs: ["${item.letter}-${item.number}"]
"""
LOCK = """
schema: '2.0'
stages:
  first:
    cmd: [one, two]
    outs:
    - {path: data/, md5: d751713988987e9331980363e24189ce.dir, size: 0, nfiles: 0, hash: md5}
  second:
    cmd: three
"""


def read(tmp_path: Path, text: str) -> Pipeline:
    file = tmp_path / "dvc.yaml"
    file.write_text(text)
    return Pipeline.read(file)


def test_all_that_a_stage_says_is_read(tmp_path: Path) -> None:
    first, second = read(tmp_path, PLAIN).stages
    assert (first.name, first.command, first.folder) == ("first", "one\ntwo", "sub")
    assert first.deps == ("raw.csv", "s3://bucket/raw", "sub/src")
    assert first.params == {
        "sub/params.yaml": ("a", "b.c"),
        "sub/other.json": ("d",),
        "sub/whole.yaml": (),
    }
    assert first.outs[0] == StageOut("sub/data", "out", "Its own.", True, {"owner": "me"})
    assert [(out.path, out.role) for out in first.outs[1:]] == [
        ("sub/numbers.json", "metric"),
        ("sub/eval.json", "plot"),
        ("sub/curve.csv", "plot"),
        ("sub/roc.csv", "plot"),
    ]
    assert first.outs[1].description == "Of the stage."
    assert (first.frozen, first.always_changed, first.meta) == (True, True, "anything")
    assert (second.outs, second.folder, second.frozen) == ((), ".", False)


def test_what_is_in_an_out_is_made_by_its_stage(tmp_path: Path) -> None:
    pipeline = read(tmp_path, PLAIN)
    assert pipeline.made("sub/data/part.csv") == pipeline.stages[0].outs[0]
    assert pipeline.made("sub/data") == pipeline.stages[0].outs[0]
    assert pipeline.made("sub") is None
    assert pipeline.made("raw.csv") is None


def test_code_among_the_dependencies_is_what_no_stage_makes(tmp_path: Path) -> None:
    for name in ("src/a.py", "src/deep/b.SQL", "src/notes.txt", "data/made.py"):
        path = tmp_path / "sub" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    pipeline = read(tmp_path, PLAIN)
    assert pipeline.code("sub/src") == ["sub/src/a.py", "sub/src/deep/b.SQL"]
    assert pipeline.code("sub/data") == pipeline.code("raw.csv") == []
    version = pipeline.code_version(pipeline.stages[0])
    (tmp_path / "sub/src/notes.txt").write_text("other")
    assert pipeline.code_version(pipeline.stages[0]) == version
    (tmp_path / "sub/src/a.py").write_text("other")
    assert pipeline.code_version(pipeline.stages[0]) != version


def test_dvc_resolves_templates_and_items(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "params.yaml").write_text("limit: 3")
    pipeline = read(tmp_path, TEMPLATED)
    assert {stage.name: stage.command for stage in pipeline.stages} == {
        "each@a": "make a 3",
        "each@b": "make b 3",
        "crossed@a-1": "make a",
        "crossed@a-2": "make a",
    }
    assert pipeline.made("a.pickle") == pipeline.stages[0].outs[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stages: {one: {outs: [a]}}", "is no pipeline: 'cmd'"),
        ("stages: [", "is no pipeline: while parsing"),
        ("plots: []", "is no pipeline: 'stages'"),
        ("stages: {a: {cmd: '${nothing}'}}", "failed to parse 'stages.a.cmd'"),
    ],
)
def test_a_file_that_is_no_pipeline_is_refused_in_one_line(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / ".dvc").mkdir()
    with pytest.raises(DvcError) as caught:
        read(tmp_path, text)
    assert f"{tmp_path}/dvc.yaml" in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(DvcError, match=r"nothing\.yaml: No such file"):
        Pipeline.read(tmp_path / "nothing.yaml")


def test_a_lock_is_read_by_the_folders_of_its_stages(tmp_path: Path) -> None:
    stages = read(tmp_path, PLAIN).stages
    assert list(read_lock(LOCK, "dvc.lock", stages)) == ["sub/data"]
    with pytest.raises(DvcError, match=r"dvc\.lock is unreadable: 'outs'"):
        read_lock(LOCK, "dvc.lock")
