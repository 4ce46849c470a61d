import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from broker.errors import CallerError, IntegrityError, NotFoundError, SetuError, UnavailableError
from broker.gateway.problems import OWN, TABLE, answer
from schemas.base import Model
from schemas.canonical import MalformedBase64Error, MalformedJsonError
from schemas.handling import Classification
from schemas.problem import Code, Problem

SECRET = "s3cr3t"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_every_code_has_a_status_and_a_title_of_its_own() -> None:
    assert set(TABLE) == set(Code)
    titles = [title for _, title in TABLE.values()]
    assert len(set(titles)) == len(titles)
    assert all(400 <= status < 600 for status, _ in TABLE.values())


def test_only_the_gateways_own_doing_is_a_5xx() -> None:
    broken = {code for code, (status, _) in TABLE.items() if status >= 500}
    assert {code for code in broken if TABLE[code][0] == 500} == {Code.INTERNAL}
    assert not broken & OWN


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.INTERNAL])
def test_each_code_becomes_a_whole_problem_document(code: Code) -> None:
    made = answer(SetuError(code, "Expected one thing, found another.", advice="Do this.", pointer="/a"), TRACE)
    problem = Problem.from_json(made.body)
    assert (problem.code, problem.status, made.status) == (code, *[TABLE[code][0]] * 2)
    assert problem.type == f"urn:setu:problem:{code}"
    assert problem.detail == "Expected one thing, found another. Do this."
    assert dict(made.headers)[b"content-length"] == b"%d" % len(made.body)
    assert problem.trace == (None if code is Code.NOT_FOUND else TRACE)


def test_nothing_there_and_no_such_route_are_the_same_bytes() -> None:
    assert answer(NotFoundError(), TRACE) == answer(HTTPException(404, SECRET), TRACE[::-1])


@pytest.mark.parametrize(
    ("error", "header"),
    [
        pytest.param(UnavailableError("Expected room.", retry_after=7), (b"retry-after", b"7"), id="unavailable"),
        pytest.param(IntegrityError(Code.LOG_INVALID, "Expected a log."), (b"retry-after", b"30"), id="integrity"),
        pytest.param(
            CallerError(Code.RATE_LIMITED, "Expected less.", retry_after=4), (b"retry-after", b"4"), id="rate"
        ),
        pytest.param(HTTPException(405, headers={"Allow": "POST"}), (b"allow", b"POST"), id="method"),
        pytest.param(
            SetuError(Code.KEY_UNKNOWN, "Expected a key."), (b"www-authenticate", b"setu1-signature"), id="401"
        ),
    ],
)
def test_headers_that_belong_to_a_status(error: Exception, header: tuple[bytes, bytes]) -> None:
    assert header in answer(error, TRACE).headers


def test_a_caller_error_without_a_time_to_wait_gives_none() -> None:
    assert b"retry-after" not in dict(answer(CallerError(Code.FORBIDDEN, "Expected another."), TRACE).headers)


def refused(model: type[Model], raw: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(raw)
    return caught.value


@pytest.mark.parametrize(
    ("error", "status", "code", "pointer"),
    [
        pytest.param(refused(Classification, f'{{"system":"{SECRET}","level":"U"}}'), 500, "internal", None, id="stored-record"),
        pytest.param(refused(Classification, f'{{"system":"US","level":"U","{SECRET}":1}}'), 500, "internal", None, id="stored-record-extra"),
        pytest.param(MalformedJsonError(SECRET), 500, "internal", None, id="stored-json"),
        pytest.param(MalformedBase64Error(SECRET), 500, "internal", None, id="stored-base64"),
        pytest.param(RequestValidationError([{"loc": (SECRET,), "msg": SECRET, "input": SECRET}]), 400, "bad-query", None, id="framework"),
        pytest.param(HTTPException(400, SECRET), 400, "bad-request", None, id="http-exception"),
        pytest.param(HTTPException(413, SECRET), 400, "bad-request", None, id="another-http-exception"),
        pytest.param(RuntimeError(SECRET), 500, "internal", None, id="unforeseen"),
        pytest.param(ExceptionGroup(SECRET, [ValueError(SECRET)]), 500, "internal", None, id="group"),
    ],
)  # fmt: skip
def test_no_error_leaks_what_it_was_about(error: Exception, status: int, code: str, pointer: str | None) -> None:
    made = answer(error, TRACE)
    problem = Problem.from_json(made.body)
    assert (made.status, problem.code, problem.pointer) == (status, code, pointer)
    assert SECRET.encode() not in made.body
    assert SECRET not in str(made.headers)
