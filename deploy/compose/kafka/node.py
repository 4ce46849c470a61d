"""One node of the Kafka cluster of compose.yaml, in its container: python node.py broker|controller NUMBER

Writes its properties, formats an empty data folder for the cluster SETU_KAFKA_CLUSTER, and becomes Kafka. Brokers have
the ids 11, 12, 13, controllers 1, 2, 3.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPLOY = Path(os.environ.get("SETU_KAFKA_DEPLOY", HERE.parent / "deploy"))
BROKERS_FROM = 10


def properties(role: str, number: int, *, data: Path, keystore: Path, ca: Path) -> str:
    """The text of server.properties."""
    text = "".join((HERE / f"{each}.properties").read_text("utf-8") for each in (role, "common"))
    node = number + (BROKERS_FROM if role == "broker" else 0)
    name = f"kafka-{number}" if role == "broker" else f"controller-{number}"
    return text.format(node=node, name=name, data=data, keystore=keystore, ca=ca)


def command(heap: str) -> list[str]:
    """Java with the jars, each checked against its hash."""
    sys.path.insert(0, str(DEPLOY))
    import run  # noqa: PLC0415 - beside the jars' list, wherever the image has it

    path = os.pathsep.join(str(jar) for jar in run.jars(run.default_cache()))
    log4j = f"-Dlog4j2.configurationFile={DEPLOY / 'log4j2.properties'}"
    return [run.java(), f"-Xms{heap}", f"-Xmx{heap}", "-XX:+ExitOnOutOfMemoryError", log4j, "-cp", path]


def format_once(java: Sequence[str], settings: Path, data: Path, cluster: str) -> None:
    """Format a data folder that has never been used; one that has is left as it is."""
    if not (data / "meta.properties").exists():
        tool = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)]
        subprocess.run(tool, check=True)  # noqa: S603 - the Java and the jars that were checked


def main() -> None:
    parser = argparse.ArgumentParser(description="Be one node of the cluster.")
    parser.add_argument("role", choices=("broker", "controller"))
    parser.add_argument("number", type=int, choices=(1, 2, 3))
    parser.add_argument("--data", type=Path, default=Path("/var/lib/kafka/data"))
    parser.add_argument("--keystore", type=Path, default=Path("/etc/setu/kafka/node-all.pem"))
    parser.add_argument("--ca", type=Path, default=Path("/etc/setu/kafka/ca.pem"))
    parser.add_argument("--settings", type=Path, default=Path("/run/kafka/server.properties"))
    parser.add_argument("--heap", default="768m")
    parser.add_argument("--only-format", action="store_true", help="write, format, and end")
    asked = parser.parse_args()
    cluster = os.environ.get("SETU_KAFKA_CLUSTER")
    if not cluster:
        sys.exit("Expected the cluster's id in SETU_KAFKA_CLUSTER, found none. prepare.py writes it.")
    asked.data.mkdir(parents=True, exist_ok=True)
    text = properties(asked.role, asked.number, data=asked.data, keystore=asked.keystore, ca=asked.ca)
    asked.settings.write_text(text, "utf-8")
    java = command(asked.heap)
    format_once(java, asked.settings, asked.data, cluster)
    if not asked.only_format:
        os.execv(java[0], [*java, "kafka.Kafka", str(asked.settings)])  # noqa: S606 - it takes this process's place


if __name__ == "__main__":
    main()
