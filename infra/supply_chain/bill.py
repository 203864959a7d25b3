"""The bill of materials of the package, in CycloneDX: what it is made of, and under which licences.

See https://cyclonedx.org/specification/overview/
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import metadata, requires
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.supply_chain.licences import licence_of
from infra.supply_chain.locks import Pin

_NO_TIME = datetime.fromtimestamp(0, UTC)
_OWN_LICENCE = "MIT"
_SWAGGER_UI = "swagger-ui-dist"
_SWAGGER_UI_LICENCE = "Apache-2.0"


def bill_of_materials(
    version: str, pins: Sequence[Pin], swagger_ui: Path, licences: Mapping[str, str]
) -> str:
    """The document, the same for the same package. `licences` are the explained ones.

    Raises:
        ValueError: what came out is not CycloneDX.
    """
    bom = Bom(version=1)
    # Neither a time nor a random number: the bill of the same package is the same bill.
    bom.serial_number = uuid5(
        NAMESPACE_URL, "\n".join(f"{pin.name}=={pin.version}" for pin in pins)
    )
    bom.metadata.timestamp = _NO_TIME
    root = Component(
        name="accounts",
        version=version,
        type=ComponentType.APPLICATION,
        licenses=[LicenseExpression(_OWN_LICENCE)],
        bom_ref="accounts",
    )
    bom.metadata.component = root
    components = {canonicalize_name(pin.name): _package(pin, licences) for pin in pins}
    page = _documentation_page(swagger_ui)
    for component in (*components.values(), page):
        bom.components.add(component)
    bom.register_dependency(root, [*components.values(), page])
    for name, component in components.items():
        needed = {canonicalize_name(Requirement(text).name) for text in requires(name) or []}
        bom.register_dependency(
            component, [components[other] for other in sorted(needed & components.keys())]
        )
    document = JsonV1Dot6(bom).output_as_string(indent=2)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(document)
    if fault:
        raise ValueError(f"the bill of materials is not CycloneDX: {fault}")
    return document


def _package(pin: Pin, licences: Mapping[str, str]) -> Component:
    licence = licence_of(metadata(pin.name), licences)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", name=canonicalize_name(pin.name), version=pin.version),
        licenses=[LicenseExpression(licence)] if licence else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256) for sha256 in pin.sha256],
        bom_ref=f"{pin.name}=={pin.version}",
    )


def _documentation_page(swagger_ui: Path) -> Component:
    version = (swagger_ui / "VERSION").read_text("utf-8").split()[1].rstrip(",")
    bundle = (swagger_ui / "swagger-ui-bundle.js").read_bytes()
    return Component(
        name=_SWAGGER_UI,
        version=version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("npm", name=_SWAGGER_UI, version=version),
        licenses=[LicenseExpression(_SWAGGER_UI_LICENCE)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256(bundle).hexdigest())],
        bom_ref=f"{_SWAGGER_UI}=={version}",
    )
