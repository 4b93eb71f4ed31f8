"""The service's answers, as documented and as broken as they come, read into the right values."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanbatch.jobs.seen import Accepted, Kind, ReadFailed, Refused, Row, TaskView, Unknown
from wanbatch.service import wire

REPLIES = {path.stem: json.loads(path.read_text("utf-8")) for path in (Path(__file__).parents[1] / "replies").iterdir()}
TASK = "eff1443c-ccab-4676-aad3-xxxxxx"


def bytes_of(name):
    reply = REPLIES[name]
    return reply["status"], reply["headers"], json.dumps(reply["body"]).encode()


def submitted(body, status=200, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return wire.submit_outcome(status, headers, raw)


def viewed(task_status="SUCCEEDED", status=200, usage=None, **output):
    body = {"output": {"task_id": TASK, "task_status": task_status} | output, "usage": usage}
    return wire.task_view(TASK, status, {}, json.dumps(body).encode())


def test_every_stored_reply_says_where_and_when_it_is_from():
    for name, reply in REPLIES.items():
        assert set(reply) == {"source", "date", "status", "headers", "body"}, name
        assert reply["source"], name
        assert reply["date"], name


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("create_accepted", Accepted("0385dc79-5ff8-4d82-bcb6-xxxxxx", "4909100c-7b5a-9f92-bfe5-xxxxxx")),
        ("create_no_key", Refused(Kind.ACCOUNT, "InvalidApiKey", "No API-key provided.")),
        ("create_model_missing", Refused(Kind.SCENE, "InvalidParameter", "Model not exist.")),
        ("error_envelope", Refused(Kind.ACCOUNT, "invalid_api_key", "Incorrect API key provided.")),
        ("create_timeout", Unknown("HTTP 500, RequestTimeOut", "0f6a4f5e-0000-4000-8000-000000000007")),
    ],
)
def test_a_documented_answer_to_a_create_call_is_read_whole(name, outcome):
    assert wire.submit_outcome(*bytes_of(name)) == outcome


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("create_no_async_header", Kind.SCENE),
        ("create_arrears", Kind.ACCOUNT),
        ("create_moderated", Kind.MODERATION),
        ("create_throttled", Kind.RATE),
        ("create_overdue", Kind.ACCOUNT),
    ],
)
def test_a_documented_refusal_says_whose_fault_it_is(name, kind):
    assert wire.submit_outcome(*bytes_of(name)).kind is kind


def test_a_documented_success_is_read_whole():
    view = wire.task_view(TASK, *bytes_of("query_succeeded"))
    body = REPLIES["query_succeeded"]["body"]
    assert view == TaskView(
        TASK,
        "SUCCEEDED",
        code="Unknown",
        orig_prompt=body["output"]["orig_prompt"],
        video_url=body["output"]["video_url"],
        usage=body["usage"],
        times={name: body["output"][name] for name in ("submit_time", "scheduled_time", "end_time")},
    )


def test_a_float_duration_and_unknown_fields_do_not_disturb():
    view = wire.task_view(TASK, *bytes_of("query_succeeded_through_a_relay"))
    assert view.usage == {"duration": 10.0, "fps": 30, "video_count": 1, "SR": 720, "ratio": "16:9"}
    assert view.video_url == REPLIES["query_succeeded_through_a_relay"]["body"]["output"]["video_url"]


def test_other_documented_states_are_read():
    running = wire.task_view("86ecf553-d340-4e21-xxxxxx", *bytes_of("query_running"))
    assert (running.status, running.video_url, sorted(running.times)) == (
        "RUNNING",
        None,
        ["scheduled_time", "submit_time"],
    )
    failed = wire.task_view("86ecf553-d340-4e21-xxxxxx", *bytes_of("query_failed"))
    assert (failed.status, failed.kind, failed.code, failed.message) == (
        "FAILED",
        Kind.SCENE,
        "InvalidParameter",
        "The size does not match xxxxxx",
    )
    assert wire.task_view("502a00b1-19d9-4839-a82f-xxxxxx", *bytes_of("query_unknown")).status == "UNKNOWN"


def test_a_documented_page_of_the_list_is_read_with_its_times_in_seconds():
    page = wire.list_page(*bytes_of("list_one_page"))
    model = "wanx2.1-kf2v-plus"
    assert page == (
        (
            Row("50e2ccea-xxxxxx", "1abfc3c8-xxxxxx", model, "RUNNING", 1745568428.109),
            Row("60e2ccea-xxxxxx", "2abfc3c8-xxxxxx", model, "SUCCEEDED", 1745568420.0),
        ),
        1,
        2,
    )


def test_a_documented_refusal_to_cancel_keeps_its_code():
    failed = wire.read_failed(*bytes_of("cancel_too_late"))
    assert (failed.kind, failed.code) == (Kind.SCENE, "UnsupportedOperation")


CODES = {
    Kind.SCENE: """400 InvalidParameter | 400 BadRequest.EmptyInput | 400 BadRequest.EmptyModel | 400 InvalidURL
        400 BadRequest.IllegalInput | 400 InvalidFile.Size | 400 InvalidFile.Duration | 400 InvalidFile.Format
        400 InvalidFile.Openerror | 400 UnsupportedOperation | 403 AccessDenied | 404 ModelNotFound | 404 NotFound
        400 NobodyKnowsThis""",
    Kind.RATE: """429 Throttling | 429 Throttling.RateQuota | 429 LimitRequests | 429 limit_requests
        429 ResourceExhausted | 429 Throttling.BurstRate | 429 Throttling.Concurrency | 429 NobodyKnowsThis""",
    Kind.ALLOCATION: "429 insufficient_quota | 429 Throttling.AllocationQuota",
    Kind.MODERATION: """400 DataInspectionFailed | 400 IPInfringementSuspect | 400 CustomRoleBlocked
        400 FaqRuleBlocked""",
    Kind.SERVICE: """400 InvalidURL.ConnectionRefused | 400 InvalidURL.Timeout | 400 InvalidParameter.DataInspection
        500 InternalError | 500 InternalError.Algo | 500 InternalError.Upload | 500 InternalError.FileUpload
        500 SystemError | 500 RewriteFailed | 500 ModelServiceFailed | 500 InternalError.Timeout | 500 internal_error
        500 RequestTimeOut | 500 ResponseTimeout | 503 ServiceUnavailable | 503 ModelUnavailable""",
    Kind.ACCOUNT: """400 Arrearage | 401 InvalidApiKey | 401 invalid_api_key | 401 NOT AUTHORIZED | 401 NobodyKnowsThis
        403 AccessDenied.Unpurchased | 403 Model.AccessDenied | 403 Workspace.AccessDenied
        403 Endpoint.AccessDenied | 403 AllocationQuota.FreeTierOnly | 404 WorkSpaceNotFound
        429 CommodityNotPurchased | 429 PrepaidBillOverdue | 429 PostpaidBillOverdue""",
}
ROWS = [
    (int(status), code, kind)
    for kind, table in CODES.items()
    for line in table.splitlines()
    for status, _, code in [cell.strip().partition(" ") for cell in line.split("|") if cell.strip()]
]


@pytest.mark.parametrize(("status", "code", "kind"), ROWS)
def test_each_documented_code_is_of_its_kind_in_any_spelling(status, code, kind):
    for spelled in (code, code.upper(), code.lower(), f"{code}  ", f" {code}\n"):
        assert wire.kind_of(spelled, status) is kind
        failed = wire.read_failed(status, {}, json.dumps({"code": spelled}).encode())
        assert (failed.kind, failed.code) == (kind, spelled.strip())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InternalError.Timeout", Kind.SERVICE),
        ("InvalidURL.Timeout", Kind.SERVICE),
        ("Throttling", Kind.RATE),
        ("invalid_api_key", Kind.ACCOUNT),
        ("DataInspectionFailed", Kind.MODERATION),
        ("", Kind.SCENE),
    ],
)
def test_a_failed_task_is_judged_by_its_code_alone(code, kind):
    view = viewed("FAILED", code=code)
    assert (view.kind, view.code) == (kind, code or "Unknown")


ODD = [
    b"",
    b"null",
    b"NaN",
    b"[]",
    b"[{}]",
    b'"a"',
    b"12",
    b"{",
    b"\xff\xfe",
    b"<html>wait</html>",
    b"[" * 100_000,
    b"9" * 10_000,
    b'{"output":null}',
    b'{"output":[]}',
    b'{"output":"x"}',
    b'{"output":{}}',
]


@pytest.mark.parametrize("body", ODD, ids=lambda body: repr(body[:12]))
@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 404, 408, 409, 429, 499, 500, 502, 503])
def test_an_answer_that_is_none_leaves_a_submission_open(body, status):
    outcome = submitted(body, status, **{"x-request-id": "r-1"})
    assert isinstance(outcome, Unknown)
    assert outcome.request_id == "r-1"
    assert isinstance(wire.task_view(TASK, status, {}, body), ReadFailed)
    assert isinstance(wire.list_page(status, {}, body), ReadFailed)


def test_json_that_is_cut_at_any_byte_is_never_an_acceptance_or_a_refusal():
    for name in ("create_accepted", "create_no_key", "create_throttled"):
        status, headers, raw = bytes_of(name)
        for end in range(len(raw)):
            assert isinstance(wire.submit_outcome(status, headers, raw[:end]), Unknown)
    status, headers, raw = bytes_of("query_succeeded")
    assert all(isinstance(wire.task_view(TASK, status, headers, raw[:end]), ReadFailed) for end in range(len(raw)))


@pytest.mark.parametrize(
    "task_id", ["../x", "x" * 65, "x" * 10_000, "", "a b", "a/b", "a%2f", "é", "a\n", "\ud800", 7, None, ["a"], {}]
)
def test_what_cannot_stand_in_a_path_is_no_task_id(task_id):
    assert isinstance(submitted({"output": {"task_id": task_id, "task_status": "PENDING"}}), Unknown)
    row = {"task_id": task_id, "gmt_create": 1, "model_name": "m"}
    assert wire.list_page(200, {}, json.dumps({"data": [row]}).encode()).rows == ()


def test_a_task_id_counts_only_with_200_and_without_a_code():
    output = {"output": {"task_id": "a-1"}}
    assert submitted(output) == Accepted("a-1")
    assert submitted(output | {"code": None}) == Accepted("a-1")
    assert submitted(output | {"code": ""}) == Accepted("a-1")
    assert isinstance(submitted(output | {"code": "Busy"}), Unknown)
    for status in (201, 202, 301, 400, 429, 500):
        assert isinstance(submitted(output, status), Unknown)


@pytest.mark.parametrize("status", sorted(wire.ANSWERED))
def test_a_refusal_needs_the_service_s_own_code_and_no_task(status):
    assert isinstance(submitted({"code": "InvalidParameter"}, status), Refused)
    assert isinstance(submitted({"error": {"code": "invalid"}}, status), Refused)
    for body in ({}, {"code": ""}, {"code": "  "}, {"code": 400}, {"error": "denied"}, {"message": "denied"}):
        assert isinstance(submitted(body, status), Unknown)
    assert isinstance(submitted({"code": "InvalidParameter", "output": {"task_id": "a-1"}}, status), Unknown)


@pytest.mark.parametrize("status", [200, 301, 302, 307, 308, 405, 407, 408, 409, 418, 499, 500, 502, 503, 504])
def test_other_statuses_leave_a_submission_open_whatever_their_code(status):
    assert isinstance(submitted({"code": "InvalidParameter"}, status), Unknown)


def test_the_answer_to_a_query_must_be_about_the_task():
    assert wire.task_view("other", *bytes_of("query_succeeded")).code == "OddReply"


@pytest.mark.parametrize("word", ["SUSPENDED", "QUEUED", "", "succeeded ", "x" * 10_000])
def test_an_unknown_state_is_kept_as_the_service_s_word(word):
    assert viewed(word).status == word.strip().upper()[:300]


@pytest.mark.parametrize("url", [None, "", "/x.mp4", "//h/x.mp4", "file:///etc/passwd", ["https://h/x"], 3])
def test_a_success_without_an_address_shows_none(url):
    assert viewed(video_url=url).video_url is None


def test_a_video_s_address_is_kept_byte_for_byte():
    for url in ("https://h/a%2Fb+c.mp4?Signature=a%2Bb%3D&x=%e4", "HTTP://h/x", "http://h/" + "x" * 2000):
        assert viewed(video_url=url).video_url == url


def test_usage_keeps_texts_and_numbers_and_nothing_else():
    usage = {"duration": 10.0, "SR": 720, "ratio": "16:9", "audio": True, "a": None, "b": [1], "c": {}, "d": 10**400}
    assert viewed(usage=usage).usage == {"duration": 10.0, "SR": 720, "ratio": "16:9", "audio": True}
    assert viewed(usage=[1]).usage == {}
    raw = b'{"output":{"task_status":"RUNNING"},"usage":{"a":NaN,"b":-Infinity,"c":1e999}}'
    assert wire.task_view(TASK, 200, {}, raw).usage == {}


@pytest.mark.parametrize(
    ("said", "pages"),
    [(3, 3), (3.0, 3), (0, 1), (-1, -1), ("3", 1), (None, 1), ([], 1), (True, 1), (10**400, 1), (float("nan"), 1)],
)
def test_odd_page_counts_are_read_as_one_page(said, pages):
    page = wire.list_page(200, {}, json.dumps({"data": [], "total_page": said}).encode())
    assert page.pages == pages


@pytest.mark.parametrize("made", [None, "1745568428109", 10**400, float("inf"), [], True])
def test_a_row_without_a_sensible_time_has_none(made):
    row = {"task_id": "a-1", "gmt_create": made}
    assert wire.list_page(200, {}, json.dumps({"data": [row]}).encode()).rows[0].created_at == 0.0


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("999999", 999999),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("", None),
        ("Sun, 22 Nov 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_counts_only_as_seconds(said, seconds):
    assert submitted({"code": "Throttling"}, 429, **{"retry-after": said}).retry_after_s == seconds


@pytest.fixture
def elsewhere(monkeypatch):
    """Our own time zone is not the service's."""
    with monkeypatch.context() as here:
        here.setenv("TZ", "XYZ-5:45")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("Sun, 22 Nov 2026 10:00:00 GMT", 1795341600.5),
        ("Sun, 22 Nov 2026 10:00:00 -0000", 1795341600.5),
        ("Sun, 22 Nov 2026 18:00:00 +0800", 1795341600.5),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Nov 2026 10:00:00 GMT", None),
        ("Sun, 22 Nov 99999 10:00:00 GMT", None),
    ],
)
def test_the_service_s_clock_is_read_from_date_wherever_we_are(said, at, elsewhere):
    assert wire.clock_of({"date": said}) == at


def test_half_characters_from_the_service_can_be_written_down():
    surrogate = b'{"code":"A\\ud800","message":"\\udfff","request_id":"\\ud800"}'
    refused = submitted(surrogate, 400)
    unknown = submitted(b"", 200, **{"x-request-id": "r\udcff"})
    view = viewed("FAILED", code="\ud800", orig_prompt="\ud800", usage={"\ud800": "\ud800"}, end_time="\ud800")
    for value in (refused, unknown, view, submitted(surrogate, 500)):
        str(value).encode()
    assert unknown.request_id == "r?"
    assert view.orig_prompt == "?"


texts = st.text(st.characters()) | st.sampled_from(["SUCCEEDED", "a-1", TASK, "https://h/x", "Throttling"])
names = st.sampled_from(
    [
        "code",
        "message",
        "error",
        "output",
        "task_id",
        "task_status",
        "video_url",
        "usage",
        "data",
        "total",
        "total_page",
        "gmt_create",
        "request_id",
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**320) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | texts, inner, max_size=6),
    max_leaves=12,
)
bodies = st.binary() | st.dictionaries(names, values).map(json.dumps).map(str.encode)
headers = st.dictionaries(st.sampled_from(["x-request-id", "retry-after", "date"]), texts)


@given(st.integers(0, 999), headers, bodies)
def test_no_reader_raises_whatever_comes(status, headers, body):
    for seen in (
        wire.submit_outcome(status, headers, body),
        wire.task_view(TASK, status, headers, body),
        wire.list_page(status, headers, body),
        wire.read_failed(status, headers, body),
        wire.limits_of("m", status, headers, body),
    ):
        if not isinstance(seen, TaskView) or seen.video_url is None:  # an address is never written down
            str(seen).encode()
    wire.clock_of(headers)


@given(st.sampled_from([200, 400, 429, 500]), bodies)
def test_a_submission_is_settled_only_by_proof(status, body):
    outcome = wire.submit_outcome(status, {}, body)
    data = wire.as_object(body) or {}
    if isinstance(outcome, Accepted):
        assert status == 200
        assert not data.get("code")
        assert data["output"]["task_id"] == outcome.task_id
        assert wire.TASK_ID.match(outcome.task_id)
    if isinstance(outcome, Refused):
        assert status in wire.ANSWERED
        assert outcome.code
