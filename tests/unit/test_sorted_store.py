"""The benchmark's store answers as DynamoDB does, and knows what it stores."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bench.growing import chi_square
from bench.results import keep
from bench.sorted_store import PROJECTED, SortedStore, server, users
from bench.tables import Row
from chalicelib.store.users import LISTS, item_of, list_of
from infra.stacks import DATA_TEMPLATE, deploy_data_stack
from tests.aws import STAGE, USERS

COUNT = 60


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[Any, Any]]:
    """Clients of DynamoDB, as moto plays it, and of the benchmark's store, with the same users."""
    serving = server(SortedStore(COUNT), 0)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    try:
        with mock_aws(), pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            dynamodb = boto3.client("dynamodb")
            deploy_data_stack(boto3.client("cloudformation"), dynamodb, STAGE)
            for user in users(COUNT):
                row = item_of(user, "$2b$12$" + "x" * 53).to_dynamodb_dict()
                dynamodb.put_item(TableName=USERS, Item=row)
            url = f"http://127.0.0.1:{serving.server_port}"
            yield dynamodb, boto3.client("dynamodb", endpoint_url=url)
    finally:
        serving.shutdown()
        serving.server_close()
        thread.join()


def _query(name: str, limit: int, older_than: str | None, **more: Any) -> dict[str, Any]:
    """What PynamoDB sends for a partition, newest first."""
    condition = "#0 = :0" if older_than is None else "(#0 = :0 AND #1 < :1)"
    names = {"#0": "listed_in"} | ({} if older_than is None else {"#1": "listed_at"})
    values = {":0": {"S": name}} | ({} if older_than is None else {":1": {"S": older_than}})
    return {
        "TableName": USERS,
        "IndexName": "newest-first",
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ScanIndexForward": False,
        "Limit": limit,
        **more,
    }


def _pages(client: Any, query: dict[str, Any]) -> Iterator[list[Any]]:
    last: dict[str, Any] = {}
    for _ in range(COUNT):
        answer = client.query(**query, **last)
        yield answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        last = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("limit", [1, 7, 26])
@pytest.mark.parametrize("after", [None, 0, 30, 59])
def test_a_partition_is_read_as_dynamodb_reads_it(
    engines: tuple[Any, Any], name: str, limit: int, after: int | None
) -> None:
    position = None
    if after is not None:
        user = list(users(COUNT))[after]
        position = item_of(user, "").listed_at
    real, bench = ([*_pages(client, _query(name, limit, position))] for client in engines)
    assert [item for page in bench for item in page] == [item for page in real for item in page]
    assert bench[0] == real[0]


def test_it_has_the_users_that_it_is_told_to_have() -> None:
    store = SortedStore(COUNT)
    store.present = 12
    found = [
        json.loads(store.answer("Query", json.dumps(_query(name, 50, None)).encode()))["Items"]
        for name in LISTS
    ]
    assert sum(map(len, found)) == 12
    assert [operation for operation, _, _ in store.asked] == ["Query"] * 4


def test_the_admin_is_found_and_no_revocation() -> None:
    store = SortedStore(1)
    (admin,) = users(1)
    wanted = {
        "users": {"Keys": [{"pk": {"S": f"user#{admin.public_id}"}}]},
        "revoked-tokens": {"Keys": [{"token_id": {"S": "a"}}, {"token_id": {"S": "b"}}]},
    }
    answer = json.loads(store.answer("BatchGetItem", json.dumps({"RequestItems": wanted}).encode()))
    assert answer["Responses"]["users"][0]["public_id"] == {"S": admin.public_id}
    assert answer["Responses"]["revoked-tokens"] == []


@pytest.mark.parametrize("operation", ["PutItem", "Scan"])
def test_it_answers_nothing_else(operation: str) -> None:
    with pytest.raises(ValueError, match=operation):
        SortedStore(1).answer(operation, b"{}")


def test_the_index_has_what_its_template_projects() -> None:
    template = DATA_TEMPLATE.read_text(encoding="utf-8")
    (projected,) = re.findall(r"NonKeyAttributes:\n((?: +- \w+\n)+)", template)
    assert set(re.findall(r"\w+", projected)) | {"listed_in", "listed_at", "pk"} == PROJECTED


def test_chance_explains_what_is_even_and_not_what_is_not() -> None:
    assert chi_square([25, 25, 25, 25]) == (0, 1)
    square, likely = chi_square([30, 20, 25, 25])
    assert square == pytest.approx(2)
    assert likely == pytest.approx(0.5724, abs=1e-4)
    assert chi_square([20, 10, 10, 10])[1] == pytest.approx(0.1116, abs=1e-4)


def test_registrations_spread_evenly() -> None:
    spread = [list_of(user.public_id) for user in users(2_000)]
    assert chi_square([spread.count(name) for name in LISTS])[0] < 11.34


def test_users_register_one_after_the_other() -> None:
    times = [user.registered_on for user in users(3)]
    assert times[2] - times[0] == 2 * (times[1] - times[0]) > timedelta(0)


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    keep("page", "A page", [Row("few", [1.0, 2.0, 3.0])], tmp_path / "bench")
    kept = json.loads((tmp_path / "bench" / "page.json").read_text(encoding="utf-8"))
    assert kept["title"] == "A page"
    assert kept["rows"] == [{"name": "few", "median": 2.0, "low": 1.5, "high": 2.5}]
