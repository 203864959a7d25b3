"""What watches a stage, held to what is watched; and the runbook, held to both."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
import yaml  # type: ignore[import-untyped] # it has no types
from botocore import xform_name
from cfnlint.decode import cfn_yaml  # type: ignore[import-untyped] # likewise

from chalicelib import telemetry
from chalicelib.api import accounts, auth, documents
from chalicelib.keys.parameters import Parameter
from infra.deployment.gateways import ACCESS_LOG
from infra.deployment.logs import access_group, function_group
from infra.deployment.stages import Stage, read_stage
from infra.stacks import TABLES
from tests import aws

CHECKOUT = Path(__file__).parents[2]
TEMPLATE = CHECKOUT / "infra" / "operations.yaml"
RUNBOOK = (CHECKOUT / "docs" / "runbook.md").read_text("utf-8")
SHELL = [
    re.sub(r"\\\n\s*", "", block) for block in re.findall(r"```sh\n(.*?)```", RUNBOOK, re.DOTALL)
]
PLACE = {"AWS::Region": "us-east-1", "Stage": "prod", "Alarms": "the-topic"}

Metric = tuple[str, frozenset[str]]
"""The name of a metric of ours, and what its dimensions are called."""


def _filled_in(value: Any) -> Any:
    """What CloudFormation makes of a value for the stage `prod`."""
    match value:
        case {"Ref": name}:
            return PLACE[name]
        case {"Fn::Sub": text}:
            return re.sub(r"\$\{([\w:]+)}", lambda found: PLACE[found[1]], text)
        case dict():
            return {name: _filled_in(part) for name, part in value.items()}
        case list():
            return [_filled_in(part) for part in value]
        case _:
            return value


RESOURCES: dict[str, Any] = cfn_yaml.load(str(TEMPLATE))["Resources"]
ALARMS: list[dict[str, Any]] = [
    _filled_in(resource["Properties"])
    for resource in RESOURCES.values()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
]
WIDGETS: list[dict[str, Any]] = [
    widget["properties"]
    for widget in json.loads(_filled_in(RESOURCES["Dashboard"]["Properties"]["DashboardBody"]))[
        "widgets"
    ]
]


@pytest.fixture
def stage() -> Stage:
    return read_stage(CHECKOUT, "prod", {})


def _watched() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each metric that an alarm or the dashboard names: namespace, name, dimensions."""
    for alarm in ALARMS:
        for part in alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}]):
            if "MetricStat" in part:
                metric = part["MetricStat"]["Metric"]
                named = {pair["Name"]: pair["Value"] for pair in metric["Dimensions"]}
                yield metric["Namespace"], metric["MetricName"], named
    for widget in WIDGETS:
        for line in widget["metrics"]:
            if isinstance(line[0], dict):
                yield _searched(line[0]["expression"])
            else:
                namespace, name, *rest = (part for part in line if isinstance(part, str))
                yield namespace, name, dict(zip(rest[::2], rest[1::2], strict=True))


def _searched(expression: str) -> tuple[str, str, dict[str, str]]:
    found = re.fullmatch(
        r"SEARCH\('\{([\w,]+)} (.*) MetricName=\"(\w+)\"', 'Sum', 60\)", expression
    )
    assert found, expression
    namespace, *dimensions = found[1].split(",")
    values = dict(re.findall(r"(\w+)=\"(\w+)\"", found[2]))
    return namespace, found[3], {name: values.get(name, "any") for name in dimensions}


class _Lines(logging.Handler):
    """What the functions would have written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(telemetry.JsonFormatter())
        self.written: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = "an invocation"  # as Lambda's own handler does
        self.written.append(json.loads(self.format(record)))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A line of every kind: each route's success, a refusal, a failure, a crash."""
    handler = _Lines()
    logger = logging.getLogger(telemetry.__name__)
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    for routes in (accounts.routes, auth.routes, documents.routes):
        for operation in routes.operations:
            with telemetry.recording("request", request_id="1", route=operation.path) as record:
                record.counts = operation.counts
                record.note(user="a-user", status=operation.status)
                with telemetry.store_call():
                    pass
    with telemetry.recording("request") as record:
        record.note(outcome="wrong_credentials")
        telemetry.security_event("refresh_token_reused", user="a-user", session="a-session")
        telemetry.security_event("attempts_limited", user="a-user", counted="account")
    with telemetry.recording("request") as record:
        record.failed = True
    with telemetry.recording("key_rotation", action="publish", key="a-key") as record:
        record.note(next="sign", not_before="a moment")
    for metric in ("MailsSent", "MailsFailed", "MailsGivenUp"):
        with telemetry.recording("delivery", errand="an_errand", message_id="1") as record:
            record.count(metric)
            record.note(action="sent")
    with telemetry.recording("delivery_turn", messages="pending") as record:
        record.note(done=1, given_up=0, failed=0, left=0)
    try:
        dict[str, str]()["nothing"]
    except KeyError:
        logger.exception("it failed")
    return handler.written


def _emitted(lines: list[dict[str, Any]]) -> set[Metric]:
    """The metrics that CloudWatch makes of these lines."""
    return {
        (metric["Name"], frozenset(dimensions))
        for line in lines
        for directive in line.get("_aws", {"CloudWatchMetrics": []})["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
    }


def test_the_metrics_of_ours_that_are_watched_are_those_that_are_written(
    lines: list[dict[str, Any]],
) -> None:
    watched = {
        (name, frozenset(dimensions))
        for namespace, name, dimensions in _watched()
        if namespace == telemetry.NAMESPACE
    }
    assert watched == _emitted(lines)
    assert ("Registrations", frozenset({"stage"})) in watched


def test_what_is_watched_is_this_stages_own(stage: Stage) -> None:
    functions = {stage.function_name(function) for function in stage.functions}
    tables = {f"{stage.resource_prefix}-{suffix}" for suffix in TABLES.values()}
    seen = set()
    for namespace, name, dimensions in _watched():
        match namespace:
            case "AWS/ApiGateway":
                expected = {"ApiName": stage.app_name, "Stage": stage.gateway_stage}
                assert dimensions == expected, name
            case "AWS/Lambda":
                assert dimensions.keys() == {"FunctionName"}
                assert dimensions["FunctionName"] in functions
                seen.add(dimensions["FunctionName"])
            case "AWS/DynamoDB":
                assert dimensions.keys() == {"TableName"}
                assert dimensions["TableName"] in tables
            case telemetry.NAMESPACE:
                assert dimensions["stage"] == stage.name
            case _:
                pytest.fail(f"nothing of ours writes to {namespace}")
    assert seen == functions


def test_every_alarm_tells_the_topic_when_it_begins_and_when_it_ends() -> None:
    assert len(ALARMS) == 8
    for alarm in ALARMS:
        assert alarm["AlarmActions"] == alarm["OKActions"] == ["the-topic"]
        assert alarm["TreatMissingData"] == "notBreaching"


def test_every_alarm_has_a_section_in_the_runbook_and_the_runbook_no_other() -> None:
    named = {alarm["AlarmName"].removeprefix("accounts-prod-") for alarm in ALARMS}
    said = {re.search(r"Runbook: alarm ([\w-]+)\.$", a["AlarmDescription"]) for a in ALARMS}
    assert {found and found[1] for found in said} == named
    assert set(re.findall(r"^### Alarm ([\w-]+)$", RUNBOOK, re.MULTILINE)) == named


@pytest.mark.parametrize("template", sorted(TEMPLATE.parent.glob("*.yaml")), ids=lambda it: it.name)
def test_no_template_has_an_alias_which_cloudformation_refuses(template: Path) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html"""
    events = yaml.parse(template.read_text("utf-8"))
    assert not [event for event in events if isinstance(event, yaml.AliasEvent)]


def test_the_dashboard_has_no_two_widgets_in_one_place() -> None:
    body = json.loads(_filled_in(RESOURCES["Dashboard"]["Properties"]["DashboardBody"]))
    places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
    assert len(set(places)) == len(places) == len(WIDGETS)
    assert all(widget["region"] == "us-east-1" for widget in WIDGETS)


@pytest.mark.filterwarnings("ignore:Tried to parse AWS..CloudWatch..Alarm:UserWarning")
@pytest.mark.parametrize("email", ["", "oncall@example.com"])
def test_the_stack_can_be_made(key_parameters: tuple[Parameter, Parameter], email: str) -> None:
    parameters = {"Stage": "prod", "AlarmEmail": email}
    with aws.started(key_parameters):
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(
            StackName="accounts-prod-operations",
            TemplateBody=TEMPLATE.read_text("utf-8"),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
        )
        cloudwatch: Any = boto3.client("cloudwatch")
        assert cloudwatch.get_dashboard(DashboardName="accounts-prod")["DashboardBody"]
        subscriptions: Any = boto3.client("sns").list_subscriptions()["Subscriptions"]
        assert [subscription["Endpoint"] for subscription in subscriptions] == [email][
            : bool(email)
        ]
        # moto's CloudFormation makes no alarms. Their properties are PutMetricAlarm's parameters.
        for alarm in ALARMS:
            cloudwatch.put_metric_alarm(**alarm)
        made = cloudwatch.describe_alarms()["MetricAlarms"]
        assert {alarm["AlarmName"] for alarm in made} == {alarm["AlarmName"] for alarm in ALARMS}


# What Logs Insights has beside the fields of a line: commands, functions, operators, its own.
_OF_INSIGHTS = (
    {"fields", "filter", "stats", "sort", "limit", "by", "as", "asc", "desc", "and", "like"}
    | {"count", "pct", "max", "min", "ispresent"}
    | {"@timestamp", "@message", "@logStream"}
    | {"@type", "@duration", "@initDuration", "@maxMemoryUsed"}
)


def _insights() -> Iterator[tuple[str, str]]:
    """Each query of the runbook, and the log group that it is for."""
    for block in SHELL:
        yield from re.findall(r'insights "([^"]+)" \d+ "([^"]+)"', block)


def test_the_runbooks_queries_ask_for_fields_that_the_lines_have(
    lines: list[dict[str, Any]], stage: Stage
) -> None:
    of_functions = frozenset[str]().union(*lines) | {"stack"}
    fields: Mapping[str, frozenset[str]] = {
        access_group(stage): frozenset(ACCESS_LOG),
        function_group(stage, "api_handler"): of_functions,
        function_group(stage, "rotate_keys"): of_functions - {"route", "status", "request_id"},
        function_group(stage, "deliver_mail"): of_functions - {"route", "status", "request_id"},
        function_group(stage, "redeliver_mail"): of_functions - {"route", "status", "request_id"},
        function_group(stage, "authorize"): of_functions - {"route", "status", "request_id"},
        f"/aws/lambda/{stage.resource_prefix}-$function": of_functions
        - {"route", "status", "request_id"},
        "/aws/lambda/$function": of_functions - {"route", "status", "request_id"},
    }
    queries = list(_insights())
    assert len(queries) > 10
    for group, query in queries:
        plain = re.sub(r"'[^']*'|(?<=like )/.*/", " ", query)
        names = set(re.findall(r"(?<![\w@])@?[A-Za-z]\w*", plain))
        aliases = set(re.findall(r"\bas (\w+)", plain))
        known = fields[group.replace("$STAGE", stage.name)]
        assert names - aliases - _OF_INSIGHTS <= known, query


def test_the_runbooks_messages_are_those_that_are_logged() -> None:
    sources = "".join(
        path.read_text("utf-8") for path in sorted((CHECKOUT / "chalicelib").rglob("*.py"))
    )
    messages = re.findall(r"^\| `([a-z][^`…]+?):? ?…?` \|", RUNBOOK, re.MULTILINE)
    assert len(messages) == 11
    assert all(f'"{message}' in sources for message in messages)


# What the AWS CLI adds to AWS's own operations.
_GLOBAL_OPTIONS = {"query", "output", "region"}
_DEPLOY_OPTIONS = {
    "stack-name",
    "template-file",
    "capabilities",
    "parameter-overrides",
    "no-fail-on-empty-changeset",
}


def _commands() -> Iterator[tuple[str, str, list[str]]]:
    """Each command of the AWS CLI: service, operation or waiter, options."""
    for block in SHELL:
        plain = re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", "_", block)
        for command in re.findall(r"\baws (?=[a-z])([^|;)&\n]+)", plain):
            service, operation, *_ = command.removeprefix("aws ").split()
            rest = re.findall(r"--([a-z-]+)", command)
            if operation == "wait":
                operation = f"wait {command.split()[2]}"
            yield service, operation, rest


def _options(service: str, operation: str) -> set[str]:
    session = botocore.session.get_session()
    model = session.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation.startswith("wait "):
        waiters = session.get_waiter_model(service)
        names = {xform_name(name, "-"): name for name in waiters.waiter_names}
        name = waiters.get_waiter(names[operation.removeprefix("wait ")]).operation
    else:
        name = operations[operation]
    shape = model.operation_model(name).input_shape
    members = shape.members if shape else {}
    options = {xform_name(member, "-") for member in members}
    return options | {
        f"no-{xform_name(member, '-')}"
        for member, kind in members.items()
        if kind.type_name == "boolean"
    }


def test_the_runbooks_aws_commands_exist_with_these_options() -> None:
    commands = list(_commands())
    assert len(commands) > 40
    for service, operation, options in commands:
        known = _GLOBAL_OPTIONS | (
            _DEPLOY_OPTIONS
            if (service, operation) == ("cloudformation", "deploy")
            else _options(service, operation)
        )
        assert set(options) <= known, (service, operation)


def test_the_runbooks_make_commands_exist() -> None:
    makefile = (CHECKOUT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)|^\s*make ([a-z-]+)", RUNBOOK, re.MULTILINE)) <= {
        pair for target in targets for pair in ((target, ""), ("", target))
    }


def test_the_runbooks_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for target in re.findall(r"]\(([^)]+)\)", RUNBOOK):
        path, _, anchor = target.partition("#")
        assert (CHECKOUT / "docs" / path).exists(), target
        assert path or anchor in anchors, target
