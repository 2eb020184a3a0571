"""Every wrong use of ``soccer`` ends at once, in one line that says what to do, and no stack."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from soccer_assets.cli import app
from soccer_assets.serving.server import ServiceProcess
from soccer_assets.settings import Settings, project_folder
from soccer_assets_tests.test_settings import AWS

#: A port of loopback that nobody listens on, and that needs no look-up.
NOWHERE = "127.0.0.1:1"
RESULTS = "match_id,date,time,region_id,country,tournament_id,competition,is_international,women,"
RESULTS += "neutral,home_team_id,away_team_id,home_team,away_team,home_score,away_score,ft_flag\n"
RESULTS += "1,2024-08-17,15:00,1,England,1,League,0,0,0,1,2,Arsenal,Wolves,2,0,F\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The current folder, with files that are of no use; and an environment without settings."""
    (tmp_path / "results.csv").write_text(RESULTS)
    (tmp_path / "ambiguous.csv").write_text(RESULTS.replace("2024-08-17", "05/03/2024"))
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.parquet").write_text("no parquet")
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    (tmp_path / "bad.yaml").write_text("serving: {recent_days: many}")
    (tmp_path / "training.yaml").write_text("training: {folds: 0}")
    (tmp_path / "future.yaml").write_text("ingestion: {first_day: 2099-01-01}")
    kept, before = dict(os.environ), Path.cwd()
    for name in (*(field.upper() for field in Settings.model_fields), *AWS):
        os.environ.pop(name, None)
    os.environ["SOCCER_HOME"] = str(tmp_path / "home")
    os.environ["POSTGRES_URL"] = f"postgresql://user:hush@{NOWHERE}/soccer"
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)
    os.environ.clear()
    os.environ.update(kept)


def told(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> str:
    """What a command that fails says, which is one line."""
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    assert ended.value.code not in (0, None)
    printed = capfd.readouterr()
    (line,) = printed.err.splitlines()
    assert "hush" not in printed.out + printed.err
    return line


SINCE = "--since=2024-08-01"
SEASON = ["replay-season", "results.csv", "--from=2024-09-01", "--to=2024-10-01"]
REPLAY = ["replay", "results.csv", "--as-of=2025-03-01", SINCE]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["dmeo"], r"soccer: No such command 'dmeo'.* 'demo'"),
        (["demo", "extra"], r"soccer demo: .*unexpected extra argument"),
        (["demo", "--nonsense"], r"soccer demo: No such option: --nonsense"),
        (["demo", "--days", "1"], r"soccer demo: .*--days.* 90"),
        (["demo", "--days", "many"], r"soccer demo: .*--days.* integer"),
        (["demo", "--days", ""], r"soccer demo: .*--days.* integer"),
        (["demo", "--days", "30000"], r"soccer: --days 30000: its first day .* before 1998-01-01"),
        (["demo", "--days", "9" * 30], r"soccer demo: .*--days"),
        (["backfill"], r"soccer backfill: Missing option '--since'.*--help"),
        (["backfill", "--since", ""], r"soccer backfill: .*--since.* '' does not match .*%Y-%m-%d"),
        (["backfill", "--since", "1.8.2024"], r"soccer backfill: .*'1.8.2024' does not match"),
        (["backfill", "--since", "2024-02-30"], r"soccer backfill: .*'2024-02-30' does not match"),
        (["backfill", "--since", "1990-01-01"], r"soccer: --since 1990-01-01 is before 1998-01-01"),
        (["backfill", SINCE, "--until=2099-01-01"], r"soccer: --until 2099-01-01 is after \d{4}-"),
        (["backfill", "--since=2098-01-01"], r"soccer: --since 2098-01-01 is after --until"),
        (["backfill", SINCE, "--until=2024-07-01"], r"soccer: --since 2024-08-01 is after --until"),
        (["backfill", SINCE, "--batch-days=0"], r"soccer backfill: .*--batch-days"),
        (["backfill", SINCE, "--concurrency=-1"], r"soccer backfill: .*--concurrency"),
        (["replay"], r"soccer replay: Missing argument"),
        (["replay", "", *REPLAY[2:]], r"soccer replay: .*directory"),
        (["replay", "nowhere.csv", *REPLAY[2:]], r"soccer replay: .*'nowhere.csv' does not exist"),
        (["replay", ".", *REPLAY[2:]], r"soccer replay: .* is a directory"),
        (["replay", "empty.csv", *REPLAY[2:]], r"soccer: .*"),
        (["replay", "columns.csv", *REPLAY[2:]], r"soccer: .*columns.csv .*match_id"),
        (["replay", "text.parquet", *REPLAY[2:]], r"soccer: .*"),
        (["replay", "results.csv", "--as-of=2024-01-01", SINCE], r"soccer: --since .* --as-of"),
        (["replay", "results.csv", "--as-of=2098-01-01", SINCE], r"soccer: --as-of 2098-01-01 is"),
        (
            ["replay", "results.csv", "--as-of=2020-01-01", "--since=2019-01-01"],
            r"soccer: results.csv has matches of 2024-08-17 to 2024-08-17, none from",
        ),
        (
            ["replay", "ambiguous.csv", *REPLAY[2:]],
            r"soccer: ambiguous.csv row 1, column date: 05/03/2024 is not a date like YYYY-MM-DD; "
            r"say how dates are written with --date-format or LIVESCORES_DATE_FORMAT, such as %d/%m",
        ),
        (
            ["feed", "--file", "ambiguous.csv"],
            r"soccer: ambiguous.csv row 1, column date: 05/03/2024 .* --date-format",
        ),
        (
            ["replay", "results.csv", *REPLAY[2:], "--date-format=%d/%m/%Y"],
            r"soccer: results.csv row 1, column date: 2024-08-17 is not a date like %d/%m/%Y",
        ),
        *(
            ([*command, f"--date-format={wrong}"], rf"soccer: date format '{wrong}' does not say")
            for command in (REPLAY, ["feed", "--file=results.csv"])
            for wrong in ("dd/mm/yyyy", "%d/%m", "%Q")
        ),
        (SEASON[:3], r"soccer replay-season: Missing option '--to'"),
        ([*SEASON[:3], "--to=2024-08-01"], r"soccer: .* --from not after --to"),
        ([*SEASON, "--history-from=2024-09-01"], r"soccer: --history-from comes before --from"),
        ([*SEASON, "--history-from=1990-01-01"], r"soccer: --history-from 1990-01-01 is before"),
        ([*SEASON, "--step=often"], r"soccer: --step often: .* such as 1d or 12h"),
        ([*SEASON, "--step=0d"], r"soccer: --step 0d: "),
        ([*SEASON, "--fault=storm@2024-09-02"], r"soccer: 'storm@2024-09-02' is not NAME@.*feed-"),
        ([*SEASON, "--leagues=first"], r"soccer: --leagues first: not ids"),
        (SEASON, r"soccer: results.csv has matches of 2024-08-17 to 2024-08-17: none before"),
        (["feed", "--port", "99999"], r"soccer feed: .*--port.*65535"),
        (["feed", "--port", "0"], r"soccer feed: .*--port"),
        (["feed", "--file", "nowhere.csv"], r"soccer feed: .*'nowhere.csv' does not exist"),
        (["feed", "--file", "."], r"soccer feed: .* is a directory"),
        (["feed", "--file", "columns.csv"], r"soccer: .*columns.csv .*match_id"),
        (["feed", "--as-of", "soon"], r"soccer feed: .*--as-of.* 'soon' does not match"),
        (["feed", "--host", ""], r"soccer: --host is empty"),
        (["feed", "--host", "203.0.113.1"], r"soccer: port 8800 of 203.0.113.1 cannot be had: "),
        (["serve", "--port", "99999"], r"soccer serve: .*--port.*65535"),
        (["serve", "--port", "-1"], r"soccer serve: .*--port"),
        (["serve", "--port", "x"], r"soccer serve: .*--port.*integer"),
        (["serve", "--host", ""], r"soccer: --host is empty"),
        (["rebuild", "now"], r"soccer rebuild: .*unexpected extra argument"),
        (["rebuild-model", "newest"], r"soccer rebuild-model: .*integer"),
        *(
            ([*command, "9" * 23], rf"soccer {command[0]}: .*should be less than")
            for command in (
                *(["rebuild-model"], ["approve"], ["reject", "--why=no"]),
                *(["rollback", "--why=no", "--to"], ["promotions", "--limit"]),
                *(["alerts", "--limit"], ["step-worker", "--processes"], ["serve", "--port"]),
                *(["backfill", SINCE, "--batch-days"], ["backfill", SINCE, "--concurrency"]),
            )
        ),
        ([*SEASON, f"--step={'9' * 23}d"], r"soccer: --step 9+d: "),
        ([*SEASON, f"--fault=feed-down@2024-09-02+{'9' * 23}"], r"soccer: 'feed-down@2024-09-02"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_arguments_that_cannot_be(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert re.match(line, told(arguments, capfd))


def test_a_port_that_a_worker_holds_is_told_with_whose_it_is(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ServiceProcess(f"postgresql+psycopg2://{NOWHERE}/none", "hush, hush") as worker:
        serve = ["serve", f"--port={worker.port}"]
        line = told(serve, capfd)
        assert line == (
            f"soccer: port {worker.port} of 127.0.0.1 cannot be had: Address already in use "
            "by another home's worker; --port takes another"
        )
        os.environ["SERVING_TOKEN"] = "hush, hush"
        assert "in use by this home's worker; --port" in told(serve, capfd)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "in use; --port" in told(["serve", f"--port={port}"], capfd)


COMMANDS = {
    "demo": ["demo"],
    "replay": REPLAY,
    "backfill": ["backfill", SINCE],
    "rebuild": ["rebuild"],
    "serve": ["serve", "--port=8009"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("LIVESCORES_SOURCE", "pigeon", "LIVESCORES_SOURCE: Input should be 'feed'"),
        ("LIVESCORES_ATTEMPTS", "none", "LIVESCORES_ATTEMPTS: "),
        ("SOCCER_HOME", "results.csv", "SOCCER_HOME: .*/results.csv is not a folder"),
        ("SOCCER_HOME", "results.csv/below", "SOCCER_HOME: .*/results.csv/below: Not a directory"),
        ("SOCCER_HOME", "/proc/1/below", "SOCCER_HOME: /proc/1/below: "),
        ("POSTGRES_URL", "mysql://user:hush@host/db", "POSTGRES_URL: must start with"),
        ("POSTGRES_URL", f"postgresql://user:hush@{NOWHERE}/db", "PostgreSQL .*POSTGRES_URL"),
        (
            "POSTGRES_URL",
            f"postgresql://user:hush@{NOWHERE}/db?foo=x",
            'POSTGRES_URL: invalid connection option "foo"$',
        ),
        (
            "POSTGRES_URL",
            f"postgresql://user:hush@/db?host={NOWHERE}&host={NOWHERE}",
            r"PostgreSQL does not answer: (.*port 1 failed.*){2} \(POSTGRES_URL says where it is\)$",
        ),
    ],
)
def test_settings_that_cannot_be(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    command: str,
    setting: str,
    value: str,
    line: str,
) -> None:
    """Whatever the command, the setting is named. (A relative path starts at the project.)"""
    path = value.startswith("results")
    os.environ[setting] = str(folder / value) if path else value
    assert re.match(f"soccer: {line}", told(COMMANDS[command], capfd))


@pytest.mark.parametrize(
    ("setting", "value", "command", "line"),
    [
        ("SOCCER_AS_OF", "soon", "demo", "SOCCER_AS_OF: not a moment like 2025-03-01"),
        ("SOCCER_AS_OF", "1998-02-01", "demo", "--days 730: its first day 1996-02-02 is before"),
        ("SOCCER_AS_OF", "2024-07-01", "backfill", "--since 2024-08-01 is after --until 2024-07-"),
        ("SOCCER_PARAMS", "nowhere.yaml", "backfill", "parameters .*/nowhere.yaml: No such file"),
        ("SOCCER_PARAMS", "bad.yaml", "backfill", "parameters .*serving.recent_days: .*integer"),
        *(
            ("SOCCER_PARAMS", "future.yaml", command, "ingestion.first_day: 2099-01-01 is after")
            for command in ("demo", "backfill", "replay")
        ),
        ("SOCCER_PARAMS", "bad.yaml", "rebuild", "parameters .*serving.recent_days: .*integer"),
    ],
)
def test_settings_that_cannot_be_for_a_command(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    setting: str,
    value: str,
    command: str,
    line: str,
) -> None:
    os.environ[setting] = str(folder / value) if setting == "SOCCER_PARAMS" else value
    assert re.match(f"soccer: {line}", told(COMMANDS[command], capfd))


@pytest.mark.parametrize(
    ("option", "setting", "line"),
    [
        ("%d/%m/%Y", "", "ambiguous.csv has matches of 2024-03-05 to 2024-03-05, none from"),
        ("%m/%d/%Y", "", "ambiguous.csv has matches of 2024-05-03 to 2024-05-03, none from"),
        ("", "%m/%d/%Y", "ambiguous.csv has matches of 2024-05-03 to"),
        ("%d/%m/%Y", "%m/%d/%Y", "ambiguous.csv has matches of 2024-03-05 to"),
        ("", "dd/mm/yyyy", "date format 'dd/mm/yyyy' does not say day, month and year"),
    ],
)
def test_what_an_ambiguous_date_means_is_said_by_an_option_or_else_by_a_setting(
    folder: Path, capfd: pytest.CaptureFixture[str], option: str, setting: str, line: str
) -> None:
    os.environ["LIVESCORES_DATE_FORMAT"] = setting
    said = [f"--date-format={option}"] if option else []
    assert re.match(f"soccer: {line}", told(["replay", "ambiguous.csv", *REPLAY[2:], *said], capfd))


def test_a_source_file_that_is_not_there(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.environ |= {"LIVESCORES_SOURCE": "file", "LIVESCORES_FILE": str(folder / "nowhere.csv")}
    assert (
        told(["demo"], capfd) == f"soccer: LIVESCORES_FILE: there is no file {folder}/nowhere.csv"
    )


@pytest.mark.parametrize("command", ["demo", "backfill", "replay"])
def test_a_home_that_holds_the_matches_of_another_source(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    engine: sa.Engine,
    database_url: str,
    command: str,
) -> None:
    os.environ["POSTGRES_URL"] = database_url
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO soccer.source (name) VALUES ('site feed.example')"))
        connection.execute(
            sa.text("INSERT INTO soccer.ingested_day VALUES ('2025-03-01', 'k', now(), now(), 0)")
        )
    line = told(COMMANDS[command], capfd)
    assert re.match("soccer: the warehouse holds matches of 'site feed.example'", line)
    named = "file results" if command == "replay" else "simulator 20"
    assert f"the settings name '{named}'" in line


@pytest.mark.parametrize("command", ["feed", "serve"])
def test_a_port_that_is_taken_is_told_and_no_address(
    folder: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SystemExit):
            app([command, "--port", str(port)])
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"soccer: port {port} of 127.0.0.1 cannot be had: Address already in use; "
        "--port takes another\n"
    )


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("training.yaml", "soccer: parameters .*training.folds: "),
        (None, "soccer: there is no git"),
    ],
)
def test_what_only_a_training_needs_is_looked_at_before_the_days(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    database_url: str,
    given: str | None,
    line: str,
) -> None:
    os.environ["POSTGRES_URL"] = database_url
    if given:
        os.environ["SOCCER_PARAMS"] = str(folder / given)
    else:
        os.environ["PATH"] = str(folder)
    assert re.match(line, told(["demo"], capfd))


def test_make_replay_names_what_it_needs() -> None:
    made = subprocess.run(
        ["make", "--silent", "--old-file=.venv/.installed", "replay", "AS_OF=2025-03-01"],
        cwd=project_folder(),
        capture_output=True,
        text=True,
    )
    assert made.returncode != 0
    assert made.stderr.startswith("make replay needs all three: FILE=")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_who_closes_its_output_is_not_written_to(closed: str) -> None:
    """``soccer promotions >&-``, as some schedulers start what they start."""
    command = Path(sys.executable).with_name("soccer")
    done = subprocess.run(f"{command} --help {closed}", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("Usage" in done.stdout) is (">&-" not in closed.replace("2>&-", ""))


def test_the_installed_command_says_one_line_too(folder: Path) -> None:
    command = Path(sys.executable).with_name("soccer")
    done = subprocess.run([command, "demo", "--days=x"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
