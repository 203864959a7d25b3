"""What the service costs: `python -m infra.costs` prints the tables of docs/costs.md.

The calls are those that tests/api counts; a test holds the document to what is printed here.
Prices are list prices in us-east-1, in US dollars, without the free tier and without taxes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

MILLION = 1_000_000

PRICES: Mapping[str, tuple[float, str]] = {
    "API Gateway, REST, a request": (3.50 / MILLION, "https://aws.amazon.com/api-gateway/pricing/"),
    "Lambda, arm64, an invocation": (0.20 / MILLION, "https://aws.amazon.com/lambda/pricing/"),
    "Lambda, arm64, a GB-second": (0.0000133334, "https://aws.amazon.com/lambda/pricing/"),
    "DynamoDB, on demand, a read unit": (
        0.125 / MILLION,
        "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    ),
    "DynamoDB, on demand, a write unit": (
        0.625 / MILLION,
        "https://aws.amazon.com/dynamodb/pricing/on-demand/",
    ),
    "CloudWatch Logs, a GB taken in": (0.50, "https://aws.amazon.com/cloudwatch/pricing/"),
}

API_MEMORY_GB = 1_769 / 1_024
AUTHORIZER_MEMORY_GB = 512 / 1_024
COURIER_MEMORY_GB = 512 / 1_024
LAMBDA_OCTETS = 360
"""What Lambda adds to an invocation's log: START, END and REPORT, and its id in our line."""
ACCESS_OCTETS = 590
"""A line of API Gateway's access log (infra/deployment/gateways.py)."""
_GB = 1_024**3


@dataclass(frozen=True, slots=True)
class Operation:
    """What one request uses, warm.

    Milliseconds are billed time, by function. The octets are those of the functions' own log lines,
    metrics included.
    """

    name: str
    api_ms: float
    authorizer_ms: float
    read_units: float
    write_units: float
    log_octets: int

    def cost(self) -> dict[str, float]:
        """The dollars of one request, by service."""
        price = {name: dollars for name, (dollars, _) in PRICES.items()}
        invocations = 1 + (1 if self.authorizer_ms else 0)
        logged_gb = (self.log_octets + invocations * LAMBDA_OCTETS + ACCESS_OCTETS) / _GB
        gb_seconds = (
            self.api_ms * API_MEMORY_GB + self.authorizer_ms * AUTHORIZER_MEMORY_GB
        ) / 1_000
        return {
            "API Gateway": price["API Gateway, REST, a request"],
            "Lambda": invocations * price["Lambda, arm64, an invocation"]
            + gb_seconds * price["Lambda, arm64, a GB-second"],
            "DynamoDB": self.read_units * price["DynamoDB, on demand, a read unit"]
            + self.write_units * price["DynamoDB, on demand, a write unit"],
            "Logs": logged_gb * price["CloudWatch Logs, a GB taken in"],
        }


# A bcrypt hash at cost 12 takes a quarter of a second on one vCPU; a DynamoDB call about 5 ms. A
# consistent read of up to 4 KB is one read unit, also if nothing is there. What is part of a
# transaction is two units, a check too. A registration puts seven rows, an event and a message
# among them, checks one, and has one row of the index. A login reads three counts and checks one in
# the session's transaction, with an event, which puts one row more where the address is not known.
# No row reaches 1 KB, but for much metadata.
OPERATIONS = (
    Operation("a login", api_ms=270, authorizer_ms=0, read_units=7, write_units=6, log_octets=550),
    Operation(
        "a registration", api_ms=265, authorizer_ms=0, read_units=0, write_units=17, log_octets=550
    ),
    Operation("a refresh", api_ms=15, authorizer_ms=0, read_units=3, write_units=4, log_octets=550),
    Operation(
        "an authorized request",
        api_ms=5,
        authorizer_ms=10,
        read_units=3,
        write_units=0,
        log_octets=700,
    ),
    Operation("a logout", api_ms=15, authorizer_ms=0, read_units=3, write_units=6, log_octets=550),
)


def tables() -> str:
    """The document's tables, in Markdown."""
    lines = ["| price | US dollars | source |", "|---|---|---|"]
    lines += [f"| {name} | {dollars:.10f} | <{url}> |" for name, (dollars, url) in PRICES.items()]
    services = list(OPERATIONS[0].cost())
    lines += ["", f"| a million times | {' | '.join(services)} | in all |"]
    lines += ["|---|" + "---:|" * (len(services) + 1)]
    for operation in OPERATIONS:
        cost = [dollars * MILLION for dollars in operation.cost().values()]
        cells = " | ".join(f"{dollars:.2f}" for dollars in (*cost, sum(cost)))
        lines.append(f"| {operation.name} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(tables(), end="")
