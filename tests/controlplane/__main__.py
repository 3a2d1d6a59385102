"""Builds what is missing and prints the directory of the binaries: `scripts/controlplane`."""

import argparse

from tests.controlplane.binaries import BuildFailed, build


def main() -> None:
    argparse.ArgumentParser(
        prog="scripts/controlplane",
        description="Builds a Kubernetes control plane and kwok for the tests (five minutes on two cores, then never "
        "again until their versions change) and prints the directory that holds them. It needs Go, and is used by "
        "scripts/test when it is there.",
    ).parse_args()
    try:
        print(build())
    except BuildFailed as error:
        raise SystemExit(str(error)) from None


main()
