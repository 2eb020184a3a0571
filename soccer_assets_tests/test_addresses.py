"""What leads to a service is refused where it is given, not told in part where it is used."""

from collections.abc import Callable

import pytest

from soccer_assets.addresses import (
    backend_address,
    broker_address,
    header_token,
    tracking_address,
    warehouse_address,
)
from soccer_assets.urls import service_url, shown

Check = Callable[[str], str]
#: A password that is not written as an address has it, whole and in its parts.
MARK = "hush"
AS_IT_IS = [f"{MARK}/x", f"{MARK}#x", f"{MARK}?x", f"1/{MARK}", f"1#{MARK}", f"1?{MARK}"]


def refusal(check: Check, given: str) -> str:
    with pytest.raises(ValueError, match=r"^\w") as refused:
        check(given)
    assert MARK not in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("password", [*AS_IT_IS, f"1@{MARK}"])
@pytest.mark.parametrize(
    ("check", "form"),
    [
        (broker_address, "amqp://u:{}@127.0.0.1:1//"),
        (broker_address, "redis://:{}@127.0.0.1:1/0"),
        (broker_address, "amqp://u:p@127.0.0.1:1//;amqp://u:{}@127.0.0.1:2//"),
        (backend_address, "rediss://:{}@127.0.0.1:1/0"),
        (tracking_address, "postgresql://u:{}@127.0.0.1:1/x"),
    ],
)
def test_a_password_that_ends_its_address_early_is_refused(
    check: Check, form: str, password: str
) -> None:
    assert "%40 for @" in refusal(check, form.format(password))


@pytest.mark.parametrize("password", AS_IT_IS)
def test_so_is_one_of_a_site(password: str) -> None:
    refusal(service_url, f"http://u:{password}@127.0.0.1:1/site")


@pytest.mark.parametrize("check", [warehouse_address, tracking_address])
@pytest.mark.parametrize("login", [f"u:p@{MARK}", f"u:p@{MARK}/x", f"u:p@1/{MARK}", f"u\n:{MARK}"])
def test_so_is_one_of_a_database(check: Check, login: str) -> None:
    assert "%40 for @" in refusal(check, f"postgresql://{login}@127.0.0.1:1/x")


@pytest.mark.parametrize("port", ["notaport", "0", "70000", "-1"])
@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_a_port_of_a_broker_that_is_none_is_refused(scheme: str, port: str) -> None:
    assert refusal(broker_address, f"{scheme}://u:{MARK}@host:{port}/0").startswith(
        f"not an address like {scheme}://user:password@host:port/"
    )


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (broker_address, f"kafka://u:{MARK}@host"),
        (broker_address, "rpc://"),
        (backend_address, f"amqp://u:{MARK}@host//"),
        (tracking_address, "nonsense"),
        (tracking_address, "/var/lib/mlflow"),
        (tracking_address, "databricks"),
        (tracking_address, "sqlite://"),
        (tracking_address, "sqlite:///"),
        (tracking_address, f"ftp://u:{MARK}@host"),
        (warehouse_address, f"mysql://u:{MARK}@host/db"),
    ],
)
def test_what_cannot_work_is_refused_with_what_can(check: Check, given: str) -> None:
    assert refusal(check, given).startswith("must start with ")


def test_a_driver_that_is_absent_is_named() -> None:
    assert refusal(tracking_address, f"mysql+pymysql://u:{MARK}@host/db") == (
        "mysql+pymysql:// needs the package pymysql, which is not installed"
    )
    assert refusal(tracking_address, f"postgresql+none://u:{MARK}@host/db") == (
        "no driver of SQLAlchemy's is called postgresql+none"
    )


@pytest.mark.parametrize("check", [warehouse_address, tracking_address])
def test_an_option_that_the_driver_does_not_know_is_named(check: Check) -> None:
    given = f"postgresql://u:{MARK}@host/db?sslmode=require&foo={MARK}"
    assert refusal(check, given) == 'invalid connection option "foo"'


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (broker_address, "amqp://u:p%40%2Fw@host:5672//"),
        (broker_address, "amqp://u:p@one//;amqp://u:p@two//"),
        (broker_address, "amqp://broker"),
        (broker_address, "rediss://:p@[::1]:6379/0?ssl_cert_reqs=required"),
        (backend_address, "rpc://"),
        (backend_address, "redis://host/1"),
        (tracking_address, "http://u:p%40@mlflow:5000/behind"),
        (tracking_address, "sqlite:////var/lib/mlflow.db"),
        (tracking_address, "postgresql://u:p%40@host:5432/mlflow?sslmode=require"),
        (tracking_address, "postgresql+psycopg2://host/mlflow"),
        (warehouse_address, "postgresql+psycopg2://u:p#?/w@host/db?application_name=a&plugin=b"),
        (warehouse_address, "postgresql+psycopg2://u@/db?host=/run/postgresql&options=-c%20a%3Db"),
        (warehouse_address, "postgresql+psycopg2://u@/db?host=one:5432&host=two:5432"),
        (service_url, "https://me%40mail.example:p%2Fw@feed.example/%40site"),
    ],
)
def test_what_can_work_is_left_as_it_is(check: Check, given: str) -> None:
    assert check(given) == given


@pytest.mark.parametrize("token", ["a\nb", "a\x00b", "a\tb", "\x7f", "ключ", "naïve", ""])
def test_a_token_that_no_header_carries_is_refused(token: str) -> None:
    assert refusal(header_token, token).startswith("has characters that no HTTP header can have")


def test_any_other_token_is_taken() -> None:
    every = "".join(map(chr, range(32, 127)))
    assert header_token(every) == every


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"amqp://u:{MARK}@broker:5672//", "amqp://broker:5672"),
        (f"http://u:{MARK}@[::1]:5000/{MARK}?{MARK}#{MARK}", "http://[::1]:5000"),
        ("memory://", "memory://"),
        (f"postgresql://u:p@{MARK}@broker/x", "postgresql://broker"),
        *((f"amqp://u:{password}@broker//", "amqp://…") for password in AS_IT_IS),
        (f"amqp://u:[{MARK}@broker//", "amqp://…"),
        (f"amqp://broker:{MARK}", "amqp://…"),
        (f"amqp://u:p@broker//;amqp://u:{MARK}@other//", "amqp://…"),
        (f"amqp://u:\n{MARK}@broker", "amqp://…"),
        (MARK, "no address"),
        (f"{MARK}:word", "no address"),
        (f"//u:{MARK}@host", "no address"),
        ("", "no address"),
    ],
)
def test_what_is_shown_has_no_part_of_a_login_whatever_is_given(url: str, told: str) -> None:
    assert shown(url) == told
