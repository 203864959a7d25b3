"""The cost tables are arithmetic on what tests/api/test_costs.py counts, and on the deployment."""

import json
from pathlib import Path

import pytest

from infra import costs
from infra.deployment.gateways import ACCESS_LOG

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "costs.md"
A_UUID = "319351b7-6d21-4014-8464-40e7fad4eca8"

# What API Gateway puts into an access log line of an authorized request. Names end values' names.
TYPICAL = {
    "requestId": A_UUID,
    "requestTime": "23/Nov/2026:05:46:27 +0000",
    "sourceIp": "203.0.113.195",
    "httpMethod": "POST",
    "resourcePath": "/user/{public_id}",
    "principalId": A_UUID,
    "status": "200",
    "responseType": "-",
    "latency": "265",
    "responseLatency": "270",
    "responseLength": "512",
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}


def test_the_page_has_the_tables_that_the_command_prints() -> None:
    assert costs.tables() in PAGE.read_text("utf-8")


def test_the_page_adds_up_a_million_logins_and_a_million_authorized_requests() -> None:
    sums = {
        operation.name: sum(operation.cost().values()) * costs.MILLION
        for operation in costs.OPERATIONS
    }
    sentence = f"cost {sums['a login']:.2f} + {sums['an authorized request']:.2f} dollars"
    assert sentence in PAGE.read_text("utf-8")


def test_the_functions_have_the_memory_that_is_paid_for() -> None:
    configuration = json.loads((CHECKOUT / ".chalice" / "config.json").read_bytes())
    functions = configuration["lambda_functions"]
    memory = {name: function["lambda_memory_size"] for name, function in functions.items()}
    assert memory == {
        "api_handler": costs.API_MEMORY_GB * 1_024,
        "authorize": costs.AUTHORIZER_MEMORY_GB * 1_024,
        "rotate_keys": 512,  # once an hour, which costs next to nothing
        "deliver_mail": costs.COURIER_MEMORY_GB * 1_024,
        "redeliver_mail": 512,  # every five minutes, likewise
    }
    for stage in configuration["stages"].values():
        assert not {"lambda_memory_size", "lambda_functions", "lambda_architecture"} & stage.keys()
    assert configuration["lambda_architecture"] == "arm64"


def test_an_access_log_line_has_about_the_octets_that_are_paid_for() -> None:
    line = {name: TYPICAL[value.rpartition(".")[2]] for name, value in ACCESS_LOG.items()}
    assert len(json.dumps(line)) == pytest.approx(costs.ACCESS_OCTETS, rel=0.1)


def test_lambdas_own_lines_have_about_the_octets_that_are_paid_for() -> None:
    lines = (
        f"START RequestId: {A_UUID} Version: $LATEST\n",
        f"END RequestId: {A_UUID}\n",
        f"REPORT RequestId: {A_UUID}\tDuration: 265.12 ms\tBilled Duration: 266 ms\t",
        "Memory Size: 1769 MB\tMax Memory Used: 112 MB\t\n",
        f'"lambda_request_id": "{A_UUID}", ',
    )
    assert sum(map(len, lines)) == pytest.approx(costs.LAMBDA_OCTETS, rel=0.15)
